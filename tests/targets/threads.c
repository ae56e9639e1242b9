/*
 * threads SECONDS MILLISECONDS: at any time two threads work, each for MILLISECONDS of its CPU
 * time, then another takes its place; "red" and "blue" by turns, each with a function of its own.
 */
#include "target.h"

#include <pthread.h>

static long life_ms = 60;

NOINLINE uint64_t red_leaf(uint64_t x);
NOINLINE uint64_t blue_leaf(uint64_t x);

uint64_t
red_leaf(uint64_t x)
{
	return churn(x, TARGET_PIECE) + 1;
}

uint64_t
blue_leaf(uint64_t x)
{
	return churn(x, TARGET_PIECE) + 2;
}

static long
used_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (long)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void *
red(void *arg)
{
	uint64_t x = 1;

	pthread_setname_np(pthread_self(), "red");
	while (used_ms() < life_ms)
		for (int i = 0; i < 32; i++)
			x = red_leaf(x);
	target_keep(x);
	return arg;
}

static void *
blue(void *arg)
{
	uint64_t x = 1;

	pthread_setname_np(pthread_self(), "blue");
	while (used_ms() < life_ms)
		for (int i = 0; i < 32; i++)
			x = blue_leaf(x);
	target_keep(x);
	return arg;
}

int
main(int argc, char **argv)
{
	double end = target_begin(argc, argv);
	pthread_t a, b;

	if (argc > 2 && atoi(argv[2]) > 0)
		life_ms = atoi(argv[2]);
	target_expect("\"shares\": {\"red_leaf\": 0.50, \"blue_leaf\": 0.50}, \"systematic\": 0.03, "
	              "\"threads\": {\"red\": \"red_leaf\", \"blue\": \"blue_leaf\"}");
	while (target_now() < end) {
		if (pthread_create(&a, NULL, red, NULL) != 0 || pthread_create(&b, NULL, blue, NULL) != 0)
			return 1;
		pthread_join(a, NULL);
		pthread_join(b, NULL);
	}
	return 0;
}
