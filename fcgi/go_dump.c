#include "config.h"

#include "fcgi/go_dump.h"

#include <string.h>

#include "fcgi/go_lines.h"
#include "fcgi/go_quote.h"
#include "fcgi/go_rules.h"

/* Of a deep stack (runtime/traceback.go: tracebackInnerFrames, tracebackOuterFrames; before 1.21
 * _TracebackMaxFrames, of which only what is no inlined call counts). */
#define INNER_MAX    50
#define OUTER_MAX    50
#define PHYSICAL_MAX 100
#define MINUTE_NS    60000000000u
/* Bytes of a head's labels: of longer ones the rest is left out. */
#define LABELS_TEXT_MAX 65536

/* A stack being written. */
struct walk {
	const struct go_text *t;
	struct sink *to;
	const uint64_t *pcs;
	const uint32_t *locs;
	uint32_t n;
	bool with_runtime; /* its functions too */
	uint64_t shown;    /* calls so far, also those that are elided */
	uint64_t total;    /* that are shown, or elided */
};

static void
put_name(const struct go_text *t, struct sink *to, const char *name)
{
	if (!strcmp(name, "runtime.gopanic"))
		sink_text(to, "panic");
	else
		go_lines_name(to, name, t->rules);
}

static void
put_place(struct sink *to, const struct go_line *l, uint64_t offset)
{
	sink_add(to, "\t", 1);
	sink_text(to, l->file);
	sink_add(to, ":", 1);
	sink_int(to, l->line);
	if (offset) {
		sink_add(to, " +", 2);
		sink_hex(to, offset);
	}
	sink_add(to, "\n", 1);
}

/* physical: the word that an implied one stands behind, or the same. */
static void
put_call(const struct walk *w, const struct go_line *l, uint32_t physical)
{
	uint64_t offset = 0;

	if (!l->is_inlined) {
		struct go_line at;

		go_lines_get(w->t->p, w->locs[physical], &at);
		/* Of the return address, where the lookup was at the call in front of it. */
		offset = at.offset + !(w->pcs[physical] & READING_PC_EXACT);
	}
	put_name(w->t, w->to, l->name);
	sink_text(w->to, "(...)\n");
	put_place(w->to, l, offset);
}

static bool
shows(const struct walk *w, const struct go_line *l)
{
	return l->name && (w->with_runtime || go_rules_shows(w->t->rules, l->name, w->shown == 0));
}

/* The calls that are shown, or would be where the stack is not cut. */
static uint64_t
count(struct walk *w)
{
	w->shown = 0;
	for (uint32_t i = 0; i < w->n; i++) {
		struct go_line l;

		if (w->pcs[i] & READING_PC_LEFT_OUT) {
			w->shown += READING_PC(w->pcs[i]);
			continue;
		}
		go_lines_get(w->t->p, w->locs[i], &l);
		w->shown += shows(w, &l);
	}
	return w->shown;
}

/* Both ends of it. */
static void
write_ends(struct walk *w)
{
	uint64_t elided = w->total > INNER_MAX + OUTER_MAX ? w->total - INNER_MAX - OUTER_MAX : 0;
	uint32_t physical = 0;
	bool told = !elided;

	w->shown = 0;
	for (uint32_t i = 0; i < w->n; i++) {
		struct go_line l;

		if (!(w->pcs[i] & READING_PC_IMPLIED))
			physical = i;

		if (w->shown >= INNER_MAX && !told) {
			sink_printf(w->to, "...%llu frames elided...\n", (unsigned long long)elided);
			told = true;
		}
		if (w->pcs[i] & READING_PC_LEFT_OUT) {
			w->shown += READING_PC(w->pcs[i]);
			continue;
		}
		go_lines_get(w->t->p, w->locs[i], &l);
		if (!shows(w, &l))
			continue;
		if (w->shown < INNER_MAX || w->shown >= INNER_MAX + elided)
			put_call(w, &l, physical);
		w->shown++;
	}
}

