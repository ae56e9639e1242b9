/*
 * go_pclntab.h - names, files, lines, inlined calls and stack sizes of Go code.
 *
 * Every Go binary carries a table of its functions for its own tracebacks, and
 * keeps it when stripped (runtime/symtab.go, cmd/link/internal/ld/pcln.go).
 * Go 1.16 and later: the headers with magic fffffffa (1.16), fffffff0 (1.18) and
 * fffffff1 (1.20), little-endian, 64-bit.
 */
#ifndef PPD_SYMBOLIZE_GO_PCLNTAB_H
#define PPD_SYMBOLIZE_GO_PCLNTAB_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "symbolize/arena.h"
#include "symbolize/chain.h"
#include "symbolize/image.h"
#include "symbolize/unwind_rows.h"

struct go_pclntab;

/* Find the table, with or without section headers, in PIE or not. The image must stay open.
 * Returns 0, -ENOENT (not a Go binary) or -errno with the reason. */
int go_pclntab_open(struct go_pclntab **out, const struct image *im, struct err *why);
void go_pclntab_free(struct go_pclntab *g);

/* Is vaddr inside Go's own text? (cgo code is not.) */
int go_pclntab_covers(const struct go_pclntab *g, uint64_t vaddr);

/* Fill c->frames, c->n, c->flags for c->vaddr, as runtime.CallersFrames would. n stays 0 where
 * the table does not cover it. Returns 0 or -errno (-ENOMEM). */
int go_pclntab_name(const struct go_pclntab *g, struct chain *c, struct arena *a);

/* Add rows for all of Go's text: the pcsp tables give the frame's size at each instruction;
 * assembly that switches stacks (systemstack, mcall, morestack, ...), and roots (goexit, rt0,
 * mstart) get rules of their own by funcID. Sets ROWS_GO. Returns functions used or -errno. */
int go_pclntab_rows(const struct go_pclntab *g, struct rows_writer *w, struct err *why);

#endif
