/*
 * go_places.h - the program counters of a reading, as locations of a profile.
 *
 * A caller's pc is its return address: the call is one byte before it, and there it is looked up
 * and shown, as Go does it. The executable's maps are in the profile already; what lies in none
 * of them is "[unknown]".
 */
#ifndef PPD_FCGI_GO_PLACES_H
#define PPD_FCGI_GO_PLACES_H

#include <stdint.h>

#include "base/reading.h"
#include "fcgi/profile.h"

#define GO_PLACES_NONE UINT32_MAX

struct go_places {
	uint32_t *locs;     /* owned; by index in the reading's pcs: a loc; GO_PLACES_NONE: no pc */
	uint32_t *creators; /* owned; by goroutine; GO_PLACES_NONE: unknown. NULL: not asked for */
};

/* creators: with the go statements of goroutines. Returns 0 or -ENOMEM; go_places_fini() in both
 * cases. */
int go_places_init(struct go_places *g, struct profile *p, const struct reading *r, bool creators);
void go_places_fini(struct go_places *g);

/* The location of an address in one of the executable's maps, which is added; -ENOENT: in none; -ENOMEM. */
int64_t go_places_at(struct profile *p, uint64_t address);

/* The address at which a pc with its bits is shown and looked up. */
static inline uint64_t
go_places_address(uint64_t word)
{
	return READING_PC(word) - ((word & READING_PC_EXACT) ? 0 : 1);
}

/* A pc as the rows of Go's texts have it: one more than that address. */
static inline uint64_t
go_places_pc(uint64_t word)
{
	return go_places_address(word) + 1;
}

#endif
