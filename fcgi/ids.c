#include "config.h"

#include "fcgi/ids.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/table.h"
#include "base/wire.h"
#include "fcgi/labels.h"

/* What is needed only while the numbers are given out. */
struct maker {
	const struct profile *p;
	struct ids *ids;
	uint32_t *twin; /* by stack: 1 + the first stack that looks the same; 0: not looked at */
	struct table mappings, locations, functions, stacks, samples;
	int error;
};

uint64_t
ids_address(const struct profile *p, const struct profile_loc *loc)
{
	return p->maps.at[loc->map].link_time ? p->places.at[loc->place].vaddr : loc->addr;
}

static void
maker_add(struct maker *m, struct table *t, uint64_t hash, uint32_t value)
{
	if (table_add(t, hash, value) < 0)
		m->error = -ENOMEM;
}

/* ---- mappings */

/* All marks share a mapping, and so do a program's rows with link-time addresses, and a row that
 * was mapped again where it was before. */
static bool
same_mapping(const void *ctx, uint32_t value, const void *key)
{
	const struct maker *m = ctx;
	const struct profile_map *have = &m->p->maps.at[m->ids->mappings[value]], *want = key;

	if (have->kind != want->kind || have->object != want->object || have->link_time != want->link_time)
		return false;
	if (have->kind == WIRE_MAP_PSEUDO || have->link_time)
		return true;
	return have->start == want->start && have->end == want->end && have->pgoff == want->pgoff &&
	       have->path == want->path;
}

static void
maker_mapping(struct maker *m, uint32_t i)
{
	const struct profile_map *map = &m->p->maps.at[i];
	bool one = map->kind == WIRE_MAP_PSEUDO || map->link_time;
	uint64_t hash = hash_u64(map->object, one ? 0 : map->start);
	uint32_t found = table_find(&m->mappings, hash, same_mapping, m, map);

	if (found == TABLE_NONE) {
		found = m->ids->n_mappings++;
		m->ids->mappings[found] = i;
		maker_add(m, &m->mappings, hash, found);
	}
	m->ids->mapping[i] = found + 1;
}

/* Readers take the first mapping for the program. */
static void
maker_mappings(struct maker *m)
{
	for (uint32_t i = 0; i < m->p->maps.n; i++)
		if (m->p->maps.at[i].flags & WIRE_MAP_MAIN)
			maker_mapping(m, i);
	for (uint32_t i = 0; i < m->p->maps.n; i++)
		if (!(m->p->maps.at[i].flags & WIRE_MAP_MAIN))
			maker_mapping(m, i);
}

/* ---- locations and functions */

static bool
same_location(const void *ctx, uint32_t value, const void *key)
{
	const struct maker *m = ctx;
	const struct profile_loc *have = &m->p->locs.at[m->ids->locations[value]], *want = key;

	return m->ids->mapping[have->map] == m->ids->mapping[want->map] &&
	       ids_address(m->p, have) == ids_address(m->p, want);
}

static uint32_t
maker_location(struct maker *m, uint32_t i)
{
	const struct profile_loc *loc = &m->p->locs.at[i];
	/* Marks have no address to tell them apart by. */
	bool code = m->p->maps.at[loc->map].kind != WIRE_MAP_PSEUDO;
	uint32_t found = TABLE_NONE;
	uint64_t hash;

	if (m->ids->location[i])
		return m->ids->location[i];
	hash = hash_u64(m->ids->mapping[loc->map], ids_address(m->p, loc));
	if (code)
		found = table_find(&m->locations, hash, same_location, m, loc);
	if (found == TABLE_NONE) {
		found = m->ids->n_locations++;
		m->ids->locations[found] = i;
		if (code)
			maker_add(m, &m->locations, hash, found);
	}
	m->ids->location[i] = found + 1;
	return found + 1;
}

static bool
same_function(const void *ctx, uint32_t value, const void *key)
{
	const struct maker *m = ctx;
	const struct profile_line *have = &m->p->lines.at[m->ids->functions[value]], *want = key;

	return have->name == want->name && have->system_name == want->system_name &&
	       have->file == want->file && have->start_line == want->start_line;
}

static void
maker_function(struct maker *m, uint32_t i)
{
	const struct profile_line *line = &m->p->lines.at[i];
	uint64_t hash = hash_u64((uint64_t)line->name << 32 | line->file,
				 (uint64_t)line->system_name << 32 | line->start_line);
	uint32_t found;

	if (m->ids->function[i])
		return;
	found = table_find(&m->functions, hash, same_function, m, line);
	if (found == TABLE_NONE) {
		found = m->ids->n_functions++;
		m->ids->functions[found] = i;
		maker_add(m, &m->functions, hash, found);
	}
	m->ids->function[i] = found + 1;
}

static void
maker_functions(struct maker *m)
{
	for (uint32_t i = 0; i < m->ids->n_locations && !m->error; i++) {
		const struct profile_loc *loc = &m->p->locs.at[m->ids->locations[i]];
		const struct profile_place *place = &m->p->places.at[loc->place];

		for (uint32_t k = place->line; k < place->line + place->n_lines; k++)
			maker_function(m, k);
	}
}

/* ---- stacks and samples */

static bool
same_stack(const void *ctx, uint32_t value, const void *key)
{
	const struct maker *m = ctx;
	const struct profile_stack *have = &m->p->stacks.at[value], *want = key;

	if (have->n != want->n || labels_of_stack(have) != labels_of_stack(want))
		return false;
	for (uint32_t i = 0; i < have->n; i++)
		if (m->ids->location[m->p->frames.at[have->first + i]] !=
		    m->ids->location[m->p->frames.at[want->first + i]])
			return false;
	return true;
}

