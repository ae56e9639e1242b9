/*
 * fake_memory.h - a node's memory by hand, for unit tests and fuzzers: some regions, and a count of
 * the pages that were looked at. No descriptor is behind it.
 */
#ifndef PPD_TESTS_FAKE_MEMORY_H
#define PPD_TESTS_FAKE_MEMORY_H

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "symbolize/memory.h"

#define FAKE_REGIONS 8
#define FAKE_PAGES   64

struct fake_memory {
	struct memory m;
	struct memory_range ranges[FAKE_REGIONS];
	unsigned char *bytes[FAKE_REGIONS]; /* borrowed */
	size_t n;
	uint64_t looked[FAKE_PAGES]; /* pages, each once */
	size_t n_looked;
	bool gone; /* the process */
	/* Called before each read; NULL: nothing happens. */
	void (*before)(struct fake_memory *f, uint64_t addr);
};

static inline void
fake_look(struct fake_memory *f, uint64_t page)
{
	for (size_t i = 0; i < f->n_looked; i++)
		if (f->looked[i] == page)
			return;
	if (f->n_looked < FAKE_PAGES)
		f->looked[f->n_looked++] = page;
}

static inline ssize_t
fake_pread(void *ctx, void *to, size_t n, uint64_t addr)
{
	struct fake_memory *f = ctx;

	if (f->gone)
		return 0;
	if (f->before)
		f->before(f, addr);
	for (size_t i = 0; i < f->n; i++) {
		const struct memory_range *r = &f->ranges[i];

		if (addr < r->start || addr >= r->end)
			continue;
		if (n > r->end - addr)
			n = (size_t)(r->end - addr);
		memcpy(to, f->bytes[i] + (addr - r->start), n);
		for (uint64_t page = addr / MEMORY_PAGE; page <= (addr + n - 1) / MEMORY_PAGE; page++)
			fake_look(f, page);
		return (ssize_t)n;
	}
	return -EIO;
}

/* f must stay where it is. */
static inline void
fake_memory_init(struct fake_memory *f)
{
	memset(f, 0, sizeof(*f));
	f->m = (struct memory){
		.pread = fake_pread, .ctx = f, .mem_fd = -1, .maps_fd = -1, .pagemap_fd = -1, .ranges = f->ranges,
	};
}

/* A region: add them in the order of their addresses. */
static inline void
fake_memory_add(struct fake_memory *f, uint64_t start, void *bytes, size_t n, uint32_t flags)
{
	f->ranges[f->n] = (struct memory_range){ .start = start, .end = start + n, .flags = flags };
	f->bytes[f->n++] = bytes;
	f->m.n_ranges = f->n;
}

#endif
