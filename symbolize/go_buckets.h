/*
 * go_buckets.h - the runtime's buckets: heap, block and mutex profiles (runtime/mprof.go).
 *
 * Buckets are never freed and their heads never change, so their lists can be walked while the
 * node runs; the counts are read twice, and again where they changed in between. A bucket proves itself
 * by the runtime's own hash (go_bucket.h).
 */
#ifndef PPD_SYMBOLIZE_GO_BUCKETS_H
#define PPD_SYMBOLIZE_GO_BUCKETS_H

#include "symbolize/go_node.h"
#include "symbolize/reading_writer.h"

/*
 * READING_HEAP, _BLOCK or _MUTEX: buckets with their pcs, and the head's rate, into w; in the order of the
 * runtime's list, newest first. Heap: what runtime.MemProfile would give at one moment of the reading.
 * Block and mutex: contentions and cycles as stored: up to Go 1.19 the mutex profile's are not yet
 * multiplied by the fraction. Returns 0 or -errno with a sentence (-EBADMSG: the list makes no sense;
 * -ENOTSUP: the records of a version that is not known have another form).
 */
int go_buckets_read(struct go_node *n, enum reading_kind kind, struct reading_writer *w, struct err *why);

#endif
