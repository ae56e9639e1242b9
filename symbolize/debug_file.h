/*
 * debug_file.h - the separate debug file of an object.
 *
 * Asked for by build-id, then by .gnu_debuglink (GDB manual, "Debugging
 * Information in Separate Files"), and taken only when it says of itself that
 * it belongs to the object: the same build-id, the CRC that the link tells.
 */
#ifndef PPD_SYMBOLIZE_DEBUG_FILE_H
#define PPD_SYMBOLIZE_DEBUG_FILE_H

#include <stddef.h>

#include "base/err.h"
#include "symbolize/dwarf.h"
#include "symbolize/image.h"
#include "symbolize/object.h"

struct debug_file {
	int fd;            /* owned; -1: none */
	const void *bytes; /* the mapped file; owned */
	size_t n;
};

void debug_file_init(struct debug_file *d);
void debug_file_close(struct debug_file *d);

/* Find it. Returns 0; -ENOENT when there is none; or -ESTALE, with the reason, when there is one
 * that is not this object's. */
int debug_file_open(struct debug_file *d, const struct image *im, struct object *o,
		    const struct dwarf_files *files, struct err *why);

#endif
