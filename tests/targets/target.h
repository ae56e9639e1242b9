/*
 * target.h - what every small program with a known profile shares.
 *
 * A target prints one line of JSON, which says what a CPU profile of it must
 * show, then works until its time is over. It never outlives its alarm, even
 * when the test that started it is gone.
 *
 *   TARGET [SECONDS [its own arguments]]
 *
 * The JSON, as lib/shares.py reads it (names without namespace, template and parameters):
 *   "shares": {"f": 0.7}     of the CPU time, with f anywhere in the stack
 *   "systematic": 0.02       what the shares may be off beyond sampling error, and why is said
 *   "stacks": [["leaf", ...]] chains of callers that must occur, without a gap
 *   "inlined": ["f"]         those of them that only line tables know
 */
#ifndef PPD_TESTS_TARGET_H
#define PPD_TESTS_TARGET_H

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define TARGET_SECONDS 60
#define TARGET_SECONDS_MAX 300

/* Rounds of one piece of work: 10-30 us, far below the sampling period. */
#define TARGET_PIECE 8000

#ifdef __clang__
#define NOINLINE __attribute__((noinline))
#else
#define NOINLINE __attribute__((noinline, noclone))
#endif
#define INLINE static inline __attribute__((always_inline))

static uint64_t target_random = 0x9e3779b97f4a7c15u;

/*
 * xorshift: each round waits for the one before, so that a loop of n rounds takes the same
 * time wherever the compiler puts it. That makes shares of rounds shares of CPU time.
 */
INLINE uint64_t
churn(uint64_t x, unsigned int rounds)
{
	while (rounds--) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
	}
	return x;
}

/*
 * Which piece comes next is drawn, never a fixed pattern: a pattern can beat with the
 * sampling period. Returns 0-99.
 */
INLINE unsigned int
target_draw(void)
{
	target_random = churn(target_random, 1);
	return (unsigned int)((target_random >> 32) % 100);
}

static inline double
target_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* When the target must end, by CLOCK_MONOTONIC; also sets the alarm behind it. */
static inline double
target_begin(int argc, char **argv)
{
	int seconds = argc > 1 ? atoi(argv[1]) : TARGET_SECONDS;

	if (seconds < 1 || seconds > TARGET_SECONDS_MAX)
		seconds = TARGET_SECONDS;
	alarm((unsigned int)seconds + 5);
	return target_now() + seconds;
}

/* The line of JSON. From here on the target works as it says. */
__attribute__((format(printf, 1, 2))) static inline void
target_expect(const char *format, ...)
{
	va_list ap;

	printf("{\"pid\": %d, ", (int)getpid());
	va_start(ap, format);
	vprintf(format, ap);
	va_end(ap);
	printf("}\n");
	fflush(stdout);
}

/* Keeps a result alive without a store that the compiler could move. */
INLINE void
target_keep(uint64_t x)
{
	__asm__ volatile("" : : "r"(x) : "memory");
}

#endif
