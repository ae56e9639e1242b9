/* For events other than the clock: touches fresh memory and sleeps, each in a function of its own. */
#include "target.h"

#include <string.h>
#include <sys/mman.h>

#define BLOCK (256 * 4096)

NOINLINE void touch_memory(void);
NOINLINE void take_naps(void);

void
touch_memory(void)
{
	char *p = mmap(NULL, BLOCK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return;
	madvise(p, BLOCK, MADV_NOHUGEPAGE);
	for (size_t i = 0; i < BLOCK; i += 4096)
		p[i] = 1;
	munmap(p, BLOCK);
}

void
take_naps(void)
{
	for (int i = 0; i < 20; i++)
		usleep(200);
}

int
main(int argc, char **argv)
{
	double end = target_begin(argc, argv);
	uint64_t x = 1;

	target_expect("\"page-faults\": \"touch_memory\", \"context-switches\": \"take_naps\"");
	while (target_now() < end) {
		touch_memory();
		take_naps();
		x = churn(x, 50 * TARGET_PIECE);
	}
	target_keep(x);
	return 0;
}
