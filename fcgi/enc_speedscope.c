#include "config.h"

#include "fcgi/enc_forms.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fcgi/doc.h"

#define SCHEMA "https://www.speedscope.app/file-format-schema.json"

struct scope {
	struct jsonw j;
	const struct form_of *of;
	const struct view *v;
	uint32_t *number; /* of frames, from 1; 0: in no stack */
	uint32_t rest;    /* the frame that stands for what was trimmed away */
};

/* Which part of the values a profile shows: speedscope's widths are never negative. */
enum part { PART_ALL, PART_MORE, PART_LESS };

/* speedscope's units; it refuses others (its file-format-schema.json, 1.25.0). */
static const char *
scope_unit(const char *unit)
{
	static const char *const units[] = { "nanoseconds", "microseconds", "milliseconds", "seconds",
					     "bytes" };

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (!strcmp(units[i], unit))
			return units[i];
	return "none";
}

static int64_t
scope_weight(int64_t value, enum part part)
{
	if (part == PART_ALL)
		return value;
	if ((value < 0) != (part == PART_LESS))
		return 0;
	return view_size(value) > INT64_MAX ? INT64_MAX : (int64_t)view_size(value);
}

static int64_t
scope_rest(const struct view *v, uint32_t type, enum part part)
{
	uint64_t size = v->trimmed_sizes[type], value = (uint64_t)v->trimmed_values[type];

	return (int64_t)(part == PART_LESS ? (size - value) / 2 : (size + value) / 2);
}

static void
scope_frames(struct scope *s)
{
	const struct view *v = s->v;
	const struct strings *strings = &v->p->strings;
	struct buf scratch;

	buf_init(&scratch, 0);
	jsonw_object(&s->j, "shared");
	jsonw_list(&s->j, "frames");
	for (uint32_t i = 0; i < v->frames.n && !sink_error(s->j.to); i++) {
		const struct frame *f = &v->frames.at[i];
		bool by_name = v->frames.group == FRAMES_LINE && !f->thread;

		if (!s->number[i])
			continue;
		jsonw_newline(&s->j);
		jsonw_object(&s->j, NULL);
		/* A line has its own members. */
		jsonw_text(&s->j, "name",
			   by_name ? strings_get(strings, f->name) : frames_label(&v->frames, i, &scratch));
		if (f->file)
			jsonw_text(&s->j, "file", strings_get(strings, f->file));
		if (by_name && f->line)
			jsonw_int(&s->j, "line", f->line);
		jsonw_object_end(&s->j);
	}
	if (v->trimmed) {
		jsonw_object(&s->j, NULL);
		jsonw_name(&s->j, "name");
		sink_printf(s->j.to, "\"[%u not shown]\"", v->trimmed);
		s->j.comma = true;
		jsonw_object_end(&s->j);
	}
	jsonw_list_end(&s->j);
	jsonw_object_end(&s->j);
	buf_fini(&scratch);
}

static void
scope_stacks(struct scope *s, uint32_t type, enum part part)
{
	jsonw_list(&s->j, "samples");
	for (uint32_t i = 0; i < s->v->n_rows && !sink_error(s->j.to); i++) {
		const struct view_row *row = &s->v->rows[i];

		if (!scope_weight(view_value(s->v, i, type), part))
			continue;
		jsonw_newline(&s->j);
		jsonw_list(&s->j, NULL);
		for (uint32_t k = 0; k < view_depth(row); k++)
			jsonw_int(&s->j, NULL, s->number[view_frame(s->v, row, k)] - 1);
		jsonw_list_end(&s->j);
	}
	if (scope_rest(s->v, type, part)) {
		jsonw_list(&s->j, NULL);
		jsonw_int(&s->j, NULL, s->rest);
		jsonw_list_end(&s->j);
	}
	jsonw_list_end(&s->j);
}

