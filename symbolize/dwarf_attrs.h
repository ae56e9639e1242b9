/*
 * dwarf_attrs.h - the attributes of a DIE that we care for, read in one pass.
 *
 * Values are decoded here rather than by libdw: it follows indexes (addrx,
 * strx) only within one file, opens files by path to do more, and does not
 * check that a string ends.
 */
#ifndef PPD_SYMBOLIZE_DWARF_ATTRS_H
#define PPD_SYMBOLIZE_DWARF_ATTRS_H

#include <elfutils/libdw.h>
#include <stdbool.h>
#include <stdint.h>

#include "symbolize/dwarf_ranges.h"
#include "symbolize/dwarf_sections.h"

enum dwarf_attr {
	/* of functions and inlined calls */
	DWARF_LOW_PC,
	DWARF_HIGH_PC,
	DWARF_RANGES_AT,
	DWARF_CALL_FILE,
	DWARF_CALL_LINE,
	DWARF_NAME,
	DWARF_LINKAGE_NAME, /* also MIPS_linkage_name */
	DWARF_DECL_LINE,
	DWARF_ORIGIN,
	DWARF_SPECIFICATION,
	/* of units */
	DWARF_STMT_LIST,
	DWARF_COMP_DIR,
	DWARF_ADDR_BASE, /* also GNU_addr_base */
	DWARF_RNGLISTS_BASE,
	DWARF_GNU_RANGES_BASE,
	DWARF_STR_OFFSETS_BASE,
	DWARF_DWO_NAME, /* also GNU_dwo_name */
	DWARF_GNU_DWO_ID,
	DWARF_ATTRS
};

struct dwarf_attrs {
	uint32_t has; /* bit 1 << enum dwarf_attr */
	Dwarf_Attribute v[DWARF_ATTRS];
};

static inline bool
dwarf_attrs_has(const struct dwarf_attrs *a, enum dwarf_attr which)
{
	return a->has >> which & 1;
}

/* What a DIE has of them; nothing when it cannot be read. */
void dwarf_attrs_read(Dwarf_Die *die, struct dwarf_attrs *a);

/* The number in an attribute: a constant, an address, an offset, or an index as it stands.
 * Returns false when it is not there or not such a form. `s` is the DIE's file. */
bool dwarf_attrs_number(const struct dwarf_attrs *a, enum dwarf_attr which, const struct dwarf_sections *s,
			uint64_t *value);

/* The string in an attribute, or NULL. `str_offsets`: .debug_str_offsets from the unit's base on;
 * `alt`: the file of .gnu_debugaltlink, or NULL. The string lies in a section of `s` or `alt`. */
const char *dwarf_attrs_string(const struct dwarf_attrs *a, enum dwarf_attr which,
			       const struct dwarf_sections *s, struct dwarf_span str_offsets,
			       const struct dwarf_sections *alt);

/* Append what low_pc, high_pc and ranges say. Returns 0, -EBADMSG or -ENOMEM. */
int dwarf_attrs_ranges(const struct dwarf_attrs *a, const struct dwarf_sections *s,
		       const struct dwarf_ranges_in *in, struct dwarf_range_list *to);
/* The lowest address of a DIE with a low_pc. */
bool dwarf_attrs_low(const struct dwarf_attrs *a, const struct dwarf_sections *s,
		     const struct dwarf_ranges_in *in, uint64_t *low);

#endif
