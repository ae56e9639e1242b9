#include "config.h"

#include "fcgi/profile.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/wire.h"
#include "fcgi/text.h"

/* What one entry costs in a table that is a quarter full at worst: four slots. */
#define ENTRY_BYTES (4 * sizeof(struct table_slot))

struct pair {
	uint32_t a;
	uint64_t b;
};

static const char *const words[PROFILE_WORDS] = {
	[PROFILE_WORD_NONE] = "",
	[PROFILE_WORD_TID] = "tid",
	[PROFILE_WORD_THREAD] = "thread",
	[PROFILE_WORD_STACK] = "stack",
	[PROFILE_WORD_GUESS] = "guess",
	[PROFILE_WORD_LATE] = "late",
	[PROFILE_WORD_KERNEL] = "[kernel.kallsyms]",
	[PROFILE_WORD_VDSO] = "[vdso]",
	[PROFILE_WORD_JIT] = "[jit]",
	[PROFILE_WORD_PSEUDO] = "[pprofd]",
	[PROFILE_WORD_UNKNOWN] = "[unknown]",
};

static int
profile_words(struct profile *p)
{
	int r = strings_init(&p->strings, &p->room);

	for (uint32_t i = 0; i < PROFILE_WORDS && r == 0; i++)
		if (strings_text(&p->strings, words[i]) != i)
			r = -ENOMEM;
	return r;
}

int
profile_init(struct profile *p)
{
	memset(p, 0, sizeof(*p));
	p->room.max = PROFILE_MEMORY_MAX;
	table_init(&p->object_index);
	table_init(&p->map_index);
	table_init(&p->place_index);
	table_init(&p->loc_index);
	table_init(&p->stack_index);
	table_init(&p->thread_index);
	table_init(&p->label_index);
	return profile_words(p);
}

void
profile_fini(struct profile *p)
{
	struct table *const indices[] = {
		&p->object_index, &p->map_index,    &p->place_index, &p->loc_index,
		&p->stack_index,  &p->thread_index, &p->label_index,
	};
	void *const lists[] = {
		p->objects.at, p->maps.at,   p->places.at,     p->locs.at,    p->lines.at,
		p->frames.at,  p->stacks.at, p->threads.at,    p->samples.at, p->comments.at,
		p->values.at,  p->labels.at, p->label_sets.at,
	};

	for (size_t i = 0; i < sizeof(indices) / sizeof(indices[0]); i++)
		table_fini(indices[i]);
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
		free(lists[i]);
	strings_fini(&p->strings);
	memset(p, 0, sizeof(*p));
}

int
profile_node_set(struct profile *p, const struct profile_node_is *is)
{
	struct profile_node *node = &p->node;
	const struct {
		uint32_t *to;
		const char *text;
	} texts[] = {
		{ &node->name, is->name },
		{ &node->comm, is->comm },
		{ &node->exe, is->exe },
		{ &node->runtime, is->runtime },
	};

	node->pid = is->pid;
	node->start_unix_ns = is->start_unix_ns;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		*texts[i].to = strings_text(&p->strings, texts[i].text);
		if (*texts[i].to == STRINGS_NONE)
			return -ENOMEM;
	}
	return 0;
}

uint32_t
profile_map_file(const struct profile_map *map)
{
	static const uint32_t by_kind[] = {
		[WIRE_MAP_FILE] = PROFILE_WORD_NONE,     [WIRE_MAP_VDSO] = PROFILE_WORD_VDSO,
		[WIRE_MAP_KERNEL] = PROFILE_WORD_KERNEL, [WIRE_MAP_JIT] = PROFILE_WORD_JIT,
		[WIRE_MAP_PSEUDO] = PROFILE_WORD_PSEUDO,
	};

	return by_kind[map->kind] ? by_kind[map->kind] : map->path;
}

/* ---- looking up */

static bool
same_object(const void *ctx, uint32_t value, const void *key)
{
	return ((const struct profile *)ctx)->objects.at[value].id == *(const uint64_t *)key;
}

static bool
same_map(const void *ctx, uint32_t value, const void *key)
{
	return ((const struct profile *)ctx)->maps.at[value].id == *(const uint32_t *)key;
}

static bool
same_stack(const void *ctx, uint32_t value, const void *key)
{
	return ((const struct profile *)ctx)->stacks.at[value].id == *(const uint32_t *)key;
}

static bool
same_thread(const void *ctx, uint32_t value, const void *key)
{
	return ((const struct profile *)ctx)->threads.at[value].tid == *(const uint32_t *)key;
}

