#include "config.h"

#include "symbolize/dwarf_units.h"

#include <dwarf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define OVERLAP_LOOK 256 /* ranges below an address that are looked at where some overlap */

static int
range_add(struct dwarf_units *u, uint64_t low, uint64_t high)
{
	struct dwarf_unit_range *last = u->n_ranges ? &u->ranges[u->n_ranges - 1] : NULL;

	/* Compilers that put each function into a section of its own name each; mostly they meet. */
	if (last && last->unit == u->n && low == last->high) {
		last->high = high;
		return 0;
	}
	if (u->n_ranges == DWARF_UNIT_RANGES_MAX)
		return 0;
	if (u->n_ranges == u->ranges_cap) {
		size_t cap = u->ranges_cap ? 2 * u->ranges_cap : 64;
		struct dwarf_unit_range *grown = realloc(u->ranges, cap * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		u->ranges = grown;
		u->ranges_cap = cap;
	}
	u->ranges[u->n_ranges++] = (struct dwarf_unit_range){low, high, (uint32_t)u->n};
	return 0;
}

/* A unit that does not say where it is: its functions do. */
static int
ranges_of_functions(struct dwarf_units *u, struct dwarf_unit *unit)
{
	int r = dwarf_funcs_read(&unit->funcs, &unit->tree, true);

	unit->funcs_read = unit->funcs_deep = true;
	for (size_t i = 0; i < unit->funcs.n && r == 0; i++)
		r = range_add(u, unit->funcs.v[i].low, unit->funcs.v[i].low + unit->funcs.v[i].size);
	return r;
}

static void
unit_describe(struct dwarf_unit *unit, const struct dwarf_attrs *attrs, const struct dwarf_sections *alt)
{
	const struct dwarf_sections *s = unit->tree.s;

	dwarf_tree_bind(&unit->tree, attrs);
	if (!dwarf_attrs_number(attrs, DWARF_STMT_LIST, s, &unit->lines))
		unit->lines = DWARF_NO_LINES;
	unit->comp_dir = dwarf_attrs_string(attrs, DWARF_COMP_DIR, s, unit->tree.str_offsets, alt);
	unit->skeleton = unit->tree.type == DW_UT_skeleton || dwarf_attrs_has(attrs, DWARF_DWO_NAME);
}

static int
unit_add(struct dwarf_units *u, const struct dwarf_tree *tree, const struct dwarf_sections *alt,
	 struct dwarf_range_list *scratch)
{
	struct dwarf_unit unit = {.tree = *tree};
	struct dwarf_attrs attrs;
	int tag = dwarf_tag(&unit.tree.root);
	int r = 0;

	if (tag != DW_TAG_compile_unit && tag != DW_TAG_skeleton_unit)
		return 0;
	if (u->n == u->cap) {
		size_t cap = u->cap ? 2 * u->cap : 64;
		struct dwarf_unit *grown = realloc(u->v, cap * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		u->v = grown;
		u->cap = cap;
	}
	dwarf_attrs_read(&unit.tree.root, &attrs);
	unit_describe(&unit, &attrs, alt);
	dwarf_tree_ranges(&unit.tree, &attrs, scratch);
	for (size_t i = 0; i < scratch->n && r == 0; i++)
		r = range_add(u, scratch->v[i].low, scratch->v[i].high);
	if (!dwarf_attrs_has(&attrs, DWARF_RANGES_AT) && !dwarf_attrs_has(&attrs, DWARF_HIGH_PC) && r == 0)
		r = ranges_of_functions(u, &unit);
	u->v[u->n++] = unit;
	return r;
}

static int
range_compare(const void *a, const void *b)
{
	const struct dwarf_unit_range *x = a, *y = b;

	if (x->low != y->low)
		return x->low < y->low ? -1 : 1;
	return x->unit < y->unit ? -1 : x->unit > y->unit;
}

int
dwarf_units_read(struct dwarf_units *u, const struct dwarf_sections *s, const struct dwarf_sections *alt,
		 struct err *why)
{
	struct dwarf_trees all = {.s = s};
	struct dwarf_range_list scratch = {0};
	struct dwarf_tree tree;
	uint64_t end = 0;
	int r = 0;

	while (r == 0 && u->n < DWARF_UNITS_MAX && dwarf_trees_next(&all, &tree))
		if (tree.type == DW_UT_compile || tree.type == DW_UT_skeleton)
			r = unit_add(u, &tree, alt, &scratch);
	free(scratch.v);
	if (r < 0)
		return err_set(why, r, "dwarf: no memory for %zu units", u->n);
	if (!u->n)
		return err_set(why, -ENOENT, "dwarf: no unit that can be read (%u are spoiled)",
			       all.passed_over);
	if (u->n_ranges)
		qsort(u->ranges, u->n_ranges, sizeof(*u->ranges), range_compare);
	for (size_t i = 0; i < u->n_ranges; i++) {
		u->overlap |= u->ranges[i].low < end;
		if (u->ranges[i].high > end)
			end = u->ranges[i].high;
	}
	return 0;
}

void
dwarf_unit_forget(struct dwarf_unit *unit)
{
	dwarf_funcs_free(&unit->funcs);
	dwarf_split_free(unit->split);
	unit->split = NULL;
	unit->split_tried = unit->funcs_read = unit->funcs_deep = false;
}

void
dwarf_units_free(struct dwarf_units *u)
{
	for (size_t i = 0; i < u->n; i++)
		dwarf_unit_forget(&u->v[i]);
	free(u->v);
	free(u->ranges);
	memset(u, 0, sizeof(*u));
}

size_t
dwarf_units_find(const struct dwarf_units *u, uint64_t addr)
{
	size_t low = 0, high = u->n_ranges, best = SIZE_MAX;

	while (low < high) { /* low becomes the first range above addr */
		size_t mid = low + (high - low) / 2;

		if (u->ranges[mid].low <= addr)
			low = mid + 1;
		else
			high = mid;
	}
	high = u->overlap ? OVERLAP_LOOK : 1;
	for (; low && high; low--, high--)
		if (addr < u->ranges[low - 1].high && u->ranges[low - 1].unit < best)
			best = u->ranges[low - 1].unit;
	return best;
}

struct dwarf_unit *
dwarf_units_at(const struct dwarf_units *u, uint64_t start)
{
	size_t low = 0, high = u->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (u->v[mid].tree.start < start)
			low = mid + 1;
		else
			high = mid;
	}
	return low < u->n && u->v[low].tree.start == start ? &u->v[low] : NULL;
}
