#include "config.h"

#include "collector/per_thread.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "collector/proc.h"

#define RESCANS_MAX 20 /* of a process that makes threads faster than we open them */

void
per_thread_init(struct per_thread *t, pid_t pid)
{
	memset(t, 0, sizeof(*t));
	t->pid = pid;
	table_init(&t->ids);
}

void
per_thread_fini(struct per_thread *t)
{
	free(t->tids);
	table_fini(&t->ids);
	memset(t, 0, sizeof(*t));
}

static bool
tid_same(const void *ctx, uint32_t i, const void *key)
{
	return ((const struct per_thread *)ctx)->tids[i] == *(const pid_t *)key;
}

static bool
per_thread_knows(const struct per_thread *t, pid_t tid)
{
	return table_find(&t->ids, hash_u64((uint64_t)tid, 0), tid_same, t, &tid) != TABLE_NONE;
}

int
per_thread_note(struct per_thread *t, pid_t tid)
{
	if (per_thread_knows(t, tid))
		return 0;
	if (t->n_tids == t->cap_tids) {
		size_t cap = t->cap_tids ? t->cap_tids * 2 : 64;
		pid_t *more = realloc(t->tids, cap * sizeof(pid_t));

		if (!more)
			return -ENOMEM;
		t->tids = more;
		t->cap_tids = cap;
	}
	t->tids[t->n_tids] = tid;
	if (table_add(&t->ids, hash_u64((uint64_t)tid, 0), (uint32_t)t->n_tids) < 0)
		return -ENOMEM;
	t->n_tids++;
	return 0;
}

static int
per_thread_open_one(struct per_thread *t, struct events *e, struct event *ev, pid_t tid, struct err *why)
{
	int opened = 0, r;

	for (int cpu = 0; cpu < e->n_cpus; cpu++) {
		r = events_add(e, ev, tid, cpu, why);
		if (r < 0)
			return r;
		opened += r;
	}
	if (opened && per_thread_note(t, tid) < 0)
		return err_set(why, -ENOMEM, "no memory for the threads of pid %d", (int)t->pid);
	return opened;
}

/* Once over the task directory; threads born to one that has our events inherit them, and the
 * FORK records in the ring say which those are. Returns how many were opened. */
static int
per_thread_scan(struct per_thread *t, struct events *e, struct event *ev, void (*read_rings)(void *ctx), void *ctx,
		struct err *why)
{
	pid_t *tids = NULL;
	int n, opened = 0, r = 0;

	n = proc_threads(t->pid, &tids);
	if (n < 0)
		return err_sys(why, n == -ENOENT ? -ESRCH : n, "threads of pid %d", (int)t->pid);
	if ((size_t)n * (size_t)e->n_cpus > e->max_fds) {
		free(tids);
		return err_set(why, -EDQUOT, "event %s: %d threads on %d CPUs need %zu descriptors, the limit is %zu "
			       "(max_events in pprofd.conf)", ev->name, n, e->n_cpus, (size_t)n * (size_t)e->n_cpus,
			       e->max_fds);
	}
	/* After the list: a thread that stands there may have inherited, and must not be opened twice. */
	read_rings(ctx);
	for (int i = 0; i < n && r >= 0; i++) {
		if (per_thread_knows(t, tids[i]))
			continue;
		r = per_thread_open_one(t, e, ev, tids[i], why);
		opened += r > 0;
	}
	free(tids);
	return r < 0 ? r : opened;
}

int
per_thread_open(struct per_thread *t, struct events *e, struct event *ev, void (*read_rings)(void *ctx), void *ctx,
		struct err *why)
{
	int r = 0;

	for (int i = 0; i < RESCANS_MAX; i++) {
		r = per_thread_scan(t, e, ev, read_rings, ctx, why);
		if (r <= 0)
			break;
	}
	if (r < 0)
		return r;
	return e->n_fds ? 0 : err_set(why, -ESRCH, "process %d has exited", (int)t->pid);
}
