/*
 * dwarf_inlines.h - the inlined calls of a function that hold an address.
 */
#ifndef PPD_SYMBOLIZE_DWARF_INLINES_H
#define PPD_SYMBOLIZE_DWARF_INLINES_H

#include <stddef.h>
#include <stdint.h>

#include "symbolize/arena.h"
#include "symbolize/dwarf_tree.h"

/* A function, or a call inlined in one. */
struct dwarf_call {
	struct dwarf_call *outer; /* what it is inlined in; NULL: it is the function itself */
	Dwarf_Die die;
	uint32_t call_file; /* where it is called, for dwarf_lines_path() */
	uint32_t call_line; /* 0: unknown */
	/* for the caller to fill */
	bool described;
	const char *name;
	uint32_t start_line;
};

/*
 * Set leaf[i] to the innermost call at addrs[i] (sorted, all in the function): of several at one
 * level the one that stands last, as llvm-symbolizer chooses. Calls are made in `a`.
 * Returns 0, or -ENOMEM.
 */
int dwarf_inlines_find(struct dwarf_tree *t, Dwarf_Die *function, const uint64_t *addrs, size_t n,
		       struct dwarf_call **leaf, struct arena *a);

#endif
