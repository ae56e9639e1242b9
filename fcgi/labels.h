/*
 * labels.h - what is said of a sample beside its stack.
 *
 * Its thread, how its stack was found, and what its own set says, in one list for all outputs.
 */
#ifndef PPD_FCGI_LABELS_H
#define PPD_FCGI_LABELS_H

#include "fcgi/profile.h"

/* The words that we use ourselves, as strings of one profile. */
struct labels {
	struct profile *p; /* borrowed */
	uint32_t tid, thread, stack, guess, late;
};

/* Returns 0 or -ENOMEM. */
int labels_init(struct labels *l, struct profile *p);

/* The labels of a sample, at most PROFILE_LABELS_MAX: their number. */
uint32_t labels_of(const struct labels *l, const struct profile_sample *s,
		   struct profile_label to[PROFILE_LABELS_MAX]);

/* Those of a stack's flags (WIRE_STACK_*) that become labels. */
uint8_t labels_of_stack(const struct profile_stack *stack);

#endif
