#include "config.h"

#include "symbolize/go_expand.h"

#include <errno.h>
#include <stdlib.h>

#include "base/reading.h"
#include "symbolize/go_func.h"
#include "symbolize/go_inltree.h"

#define SLOTS_FIRST (1u << 12)
#define SLOTS_MAX   (1u << 20) /* 24 MB; a program with more call sites is asked again and again */
#define CHAIN_MAX   512        /* steps outwards; a liar's tree may be a ring */

/* What is known of a pc. */
struct site {
	uint64_t pc;    /* 0: a free slot */
	uint64_t next;  /* the pc that an inlined call implies behind it; 0: it is not inlined */
	uint8_t is_go;  /* in a Go function */
	uint8_t elided; /* `next` is of a wrapper, and left out behind this one */
	uint8_t starts; /* it is where a function begins: no call is in front of it */
};

struct go_expand {
	struct site *slots; /* owned */
	size_t n, cap;      /* cap: a power of two */
	uint8_t panics[3];  /* funcIDs behind which a wrapper is shown (elideWrapperCalling) */
};

void
go_expand_free(struct go_expand *x)
{
	if (!x)
		return;
	free(x->slots);
	free(x);
}

/* ---- what the tables say */

static void
learn_panics(struct go_expand *x, const struct go_module *m)
{
	static const char *const names[] = { "runtime.gopanic", "runtime.sigpanic", "runtime.panicwrap" };

	for (uint32_t i = 0; i < m->n_funcs; i++) {
		struct go_func f;

		if (!go_func_get(m, i, &f) || f.id == 0)
			continue;
		for (size_t k = 0; k < sizeof(names) / sizeof(names[0]); k++)
			if (!x->panics[k] && go_func_is(m, &f, names[k]))
				x->panics[k] = f.id;
	}
}

static bool
is_panic(const struct go_expand *x, uint8_t id)
{
	return id && (id == x->panics[0] || id == x->panics[1] || id == x->panics[2]);
}

static void
look_up(const struct go_node *n, const struct go_expand *x, struct site *s)
{
	uint64_t pc = go_node_link_pc(n, s->pc);
	const struct go_module *m = &n->module;
	struct go_inltree t;
	struct go_call call, outer;
	struct go_func f;
	uint8_t outer_id;

	s->is_go = go_func_find(m, pc, &f);
	if (!s->is_go)
		return;
	s->starts = pc == f.entry;
	go_inltree_init(&t, m, &f);
	if (!go_inltree_find(&t, s->starts ? pc : pc - 1, &call))
		return;
	outer_id = go_inltree_find(&t, call.parent_pc, &outer) ? outer.id : f.id;
	s->next = call.parent_pc + 1 + n->bias;
	s->elided = outer_id == n->at->wrapper_func_id && !is_panic(x, call.id);
}

/* ---- and what is remembered of it */

static size_t
slot_of(const struct go_expand *x, uint64_t pc)
{
	size_t i = (size_t)((pc * UINT64_C(0x9e3779b97f4a7c15)) >> 32) & (x->cap - 1);

	while (x->slots[i].pc != 0 && x->slots[i].pc != pc)
		i = (i + 1) & (x->cap - 1);
	return i;
}

/* Twice the room; or, at the maximum, begin anew. */
static int
make_room(struct go_expand *x)
{
	struct go_expand more = *x;
	bool grow = x->cap < SLOTS_MAX;

	more.cap = x->cap == 0 ? SLOTS_FIRST : grow ? 2 * x->cap : x->cap;
	more.slots = calloc(more.cap, sizeof(*more.slots));
	if (!more.slots)
		return -ENOMEM;
	for (size_t i = 0; grow && i < x->cap; i++)
		if (x->slots[i].pc != 0)
			more.slots[slot_of(&more, x->slots[i].pc)] = x->slots[i];
	if (!grow)
		more.n = 0;
	free(x->slots);
	*x = more;
	return 0;
}

