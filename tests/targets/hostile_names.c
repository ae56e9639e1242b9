/*
 * Names that try to break whoever prints them: threads called with quotes, newlines and bytes
 * that are no UTF-8, a symbol of 4 KB, and symbols whose placeholders lib/targets.py overwrites
 * in the file (HOSTILE_MARKUP, HOSTILE_BYTES, HOSTILE_LINES) with bytes that no compiler takes.
 */
#include "target.h"

#include <pthread.h>

#ifndef LONG_NAME
#define LONG_NAME long_name
#endif

NOINLINE uint64_t HOSTILE_MARKUP_xxxxxxxxxxxxxxxx(uint64_t x);
NOINLINE uint64_t HOSTILE_BYTES_xxxxxxxxxxxxxxxxx(uint64_t x);
NOINLINE uint64_t HOSTILE_LINES_xxxxxxxxxxxxxxxxx(uint64_t x);
NOINLINE uint64_t LONG_NAME(uint64_t x);

uint64_t
HOSTILE_MARKUP_xxxxxxxxxxxxxxxx(uint64_t x)
{
	return churn(x, TARGET_PIECE) + 1;
}

uint64_t
HOSTILE_BYTES_xxxxxxxxxxxxxxxxx(uint64_t x)
{
	return churn(x, TARGET_PIECE) + 2;
}

uint64_t
HOSTILE_LINES_xxxxxxxxxxxxxxxxx(uint64_t x)
{
	return churn(x, TARGET_PIECE) + 3;
}

uint64_t
LONG_NAME(uint64_t x)
{
	return churn(x, TARGET_PIECE) + 4;
}

static double end;

struct worker {
	const char *name;
	uint64_t (*leaf)(uint64_t);
};

static const struct worker workers[] = {
	{ "<b>\"&'\\", HOSTILE_MARKUP_xxxxxxxxxxxxxxxx },
	{ "\xff\xfe\xc0\x80z", HOSTILE_BYTES_xxxxxxxxxxxxxxxxx },
	{ "a\nb\r\tc\x1b[2J", HOSTILE_LINES_xxxxxxxxxxxxxxxxx },
	{ "%s%n;=,{}", LONG_NAME },
};

static void *
run(void *arg)
{
	const struct worker *w = arg;
	uint64_t x = 1;

	pthread_setname_np(pthread_self(), w->name);
	while (target_now() < end)
		for (int i = 0; i < 64; i++)
			x = w->leaf(x);
	target_keep(x);
	return NULL;
}

int
main(int argc, char **argv)
{
	pthread_t threads[4];

	end = target_begin(argc, argv);
	for (int i = 0; i < 4; i++) {
		struct worker *w = malloc(sizeof(*w));

		if (!w)
			return 1;
		*w = workers[i];
		if (pthread_create(&threads[i], NULL, run, w) != 0)
			return 1;
	}
	target_expect("\"threads\": 5");
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	return 0;
}
