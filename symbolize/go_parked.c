#include "config.h"

#include "symbolize/go_parked.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDS      3
#define STACK_BYTES (2u << 20) /* first words of stacks, read at once */

struct go_parked_reader {
	struct go_node *n;
	struct go_traceback *t;
	struct go_stacks *s;
	struct reading_writer *w;
	bool is_trimmed;
	unsigned char *records; /* owned; GO_PARKED_MAX of them */
	struct memory_want wants[GO_PARKED_MAX];
	/* Those of a round: which of the caller's, where they are, what they said before and after. */
	uint32_t which[GO_PARKED_MAX];
	uint64_t addrs[GO_PARKED_MAX];
	struct go_g before[GO_PARKED_MAX], after[GO_PARKED_MAX];
	/* The stacks at hand. */
	uint32_t first[GO_PARKED_MAX]; /* bytes */
	struct go_trace trace;
	unsigned char stacks[STACK_BYTES];
};

static int
read_records(struct go_parked_reader *r, size_t n, struct go_g *gs)
{
	return go_g_read(gs, r->n->at, r->n->mem, r->addrs, n, r->records, r->wants);
}

/* Where a goroutine that does not run goes on. */
static struct go_start
start_of(const struct go_g *g)
{
	if (g->syscall_sp)
		return (struct go_start){ .pc = g->syscall_pc, .sp = g->syscall_sp, .is_syscall = true };
	return (struct go_start){ .pc = g->pc, .sp = g->sp, .lr = g->lr };
}

static enum go_parked_what
judge(const struct go_g *g)
{
	if (!g->at || !go_g_is_alive(g))
		return GO_PARKED_NONE;
	return go_g_is_running(g) ? GO_PARKED_RUNNING : GO_PARKED_SURE;
}

static int64_t
put_stack(struct go_parked_reader *r)
{
	struct go_trace *t = &r->trace;
	uint32_t skip = r->is_trimmed && t->n_waits < t->n ? t->n_waits : 0;

	/* What implied it may be gone. */
	if (skip)
		t->pcs[skip] &= ~READING_PC_IMPLIED;
	return reading_writer_stack(r->w, t->pcs + skip, t->n - skip);
}

static int
walk(struct go_parked_reader *r, const struct go_g *g, const unsigned char *bytes, size_t n,
     struct go_parked *out)
{
	struct go_start from = start_of(g);
	struct go_stack words = go_stacks_get(r->s, g->lo, g->hi, from.sp, bytes, n);
	int e = go_traceback_walk(r->t, &words, &from, &r->trace);
	int64_t stack;

	if (e < 0)
		return e;
	if (r->s->error == -ESRCH)
		return -ESRCH;
	stack = put_stack(r);
	if (stack < 0)
		return (int)stack;
	out->stack = (uint32_t)stack;
	out->top = (uint8_t)r->trace.top;
	out->is_whole = r->trace.is_whole;
	out->has_user = r->trace.has_user;
	return 0;
}

/* The stacks of [from, to), whose first words fit. */
static int
walk_some(struct go_parked_reader *r, size_t from, size_t to, struct go_parked *out)
{
	unsigned char *at = r->stacks;
	size_t n = 0;
	int e;

	for (size_t i = from; i < to; i++) {
		if (r->first[i])
			r->wants[n++] =
				(struct memory_want){ start_of(&r->before[i]).sp, at, r->first[i], 0 };
		at += r->first[i];
	}
	e = memory_read_many(r->n->mem, r->wants, n);
	/* Words that are not there are no return addresses. */
	for (size_t i = 0; i < n; i++)
		if (r->wants[i].error < 0)
			memset(r->wants[i].to, 0, r->wants[i].n);
	at = r->stacks;
	for (size_t i = from; e == 0 && i < to; i++) {
		struct go_parked *p = &out[r->which[i]];

		if (p->what == GO_PARKED_SURE)
			e = walk(r, &r->before[i], at, r->first[i], p);
		at += r->first[i];
	}
	return e;
}

static int
walk_all(struct go_parked_reader *r, size_t n, struct go_parked *out)
{
	size_t bytes = 0, from = 0;
	int e = 0;

	for (size_t i = 0; e == 0 && i < n; i++) {
		const struct go_g *g = &r->before[i];
		uint64_t sp = start_of(g).sp;

		r->first[i] = 0;
		if (out[r->which[i]].what == GO_PARKED_SURE && sp >= g->lo && sp < g->hi)
			r->first[i] = go_stacks_first(r->s, sp, g->hi);
		if (bytes + r->first[i] > STACK_BYTES) {
			e = walk_some(r, from, i, out);
			from = i;
			bytes = 0;
		}
		bytes += r->first[i];
	}
	return e < 0 ? e : walk_some(r, from, n, out);
}

/* Of those that were read, keep the ones that moved. */
static size_t
unsettled(struct go_parked_reader *r, size_t n, bool is_last, struct go_parked *out)
{
	size_t left = 0;

	for (size_t i = 0; i < n; i++) {
		struct go_parked *p = &out[r->which[i]];
		bool same = go_g_is_same(&r->before[i], &r->after[i]);

		if (p->what != GO_PARKED_SURE || (same && (p->is_whole || is_last)))
			continue;
		if (is_last) {
			p->what = p->is_whole ? GO_PARKED_UNSURE : GO_PARKED_UNREAD;
			continue;
		}
		r->which[left] = r->which[i];
		r->addrs[left++] = r->addrs[i];
	}
	return left;
}

static int
look(struct go_parked_reader *r, size_t n, struct go_parked *out)
{
	int e = read_records(r, n, r->before);

	for (size_t i = 0; e == 0 && i < n; i++) {
		struct go_parked *p = &out[r->which[i]];

		memset(p, 0, sizeof(*p));
		p->g = r->before[i];
		p->what = (uint8_t)judge(&p->g);
	}
	return e;
}

int
go_parked_look(struct go_parked_reader *r, const uint64_t *addrs, size_t n, struct go_parked *out)
{
	for (size_t i = 0; i < n; i++) {
		r->which[i] = (uint32_t)i;
		r->addrs[i] = addrs[i];
	}
	return look(r, n, out);
}

int
go_parked_read(struct go_parked_reader *r, const uint64_t *addrs, size_t n, struct go_parked *out)
{
	int e = go_parked_look(r, addrs, n, out);

	for (int round = 1; e == 0 && n > 0; round++) {
		e = walk_all(r, n, out);
		if (e == 0)
			e = read_records(r, n, r->after);
		if (e == 0)
			n = unsettled(r, n, round == ROUNDS, out);
		if (e == 0 && n > 0)
			e = look(r, n, out);
	}
	return e;
}

void
go_parked_trim(struct go_parked_reader *r)
{
	r->is_trimmed = true;
}

int
go_parked_new(struct go_parked_reader **out, struct go_node *n, struct go_traceback *t, struct go_stacks *s,
	      struct reading_writer *w)
{
	struct go_parked_reader *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	r->n = n;
	r->t = t;
	r->s = s;
	r->w = w;
	r->records = malloc((size_t)GO_PARKED_MAX * n->at->g_size);
	if (!r->records) {
		free(r);
		return -ENOMEM;
	}
	*out = r;
	return 0;
}

void
go_parked_free(struct go_parked_reader *r)
{
	if (!r)
		return;
	free(r->records);
	free(r);
}
