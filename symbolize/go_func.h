/*
 * go_func.h - what a Go program's table says of one function (struct _func of runtime2.go).
 */
#ifndef PPD_SYMBOLIZE_GO_FUNC_H
#define PPD_SYMBOLIZE_GO_FUNC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "symbolize/go_module.h"

#define GO_FUNC_TOP 1u      /* flag: there is no caller (since Go 1.17) */
#define GO_FUNC_SP_WRITE 2u /* flag: writes the stack pointer in a way that pcsp does not tell */

#define GO_PCDATA_INL_TREE_INDEX 2
#define GO_FUNCDATA_INL_TREE 3

struct go_func {
	uint64_t entry, end;         /* link-time addresses; end is the next function's entry */
	uint32_t name;               /* offset among the names */
	uint32_t pcsp, pcfile, pcln; /* offsets among the values; 0: none */
	uint32_t unit;               /* the first of its compilation unit's files */
	uint32_t start_line;         /* 0: unknown (before Go 1.20) */
	uint32_t n_pcdata, n_funcdata;
	uint64_t arrays;             /* where its pcdata begin, from the header; funcdata follow */
	uint8_t id, flag;            /* funcID (numbers differ between versions); GO_FUNC_* */
};

/* Function number i (0 to n_funcs - 1). False for a hole and for a spoiled entry. */
bool go_func_get(const struct go_module *m, uint32_t i, struct go_func *f);
/* The function that holds an address. */
bool go_func_find(const struct go_module *m, uint64_t pc, struct go_func *f);

/* A name of the table and its length; see go_module_string(). NULL: spoiled. */
const char *go_func_name(const struct go_module *m, uint32_t name, size_t *len);
bool go_func_is(const struct go_module *m, const struct go_func *f, const char *name);

/* Offset among the values of a pcdata table; 0: none. */
uint32_t go_func_pcdata(const struct go_module *m, const struct go_func *f, uint32_t which);
/* Address of a piece of funcdata; 0: none, or it is unknown where they are. */
uint64_t go_func_data(const struct go_module *m, const struct go_func *f, uint32_t which);

/* The source file (see go_module_string()) and line of an instruction. The file is NULL where the
 * table does not say both. */
struct go_position {
	const char *file;
	size_t file_len;
	uint32_t line;
};
struct go_position go_func_position(const struct go_module *m, const struct go_func *f, uint64_t pc);

#endif
