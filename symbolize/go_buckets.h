/*
 * go_buckets.h - the runtime's buckets: heap, block and mutex profiles (runtime/mprof.go).
 *
 * Buckets are never freed and their heads never change, so their lists can be walked while the
 * node runs. A bucket proves itself by the runtime's own hash.
 */
#ifndef PPD_SYMBOLIZE_GO_BUCKETS_H
#define PPD_SYMBOLIZE_GO_BUCKETS_H

#include "symbolize/go_node.h"
#include "symbolize/reading_writer.h"

#define GO_BUCKETS_MAX (1u << 20)

/* Is the bucket whose head and pcs are in `bytes` one? (Jenkins' one-at-a-time over pcs and size.) */
bool go_bucket_proves(const struct go_node *n, const void *bytes, size_t len);

/* READING_HEAP, _BLOCK or _MUTEX: buckets with their pcs, and the head's rate, into w. Returns 0 or
 * -errno with a sentence. */
int go_buckets_read(struct go_node *n, enum reading_kind kind, struct reading_writer *w, struct err *why);

/* READING_THREADCREATE: a bucket a thread, with m.createstack. */
int go_threads_read(struct go_node *n, struct reading_writer *w, struct err *why);

#endif
