#include "config.h"

#include "symbolize/memory_window.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_PAGES 16u /* 64 KB: where a call's own cost is small beside the copying */
#define BLOCK_BYTES (BLOCK_PAGES * MEMORY_PAGE)
#define BLOCKS      16u /* a power of two */

struct block {
	uint64_t addr;                       /* 0: none */
	unsigned char readable[BLOCK_PAGES]; /* its bytes are here */
	unsigned char tried[BLOCK_PAGES];
	unsigned char bytes[BLOCK_BYTES];
};

struct memory_window {
	struct memory *m; /* borrowed */
	struct block blocks[BLOCKS];
};

struct memory_window *
memory_window_new(struct memory *m)
{
	struct memory_window *w = calloc(1, sizeof(*w));

	if (w)
		w->m = m;
	return w;
}

void
memory_window_free(struct memory_window *w)
{
	free(w);
}

void
memory_window_forget(struct memory_window *w)
{
	for (size_t i = 0; i < BLOCKS; i++)
		w->blocks[i].addr = 0;
}

/* Pages [first, first + n) of a block, that were not read yet. */
static int
read_pages(struct memory_window *w, struct block *b, size_t first, size_t n)
{
	int e = memory_read(w->m, b->addr + first * MEMORY_PAGE, b->bytes + first * MEMORY_PAGE,
			    n * MEMORY_PAGE);

	memset(b->tried + first, 1, n);
	memset(b->readable + first, e == 0, n);
	return e == -ESRCH ? e : 0;
}

/* A block's touched pages, run by run; a run that cannot be read whole is left for later. */
static int
fill(struct memory_window *w, struct block *b, uint64_t addr)
{
	unsigned char touched[BLOCK_PAGES];
	int e = 0;

	b->addr = addr;
	memset(b->readable, 0, sizeof(b->readable));
	memset(b->tried, 0, sizeof(b->tried));
	if (w->m->pagemap_fd < 0)
		return 0;
	memory_touched(w->m, addr, BLOCK_PAGES, touched);
	for (size_t i = 0, k; e == 0 && i < BLOCK_PAGES; i = k) {
		for (k = i + 1; k < BLOCK_PAGES && touched[k] == touched[i]; k++)
			;
		if (touched[i])
			e = read_pages(w, b, i, k - i);
	}
	for (size_t i = 0; i < BLOCK_PAGES; i++)
		b->tried[i] = b->readable[i];
	return e;
}

/* The part of a read that lies in one page. */
static int
read_part(struct memory_window *w, uint64_t addr, void *to, size_t n)
{
	uint64_t start = addr & ~(uint64_t)(BLOCK_BYTES - 1);
	struct block *b = &w->blocks[(start / BLOCK_BYTES) % BLOCKS];
	size_t at = (size_t)(addr - start), page = at / MEMORY_PAGE;
	int e = 0;

	if (start == 0)
		return -EFAULT;
	if (b->addr != start)
		e = fill(w, b, start);
	if (e == 0 && !b->tried[page])
		e = read_pages(w, b, page, 1);
	if (e < 0)
		b->addr = 0;
	else if (!b->readable[page])
		e = -EFAULT;
	else
		memcpy(to, b->bytes + at, n);
	return e;
}

int
memory_window_read(struct memory_window *w, uint64_t addr, void *to, size_t n)
{
	size_t done = 0;
	int e = 0;

	if (addr > UINT64_MAX - n)
		return -EFAULT;
	while (e == 0 && done < n) {
		size_t part = MEMORY_PAGE - (addr + done) % MEMORY_PAGE;

		if (part > n - done)
			part = n - done;
		e = read_part(w, addr + done, (char *)to + done, part);
		done += part;
	}
	return e;
}
