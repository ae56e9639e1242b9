/*
 * dwarf.h - files, lines and inlined calls from DWARF 2-5, read lazily.
 *
 * Only what is asked for is read: of the object its units' ranges, of a touched
 * unit only the functions, of a function only the inlined calls that hold an
 * asked-for address; a line program runs once and keeps only the rows around
 * them. Trees by libdw (dwarf_tree.c), line programs by our own reader
 * (dwarf_lines.c), addresses, range lists and strings too (dwarf_attrs.c).
 *
 *   sections ─ units ─┬─ split ─┐
 *                     └─────────┴─ funcs ─ inlines ─┐
 *                                           lines ──┴─ names
 */
#ifndef PPD_SYMBOLIZE_DWARF_H
#define PPD_SYMBOLIZE_DWARF_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/wire.h"
#include "symbolize/arena.h"
#include "symbolize/chain.h"

struct dwarf_reader;

/*
 * Where other files come from: the child may open nothing itself. A split unit's file is asked for
 * (WIRE_FILE_DWO) below its compilation directory, then under the name as it stands; the answer may
 * as well be the object's .dwp, which then serves all its units.
 */
struct dwarf_files {
	void *ctx;
	/* A descriptor of the file asked for (enum wire_file; `name` as there), which the caller
	 * then owns, or -errno. */
	int (*open)(void *ctx, enum wire_file kind, const void *name, size_t len);
};

/*
 * Open the debug information in `fd` (an object or its separate debug file; the descriptor
 * stays the caller's and must stay open). Compressed sections (zlib, zstd) are read.
 * Returns 0, -ENOENT when there is none, or -errno with the reason.
 */
int dwarf_open(struct dwarf_reader **out, int fd, const struct dwarf_files *files, struct err *why);
void dwarf_free(struct dwarf_reader *d);

/*
 * Fill the chains' frames. chains[] is sorted by vaddr. Names are linkage names where there
 * are any, source names otherwise; the physical function's entry has its declaration line as
 * start_line. A chain without a covering function gets a single frame with file and line but
 * name NULL, where the line table covers it; n stays 0 where nothing does.
 * Returns 0, or -errno when nothing could be read; a spoiled unit costs only its own addresses.
 */
int dwarf_name(struct dwarf_reader *d, struct chain *chains, size_t n, struct arena *a, struct err *why);

#endif
