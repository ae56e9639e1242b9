#include "config.h"

#include "fcgi/go_profile.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/wire.h"
#include "fcgi/go_groups.h"
#include "fcgi/go_rules.h"

#define TYPES_MAX 4

/* What a kind of reading is as a profile. */
struct shape {
	struct {
		const char *type, *unit;
		bool is_sum; /* over the program's life: never falls */
	} types[TYPES_MAX];
	const char *period_type, *period_unit;
};

static const struct shape heap = {
	.types = { { "alloc_objects", "count", true },
		   { "alloc_space", "bytes", true },
		   { "inuse_objects", "count", false },
		   { "inuse_space", "bytes", false } },
	.period_type = "space",
	.period_unit = "bytes",
};
static const struct shape contentions = {
	.types = { { "contentions", "count", true }, { "delay", "nanoseconds", true } },
	.period_type = "contentions",
	.period_unit = "count",
};
static const struct shape goroutine = { .types = { { "goroutine", "count", false } },
					.period_type = "goroutine",
					.period_unit = "count" };
static const struct shape leak = { .types = { { "goroutineleak", "count", false } },
				   .period_type = "goroutineleak",
				   .period_unit = "count" };
static const struct shape threadcreate = { .types = { { "threadcreate", "count", false } },
					   .period_type = "threadcreate",
					   .period_unit = "count" };

static const struct shape *const shapes[READING_KINDS] = {
	[READING_HEAP] = &heap,
	[READING_BLOCK] = &contentions,
	[READING_MUTEX] = &contentions,
	[READING_BLOCK_ESTIMATE] = &contentions,
	[READING_GOROUTINE] = &goroutine,
	[READING_LEAK] = &leak,
	[READING_THREADCREATE] = &threadcreate,
};

struct adder {
	struct profile *p;
	const struct reading *r;
	const struct go_places *g;
	const uint32_t *hidden; /* by stack; NULL: none */
	const struct shape *shape;
	enum go_part part;
	double ticks_per_second;
	uint32_t rules;   /* go_rules.h */
	uint32_t bytes;   /* string: the label of heap samples */
	uint32_t goexit;  /* string: what stands at each stack's root */
	uint32_t *stacks; /* by the reading's number: 1 + the profile's; 0: not there yet */
};

/* ---- numbers */

/* As Go converts: cut towards zero. What is too large has no meaning in either. */
static int64_t
whole(double v)
{
	if (!(v > -9.2e18))
		return INT64_MIN;
	return v < 9.2e18 ? (int64_t)v : INT64_MAX;
}

void
go_profile_scale(int64_t count, int64_t bytes, int64_t rate, int64_t to[2])
{
	double scale = 1;

	to[0] = to[1] = 0;
	if (!count || !bytes)
		return;
	to[0] = count;
	to[1] = bytes;
	if (rate <= 1)
		return;
	scale = 1 / (1 - exp(-((double)bytes / (double)count) / (double)rate));
	to[0] = whole((double)count * scale);
	to[1] = whole((double)bytes * scale);
}

int64_t
go_profile_ns(double ticks_per_second, double cycles)
{
	return whole(ticks_per_second > 0 ? cycles / (ticks_per_second / 1e9) : cycles);
}

int64_t
go_profile_heap_rate(const struct reading *r)
{
	return r->head->rate >= 0 ? r->head->rate : GO_HEAP_RATE_DEFAULT;
}

uint64_t
go_profile_buckets(const struct reading *r)
{
	return r->head->kind == READING_HEAP && r->head->rate == 0 ? 0 : r->head->buckets.n;
}

static int64_t
minus(int64_t a, int64_t b)
{
	int64_t d;

	return !__builtin_sub_overflow(a, b, &d) ? d : a < 0 ? INT64_MIN : INT64_MAX;
}

/* ---- beginning */

int
go_profile_begin(struct profile *p, const struct reading *r, const char *show)
{
	const struct shape *shape = shapes[r->head->kind];
	int64_t type = 0, period = 1;

	for (size_t i = 0; i < TYPES_MAX && shape->types[i].type && type >= 0; i++) {
		type = profile_type_add(p, shape->types[i].type, shape->types[i].unit);
		if (type < 0)
			return -ENOMEM;
	}
	for (uint32_t i = 0; show && i < p->n_types; i++)
		if (!strcmp(shape->types[i].type, show))
			p->default_type = i;
	/* Readers want a period, also of a profile that is off. */
	if (r->head->kind == READING_HEAP)
		period = go_profile_heap_rate(r) ? go_profile_heap_rate(r) : GO_HEAP_RATE_DEFAULT;
	return profile_period_set(p, shape->period_type, shape->period_unit, period);
}

/* ---- stacks */

/* Words from i on that are the calls at one pc: it, and those implied by it. */
static uint32_t
calls_at(const struct adder *a, uint32_t i, uint32_t end)
{
	uint32_t n = 1;

	while (i + n < end && (a->r->pcs[i + n] & READING_PC_IMPLIED))
		n++;
	return n;
}

