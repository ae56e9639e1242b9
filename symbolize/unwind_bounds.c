#include "config.h"

#include "symbolize/unwind_bounds.h"

#include <errno.h>
#include <stdlib.h>

#include "symbolize/eh_frame.h"

struct unwind_bounds {
	struct eh_entry *entries; /* owned; sorted, without overlaps */
	size_t n;
};

int
unwind_bounds_open(struct unwind_bounds **out, const struct image *im, struct err *why)
{
	struct unwind_bounds *b;
	struct eh_frame f;
	int r;

	*out = NULL;
	r = eh_frame_open(&f, im, why);
	if (r < 0)
		return r;
	b = calloc(1, sizeof(*b));
	if (!b)
		return err_set(why, -ENOMEM, "unwind: bounds");
	r = eh_frame_entries(&f, &b->entries, why);
	if (r < 0) {
		unwind_bounds_free(b);
		return r;
	}
	b->n = (size_t)r;
	*out = b;
	return 0;
}

int
unwind_bounds_find(const struct unwind_bounds *b, uint64_t vaddr, uint64_t *start, uint64_t *end)
{
	size_t low = 0, high = b ? b->n : 0;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (b->entries[mid].start <= vaddr)
			low = mid + 1;
		else
			high = mid;
	}
	if (low == 0 || vaddr - b->entries[low - 1].start >= b->entries[low - 1].size)
		return -ENOENT;
	*start = b->entries[low - 1].start;
	*end = *start + b->entries[low - 1].size;
	return 0;
}

void
unwind_bounds_free(struct unwind_bounds *b)
{
	if (!b)
		return;
	free(b->entries);
	free(b);
}
