/*
 * ticks.h - the CPU's ticks, in which Go's runtime counts how long something blocked.
 *
 * runtime.cputicks() is the time stamp counter on x86-64, and the monotonic clock's ns on arm64
 * (runtime/asm_amd64.s, os_linux_arm64.go). The runtime measures their rate against the same clock.
 */
#ifndef PPD_SYMBOLIZE_TICKS_H
#define PPD_SYMBOLIZE_TICKS_H

#include <stdint.h>

/* The two clocks at one moment. */
struct ticks {
	uint64_t count, ns;
};

void ticks_now(struct ticks *t);

/* Ticks in a second, from `since` to now; waits until they are far enough apart for 0.02 %, 5 ms. */
double ticks_per_second(const struct ticks *since);

#endif
