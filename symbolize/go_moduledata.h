/*
 * go_moduledata.h - the Go linker's record of a program (struct moduledata of runtime/symtab.go).
 *
 * No symbol is needed: of all words of the data, the record's first is the one
 * that holds the address of the function table's header, and the words behind
 * it point to that table's parts.
 */
#ifndef PPD_SYMBOLIZE_GO_MODULEDATA_H
#define PPD_SYMBOLIZE_GO_MODULEDATA_H

#include <stddef.h>
#include <stdint.h>

#include "symbolize/go_module.h"
#include "symbolize/go_reloc.h"

#define GO_MODULEDATA_WORDS 64 /* what we look at of it; it has 70 or so */

struct go_moduledata {
	uint64_t word[GO_MODULEDATA_WORDS]; /* zero where the file has less */
	uint64_t vaddr;                     /* of the record */
	uint64_t text;                      /* where the program's text begins */
	uint64_t table_end;                 /* one past the function table */
};

/* Find the record that belongs to m's header. Returns 0 or -ENOENT. */
int go_moduledata_find(struct go_moduledata *d, const struct go_module *m, const struct go_reloc *r);

/* Set m->func_data (moduledata.gofunc). Its place in the record moves from version to version:
 * the word with which the functions' inline trees make sense is it. Leaves 0 where none does. */
void go_moduledata_func_data(const struct go_moduledata *d, struct go_module *m);

#endif
