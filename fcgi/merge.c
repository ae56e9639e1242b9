#include "config.h"

#include "fcgi/merge.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/table.h"
#include "base/wire.h"

#define NOT_YET UINT32_MAX /* in the arrays below: not taken over so far */

/* One merge: what each number of `from` is in `to`. */
struct merge {
	struct profile *to;
	const struct profile *from;
	uint32_t *string, *object, *map, *loc, *stack, *labels; /* owned */
	uint32_t *other; /* owned; by object: a JIT's, for what was other code then */
	uint32_t *path_from, *path_to; /* owned; by object: the path of one of its maps, a string */
	struct table objects, maps;    /* of `to`, by content */
};

/* ---- strings */

static uint32_t
merge_string(struct merge *m, uint32_t string)
{
	uint32_t *known = &m->string[string];

	if (*known == NOT_YET)
		*known = strings_text(&m->to->strings, strings_get(&m->from->strings, string));
	return *known;
}

/* Several at once, in place. Returns 0 or -ENOMEM. */
static int
merge_strings(struct merge *m, uint32_t *const strings[], size_t n)
{
	for (size_t i = 0; i < n; i++) {
		*strings[i] = merge_string(m, *strings[i]);
		if (*strings[i] == STRINGS_NONE)
			return -ENOMEM;
	}
	return 0;
}

/* ---- objects: kind, build-id and path */

struct object_key {
	uint8_t kind;
	uint32_t build_id, path; /* strings of `to` */
};

static uint64_t
object_hash(const struct object_key *k)
{
	return hash_u64((uint64_t)k->build_id << 32 | k->path, k->kind);
}

static bool
same_object(const void *ctx, uint32_t value, const void *key)
{
	const struct merge *m = ctx;
	const struct profile_object *have = &m->to->objects.at[value];
	const struct object_key *want = key;

	return have->kind == want->kind && have->build_id == want->build_id &&
	       m->path_to[value] == want->path;
}

/* The first map that shows an object tells its path. */
static uint32_t *
merge_paths(const struct profile *p, uint32_t spare)
{
	uint32_t *paths = calloc((size_t)p->objects.n + spare + 1, sizeof(*paths));

	for (uint32_t i = p->maps.n; paths && i-- > 0;)
		if (p->maps.at[i].object != PROFILE_NONE)
			paths[p->maps.at[i].object] = p->maps.at[i].path;
	return paths;
}

static int64_t
merge_new_object(struct merge *m, const struct profile_object *from, const struct object_key *key)
{
	struct profile *to = m->to;
	struct profile_object *object = LIST_ADD(&to->room, &to->objects);

	if (!object)
		return -ENOMEM;
	*object = *from;
	object->id = to->objects.n; /* numbers of ours: those of two collectors may be the same */
	object->build_id = key->build_id;
	m->path_to[to->objects.n - 1] = key->path;
	if (table_add(&m->objects, object_hash(key), to->objects.n - 1) < 0)
		return -ENOMEM;
	return to->objects.n - 1;
}

static int64_t
merge_object(struct merge *m, uint32_t i)
{
	const struct profile_object *from = &m->from->objects.at[i];
	struct object_key key = { from->kind, from->build_id, m->path_from[i] };
	uint32_t *const strings[] = { &key.build_id, &key.path };
	struct profile_object *to;
	int64_t found;

	if (m->object[i] != NOT_YET)
		return m->object[i];
	if (merge_strings(m, strings, 2) < 0)
		return -ENOMEM;
	found = table_find(&m->objects, object_hash(&key), same_object, m, &key);
	if (found == TABLE_NONE)
		found = merge_new_object(m, from, &key);
	if (found < 0)
		return found;
	to = &m->to->objects.at[found];
	to->flags |= from->flags;
	if (from->shift_known && !to->shift_known) {
		to->shift = from->shift;
		to->shift_known = true;
	}
	m->object[i] = (uint32_t)found;
	return found;
}

/* ---- maps */

/* Where a row of a file lies does not matter, unless its addresses are all that is known. */
static bool
moves(const struct profile_map *map)
{
	return map->kind == WIRE_MAP_FILE || map->kind == WIRE_MAP_VDSO;
}

/* What makes two rows one: all of a map of `to`. */
static uint64_t
map_hash(const struct profile_map *k)
{
	return hash_u64((uint64_t)k->object << 32 | k->path,
			k->pgoff ^ (moves(k) ? k->end - k->start : k->start));
}

static bool
same_map(const void *ctx, uint32_t value, const void *key)
{
	const struct profile_map *have = &((const struct merge *)ctx)->to->maps.at[value], *want = key;

	return have->kind == want->kind && have->object == want->object && have->path == want->path &&
	       have->link_time == want->link_time && have->pgoff == want->pgoff &&
	       have->end - have->start == want->end - want->start &&
	       ((have->flags ^ want->flags) & WIRE_MAP_MAIN) == 0 &&
	       (moves(have) || have->start == want->start);
}

