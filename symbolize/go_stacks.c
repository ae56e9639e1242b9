#include "config.h"

#include "symbolize/go_stacks.h"

#include <errno.h>

#define PAGES (GO_STACKS_PART / MEMORY_PAGE)

void
go_stacks_init(struct go_stacks *s, struct memory *m)
{
	s->m = m;
	s->left = GO_STACKS_BYTES_MAX;
	s->error = 0;
}

uint32_t
go_stacks_first(struct go_stacks *s, uint64_t sp, uint64_t hi)
{
	uint64_t page = MEMORY_PAGE - (sp & (MEMORY_PAGE - 1));
	/* The page of the innermost call and that of the first one were touched. */
	uint64_t n = hi - sp <= page + MEMORY_PAGE ? hi - sp : page;

	if (n > s->left)
		return 0;
	s->left -= n;
	return (uint32_t)n;
}

/* Pages from addr's on, while they have been touched. */
static int
read_part(struct go_stack *w, uint64_t addr)
{
	struct go_stacks *s = w->ctx;
	uint64_t from = addr & ~(uint64_t)(MEMORY_PAGE - 1), end;
	unsigned char touched[PAGES];
	size_t n = 1;

	memory_touched(s->m, from, PAGES, touched);
	while (n < PAGES && touched[n] && from + n * MEMORY_PAGE < w->hi)
		n++;
	end = from + n * MEMORY_PAGE < w->hi ? from + n * MEMORY_PAGE : w->hi;
	if (from < w->lo)
		from = w->lo;
	if (end - from > s->left)
		return -EFBIG;
	s->left -= end - from;
	s->error = memory_read(s->m, from, s->part, end - from);
	if (s->error < 0)
		return s->error;
	w->bytes = s->part;
	w->at = from;
	w->n = end - from;
	return 0;
}

struct go_stack
go_stacks_get(struct go_stacks *s, uint64_t lo, uint64_t hi, uint64_t at, const unsigned char *bytes,
	      size_t n)
{
	return (struct go_stack){
		.lo = lo, .hi = hi, .bytes = bytes, .at = at, .n = n, .more = read_part, .ctx = s
	};
}
