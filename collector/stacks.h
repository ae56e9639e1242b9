/*
 * stacks.h - every distinct stack once.
 *
 * A stack is a list of (map, address), leaf first, and what is to be said of
 * it (guessed, late, cut). Shared by all windows of a node; emptied when none
 * is open.
 */
#ifndef PPD_COLLECTOR_STACKS_H
#define PPD_COLLECTOR_STACKS_H

#include <stddef.h>
#include <stdint.h>

#include "base/table.h"

struct stack_frame {
	uint64_t addr; /* see WIRE_STACKS */
	uint32_t map;  /* map id */
	uint32_t zero; /* stacks are compared as bytes */
};

struct stack {
	size_t first;   /* index into frames */
	uint32_t n;
	uint32_t flags; /* WIRE_STACK_* */
};

struct stacks {
	struct stack *v;            /* owned; by id */
	uint32_t n, cap;
	struct stack_frame *frames; /* owned */
	size_t n_frames, cap_frames;
	struct table ids;
	size_t max_bytes;           /* of v and frames together */
};

void stacks_init(struct stacks *s, size_t max_bytes);
void stacks_fini(struct stacks *s);
void stacks_reset(struct stacks *s);
/* The id of this stack, known or new; TABLE_NONE when the table is full. n ≥ 1. */
uint32_t stacks_add(struct stacks *s, const struct stack_frame *frames, uint32_t n, uint32_t flags);

#endif
