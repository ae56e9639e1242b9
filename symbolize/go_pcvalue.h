/*
 * go_pcvalue.h - a value for each instruction of a Go function, run by run.
 *
 * The tables hold pairs of varints: by how much the value changes (zigzag,
 * starting from -1), and for how many bytes of code it then holds (in units of
 * the shortest instruction). A change of 0 ends them, except in the first pair
 * (runtime/symtab.go: pcvalue, step).
 */
#ifndef PPD_SYMBOLIZE_GO_PCVALUE_H
#define PPD_SYMBOLIZE_GO_PCVALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "symbolize/go_func.h"
#include "symbolize/go_module.h"

struct go_pcvalue {
	const unsigned char *at, *end; /* borrowed from the module */
	const struct go_func *func;    /* borrowed */
	uint32_t quantum;
	uint64_t from, to; /* link-time addresses between which `value` holds */
	int32_t value;
};

/* table: its offset among the values, as _func holds it; 0: there is none. */
void go_pcvalue_init(struct go_pcvalue *v, const struct go_module *m, const struct go_func *f,
		     uint32_t table);
/* The next run. False at the end of the table or of the function. */
bool go_pcvalue_next(struct go_pcvalue *v);

/* The value at one instruction; -1 where there is none. */
int32_t go_pcvalue_find(const struct go_module *m, const struct go_func *f, uint32_t table, uint64_t pc);

#endif
