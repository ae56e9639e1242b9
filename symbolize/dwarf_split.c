#include "config.h"

#include "symbolize/dwarf_split.h"

#include <dwarf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- the index of a .dwp: DWARF 5, 7.3.5.3; version 2 is GNU's, for DWARF 4 ---- */

#define COLUMNS_MAX 32 /* the standard knows eight kinds of section */

struct index {
	uint16_t version;
	uint32_t columns, units, slots;
	struct dwarf_span signatures; /* u64 by slot */
	struct dwarf_span rows;       /* u32 by slot: 1-based row, 0: free */
	struct dwarf_span kinds;      /* u32 by column: DW_SECT_* */
	struct dwarf_span offsets;    /* u32 by row and column */
	struct dwarf_span sizes;      /* the same */
};

/* What a column's number means by the index's version; DWARF_SECTIONS: nothing of use to us. */
static enum dwarf_section
column_section(uint16_t version, uint64_t kind)
{
	switch (kind) {
	case 1:
		return DWARF_INFO;
	case 3:
		return DWARF_ABBREV;
	case 6:
		return DWARF_STR_OFFSETS;
	case 8:
		return version >= 5 ? DWARF_RNGLISTS : DWARF_SECTIONS;
	default:
		return DWARF_SECTIONS;
	}
}

static struct dwarf_span
take_span(struct dwarf_cur *c, uint64_t n)
{
	const unsigned char *at = dwarf_cur_take(c, n);

	return (struct dwarf_span){at, at ? (size_t)n : 0};
}

static bool
index_read(struct dwarf_span section, struct index *x)
{
	struct dwarf_cur c = dwarf_cur_of(section);

	/* Version 5 is a u16 and padding, version 2 a u32. */
	x->version = (uint16_t)dwarf_cur_fixed(&c, 2);
	dwarf_cur_take(&c, 2);
	x->columns = (uint32_t)dwarf_cur_fixed(&c, 4);
	x->units = (uint32_t)dwarf_cur_fixed(&c, 4);
	x->slots = (uint32_t)dwarf_cur_fixed(&c, 4);
	if (c.bad || x->columns > COLUMNS_MAX || (x->version != 2 && x->version != 5))
		return false;
	x->signatures = take_span(&c, 8ull * x->slots);
	x->rows = take_span(&c, 4ull * x->slots);
	x->kinds = take_span(&c, 4ull * x->columns);
	x->offsets = take_span(&c, 4ull * x->columns * x->units);
	x->sizes = take_span(&c, 4ull * x->columns * x->units);
	return !c.bad;
}

static uint64_t
fixed_at(struct dwarf_span s, uint64_t i, unsigned int bytes)
{
	struct dwarf_cur c = dwarf_cur_of(dwarf_span_from(s, i * bytes));

	return dwarf_cur_fixed(&c, bytes);
}

/* The unit's row, 0-based. Every slot is looked at: it is done once a unit, and a spoiled table
 * then needs no special care. */
static bool
index_row(const struct index *x, uint64_t dwo_id, uint32_t *row)
{
	for (uint32_t i = 0; i < x->slots; i++) {
		if (fixed_at(x->signatures, i, 8) != dwo_id)
			continue;
		*row = (uint32_t)fixed_at(x->rows, i, 4) - 1;
		if (*row < x->units)
			return true;
	}
	return false;
}

/* The unit's part of each section of the package. */
static bool
index_spans(const struct dwarf_sections *package, uint64_t dwo_id, struct dwarf_span spans[DWARF_SECTIONS])
{
	struct index x;
	uint32_t row;

	memset(spans, 0, DWARF_SECTIONS * sizeof(*spans));
	if (!index_read(package->span[DWARF_CU_INDEX], &x) || !index_row(&x, dwo_id, &row))
		return false;
	for (uint32_t i = 0; i < x.columns; i++) {
		enum dwarf_section s = column_section(x.version, fixed_at(x.kinds, i, 4));
		uint64_t cell = (uint64_t)row * x.columns + i;
		uint64_t size = fixed_at(x.sizes, cell, 4);

		if (s == DWARF_SECTIONS)
			continue;
		spans[s] = dwarf_span_from(package->span[s], fixed_at(x.offsets, cell, 4));
		if (spans[s].size > size)
			spans[s].size = size;
	}
	return spans[DWARF_INFO].size > 0;
}

/* ---- units ---- */

static int
package_cut(struct dwarf_split *split, const struct dwarf_sections *package, uint64_t dwo_id,
	    struct err *why)
{
	struct dwarf_span spans[DWARF_SECTIONS];
	int r;

	if (!index_spans(package, dwo_id, spans))
		return err_set(why, -ENOENT, "dwp: no unit 0x%llx", (unsigned long long)dwo_id);
	r = dwarf_sections_make(&split->sections, spans, why);
	/* All units share the strings; they stay in the package. */
	if (r == 0)
		split->sections.span[DWARF_STR] = package->span[DWARF_STR];
	return r;
}

/* Find the unit's tree: before version 5 its name stands in an attribute, then in the header. */
static int
unit_find(struct dwarf_split *split, uint64_t dwo_id, struct err *why)
{
	struct dwarf_trees all = {.s = &split->sections};
	struct dwarf_attrs attrs;

	while (dwarf_trees_next(&all, &split->tree)) {
		uint64_t id = split->tree.dwo_id;

		if (split->tree.ranges.version < 5) {
			dwarf_attrs_read(&split->tree.root, &attrs);
			if (!dwarf_attrs_number(&attrs, DWARF_GNU_DWO_ID, &split->sections, &id))
				continue;
		} else if (split->tree.type != DW_UT_split_compile) {
			continue;
		}
		if (id == dwo_id)
			return 0;
	}
	return err_set(why, -ENOENT, "dwo: no unit 0x%llx", (unsigned long long)dwo_id);
}

int
dwarf_split_open(struct dwarf_split **out, struct dwarf_sections *package, int fd, uint64_t dwo_id,
		 struct err *why)
{
	struct dwarf_split *split = calloc(1, sizeof(*split));
	int r = 0;

	if (!split)
		return err_set(why, -ENOMEM, "dwo: no memory");
	if (fd >= 0) {
		r = dwarf_sections_open(&split->sections, fd, true, why);
		if (r == 0 && !split->sections.dw) {
			if (package->span[DWARF_CU_INDEX].size)
				dwarf_sections_close(&split->sections);
			else
				*package = split->sections;
			memset(&split->sections, 0, sizeof(split->sections));
		}
	}
	if (r == 0 && !split->sections.dw)
		r = package_cut(split, package, dwo_id, why);
	if (r == 0)
		r = unit_find(split, dwo_id, why);
	if (r < 0) {
		dwarf_split_free(split);
		return r;
	}
	*out = split;
	return 0;
}

void
dwarf_split_free(struct dwarf_split *split)
{
	if (!split)
		return;
	dwarf_sections_close(&split->sections);
	free(split);
}
