#include "config.h"

#include "collector/trace.h"

#include <stdio.h>
#include <string.h>
#include <sys/uio.h>

#include "collector/objects.h"

struct trace_source {
	const struct maps *maps;
	pid_t pid;
	struct trace *trace;
};

static const struct unwind_map *
trace_map(void *ctx, uint64_t addr)
{
	struct trace_source *from = ctx;
	struct map *map = maps_find(from->maps, addr);

	if (!map)
		return NULL;
	map->unwind.rows = NULL;
	if (map->object && map->object->state == OBJECT_ROWS_READY)
		map->unwind.rows = &map->object->rows;
	else if (map->object && map->object->state == OBJECT_ROWS_WAITING)
		from->trace->waiting = true;
	return &map->unwind;
}

static size_t
trace_read(void *ctx, uint64_t addr, void *to, size_t n)
{
	const struct trace_source *from = ctx;
	struct iovec local = { to, n };
	struct iovec remote = { (void *)(uintptr_t)addr, n };
	ssize_t got = process_vm_readv(from->pid, &local, 1, &remote, 1, 0);

	return got > 0 ? (size_t)got : 0;
}

static void
trace_push(struct trace *t, uint32_t map, uint64_t addr)
{
	if (t->n < TRACE_FRAMES_MAX && map != TABLE_NONE)
		t->frames[t->n++] = (struct stack_frame){ .addr = addr, .map = map };
}

static void
trace_user(struct maps *maps, struct unwind_cache *cache, pid_t pid, const struct record_sample *s,
	   struct trace *t)
{
	struct trace_source ctx = { maps, pid, t };
	struct unwind_source from = { .ctx = &ctx, .cache = cache, .map = trace_map, .read = trace_read };
	struct unwind_result u;

	unwind_stack(&from, &s->user, &u);
	t->user = true;
	t->end = u.end;
	t->rooted = u.end == UNWIND_ROOT;
	t->lost_map = u.end == UNWIND_NO_MAP;
	for (size_t i = 0; i < u.n; i++)
		trace_push(t, u.frames[i].map, u.frames[i].addr);
	if (u.guessed)
		t->flags |= WIRE_STACK_GUESS;
	if (u.late)
		t->flags |= WIRE_STACK_LATE;
	if (u.end == UNWIND_DEPTH) {
		char name[64];

		snprintf(name, sizeof(name), "[truncated: %d frames]", UNWIND_FRAMES_MAX);
		t->flags |= WIRE_STACK_TRUNCATED;
		trace_push(t, maps_pseudo(maps, name), 0);
	} else if (u.end != UNWIND_ROOT) {
		t->flags |= WIRE_STACK_CUT;
	}
}

void
trace_sample(struct maps *maps, struct unwind_cache *cache, pid_t pid, const struct record_sample *s,
	     struct trace *t)
{
	uint32_t kernel;

	t->n = 0;
	t->flags = 0;
	t->user = t->rooted = t->waiting = t->lost_map = false;
	t->end = UNWIND_ROOT;
	if (s->n_kernel) {
		kernel = maps_kernel(maps);
		for (size_t i = 0; i < s->n_kernel; i++)
			trace_push(t, kernel, s->kernel[i]);
	}
	if (s->has_user)
		trace_user(maps, cache, pid, s, t);
	if (!t->n)
		trace_push(t, maps_pseudo(maps, "[unknown]"), 0);
}