static bool
same_place(const void *ctx, uint32_t value, const void *key)
{
	const struct profile_place *have = &((const struct profile *)ctx)->places.at[value];
	const struct pair *want = key;

	return have->object == want->a && have->at == want->b;
}

static bool
same_loc(const void *ctx, uint32_t value, const void *key)
{
	const struct profile_loc *have = &((const struct profile *)ctx)->locs.at[value];
	const struct pair *want = key;

	return have->map == want->a && have->addr == want->b;
}

/* An entry for the item that was added last to a list of n; on failure the item is taken back. */
static int
profile_index(struct profile *p, struct table *t, uint64_t hash, uint32_t *n)
{
	if (room_take(&p->room, ENTRY_BYTES) == 0 && table_add(t, hash, *n - 1) == 0)
		return 0;
	--*n;
	return -ENOMEM;
}

int64_t
profile_map_find(const struct profile *p, uint32_t id)
{
	uint32_t i = table_find(&p->map_index, hash_u64(id, 0), same_map, p, &id);

	return i == TABLE_NONE ? -ENOENT : (int64_t)i;
}

int64_t
profile_stack_find(const struct profile *p, uint32_t id)
{
	uint32_t i = table_find(&p->stack_index, hash_u64(id, 0), same_stack, p, &id);

	return i == TABLE_NONE ? -ENOENT : (int64_t)i;
}

uint32_t
profile_object_find(const struct profile *p, uint64_t id)
{
	uint32_t i = table_find(&p->object_index, hash_u64(id, 0), same_object, p, &id);

	return i == TABLE_NONE ? PROFILE_NONE : i;
}

uint32_t
profile_place_find(const struct profile *p, uint32_t object, uint64_t at)
{
	struct pair key = { object, at };
	uint32_t i = table_find(&p->place_index, hash_u64(object, at), same_place, p, &key);

	return i == TABLE_NONE ? PROFILE_NONE : i;
}

/* ---- maps and what lies in them */

static int64_t
profile_object_add(struct profile *p, uint64_t id, uint8_t kind)
{
	uint32_t i = profile_object_find(p, id);
	struct profile_object *object;

	if (i != PROFILE_NONE)
		return i;
	object = LIST_ADD(&p->room, &p->objects);
	if (!object)
		return -ENOMEM;
	object->id = id;
	object->kind = kind;
	if (profile_index(p, &p->object_index, hash_u64(id, 0), &p->objects.n) < 0)
		return -ENOMEM;
	return p->objects.n - 1;
}

static uint32_t
profile_path(struct profile *p, const struct profile_map_is *is)
{
	static const char deleted[] = " (deleted)";
	const size_t n = sizeof(deleted) - 1;
	size_t len = is->path_n;

	if (len > n && !memcmp(is->path + len - n, deleted, n))
		len -= n;
	return strings_add(&p->strings, is->path, len);
}

int64_t
profile_map_add(struct profile *p, const struct profile_map_is *is)
{
	int64_t have = profile_map_find(p, is->id), object = PROFILE_NONE;
	uint32_t path;
	struct profile_map *map;

	if (have >= 0)
		return have;
	/* A pseudo map is a name; whatever object stands there means nothing. */
	if (is->kind != WIRE_MAP_PSEUDO)
		object = profile_object_add(p, is->object, is->kind);
	path = profile_path(p, is);
	if (object < 0 || path == STRINGS_NONE)
		return -ENOMEM;
	map = LIST_ADD(&p->room, &p->maps);
	if (!map)
		return -ENOMEM;
	*map = (struct profile_map){
		.id = is->id,
		.object = (uint32_t)object,
		.kind = is->kind,
		.flags = is->flags,
		.start = is->start,
		.end = is->end,
		.pgoff = is->pgoff,
		.path = path,
	};
	if (profile_index(p, &p->map_index, hash_u64(is->id, 0), &p->maps.n) < 0)
		return -ENOMEM;
	return p->maps.n - 1;
}

/* The place of a pseudo map is its own, and named from the start. */
static int64_t
profile_pseudo_place(struct profile *p, const struct profile_map *map)
{
	uint32_t name = map->path ? map->path : strings_text(&p->strings, "[unknown]");
	int64_t line = profile_line_add(p, &(struct profile_line){ name, name, 0, 0, 0 });
	struct profile_place *place;

	if (name == STRINGS_NONE || line < 0)
		return -ENOMEM;
	place = LIST_ADD(&p->room, &p->places);
	if (!place)
		return -ENOMEM;
	*place = (struct profile_place){
		.object = PROFILE_NONE,
		.line = (uint32_t)line,
		.n_lines = 1,
		.flags = WIRE_ANSWER_FINAL | WIRE_ANSWER_NAMED,
	};
	return p->places.n - 1;
}

