/*
 * 70 % of the time in hot_leaf(), 30 % in cold_leaf(), each some calls below main: plain calls,
 * a static function, one inlined function, and a tail call, whose caller leaves no frame.
 * Built in many ways (lib/targets.py): the profile must say the same of each.
 */
#include "target.h"

NOINLINE uint64_t hot_leaf(uint64_t x);
NOINLINE uint64_t cold_leaf(uint64_t x);
NOINLINE uint64_t hot_middle(uint64_t x);
NOINLINE uint64_t cold_middle(uint64_t x);
NOINLINE uint64_t serve(uint64_t x);

uint64_t
hot_leaf(uint64_t x)
{
	return churn(x, TARGET_PIECE) + 1;
}

uint64_t
cold_leaf(uint64_t x)
{
	return churn(x, TARGET_PIECE) + 2;
}

INLINE uint64_t
hot_inlined(uint64_t x)
{
	return hot_leaf(x ^ 5) + 3;
}

uint64_t
hot_middle(uint64_t x)
{
	volatile uint64_t on_stack[16];

	on_stack[x & 15] = x;
	return hot_inlined(x) + on_stack[x & 15];
}

static NOINLINE uint64_t
cold_static(uint64_t x)
{
	return cold_leaf(x) * 3;
}

uint64_t
cold_middle(uint64_t x)
{
	/* A tail call: with -O2 this function has no frame while cold_static() runs. */
	return cold_static(x + 1);
}

uint64_t
serve(uint64_t x)
{
	if (target_draw() < 70)
		x = hot_middle(x);
	else
		x = cold_middle(x);
	target_keep(x);
	return x + 1;
}

int
main(int argc, char **argv)
{
	double end = target_begin(argc, argv);
	uint64_t x = 1;

	target_expect("\"shares\": {\"hot_leaf\": 0.70, \"cold_leaf\": 0.30}, "
	              "\"stacks\": [[\"churn\", \"hot_leaf\", \"hot_inlined\", \"hot_middle\", \"serve\", \"main\"], "
	              "[\"churn\", \"cold_leaf\", \"cold_static\", \"serve\", \"main\"]], "
	              "\"inlined\": [\"hot_inlined\", \"churn\"]");
	while (target_now() < end)
		for (int i = 0; i < 64; i++)
			x = serve(x);
	target_keep(x);
	return 0;
}
