#include "config.h"

#include "symbolize/dwarf_funcs.h"

#include <dwarf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* How many ranges below an address are looked at where ranges overlap (functions folded into one
 * by the linker, at worst a few dozen). */
#define OVERLAP_LOOK 256

struct reading {
	struct dwarf_tree *t;
	struct dwarf_funcs *f;
	bool deep;
	size_t cap;
	struct dwarf_range_list ranges; /* of the DIE in hand */
	int error;
};

static int
func_add(struct reading *r, struct dwarf_range range, Dwarf_Off die)
{
	struct dwarf_funcs *f = r->f;
	uint64_t size = range.high - range.low;

	if (f->n == DWARF_FUNCS_MAX)
		return 0;
	if (f->n == r->cap) {
		size_t cap = r->cap ? 2 * r->cap : 64;
		struct dwarf_func *grown = realloc(f->v, cap * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		f->v = grown;
		r->cap = cap;
	}
	f->v[f->n++] = (struct dwarf_func){range.low, size > UINT32_MAX ? UINT32_MAX : (uint32_t)size,
					   (uint32_t)die};
	return 0;
}

/* Where functions stand that are not their unit's children: lambdas, nested functions, and all of
 * Rust's. */
static bool
may_hold_functions(int tag)
{
	switch (tag) {
	case DW_TAG_namespace:
	case DW_TAG_module:
	case DW_TAG_class_type:
	case DW_TAG_structure_type:
	case DW_TAG_union_type:
	case DW_TAG_interface_type:
	case DW_TAG_enumeration_type: /* Rust's have methods */
	case DW_TAG_subprogram:
	case DW_TAG_lexical_block:
		return true;
	default:
		return false;
	}
}

static bool
reading_visit(void *ctx, Dwarf_Die *die, int tag, unsigned int depth)
{
	struct reading *r = ctx;
	struct dwarf_attrs attrs;
	Dwarf_Off at;

	(void)depth;
	if (r->error)
		return false;
	if (tag == DW_TAG_subprogram) {
		dwarf_attrs_read(die, &attrs);
		dwarf_tree_ranges(r->t, &attrs, &r->ranges);
		at = r->ranges.n ? dwarf_cuoffset(die) : 0;
		for (size_t i = 0; i < r->ranges.n && at <= UINT32_MAX && !r->error; i++)
			r->error = func_add(r, r->ranges.v[i], at);
	}
	return r->deep && may_hold_functions(tag);
}

static int
func_compare(const void *a, const void *b)
{
	const struct dwarf_func *x = a, *y = b;

	if (x->low != y->low)
		return x->low < y->low ? -1 : 1;
	return x->die < y->die ? -1 : x->die > y->die;
}

int
dwarf_funcs_read(struct dwarf_funcs *f, struct dwarf_tree *t, bool deep)
{
	struct reading r = {.t = t, .f = f, .deep = deep};
	uint64_t end = 0;

	dwarf_funcs_free(f);
	dwarf_tree_walk(t, &t->root, reading_visit, &r);
	free(r.ranges.v);
	if (r.error) {
		dwarf_funcs_free(f);
		return r.error;
	}
	if (f->n)
		qsort(f->v, f->n, sizeof(*f->v), func_compare);
	for (size_t i = 0; i < f->n; i++) {
		f->overlap |= f->v[i].low < end;
		if (f->v[i].low + f->v[i].size > end)
			end = f->v[i].low + f->v[i].size;
	}
	return 0;
}

void
dwarf_funcs_free(struct dwarf_funcs *f)
{
	free(f->v);
	memset(f, 0, sizeof(*f));
}

const struct dwarf_func *
dwarf_funcs_find(const struct dwarf_funcs *f, uint64_t addr)
{
	const struct dwarf_func *best = NULL;
	size_t low = 0, high = f->n;

	while (low < high) { /* low becomes the first function above addr */
		size_t mid = low + (high - low) / 2;

		if (f->v[mid].low <= addr)
			low = mid + 1;
		else
			high = mid;
	}
	high = f->overlap ? OVERLAP_LOOK : 1;
	for (; low && high; low--, high--) {
		const struct dwarf_func *at = &f->v[low - 1];

		if (addr - at->low < at->size && (!best || at->die > best->die))
			best = at;
	}
	return best;
}

bool
dwarf_func_die(const struct dwarf_func *f, const struct dwarf_tree *t, Dwarf_Die *die)
{
	return dwarf_offdie(t->s->dw, t->start + f->die, die) != NULL;
}