/* NULL: the word is no pc. */
static const struct profile_place *
place_at(const struct profile *p, uint32_t loc)
{
	return loc == GO_PLACES_NONE ? NULL : &p->places.at[p->locs.at[loc].place];
}

/*
 * The names of a place are all the calls there; the words are those of them that Go shows: it leaves
 * out wrappers that the compiler made. Words that are cut at the stack's end say nothing of that.
 */
static int
choose_lines(struct adder *a, const uint32_t *locs, uint32_t n)
{
	struct profile *p = a->p;
	uint32_t which = p->locs.at[locs[0]].place, first = p->lines.n;

	if (p->places.at[which].object == PROFILE_NONE || n >= p->places.at[which].n_lines)
		return 0;
	for (uint32_t i = 0; i < n; i++) {
		const struct profile_place *place = place_at(p, locs[i]);
		struct profile_line line;

		if (!place || place->object == PROFILE_NONE || !place->n_lines) {
			p->lines.n = first;
			return 0;
		}
		line = p->lines.at[place->line];
		if (profile_line_add(p, &line) < 0)
			return -ENOMEM;
	}
	p->places.at[which].line = first;
	p->places.at[which].n_lines = (uint8_t)n;
	return 0;
}

/* The words say which calls are shown; only the one that no stack shows is left out by its place. */
static void
choose_shown(struct adder *a, uint32_t loc)
{
	struct profile_place *place = &a->p->places.at[a->p->locs.at[loc].place];

	if ((place->flags & WIRE_ANSWER_HIDDEN) && a->p->lines.at[place->line].name != a->goexit)
		place->flags &= (uint8_t)~WIRE_ANSWER_HIDDEN;
}

static int
add_frames(struct adder *a, uint32_t from, uint32_t end)
{
	uint32_t n;
	int e = 0;

	for (uint32_t i = from; i < end && e == 0; i += n) {
		uint32_t loc = a->g->locs[i];

		n = calls_at(a, i, end);
		if (loc == GO_PLACES_NONE)
			continue;
		if (i + n < end)
			e = choose_lines(a, a->g->locs + i, n);
		choose_shown(a, loc);
		if (e == 0)
			e = profile_frame_put(a->p, loc);
	}
	return e;
}

/* Returns the profile's number of a stack, or -ENOMEM. n: words of it. */
static int64_t
add_stack(struct adder *a, uint32_t number, uint32_t n)
{
	const struct reading_stack *from = &a->r->stacks[number];
	/* Where the first word is hidden, those implied by it may not be. */
	uint32_t hide = a->hidden ? a->hidden[number] : 0;
	int64_t stack;
	int e;

	if (a->stacks[number])
		return a->stacks[number] - 1;
	stack = profile_stack_add(a->p, a->p->stacks.n, 0);
	if (stack < 0)
		return stack;
	e = add_frames(a, from->first + hide, from->first + n);
	if (e < 0)
		return e;
	a->stacks[number] = (uint32_t)stack + 1;
	return stack;
}

/* ---- labels */

static int64_t
add_labels(struct adder *a, const struct reading_label *labels, uint32_t n)
{
	struct profile_label to[PROFILE_LABELS_MAX];

	if (n > PROFILE_LABELS_MAX)
		n = PROFILE_LABELS_MAX;
	memset(to, 0, sizeof(to));
	for (uint32_t i = 0; i < n; i++) {
		size_t key_n, value_n;
		const char *key = reading_string(a->r, labels[i].key, &key_n);
		const char *value = reading_string(a->r, labels[i].value, &value_n);

		to[i].key = strings_add(&a->p->strings, key, key_n);
		to[i].str = strings_add(&a->p->strings, value, value_n);
		if (to[i].key == STRINGS_NONE || to[i].str == STRINGS_NONE)
			return -ENOMEM;
	}
	return profile_labels_add(a->p, to, n);
}

/* ---- samples */

static int
add_sample(struct adder *a, uint32_t stack, uint32_t n_pcs, int64_t labels, int64_t values[TYPES_MAX])
{
	int64_t to = add_stack(a, stack, n_pcs);

	if (labels < 0 || to < 0)
		return -ENOMEM;
	for (uint32_t i = 0; i < a->p->n_types && a->part != GO_PART_WHOLE; i++)
		values[i] =
			a->part == GO_PART_BEFORE || a->shape->types[i].is_sum ? minus(0, values[i]) : 0;
	to = profile_sample_add(a->p, (uint32_t)to, 0, (uint32_t)labels, values);
	return to < 0 ? (int)to : 0;
}