static int64_t
profile_place_add(struct profile *p, const struct profile_map *map, uint64_t addr)
{
	bool by_address = map->kind == WIRE_MAP_KERNEL || map->kind == WIRE_MAP_JIT;
	uint64_t at = by_address ? addr : addr - map->start + map->pgoff;
	struct profile_place *place;
	uint32_t i;

	if (map->kind == WIRE_MAP_PSEUDO)
		return profile_pseudo_place(p, map);
	i = profile_place_find(p, map->object, at);
	if (i != PROFILE_NONE)
		return i;
	place = LIST_ADD(&p->room, &p->places);
	if (!place)
		return -ENOMEM;
	place->object = map->object;
	place->at = at;
	if (profile_index(p, &p->place_index, hash_u64(map->object, at), &p->places.n) < 0)
		return -ENOMEM;
	return p->places.n - 1;
}

int64_t
profile_loc_add(struct profile *p, uint32_t map, uint64_t addr)
{
	struct pair key = { map, addr };
	uint64_t hash = hash_u64(map, addr);
	uint32_t i = table_find(&p->loc_index, hash, same_loc, p, &key);
	struct profile_loc *loc;
	int64_t place;

	if (i != TABLE_NONE)
		return i;
	place = profile_place_add(p, &p->maps.at[map], addr);
	if (place < 0)
		return place;
	loc = LIST_ADD(&p->room, &p->locs);
	if (!loc)
		return -ENOMEM;
	loc->map = map;
	loc->place = (uint32_t)place;
	loc->addr = addr;
	if (profile_index(p, &p->loc_index, hash, &p->locs.n) < 0)
		return -ENOMEM;
	return p->locs.n - 1;
}

/* ---- stacks and threads */

int64_t
profile_stack_add(struct profile *p, uint32_t id, uint8_t flags)
{
	struct profile_stack *stack = LIST_ADD(&p->room, &p->stacks);

	if (!stack)
		return -ENOMEM;
	stack->id = id;
	stack->flags = flags;
	stack->first = p->frames.n;
	if (profile_index(p, &p->stack_index, hash_u64(id, 0), &p->stacks.n) < 0)
		return -ENOMEM;
	return p->stacks.n - 1;
}

int
profile_frame_put(struct profile *p, uint32_t loc)
{
	uint32_t *frame = LIST_ADD(&p->room, &p->frames);

	if (!frame)
		return -ENOMEM;
	*frame = loc;
	p->stacks.at[p->stacks.n - 1].n++;
	return 0;
}

int
profile_frame_add(struct profile *p, uint32_t map_id, uint64_t addr)
{
	int64_t map = profile_map_find(p, map_id), loc;

	if (map < 0)
		return (int)map;
	loc = profile_loc_add(p, (uint32_t)map, addr);
	return loc < 0 ? (int)loc : profile_frame_put(p, (uint32_t)loc);
}

int64_t
profile_thread_set(struct profile *p, uint32_t tid, const char *name, size_t n)
{
	uint64_t hash = hash_u64(tid, 0);
	uint32_t i = table_find(&p->thread_index, hash, same_thread, p, &tid);
	uint32_t string = strings_add(&p->strings, name, n);
	struct profile_thread *thread;

	if (string == STRINGS_NONE)
		return -ENOMEM;
	if (i == TABLE_NONE) {
		thread = LIST_ADD(&p->room, &p->threads);
		if (!thread)
			return -ENOMEM;
		thread->tid = tid;
		if (profile_index(p, &p->thread_index, hash, &p->threads.n) < 0)
			return -ENOMEM;
		i = p->threads.n - 1;
	}
	p->threads.at[i].name = string;
	return i;
}

uint32_t
profile_thread_name(const struct profile *p, uint32_t tid)
{
	uint32_t i = table_find(&p->thread_index, hash_u64(tid, 0), same_thread, p, &tid);

	return i == TABLE_NONE ? 0 : p->threads.at[i].name;
}

/* ---- types, labels, samples */

static int
profile_type_make(struct profile *p, struct profile_type *t, const char *type, const char *unit)
{
	t->type = strings_text(&p->strings, type);
	t->unit = strings_text(&p->strings, unit);
	return t->type == STRINGS_NONE || t->unit == STRINGS_NONE ? -ENOMEM : 0;
}

