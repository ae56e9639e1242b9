#include "config.h"

#include "symbolize/go_labels.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/table.h"

#define BATCH         256                /* sets that are read at a time */
#define PAIRS_MAX     READING_LABELS_MAX /* of a set */
#define SET_BYTES_MAX (256u << 10)       /* strings of one set */
#define ALL_BYTES_MAX (64u << 20)        /* strings of all sets; what comes then is left unread */
#define WANTS         (2 * PAIRS_MAX)

/* runtime/map.go: a bucket has 8 cells: 8 bytes of hash, 8 keys, 8 values, then the next bucket. */
#define CELLS          8
#define BUCKET_BYTES   (CELLS + CELLS * 16 + CELLS * 16 + 8)
#define HASH_FULL      5    /* minTopHash: smaller ones mark cells that are empty, or moved */
#define SAME_SIZE_GROW 8    /* flag: the old buckets are as many as the new ones */
#define SHIFT_MAX      8    /* log2 of a map's buckets */
#define BUCKETS_MAX    1024 /* of one map, with those that overflow */

struct hmap {
	uint64_t count;
	uint8_t flags, shift;
	uint16_t n_overflow;
	uint32_t seed;
	uint64_t buckets, old_buckets;
};

/* A key and its value, as the slice has them. */
struct pair {
	uint64_t key, key_n, value, value_n;
};

struct set {
	uint64_t at;
	bool is_bad;
	uint32_t n_buckets;     /* seen */
	uint32_t bytes;         /* of all its strings */
	unsigned char *strings; /* where they are; in pairs, key first */
	uint32_t n;
	struct pair pairs[PAIRS_MAX];
};

/* A bucket to be read, and whose it is. */
struct bucket {
	struct set *set;
	uint64_t at;
	unsigned char bytes[BUCKET_BYTES];
};

struct known {
	uint64_t at;
	uint32_t set;
};

struct go_labels {
	struct memory *m;
	bool is_slice;
	uint64_t unread;
	uint64_t bytes;      /* of strings, so far */
	struct known *known; /* owned */
	size_t n_known, known_cap;
	struct table by_at;
	struct set *sets; /* owned; BATCH of them */
	size_t n_sets;
	struct bucket buckets[BATCH];
	struct memory_want wants[WANTS];
	unsigned char strings[SET_BYTES_MAX];
};

/* ---- what was read already */

static bool
same_at(const void *ctx, uint32_t i, const void *key)
{
	const struct go_labels *l = ctx;

	return l->known[i].at == *(const uint64_t *)key;
}

static uint32_t
find(const struct go_labels *l, uint64_t at)
{
	return table_find(&l->by_at, hash_u64(at, 0), same_at, l, &at);
}

static int
add_known(struct go_labels *l, uint64_t at, uint32_t set)
{
	if (l->n_known == l->known_cap) {
		size_t cap = l->known_cap ? 2 * l->known_cap : 256;
		void *more = realloc(l->known, cap * sizeof(*l->known));

		if (!more)
			return -ENOMEM;
		l->known = more;
		l->known_cap = cap;
	}
	l->known[l->n_known] = (struct known){ at, set };
	return table_add(&l->by_at, hash_u64(at, 0), (uint32_t)l->n_known++);
}

uint32_t
go_labels_set(const struct go_labels *l, uint64_t at)
{
	uint32_t i = at ? find(l, at) : TABLE_NONE;

	return i == TABLE_NONE ? 0 : l->known[i].set;
}

static void
want(struct go_labels *l, size_t *n, uint64_t addr, void *to, size_t bytes)
{
	if (bytes)
		l->wants[(*n)++] = (struct memory_want){ .addr = addr, .to = to, .n = (uint32_t)bytes };
}

/* ---- slices of pairs */

static int
read_slices(struct go_labels *l)
{
	uint64_t heads[BATCH][3];
	size_t n = 0;
	int e;

	/* Of what cannot be read, no length is possible. */
	memset(heads, 0xff, sizeof(heads));
	for (size_t i = 0; i < l->n_sets; i++)
		want(l, &n, l->sets[i].at, heads[i], sizeof(heads[i]));
	e = memory_read_many(l->m, l->wants, n);
	n = 0;
	for (size_t i = 0; e == 0 && i < l->n_sets; i++) {
		struct set *s = &l->sets[i];

		s->is_bad = heads[i][1] > PAIRS_MAX || heads[i][1] > heads[i][2];
		s->n = s->is_bad ? 0 : (uint32_t)heads[i][1];
		memset(s->pairs, 0xff, s->n * sizeof(s->pairs[0]));
		want(l, &n, heads[i][0], s->pairs, s->n * sizeof(s->pairs[0]));
	}
	return e < 0 ? e : memory_read_many(l->m, l->wants, n);
}

/* ---- maps */

