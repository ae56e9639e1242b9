#include "config.h"

#include "collector/ring.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int
ring_open(struct ring *r, int fd, size_t bytes, struct err *why)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	void *at;

	memset(r, 0, sizeof(*r));
	r->wrap = malloc(RING_RECORD_MAX);
	if (!r->wrap)
		return err_set(why, -ENOMEM, "ring: no memory");
	at = mmap(NULL, page + bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED) {
		int r2 = -errno;

		free(r->wrap);
		r->wrap = NULL;
		return err_sys(why, r2, "ring of %zu KB", bytes / 1024);
	}
	r->meta = at;
	r->data = (const unsigned char *)at + page;
	r->size = bytes;
	return 0;
}

void
ring_close(struct ring *r)
{
	if (r->meta)
		munmap(r->meta, (size_t)(r->data - (const unsigned char *)r->meta) + r->size);
	free(r->wrap);
	memset(r, 0, sizeof(*r));
}

uint64_t
ring_head(const struct ring *r)
{
	return __atomic_load_n(&r->meta->data_head, __ATOMIC_ACQUIRE);
}

int
ring_peek(struct ring *r, const struct perf_event_header **rec)
{
	/* Acquire: the records up to the head that we see are written. */
	uint64_t head = __atomic_load_n(&r->meta->data_head, __ATOMIC_ACQUIRE);
	uint64_t at = r->tail & (r->size - 1);
	struct perf_event_header h;

	if (head == r->tail)
		return 0;
	/* Sizes are multiples of 8, so a header never wraps. */
	memcpy(&h, r->data + at, sizeof(h));
	if (h.size < sizeof(h) || h.size % 8 || h.size > head - r->tail || h.size > r->size) {
		ring_skip(r);
		return -EBADMSG;
	}
	if (at + h.size <= r->size) {
		*rec = (const void *)(r->data + at);
		return 1;
	}
	memcpy(r->wrap, r->data + at, r->size - at);
	memcpy(r->wrap + (r->size - at), r->data, h.size - (r->size - at));
	*rec = (const void *)r->wrap;
	return 1;
}

void
ring_advance(struct ring *r, const struct perf_event_header *rec)
{
	r->tail += rec->size;
	/* Release: our reads of the record must finish before the kernel reuses it. */
	__atomic_store_n(&r->meta->data_tail, r->tail, __ATOMIC_RELEASE);
}

void
ring_skip(struct ring *r)
{
	r->tail = __atomic_load_n(&r->meta->data_head, __ATOMIC_ACQUIRE);
	__atomic_store_n(&r->meta->data_tail, r->tail, __ATOMIC_RELEASE);
}
