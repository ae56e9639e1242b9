/*
 * dwarf_tree.h - one unit's tree of DIEs, by libdw.
 *
 * libdw reads abbreviations and steps from DIE to DIE. What it does not do is
 * done here: a unit whose header or abbreviations are spoiled is passed over
 * (libdw stops at it, and with it loses all behind), and the work is bounded.
 */
#ifndef PPD_SYMBOLIZE_DWARF_TREE_H
#define PPD_SYMBOLIZE_DWARF_TREE_H

#include <elfutils/libdw.h>
#include <stdbool.h>
#include <stdint.h>

#include "symbolize/dwarf_attrs.h"
#include "symbolize/dwarf_ranges.h"
#include "symbolize/dwarf_sections.h"

#define DWARF_DEPTH_MAX 512 /* levels of a tree that are entered: CHAIN_MAX calls and their blocks */

struct dwarf_tree {
	const struct dwarf_sections *s; /* borrowed: the file it is in */
	Dwarf_Die root;                 /* the unit's own DIE */
	const unsigned char *end;       /* of the unit's bytes */
	uint64_t start;                 /* the unit's offset in .debug_info */
	uint64_t bytes;                 /* of the unit */
	uint8_t type;                   /* DW_UT_*; compile for every unit before version 5 */
	uint64_t dwo_id;                /* version 5: which split unit belongs to which skeleton */
	struct dwarf_ranges_in ranges;
	struct dwarf_span str_offsets; /* from the unit's base on */
	uint64_t work; /* what may still be spent on it (about bytes read); 0: it has had enough */
};

/* Going through the units of a file; set s and leave the rest zeros. */
struct dwarf_trees {
	const struct dwarf_sections *s;
	uint64_t next;            /* offset of the next unit */
	uint64_t abbrevs;         /* offset of the abbreviations checked last */
	uint64_t abbrevs_bytes;   /* their size; 0: none checked yet, or spoiled */
	uint64_t abbrevs_work;    /* bytes of abbreviations looked at so far */
	unsigned int passed_over; /* spoiled units */
};

/* The next sound unit. Returns false behind the last. Its ranges and str_offsets are not set
 * yet: dwarf_tree_bind(). */
bool dwarf_trees_next(struct dwarf_trees *all, struct dwarf_tree *t);

/* Take a unit's bases from its own attributes. */
void dwarf_tree_bind(struct dwarf_tree *t, const struct dwarf_attrs *own);
/* The same for a split unit, whose addresses (and, before version 5, range lists) are in the
 * skeleton's file. */
void dwarf_tree_bind_split(struct dwarf_tree *t, const struct dwarf_tree *skeleton,
			   const struct dwarf_attrs *skeleton_own);

/* Let so much be spent on the unit that all of it can be read a few times, and each of `addresses`
 * be put into as many calls as a chain may have. */
void dwarf_tree_work(struct dwarf_tree *t, size_t addresses);

/* A DIE met on the way, `depth` levels below where the walk began (its children: 0). Returns
 * whether its children are wanted. */
typedef bool dwarf_visit(void *ctx, Dwarf_Die *die, int tag, unsigned int depth);
/* Go through the children of `from`, in their order, each before its own. */
void dwarf_tree_walk(struct dwarf_tree *t, Dwarf_Die *from, dwarf_visit *visit, void *ctx);

/* The ranges of a DIE with these attributes, put in place of what `to` has. */
void dwarf_tree_ranges(struct dwarf_tree *t, const struct dwarf_attrs *a, struct dwarf_range_list *to);

#endif
