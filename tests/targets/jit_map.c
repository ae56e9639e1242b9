/*
 * A JIT in small: two loops written into executable memory, named in /tmp/perf-PID.map; the
 * second only after SIGUSR1, when the map grows. They keep rbp as a frame pointer, as JITs do.
 */
#include "target.h"

#include <signal.h>
#include <string.h>
#include <sys/mman.h>

/* push rbp; mov rbp,rsp; rax = rdi; xorshift esi times; pop rbp; ret */
static const unsigned char loop_code[] = {
	0x55, 0x48, 0x89, 0xe5, 0x48, 0x89, 0xf8,
	0x48, 0x89, 0xc2, 0x48, 0xc1, 0xe2, 0x0d, 0x48, 0x31, 0xd0,
	0x48, 0x89, 0xc2, 0x48, 0xc1, 0xea, 0x07, 0x48, 0x31, 0xd0,
	0x48, 0x89, 0xc2, 0x48, 0xc1, 0xe2, 0x11, 0x48, 0x31, 0xd0,
	0xff, 0xce, 0x75, 0xde, 0x5d, 0xc3,
};

typedef uint64_t (*loop_fn)(uint64_t x, unsigned int rounds);

static volatile sig_atomic_t asked;

static void
on_usr1(int sig)
{
	asked = sig;
}

static loop_fn
emit(unsigned char *at)
{
	loop_fn f;

	memcpy(at, loop_code, sizeof(loop_code));
	memcpy(&f, &at, sizeof(f));
	return f;
}

NOINLINE uint64_t run_jit(loop_fn f, uint64_t x);

uint64_t
run_jit(loop_fn f, uint64_t x)
{
	return f(x | 1, TARGET_PIECE) + 1;
}

int
main(int argc, char **argv)
{
	double end = target_begin(argc, argv);
	unsigned char *code;
	char path[64];
	loop_fn first, second = NULL;
	FILE *map;
	uint64_t x = 1;

	code = mmap(NULL, 8192, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	snprintf(path, sizeof(path), "/tmp/perf-%d.map", (int)getpid());
	map = fopen(path, "wx");
	if (code == MAP_FAILED || !map)
		return 1;
	setvbuf(map, NULL, _IOLBF, 0);
	signal(SIGUSR1, on_usr1);
	first = emit(code);
	fprintf(map, "%lx %zx jit first loop\n", (unsigned long)code, sizeof(loop_code));
	target_expect("\"map\": \"%s\", \"first\": \"jit first loop\", \"second\": \"jit_second\"", path);
	while (target_now() < end) {
		if (asked && !second) {
			second = emit(code + 4096);
			fprintf(map, "%lx %zx jit_second\n", (unsigned long)code + 4096, sizeof(loop_code));
		}
		for (int i = 0; i < 64; i++)
			x = run_jit(second ? second : first, x);
	}
	target_keep(x);
	fclose(map);
	unlink(path);
	return 0;
}
