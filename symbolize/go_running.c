#include "config.h"

#include "symbolize/go_running.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDS 3

/* A goroutine that is tried, and what its thread's record says. */
struct attempt {
	uint32_t which; /* of the caller's */
	struct go_g g;
	uint64_t curg, vdso_sp, vdso_pc, tid;
	uint64_t g0, g0_lo, g0_hi;              /* the thread's own stack */
	uint64_t gsignal, signal_lo, signal_hi; /* that of its signals */
	bool is_whole;
	bool by_record; /* walked from where the record says */
};

struct state {
	const struct go_running_reader *r;
	const uint64_t *addrs;
	struct go_running *out;
	struct attempt *tries;       /* owned */
	struct thread_regs *threads; /* owned; of the tries */
	size_t n;
	struct go_parked *got; /* owned; GO_PARKED_MAX of them */
	struct go_trace trace;
};

/* ---- who runs */

/* Read the records of [from, from + n) of the tries into s->got: of parked ones the stacks, too. */
static int
read_some(struct state *s, size_t from, size_t n, bool with_stacks)
{
	uint64_t addrs[GO_PARKED_MAX];

	for (size_t i = 0; i < n; i++)
		addrs[i] = s->addrs[s->tries[from + i].which];
	return with_stacks ? go_parked_read(s->r->parked, addrs, n, s->got)
			   : go_parked_look(s->r->parked, addrs, n, s->got);
}

static size_t
part_of(const struct state *s, size_t from)
{
	return s->n - from < GO_PARKED_MAX ? s->n - from : GO_PARKED_MAX;
}

/* Keep only those that still run; the others are read. */
static int
read_gs(struct state *s)
{
	size_t left = 0;

	for (size_t from = 0; from < s->n; from += GO_PARKED_MAX) {
		size_t n = part_of(s, from);
		int e = read_some(s, from, n, true);

		if (e < 0)
			return e;
		for (size_t i = 0; i < n; i++) {
			struct attempt t = s->tries[from + i];
			struct go_running *out = &s->out[t.which];

			out->p = s->got[i];
			out->is_running = out->p.what == GO_PARKED_RUNNING;
			t.g = out->p.g;
			if (out->is_running)
				s->tries[left++] = t;
		}
	}
	s->n = left;
	return 0;
}

static void
want(struct memory_want *wants, size_t *n, uint64_t record, uint16_t at, uint64_t *to)
{
	*to = 0;
	if (record && at != GO_ABSENT)
		wants[(*n)++] = (struct memory_want){ record + at, to, sizeof(*to), 0 };
}

/* Their threads' records. */
static int
read_ms(struct state *s)
{
	const struct go_offsets *at = s->r->n->at;
	struct memory_want *wants = calloc(s->n * 6 + 1, sizeof(*wants));
	size_t n = 0;
	int e;

	if (!wants)
		return -ENOMEM;
	for (size_t i = 0; i < s->n; i++) {
		struct attempt *t = &s->tries[i];

		want(wants, &n, t->g.m, at->m_procid, &t->tid);
		want(wants, &n, t->g.m, at->m_curg, &t->curg);
		want(wants, &n, t->g.m, at->m_vdso_sp, &t->vdso_sp);
		want(wants, &n, t->g.m, at->m_vdso_pc, &t->vdso_pc);
		want(wants, &n, t->g.m, at->m_g0, &t->g0);
		want(wants, &n, t->g.m, at->m_gsignal, &t->gsignal);
	}
	e = memory_read_many(s->r->n->mem, wants, n);
	n = 0;
	for (size_t i = 0; i < s->n; i++) {
		struct attempt *t = &s->tries[i];

		if (t->tid > INT32_MAX)
			t->tid = 0;
		want(wants, &n, t->g0, at->g_stack_lo, &t->g0_lo);
		want(wants, &n, t->g0, at->g_stack_hi, &t->g0_hi);
		want(wants, &n, t->gsignal, at->g_stack_lo, &t->signal_lo);
		want(wants, &n, t->gsignal, at->g_stack_hi, &t->signal_hi);
	}
	if (e == 0)
		e = memory_read_many(s->r->n->mem, wants, n);
	free(wants);
	return e;
}

static void
ask(struct state *s)
{
	const struct thread_regs_source *from = s->r->regs;

	for (size_t i = 0; i < s->n; i++)
		s->threads[i] =
			(struct thread_regs){ .tid = (uint32_t)s->tries[i].tid, .where = THREAD_GONE };
	if (!from || s->n == 0 || from->ask(from->ctx, s->threads, s->n) < 0)
		for (size_t i = 0; i < s->n; i++)
			s->threads[i].where = THREAD_GONE;
}

/* ---- its stack */

static bool
is_in(uint64_t sp, uint64_t lo, uint64_t hi)
{
	return sp >= lo && sp < hi;
}

/* A walk on the stack [lo, hi); of its words from from->sp on, n bytes are there. */
static int
walk(struct state *s, uint64_t lo, uint64_t hi, const struct go_start *from, const struct thread_regs *regs)
{
	bool is_there = regs->where == THREAD_SAMPLED && from->sp == regs->sp;
	struct go_stack stack = go_stacks_get(s->r->s, lo, hi, from->sp, is_there ? regs->stack : NULL,
					      is_there ? regs->stack_n : 0);
	int e = go_traceback_walk(s->r->t, &stack, from, &s->trace);

	return e < 0 ? e : s->r->s->error == -ESRCH ? -ESRCH : 0;
}

/* Where a thread that is on its own stack left the goroutine's. Calls of the vdso do not tell the
 * goroutine's record, but the thread's. */
