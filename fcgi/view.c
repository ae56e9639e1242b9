#include "config.h"

#include "fcgi/view.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What was found in the names of a function, of a location, of a stack. */
enum { SAYS_LOOKED = 1, SAYS_FOCUS = 2, SAYS_IGNORE = 4 };

/* What is needed only while the view is made. */
struct maker {
	struct view *v;
	const struct view_wish *wish;
	enum view_order order;
	uint32_t *first, *n; /* by stack: where its frames are in v->stacks, how many */
	uint8_t *stack_says, *location_says, *function_says; /* by number - 1, but stacks */
};

/* ---- sums */

uint64_t
view_size(int64_t value)
{
	return value < 0 ? -(uint64_t)value : (uint64_t)value;
}

/* Sums wrap, as those of every reader of pprof do: a node may have put any numbers there. */
static void
view_add(int64_t *sum, int64_t value)
{
	*sum = (int64_t)((uint64_t)*sum + (uint64_t)value);
}

uint64_t
view_least(const struct view *v, double min_pct)
{
	double least = (double)v->total_size[v->type] * min_pct / 100;

	/* Half a unit less, for what the division loses. */
	return least >= 1 ? (uint64_t)(least + 0.5) : least > 0;
}

/* ---- what can be shown */

static int
view_type(const struct profile *p, const struct view_wish *wish, uint32_t *type, struct err *why)
{
	char names[256] = "";
	size_t used = 0;

	*type = p->default_type < p->n_types ? p->default_type : p->n_types ? p->n_types - 1 : 0;
	if (!*wish->sample_type)
		return 0;
	for (uint32_t i = 0; i < p->n_types; i++) {
		const char *name = strings_get(&p->strings, p->types[i].type);

		if (!strcmp(name, wish->sample_type)) {
			*type = i;
			return 0;
		}
		if (used < sizeof(names))
			used += (size_t)snprintf(names + used, sizeof(names) - used, "%s%s", i ? ", " : "",
						 name);
	}
	return err_set(why, -ENOENT, "this profile has no sample_type \"%s\"; it has %s", wish->sample_type,
		       names);
}

static uint64_t
view_bytes(const struct profile *p)
{
	const uint64_t row = sizeof(struct view_row) + sizeof(uint64_t) * (p->n_types + 4u);
	uint64_t frames = 0;

	for (uint32_t i = 0; i < p->stacks.n; i++) {
		const struct profile_stack *stack = &p->stacks.at[i];

		for (uint32_t k = 0; k < stack->n; k++)
			frames += p->places.at[p->locs.at[p->frames.at[stack->first + k]].place].n_lines;
	}
	return frames * sizeof(uint32_t) + p->samples.n * row + p->stacks.n * (sizeof(uint32_t) + 1) +
	       frames_bytes(p);
}

int
view_check(const struct profile *p, const struct view_wish *wish, uint32_t *type, struct err *why)
{
	int r = p->n_types ? view_type(p, wish, type, why)
			   : err_set(why, -ENOENT, "the profile has no values");

	if (r == 0 && view_bytes(p) > VIEW_MEMORY_MAX)
		return err_set(why, -EFBIG,
			       "the profile is too large for this form: ask for fewer seconds, or for "
			       "format=pprof");
	return r;
}

/* ---- rows */

uint32_t
view_depth(const struct view_row *row)
{
	return row->n + (row->thread != FRAMES_NONE);
}

uint32_t
view_frame(const struct view *v, const struct view_row *row, uint32_t depth)
{
	if (row->thread != FRAMES_NONE) {
		if (depth == 0)
			return row->thread;
		depth--;
	}
	return v->stacks[row->first + depth];
}

int64_t
view_value(const struct view *v, uint32_t row, uint32_t type)
{
	return v->values[(size_t)row * v->p->n_types + type];
}

uint32_t *
view_used(const struct view *v, uint32_t *n)
{
	uint32_t *number = calloc((size_t)v->frames.n + 1, sizeof(*number));

	*n = 0;
	if (!number)
		return NULL;
	for (uint32_t i = 0; i < v->n_rows; i++)
		for (uint32_t k = 0; k < view_depth(&v->rows[i]); k++)
			number[view_frame(v, &v->rows[i], k)] = 1;
	for (uint32_t i = 0; i < v->frames.n; i++)
		if (number[i])
			number[i] = ++*n;
	return number;
}

/* ---- focus= and ignore= */

static uint8_t
maker_text_says(const struct maker *m, const char *text)
{
	uint8_t says = 0;

	if (*m->wish->focus && strstr(text, m->wish->focus))
		says |= SAYS_FOCUS;
	if (*m->wish->ignore && strstr(text, m->wish->ignore))
		says |= SAYS_IGNORE;
	return says;
}

static uint8_t
maker_function_says(struct maker *m, uint32_t number)
{
	const struct strings *strings = &m->v->p->strings;
	const struct profile_line *line = &m->v->p->lines.at[m->v->ids->functions[number - 1]];
	uint8_t *says = &m->function_says[number - 1];

	if (!*says)
		*says = SAYS_LOOKED | maker_text_says(m, strings_get(strings, line->name)) |
			maker_text_says(m, strings_get(strings, line->file));
	return *says;
}

