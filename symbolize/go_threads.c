#include "config.h"

#include "symbolize/go_threads.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "symbolize/go_expand.h"
#include "symbolize/go_func.h"
#include "symbolize/memory_window.h"

#define THREADS_MAX 65536u
#define PCS_MAX     64u /* of a stack; createstack has 32 */
#define TRIES       4   /* walks, where a thread ended under us */

struct thread {
	uint64_t pcs[PCS_MAX];
	size_t n;
};

struct threads {
	struct thread *at; /* owned */
	size_t n, cap;
};

static int
add_thread(struct threads *t, struct go_node *n, struct memory_window *w, uint64_t m)
{
	size_t max = n->at->m_createstack_n < PCS_MAX ? n->at->m_createstack_n : PCS_MAX;
	struct thread *to;
	uint64_t g0, back;
	int e;

	if (t->n == THREADS_MAX)
		return -EBADMSG;
	if (t->n == t->cap) {
		size_t cap = t->cap ? 2 * t->cap : 64;
		void *more = realloc(t->at, cap * sizeof(*t->at));

		if (!more)
			return -ENOMEM;
		t->at = more;
		t->cap = cap;
	}
	to = &t->at[t->n];
	/* It proves itself: its g0 says that it belongs to it. */
	e = m % 8 ? -EBADMSG : memory_window_read(w, m + n->at->m_g0, &g0, sizeof(g0));
	if (e == 0)
		e = g0 % 8 ? -EBADMSG : memory_window_read(w, g0 + n->at->g_m, &back, sizeof(back));
	if (e == 0 && back != m)
		e = -EBADMSG;
	if (e == 0)
		e = memory_window_read(w, m + n->at->m_createstack, to->pcs, max * sizeof(to->pcs[0]));
	for (to->n = 0; e == 0 && to->n < max && to->pcs[to->n] != 0; to->n++)
		;
	t->n += e == 0;
	return e;
}

static int
walk(struct threads *t, struct go_node *n, struct memory_window *w)
{
	uint64_t m;
	int e;

	t->n = 0;
	memory_window_forget(w);
	e = memory_window_read(w, n->roots.allm, &m, sizeof(m));
	while (e == 0 && m != 0) {
		e = add_thread(t, n, w, m);
		if (e == 0)
			e = memory_window_read(w, m + n->at->m_alllink, &m, sizeof(m));
	}
	return e;
}

static int
write_thread(struct go_node *n, struct reading_writer *w, struct thread *t)
{
	struct reading_bucket b = { .values = { 1 } };
	int64_t at;
	int e = go_expand_mark(n, t->pcs, t->n);

	if (e < 0)
		return e;
	at = reading_writer_stack(w, t->pcs, t->n);
	if (at < 0)
		return (int)at;
	b.stack = (uint32_t)at;
	at = reading_writer_bucket(w, &b);
	return at < 0 ? (int)at : 0;
}

/* Of a version that is not known, createstack may be elsewhere. */
static int
check(const struct go_node *n, const struct threads *t, struct err *why)
{
	struct go_func f;

	for (size_t i = 0; n->guessed && i < t->n; i++)
		for (size_t k = 0; k < t->at[i].n; k++)
			if (!go_func_find(&n->module, go_node_link_pc(n, t->at[i].pcs[k]), &f))
				return go_node_not_known(n, "records of threads", why);
	return 0;
}

int
go_threads_read(struct go_node *n, struct reading_writer *w, struct err *why)
{
	struct memory_window *window = memory_window_new(n->mem);
	struct threads t = { .at = NULL };
	int e = window ? -EBADMSG : -ENOMEM;

	if (!n->roots.allm)
		e = err_set(why, -ENOTSUP, "built by %s: its list of threads was not found", n->version);
	for (int i = 0; (e == -EBADMSG || e == -EFAULT) && i < TRIES; i++)
		e = walk(&t, n, window);
	if (e == -EBADMSG || e == -EFAULT)
		e = err_set(why, -EBADMSG, "built by %s: its list of threads makes no sense", n->version);
	if (e == 0)
		e = check(n, &t, why);
	for (size_t i = 0; e == 0 && i < t.n; i++)
		e = write_thread(n, w, &t.at[i]);
	memory_window_free(window);
	free(t.at);
	return e;
}
