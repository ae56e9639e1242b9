#include "config.h"

#include "symbolize/dwarf_inlines.h"

#include <dwarf.h>
#include <errno.h>
#include <stdlib.h>

struct search {
	struct dwarf_tree *t;
	const uint64_t *addrs;
	size_t n;
	struct dwarf_call **leaf;
	struct arena *a;
	struct dwarf_range_list ranges;             /* of the DIE in hand */
	struct dwarf_call *at[DWARF_DEPTH_MAX + 1]; /* by depth: the call that DIEs there are in */
	int error;
};

static struct dwarf_call *
call_new(struct search *s, Dwarf_Die *die, const struct dwarf_attrs *attrs, struct dwarf_call *outer)
{
	struct dwarf_call *call = arena_get(s->a, sizeof(*call));
	uint64_t v;

	if (!call) {
		s->error = -ENOMEM;
		return NULL;
	}
	call->outer = outer;
	call->die = *die;
	if (dwarf_attrs_number(attrs, DWARF_CALL_FILE, s->t->s, &v))
		call->call_file = (uint32_t)v;
	if (dwarf_attrs_number(attrs, DWARF_CALL_LINE, s->t->s, &v))
		call->call_line = (uint32_t)v;
	return call;
}

/* Do the ranges hold an asked address? */
static bool
ranges_hold(const struct search *s)
{
	for (size_t r = 0; r < s->ranges.n; r++) {
		size_t i = dwarf_first_from(s->addrs, s->n, s->ranges.v[r].low);

		if (i < s->n && s->addrs[i] < s->ranges.v[r].high)
			return true;
	}
	return false;
}

/* The asked addresses in the ranges are the call's. Each costs: ranges that all hold all addresses,
 * and calls that all have them, would be many. */
static void
ranges_give(struct search *s, struct dwarf_call *call)
{
	for (size_t r = 0; r < s->ranges.n && s->t->work; r++) {
		const struct dwarf_range *range = &s->ranges.v[r];

		for (size_t i = dwarf_first_from(s->addrs, s->n, range->low);
		     i < s->n && s->addrs[i] < range->high && s->t->work; i++, s->t->work--)
			s->leaf[i] = call;
	}
}

static bool
search_visit(void *ctx, Dwarf_Die *die, int tag, unsigned int depth)
{
	struct search *s = ctx;
	struct dwarf_call *call = s->at[depth];
	struct dwarf_attrs attrs;

	if (s->error)
		return false;
	switch (tag) {
	case DW_TAG_inlined_subroutine:
	case DW_TAG_lexical_block:
	case DW_TAG_try_block:
	case DW_TAG_catch_block:
	case DW_TAG_with_stmt:
		break;
	default:
		return false;
	}
	dwarf_attrs_read(die, &attrs);
	dwarf_tree_ranges(s->t, &attrs, &s->ranges);
	/* A block of no addresses may hold calls that have some (gcc, strict DWARF 2). */
	if (s->ranges.n && !ranges_hold(s))
		return false;
	if (tag == DW_TAG_inlined_subroutine) {
		call = call_new(s, die, &attrs, call);
		if (!call)
			return false;
		ranges_give(s, call);
	}
	s->at[depth + 1] = call;
	return true;
}

int
dwarf_inlines_find(struct dwarf_tree *t, Dwarf_Die *function, const uint64_t *addrs, size_t n,
		   struct dwarf_call **leaf, struct arena *a)
{
	struct search s = {.t = t, .addrs = addrs, .n = n, .leaf = leaf, .a = a};
	struct dwarf_attrs none = {0};

	s.at[0] = call_new(&s, function, &none, NULL);
	if (!s.at[0])
		return s.error;
	for (size_t i = 0; i < n; i++)
		leaf[i] = s.at[0];
	dwarf_tree_walk(t, function, search_visit, &s);
	free(s.ranges.v);
	return s.error;
}
