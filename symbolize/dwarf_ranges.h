/*
 * dwarf_ranges.h - the address ranges a DIE's DW_AT_ranges speaks of.
 *
 * .debug_ranges (DWARF 2-4, and GNU's split form of it) and .debug_rnglists
 * (DWARF 5). Pure: bytes in, ranges out.
 */
#ifndef PPD_SYMBOLIZE_DWARF_RANGES_H
#define PPD_SYMBOLIZE_DWARF_RANGES_H

#include <stddef.h>
#include <stdint.h>

#include "symbolize/dwarf_bytes.h"

#define DWARF_RANGES_MAX (1u << 20) /* in one list */

struct dwarf_range {
	uint64_t low, high; /* [low, high) */
};

/* A list that grows; start from zeros, end with free(v). */
struct dwarf_range_list {
	struct dwarf_range *v; /* owned */
	size_t n, cap;
	uint64_t bytes; /* of range lists read into it so far: what it has cost */
};

/* Where a unit's lists and addresses are; all borrowed. */
struct dwarf_ranges_in {
	uint16_t version;        /* of the unit */
	uint8_t address_bytes;   /* 4 or 8 */
	uint8_t offset_bytes;    /* 4 or 8 */
	struct dwarf_span lists; /* .debug_ranges, or .debug_rnglists for version 5 */
	struct dwarf_span addr;  /* .debug_addr from the unit's base on */
	uint64_t lists_base;     /* version 5: where the unit's offsets are in `lists`, which an
				  * index counts in; 4 (split): added to every offset */
	uint64_t low;            /* the unit's DW_AT_low_pc */
};

/* An address by its index in .debug_addr. Returns false where there is none. */
bool dwarf_ranges_addr(const struct dwarf_ranges_in *in, uint64_t index, uint64_t *addr);
/* The offset in `lists` of a list by its index (DW_FORM_rnglistx). Returns false where there is none. */
bool dwarf_ranges_index(const struct dwarf_ranges_in *in, uint64_t index, uint64_t *offset);

/* Append a range; an empty one, and that of a dropped function (at 0, -1 or -2), is left out.
 * Returns 0, -ENOMEM, or -EBADMSG when the list is too long. */
int dwarf_range_add(struct dwarf_range_list *to, uint64_t low, uint64_t high);
/* Append the ranges of the list at an offset in `lists`. Returns 0, -EBADMSG or -ENOMEM; what was
 * read until then is in the list. */
int dwarf_ranges_read(const struct dwarf_ranges_in *in, uint64_t offset, struct dwarf_range_list *to);

#endif
