/*
 * demo_node - something to profile: a pretend shop that works half of the time.
 *
 * Each round gives every function its share of CPU time, so a profile must show
 * it (flat or in what it calls): sort_orders 50 %, hash_documents 30 %,
 * count_words 15 %, and format_report the rest.
 *
 * usage: demo_node [USER-NUMBER]   started as root, it becomes that user
 */
#include "config.h"

#include <grp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#define NOINLINE __attribute__((noinline))
#define ROUND_NS 100000000L /* CPU time of one round; as long a sleep follows */
#define ORDERS 2048
#define TEXT 8192

static volatile uint64_t sink; /* so that no result is thrown away unmade */

static uint32_t
next_random(uint32_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state;
}

static NOINLINE int
compare_orders(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static NOINLINE void
sort_orders(uint32_t *seed)
{
	uint32_t orders[ORDERS];

	for (size_t i = 0; i < ORDERS; i++)
		orders[i] = next_random(seed);
	qsort(orders, ORDERS, sizeof(orders[0]), compare_orders);
	sink += orders[ORDERS / 2];
}

/* Inlined into hash_documents: its lines stand in the profile all the same. */
static inline __attribute__((always_inline)) uint64_t
mix(uint64_t h, unsigned char byte)
{
	return (h ^ byte) * 1099511628211u;
}

static NOINLINE void
hash_documents(uint32_t *seed)
{
	unsigned char text[TEXT];
	uint64_t h = 14695981039346656037u;

	memset(text, (int)(next_random(seed) & 0x7f), sizeof(text));
	for (int pass = 0; pass < 8; pass++)
		for (size_t i = 0; i < sizeof(text); i++)
			h = mix(h, text[i]);
	sink += h;
}

static NOINLINE void
count_words(uint32_t *seed)
{
	char text[TEXT];
	uint64_t words = 0;

	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = next_random(seed) % 6 ? 'a' : ' ';
	for (size_t i = 1; i < sizeof(text); i++)
		words += text[i] == ' ' && text[i - 1] != ' ';
	sink += words;
}

static NOINLINE void
format_report(uint32_t *seed)
{
	char line[128];

	for (int i = 0; i < 64; i++)
		sink += (uint64_t)snprintf(line, sizeof(line), "%d orders, %.3f each, %s\n", i,
					   next_random(seed) / 1000.0, "total");
}

static const struct {
	void (*work)(uint32_t *seed);
	int percent;
} shares[] = {
	{ sort_orders, 50 },
	{ hash_documents, 30 },
	{ count_words, 15 },
	{ format_report, 5 },
};

static int64_t
cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static NOINLINE void
serve_customers(uint32_t *seed)
{
	for (size_t i = 0; i < sizeof(shares) / sizeof(shares[0]); i++) {
		int64_t end = cpu_ns() + ROUND_NS / 100 * shares[i].percent;

		while (cpu_ns() < end)
			shares[i].work(seed);
	}
}

/* Started as root from a directory that only root may enter: become nobody in particular. */
static int
become(const char *number)
{
	gid_t id = (gid_t)strtoul(number, NULL, 10);

	if (id == 0 || setgroups(0, NULL) < 0 || setgid(id) < 0 || setuid(id) < 0) {
		perror("demo_node: changing the user");
		return -1;
	}
	/* As any program that did not change its user. */
	prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	return 0;
}

int
main(int argc, char **argv)
{
	const struct timespec pause = { .tv_nsec = ROUND_NS };
	uint32_t seed = 2463534242u;

	if (argc > 1 && become(argv[1]) < 0)
		return 1;
	/* Not to be left behind by a quickstart that was killed. */
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	for (;;) {
		serve_customers(&seed);
		nanosleep(&pause, NULL);
	}
}
