/*
 * go_expand.h - stacks as Go's texts show them: with the frames that inlined calls imply.
 *
 * The runtime stores most stacks logically: behind the return address of a real frame
 * stand made-up ones, of the functions that this frame's code was inlined into. From Go 1.23 on those of
 * block and mutex are partly physical, without them; runtime/pprof puts them in when it writes
 * (runtime.CallersFrames). Here that is done too, and the made-up ones are told from the others.
 */
#ifndef PPD_SYMBOLIZE_GO_EXPAND_H
#define PPD_SYMBOLIZE_GO_EXPAND_H

#include <stddef.h>
#include <stdint.h>

#include "symbolize/go_node.h"

struct go_expand;

void go_expand_free(struct go_expand *x);

/* Put READING_PC_IMPLIED on the pcs of a logical stack that are implied. Returns 0 or -ENOMEM. */
int go_expand_mark(struct go_node *n, uint64_t *pcs, size_t n_pcs);

/*
 * What expandInlinedFrames() of runtime/pprof makes of a stack, marked: without pcs that are in no Go
 * function, with the implied ones, at most `max`. An empty stack becomes the pc 1, as there.
 * Returns how many, or -ENOMEM.
 */
int go_expand_stack(struct go_node *n, const uint64_t *pcs, size_t n_pcs, uint64_t *out, size_t max);

#endif
