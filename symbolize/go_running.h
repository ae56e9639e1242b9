/*
 * go_running.h - goroutines that run now: their stacks, from where their threads are.
 *
 * The record of a running goroutine says nothing of where it is. Its thread's registers do, if it is on the
 * goroutine's own stack; while it is on the thread's stack, for the runtime or for C, the record is right
 * again (runtime/proc.go: sigprof).
 */
#ifndef PPD_SYMBOLIZE_GO_RUNNING_H
#define PPD_SYMBOLIZE_GO_RUNNING_H

#include "symbolize/go_parked.h"
#include "symbolize/thread_regs.h"

#define GO_RUNNING_MAX 4096u /* of a node at a time; there are as many as GOMAXPROCS, or few more */

struct go_running {
	struct go_parked p; /* p.what: NONE, SURE, UNREAD; RUNNING is not used */
	uint32_t tid;       /* 0: unknown */
	bool is_running;    /* else it was parked when we came */
};

/* What is needed; all borrowed. */
struct go_running_reader {
	struct go_node *n;
	struct go_traceback *t;
	struct go_stacks *s;
	struct go_parked_reader *parked;
	struct reading_writer *w;
	const struct thread_regs_source *regs; /* NULL: nobody to ask */
};

/* Read the goroutines at addrs, which ran a moment ago; n is GO_RUNNING_MAX at the most. Returns 0, or
 * -errno as go_parked_read(). */
int go_running_read(const struct go_running_reader *r, const uint64_t *addrs, size_t n,
		    struct go_running *out);

#endif
