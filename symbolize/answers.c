#include "config.h"

#include "symbolize/answers.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/table.h"

struct entry {
	uint64_t object, place;
	uint32_t at, n; /* bytes[at, at + n) */
	bool final;
};

/* An entry's share of its generation: itself and up to four slots of the table. */
#define ENTRY_BYTES (sizeof(struct entry) + 4 * sizeof(struct table_slot))

struct generation {
	unsigned char *bytes; /* mapped */
	size_t used, max;     /* of bytes */
	struct entry *entries;
	uint32_t n, cap;
	struct table table; /* (object, place) → index in entries */
};

struct answers {
	struct generation young, old;
};

struct key {
	uint64_t object, place;
};

static int
generation_init(struct generation *g, size_t max)
{
	table_init(&g->table);
	g->max = max < UINT32_MAX ? max : UINT32_MAX;
	g->bytes = mmap(NULL, g->max, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
			-1, 0);
	if (g->bytes == MAP_FAILED) {
		g->bytes = NULL;
		return -ENOMEM;
	}
	/* A child has no use for other objects' names, and forking is quicker without them. */
	madvise(g->bytes, g->max, MADV_DONTFORK);
	return 0;
}

static void
generation_fini(struct generation *g)
{
	if (g->bytes)
		munmap(g->bytes, g->max);
	free(g->entries);
	table_fini(&g->table);
}

static bool
entry_same(const void *ctx, uint32_t value, const void *key)
{
	const struct generation *g = ctx;
	const struct key *k = key;

	return g->entries[value].object == k->object && g->entries[value].place == k->place;
}

static struct entry *
generation_find(const struct generation *g, const struct key *k)
{
	uint32_t i = table_find(&g->table, hash_u64(k->object, k->place), entry_same, g, k);

	return i == TABLE_NONE ? NULL : &g->entries[i];
}

static struct entry *
generation_add(struct generation *g, const struct key *k)
{
	if (g->n == g->cap) {
		uint32_t cap = g->cap ? g->cap * 2 : 256;
		struct entry *entries = realloc(g->entries, cap * sizeof(*entries));

		if (!entries)
			return NULL;
		g->entries = entries;
		g->cap = cap;
	}
	if (table_add(&g->table, hash_u64(k->object, k->place), g->n) < 0)
		return NULL;
	g->entries[g->n] = (struct entry){ .object = k->object, .place = k->place };
	return &g->entries[g->n++];
}

int
answers_new(struct answers **out, size_t bytes)
{
	struct answers *a = calloc(1, sizeof(*a));
	int r;

	if (!a)
		return -ENOMEM;
	r = generation_init(&a->young, bytes / 2);
	if (r == 0)
		r = generation_init(&a->old, bytes / 2);
	if (r < 0) {
		answers_free(a);
		return r;
	}
	*out = a;
	return 0;
}

void
answers_free(struct answers *a)
{
	if (!a)
		return;
	generation_fini(&a->young);
	generation_fini(&a->old);
	free(a);
}

/* Room for n bytes and one entry in the young generation. */
static bool
make_room(struct answers *a, size_t n)
{
	struct generation forgotten = a->old;

	if (a->young.used + n + (a->young.n + 1) * ENTRY_BYTES <= a->young.max)
		return true;
	a->old = a->young;
	a->young = forgotten;
	a->young.used = 0;
	a->young.n = 0;
	table_clear(&a->young.table);
	return n + ENTRY_BYTES <= a->young.max;
}

int
answers_put(struct answers *a, uint64_t object, uint64_t place, bool final, const void *bytes, size_t n)
{
	struct key k = { object, place };
	struct entry *e;

	if (n + ENTRY_BYTES > a->young.max)
		return -EFBIG;
	if (!make_room(a, n))
		return -EFBIG;
	e = generation_find(&a->young, &k);
	if (!e)
		e = generation_add(&a->young, &k);
	if (!e)
		return -ENOMEM;
	memcpy(a->young.bytes + a->young.used, bytes, n);
	e->at = (uint32_t)a->young.used;
	e->n = (uint32_t)n;
	e->final = final;
	a->young.used += n;
	return 0;
}

const void *
answers_get(struct answers *a, uint64_t object, uint64_t place, size_t *n, bool *final)
{
	struct key k = { object, place };
	const struct entry *e = generation_find(&a->young, &k);

	if (!e) {
		e = generation_find(&a->old, &k);
		if (!e)
			return NULL;
		*n = e->n;
		*final = e->final;
		/* Only where there is room: making it would forget the generation that it is copied from.
		 */
		if (a->young.used + e->n + (a->young.n + 1) * ENTRY_BYTES <= a->young.max)
			answers_put(a, object, place, e->final, a->old.bytes + e->at, e->n);
		return a->old.bytes + e->at;
	}
	*n = e->n;
	*final = e->final;
	return a->young.bytes + e->at;
}

size_t
answers_count(const struct answers *a)
{
	return (size_t)a->young.n + a->old.n;
}
