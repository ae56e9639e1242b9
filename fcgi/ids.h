/*
 * ids.h - what goes out under one number.
 *
 * The collector's rows, addresses and stacks are finer than what a reader can tell
 * apart: all marks share a mapping, the rows of a main executable with link-time
 * addresses do, and so on. Here each gets the number under which a reader sees it,
 * counted from 1 in the order of first use; and equal samples are added up (in a
 * difference, those that come to nothing are left out).
 */
#ifndef PPD_FCGI_IDS_H
#define PPD_FCGI_IDS_H

#include <stdint.h>

#include "fcgi/profile.h"

struct ids {
	uint32_t *mapping;   /* by map */
	uint32_t *mappings;  /* by number - 1: the map that stands for it; the program's is the first */
	uint32_t *location;  /* by loc; 0: in no sample */
	uint32_t *locations; /* by number - 1: the loc that stands for it */
	uint32_t *function;  /* by line; 0: in no location */
	uint32_t *functions; /* by number - 1: the line that stands for it */
	struct profile_sample *samples; /* a stack with the same labels once */
	int64_t *values;                /* p->n_types of each */
	uint32_t n_mappings, n_locations, n_functions, n_samples;
};

/* Of a finished profile (profile_finish()). Returns 0 or -ENOMEM; ids_fini() in both cases. */
int ids_init(struct ids *ids, const struct profile *p);
void ids_fini(struct ids *ids);

/* The address of a location as it goes out: the link-time one where its map says so. */
uint64_t ids_address(const struct profile *p, const struct profile_loc *loc);

#endif
