/*
 * thread_times.h - CPU time by thread.
 */
#ifndef PPD_COLLECTOR_THREAD_TIMES_H
#define PPD_COLLECTOR_THREAD_TIMES_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/table.h"

struct thread_time {
	uint32_t tid;
	uint64_t ns;
};

struct thread_times {
	struct thread_time *v; /* owned */
	uint32_t n, cap;
	struct table ids;
};

void thread_times_init(struct thread_times *t);
void thread_times_fini(struct thread_times *t);

/* Add to a thread's time. Returns 0, or -ENOSPC (65,536 threads) or -ENOMEM: then it is not in. */
int thread_times_add(struct thread_times *t, uint32_t tid, uint64_t ns);
/* 0: it is not in. */
uint64_t thread_times_get(const struct thread_times *t, uint32_t tid);

/* The own clocks of all threads that live now (schedstat). Returns their number, or -errno: -E2BIG where there are
 * more than `max`. */
int thread_times_read(struct thread_times *t, pid_t pid, size_t max);

#endif