int64_t
profile_type_add(struct profile *p, const char *type, const char *unit)
{
	if (p->n_types == PROFILE_TYPES_MAX)
		return -E2BIG;
	if (profile_type_make(p, &p->types[p->n_types], type, unit) < 0)
		return -ENOMEM;
	p->default_type = ++p->n_types;
	return p->n_types - 1;
}

int
profile_period_set(struct profile *p, const char *type, const char *unit, int64_t period)
{
	p->period = period;
	return profile_type_make(p, &p->period_type, type, unit);
}

struct labels_key {
	const struct profile_label *labels;
	uint32_t n;
};

static bool
same_labels(const void *ctx, uint32_t value, const void *key)
{
	const struct profile *p = ctx;
	const struct profile_label_set *have = &p->label_sets.at[value];
	const struct labels_key *want = key;

	if (have->n != want->n)
		return false;
	for (uint32_t i = 0; i < have->n; i++) {
		const struct profile_label *a = &p->labels.at[have->first + i], *b = &want->labels[i];

		if (a->key != b->key || a->str != b->str || a->unit != b->unit || a->num != b->num)
			return false;
	}
	return true;
}

/* A set without labels: number 0, from the first use on. */
static int
profile_labels_init(struct profile *p)
{
	return p->label_sets.n || LIST_ADD(&p->room, &p->label_sets) ? 0 : -ENOMEM;
}

int64_t
profile_labels_add(struct profile *p, const struct profile_label *labels, uint32_t n)
{
	const struct labels_key key = { labels, n };
	struct profile_label_set *set;
	uint64_t hash = n;
	uint32_t i;

	if (!n)
		return 0;
	for (i = 0; i < n; i++)
		hash = hash_u64(hash ^ (uint64_t)labels[i].key << 32 ^ labels[i].str,
				(uint64_t)labels[i].num ^ labels[i].unit);
	i = table_find(&p->label_index, hash, same_labels, p, &key);
	if (i != TABLE_NONE)
		return i;
	if (profile_labels_init(p) < 0)
		return -ENOMEM;
	set = LIST_ADD(&p->room, &p->label_sets);
	if (!set)
		return -ENOMEM;
	set->first = p->labels.n;
	for (i = 0; i < n; i++) {
		struct profile_label *to = LIST_ADD(&p->room, &p->labels);

		if (!to)
			return -ENOMEM;
		*to = labels[i];
		set->n++;
	}
	if (profile_index(p, &p->label_index, hash, &p->label_sets.n) < 0)
		return -ENOMEM;
	return p->label_sets.n - 1;
}

int64_t
profile_sample_add(struct profile *p, uint32_t stack, uint32_t tid, uint32_t labels, const int64_t *values)
{
	struct profile_sample *s = LIST_ADD(&p->room, &p->samples);

	if (!s)
		return -ENOMEM;
	*s = (struct profile_sample){ stack, tid, labels };
	for (uint32_t i = 0; i < p->n_types; i++) {
		int64_t *value = LIST_ADD(&p->room, &p->values);

		if (!value) {
			p->samples.n--;
			p->values.n -= i;
			return -ENOMEM;
		}
		*value = values[i];
	}
	return p->samples.n - 1;
}

/* ---- comments */

int
profile_comment(struct profile *p, const char *text, size_t n)
{
	uint32_t string = strings_add(&p->strings, text, n);
	uint32_t *comment = string == STRINGS_NONE ? NULL : LIST_ADD(&p->room, &p->comments);

	if (!comment)
		return -ENOMEM;
	*comment = string;
	return 0;
}

