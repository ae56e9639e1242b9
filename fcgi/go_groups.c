#include "config.h"

#include "fcgi/go_groups.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/table.h"
#include "fcgi/go_places.h"

/* What one entry costs in a table that is a quarter full at worst: four slots. */
#define ENTRY_BYTES (4 * sizeof(struct table_slot))

/* The order of labels looks no further: a node may make them as long as it likes. */
#define COMPARED_BYTES  256
#define COMPARED_LABELS 8

struct grouper {
	struct go_groups *g;
	struct room *room;
	uint32_t stack_max;
	uint32_t *stacks, *sets; /* by index: 1 + the first that looks the same; 0: not looked at */
	struct table stack_index, set_index, index;
};

/* ---- labels in order */

static int
compare_strings(const struct reading *r, uint32_t a, uint32_t b)
{
	size_t na, nb, n;
	const char *sa = reading_string(r, a, &na), *sb = reading_string(r, b, &nb);
	int d;

	if (a == b)
		return 0;
	n = na < nb ? na : nb;
	d = memcmp(sa, sb, n < COMPARED_BYTES ? n : COMPARED_BYTES);
	return d || n >= COMPARED_BYTES ? d : (na > nb) - (na < nb);
}

static int
compare_labels(const void *a, const void *b, void *reading)
{
	const struct reading_label *la = a, *lb = b;
	int d = compare_strings(reading, la->key, lb->key);

	return d ? d : compare_strings(reading, la->value, lb->value);
}

/* n zeroed items that are counted; NULL: no room. */
static void *
counted(struct room *room, uint64_t n, size_t size)
{
	return room_take(room, (size_t)n * size) < 0 ? NULL : calloc((size_t)n + 1, size);
}

static int
sort_labels(struct go_groups *g, struct room *room)
{
	const struct reading *r = g->r;

	g->labels = counted(room, r->head->labels.n, sizeof(*g->labels));
	if (!g->labels)
		return -ENOMEM;
	if (r->head->labels.n)
		memcpy(g->labels, r->labels, (size_t)r->head->labels.n * sizeof(*g->labels));
	for (uint64_t i = 0; i < r->head->label_sets.n; i++)
		if (r->label_sets[i].n > 1)
			qsort_r(g->labels + r->label_sets[i].first, r->label_sets[i].n, sizeof(*g->labels),
				compare_labels, (void *)(uintptr_t)r);
	return 0;
}

static bool
same_set(const void *ctx, uint32_t value, const void *key)
{
	const struct go_groups *g = ctx;
	const struct reading_label_set *have = &g->r->label_sets[value], *want = key;

	return have->n == want->n &&
	       !memcmp(g->labels + have->first, g->labels + want->first, want->n * sizeof(*g->labels));
}

/* ---- what looks the same */

static uint32_t
stack_pcs(const struct grouper *m, uint32_t stack)
{
	uint32_t n = m->g->r->stacks[stack].n;

	return n < m->stack_max ? n : m->stack_max;
}

static const uint64_t *
pcs_of(const struct reading *r, uint32_t stack)
{
	return r->pcs + r->stacks[stack].first;
}

static bool
same_stack(const void *ctx, uint32_t value, const void *key)
{
	const struct grouper *m = ctx;
	uint32_t want = *(const uint32_t *)key, n = stack_pcs(m, want);

	return stack_pcs(m, value) == n &&
	       !memcmp(pcs_of(m->g->r, value), pcs_of(m->g->r, want), n * sizeof(uint64_t));
}

static int
grouper_index(struct grouper *m, struct table *t, uint64_t hash, uint32_t value)
{
	return room_take(m->room, ENTRY_BYTES) < 0 ? -ENOMEM : table_add(t, hash, value);
}

static int64_t
first_stack(struct grouper *m, uint32_t stack)
{
	uint64_t hash;
	uint32_t found;

	if (m->stacks[stack])
		return m->stacks[stack] - 1;
	hash = hash_bytes(pcs_of(m->g->r, stack), stack_pcs(m, stack) * sizeof(uint64_t));
	found = table_find(&m->stack_index, hash, same_stack, m, &stack);
	if (found == TABLE_NONE) {
		if (grouper_index(m, &m->stack_index, hash, stack) < 0)
			return -ENOMEM;
		found = stack;
	}
	m->stacks[stack] = found + 1;
	return found;
}

static int64_t
first_set(struct grouper *m, uint32_t set)
{
	const struct reading_label_set *is = &m->g->r->label_sets[set];
	uint64_t hash;
	uint32_t found;

	if (m->sets[set])
		return m->sets[set] - 1;
	hash = hash_bytes(m->g->labels + is->first, is->n * sizeof(*m->g->labels));
	found = table_find(&m->set_index, hash, same_set, m->g, is);
	if (found == TABLE_NONE) {
		if (grouper_index(m, &m->set_index, hash, set) < 0)
			return -ENOMEM;
		found = set;
	}
	m->sets[set] = found + 1;
	return found;
}

/* ---- groups */

