/*
 * go_stacks.h - the words of goroutines' stacks, as walks ask for them.
 *
 * Few goroutines are deeper than a page. Of the others only pages that the node has touched are read,
 * some at a time: a walk needs return addresses, which stand in such pages.
 */
#ifndef PPD_SYMBOLIZE_GO_STACKS_H
#define PPD_SYMBOLIZE_GO_STACKS_H

#include "symbolize/go_traceback.h"
#include "symbolize/memory.h"

#define GO_STACKS_PART      65536               /* bytes at hand at a time */
#define GO_STACKS_BYTES_MAX (UINT64_C(8) << 30) /* in one reading */

struct go_stacks {
	struct memory *m; /* borrowed */
	uint64_t left;    /* bytes that may still be read */
	int error;        /* -ESRCH: the process has gone */
	unsigned char part[GO_STACKS_PART];
};

void go_stacks_init(struct go_stacks *s, struct memory *m);

/* How many bytes the caller is to read from sp on at first: all of a shallow stack, the rest of a page
 * else; 0 when too much was read already. */
uint32_t go_stacks_first(struct go_stacks *s, uint64_t sp, uint64_t hi);

/* The stack [lo, hi): n bytes from `at` on are there, the rest is read when it is asked
 * for. One at a time: the next one's words take the place of this one's. */
struct go_stack go_stacks_get(struct go_stacks *s, uint64_t lo, uint64_t hi, uint64_t at,
			      const unsigned char *bytes, size_t n);

#endif
