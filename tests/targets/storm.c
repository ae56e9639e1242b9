/*
 * storm SECONDS RATE: so many threads a second are born, do a piece of work and are gone.
 */
#include "target.h"

#include <pthread.h>

#define STACK_BYTES (64u << 10)

NOINLINE uint64_t short_leaf(uint64_t x);

uint64_t
short_leaf(uint64_t x)
{
	return churn(x, TARGET_PIECE) + 1;
}

static void *
work(void *arg)
{
	target_keep(short_leaf((uintptr_t)arg));
	return NULL;
}

int
main(int argc, char **argv)
{
	double end = target_begin(argc, argv), began = target_now();
	double rate = argc > 2 ? atof(argv[2]) : 10000;
	struct timespec a_little = { 0, 500000 };
	unsigned long born = 0;
	pthread_attr_t small;
	pthread_t t;

	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, STACK_BYTES);
	pthread_attr_setdetachstate(&small, PTHREAD_CREATE_DETACHED);
	target_expect("\"born_per_second\": %.0f", rate);
	while (target_now() < end) {
		double now = target_now();

		/* A full machine makes fewer: at most 100 between two naps. */
		for (int i = 0; i < 100 && (double)born < rate * (now - began); i++, born++)
			if (pthread_create(&t, &small, work, (void *)(uintptr_t)born) != 0)
				break;
		nanosleep(&a_little, NULL);
	}
	return 0;
}