static void
scope_weights(struct scope *s, uint32_t type, enum part part)
{
	int64_t rest = scope_rest(s->v, type, part);
	uint64_t sum = (uint64_t)rest;

	jsonw_list(&s->j, "weights");
	for (uint32_t i = 0; i < s->v->n_rows && !sink_error(s->j.to); i++) {
		int64_t weight = scope_weight(view_value(s->v, i, type), part);

		if (weight)
			jsonw_int(&s->j, NULL, weight);
		sum += (uint64_t)weight;
	}
	if (rest)
		jsonw_int(&s->j, NULL, rest);
	jsonw_list_end(&s->j);
	jsonw_int(&s->j, "startValue", 0);
	jsonw_uint(&s->j, "endValue", sum);
}

static void
scope_profile(struct scope *s, uint32_t type, enum part part)
{
	static const char *const behind[] = {
		[PART_ALL] = "", [PART_MORE] = ": more", [PART_LESS] = ": less"
	};
	const struct strings *strings = &s->v->p->strings;
	const struct profile_type *t = &s->v->p->types[type];
	struct buf name;

	buf_init(&name, STRINGS_LENGTH_MAX + 16);
	buf_text(&name, strings_get(strings, t->type));
	buf_text(&name, behind[part]);
	buf_u8(&name, '\0');
	jsonw_newline(&s->j);
	jsonw_object(&s->j, NULL);
	jsonw_text(&s->j, "type", "sampled");
	jsonw_text(&s->j, "name", buf_error(&name) ? "?" : (const char *)name.data);
	jsonw_text(&s->j, "unit", scope_unit(strings_get(strings, t->unit)));
	scope_stacks(s, type, part);
	scope_weights(s, type, part);
	jsonw_object_end(&s->j);
	buf_fini(&name);
}

/* One of each type; of a type with negative values two. */
static void
scope_profiles(struct scope *s)
{
	const struct view *v = s->v;
	uint32_t n = 0, active = 0;

	jsonw_newline(&s->j);
	jsonw_list(&s->j, "profiles");
	for (uint32_t i = 0; i < v->p->n_types && !sink_error(s->j.to); i++) {
		if (v->one_type && i != v->type)
			continue;
		if (i == v->type)
			active = n;
		scope_profile(s, i, v->negative[i] ? PART_MORE : PART_ALL);
		n++;
		if (v->negative[i]) {
			scope_profile(s, i, PART_LESS);
			n++;
		}
	}
	jsonw_list_end(&s->j);
	jsonw_int(&s->j, "activeProfileIndex", active);
}

static void
scope_name(struct scope *s)
{
	const struct profile *p = s->of->p;
	struct buf name;

	buf_init(&name, 2 * STRINGS_LENGTH_MAX);
	buf_printf(&name, "%s of %s", s->of->name,
		   p->node.comm ? strings_get(&p->strings, p->node.comm) : "the node");
	if (p->node.pid)
		buf_printf(&name, " (pid %u)", p->node.pid);
	buf_u8(&name, '\0');
	jsonw_text(&s->j, "name", buf_error(&name) ? s->of->name : (const char *)name.data);
	buf_fini(&name);
}

void
enc_speedscope(const struct form_of *of, struct view *v, struct sink *to)
{
	struct scope s = { .of = of, .v = v };

	jsonw_init(&s.j, to);
	jsonw_object(&s.j, NULL);
	jsonw_text(&s.j, "$schema", SCHEMA);
	jsonw_text(&s.j, "exporter", "pprofd " PACKAGE_VERSION);
	scope_name(&s);
	if (view_trim(v, view_least(v, of->wish->min_pct), of->wish->limit) == 0)
		s.number = view_used(v, &s.rest);
	if (!s.number) {
		to->error = -ENOMEM;
		return;
	}
	scope_frames(&s);
	scope_profiles(&s);
	jsonw_object_end(&s.j);
	jsonw_newline(&s.j);
	free(s.number);
}
