#include "config.h"

#include "collector/thread_times.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "collector/proc.h"

#define THREADS_MAX 65536u

void
thread_times_init(struct thread_times *t)
{
	memset(t, 0, sizeof(*t));
	table_init(&t->ids);
}

void
thread_times_fini(struct thread_times *t)
{
	free(t->v);
	table_fini(&t->ids);
	memset(t, 0, sizeof(*t));
}

static bool
tid_same(const void *ctx, uint32_t i, const void *key)
{
	return ((const struct thread_times *)ctx)->v[i].tid == *(const uint32_t *)key;
}

static uint32_t
thread_times_find(const struct thread_times *t, uint32_t tid)
{
	return table_find(&t->ids, hash_u64(tid, 2), tid_same, t, &tid);
}

int
thread_times_add(struct thread_times *t, uint32_t tid, uint64_t ns)
{
	uint32_t i = thread_times_find(t, tid);

	if (i != TABLE_NONE) {
		t->v[i].ns += ns;
		return 0;
	}
	if (t->n == THREADS_MAX)
		return -ENOSPC;
	if (t->n == t->cap) {
		uint32_t cap = t->cap ? t->cap * 2 : 64;
		struct thread_time *more = realloc(t->v, cap * sizeof(*more));

		if (!more)
			return -ENOMEM;
		t->v = more;
		t->cap = cap;
	}
	if (table_add(&t->ids, hash_u64(tid, 2), t->n) < 0)
		return -ENOMEM;
	t->v[t->n++] = (struct thread_time){ .tid = tid, .ns = ns };
	return 0;
}

uint64_t
thread_times_get(const struct thread_times *t, uint32_t tid)
{
	uint32_t i = thread_times_find(t, tid);

	return i == TABLE_NONE ? 0 : t->v[i].ns;
}

int
thread_times_read(struct thread_times *t, pid_t pid, size_t max)
{
	pid_t *tids = NULL;
	int n = proc_threads(pid, &tids), r = n;
	uint64_t ns;

	if (n > 0 && (size_t)n > max)
		r = -E2BIG;
	for (int i = 0; i < n && r >= 0; i++) {
		/* One that went away in between is not there. */
		if (proc_thread_cpu_ns(pid, tids[i], &ns) == 0 && thread_times_add(t, (uint32_t)tids[i], ns) < 0)
			r = -ENOMEM;
	}
	if (n >= 0)
		free(tids);
	return r;
}
