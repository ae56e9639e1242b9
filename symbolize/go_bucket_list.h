/*
 * go_bucket_list.h - one of the runtime's lists of buckets, and what its buckets count now.
 */
#ifndef PPD_SYMBOLIZE_GO_BUCKET_LIST_H
#define PPD_SYMBOLIZE_GO_BUCKET_LIST_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "symbolize/go_bucket.h"
#include "symbolize/go_node.h"

#define GO_BUCKETS_MAX     (1u << 20)
#define GO_BUCKETS_PCS_MAX (16u << 20) /* of all stacks of a list */

struct go_bucket_entry {
	uint64_t record;       /* where its counts are */
	uint64_t size;         /* of the blocks that it counts; else 0 */
	uint32_t first, n_pcs; /* in the list's pcs */
};

struct go_bucket_list {
	struct go_bucket_entry *at; /* owned */
	size_t n, cap;
	uint64_t *pcs; /* owned */
	size_t n_pcs, cap_pcs;
};

struct go_counts {
	uint64_t v[2]; /* heap: allocations, frees; waits: their number (the bits of a double), their cycles
			*/
};

/* Walk the list that begins in the variable at `root`. Every bucket must prove itself. Returns 0 or -errno
 * with a sentence; free it in both cases. */
int go_bucket_list_read(struct go_bucket_list *l, struct go_node *n, uint64_t root,
			enum go_bucket_type type, struct err *why);
void go_bucket_list_fini(struct go_bucket_list *l);

/*
 * counts: one for each bucket. Heap: those that are published (active), and those of the cycle that is just
 * being published (future[cycle], 0 to 2; -1: it is not known); where nothing at all is published yet, all
 * (memProfileInternal() of runtime/mprof.go). Returns 0 or -errno.
 */
int go_bucket_list_heap_counts(const struct go_bucket_list *l, struct go_node *n, int cycle,
			       struct go_counts *counts);
int go_bucket_list_wait_counts(const struct go_bucket_list *l, struct go_node *n, struct go_counts *counts);

/* The number of waits as the runtime gives it: at least 1 in a block profile. */
int64_t go_bucket_contentions(const struct go_counts *c, bool block);

/*
 * Have the records the form that the version's column says? Two buckets never overlap, and the nearest
 * stand side by side; more was allocated than freed; and where bytes are counted, they are the blocks' size
 * times their number. Returns 0, or -ENOTSUP with a sentence.
 */
int go_bucket_list_check(const struct go_bucket_list *l, struct go_node *n, const struct go_counts *counts,
			 struct err *why);

#endif
