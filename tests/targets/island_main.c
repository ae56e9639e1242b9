/* Work through assembly without unwind tables (island.S): 50 % plain, 30 % nested, 20 % back in C. */
#include "target.h"

uint64_t island_loop(uint64_t x, uint64_t rounds);
uint64_t island_outer(uint64_t x, uint64_t rounds);
uint64_t island_back(uint64_t x, uint64_t (*f)(uint64_t));

NOINLINE uint64_t back_in_c(uint64_t x);
NOINLINE uint64_t voyage(uint64_t x);

uint64_t
back_in_c(uint64_t x)
{
	return churn(x, TARGET_PIECE) + 1;
}

uint64_t
voyage(uint64_t x)
{
	unsigned int d = target_draw();

	if (d < 50)
		return island_loop(x | 1, TARGET_PIECE) + 1;
	if (d < 80)
		return island_outer(x | 1, TARGET_PIECE) + 2;
	return island_back(x | 1, back_in_c) + 3;
}

int
main(int argc, char **argv)
{
	double end = target_begin(argc, argv);
	uint64_t x = 1;

	target_expect("\"shares\": {\"island_loop\": 0.80, \"island_outer\": 0.30, \"back_in_c\": 0.20}, "
	              "\"stacks\": [[\"island_loop\", \"voyage\", \"main\"], "
	              "[\"island_loop\", \"island_outer\", \"voyage\", \"main\"], "
	              "[\"back_in_c\", \"island_back\", \"voyage\", \"main\"]]");
	while (target_now() < end)
		for (int i = 0; i < 64; i++)
			x = voyage(x);
	target_keep(x);
	return 0;
}
