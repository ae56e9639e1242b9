/*
 * crowd SECONDS THREADS: so many threads, of which one after the other works for a millisecond or so; the
 * even ones in a function of their own, and so the odd ones. Together they want about a CPU.
 */
#include "target.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>

#define STACK_BYTES (64u << 10)

static double end_at;
static long pause_ns;

NOINLINE uint64_t even_leaf(uint64_t x);
NOINLINE uint64_t odd_leaf(uint64_t x);

uint64_t
even_leaf(uint64_t x)
{
	return churn(x, TARGET_PIECE) + 1;
}

uint64_t
odd_leaf(uint64_t x)
{
	return churn(x, TARGET_PIECE) + 2;
}

static void
rest(long ns)
{
	struct timespec t = { ns / 1000000000, ns % 1000000000 };

	while (nanosleep(&t, &t) < 0 && errno == EINTR)
		;
}

static void *
work(void *arg)
{
	uint64_t (*leaf)(uint64_t) = (uintptr_t)arg % 2 ? odd_leaf : even_leaf;
	uint64_t x = (uintptr_t)arg + 1, random = x * 0x9e3779b97f4a7c15u;

	rest((long)(churn(random, 3) % (uint64_t)pause_ns));
	while (target_now() < end_at) {
		for (int i = 0; i < 64; i++)
			x = leaf(x);
		random = churn(random, 1);
		/* Half to one and a half times the pause: never all at a time. */
		rest(pause_ns / 2 + (long)(random % (uint64_t)pause_ns));
	}
	target_keep(x);
	return NULL;
}

int
main(int argc, char **argv)
{
	long threads = argc > 2 ? atol(argv[2]) : 1000;
	pthread_attr_t small;
	pthread_t t;

	end_at = target_begin(argc, argv);
	pause_ns = threads * 1500000;
	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, STACK_BYTES);
	for (long i = 0; i < threads; i++) {
		if (pthread_create(&t, &small, work, (void *)(uintptr_t)i) != 0) {
			fprintf(stderr, "crowd: only %ld threads\n", i);
			return 1;
		}
		pthread_detach(t);
	}
	target_expect("\"shares\": {\"even_leaf\": 0.50, \"odd_leaf\": 0.50}, \"systematic\": 0.04");
	rest((long)((end_at - target_now()) * 1e9));
	return 0;
}
