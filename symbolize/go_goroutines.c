#include "config.h"

#include "symbolize/go_goroutines.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "symbolize/go_allgs.h"
#include "symbolize/go_labels.h"
#include "symbolize/go_parked.h"
#include "symbolize/go_running.h"

#define LEAKS_SINCE 26 /* minor version */

/* What is known of the goroutine besides its record. */
struct extra {
	uint64_t tid, bubble;
};

struct job {
	struct go_node *n;
	struct reading_writer *w;
	bool is_leaks;
	int64_t now_ns;         /* of the node's clock */
	struct go_traceback *t; /* owned, as are the next four pointers */
	struct go_parked_reader *parked;
	struct go_labels *labels;
	uint64_t *addrs;   /* of all records */
	uint64_t *running; /* of those that ran; room for GO_RUNNING_MAX */
	size_t n_addrs, n_running;
	struct go_stacks stacks;
	struct go_parked got[GO_PARKED_MAX];
	struct extra extras[GO_PARKED_MAX];
	struct memory_want wants[2 * GO_PARKED_MAX];
	uint64_t label_at[GO_PARKED_MAX];
	uint64_t *goids; /* owned; of all, if the version is not known */
	size_t n_goids;
	uint64_t seen, whole; /* goroutines that were read, and of those ones with a whole stack */
};

static bool
is_wanted(const struct job *j, const struct go_parked *p)
{
	return p->what != GO_PARKED_NONE && (!j->is_leaks || p->g.status == GO_G_LEAKED);
}

/* ---- one goroutine */

/* isSystemGoroutine of runtime/traceback.go. Whether users' finalizers run now, a variable of the runtime
 * says that we cannot find; but then they are on the stack. */
static bool
is_system(struct job *j, const struct go_parked *p)
{
	enum go_role role = go_traceback_role(j->t, p->g.start_pc);

	if (role == GO_ROLE_CALLBACKS)
		return !p->g.runs_cleanups && !p->has_user;
	return role == GO_ROLE_SYSTEM || role == GO_ROLE_PARKED;
}

static uint64_t
wait_ns(const struct job *j, const struct go_g *g)
{
	if ((g->status != GO_G_WAITING && g->status != GO_G_SYSCALL) || g->wait_since <= 0 ||
	    g->wait_since > j->now_ns)
		return 0;
	return (uint64_t)(j->now_ns - g->wait_since);
}

/* What is left to say of one whose stack could not be read. */
static int64_t
began_stack(struct job *j, const struct go_g *g)
{
	uint64_t pc = READING_PC(g->start_pc) | READING_PC_EXACT;

	return reading_writer_stack(j->w, &pc, g->start_pc != 0);
}

static int
put(struct job *j, const struct go_parked *p, const struct extra *x, bool is_running)
{
	bool unread = p->what == GO_PARKED_UNREAD || p->what == GO_PARKED_RUNNING;
	int64_t stack = unread ? began_stack(j, &p->g) : p->stack, state, e;
	struct reading_head *head = reading_writer_head(j->w);
	char text[GO_G_STATE_MAX];
	struct reading_goroutine g = {
		.goid = p->g.goid,
		.parent = p->g.parent,
		.creator_pc = p->g.creator_pc,
		.wait_ns = wait_ns(j, &p->g),
		.labels = go_labels_set(j->labels, p->g.labels),
		.tid = (uint32_t)x->tid,
		.bubble = (uint32_t)x->bubble,
	};

	state = reading_writer_string(j->w, text, go_g_state(&p->g, j->n->at, text));
	if (stack < 0 || state < 0)
		return stack < 0 ? (int)stack : (int)state;
	g.stack = (uint32_t)stack;
	g.state = (uint32_t)state;
	g.flags = (is_system(j, p) ? READING_G_SYSTEM : 0) | (p->g.locked_m ? READING_G_LOCKED : 0) |
		  (is_running ? READING_G_RUNNING : 0) | (unread ? READING_G_UNREAD : 0) |
		  (p->g.status == GO_G_LEAKED ? READING_G_LEAKED : 0);
	head->skipped += (g.flags & READING_G_SYSTEM) != 0;
	head->unread += unread;
	j->seen += !unread;
	j->whole += !unread && p->is_whole;
	if (j->goids && j->n_goids < j->n_addrs)
		j->goids[j->n_goids++] = g.goid;
	e = reading_writer_goroutine(j->w, &g);
	return e < 0 ? (int)e : 0;
}

/* ---- many */

/* The threads of system calls, and bubbles' numbers. */
static int
read_extras(struct job *j, size_t n)
{
	const struct go_offsets *at = j->n->at;
	size_t k = 0;
	int e;

	for (size_t i = 0; i < n; i++) {
		const struct go_g *g = &j->got[i].g;

		j->extras[i] = (struct extra){ 0, 0 };
		if (!is_wanted(j, &j->got[i]))
			continue;
		if (g->status == GO_G_SYSCALL && g->m)
			j->wants[k++] =
				(struct memory_want){ g->m + at->m_procid, &j->extras[i].tid, 8, 0 };
		if (g->bubble && at->bubble_id != GO_ABSENT)
			j->wants[k++] = (struct memory_want){ g->bubble + at->bubble_id,
							      &j->extras[i].bubble, 8, 0 };
	}
	e = memory_read_many(j->n->mem, j->wants, k);
	for (size_t i = 0; i < n; i++) {
		if (j->extras[i].tid > INT32_MAX)
			j->extras[i].tid = 0;
		if (j->extras[i].bubble > UINT32_MAX)
			j->extras[i].bubble = 0;
	}
	return e;
}