static uint8_t
maker_location_says(struct maker *m, uint32_t number)
{
	const struct profile *p = m->v->p;
	const struct profile_loc *loc = &p->locs.at[m->v->ids->locations[number - 1]];
	const struct profile_place *place = &p->places.at[loc->place];
	uint8_t *says = &m->location_says[number - 1];

	if (*says)
		return *says;
	*says = SAYS_LOOKED |
		maker_text_says(m, strings_get(&p->strings, profile_map_file(&p->maps.at[loc->map])));
	for (uint32_t i = place->line; i < place->line + place->n_lines; i++)
		*says |= maker_function_says(m, m->v->ids->function[i]);
	return *says;
}

/* ---- stacks */

static uint32_t
maker_stack_n(const struct maker *m, const struct profile_stack *stack)
{
	const struct frames *f = &m->v->frames;
	uint32_t n = 0;

	for (uint32_t i = stack->first; i < stack->first + stack->n; i++) {
		uint32_t number = m->v->ids->location[m->v->p->frames.at[i]];

		n += f->first[number] - f->first[number - 1];
	}
	return n;
}

static void
maker_stack(struct maker *m, uint32_t which)
{
	const struct profile_stack *stack = &m->v->p->stacks.at[which];
	const struct frames *f = &m->v->frames;
	uint32_t to = m->first[which];
	uint8_t says = SAYS_LOOKED;
	bool look = *m->wish->focus || *m->wish->ignore;

	for (uint32_t i = stack->first + stack->n; i-- > stack->first;) {
		uint32_t number = m->v->ids->location[m->v->p->frames.at[i]];

		if (look)
			says |= maker_location_says(m, number);
		for (uint32_t k = f->first[number - 1]; k < f->first[number]; k++)
			m->v->stacks[to++] = f->of[k];
	}
	m->stack_says[which] = says;
}

/* The frames of each stack that has samples, behind each other. */
static int
maker_stacks(struct maker *m)
{
	const struct ids *ids = m->v->ids;
	uint32_t n = 0;

	for (uint32_t i = 0; i < ids->n_samples; i++) {
		uint32_t which = ids->samples[i].stack;

		if (m->n[which])
			continue;
		m->first[which] = n;
		m->n[which] = maker_stack_n(m, &m->v->p->stacks.at[which]);
		n += m->n[which];
	}
	m->v->stacks = malloc(((size_t)n + 1) * sizeof(*m->v->stacks));
	if (!m->v->stacks)
		return -ENOMEM;
	for (uint32_t i = 0; i < ids->n_samples; i++)
		if (!m->stack_says[ids->samples[i].stack])
			maker_stack(m, ids->samples[i].stack);
	return 0;
}

/* ---- rows */

static bool
maker_wanted(const struct maker *m, const struct profile_sample *s)
{
	uint8_t says = m->stack_says[s->stack];

	if (m->v->frames.group == FRAMES_THREAD && s->tid)
		says |= maker_text_says(
			m, strings_get(&m->v->p->strings, profile_thread_name(m->v->p, s->tid)));
	return (!*m->wish->focus || says & SAYS_FOCUS) && !(says & SAYS_IGNORE);
}

static void
maker_rows(struct maker *m)
{
	struct view *v = m->v;
	const struct ids *ids = v->ids;

	for (uint32_t i = 0; i < ids->n_samples; i++) {
		const struct profile_sample *s = &ids->samples[i];
		const int64_t *values = &ids->values[(size_t)i * v->p->n_types];
		bool wanted = maker_wanted(m, s);

		for (uint32_t k = 0; k < v->p->n_types; k++) {
			view_add(&v->total[k], values[k]);
			v->total_size[k] += view_size(values[k]);
			v->negative[k] |= values[k] < 0;
			if (!wanted)
				continue;
			view_add(&v->shown[k], values[k]);
			v->shown_size[k] += view_size(values[k]);
		}
		if (!wanted)
			continue;
		v->rows[v->n_rows++] = (struct view_row){
			.sample = i,
			.first = m->first[s->stack],
			.n = m->n[s->stack],
			.thread = v->frames.group == FRAMES_THREAD ? frames_thread(&v->frames, s->tid)
								   : FRAMES_NONE,
		};
		if (m->order == VIEW_TABLE && v->frames.group == FRAMES_THREAD)
			v->rows[v->n_rows - 1].n = 0;
	}
}

static int
view_compare_rows(const void *left, const void *right, void *ctx)
{
	const struct view_row *a = left, *b = right;
	const struct view *v = ctx;
	const uint32_t *frames_a = v->stacks + a->first, *frames_b = v->stacks + b->first;
	uint32_t n = a->n < b->n ? a->n : b->n;

	if (a->thread != b->thread)
		return a->thread < b->thread ? -1 : 1;
	if (a->first == b->first)
		return 0;
	for (uint32_t i = 0; i < n; i++)
		if (frames_a[i] != frames_b[i])
			return frames_a[i] < frames_b[i] ? -1 : 1;
	return (a->n > b->n) - (a->n < b->n);
}

