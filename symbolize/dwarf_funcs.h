/*
 * dwarf_funcs.h - the functions of a unit, sorted by address.
 */
#ifndef PPD_SYMBOLIZE_DWARF_FUNCS_H
#define PPD_SYMBOLIZE_DWARF_FUNCS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "symbolize/dwarf_tree.h"

#define DWARF_FUNCS_MAX (1u << 23) /* ranges in one unit */

/* One range of a function. Units and functions are below 4 GB, or their end is not seen. */
struct dwarf_func {
	uint64_t low;
	uint32_t size;
	uint32_t die; /* offset in the unit */
};

struct dwarf_funcs {
	struct dwarf_func *v; /* owned; by low, then by die */
	size_t n;
	bool overlap; /* some ranges share addresses */
};

/*
 * Read a unit's functions: those among its own children, or (deep) also those inside namespaces,
 * types and functions, which takes reading all of the unit. What was in `f` is freed.
 * Returns 0, or -ENOMEM.
 */
int dwarf_funcs_read(struct dwarf_funcs *f, struct dwarf_tree *t, bool deep);
void dwarf_funcs_free(struct dwarf_funcs *f);

/* The function at an address, of several the one that stands last; or NULL. */
const struct dwarf_func *dwarf_funcs_find(const struct dwarf_funcs *f, uint64_t addr);
/* Its DIE. Returns false when libdw does not give it. */
bool dwarf_func_die(const struct dwarf_func *f, const struct dwarf_tree *t, Dwarf_Die *die);

#endif