/* As Go 1.20 and earlier: its beginning, counted by the calls that are not inlined. */
static void
write_beginning(struct walk *w)
{
	uint32_t physical = 0, calls = 0;

	w->shown = 0;
	for (uint32_t i = 0; i < w->n && !(w->pcs[i] & READING_PC_LEFT_OUT); i++) {
		struct go_line l;

		if (!(w->pcs[i] & READING_PC_IMPLIED)) {
			if (calls++ == PHYSICAL_MAX)
				break;
			physical = i;
		}
		go_lines_get(w->t->p, w->locs[i], &l);
		if (!shows(w, &l))
			continue;
		put_call(w, &l, physical);
		w->shown++;
	}
	if (calls >= PHYSICAL_MAX)
		sink_text(w->to, "...additional frames elided...\n");
}

static void
write_stack(const struct go_text *t, struct sink *to, const struct reading_goroutine *g)
{
	const struct reading_stack *stack = &t->r->stacks[g->stack];
	struct walk w = { .t = t,
			  .to = to,
			  .pcs = t->r->pcs + stack->first,
			  .locs = t->g->locs + stack->first,
			  .n = stack->n };

	if (g->flags & READING_G_UNREAD) {
		/* Go's words, when it cannot stop one. */
		sink_text(to, "\tgoroutine running on other thread; stack unavailable\n");
		return;
	}
	w.total = count(&w);
	if (!w.total) {
		w.with_runtime = true;
		w.total = count(&w);
	}
	if (t->rules & GO_ELIDED_MIDDLE)
		write_ends(&w);
	else
		write_beginning(&w);
}

/* ---- the first line, and the last two */

static void
put_string(const struct go_text *t, struct sink *to, uint32_t string)
{
	size_t n;
	const char *s = reading_string(t->r, string, &n);

	go_quote_head(to, s, n);
}

static void
put_labels(const struct go_text *t, struct sink *to, uint32_t set)
{
	const struct reading_label_set *is = &t->r->label_sets[set];
	uint64_t begin = to->total;

	if (!is->n || !(t->rules & GO_HEAD_LABELS))
		return;
	for (uint32_t i = 0; i < is->n && to->total - begin < LABELS_TEXT_MAX; i++) {
		const struct reading_label *label = &t->r->labels[is->first + i];

		sink_text(to, i ? ", " : " {");
		put_string(t, to, label->key);
		sink_text(to, ": ");
		put_string(t, to, label->value);
	}
	sink_text(to, "}");
}

static void
write_head(const struct go_text *t, struct sink *to, const struct reading_goroutine *g)
{
	size_t n;
	const char *state = reading_string(t->r, g->state, &n);

	sink_text(to, "goroutine ");
	sink_printf(to, "%llu", (unsigned long long)g->goid);
	sink_text(to, " [");
	/* A hundred bytes are more than any state; the runtime's words are ASCII. */
	for (size_t i = 0; i < n && i < 100; i++)
		if (state[i] >= ' ' && state[i] <= '~')
			sink_add(to, state + i, 1);
	if (g->wait_ns >= MINUTE_NS)
		sink_printf(to, ", %llu minutes", (unsigned long long)(g->wait_ns / MINUTE_NS));
	if (g->flags & READING_G_LOCKED)
		sink_text(to, ", locked to thread");
	if (g->bubble)
		sink_printf(to, ", synctest %s %u", (t->rules & GO_BUBBLES) ? "bubble" : "group",
			    g->bubble);
	sink_text(to, "]");
	put_labels(t, to, g->labels);
	sink_text(to, ":\n");
}

static void
write_creator(const struct go_text *t, struct sink *to, const struct reading_goroutine *g, uint32_t loc)
{
	struct go_line l;

	go_lines_get(t->p, loc, &l);
	if (!l.name || g->goid == 1 || !go_rules_shows(t->rules, l.physical, false))
		return;
	sink_text(to, "created by ");
	put_name(t, to, l.physical);
	if (g->parent)
		sink_printf(to, " in goroutine %llu", (unsigned long long)g->parent);
	sink_text(to, "\n");
	put_place(to, &l, l.offset + 1);
}

void
go_dump_write(const struct go_text *t, struct sink *to)
{
	bool any = false;

	for (uint64_t i = 0; i < t->r->head->goroutines.n && !go_text_over(to); i++) {
		const struct reading_goroutine *g = &t->r->goroutines[i];

		if (g->flags & READING_G_SYSTEM)
			continue;
		if (any)
			sink_text(to, "\n");
		any = true;
		write_head(t, to, g);
		write_stack(t, to, g);
		write_creator(t, to, g, t->g->creators[i]);
	}
}
