/*
 * go_profile.h - a reading of a Go node becomes a profile, as runtime/pprof writes its own.
 *
 * Types, units, scaling, labels and the order of samples are those of runtime/pprof
 * (protomem.go, pprof.go). The pcs of inlined calls' outer frames are no locations: those are
 * lines of the pc in front of them.
 */
#ifndef PPD_FCGI_GO_PROFILE_H
#define PPD_FCGI_GO_PROFILE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/reading.h"
#include "fcgi/go_places.h"
#include "fcgi/profile.h"

#define GO_HEAP_RATE_DEFAULT 524288 /* runtime.MemProfileRate, where the program does not set it */

/* How the samples of one reading are added. */
enum go_part {
	GO_PART_WHOLE,
	GO_PART_BEFORE, /* the earlier one of a difference: subtracted */
	/* The same, but values that are no sums over the program's life (what is in use, what exists
	 * now) are taken from the later one alone. */
	GO_PART_BEFORE_SUMS,
};

/* Types and period of a profile that will hold such readings. show: the type that a reader shows
 * first ("alloc_space"), or NULL. Returns 0 or -ENOMEM. */
int go_profile_begin(struct profile *p, const struct reading *r, const char *show);

/* Samples to be added. All is borrowed. */
struct go_samples {
	const struct reading *r;
	const struct go_places *g; /* with their names */
	const uint32_t
		*hidden; /* by stack, words at its leaf that are left out (go_hidden.h); NULL: none */
	enum go_part part;
	/* Of both parts of a difference the same: what does not change must not change by being measured
	 * anew. */
	double ticks_per_second;
};

/* Returns 0 or -ENOMEM. */
int go_profile_add(struct profile *p, const struct go_samples *s);

/*
 * A heap sample as it stands for all allocations: those of `bytes` in all, made at `rate`
 * bytes between two samples, are sampled with the probability 1 - exp(-size/rate).
 */
void go_profile_scale(int64_t count, int64_t bytes, int64_t rate, int64_t to[2]);

/* Cycles of the runtime's clock in ns; without a known frequency as they are. */
int64_t go_profile_ns(double ticks_per_second, double cycles);

/* The bytes between two heap samples; where it was not found, what Go begins with. */
int64_t go_profile_heap_rate(const struct reading *r);

/* How many of its buckets count: none of a heap that is not profiled. What it may hold yet was
 * sampled at a rate that nobody knows. */
uint64_t go_profile_buckets(const struct reading *r);

/* Bucket numbers in the order in which block and mutex profiles show them: of their cycles, the most
 * first. NULL: no memory; else to be freed. */
uint32_t *go_profile_order(const struct reading *r);

#endif
