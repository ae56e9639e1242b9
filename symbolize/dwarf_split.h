/*
 * dwarf_split.h - a unit whose functions are in another file (.dwo, .dwp).
 */
#ifndef PPD_SYMBOLIZE_DWARF_SPLIT_H
#define PPD_SYMBOLIZE_DWARF_SPLIT_H

#include <stdint.h>

#include "base/err.h"
#include "symbolize/dwarf_sections.h"
#include "symbolize/dwarf_tree.h"

struct dwarf_split {
	struct dwarf_sections sections;
	struct dwarf_tree tree; /* of the unit; not bound to its skeleton yet */
};

/*
 * Find the unit dwo_id in a file, which is either a .dwo or, when `package` is already open or the
 * file turns out to be one, a .dwp. fd -1: look in the package only.
 *
 * Returns 0 and a new unit, -ENOENT when the file has no such unit, or -errno. A .dwp found in fd
 * is left open in *package, for the units to come; it must outlive the units.
 */
int dwarf_split_open(struct dwarf_split **out, struct dwarf_sections *package, int fd, uint64_t dwo_id,
		     struct err *why);
void dwarf_split_free(struct dwarf_split *split);

#endif
