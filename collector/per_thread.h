/*
 * per_thread.h - an event for every thread of a process on every CPU.
 *
 * Exact for threads that live: each is sampled at every period of its own CPU
 * time. Threads that are born later inherit the events, but one that lives less
 * than a period is never sampled; and each event costs a descriptor and some 50 us.
 */
#ifndef PPD_COLLECTOR_PER_THREAD_H
#define PPD_COLLECTOR_PER_THREAD_H

#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/table.h"
#include "collector/events.h"

/* The threads that have our events already, opened or inherited: while the set is being opened. */
struct per_thread {
	pid_t pid;
	pid_t *tids; /* owned */
	size_t n_tids, cap_tids;
	struct table ids;
};

void per_thread_init(struct per_thread *t, pid_t pid);
void per_thread_fini(struct per_thread *t);

/* This thread has them. Returns 0 or -ENOMEM. */
int per_thread_note(struct per_thread *t, pid_t tid);

/*
 * Open `ev` for all threads. `read_rings` is called where FORK records may wait in the rings: for those
 * born to a thread of ours it must call per_thread_note(), or they would be opened twice.
 * Returns 0, or -errno with the reason: -ESRCH: the process is gone; -EDQUOT: more descriptors than the
 * set's max_fds; -ENOBUFS.
 */
int per_thread_open(struct per_thread *t, struct events *e, struct event *ev, void (*read_rings)(void *ctx), void *ctx,
		    struct err *why);

#endif
