/*
 * fake_memory.h - a node's memory for unit tests: a few regions of ours at made-up addresses.
 */
#ifndef PPD_TESTS_FAKE_MEMORY_H
#define PPD_TESTS_FAKE_MEMORY_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "symbolize/memory.h"

#define FAKE_REGIONS_MAX 16

struct fake_memory {
	struct memory mem;
	struct memory_range ranges[FAKE_REGIONS_MAX];
	unsigned char *bytes[FAKE_REGIONS_MAX]; /* of each range; borrowed */
	size_t n;
	/* Called before each read, when set: the node goes on working. */
	void (*before)(struct fake_memory *f);
	unsigned int reads;
};

static inline ssize_t
fake_memory_pread(void *ctx, void *to, size_t n, uint64_t addr)
{
	struct fake_memory *f = ctx;

	f->reads++;
	if (f->before)
		f->before(f);
	for (size_t i = 0; i < f->n; i++) {
		const struct memory_range *r = &f->ranges[i];

		if (addr < r->start || addr >= r->end)
			continue;
		if (n > r->end - addr)
			n = r->end - addr;
		memcpy(to, f->bytes[i] + (addr - r->start), n);
		return (ssize_t)n;
	}
	return -EIO;
}

static inline void
fake_memory_init(struct fake_memory *f)
{
	memset(f, 0, sizeof(*f));
	f->mem = (struct memory){ .pread = fake_memory_pread, .ctx = f, .mem_fd = -1, .maps_fd = -1, .pagemap_fd = -1,
				  .ranges = f->ranges };
}

/* In ascending order of addresses. */
static inline void
fake_memory_add(struct fake_memory *f, uint64_t start, void *bytes, size_t n)
{
	f->ranges[f->n] = (struct memory_range){ .start = start, .end = start + n,
						 .flags = MEMORY_READ | MEMORY_WRITE };
	f->bytes[f->n++] = bytes;
	f->mem.n_ranges = f->n;
}

#endif
