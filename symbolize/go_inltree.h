/*
 * go_inltree.h - the calls that Go's compiler inlined into a function.
 *
 * A pcdata table gives each instruction the index of the innermost inlined call
 * that it belongs to; an entry says the callee, and an instruction of the call
 * itself, whose index is then the next one outwards (runtime/symtabinl.go).
 */
#ifndef PPD_SYMBOLIZE_GO_INLTREE_H
#define PPD_SYMBOLIZE_GO_INLTREE_H

#include <stdbool.h>
#include <stdint.h>

#include "symbolize/go_func.h"
#include "symbolize/go_module.h"

struct go_inltree {
	const struct go_module *m;
	const struct go_func *f;
	uint32_t index; /* the table of indices; 0: nothing is inlined */
	uint64_t vaddr; /* of the entries */
};

struct go_call {
	uint32_t name;       /* of the callee; offset among the names */
	uint32_t start_line; /* of the callee; 0: unknown */
	uint64_t parent_pc;  /* link-time address of the call */
	uint8_t id;          /* funcID of the callee */
};

void go_inltree_init(struct go_inltree *t, const struct go_module *m, const struct go_func *f);
/* The innermost inlined call that holds an instruction. False: the function itself. */
bool go_inltree_find(const struct go_inltree *t, uint64_t pc, struct go_call *c);
/* Look at the entries of the first `max` runs: how many make sense, how many do not. */
void go_inltree_check(const struct go_inltree *t, uint32_t max, uint32_t *good, uint32_t *bad);

#endif
