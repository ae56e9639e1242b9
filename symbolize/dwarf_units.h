/*
 * dwarf_units.h - an object's units, and which of them holds an address.
 */
#ifndef PPD_SYMBOLIZE_DWARF_UNITS_H
#define PPD_SYMBOLIZE_DWARF_UNITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "symbolize/dwarf_attrs.h"
#include "symbolize/dwarf_funcs.h"
#include "symbolize/dwarf_sections.h"
#include "symbolize/dwarf_split.h"
#include "symbolize/dwarf_tree.h"

#define DWARF_UNITS_MAX       (1u << 18) /* in an object; Chromium has about 30,000 */
#define DWARF_UNIT_RANGES_MAX (1u << 22) /* of all its units together */

#define DWARF_NO_LINES UINT64_MAX

struct dwarf_unit {
	struct dwarf_tree tree;    /* in the object itself */
	uint64_t lines;            /* its line program's offset, or DWARF_NO_LINES */
	const char *comp_dir;      /* borrowed; NULL: not said */
	bool skeleton;             /* its functions are in another file */
	bool split_tried;          /* that file was asked for */
	struct dwarf_split *split; /* owned: that file's unit; NULL: not open */
	struct dwarf_funcs funcs;  /* of the split unit where there is one */
	bool funcs_read, funcs_deep;
};

struct dwarf_unit_range {
	uint64_t low, high;
	uint32_t unit;
};

struct dwarf_units {
	struct dwarf_unit *v; /* owned; in the file's order */
	size_t n, cap;
	struct dwarf_unit_range *ranges; /* owned; by low */
	size_t n_ranges, ranges_cap;
	bool overlap; /* some ranges share addresses */
};

/* Read all units' own DIEs; of one that does not say its ranges, its functions. Zeros are what it
 * begins with. `alt`: as for dwarf_attrs_string(). Returns 0, -ENOENT when there is no unit, or
 * -ENOMEM. */
int dwarf_units_read(struct dwarf_units *u, const struct dwarf_sections *s,
		     const struct dwarf_sections *alt, struct err *why);
void dwarf_units_free(struct dwarf_units *u);

/* The number of the unit at an address (of several the first in the file), or SIZE_MAX. */
size_t dwarf_units_find(const struct dwarf_units *u, uint64_t addr);
/* The unit whose header is at an offset of .debug_info, or NULL. */
struct dwarf_unit *dwarf_units_at(const struct dwarf_units *u, uint64_t start);

/* Forget a unit's functions and close its split file. */
void dwarf_unit_forget(struct dwarf_unit *unit);

#endif