/* The first stack that looks the same to a reader. */
static uint32_t
maker_stack(struct maker *m, uint32_t i)
{
	const struct profile_stack *stack = &m->p->stacks.at[i];
	uint64_t hash = labels_of_stack(stack);
	uint32_t found;

	if (m->twin[i])
		return m->twin[i] - 1;
	for (uint32_t k = 0; k < stack->n; k++)
		hash = hash_u64(hash, maker_location(m, m->p->frames.at[stack->first + k]));
	found = table_find(&m->stacks, hash, same_stack, m, stack);
	if (found == TABLE_NONE) {
		found = i;
		maker_add(m, &m->stacks, hash, i);
	}
	m->twin[i] = found + 1;
	return found;
}

static bool
same_sample(const void *ctx, uint32_t value, const void *key)
{
	const struct profile_sample *have = &((const struct maker *)ctx)->ids->samples[value], *want = key;

	return have->stack == want->stack && have->tid == want->tid && have->labels == want->labels;
}

static int64_t
plus(int64_t a, int64_t b)
{
	int64_t sum;

	return !__builtin_add_overflow(a, b, &sum) ? sum : a < 0 ? INT64_MIN : INT64_MAX;
}

/* Readers expect a stack with the same labels once. */
static void
maker_sample(struct maker *m, uint32_t i)
{
	struct profile_sample key = m->p->samples.at[i];
	const int64_t *values = &m->p->values.at[(size_t)i * m->p->n_types];
	int64_t *sum;
	uint64_t hash;
	uint32_t found;

	key.stack = maker_stack(m, key.stack);
	hash = hash_u64(key.stack, (uint64_t)key.labels << 32 | key.tid);
	found = table_find(&m->samples, hash, same_sample, m, &key);
	if (found == TABLE_NONE) {
		found = m->ids->n_samples++;
		m->ids->samples[found] = key;
		maker_add(m, &m->samples, hash, found);
	}
	sum = &m->ids->values[(size_t)found * m->p->n_types];
	for (uint32_t k = 0; k < m->p->n_types; k++)
		sum[k] = plus(sum[k], values[k]);
}

/* What is the same in both parts of a difference is no part of it. */
static void
maker_drop_nothings(struct maker *m)
{
	size_t types = m->p->n_types;
	uint32_t kept = 0;

	for (uint32_t i = 0; i < m->ids->n_samples; i++) {
		int64_t *values = &m->ids->values[i * types];
		bool some = false;

		for (size_t k = 0; k < types; k++)
			some |= values[k] != 0;
		if (!some)
			continue;
		m->ids->samples[kept] = m->ids->samples[i];
		memmove(&m->ids->values[kept * types], values, types * sizeof(*values));
		kept++;
	}
	m->ids->n_samples = kept;
}

/* Locations that only dropped samples have get no number. */
static void
maker_renumber(struct maker *m)
{
	memset(m->ids->location, 0, m->p->locs.n * sizeof(*m->ids->location));
	table_clear(&m->locations);
	m->ids->n_locations = 0;
	for (uint32_t i = 0; i < m->ids->n_samples && !m->error; i++) {
		const struct profile_stack *stack = &m->p->stacks.at[m->ids->samples[i].stack];

		for (uint32_t k = 0; k < stack->n; k++)
			maker_location(m, m->p->frames.at[stack->first + k]);
	}
}

/* ---- the whole */

static int
ids_alloc(struct maker *m)
{
	struct ids *ids = m->ids;
	const struct {
		uint32_t **array;
		uint32_t n;
	} arrays[] = {
		{ &ids->mapping, m->p->maps.n },   { &ids->mappings, m->p->maps.n },
		{ &ids->location, m->p->locs.n },  { &ids->locations, m->p->locs.n },
		{ &ids->function, m->p->lines.n }, { &ids->functions, m->p->lines.n },
		{ &m->twin, m->p->stacks.n },
	};

	for (size_t i = 0; i < sizeof(arrays) / sizeof(arrays[0]); i++) {
		*arrays[i].array = calloc((size_t)arrays[i].n + 1, sizeof(uint32_t));
		if (!*arrays[i].array)
			return -ENOMEM;
	}
	ids->samples = calloc((size_t)m->p->samples.n + 1, sizeof(*ids->samples));
	ids->values = calloc((size_t)m->p->samples.n * m->p->n_types + 1, sizeof(*ids->values));
	return ids->samples && ids->values ? 0 : -ENOMEM;
}

int
ids_init(struct ids *ids, const struct profile *p)
{
	struct maker m = { .p = p, .ids = ids };

	memset(ids, 0, sizeof(*ids));
	table_init(&m.mappings);
	table_init(&m.locations);
	table_init(&m.functions);
	table_init(&m.stacks);
	table_init(&m.samples);
	m.error = ids_alloc(&m);
	if (!m.error)
		maker_mappings(&m);
	for (uint32_t i = 0; i < p->samples.n && !m.error; i++)
		maker_sample(&m, i);
	if (p->delta) {
		maker_drop_nothings(&m);
		maker_renumber(&m);
	}
	if (!m.error)
		maker_functions(&m);
	table_fini(&m.mappings);
	table_fini(&m.locations);
	table_fini(&m.functions);
	table_fini(&m.stacks);
	table_fini(&m.samples);
	free(m.twin);
	return m.error;
}

void
ids_fini(struct ids *ids)
{
	free(ids->mapping);
	free(ids->mappings);
	free(ids->location);
	free(ids->locations);
	free(ids->function);
	free(ids->functions);
	free(ids->samples);
	free(ids->values);
	memset(ids, 0, sizeof(*ids));
}