static int64_t
merge_new_map(struct merge *m, const struct profile_map *key)
{
	struct profile *to = m->to;
	struct profile_map *map = LIST_ADD(&to->room, &to->maps);

	if (!map)
		return -ENOMEM;
	*map = *key;
	map->id = to->maps.n; /* nobody looks maps up by it any more */
	if (table_add(&m->maps, map_hash(map), to->maps.n - 1) < 0)
		return -ENOMEM;
	return to->maps.n - 1;
}

/* The same row in an object of `to` (PROFILE_NONE: a mark). */
static int64_t
merge_map_in(struct merge *m, uint32_t i, uint32_t object)
{
	struct profile_map key = m->from->maps.at[i];
	uint32_t found;

	key.object = object;
	key.path = merge_string(m, key.path);
	if (key.path == STRINGS_NONE)
		return -ENOMEM;
	found = table_find(&m->maps, map_hash(&key), same_map, m, &key);
	return found == TABLE_NONE ? merge_new_map(m, &key) : (int64_t)found;
}

static int64_t
merge_map(struct merge *m, uint32_t i)
{
	int64_t object = PROFILE_NONE;

	if (m->map[i] != NOT_YET)
		return m->map[i];
	if (m->from->maps.at[i].object != PROFILE_NONE)
		object = merge_object(m, m->from->maps.at[i].object);
	object = object < 0 ? object : merge_map_in(m, i, (uint32_t)object);
	if (object >= 0)
		m->map[i] = (uint32_t)object;
	return object;
}

/* ---- places and their names */

static const struct profile_line *
outermost(const struct profile *p, const struct profile_place *place)
{
	return &p->lines.at[place->line + place->n_lines - 1];
}

/* Memory of a JIT is used again: the same address may be another function by now. */
static bool
is_other_code(struct merge *m, const struct profile_place *from, const struct profile_place *to)
{
	const struct profile_line *a, *b;

	if (to->object == PROFILE_NONE || m->to->objects.at[to->object].kind != WIRE_MAP_JIT)
		return false;
	if (!(from->flags & to->flags & WIRE_ANSWER_NAMED))
		return false;
	a = outermost(m->from, from);
	b = outermost(m->to, to);
	return merge_string(m, a->system_name) != b->system_name;
}

/* Give a place of `to` the lines of one of `from`. */
static int
merge_lines(struct merge *m, const struct profile_place *from, uint32_t place)
{
	uint32_t first = m->to->lines.n;
	struct profile_place *to;

	for (uint32_t i = 0; i < from->n_lines; i++) {
		struct profile_line line = m->from->lines.at[from->line + i];
		uint32_t *const strings[] = { &line.name, &line.system_name, &line.file };

		if (merge_strings(m, strings, 3) < 0 || profile_line_add(m->to, &line) < 0)
			return -ENOMEM;
	}
	to = &m->to->places.at[place];
	to->vaddr = from->vaddr;
	to->entry = from->entry;
	to->flags = from->flags;
	to->line = first;
	to->n_lines = from->n_lines;
	return 0;
}

/* How much is known of a place. */
static unsigned int
knowledge(const struct profile_place *p)
{
	return !p->n_lines ? 0 : 1 + (p->flags & (WIRE_ANSWER_NAMED | WIRE_ANSWER_LINES | WIRE_ANSWER_INLINES));
}

/* The loc in one map of `to`; *other: what stands there is other code. */
static int64_t
merge_loc_in(struct merge *m, const struct profile_loc *loc, uint32_t map, bool *other)
{
	const struct profile_place *from = &m->from->places.at[loc->place];
	const struct profile_map *was = &m->from->maps.at[loc->map], *is = &m->to->maps.at[map];
	int64_t to = profile_loc_add(m->to, map, loc->addr - was->start + is->start);
	uint32_t place;

	*other = false;
	if (to < 0)
		return to;
	place = m->to->locs.at[to].place;
	*other = is_other_code(m, from, &m->to->places.at[place]);
	if (!*other && knowledge(from) > knowledge(&m->to->places.at[place]) &&
	    merge_lines(m, from, place) < 0)
		return -ENOMEM;
	return to;
}

/* The same row in another JIT's object, for code that came or went at its addresses. */
static int64_t
merge_other_map(struct merge *m, uint32_t map)
{
	const uint32_t i = m->from->maps.at[map].object;
	struct object_key key = { m->from->objects.at[i].kind, m->from->objects.at[i].build_id,
				  m->path_from[i] };
	uint32_t *const strings[] = { &key.build_id, &key.path };
	int64_t object = m->other[i];

	if (object == NOT_YET) {
		if (merge_strings(m, strings, 2) < 0)
			return -ENOMEM;
		object = merge_new_object(m, &m->from->objects.at[i], &key);
		if (object < 0)
			return object;
		m->other[i] = (uint32_t)object;
	}
	return merge_map_in(m, map, (uint32_t)object);
}

