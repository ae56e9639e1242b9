#include "config.h"

#include "fcgi/frames.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/wire.h"
#include "fcgi/text.h"

#define FRAMES_FIRST 256
#define LABEL_MAX    (3 * STRINGS_LENGTH_MAX)

/* ---- which of them are the same */

/* Of a frame only what the group goes by. */
static struct frame
frames_key(enum frames_group group, const struct frame *f)
{
	struct frame key = { .thread = f->thread, .tid = f->tid, .name = f->name };

	if (f->thread) {
		key.name = 0;
		return key;
	}
	if (group == FRAMES_FUNCTION || group == FRAMES_THREAD)
		return key;
	key.file = f->file;
	key.line = f->line;
	if (group == FRAMES_LINE)
		return key;
	key.mapping = f->mapping;
	key.inlined = f->inlined;
	key.system_name = f->system_name;
	if (group == FRAMES_ADDRESS) {
		key.address = f->address;
		key.level = f->level;
	}
	return key;
}

static uint64_t
frames_hash(const struct frame *key)
{
	uint64_t hash =
		hash_u64((uint64_t)key->name << 32 | key->file, (uint64_t)key->line << 32 | key->tid);

	hash = hash_u64(hash, (uint64_t)key->mapping << 32 | key->level);
	return hash_u64(hash, key->address ^ (uint64_t)key->system_name << 2 ^ (uint64_t)key->inlined << 1 ^
				      (uint64_t)key->thread);
}

static bool
frames_same(const void *ctx, uint32_t value, const void *key)
{
	const struct frames *f = ctx;
	const struct frame a = frames_key(f->group, &f->at[value]), *b = key;

	return a.name == b->name && a.file == b->file && a.line == b->line && a.tid == b->tid &&
	       a.mapping == b->mapping && a.level == b->level && a.address == b->address &&
	       a.system_name == b->system_name && a.inlined == b->inlined && a.thread == b->thread;
}

/* Returns its number before they are in order, or FRAMES_NONE. */
static uint32_t
frames_add(struct frames *f, const struct frame *frame)
{
	struct frame key = frames_key(f->group, frame);
	uint64_t hash = frames_hash(&key);
	uint32_t found = table_find(&f->index, hash, frames_same, f, &key);

	if (found != TABLE_NONE)
		return found;
	if (f->n == f->cap) {
		uint32_t cap = f->cap ? 2 * f->cap : FRAMES_FIRST;
		struct frame *more = realloc(f->at, (size_t)cap * sizeof(*more));

		if (!more)
			return FRAMES_NONE;
		f->at = more;
		f->cap = cap;
	}
	f->at[f->n] = *frame;
	return table_add(&f->index, hash, f->n) < 0 ? FRAMES_NONE : f->n++;
}

/* ---- of locations and threads */

static int
frames_location(struct frames *f, uint32_t number)
{
	const struct profile *p = f->p;
	const struct profile_loc *loc = &p->locs.at[f->ids->locations[number - 1]];
	const struct profile_place *place = &p->places.at[loc->place];
	uint32_t to = f->first[number - 1];

	for (uint32_t k = place->n_lines; k-- > 0;) {
		const struct profile_line *line = &p->lines.at[place->line + k];
		const struct frame frame = {
			.name = line->name,
			.system_name = line->system_name,
			.file = line->file,
			.line = line->line,
			.mapping = f->ids->mapping[loc->map],
			.address = p->maps.at[loc->map].kind == WIRE_MAP_PSEUDO ? 0 : ids_address(p, loc),
			.level = k,
			.inlined = k + 1u < place->n_lines,
		};

		f->of[to] = frames_add(f, &frame);
		if (f->of[to++] == FRAMES_NONE)
			return -ENOMEM;
	}
	return 0;
}

static int
frames_locations(struct frames *f)
{
	const struct ids *ids = f->ids;
	uint32_t n = 0;

	for (uint32_t i = 0; i < ids->n_locations; i++) {
		f->first[i] = n;
		n += f->p->places.at[f->p->locs.at[ids->locations[i]].place].n_lines;
	}
	f->first[ids->n_locations] = n;
	f->of = calloc((size_t)n + 1, sizeof(*f->of));
	if (!f->of)
		return -ENOMEM;
	for (uint32_t i = 1; i <= ids->n_locations; i++)
		if (frames_location(f, i) < 0)
			return -ENOMEM;
	return 0;
}

static int
frames_threads(struct frames *f)
{
	for (uint32_t i = 0; i < f->ids->n_samples; i++) {
		uint32_t tid = f->ids->samples[i].tid;
		const struct frame frame = {
			.thread = true,
			.tid = tid,
			.name = tid ? profile_thread_name(f->p, tid) : 0,
		};

		if (frames_add(f, &frame) == FRAMES_NONE)
			return -ENOMEM;
	}
	return 0;
}

