#include "config.h"

#include "fcgi/go_hidden.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include "fcgi/go_rules.h"

/* A stack whose first shown word is known. */
#define KNOWN (1u << 31)

/* One stack being looked at. */
struct leaf {
	struct profile *p;
	const struct reading *r;
	const struct go_places *g;
	uint32_t rules;
	uint32_t new;      /* places from here on were not there when this turn began */
	uint32_t first, n; /* its words */
};

int
go_hidden_init(struct go_hidden *h, struct profile *p, const struct reading *r)
{
	h->n = NULL;
	if (room_take(&p->room, (size_t)r->head->stacks.n * sizeof(*h->n)) < 0)
		return -ENOMEM;
	h->n = calloc((size_t)r->head->stacks.n + 1, sizeof(*h->n));
	return h->n ? 0 : -ENOMEM;
}

void
go_hidden_fini(struct go_hidden *h)
{
	free(h->n);
	h->n = NULL;
}

static bool
is_runtime(const struct leaf *l, uint32_t loc)
{
	const struct profile_place *place = &l->p->places.at[l->p->locs.at[loc].place];

	return place->object != PROFILE_NONE && place->n_lines &&
	       go_rules_is_runtime(l->rules, strings_get(&l->p->strings, l->p->lines.at[place->line].name));
}

/* What stands at a word's return address: 1: a function of the runtime, 0: another, or nothing
 * known; -EAGAIN: its name was not asked for until this turn; -ENOMEM. */
static int
look(const struct leaf *l, uint32_t word)
{
	int64_t loc = go_places_at(l->p, go_places_pc(l->r->pcs[word]));

	if (loc < 0)
		return loc == -ENOENT ? 0 : (int)loc;
	return l->p->locs.at[loc].place >= l->new ? -EAGAIN : is_runtime(l, (uint32_t)loc);
}

/* Ask for those behind a word too that will most likely be looked at next. */
static int
look_ahead(const struct leaf *l, uint32_t i)
{
	int e = 0;

	for (; i < l->n && e != -ENOMEM; i++) {
		uint32_t loc = l->g->locs[l->first + i];

		e = look(l, l->first + i);
		if (loc == GO_PLACES_NONE || !is_runtime(l, loc))
			break;
	}
	return e == -ENOMEM ? e : -EAGAIN;
}

/* Returns 0 when it is known, -EAGAIN or -ENOMEM. */
static int
leaf_turn(const struct leaf *l, uint32_t *hidden)
{
	for (; *hidden < l->n; ++*hidden) {
		int is = look(l, l->first + *hidden);

		if (is == -EAGAIN)
			return look_ahead(l, *hidden);
		if (is <= 0) {
			*hidden |= KNOWN;
			return is;
		}
	}
	*hidden |= KNOWN;
	return 0;
}

int64_t
go_hidden_turn(struct go_hidden *h, struct profile *p, const struct reading *r, const struct go_places *g)
{
	struct leaf l = {
		.p = p, .r = r, .g = g, .rules = go_rules(r->head->go_minor), .new = p->places.n
	};
	int64_t waiting = 0;

	for (uint64_t i = 0; i < r->head->stacks.n; i++) {
		int e;

		if (h->n[i] & KNOWN)
			continue;
		l.first = r->stacks[i].first;
		l.n = r->stacks[i].n;
		e = leaf_turn(&l, &h->n[i]);
		if (e == -ENOMEM)
			return e;
		waiting += e == -EAGAIN;
	}
	return waiting;
}

void
go_hidden_end(struct go_hidden *h, const struct reading *r)
{
	for (uint64_t i = 0; i < r->head->stacks.n; i++) {
		h->n[i] &= ~KNOWN;
		if (h->n[i] >= r->stacks[i].n)
			h->n[i] = 0;
	}
}
