/*
 * go_goroutines.h - the goroutines of a running program: who they are, what they wait for, their stacks.
 *
 * Read without a stop: g's, then their stacks, then the g's again; what changed in between is
 * read anew, and after some rounds only what makes sense is taken.
 */
#ifndef PPD_SYMBOLIZE_GO_GOROUTINES_H
#define PPD_SYMBOLIZE_GO_GOROUTINES_H

#include "symbolize/go_node.h"
#include "symbolize/reading_writer.h"
#include "symbolize/thread_regs.h"

#define GO_GOROUTINES_MAX (4u << 20)
#define GO_THREADS_MAX 65536u

/* READING_GOROUTINE or READING_LEAK. `regs` says where threads are that run a goroutine now. */
int go_goroutines_read(struct go_node *n, enum reading_kind kind, const struct thread_regs_source *regs,
		       struct reading_writer *w, struct err *why);

/* READING_BLOCK_ESTIMATE: look at what is parked again and again for so long. values: completed
 * waits: count, ns; a bucket of waits that were not over at the end has the label
 * status=still-blocked. */
int go_goroutines_estimate(struct go_node *n, uint32_t duration_ms, struct reading_writer *w, struct err *why);

#endif
