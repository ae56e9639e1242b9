/*
 * go_bucket.h - one bucket of the runtime's profiles (struct bucket of runtime/mprof.go).
 *
 * A head, the stack's pcs, then the counts. The head and the pcs never change; the hash in the head
 * is the runtime's own, over the pcs and the block's size, so a bucket proves itself.
 */
#ifndef PPD_SYMBOLIZE_GO_BUCKET_H
#define PPD_SYMBOLIZE_GO_BUCKET_H

#include <stdint.h>

#include "symbolize/go_node.h"

enum go_bucket_type {
	GO_BUCKET_MEM = 1,
	GO_BUCKET_BLOCK,
	GO_BUCKET_MUTEX,
};

#define GO_BUCKET_HEAD 48u
#define GO_BUCKET_PCS_MAX                                                                                  \
	1200u /* the runtime's maximum is 1024, and 7 to leave out (maxProfStackDepth, maxSkip) */

/* The head, as it is in memory. */
struct go_bucket {
	uint64_t next; /* of its hash */
	uint64_t allnext, type, hash, size, n_pcs;
};

/* Of a type, and with a number of pcs, that there are? */
bool go_bucket_makes_sense(const struct go_bucket *b);
bool go_bucket_proves(const struct go_bucket *b, const uint64_t *pcs);

/* Is there a bucket? Returns its type, 0, or -ESRCH. */
int go_bucket_look(struct memory *mem, uint64_t addr);

#endif
