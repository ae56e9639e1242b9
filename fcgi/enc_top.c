#include "config.h"

#include "fcgi/enc_forms.h"

#include <errno.h>
#include <stdlib.h>

#include "fcgi/doc.h"

struct top_row {
	uint32_t frame;
	int64_t flat, cum;
	uint32_t seen; /* 1 + the last row of the view in which it was counted */
};

static void
top_add(int64_t *sum, int64_t value)
{
	*sum = (int64_t)((uint64_t)*sum + (uint64_t)value);
}

/* A function that is in a stack more than once counts once. */
static void
top_count(const struct view *v, struct top_row *rows)
{
	for (uint32_t i = 0; i < v->n_rows; i++) {
		const struct view_row *row = &v->rows[i];
		int64_t value = view_value(v, i, v->type);
		uint32_t depth = view_depth(row);

		for (uint32_t k = 0; k < depth; k++) {
			struct top_row *top = &rows[view_frame(v, row, k)];

			if (top->seen != i + 1)
				top_add(&top->cum, value);
			top->seen = i + 1;
			if (k + 1 == depth)
				top_add(&top->flat, value);
		}
	}
}

static int
top_compare(const void *left, const void *right)
{
	const struct top_row *a = left, *b = right;
	uint64_t flat_a = view_size(a->flat), flat_b = view_size(b->flat);
	uint64_t cum_a = view_size(a->cum), cum_b = view_size(b->cum);

	if (flat_a != flat_b)
		return flat_a < flat_b ? 1 : -1;
	if (cum_a != cum_b)
		return cum_a < cum_b ? 1 : -1;
	return (a->frame > b->frame) - (a->frame < b->frame);
}

static void
top_name(struct jsonw *j, const struct view *v, const struct frame *f)
{
	const struct strings *strings = &v->p->strings;
	enum frames_group group = v->frames.group;

	if (f->thread) {
		jsonw_text(j, "thread", strings_get(strings, f->name));
		jsonw_int(j, "tid", f->tid);
		return;
	}
	jsonw_text(j, "function", strings_get(strings, f->name));
	jsonw_text(j, "file", strings_get(strings, f->file));
	if (group == FRAMES_LINE || group == FRAMES_ADDRESS)
		jsonw_int(j, "line", f->line);
	if (group == FRAMES_ADDRESS)
		jsonw_hex(j, "address", f->address);
}

static void
top_write_row(struct jsonw *j, const struct view *v, const struct top_row *row)
{
	uint64_t total = v->total_size[v->type];

	jsonw_newline(j);
	jsonw_object(j, NULL);
	top_name(j, v, &v->frames.at[row->frame]);
	jsonw_int(j, "flat", row->flat);
	jsonw_percent(j, "flat_pct", doc_percent(row->flat, total));
	jsonw_int(j, "cum", row->cum);
	jsonw_percent(j, "cum_pct", doc_percent(row->cum, total));
	jsonw_object_end(j);
}

void
enc_top(const struct form_of *of, struct view *v, struct sink *to)
{
	struct top_row *rows = calloc((size_t)v->frames.n + 1, sizeof(*rows));
	uint64_t least = view_least(v, of->wish->min_pct);
	uint32_t n = 0, written = 0;
	struct jsonw j;

	doc_begin(&j, of, to, "pprofd.top/1");
	doc_type(&j, v);
	jsonw_list(&j, "rows");
	if (!rows) {
		to->error = -ENOMEM;
		return;
	}
	for (uint32_t i = 0; i < v->frames.n; i++)
		rows[i].frame = i;
	top_count(v, rows);
	qsort(rows, v->frames.n, sizeof(*rows), top_compare);
	for (uint32_t i = 0; i < v->frames.n && !sink_error(to); i++) {
		if (!rows[i].seen)
			continue;
		n++;
		if (view_size(rows[i].cum) < least || (of->wish->limit && written >= of->wish->limit))
			continue;
		top_write_row(&j, v, &rows[i]);
		written++;
	}
	jsonw_list_end(&j);
	jsonw_int(&j, "rows_total", n);
	jsonw_bool(&j, "truncated", written < n);
	doc_end(&j);
	free(rows);
}
