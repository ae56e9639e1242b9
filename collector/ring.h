/*
 * ring.h - read records out of one perf_event mmap ring buffer.
 *
 * perf_event_open(2), "MMAP layout". The kernel writes, we read; a record that
 * wraps round the end is made whole in a buffer of the reader's.
 */
#ifndef PPD_COLLECTOR_RING_H
#define PPD_COLLECTOR_RING_H

#include <linux/perf_event.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* The size field of a record is 16 bits wide. */
#define RING_RECORD_MAX 65536

struct ring {
	struct perf_event_mmap_page *meta; /* NULL: closed; owned when ring_open made it */
	const unsigned char *data;         /* behind meta */
	uint64_t size;                     /* bytes of data, a power of two */
	uint64_t tail;                     /* bytes consumed so far */
	unsigned char *wrap;               /* RING_RECORD_MAX bytes, owned */
};

/* Map the ring of a perf descriptor; `bytes` of data, a power of two of at least a page.
 * Returns 0 or -errno (-EPERM: RLIMIT_MEMLOCK, see perf_event_mlock_kb). */
int ring_open(struct ring *r, int fd, size_t bytes, struct err *why);
void ring_close(struct ring *r);

/* Bytes the kernel has written so far; ring->tail reaches it when all that is there now is read. */
uint64_t ring_head(const struct ring *r);
/*
 * Look at the next record without giving its space back.
 *
 * Returns 1 and points *rec at it, 0 when the ring is empty, or -EBADMSG when the record's size
 * is impossible; then everything up to the kernel's head is skipped by the next call.
 * *rec belongs to the ring and is valid until ring_advance().
 */
int ring_peek(struct ring *r, const struct perf_event_header **rec);
void ring_advance(struct ring *r, const struct perf_event_header *rec);
/* Forget everything written so far. */
void ring_skip(struct ring *r);

#endif
