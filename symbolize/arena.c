#include "config.h"

#include "symbolize/arena.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_BYTES 65536
#define ALIGN _Alignof(max_align_t)

struct arena_block {
	struct arena_block *next;
	size_t at, cap;
	_Alignas(max_align_t) unsigned char bytes[];
};

void
arena_init(struct arena *a, size_t max)
{
	a->blocks = NULL;
	a->used = 0;
	a->max = max;
}

void
arena_fini(struct arena *a)
{
	struct arena_block *b = a->blocks;

	while (b) {
		struct arena_block *next = b->next;

		free(b);
		b = next;
	}
	arena_init(a, a->max);
}

void *
arena_get(struct arena *a, size_t n)
{
	struct arena_block *b = a->blocks;
	void *at;

	if (n > a->max - a->used || n > SIZE_MAX - 2 * ALIGN)
		return NULL;
	n = (n + ALIGN - 1) / ALIGN * ALIGN;
	if (!b || b->cap - b->at < n) {
		size_t cap = n > BLOCK_BYTES / 4 ? n : BLOCK_BYTES;

		b = malloc(sizeof(*b) + cap);
		if (!b)
			return NULL;
		b->next = a->blocks;
		b->at = 0;
		b->cap = cap;
		a->blocks = b;
	}
	at = b->bytes + b->at;
	b->at += n;
	a->used = a->used + n > a->max ? a->max : a->used + n;
	return memset(at, 0, n);
}

char *
arena_copy(struct arena *a, const char *s, size_t n)
{
	char *to = arena_get(a, n + 1);

	if (to)
		memcpy(to, s, n);
	return to;
}