static int64_t
merge_loc(struct merge *m, uint32_t i)
{
	const struct profile_loc *loc = &m->from->locs.at[i];
	int64_t map, to;
	bool other;

	if (m->loc[i] != NOT_YET)
		return m->loc[i];
	map = merge_map(m, loc->map);
	to = map < 0 ? map : merge_loc_in(m, loc, (uint32_t)map, &other);
	if (to >= 0 && other) {
		map = merge_other_map(m, loc->map);
		to = map < 0 ? map : merge_loc_in(m, loc, (uint32_t)map, &other);
	}
	if (to >= 0)
		m->loc[i] = (uint32_t)to;
	return to;
}

/* ---- stacks, labels, samples */

static int64_t
merge_stack(struct merge *m, uint32_t i)
{
	const struct profile_stack *from = &m->from->stacks.at[i];
	int64_t r;

	if (m->stack[i] != NOT_YET)
		return m->stack[i];
	r = profile_stack_add(m->to, m->to->stacks.n, from->flags);
	for (uint32_t k = 0; k < from->n && r >= 0; k++) {
		r = merge_loc(m, m->from->frames.at[from->first + k]);
		if (r >= 0)
			r = profile_frame_put(m->to, (uint32_t)r);
	}
	if (r < 0)
		return r;
	m->stack[i] = m->to->stacks.n - 1;
	return m->stack[i];
}

static int64_t
merge_labels(struct merge *m, uint32_t set)
{
	const struct profile_label_set *from;
	struct profile_label labels[PROFILE_LABELS_MAX];
	int64_t r;

	if (!set)
		return 0;
	if (m->labels[set] != NOT_YET)
		return m->labels[set];
	from = &m->from->label_sets.at[set];
	if (from->n > PROFILE_LABELS_MAX)
		return -EINVAL;
	for (uint32_t i = 0; i < from->n; i++) {
		uint32_t *const strings[] = { &labels[i].key, &labels[i].str, &labels[i].unit };

		labels[i] = m->from->labels.at[from->first + i];
		if (merge_strings(m, strings, 3) < 0)
			return -ENOMEM;
	}
	r = profile_labels_add(m->to, labels, from->n);
	if (r >= 0)
		m->labels[set] = (uint32_t)r;
	return r;
}

static int64_t
times(int64_t a, int64_t b)
{
	int64_t product;

	return !__builtin_mul_overflow(a, b, &product) ? product : (a < 0) == (b < 0) ? INT64_MAX : INT64_MIN;
}

static int
merge_sample(struct merge *m, uint32_t i, int64_t factor)
{
	const struct profile *from = m->from;
	int64_t stack = merge_stack(m, from->samples.at[i].stack), values[PROFILE_TYPES_MAX], r;
	int64_t labels = stack < 0 ? stack : merge_labels(m, from->samples.at[i].labels);

	if (labels < 0)
		return (int)labels;
	for (uint32_t k = 0; k < from->n_types; k++)
		values[k] = times(from->values.at[(size_t)i * from->n_types + k], factor);
	r = profile_sample_add(m->to, (uint32_t)stack, from->samples.at[i].tid, (uint32_t)labels, values);
	return r < 0 ? (int)r : 0;
}

static int
merge_threads(struct merge *m)
{
	for (uint32_t i = 0; i < m->from->threads.n; i++) {
		const struct profile_thread *t = &m->from->threads.at[i];
		const char *name = strings_get(&m->from->strings, t->name);
		int64_t r = profile_thread_set(m->to, t->tid, name, strlen(name));

		if (r < 0)
			return (int)r;
	}
	return 0;
}

/* ---- what is said of the whole */

static int
merge_head(struct merge *m)
{
	const struct profile *from = m->from;
	struct profile *to = m->to;
	uint32_t *strings[2 * PROFILE_TYPES_MAX + 8];
	size_t n = 0;

	to->window = from->window;
	to->node = from->node;
	memcpy(to->types, from->types, sizeof(to->types));
	to->n_types = from->n_types;
	to->default_type = from->default_type;
	to->period_type = from->period_type;
	to->period = from->period;
	for (uint32_t i = 0; i < to->n_types; i++) {
		strings[n++] = &to->types[i].type;
		strings[n++] = &to->types[i].unit;
	}
	strings[n++] = &to->period_type.type;
	strings[n++] = &to->period_type.unit;
	strings[n++] = &to->window.event;
	strings[n++] = &to->window.unit;
	strings[n++] = &to->node.name;
	strings[n++] = &to->node.comm;
	strings[n++] = &to->node.exe;
	strings[n++] = &to->node.runtime;
	return merge_strings(m, strings, n);
}