static int
read_labels(struct job *j, size_t n)
{
	for (size_t i = 0; i < n; i++)
		j->label_at[i] = is_wanted(j, &j->got[i]) ? j->got[i].g.labels : 0;
	return go_labels_read(j->labels, j->label_at, n, j->w);
}

static int
put_some(struct job *j, size_t n)
{
	int e = read_extras(j, n);

	if (e == 0)
		e = read_labels(j, n);
	for (size_t i = 0; e == 0 && i < n; i++) {
		struct go_parked *p = &j->got[i];

		if (!is_wanted(j, p))
			continue;
		if (p->what == GO_PARKED_RUNNING && j->n_running < GO_RUNNING_MAX)
			j->running[j->n_running++] = p->g.at;
		else
			e = put(j, p, &j->extras[i], p->what == GO_PARKED_RUNNING);
	}
	return e;
}

static int
put_parked(struct job *j)
{
	int e = 0;

	for (size_t from = 0; e == 0 && from < j->n_addrs; from += GO_PARKED_MAX) {
		size_t n = j->n_addrs - from < GO_PARKED_MAX ? j->n_addrs - from : GO_PARKED_MAX;

		e = go_parked_read(j->parked, j->addrs + from, n, j->got);
		if (e == 0)
			e = put_some(j, n);
	}
	return e;
}

static int
put_running(struct job *j, const struct thread_regs_source *regs)
{
	const struct go_running_reader r = { j->n, j->t, &j->stacks, j->parked, j->w, regs };
	struct go_running *all = calloc(j->n_running + 1, sizeof(*all));
	int e = all ? go_running_read(&r, j->running, j->n_running, all) : -ENOMEM;

	for (size_t i = 0; e == 0 && i < j->n_running; i++) {
		struct extra x = { all[i].tid, 0 };

		/* Its label set as it is read, one by one: they are few. */
		if (is_wanted(j, &all[i].p))
			e = go_labels_read(j->labels, &all[i].p.g.labels, 1, j->w);
		if (e == 0 && is_wanted(j, &all[i].p))
			e = put(j, &all[i].p, &x, all[i].is_running);
	}
	free(all);
	return e;
}

/* ---- all of it */

static int
open_job(struct job *j, struct err *why)
{
	int e = go_allgs_read(j->n, &j->addrs, &j->n_addrs, why);

	if (e == 0)
		e = go_traceback_new(&j->t, &j->n->module, j->n->bias, j->n->minor,
				     j->n->at->wrapper_func_id);
	if (e == 0)
		e = go_labels_new(&j->labels, j->n->mem, j->n->at->labels_slice);
	go_stacks_init(&j->stacks, j->n->mem);
	if (e == 0)
		e = go_parked_new(&j->parked, j->n, j->t, &j->stacks, j->w);
	j->running = malloc(GO_RUNNING_MAX * sizeof(*j->running));
	if (e == 0 && j->n->guessed)
		j->goids = malloc(j->n_addrs * sizeof(*j->goids));
	j->now_ns = (int64_t)clock_ns(CLOCK_MONOTONIC);
	return e == 0 && (!j->running || (j->n->guessed && !j->goids)) ? -ENOMEM : e;
}

static void
free_job(struct job *j)
{
	free(j->addrs);
	free(j->running);
	free(j->goids);
	go_parked_free(j->parked);
	go_labels_free(j->labels);
	go_traceback_free(j->t);
	free(j);
}

static int
by_number(const void *a, const void *b)
{
	uint64_t x, y;

	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	return (x > y) - (x < y);
}

/* Do goroutines have numbers of their own? (One that ended when we had read it may have begun anew, in
 * another record; a number is never used again.) */
static bool
are_unique(uint64_t *goids, size_t n)
{
	qsort(goids, n, sizeof(*goids), by_number);
	for (size_t i = 1; i < n; i++)
		if (goids[i] == goids[i - 1])
			return false;
	return true;
}

/* A version that we do not know must show that what we read is what is there. */
static int
check_guess(const struct job *j, struct err *why)
{
	if (!j->n->guessed)
		return 0;
	if (j->seen == 0 || j->whole * 100 < j->seen * 95)
		return err_set(why, -ENOTSUP,
			       "%s is newer than this program knows: of %llu stacks only %llu make sense",
			       j->n->version, (unsigned long long)j->seen, (unsigned long long)j->whole);
	if (!are_unique(j->goids, j->n_goids))
		return err_set(why, -ENOTSUP,
			       "%s is newer than this program knows: goroutines' numbers make no sense",
			       j->n->version);
	return 0;
}

static int
add_notes(const struct job *j)
{
	uint64_t labels = go_labels_unread(j->labels);

	return labels ? reading_writer_note(j->w, "the labels of %llu goroutines could not be read",
					    (unsigned long long)labels)
		      : 0;
}

int
go_goroutines_read(struct go_node *n, enum reading_kind kind, const struct thread_regs_source *regs,
		   struct reading_writer *w, struct err *why)
{
	struct job *j;
	int e;

	if (kind == READING_LEAK && n->minor < LEAKS_SINCE)
		return err_set(why, -ENOENT, "%s does not look for leaked goroutines: Go 1.%d and later do",
			       n->version, LEAKS_SINCE);
	j = calloc(1, sizeof(*j));
	if (!j)
		return -ENOMEM;
	j->n = n;
	j->w = w;
	j->is_leaks = kind == READING_LEAK;
	e = open_job(j, why);
	if (e == 0)
		e = put_parked(j);
	if (e == 0)
		e = put_running(j, regs);
	if (e == 0)
		e = check_guess(j, why);
	if (e == 0)
		e = add_notes(j);
	free_job(j);
	return e;
}