static struct go_start
where_left(const struct attempt *t)
{
	if (t->vdso_sp)
		return (struct go_start){ .pc = t->vdso_pc, .sp = t->vdso_sp };
	return (struct go_start){ .pc = t->g.pc, .sp = t->g.sp, .lr = t->g.lr };
}

/* Go back from a signal's handler to what it interrupted: the kernel left the registers above the handler's
 * frame (struct rt_sigframe). */
static int
leave_handler(struct state *s, const struct attempt *t, const struct thread_regs *regs,
	      struct go_start *from)
{
	/* Bytes from the end of the handler's frame. */
	static const struct {
		uint16_t machine, sp, pc, lr;
	} places[] = { { EM_X86_64, 160, 168, 0 }, { EM_AARCH64, 560, 568, 552 } };
	int e = walk(s, t->signal_lo, t->signal_hi, from, regs), bad = 0;
	uint64_t at = s->trace.handled;

	from->sp = 0;
	if (e < 0 || !is_in(at, t->signal_lo, t->signal_hi))
		return e;
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		if (places[i].machine == s->r->n->im->machine) {
			from->sp = memory_u64(s->r->n->mem, at + places[i].sp, &bad);
			from->pc = memory_u64(s->r->n->mem, at + places[i].pc, &bad);
			from->lr = places[i].lr ? memory_u64(s->r->n->mem, at + places[i].lr, &bad) : 0;
		}
	return bad == -ESRCH ? bad : 0;
}

/* Walk one stack. What was walked is in s->trace. */
static int
walk_one(struct state *s, struct attempt *t, const struct thread_regs *regs)
{
	struct go_start from = { .pc = regs->pc, .sp = regs->sp, .is_trap = true };
	int e = 0;

	t->by_record = false;
	if (regs->where != THREAD_GONE && t->curg == t->g.at && is_in(from.sp, t->signal_lo, t->signal_hi))
		e = leave_handler(s, t, regs, &from);
	s->trace.n = 0;
	s->trace.is_whole = s->trace.has_user = false;
	if (e < 0 || regs->where == THREAD_GONE || t->curg != t->g.at)
		return e;
	if (is_in(from.sp, t->g0_lo, t->g0_hi)) {
		from = where_left(t);
		t->by_record = true;
	}
	return is_in(from.sp, t->g.lo, t->g.hi) ? walk(s, t->g.lo, t->g.hi, &from, regs) : 0;
}

static int
keep(struct state *s, struct attempt *t)
{
	struct go_running *out = &s->out[t->which];
	int64_t stack = reading_writer_stack(s->r->w, s->trace.pcs, s->trace.n);

	if (stack < 0)
		return (int)stack;
	t->is_whole = s->trace.is_whole;
	out->tid = (uint32_t)t->tid;
	out->p.stack = (uint32_t)stack;
	out->p.top = (uint8_t)s->trace.top;
	out->p.is_whole = s->trace.is_whole;
	out->p.has_user = s->trace.has_user;
	return 0;
}

static int
walk_all(struct state *s)
{
	int e = 0;

	for (size_t i = 0; e == 0 && i < s->n; i++) {
		e = walk_one(s, &s->tries[i], &s->threads[i]);
		if (e == 0)
			e = keep(s, &s->tries[i]);
	}
	return e;
}

static bool
is_good(const struct attempt *t, const struct go_g *now)
{
	const struct go_g *g = &t->g;

	if (!t->is_whole || g->at != now->at || g->goid != now->goid || g->lo != now->lo ||
	    g->hi != now->hi)
		return false;
	return !t->by_record || go_g_is_same(g, now);
}

/* Look at the records again: whose stack makes sense, and is still its own, is done. */
static int
settle(struct state *s, bool is_last)
{
	size_t left = 0;

	for (size_t from = 0; from < s->n; from += GO_PARKED_MAX) {
		size_t n = part_of(s, from);
		int e = read_some(s, from, n, false);

		if (e < 0)
			return e;
		for (size_t i = 0; i < n; i++) {
			struct attempt t = s->tries[from + i];
			bool good = is_good(&t, &s->got[i].g);

			s->out[t.which].p.what = good ? GO_PARKED_SURE : GO_PARKED_UNREAD;
			if (!good && !is_last)
				s->tries[left++] = t;
		}
	}
	s->n = left;
	return 0;
}

/* ---- */

static int
read_rounds(struct state *s)
{
	int e = 0;

	for (int round = 1; e == 0 && s->n > 0 && round <= ROUNDS; round++) {
		e = read_gs(s);
		if (e == 0)
			e = read_ms(s);
		if (e == 0) {
			ask(s);
			e = walk_all(s);
		}
		if (e == 0)
			e = settle(s, round == ROUNDS);
	}
	return e;
}

int
go_running_read(const struct go_running_reader *r, const uint64_t *addrs, size_t n, struct go_running *out)
{
	struct state *s = calloc(1, sizeof(*s));
	int e = -ENOMEM;

	if (!s)
		return e;
	s->r = r;
	s->addrs = addrs;
	s->out = out;
	s->n = n;
	s->tries = calloc(n + 1, sizeof(*s->tries));
	s->threads = calloc(n + 1, sizeof(*s->threads));
	s->got = calloc(GO_PARKED_MAX, sizeof(*s->got));
	if (s->tries && s->threads && s->got) {
		for (size_t i = 0; i < n; i++)
			s->tries[i].which = (uint32_t)i;
		memset(out, 0, n * sizeof(*out));
		e = read_rounds(s);
	}
	free(s->tries);
	free(s->threads);
	free(s->got);
	free(s);
	return e;
}