static void
take_cells(struct set *s, const unsigned char *b)
{
	for (size_t i = 0; i < CELLS; i++) {
		struct pair p;

		if (b[i] < HASH_FULL)
			continue;
		if (s->n == PAIRS_MAX) {
			s->is_bad = true;
			return;
		}
		memcpy(&p.key, b + CELLS + i * 16, 16);
		memcpy(&p.value, b + CELLS + CELLS * 16 + i * 16, 16);
		s->pairs[s->n++] = p;
	}
}

/* Read n buckets; one that is not there makes its map bad. */
static int
fetch_buckets(struct go_labels *l, size_t n)
{
	size_t k = 0;
	int e;

	for (size_t i = 0; i < n; i++) {
		memset(l->buckets[i].bytes, 0, BUCKET_BYTES);
		want(l, &k, l->buckets[i].at, l->buckets[i].bytes, BUCKET_BYTES);
	}
	e = memory_read_many(l->m, l->wants, k);
	for (size_t i = 0; i < k; i++) {
		size_t at = (size_t)((unsigned char *)l->wants[i].to - (unsigned char *)l->buckets);

		if (l->wants[i].error < 0)
			l->buckets[at / sizeof(struct bucket)].set->is_bad = true;
	}
	return e;
}

/* Read the buckets that were asked for, and those behind them. */
static int
read_buckets(struct go_labels *l, size_t n)
{
	while (n > 0) {
		size_t next = 0;
		int e = fetch_buckets(l, n);

		if (e < 0)
			return e;
		for (size_t i = 0; i < n; i++) {
			struct set *s = l->buckets[i].set;
			uint64_t overflow;

			take_cells(s, l->buckets[i].bytes);
			memcpy(&overflow, l->buckets[i].bytes + BUCKET_BYTES - 8, 8);
			s->is_bad |= overflow && ++s->n_buckets > BUCKETS_MAX;
			if (!overflow || s->is_bad)
				continue;
			l->buckets[next].set = s;
			l->buckets[next++].at = overflow;
		}
		n = next;
	}
	return 0;
}

static int
read_table(struct go_labels *l, struct set *s, uint64_t at, uint32_t n_buckets, size_t *waiting)
{
	for (uint32_t i = 0; i < n_buckets; i++) {
		if (*waiting == BATCH) {
			int e = read_buckets(l, *waiting);

			*waiting = 0;
			if (e < 0)
				return e;
		}
		s->n_buckets++;
		l->buckets[*waiting].set = s;
		l->buckets[(*waiting)++].at = at + (uint64_t)i * BUCKET_BYTES;
	}
	return 0;
}

static int
read_heads(struct go_labels *l, struct hmap *heads)
{
	uint64_t at[BATCH];
	size_t n = 0;
	int e;

	memset(at, 0xff, sizeof(at));
	memset(heads, 0xff, BATCH * sizeof(*heads));
	for (size_t i = 0; i < l->n_sets; i++)
		want(l, &n, l->sets[i].at, &at[i], sizeof(at[i]));
	e = memory_read_many(l->m, l->wants, n);
	n = 0;
	for (size_t i = 0; i < l->n_sets; i++) {
		/* An empty map may not be there. */
		if (at[i] == 0)
			memset(&heads[i], 0, sizeof(heads[i]));
		else
			want(l, &n, at[i], &heads[i], sizeof(heads[i]));
	}
	return e < 0 ? e : memory_read_many(l->m, l->wants, n);
}

static int
read_maps(struct go_labels *l)
{
	struct hmap heads[BATCH];
	size_t waiting = 0;
	int e = read_heads(l, heads);

	for (size_t i = 0; e == 0 && i < l->n_sets; i++) {
		const struct hmap *h = &heads[i];
		struct set *s = &l->sets[i];
		uint32_t n = 1u << (h->shift & 31);

		s->is_bad = h->count > PAIRS_MAX || h->shift > SHIFT_MAX;
		if (s->is_bad || h->count == 0)
			continue;
		e = read_table(l, s, h->buckets, n, &waiting);
		/* While it grows, what was not moved yet is in the old ones only. */
		if (e == 0 && h->old_buckets)
			e = read_table(l, s, h->old_buckets, h->flags & SAME_SIZE_GROW ? n : n / 2,
				       &waiting);
	}
	return e < 0 ? e : read_buckets(l, waiting);
}

/* ---- strings */

/* A label whose strings were read. */
struct text {
	const unsigned char *key, *value;
	size_t key_n, value_n;
};

static int
by_key(const void *a, const void *b)
{
	const struct text *x = a, *y = b;
	int c = memcmp(x->key, y->key, x->key_n < y->key_n ? x->key_n : y->key_n);

	return c ? c : (x->key_n > y->key_n) - (x->key_n < y->key_n);
}

/* Set s->bytes, or s->is_bad. */
static void
measure(struct go_labels *l, struct set *s)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; !s->is_bad && i < s->n; i++) {
		const struct pair *p = &s->pairs[i];

		s->is_bad = p->key_n > READING_STRING_MAX || p->value_n > READING_STRING_MAX;
		sum += p->key_n + p->value_n;
	}
	if (sum > SET_BYTES_MAX || l->bytes + sum > ALL_BYTES_MAX)
		s->is_bad = true;
	if (s->is_bad)
		s->n = 0;
	s->bytes = s->is_bad ? 0 : (uint32_t)sum;
	l->bytes += s->bytes;
}

