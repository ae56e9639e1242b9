/*
 * fake_memory.h - a node's memory for unit tests and fuzzers: a few regions of ours at made-up addresses.
 */
#ifndef PPD_TESTS_FAKE_MEMORY_H
#define PPD_TESTS_FAKE_MEMORY_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "symbolize/memory.h"

#define FAKE_REGIONS_MAX 16
#define FAKE_PAGES_MAX   64

struct fake_memory {
	struct memory mem;
	struct memory_range ranges[FAKE_REGIONS_MAX];
	unsigned char *bytes[FAKE_REGIONS_MAX]; /* of each range; borrowed */
	size_t n;
	/* Called before each read, when set: the node goes on working. */
	void (*before)(struct fake_memory *f);
	uint64_t asked; /* where that read is */
	unsigned int reads;
	uint64_t pages[FAKE_PAGES_MAX]; /* those that were looked at, each once, by number */
	size_t n_pages;
	bool gone; /* the process */
};

static inline void
fake_memory_look(struct fake_memory *f, uint64_t page)
{
	for (size_t i = 0; i < f->n_pages; i++)
		if (f->pages[i] == page)
			return;
	if (f->n_pages < FAKE_PAGES_MAX)
		f->pages[f->n_pages++] = page;
}

static inline ssize_t
fake_memory_pread(void *ctx, void *to, size_t n, uint64_t addr)
{
	struct fake_memory *f = ctx;

	f->reads++;
	f->asked = addr;
	if (f->before)
		f->before(f);
	if (f->gone)
		return 0;
	for (size_t i = 0; i < f->n; i++) {
		const struct memory_range *r = &f->ranges[i];

		if (addr < r->start || addr >= r->end)
			continue;
		if (n > r->end - addr)
			n = r->end - addr;
		memcpy(to, f->bytes[i] + (addr - r->start), n);
		for (uint64_t page = addr / MEMORY_PAGE; n > 0 && page <= (addr + n - 1) / MEMORY_PAGE;
		     page++)
			fake_memory_look(f, page);
		return (ssize_t)n;
	}
	return -EIO;
}

static inline void
fake_memory_init(struct fake_memory *f)
{
	memset(f, 0, sizeof(*f));
	f->mem = (struct memory){ .pread = fake_memory_pread,
				  .ctx = f,
				  .mem_fd = -1,
				  .maps_fd = -1,
				  .pagemap_fd = -1,
				  .ranges = f->ranges };
}

/* In ascending order of addresses. */
static inline void
fake_memory_add(struct fake_memory *f, uint64_t start, void *bytes, size_t n)
{
	f->ranges[f->n] = (struct memory_range){ .start = start,
						 .end = start + n,
						 .flags = MEMORY_READ | MEMORY_WRITE };
	f->bytes[f->n++] = bytes;
	f->mem.n_ranges = f->n;
}

/* The region that was added last has a file behind it, as a program's variables have. */
static inline void
fake_memory_is_file(struct fake_memory *f)
{
	f->ranges[f->n - 1].flags |= MEMORY_FILE;
}

#endif
