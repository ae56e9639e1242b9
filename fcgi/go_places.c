#include "config.h"

#include "fcgi/go_places.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/wire.h"

/* Pcs that were met lately: the same ones come again and again, and the profile's own table costs a
 * look at three places for each. A power of two. */
#define LATELY 8192

struct finder {
	struct profile *p;
	uint32_t unknown; /* map */
	struct {
		uint64_t word;
		uint32_t loc;
	} lately[LATELY];
};

static uint32_t
map_of(const struct profile *p, uint64_t address, uint32_t otherwise)
{
	for (uint32_t i = 0; i < p->maps.n; i++)
		if (p->maps.at[i].kind == WIRE_MAP_FILE && address >= p->maps.at[i].start &&
		    address < p->maps.at[i].end)
			return i;
	return otherwise;
}

int64_t
go_places_at(struct profile *p, uint64_t address)
{
	uint32_t map = map_of(p, address, PROFILE_NONE);

	return map == PROFILE_NONE ? -ENOENT : profile_loc_add(p, map, address);
}

/* Returns a loc or -ENOMEM. */
static int64_t
finder_loc(struct finder *f, uint64_t word)
{
	size_t slot = (size_t)((word ^ word >> 13) % LATELY);
	uint64_t address = go_places_address(word);
	int64_t loc;

	/* Whether the pc is implied by the one before changes nothing. */
	word &= ~READING_PC_IMPLIED;
	if (f->lately[slot].word == word)
		return f->lately[slot].loc;
	loc = profile_loc_add(f->p, map_of(f->p, address, f->unknown), address);
	if (loc < 0)
		return loc;
	f->lately[slot].word = word;
	f->lately[slot].loc = (uint32_t)loc;
	return loc;
}

static int
finder_init(struct finder *f, struct profile *p)
{
	/* The collector's maps never have this number. */
	struct profile_map_is is = { .id = UINT32_MAX,
				     .kind = WIRE_MAP_PSEUDO,
				     .path = "[unknown]",
				     .path_n = strlen("[unknown]") };
	int64_t map = profile_map_add(p, &is);

	f->p = p;
	f->unknown = (uint32_t)map;
	/* No pc looks like this. */
	for (size_t i = 0; i < LATELY; i++)
		f->lately[i].word = READING_PC_LEFT_OUT;
	return map < 0 ? (int)map : 0;
}

static uint32_t *
places_array(struct profile *p, uint64_t n)
{
	if (n > SIZE_MAX / sizeof(uint32_t) - 1 || room_take(&p->room, (size_t)n * sizeof(uint32_t)) < 0)
		return NULL;
	return malloc(((size_t)n + 1) * sizeof(uint32_t));
}

static int
places_pcs(struct go_places *g, struct finder *f, const struct reading *r)
{
	g->locs = places_array(f->p, r->head->pcs.n);
	if (!g->locs)
		return -ENOMEM;
	for (uint64_t i = 0; i < r->head->pcs.n; i++) {
		int64_t loc = GO_PLACES_NONE;

		if (!(r->pcs[i] & READING_PC_LEFT_OUT) && READING_PC(r->pcs[i]))
			loc = finder_loc(f, r->pcs[i]);
		if (loc < 0)
			return (int)loc;
		g->locs[i] = (uint32_t)loc;
	}
	return 0;
}

static int
places_creators(struct go_places *g, struct finder *f, const struct reading *r)
{
	g->creators = places_array(f->p, r->head->goroutines.n);
	if (!g->creators)
		return -ENOMEM;
	for (uint64_t i = 0; i < r->head->goroutines.n; i++) {
		uint64_t pc = READING_PC(r->goroutines[i].creator_pc);
		int64_t loc = pc ? finder_loc(f, pc) : GO_PLACES_NONE;

		if (loc < 0)
			return (int)loc;
		g->creators[i] = (uint32_t)loc;
	}
	return 0;
}

int
go_places_init(struct go_places *g, struct profile *p, const struct reading *r, bool creators)
{
	struct finder *f = malloc(sizeof(*f));
	int e = f ? finder_init(f, p) : -ENOMEM;

	memset(g, 0, sizeof(*g));
	if (e == 0)
		e = places_pcs(g, f, r);
	if (e == 0 && creators)
		e = places_creators(g, f, r);
	free(f);
	return e;
}

void
go_places_fini(struct go_places *g)
{
	free(g->locs);
	free(g->creators);
	memset(g, 0, sizeof(*g));
}
