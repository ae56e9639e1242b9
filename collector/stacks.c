#include "config.h"

#include "collector/stacks.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void
stacks_init(struct stacks *s, size_t max_bytes)
{
	memset(s, 0, sizeof(*s));
	s->max_bytes = max_bytes;
	table_init(&s->ids);
}

void
stacks_fini(struct stacks *s)
{
	free(s->v);
	free(s->frames);
	table_fini(&s->ids);
	stacks_init(s, s->max_bytes);
}

void
stacks_reset(struct stacks *s)
{
	stacks_fini(s);
}

struct stack_key {
	const struct stack_frame *frames;
	uint32_t n, flags;
};

static bool
stack_same(const void *ctx, uint32_t id, const void *key)
{
	const struct stacks *s = ctx;
	const struct stack *have = &s->v[id];
	const struct stack_key *k = key;

	return have->n == k->n && have->flags == k->flags &&
	       !memcmp(&s->frames[have->first], k->frames, k->n * sizeof(*k->frames));
}

/* Room for one more stack of n frames. */
static int
stacks_room(struct stacks *s, uint32_t n)
{
	size_t cap_frames = s->cap_frames ? s->cap_frames : 1024;
	uint32_t cap = s->cap ? s->cap : 64;
	void *more;

	while (cap_frames < s->n_frames + n)
		cap_frames *= 2;
	while (cap < s->n + 1)
		cap *= 2;
	if (cap_frames * sizeof(*s->frames) + cap * (sizeof(*s->v) + 2 * sizeof(struct table_slot)) > s->max_bytes)
		return -ENOSPC;
	if (cap_frames > s->cap_frames) {
		more = realloc(s->frames, cap_frames * sizeof(*s->frames));
		if (!more)
			return -ENOMEM;
		s->frames = more;
		s->cap_frames = cap_frames;
	}
	if (cap > s->cap) {
		more = realloc(s->v, cap * sizeof(*s->v));
		if (!more)
			return -ENOMEM;
		s->v = more;
		s->cap = cap;
	}
	return 0;
}

uint32_t
stacks_add(struct stacks *s, const struct stack_frame *frames, uint32_t n, uint32_t flags)
{
	struct stack_key key = { frames, n, flags };
	uint64_t hash = hash_bytes(frames, n * sizeof(*frames)) ^ flags;
	uint32_t id = table_find(&s->ids, hash, stack_same, s, &key);

	if (id != TABLE_NONE)
		return id;
	if (stacks_room(s, n) < 0 || table_add(&s->ids, hash, s->n) < 0)
		return TABLE_NONE;
	memcpy(&s->frames[s->n_frames], frames, n * sizeof(*frames));
	s->v[s->n] = (struct stack){ .first = s->n_frames, .n = n, .flags = flags };
	s->n_frames += n;
	return s->n++;
}