static int
add_heap(struct adder *a, const struct reading_bucket *b)
{
	const int64_t *v = b->values;
	int64_t rate = go_profile_heap_rate(a->r), values[TYPES_MAX];
	struct profile_label label = { .key = a->bytes };

	go_profile_scale(v[0], v[1], rate, values);
	go_profile_scale(minus(v[0], v[2]), minus(v[1], v[3]), rate, values + 2);
	if (a->rules & GO_BLOCK_SIZE_ALWAYS)
		label.num = b->size > INT64_MAX ? INT64_MAX : (int64_t)b->size;
	else if (v[0] > 0)
		label.num = v[1] / v[0];
	return add_sample(a, b->stack, a->r->stacks[b->stack].n,
			  profile_labels_add(a->p, &label, label.num != 0), values);
}

static int
add_contention(struct adder *a, const struct reading_bucket *b)
{
	const struct reading_label_set *set = &a->r->label_sets[b->labels];
	double cycles = (double)b->values[1];
	int64_t values[TYPES_MAX] = { b->values[0] };

	/* The runtime counted every fraction-th one, and this version left it so. */
	if (a->r->head->kind == READING_MUTEX && !(a->rules & GO_MUTEX_SCALED) && a->r->head->rate > 0) {
		if (__builtin_mul_overflow(values[0], a->r->head->rate, &values[0]))
			values[0] = INT64_MAX;
		cycles *= (double)a->r->head->rate;
	}
	values[1] = a->r->head->kind == READING_BLOCK_ESTIMATE ? b->values[1]
							       : go_profile_ns(a->ticks_per_second, cycles);
	return add_sample(a, b->stack, a->r->stacks[b->stack].n,
			  add_labels(a, a->r->labels + set->first, set->n), values);
}

static int
add_buckets(struct adder *a)
{
	int e = 0;

	for (uint64_t i = 0; i < go_profile_buckets(a->r) && e == 0; i++)
		e = add_heap(a, &a->r->buckets[i]);
	return e;
}

static int
compare_cycles(const void *a, const void *b, void *reading)
{
	uint32_t ia = *(const uint32_t *)a, ib = *(const uint32_t *)b;
	const struct reading *r = reading;
	int64_t va = r->buckets[ia].values[1], vb = r->buckets[ib].values[1];

	if (va != vb)
		return va < vb ? 1 : -1;
	return (ia > ib) - (ia < ib);
}

uint32_t *
go_profile_order(const struct reading *r)
{
	uint32_t *order = malloc((size_t)r->head->buckets.n * sizeof(*order) + 1);

	for (uint64_t i = 0; order && i < r->head->buckets.n; i++)
		order[i] = (uint32_t)i;
	if (order)
		qsort_r(order, r->head->buckets.n, sizeof(*order), compare_cycles, (void *)(uintptr_t)r);
	return order;
}

static int
add_contentions(struct adder *a)
{
	uint32_t *order = go_profile_order(a->r);
	int e = order ? 0 : -ENOMEM;

	for (uint64_t i = 0; i < a->r->head->buckets.n && e == 0; i++)
		e = add_contention(a, &a->r->buckets[order[i]]);
	free(order);
	return e;
}

static int
add_counts(struct adder *a)
{
	struct go_groups groups;
	int e = go_groups_init(&groups, &a->p->room, a->r, go_rules_stack_max(a->rules));

	for (uint32_t i = 0; i < groups.list.n && e == 0; i++) {
		const struct go_group *group = &groups.list.at[i];
		const struct reading_label_set *set = &a->r->label_sets[group->labels];
		int64_t values[TYPES_MAX] = { group->count };

		e = add_sample(a, group->stack, group->n_pcs,
			       add_labels(a, groups.labels + set->first, set->n), values);
	}
	go_groups_fini(&groups);
	return e;
}

int
go_profile_add(struct profile *p, const struct go_samples *samples)
{
	static int (*const adds[READING_KINDS])(struct adder * a) = {
		[READING_HEAP] = add_buckets,        [READING_BLOCK] = add_contentions,
		[READING_MUTEX] = add_contentions,   [READING_BLOCK_ESTIMATE] = add_contentions,
		[READING_GOROUTINE] = add_counts,    [READING_LEAK] = add_counts,
		[READING_THREADCREATE] = add_counts,
	};
	const struct reading_head *h = samples->r->head;
	struct adder a = { .p = p,
			   .r = samples->r,
			   .g = samples->g,
			   .hidden = samples->hidden,
			   .shape = shapes[h->kind],
			   .part = samples->part,
			   .ticks_per_second = samples->ticks_per_second,
			   .rules = go_rules(h->go_minor),
			   .bytes = strings_text(&p->strings, "bytes"),
			   .goexit = strings_text(&p->strings, "runtime.goexit") };
	int e = -ENOMEM;

	if (a.bytes != STRINGS_NONE && a.goexit != STRINGS_NONE &&
	    room_take(&p->room, h->stacks.n * sizeof(*a.stacks)) == 0) {
		a.stacks = calloc(h->stacks.n + 1, sizeof(*a.stacks));
		e = a.stacks ? adds[h->kind](&a) : -ENOMEM;
	}
	free(a.stacks);
	return e;
}