uint32_t
frames_thread(const struct frames *f, uint32_t tid)
{
	const struct frame key = { .thread = true, .tid = tid };

	return table_find(&f->index, frames_hash(&key), frames_same, f, &key);
}

/* ---- in order */

static int
compare(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

static int
frames_compare(const void *left, const void *right, void *ctx)
{
	const struct frames *f = ctx;
	const struct strings *strings = &f->p->strings;
	const struct frame *a = &f->at[*(const uint32_t *)left], *b = &f->at[*(const uint32_t *)right];
	int r = compare(b->thread, a->thread);

	if (!r && a->name != b->name)
		r = strcmp(strings_get(strings, a->name), strings_get(strings, b->name));
	if (!r && a->file != b->file)
		r = strcmp(strings_get(strings, a->file), strings_get(strings, b->file));
	r = r ? r : compare(a->tid, b->tid);
	r = r ? r : compare(a->line, b->line);
	r = r ? r : compare(a->mapping, b->mapping);
	r = r ? r : compare(a->address, b->address);
	r = r ? r : compare(a->level, b->level);
	r = r ? r : compare(a->system_name, b->system_name);
	return r ? r : compare(a->inlined, b->inlined);
}

/* Numbers in alphabetical order, and an index of the new ones. */
static int
frames_sort(struct frames *f)
{
	uint32_t *order = calloc((size_t)f->n + 1, sizeof(*order)),
		 *number = calloc((size_t)f->n + 1, sizeof(*number));
	struct frame *sorted = calloc((size_t)f->n + 1, sizeof(*sorted));
	int r = order && number && sorted ? 0 : -ENOMEM;

	if (r == 0) {
		for (uint32_t i = 0; i < f->n; i++)
			order[i] = i;
		qsort_r(order, f->n, sizeof(*order), frames_compare, f);
		for (uint32_t i = 0; i < f->n; i++) {
			sorted[i] = f->at[order[i]];
			number[order[i]] = i;
		}
		for (uint32_t i = 0; i < f->first[f->ids->n_locations]; i++)
			f->of[i] = number[f->of[i]];
		memcpy(f->at, sorted, (size_t)f->n * sizeof(*sorted));
		table_clear(&f->index);
	}
	for (uint32_t i = 0; i < f->n && r == 0; i++) {
		struct frame key = frames_key(f->group, &f->at[i]);

		r = table_add(&f->index, frames_hash(&key), i);
	}
	free(order);
	free(number);
	free(sorted);
	return r;
}

int
frames_init(struct frames *f, const struct profile *p, const struct ids *ids, enum frames_group group)
{
	int r;

	memset(f, 0, sizeof(*f));
	f->p = p;
	f->ids = ids;
	f->group = group;
	table_init(&f->index);
	f->first = calloc((size_t)ids->n_locations + 1, sizeof(*f->first));
	if (!f->first)
		return -ENOMEM;
	r = frames_locations(f);
	if (r == 0 && group == FRAMES_THREAD)
		r = frames_threads(f);
	return r < 0 || !f->n ? r : frames_sort(f);
}

void
frames_fini(struct frames *f)
{
	table_fini(&f->index);
	free(f->at);
	free(f->first);
	free(f->of);
	memset(f, 0, sizeof(*f));
}

uint64_t
frames_bytes(const struct profile *p)
{
	/* Each twice while they are sorted, in an array that may be half empty, and in the index. */
	const uint64_t frame =
		3 * sizeof(struct frame) + 4 * sizeof(struct table_slot) + 3 * sizeof(uint32_t);
	uint64_t n = p->threads.n + 1;

	for (uint32_t i = 0; i < p->locs.n; i++)
		n += p->places.at[p->locs.at[i].place].n_lines;
	return n * frame + p->locs.n * sizeof(uint32_t);
}

/* ---- labels */

const char *
frames_label(const struct frames *f, uint32_t i, struct buf *scratch)
{
	const struct frame *frame = &f->at[i];
	const char *name = strings_get(&f->p->strings, frame->name);
	const char *file = strings_get(&f->p->strings, frame->file);
	size_t n = strlen(file);

	scratch->max = LABEL_MAX;
	buf_reset(scratch);
	file = text_base(file, &n);
	if (frame->thread && !frame->tid)
		return "[no thread]";
	if (frame->thread)
		buf_printf(scratch, "%s%s[%u]", name, *name ? " " : "thread ", frame->tid);
	else if (f->group == FRAMES_ADDRESS && frame->address)
		buf_printf(scratch, "%s 0x%llx", name, (unsigned long long)frame->address);
	else if (f->group == FRAMES_LINE && n && frame->line)
		buf_printf(scratch, "%s %s:%u", name, file, frame->line);
	else
		return name;
	buf_u8(scratch, '\0');
	return buf_error(scratch) ? name : (const char *)scratch->data;
}
