/*
 * go_groups.h - goroutines or threads that look the same, counted.
 *
 * As runtime/pprof groups them: by the pcs that a profile keeps of a stack and by the labels, the
 * largest group first, then in the order of their texts.
 */
#ifndef PPD_FCGI_GO_GROUPS_H
#define PPD_FCGI_GO_GROUPS_H

#include <stdint.h>

#include "base/reading.h"
#include "fcgi/room.h"

struct go_group {
	uint32_t stack;  /* of the reading: the first one that looks so */
	uint32_t n_pcs;  /* of it */
	uint32_t labels; /* label set of the reading: the first one that looks so */
	uint32_t count;
};

struct go_groups {
	const struct reading *r; /* borrowed */
	LIST(struct go_group) list;
	uint64_t total;               /* goroutines or threads in all */
	struct reading_label *labels; /* owned; the reading's, each set sorted by its keys */
};

/*
 * A reading of goroutines (the runtime's own are left out) or of threads. stack_max: pcs of a
 * stack; what is behind them is cut. room: borrowed for this call; what is kept is counted in it.
 * Returns 0 or -ENOMEM; go_groups_fini() in both cases.
 */
int go_groups_init(struct go_groups *g, struct room *room, const struct reading *r, uint32_t stack_max);
void go_groups_fini(struct go_groups *g);

#endif
