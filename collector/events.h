/*
 * events.h - an open set of perf events: descriptors, and one ring a CPU.
 *
 * per_thread.c fills it with an event for each thread on each CPU, per_cpu.c
 * with one for each CPU. Closed, it can be filled again.
 */
#ifndef PPD_COLLECTOR_EVENTS_H
#define PPD_COLLECTOR_EVENTS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "collector/event.h"
#include "collector/ring.h"

#define EVENTS_CPUS_MAX 1024

struct events {
	struct ring *rings; /* n_cpus, owned; some may be closed (CPU offline) */
	int *ring_fds;      /* n_cpus; the descriptor that owns the ring, also in fds */
	int n_cpus;
	int *fds;           /* owned */
	size_t n_fds, cap_fds, max_fds;
	size_t ring_bytes;  /* of a CPU's ring; a power of two. The owner may change it while closed */
};

/* What all descriptors count together. */
struct events_count {
	uint64_t value;
	uint64_t lost; /* records; 0 without PERF_FORMAT_LOST */
};

/* Returns 0 or -ENOMEM with the reason. */
int events_init(struct events *e, size_t ring_bytes, size_t max_fds, struct err *why);
/* Close all descriptors and rings. */
void events_close(struct events *e);
void events_fini(struct events *e);

/*
 * Open `ev` for one thread (-1: all) on one CPU. The first of a CPU owns its ring, the others write into it.
 *
 * Returns 1, 0 when there is nothing to open there (the thread is gone, the CPU offline), or -errno
 * with the reason: -EDQUOT: more than max_fds; -ENOBUFS: no more memory may be locked for rings.
 */
int events_add(struct events *e, struct event *ev, pid_t tid, int cpu, struct err *why);

struct events_count events_count(const struct events *e);

#endif
