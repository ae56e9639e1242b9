/*
 * exact.h - what a window's samples make of the process's CPU time, and what is left.
 *
 * The truth is the process's CPU clock: what the kernel charges it, dead threads included,
 * without what the hypervisor stole. Each sample stands for a period of it. Where samples are
 * missing (a timer never fires in a thread that lives less than a period), spares fill what they
 * can, and the rest is told as [unsampled]. Where there are too many (an event on a thread runs on
 * while the hypervisor has the CPU; on a CPU it meets the process by chance), some are taken out
 * evenly: which function they were in has nothing to do with why they are too many. So the total
 * is the clock's, and a sample still is a period.
 */
#ifndef PPD_COLLECTOR_EXACT_H
#define PPD_COLLECTOR_EXACT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "collector/thread_times.h"

#define EXACT_THREADS_MAX 1024        /* whose own clocks are read at a window's begin and end: 10 us each */
#define EXACT_THREAD_MIN_NS 1000000u  /* a thread that misses less has no line of its own */

struct window;

/* Part of the clock that is in no sample. */
struct exact_rest {
	uint32_t tid; /* 0: of threads that are gone, or of many */
	uint64_t ns;
};

struct exact {
	struct thread_times before; /* of the threads that lived at the begin */
	bool by_thread;             /* the rest can be told by thread */
	uint64_t steal_before;      /* of the whole machine */
	/* from exact_settle() on */
	struct exact_rest *rest;    /* owned */
	size_t n_rest;
	uint64_t filled;            /* spares that were needed */
	uint64_t taken_out;         /* samples that were too many */
	uint64_t unsampled_ns;      /* sum of rest */
	uint64_t steal_ns;          /* what the hypervisor took of the whole machine in the window */
};

/* By thread where the sampler is, and the threads are few. */
void exact_begin(struct exact *x, const struct window *w);
/* At the window's end, when all is counted: bring the samples to `cpu_ns` (0: unknown; they stay as they are).
 * `least`: the clock was read some time before the end, and may have gone on: nothing is taken out. */
void exact_settle(struct window *w, uint64_t cpu_ns, bool least);
void exact_fini(struct exact *x);

/*
 * The part of a row of n in the k to be drawn of all `whole` (k ≤ whole), so that the rows' parts add up
 * to k and each row has its share but for less than one. *carry: whole / 2 before the first row.
 */
uint64_t exact_part(uint64_t n, uint64_t k, uint64_t whole, uint64_t *carry);

#endif
