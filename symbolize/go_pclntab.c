#include "config.h"

#include "symbolize/go_pclntab.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/wire.h"
#include "symbolize/go_func.h"
#include "symbolize/go_inltree.h"
#include "symbolize/go_module.h"
#include "symbolize/go_rows.h"

#define CALLS_MAX 4096 /* steps outwards through a tree; a liar's may be a ring */

/* Functions whose funcID must be known: its numbers differ between versions. */
enum { SWITCH, PREEMPT, GOPANIC, SIGPANIC, PANICWRAP, IDS };

static const char *const id_names[IDS] = {
	"runtime.systemstack_switch", "runtime.asyncPreempt",
	"runtime.gopanic", "runtime.sigpanic", "runtime.panicwrap",
};

struct go_pclntab {
	struct go_module m;
	uint8_t ids[IDS]; /* 0: not in this program */
	uint8_t wrapper;  /* funcID of wrappers; 0: unknown */
};

/* Wrappers have no function of their own to learn from: theirs is the last number, and before
 * it comes systemstack_switch (asyncPreempt in Go 1.16). */
static void
learn_ids(struct go_pclntab *g)
{
	uint32_t left = IDS - 1; /* panicwrap is often not there */

	for (uint32_t i = 0; i < g->m.n_funcs && left > 0; i++) {
		struct go_func f;

		if (!go_func_get(&g->m, i, &f) || f.id == 0)
			continue;
		for (size_t k = 0; k < IDS; k++)
			if (!g->ids[k] && go_func_is(&g->m, &f, id_names[k])) {
				g->ids[k] = f.id;
				left -= k != PANICWRAP;
			}
	}
	g->wrapper = g->ids[SWITCH] > g->ids[PREEMPT] ? g->ids[SWITCH] : g->ids[PREEMPT];
	g->wrapper += g->wrapper != 0;
}

int
go_pclntab_open(struct go_pclntab **out, const struct image *im, struct err *why)
{
	struct go_pclntab *g = calloc(1, sizeof(*g));
	int e;

	if (!g)
		return err_set(why, -ENOMEM, "go: no memory");
	e = go_module_open(&g->m, im, why);
	if (e < 0) {
		free(g);
		return e;
	}
	learn_ids(g);
	*out = g;
	return 0;
}

void
go_pclntab_free(struct go_pclntab *g)
{
	if (!g)
		return;
	go_module_close(&g->m);
	free(g);
}

int
go_pclntab_covers(const struct go_pclntab *g, uint64_t vaddr)
{
	return vaddr >= g->m.min_pc && vaddr < g->m.max_pc;
}

int
go_pclntab_rows(const struct go_pclntab *g, struct rows_writer *w, struct err *why)
{
	return go_rows(&g->m, w, why);
}

/* ---- naming */

/* Frames as they are found, from the innermost on. */
struct walk {
	const struct go_pclntab *g;
	struct arena *a;
	struct frame frames[CHAIN_MAX]; /* a ring, when there are more */
	uint32_t n;                     /* found so far */
	uint8_t callee;                 /* funcID of the last one */
};

/* A wrapper is not shown, except where it called one of the panics (runtime/traceback.go,
 * elideWrapperCalling). */
static bool
is_hidden(const struct walk *w, uint8_t id)
{
	const uint8_t *ids = w->g->ids;
	uint8_t callee = w->callee;

	return w->g->wrapper && id == w->g->wrapper &&
	       !(callee && (callee == ids[GOPANIC] || callee == ids[SIGPANIC] || callee == ids[PANICWRAP]));
}

/* Set *out to the string, or to a cut copy where it is longer than strings may be. */
static int
text(struct arena *a, const char *s, size_t len, const char **out)
{
	*out = s;
	if (!s || len < CHAIN_STRING_MAX)
		return 0;
	*out = arena_copy(a, s, len);
	return *out ? 0 : -ENOMEM;
}

static int
add_frame(struct walk *w, const struct go_func *f, uint32_t name, uint32_t start_line, uint64_t pc)
{
	struct frame *fr = &w->frames[w->n % CHAIN_MAX];
	struct go_position p = go_func_position(&w->g->m, f, pc);
	size_t len;
	const char *s = go_func_name(&w->g->m, name, &len);
	int e = text(w->a, s, len, &fr->name);

	if (e == 0)
		e = text(w->a, p.file, p.file_len, &fr->file);
	fr->line = p.line;
	fr->start_line = start_line;
	w->n++;
	return e;
}

/* Put the walk's frames into the chain; of too many, the outer ones. */
static int
finish(const struct walk *w, struct chain *c, bool hidden)
{
	uint32_t n = w->n < CHAIN_MAX ? w->n : CHAIN_MAX;

	c->frames = arena_get(w->a, n * sizeof(*c->frames));
	if (!c->frames)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++)
		c->frames[i] = w->frames[(w->n - n + i) % CHAIN_MAX];
	c->n = n;
	c->flags = WIRE_ANSWER_FINAL | WIRE_ANSWER_NAMED;
	if (c->frames[n - 1].file)
		c->flags |= WIRE_ANSWER_LINES;
	if (w->g->m.layout->word == 8 || w->g->m.func_data)
		c->flags |= WIRE_ANSWER_INLINES;
	if (hidden)
		c->flags |= WIRE_ANSWER_HIDDEN;
	return 0;
}

/* All frames of an address in f. *hidden: there is only one, and it is a wrapper, or the end of every
 * goroutine's stack (which runtime/pprof's proto.go leaves out by name). */
static int
walk(struct walk *w, const struct go_func *f, uint64_t pc, bool *hidden)
{
	struct go_inltree t;
	struct go_call call;
	int e = 0;

	w->n = 0;
	w->callee = 0;
	go_inltree_init(&t, &w->g->m, f);
	for (uint32_t i = 0; e == 0 && i < CALLS_MAX && go_inltree_find(&t, pc, &call); i++) {
		if (!is_hidden(w, call.id))
			e = add_frame(w, f, call.name, call.start_line, pc);
		w->callee = call.id;
		pc = call.parent_pc;
	}
	*hidden = is_hidden(w, f->id) || go_func_is(&w->g->m, f, "runtime.goexit");
	if (e < 0 || (*hidden && w->n > 0)) {
		*hidden = false;
		return e;
	}
	return add_frame(w, f, f->name, f->start_line, pc);
}

int
go_pclntab_name(const struct go_pclntab *g, struct chain *c, struct arena *a)
{
	struct walk w;
	struct go_func f;
	bool hidden;
	int e;

	c->n = 0;
	c->flags = 0;
	if (!go_func_find(&g->m, c->vaddr, &f))
		return 0;
	c->entry = f.entry;
	w.g = g;
	w.a = a;
	e = walk(&w, &f, c->vaddr, &hidden);
	return e < 0 ? e : finish(&w, c, hidden);
}
