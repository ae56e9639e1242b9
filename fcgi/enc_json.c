#include "config.h"

#include "fcgi/enc_forms.h"

#include <errno.h>
#include <stdlib.h>

#include "base/wire.h"
#include "fcgi/comments.h"
#include "fcgi/doc.h"
#include "fcgi/labels.h"

static const char *
string(const struct profile *p, uint32_t which)
{
	return strings_get(&p->strings, which);
}

/* ---- the head */

static void
json_types(struct jsonw *j, const struct profile *p, const struct view *v)
{
	jsonw_object(j, "period");
	jsonw_text(j, "type", string(p, p->period_type.type));
	jsonw_text(j, "unit", string(p, p->period_type.unit));
	jsonw_int(j, "value", p->period);
	jsonw_object_end(j);
	jsonw_list(j, "sample_types");
	for (uint32_t i = 0; i < p->n_types; i++) {
		jsonw_object(j, NULL);
		jsonw_text(j, "type", string(p, p->types[i].type));
		jsonw_text(j, "unit", string(p, p->types[i].unit));
		jsonw_object_end(j);
	}
	jsonw_list_end(j);
	jsonw_text(j, "default_sample_type", string(p, p->types[v->type].type));
	jsonw_text(j, "group", doc_group(v->frames.group));
}

static void
json_sums(struct jsonw *j, const struct view *v)
{
	bool is_signed = false;

	jsonw_list(j, "totals");
	for (uint32_t i = 0; i < v->p->n_types; i++)
		jsonw_int(j, NULL, v->total[i]);
	jsonw_list_end(j);
	jsonw_list(j, "matched");
	for (uint32_t i = 0; i < v->p->n_types; i++)
		jsonw_int(j, NULL, v->shown[i]);
	jsonw_list_end(j);
	for (uint32_t i = 0; i < v->p->n_types; i++)
		is_signed |= v->negative[i];
	jsonw_bool(j, "signed", is_signed);
}

/* Of a window; a snapshot of a Go program's own counters has none. */
static void
json_quality(struct jsonw *j, const struct profile *p)
{
	static const char *const ends[] = {
		[WIRE_END_TIME] = "time",
		[WIRE_END_EXIT] = "exit",
		[WIRE_END_STOPPED] = "stopped",
	};
	const struct profile_window *w = &p->window;
	const struct {
		const char *name;
		uint64_t count;
	} counts[] = {
		{ "samples", w->samples },         { "lost", w->lost },
		{ "throttled", w->throttled },     { "late", w->late },
		{ "guessed", w->guessed },         { "truncated", w->truncated },
		{ "user_stacks", w->user_stacks }, { "rooted", w->rooted },
	};

	if (!w->event)
		return;
	jsonw_object(j, "quality");
	jsonw_text(j, "event", string(p, w->event));
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
		jsonw_uint(j, counts[i].name, counts[i].count);
	if (w->is_clock)
		jsonw_uint(j, "cpu_ns", w->cpu_ns);
	jsonw_percent(j, "unsymbolized_pct", comments_unnamed_percent(p));
	if (w->reason < sizeof(ends) / sizeof(ends[0]))
		jsonw_text(j, "ended_by", ends[w->reason]);
	jsonw_object_end(j);
}

static void
json_comments(struct jsonw *j, const struct profile *p)
{
	jsonw_list(j, "comments");
	for (uint32_t i = 0; i < p->comments.n; i++)
		jsonw_text(j, NULL, string(p, p->comments.at[i]));
	jsonw_list_end(j);
}

/* ---- what samples are made of */

static void
json_mappings(struct jsonw *j, const struct view *v)
{
	const struct profile *p = v->p;

	jsonw_newline(j);
	jsonw_list(j, "mappings");
	for (uint32_t i = 0; i < v->ids->n_mappings; i++) {
		const struct profile_map *map = &p->maps.at[v->ids->mappings[i]];

		jsonw_newline(j);
		jsonw_object(j, NULL);
		jsonw_text(j, "file", string(p, profile_map_file(map)));
		if (map->object != PROFILE_NONE)
			jsonw_text(j, "build_id", string(p, p->objects.at[map->object].build_id));
		if (map->kind != WIRE_MAP_PSEUDO && !map->link_time) {
			jsonw_hex(j, "start", map->start);
			jsonw_hex(j, "limit", map->end);
			jsonw_hex(j, "offset", map->pgoff);
		}
		jsonw_object_end(j);
	}
	jsonw_list_end(j);
}