int
profile_commentf(struct profile *p, const char *fmt, ...)
{
	char line[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	return profile_comment(p, line, strlen(line));
}

/* ---- names */

int64_t
profile_line_add(struct profile *p, const struct profile_line *line)
{
	struct profile_line *to = LIST_ADD(&p->room, &p->lines);

	if (!to)
		return -ENOMEM;
	*to = *line;
	return p->lines.n - 1;
}

void
profile_answer(struct profile *p, uint32_t place, const struct profile_answer_is *is)
{
	struct profile_place *to = &p->places.at[place];
	struct profile_object *object = &p->objects.at[to->object];

	to->vaddr = is->vaddr;
	to->entry = is->entry;
	to->flags = is->flags;
	to->line = is->line;
	to->n_lines = is->n_lines;
	object->shift = is->vaddr - to->at;
	object->shift_known = true;
}

int
profile_object_is(struct profile *p, uint32_t object, uint8_t flags, const void *build_id, size_t n)
{
	char hex[2 * PROFILE_BUILD_ID_MAX + 1];
	const unsigned char *byte = build_id;
	uint32_t string;

	if (n > PROFILE_BUILD_ID_MAX)
		n = PROFILE_BUILD_ID_MAX;
	for (size_t i = 0; i < n; i++)
		snprintf(hex + 2 * i, 3, "%02x", byte[i]);
	string = strings_add(&p->strings, hex, 2 * n);
	if (string == STRINGS_NONE)
		return -ENOMEM;
	p->objects.at[object].flags = flags;
	p->objects.at[object].build_id = string;
	return 0;
}

/* ---- the end */

/* "[libc.so.6]+0x1234": the link-time address where one answer of the object showed the way to it. */
static int
profile_make_up(struct profile *p, struct profile_place *place, const char *path)
{
	const struct profile_object *object = &p->objects.at[place->object];
	size_t n = strlen(path);
	const char *base = text_base(path, &n);
	bool bracketed = n > 1 && base[0] == '[' && base[n - 1] == ']';
	uint32_t name;
	int64_t line;

	if (object->shift_known)
		place->vaddr = place->at + object->shift;
	name = strings_printf(&p->strings, "%s%.*s%s+0x%llx", bracketed ? "" : "[",
			      (int)text_cut(base, n, 256), base, bracketed ? "" : "]",
			      (unsigned long long)(object->shift_known ? place->vaddr : place->at));
	if (name == STRINGS_NONE)
		return -ENOMEM;
	line = profile_line_add(p, &(struct profile_line){ name, name, 0, 0, 0 });
	if (line < 0)
		return -ENOMEM;
	place->line = (uint32_t)line;
	place->n_lines = 1;
	return 0;
}

/* Link-time addresses with start = limit = offset = 0 are the only form of a PIE's main map for
 * which every version of `go tool pprof` can list and disassemble. That needs its layout. */
static void
profile_choose_link_time(struct profile *p, struct profile_map *map)
{
	const struct profile_object *object;

	if (map->kind != WIRE_MAP_FILE || !(map->flags & WIRE_MAP_MAIN))
		return;
	object = &p->objects.at[map->object];
	if (!object->shift_known || (object->flags & WIRE_OBJECT_EXEC))
		return;
	map->link_time = (object->flags & WIRE_OBJECT_PIE) || object->shift != map->start - map->pgoff;
}

static int
profile_fill_stack(struct profile *p, struct profile_stack *stack)
{
	/* The id of the map does not matter: nothing looks it up after the end. */
	struct profile_map_is is = { .id = UINT32_MAX,
				     .kind = WIRE_MAP_PSEUDO,
				     .path = "[unknown]",
				     .path_n = strlen("[unknown]") };
	int64_t map = profile_map_add(p, &is), loc;
	uint32_t *frame;

	if (map < 0)
		return (int)map;
	loc = profile_loc_add(p, (uint32_t)map, 0);
	frame = loc < 0 ? NULL : LIST_ADD(&p->room, &p->frames);
	if (!frame)
		return -ENOMEM;
	*frame = (uint32_t)loc;
	stack->first = p->frames.n - 1;
	stack->n = 1;
	return 0;
}

/* Leave out what the language's own stacks leave out; a stack of nothing else keeps its leaf. */
static void
profile_hide(struct profile *p, struct profile_stack *stack)
{
	uint32_t *frames = &p->frames.at[stack->first], kept = 0;

	for (uint32_t i = 0; i < stack->n; i++) {
		const struct profile_place *place = &p->places.at[p->locs.at[frames[i]].place];

		if (!(place->flags & WIRE_ANSWER_HIDDEN))
			frames[kept++] = frames[i];
	}
	stack->n = kept ? kept : 1;
}

int
profile_finish(struct profile *p, uint32_t *made_up)
{
	*made_up = 0;
	for (uint32_t i = 0; i < p->stacks.n; i++)
		if (!p->stacks.at[i].n && profile_fill_stack(p, &p->stacks.at[i]) < 0)
			return -ENOMEM;
	for (uint32_t i = 0; i < p->stacks.n; i++)
		profile_hide(p, &p->stacks.at[i]);
	for (uint32_t i = 0; i < p->maps.n; i++)
		profile_choose_link_time(p, &p->maps.at[i]);
	for (uint32_t i = 0; i < p->locs.n; i++) {
		struct profile_place *place = &p->places.at[p->locs.at[i].place];

		if (place->n_lines)
			continue;
		++*made_up;
		if (profile_make_up(p, place,
				    strings_get(&p->strings, p->maps.at[p->locs.at[i].map].path)) < 0)
			return -ENOMEM;
	}
	return 0;
}
