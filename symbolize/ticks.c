#include "config.h"

#include "symbolize/ticks.h"

#include <poll.h>
#if defined(__x86_64__)
#include <x86intrin.h>

#include "base/clock.h"
#endif

#define APART_NS 5000000u /* two looks are each right within some hundred ns */
#define LOOKS    8

static uint64_t
count(void)
{
#if defined(__x86_64__)
	return __rdtsc();
#else
	return clock_ns(CLOCK_MONOTONIC);
#endif
}

void
ticks_now(struct ticks *t)
{
	uint64_t best = 0;

	/* Of some looks that in which the least happened between the clocks. */
	for (int i = 0; i < LOOKS; i++) {
		uint64_t before = count(), ns = clock_ns(CLOCK_MONOTONIC), after = count();

		if (i && after - before >= best)
			continue;
		best = after - before;
		t->count = before + best / 2;
		t->ns = ns;
	}
}

double
ticks_per_second(const struct ticks *since)
{
	struct ticks now;

	ticks_now(&now);
	while (now.ns - since->ns < APART_NS) {
		poll(NULL, 0, 1);
		ticks_now(&now);
	}
	return (double)(now.count - since->count) * 1e9 / (double)(now.ns - since->ns);
}
