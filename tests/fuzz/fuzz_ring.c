/*
 * A ring of any content: every record lies in it or in the wrap buffer, and reading comes to an
 * end. Input: where the tail stands (u16, in units of 8), then what was written from there on.
 */
#include "config.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "collector/ring.h"

#define SIZE 4096u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_record(const struct ring *r, const struct perf_event_header *h)
{
	const unsigned char *at = (const unsigned char *)h;
	static volatile unsigned char sink;

	if (h->size < sizeof(*h) || h->size > SIZE)
		abort();
	if (at != r->wrap && (at < r->data || at + h->size > r->data + SIZE))
		abort();
	for (size_t i = 0; i < h->size; i++)
		sink = (unsigned char)(sink + at[i]);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct perf_event_mmap_page meta = { 0 };
	const struct perf_event_header *h;
	unsigned char *bytes = malloc(SIZE);
	struct ring r = { .meta = &meta, .data = bytes, .size = SIZE, .wrap = malloc(RING_RECORD_MAX) };
	uint16_t at = 0;
	int reads = 0, got;

	if (size < 2 || size - 2 > SIZE || !bytes || !r.wrap)
		goto out;
	memcpy(&at, data, 2);
	meta.data_head = meta.data_tail = r.tail = (uint64_t)at * 8;
	memset(bytes, 0, SIZE);
	for (size_t i = 2; i < size; i++)
		bytes[(r.tail + i - 2) % SIZE] = data[i];
	meta.data_head += (size - 2) & ~(size_t)7; /* the kernel's head is a multiple of 8 */
	while ((got = ring_peek(&r, &h)) != 0) {
		if (got > 0) {
			check_record(&r, h);
			ring_advance(&r, h);
		}
		if (++reads > (int)SIZE || meta.data_tail > meta.data_head)
			abort();
	}
out:
	free(bytes);
	free(r.wrap);
	return 0;
}