static bool
same_group(const void *ctx, uint32_t value, const void *key)
{
	const struct go_group *have = &((const struct go_groups *)ctx)->list.at[value], *want = key;

	return have->stack == want->stack && have->labels == want->labels;
}

static int
group_add(struct grouper *m, uint32_t stack, uint32_t labels)
{
	int64_t first = first_stack(m, stack), set = first_set(m, labels);
	struct go_group group, *new;
	uint64_t hash;
	uint32_t found;

	if (first < 0 || set < 0)
		return -ENOMEM;
	group = (struct go_group){ (uint32_t)first, stack_pcs(m, (uint32_t)first), (uint32_t)set, 0 };
	hash = hash_u64(group.stack, group.labels);
	found = table_find(&m->index, hash, same_group, m->g, &group);
	if (found == TABLE_NONE) {
		found = m->g->list.n;
		new = LIST_ADD(m->room, &m->g->list);
		if (!new || grouper_index(m, &m->index, hash, found) < 0)
			return -ENOMEM;
		*new = group;
	}
	m->g->list.at[found].count++;
	m->g->total++;
	return 0;
}

static int
group_all(struct grouper *m)
{
	const struct reading *r = m->g->r;
	bool threads = r->head->kind == READING_THREADCREATE;
	uint64_t n = threads ? r->head->buckets.n : r->head->goroutines.n;
	int e = 0;

	m->stacks = counted(m->room, r->head->stacks.n, sizeof(*m->stacks));
	m->sets = counted(m->room, r->head->label_sets.n, sizeof(*m->sets));
	if (!m->stacks || !m->sets)
		return -ENOMEM;
	for (uint64_t i = 0; i < n && e == 0; i++) {
		if (threads)
			e = group_add(m, r->buckets[i].stack, r->buckets[i].labels);
		else if (!(r->goroutines[i].flags & READING_G_SYSTEM))
			e = group_add(m, r->goroutines[i].stack, r->goroutines[i].labels);
	}
	return e;
}

/* ---- their order */

static unsigned int
hex_digits(uint64_t v)
{
	return v ? (unsigned int)(67 - __builtin_clzll(v)) / 4 : 1;
}

/* In the order of their texts: 0x4f stands behind 0x401, and in front of 0x4f0. */
static int
compare_hex(uint64_t a, uint64_t b)
{
	unsigned int na = hex_digits(a), nb = hex_digits(b);
	uint64_t ta = a << 4 * (16 - na), tb = b << 4 * (16 - nb);

	return ta != tb ? (ta > tb) - (ta < tb) : (na > nb) - (na < nb);
}

static int
compare_pcs(const struct reading *r, const struct go_group *a, const struct go_group *b)
{
	const uint64_t *pa = pcs_of(r, a->stack), *pb = pcs_of(r, b->stack);

	for (uint32_t i = 0; i < a->n_pcs && i < b->n_pcs; i++) {
		int d = pa[i] == pb[i] ? 0 : compare_hex(go_places_pc(pa[i]), go_places_pc(pb[i]));

		if (d)
			return d;
	}
	return (a->n_pcs > b->n_pcs) - (a->n_pcs < b->n_pcs);
}

static int
compare_sets(const struct go_groups *g, uint32_t a, uint32_t b)
{
	const struct reading_label_set *sa = &g->r->label_sets[a], *sb = &g->r->label_sets[b];

	for (uint32_t i = 0; i < sa->n && i < sb->n && i < COMPARED_LABELS; i++) {
		int d = compare_labels(&g->labels[sa->first + i], &g->labels[sb->first + i],
				       (void *)(uintptr_t)g->r);

		if (d)
			return d;
	}
	return (sa->n > sb->n) - (sa->n < sb->n);
}

static int
compare_groups(const void *a, const void *b, void *groups)
{
	const struct go_group *ga = a, *gb = b;
	const struct go_groups *g = groups;
	int d;

	if (ga->count != gb->count)
		return ga->count < gb->count ? 1 : -1;
	if (ga->stack != gb->stack) {
		d = compare_pcs(g->r, ga, gb);
		if (d)
			return d;
	}
	return compare_sets(g, ga->labels, gb->labels);
}

int
go_groups_init(struct go_groups *g, struct room *room, const struct reading *r, uint32_t stack_max)
{
	struct grouper m = { .g = g, .room = room, .stack_max = stack_max };
	int e;

	memset(g, 0, sizeof(*g));
	g->r = r;
	table_init(&m.stack_index);
	table_init(&m.set_index);
	table_init(&m.index);
	e = sort_labels(g, room);
	if (e == 0)
		e = group_all(&m);
	table_fini(&m.stack_index);
	table_fini(&m.set_index);
	table_fini(&m.index);
	free(m.stacks);
	free(m.sets);
	if (e == 0 && g->list.n > 1)
		qsort_r(g->list.at, g->list.n, sizeof(*g->list.at), compare_groups, g);
	return e;
}

void
go_groups_fini(struct go_groups *g)
{
	free(g->list.at);
	free(g->labels);
	memset(g, 0, sizeof(*g));
}
