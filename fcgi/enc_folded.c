#include "config.h"

#include "fcgi/enc_forms.h"

#include <errno.h>
#include <string.h>

/* Where a number at the end of a name begins that readers would take for one of their two columns: the
 * place of the blank in front of it, or the name's end. */
static size_t
folded_number_at(const char *label)
{
	size_t n = strlen(label), at = n;

	while (at && strchr("0123456789.", label[at - 1]))
		at--;
	return at && at < n && label[at - 1] == ' ' ? at - 1 : n;
}

/* The separator cannot stand in a name, and an empty name is no frame. Other characters that would do
 * harm (line ends) are not in strings of a profile. */
static void
folded_label(struct sink *to, const char *label, bool last)
{
	size_t number_at;

	if (!*label)
		label = "[unknown]";
	number_at = last ? folded_number_at(label) : strlen(label);
	for (size_t i = 0; label[i]; i++) {
		const char *as = label[i] == ';' ? ":" : i == number_at ? "_" : label + i;

		sink_add(to, as, 1);
	}
}

/* What FlameGraph's difffolded.pl writes: before and after. Here one of them is always nothing. */
static void
folded_numbers(struct sink *to, bool negative, int64_t less, int64_t more)
{
	sink_add(to, " ", 1);
	if (negative) {
		sink_int(to, less);
		sink_add(to, " ", 1);
	}
	sink_int(to, more);
	sink_add(to, "\n", 1);
}

void
enc_folded(const struct form_of *of, struct view *v, struct sink *to)
{
	bool negative = v->negative[v->type];
	struct buf scratch;

	if (view_trim(v, view_least(v, of->wish->min_pct), of->wish->limit) < 0) {
		to->error = -ENOMEM;
		return;
	}
	buf_init(&scratch, 0);
	for (uint32_t i = 0; i < v->n_rows && !sink_error(to); i++) {
		const struct view_row *row = &v->rows[i];
		int64_t value = view_value(v, i, v->type);

		if (!value)
			continue;
		for (uint32_t k = 0; k < view_depth(row); k++) {
			if (k)
				sink_add(to, ";", 1);
			folded_label(to, frames_label(&v->frames, view_frame(v, row, k), &scratch),
				     k + 1 == view_depth(row));
		}
		folded_numbers(to, negative, value < 0 ? (int64_t)view_size(value) : 0,
			       value > 0 ? value : 0);
	}
	if (v->trimmed_sizes[v->type]) {
		uint64_t size = v->trimmed_sizes[v->type];
		int64_t value = v->trimmed_values[v->type];

		sink_printf(to, "[%u not shown]", v->trimmed);
		folded_numbers(to, negative, (int64_t)((size - (uint64_t)value) / 2),
			       (int64_t)((size + (uint64_t)value) / 2));
	}
	buf_fini(&scratch);
}
