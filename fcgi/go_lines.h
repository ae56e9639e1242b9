/*
 * go_lines.h - a place of a Go program in words: its function, its file and its line.
 */
#ifndef PPD_FCGI_GO_LINES_H
#define PPD_FCGI_GO_LINES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/reading.h"
#include "fcgi/go_places.h"
#include "fcgi/profile.h"
#include "fcgi/sink.h"

/* What is known of one pc. Strings are the profile's, until it gets more. */
struct go_line {
	const char *name;     /* of the innermost function there, in full; NULL: it has none */
	const char *physical; /* of the one that all others are inlined into */
	const char *file;
	uint32_t line;
	bool is_inlined;  /* into another */
	uint64_t address; /* of the call, in the node */
	uint64_t offset;  /* of it, in the physical function */
};

/* loc: GO_PLACES_NONE is nothing known. */
void go_lines_get(const struct profile *p, uint32_t loc, struct go_line *to);

/* A name as Go's texts have it. */
void go_lines_name(struct sink *to, const char *name, uint32_t rules);

/*
 * The lines below a record of Go's debug=1 texts, with the empty one that ends it. locs: of n pcs.
 * all: the runtime's functions at the leaf too, which are shown else only where there are no others.
 * Columns are filled with tabs as text/tabwriter does (minwidth 1, tabwidth 8, padding 1, '\t').
 */
void go_lines_write(struct sink *to, const struct profile *p, const uint32_t *locs, uint32_t n, bool all,
		    uint32_t rules);

#endif