static int
open_expand(struct go_node *n)
{
	int e;

	if (n->expand)
		return 0;
	n->expand = calloc(1, sizeof(*n->expand));
	if (!n->expand)
		return -ENOMEM;
	e = make_room(n->expand);
	if (e == 0)
		learn_panics(n->expand, &n->module);
	return e;
}

/* *out is what is known of a pc, by value: the next look may move it. */
static int
get_site(struct go_node *n, uint64_t pc, struct site *out)
{
	struct go_expand *x = n->expand;
	size_t i;

	*out = (struct site){ .pc = pc };
	if (pc == 0)
		return 0;
	i = slot_of(x, pc);
	if (x->slots[i].pc == 0) {
		if (x->n >= x->cap / 2) {
			int e = make_room(x);

			if (e < 0)
				return e;
			i = slot_of(x, pc);
		}
		look_up(n, x, out);
		x->slots[i] = *out;
		x->n++;
	}
	*out = x->slots[i];
	return 0;
}

/* ---- stacks */

/* Is `pc` implied by the frame of s, or by one that s implies? Then *s becomes what is known of it.
 * Wrappers in between may be left out, others not. Returns 1, 0 or -ENOMEM. */
static int
follows(struct go_node *n, struct site *s, uint64_t pc)
{
	struct site at = *s;

	for (int i = 0; i < CHAIN_MAX && at.next; i++) {
		bool found = at.next == pc, elided = at.elided;
		int e = get_site(n, at.next, &at);

		if (e < 0)
			return e;
		if (found) {
			*s = at;
			return 1;
		}
		if (!elided)
			return 0;
	}
	return 0;
}

int
go_expand_mark(struct go_node *n, uint64_t *pcs, size_t n_pcs)
{
	struct site s = { .pc = 0 };
	int e = open_expand(n);

	for (size_t i = 0; e == 0 && i < n_pcs; i++) {
		int implied;

		pcs[i] = READING_PC(pcs[i]);
		implied = follows(n, &s, pcs[i]);
		e = implied < 0 ? implied : implied > 0 ? 0 : get_site(n, pcs[i], &s);
		if (implied > 0)
			pcs[i] |= READING_PC_IMPLIED;
	}
	return e;
}

struct expansion {
	uint64_t *out;
	size_t n, max;
};

static bool
put(struct expansion *to, const struct site *s, bool implied)
{
	/* CallersFrames backs up by one into the call, but not out of the function; its user adds the one.
	 */
	uint64_t pc = s->starts ? s->pc + 1 : s->pc;

	if (to->n == to->max)
		return false;
	to->out[to->n++] = READING_PC(pc) | (implied ? READING_PC_IMPLIED : 0);
	return true;
}

/* The frames that s implies, up to the one that is `next` in the stack already. */
static int
put_implied(struct go_node *n, struct expansion *to, struct site s, uint64_t next)
{
	int e = 0;

	for (int i = 0; e == 0 && i < CHAIN_MAX && s.next && s.next != next; i++) {
		bool elided = s.elided;

		e = get_site(n, s.next, &s);
		if (e == 0 && !elided && !put(to, &s, true))
			break;
	}
	return e;
}

int
go_expand_stack(struct go_node *n, const uint64_t *pcs, size_t n_pcs, uint64_t *out, size_t max)
{
	struct expansion to = { .out = out, .max = max };
	struct site s, last = { .pc = 0 };
	int e = open_expand(n);

	for (size_t i = 0; e == 0 && i < n_pcs; i++) {
		int implied;

		e = get_site(n, pcs[i], &s);
		if (e < 0 || !s.is_go)
			continue;
		implied = follows(n, &last, pcs[i]);
		if (implied < 0)
			return implied;
		last = s;
		if (!put(&to, &s, implied > 0))
			break;
		/* Of the last one nothing is put behind it: whoever names it knows its frames. */
		if (i + 1 < n_pcs)
			e = put_implied(n, &to, s, pcs[i + 1]);
	}
	if (e < 0)
		return e;
	if (to.n == 0 && max > 0)
		out[to.n++] = 1;
	return (int)to.n;
}
