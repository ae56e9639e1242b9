/*
 * labels.h - what is said of a sample beside its stack.
 *
 * Its thread, how its stack was found, and what its own set says, in one list for all outputs.
 */
#ifndef PPD_FCGI_LABELS_H
#define PPD_FCGI_LABELS_H

#include "fcgi/profile.h"

/* The labels of a sample, at most PROFILE_LABELS_MAX: their number. */
uint32_t labels_of(const struct profile *p, const struct profile_sample *s,
		   struct profile_label to[PROFILE_LABELS_MAX]);

/* Those of a stack's flags (WIRE_STACK_*) that become labels. */
uint8_t labels_of_stack(const struct profile_stack *stack);

#endif
