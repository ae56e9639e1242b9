/*
 * dwarf_names.h - name the addresses of one unit.
 */
#ifndef PPD_SYMBOLIZE_DWARF_NAMES_H
#define PPD_SYMBOLIZE_DWARF_NAMES_H

#include <stddef.h>

#include "symbolize/arena.h"
#include "symbolize/chain.h"
#include "symbolize/dwarf_reader.h"
#include "symbolize/dwarf_units.h"

/*
 * Fill the n chains, sorted by address, whose addresses are the unit's. Its split file has been
 * opened, if it has one. What cannot be read leaves chains with less in them.
 * Returns 0, or -ENOMEM when the arena is full.
 */
int dwarf_names_of_unit(struct dwarf_reader *d, struct dwarf_unit *unit, struct chain **chains, size_t n,
			struct arena *a);

#endif
