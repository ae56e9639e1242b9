#include "config.h"

#include "symbolize/go_scan.h"

#include <errno.h>
#include <stdlib.h>

#define RUN_PAGES 16u
#define RUN_BYTES (RUN_PAGES * MEMORY_PAGE)
#define NOPTR_MAX (2u << 20) /* Go 1.18 has its buckets there; later ones have 33 MB of other things */

struct scan {
	struct go_node *n;
	int (*look)(void *ctx, uint64_t addr, const uint64_t *words, size_t n_words);
	void *ctx;
	uint64_t *words; /* RUN_BYTES */
	size_t left;     /* bytes that may still be read */
};

static int
scan_run(struct scan *s, uint64_t start, uint64_t end)
{
	size_t bytes = (size_t)(end - start);
	int e;

	if (bytes > s->left)
		return 0;
	s->left -= bytes;
	e = memory_read(s->n->mem, start, s->words, bytes);
	if (e < 0)
		return e == -ESRCH ? e : 0;
	return s->look(s->ctx, start, s->words, bytes / sizeof(*s->words));
}

/* The part of a span in up to RUN_PAGES pages, by runs of touched ones. */
static int
scan_pages(struct scan *s, const struct go_span *span, uint64_t page, size_t n)
{
	unsigned char touched[RUN_PAGES];
	int e = 0;

	memory_touched(s->n->mem, page, n, touched);
	for (size_t i = 0, k; e == 0 && i < n; i = k) {
		uint64_t start = page + i * MEMORY_PAGE, end;

		for (k = i + 1; k < n && touched[k] == touched[i]; k++)
			;
		end = page + k * MEMORY_PAGE;
		if (start < span->start)
			start = span->start;
		if (end > span->end)
			end = span->end;
		if (touched[i] && end > start)
			e = scan_run(s, start, end);
	}
	return e;
}

static int
scan_span(struct scan *s, const struct go_span *span)
{
	const uint64_t mask = MEMORY_PAGE - 1;
	struct go_span words = { (span->start + 7) & ~(uint64_t)7, span->end & ~(uint64_t)7 };
	int e = 0;

	for (uint64_t page = words.start & ~mask; e == 0 && page < words.end && s->left > 0;
	     page += RUN_BYTES) {
		uint64_t pages = (words.end - page + mask) / MEMORY_PAGE;

		e = scan_pages(s, &words, page, pages < RUN_PAGES ? (size_t)pages : RUN_PAGES);
	}
	return e;
}

int
go_scan(struct go_node *n, int (*look)(void *ctx, uint64_t addr, const uint64_t *words, size_t n_words),
	void *ctx)
{
	struct scan s = { .n = n, .look = look, .ctx = ctx, .left = GO_SCAN_MAX };
	int e = 0;

	s.words = malloc(RUN_BYTES);
	if (!s.words)
		return -ENOMEM;
	/* bss first: what the program makes at run time is there. */
	for (size_t i = GO_SPANS_MAX; e == 0 && i-- > 0;)
		if (i < GO_SPAN_NOPTRBSS || n->data[i].end - n->data[i].start <= NOPTR_MAX)
			e = scan_span(&s, &n->data[i]);
	free(s.words);
	return e;
}

bool
go_scan_is_heap(const struct go_node *n, uint64_t addr)
{
	const struct memory_range *r = addr % 8 == 0 ? memory_range(n->mem, addr) : NULL;

	return r && (r->flags & MEMORY_WRITE) && !(r->flags & MEMORY_FILE);
}