/* As much of a frame as its group tells. */
static void
json_frame(struct jsonw *j, const struct view *v, const struct frame *f)
{
	enum frames_group group = v->frames.group;

	jsonw_newline(j);
	jsonw_object(j, NULL);
	if (f->thread) {
		jsonw_text(j, "thread", string(v->p, f->name));
		jsonw_int(j, "tid", f->tid);
		jsonw_object_end(j);
		return;
	}
	jsonw_text(j, "name", string(v->p, f->name));
	jsonw_text(j, "system_name", string(v->p, f->system_name));
	jsonw_text(j, "file", string(v->p, f->file));
	if (group != FRAMES_FUNCTION && group != FRAMES_THREAD)
		jsonw_int(j, "line", f->line);
	if (group == FRAMES_ADDRESS && f->address)
		jsonw_hex(j, "address", f->address);
	jsonw_int(j, "mapping", (int64_t)f->mapping - 1);
	if (group == FRAMES_EXACT || group == FRAMES_ADDRESS)
		jsonw_bool(j, "inlined", f->inlined);
	jsonw_object_end(j);
}

static void
json_label_value(struct jsonw *j, const struct profile *p, const struct profile_label *label,
		 const char *name)
{
	if (label->str)
		jsonw_text(j, name, string(p, label->str));
	else
		jsonw_int(j, name, label->num);
}

/* A key that is there once has its value, one that is there more often a list of them. */
static void
json_labels(struct jsonw *j, const struct profile *p, const struct profile_sample *s)
{
	struct profile_label labels[PROFILE_LABELS_MAX];
	uint32_t n = labels_of(p, s, labels);

	jsonw_object(j, "labels");
	for (uint32_t i = 0; i < n; i++) {
		uint32_t first = 0, same = 0;

		while (labels[first].key != labels[i].key)
			first++;
		for (uint32_t k = 0; k < n; k++)
			same += labels[k].key == labels[i].key;
		if (first < i)
			continue;
		jsonw_name_text(j, string(p, labels[i].key));
		if (same == 1) {
			json_label_value(j, p, &labels[i], NULL);
			continue;
		}
		jsonw_list(j, NULL);
		for (uint32_t k = i; k < n; k++)
			if (labels[k].key == labels[i].key)
				json_label_value(j, p, &labels[k], NULL);
		jsonw_list_end(j);
	}
	jsonw_object_end(j);
}

static void
json_sample(struct jsonw *j, const struct view *v, uint32_t i, const uint32_t *number)
{
	const struct view_row *row = &v->rows[i];

	jsonw_newline(j);
	jsonw_object(j, NULL);
	jsonw_list(j, "stack");
	for (uint32_t k = view_depth(row); k-- > 0;)
		jsonw_int(j, NULL, number[view_frame(v, row, k)] - 1);
	jsonw_list_end(j);
	jsonw_list(j, "values");
	for (uint32_t k = 0; k < v->p->n_types; k++)
		jsonw_int(j, NULL, view_value(v, i, k));
	jsonw_list_end(j);
	json_labels(j, v->p, &v->ids->samples[row->sample]);
	jsonw_object_end(j);
}

void
enc_json(const struct form_of *of, struct view *v, struct sink *to)
{
	uint32_t *number = NULL, n;
	struct jsonw j;

	doc_begin(&j, of, to, "pprofd.profile/1");
	json_types(&j, of->p, v);
	json_sums(&j, v);
	json_quality(&j, of->p);
	json_comments(&j, of->p);
	if (view_trim(v, view_least(v, of->wish->min_pct), of->wish->limit) == 0)
		number = view_used(v, &n);
	if (!number) {
		to->error = -ENOMEM;
		return;
	}
	json_mappings(&j, v);
	jsonw_newline(&j);
	jsonw_list(&j, "frames");
	for (uint32_t i = 0; i < v->frames.n && !sink_error(to); i++)
		if (number[i])
			json_frame(&j, v, &v->frames.at[i]);
	jsonw_list_end(&j);
	jsonw_newline(&j);
	jsonw_list(&j, "samples");
	for (uint32_t i = 0; i < v->n_rows && !sink_error(to); i++)
		json_sample(&j, v, i, number);
	jsonw_list_end(&j);
	jsonw_bool(&j, "truncated", v->trimmed > 0);
	doc_end(&j);
	free(number);
}