static bool
same_string(const struct merge *m, uint32_t from, uint32_t to)
{
	return !strcmp(strings_get(&m->from->strings, from), strings_get(&m->to->strings, to));
}

static int
merge_types(struct merge *m)
{
	const struct profile *from = m->from, *to = m->to;

	if (!to->n_types)
		return merge_head(m);
	if (from->n_types != to->n_types)
		return -EINVAL;
	for (uint32_t i = 0; i < to->n_types; i++)
		if (!same_string(m, from->types[i].type, to->types[i].type) ||
		    !same_string(m, from->types[i].unit, to->types[i].unit))
			return -EINVAL;
	return 0;
}

/* ---- the whole */

static uint32_t *
array_of_not_yet(uint32_t n)
{
	uint32_t *a = malloc(((size_t)n + 1) * sizeof(*a));

	if (a)
		memset(a, 0xff, ((size_t)n + 1) * sizeof(*a));
	return a;
}

static int
merge_init(struct merge *m)
{
	const struct profile *from = m->from;

	table_init(&m->objects);
	table_init(&m->maps);
	m->string = array_of_not_yet(from->strings.starts.n);
	m->object = array_of_not_yet(from->objects.n);
	m->map = array_of_not_yet(from->maps.n);
	m->loc = array_of_not_yet(from->locs.n);
	m->stack = array_of_not_yet(from->stacks.n);
	m->labels = array_of_not_yet(from->label_sets.n);
	m->path_from = merge_paths(from, 0);
	/* Each may come with another JIT's. */
	m->path_to = merge_paths(m->to, 2 * from->objects.n);
	m->other = array_of_not_yet(from->objects.n);
	if (!m->string || !m->object || !m->map || !m->loc || !m->stack || !m->labels || !m->path_from ||
	    !m->path_to || !m->other)
		return -ENOMEM;
	for (uint32_t i = 0; i < m->to->objects.n; i++) {
		const struct profile_object *o = &m->to->objects.at[i];
		const struct object_key key = { o->kind, o->build_id, m->path_to[i] };

		if (table_add(&m->objects, object_hash(&key), i) < 0)
			return -ENOMEM;
	}
	for (uint32_t i = 0; i < m->to->maps.n; i++)
		if (table_add(&m->maps, map_hash(&m->to->maps.at[i]), i) < 0)
			return -ENOMEM;
	return 0;
}

static void
merge_fini(struct merge *m)
{
	table_fini(&m->objects);
	table_fini(&m->maps);
	free(m->string);
	free(m->object);
	free(m->map);
	free(m->loc);
	free(m->stack);
	free(m->labels);
	free(m->path_from);
	free(m->path_to);
	free(m->other);
}

int
profile_merge(struct profile *to, const struct profile *from, int64_t factor)
{
	struct merge m = { .to = to, .from = from };
	int r = merge_init(&m);

	if (r == 0)
		r = merge_types(&m);
	if (r == 0)
		r = merge_threads(&m);
	for (uint32_t i = 0; i < from->samples.n && r == 0; i++)
		r = merge_sample(&m, i, factor);
	merge_fini(&m);
	return r;
}

/* ---- a difference */

/* "base: 10.000 s from 2026-11-24 10:00:00 UTC". */
static int
difference_side(struct profile *to, const char *word, const struct profile *p)
{
	const struct profile_window *w = &p->window;
	time_t t = (time_t)(w->start_unix_ns / 1000000000u);
	char when[64] = "an unknown time";
	struct tm tm;

	if (t && gmtime_r(&t, &tm))
		strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S UTC", &tm);
	if (!w->duration_ns)
		return profile_commentf(to, "%s: %s", word, when);
	return profile_commentf(to, "%s: %.3f s from %s", word, (double)w->duration_ns / 1e9, when);
}

static int
difference_comments(struct profile *to, const char *word, const struct profile *p)
{
	int r = 0;

	for (uint32_t i = 0; i < p->comments.n && r == 0; i++)
		r = profile_commentf(to, "%s: %s", word, strings_get(&p->strings, p->comments.at[i]));
	return r;
}

int
profile_difference(struct profile *to, const struct profile *p, const struct profile *base)
{
	int r = profile_merge(to, p, 1);

	if (r == 0)
		r = profile_merge(to, base, -1);
	if (r < 0)
		return r;
	to->delta = true;
	r = profile_commentf(to, "the difference of two captures, now - base");
	if (r == 0)
		r = difference_side(to, "now", p);
	if (r == 0)
		r = difference_side(to, "base", base);
	if (r == 0)
		r = difference_comments(to, "now", p);
	return r < 0 ? r : difference_comments(to, "base", base);
}