/* Read the strings of sets that fit together. */
static int
read_strings(struct go_labels *l, struct set *sets, size_t n_sets)
{
	unsigned char *at = l->strings;
	size_t n = 0;
	int e;

	for (size_t k = 0; k < n_sets; k++) {
		sets[k].strings = at;
		for (uint32_t i = 0; i < sets[k].n; i++) {
			const struct pair *p = &sets[k].pairs[i];

			want(l, &n, p->key, at, p->key_n);
			want(l, &n, p->value, at + p->key_n, p->value_n);
			at += p->key_n + p->value_n;
		}
	}
	e = memory_read_many(l->m, l->wants, n);
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; l->wants[i].error < 0 && k < n_sets; k++) {
			const unsigned char *to = l->wants[i].to;

			sets[k].is_bad |= to >= sets[k].strings && to < sets[k].strings + sets[k].bytes;
		}
	return e;
}

/* Put a set into the reading. Returns its index there or -errno. */
static int64_t
put_set(const struct set *s, struct reading_writer *w)
{
	struct reading_label labels[PAIRS_MAX];
	struct text texts[PAIRS_MAX];
	const unsigned char *at = s->strings;

	for (uint32_t i = 0; i < s->n; i++) {
		const struct pair *p = &s->pairs[i];

		texts[i] = (struct text){ at, at + p->key_n, (size_t)p->key_n, (size_t)p->value_n };
		at += p->key_n + p->value_n;
	}
	if (s->n > 1)
		qsort(texts, s->n, sizeof(texts[0]), by_key);
	for (uint32_t i = 0; i < s->n; i++) {
		int64_t key = reading_writer_string(w, texts[i].key, texts[i].key_n);
		int64_t value = key < 0 ? key : reading_writer_string(w, texts[i].value, texts[i].value_n);

		if (value < 0)
			return value;
		labels[i] = (struct reading_label){ (uint32_t)key, (uint32_t)value };
	}
	return reading_writer_labels(w, labels, s->n);
}

static int
put_sets(struct go_labels *l, struct set *sets, size_t n, struct reading_writer *w)
{
	int e = read_strings(l, sets, n);

	for (size_t k = 0; e == 0 && k < n; k++) {
		int64_t set = sets[k].is_bad ? 0 : put_set(&sets[k], w);

		if (set < 0)
			return (int)set;
		l->unread += sets[k].is_bad;
		e = add_known(l, sets[k].at, (uint32_t)set);
	}
	return e;
}

/* ---- all of it */

static int
read_batch(struct go_labels *l, struct reading_writer *w)
{
	int e = l->is_slice ? read_slices(l) : read_maps(l);
	size_t from = 0;

	for (size_t i = 0; i < l->n_sets; i++)
		measure(l, &l->sets[i]);
	while (e == 0 && from < l->n_sets) {
		uint64_t bytes = l->sets[from].bytes, pairs = l->sets[from].n;
		size_t to = from + 1;

		for (; to < l->n_sets; to++) {
			bytes += l->sets[to].bytes;
			pairs += l->sets[to].n;
			if (bytes > SET_BYTES_MAX || pairs > PAIRS_MAX)
				break;
		}
		e = put_sets(l, l->sets + from, to - from, w);
		from = to;
	}
	l->n_sets = 0;
	return e;
}

int
go_labels_read(struct go_labels *l, const uint64_t *at, size_t n, struct reading_writer *w)
{
	int e = 0;

	for (size_t i = 0; e == 0 && i < n; i++) {
		struct set *s = &l->sets[l->n_sets];

		/* Some may be read twice in one batch: that does no harm. */
		if (at[i] == 0 || find(l, at[i]) != TABLE_NONE)
			continue;
		s->at = at[i];
		s->n = s->n_buckets = s->bytes = 0;
		s->is_bad = false;
		if (++l->n_sets == BATCH)
			e = read_batch(l, w);
	}
	return e == 0 && l->n_sets ? read_batch(l, w) : e;
}

uint64_t
go_labels_unread(const struct go_labels *l)
{
	return l->unread;
}

int
go_labels_new(struct go_labels **out, struct memory *m, bool is_slice)
{
	struct go_labels *l = calloc(1, sizeof(*l));

	if (!l)
		return -ENOMEM;
	l->m = m;
	l->is_slice = is_slice;
	table_init(&l->by_at);
	/* Of most of it nothing is ever touched. */
	l->sets = malloc(BATCH * sizeof(*l->sets));
	if (!l->sets) {
		go_labels_free(l);
		return -ENOMEM;
	}
	*out = l;
	return 0;
}

void
go_labels_free(struct go_labels *l)
{
	if (!l)
		return;
	free(l->known);
	free(l->sets);
	table_fini(&l->by_at);
	free(l);
}