/* In order, each stack once; and the values of all rows. */
static void
maker_values(struct maker *m)
{
	struct view *v = m->v;
	const size_t types = v->p->n_types;
	uint32_t kept = 0;

	if (m->order == VIEW_SORTED)
		qsort_r(v->rows, v->n_rows, sizeof(*v->rows), view_compare_rows, v);
	for (uint32_t i = 0; i < v->n_rows; i++) {
		const struct view_row row = v->rows[i];
		const int64_t *values = &v->ids->values[row.sample * types];
		bool again = m->order == VIEW_SORTED && kept &&
			     view_compare_rows(&v->rows[kept - 1], &row, v) == 0;
		uint32_t to = again ? kept - 1 : kept++;

		if (!again)
			v->rows[to] = row;
		for (size_t k = 0; k < types; k++)
			view_add(&v->values[to * types + k], values[k]);
		if (view_depth(&row) > v->depth)
			v->depth = view_depth(&row);
	}
	v->n_rows = kept;
}

static int
maker_alloc(struct maker *m)
{
	const struct profile *p = m->v->p;
	const struct ids *ids = m->v->ids;

	m->first = calloc((size_t)p->stacks.n + 1, sizeof(*m->first));
	m->n = calloc((size_t)p->stacks.n + 1, sizeof(*m->n));
	m->stack_says = calloc((size_t)p->stacks.n + 1, 1);
	m->location_says = calloc((size_t)ids->n_locations + 1, 1);
	m->function_says = calloc((size_t)ids->n_functions + 1, 1);
	m->v->rows = calloc((size_t)ids->n_samples + 1, sizeof(*m->v->rows));
	m->v->values = calloc((size_t)ids->n_samples * p->n_types + 1, sizeof(*m->v->values));
	return m->first && m->n && m->stack_says && m->location_says && m->function_says && m->v->rows &&
			       m->v->values
		       ? 0
		       : -ENOMEM;
}

int
view_init(struct view *v, const struct profile *p, const struct ids *ids, const struct view_wish *wish,
	  enum frames_group group, enum view_order order)
{
	struct maker m = { .v = v, .wish = wish, .order = order };
	int r;

	memset(v, 0, sizeof(*v));
	v->p = p;
	v->ids = ids;
	v->one_type = *wish->sample_type;
	view_type(p, wish, &v->type, NULL);
	r = frames_init(&v->frames, p, ids, wish->group ? wish->group : group);
	if (r == 0)
		r = maker_alloc(&m);
	if (r == 0)
		r = maker_stacks(&m);
	if (r == 0) {
		maker_rows(&m);
		maker_values(&m);
	}
	free(m.first);
	free(m.n);
	free(m.stack_says);
	free(m.location_says);
	free(m.function_says);
	return r;
}

void
view_fini(struct view *v)
{
	frames_fini(&v->frames);
	free(v->stacks);
	free(v->rows);
	free(v->values);
	memset(v, 0, sizeof(*v));
}

/* ---- fewer rows */

static int
compare_sizes_down(const void *left, const void *right)
{
	uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;

	return (a < b) - (a > b);
}

static uint64_t
view_row_size(const struct view *v, uint32_t row)
{
	return view_size(view_value(v, row, v->type));
}

/* The size of the smallest row that stays; how many of just that size do is *of_it. */
static int
view_smallest(const struct view *v, uint32_t limit, uint64_t *size, uint32_t *of_it)
{
	uint64_t *sizes = malloc(((size_t)v->n_rows + 1) * sizeof(*sizes));

	if (!sizes)
		return -ENOMEM;
	for (uint32_t i = 0; i < v->n_rows; i++)
		sizes[i] = view_row_size(v, i);
	qsort(sizes, v->n_rows, sizeof(*sizes), compare_sizes_down);
	*size = sizes[limit - 1];
	for (*of_it = 0; *of_it < limit && sizes[limit - 1 - *of_it] == *size;)
		++*of_it;
	free(sizes);
	return 0;
}

int
view_trim(struct view *v, uint64_t least, uint32_t limit)
{
	const size_t types = v->p->n_types;
	uint64_t smallest = 0;
	uint32_t of_it = UINT32_MAX, kept = 0;
	int r = 0;

	if (limit && limit < v->n_rows)
		r = view_smallest(v, limit, &smallest, &of_it);
	for (uint32_t i = 0; i < v->n_rows && r == 0; i++) {
		int64_t *values = &v->values[i * types];
		uint64_t size = types ? view_row_size(v, i) : 0;

		if (size < least || size < smallest || (size == smallest && !of_it)) {
			v->trimmed++;
			for (size_t k = 0; k < types; k++) {
				view_add(&v->trimmed_values[k], values[k]);
				v->trimmed_sizes[k] += view_size(values[k]);
			}
			continue;
		}
		of_it -= size == smallest;
		v->rows[kept] = v->rows[i];
		memmove(&v->values[kept++ * types], values, types * sizeof(*values));
	}
	if (r == 0)
		v->n_rows = kept;
	return r;
}
