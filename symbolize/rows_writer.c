#include "config.h"

#include "symbolize/rows_writer.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WIDE_LOOK_BACK 16 /* a function's wide offsets are few and near each other */

void
rows_writer_init(struct rows_writer *w)
{
	memset(w, 0, sizeof(*w));
}

void
rows_writer_fini(struct rows_writer *w)
{
	free(w->rows);
	free(w->wide);
	rows_writer_init(w);
}

int
rows_writer_add(struct rows_writer *w, struct row row)
{
	if (w->n == w->cap) {
		size_t cap = w->cap ? w->cap * 2 : 4096;
		struct row *rows;

		if (w->n >= ROWS_MAX)
			return -EFBIG;
		rows = realloc(w->rows, cap * sizeof(*rows));
		if (!rows)
			return -ENOMEM;
		w->rows = rows;
		w->cap = cap;
	}
	w->rows[w->n++] = row;
	return 0;
}

/* Index of a wide offset, -EFBIG where the table is full, or -ENOMEM. */
static int
wide_index(struct rows_writer *w, int32_t bytes)
{
	for (size_t i = 0; i < WIDE_LOOK_BACK && i < w->n_wide; i++)
		if (w->wide[w->n_wide - 1 - i] == bytes)
			return (int)(w->n_wide - 1 - i);
	if (w->n_wide >= ROWS_WIDE_MAX)
		return -EFBIG;
	if (w->n_wide == w->cap_wide) {
		size_t cap = w->cap_wide ? w->cap_wide * 2 : 64;
		int32_t *wide = realloc(w->wide, cap * sizeof(*wide));

		if (!wide)
			return -ENOMEM;
		w->wide = wide;
		w->cap_wide = cap;
	}
	w->wide[w->n_wide] = bytes;
	return (int)w->n_wide++;
}

int
rows_writer_add_cfa(struct rows_writer *w, uint32_t place, enum row_rule rule, int64_t cfa_bytes,
		    uint8_t fp)
{
	struct row row = { .place = place, .rule = (uint8_t)rule, .fp = fp };
	int i;

	if (cfa_bytes % 8 == 0 && cfa_bytes / 8 >= INT16_MIN && cfa_bytes / 8 <= INT16_MAX) {
		row.cfa = (int16_t)(cfa_bytes / 8);
		return rows_writer_add(w, row);
	}
	i = cfa_bytes >= INT32_MIN && cfa_bytes <= INT32_MAX ? wide_index(w, (int32_t)cfa_bytes) : -EFBIG;
	if (i == -ENOMEM)
		return -ENOMEM;
	if (i < 0)
		return rows_writer_add(w, (struct row){ .place = place, .rule = ROW_NONE });
	row.rule = rule == ROW_FP ? ROW_FP_WIDE : ROW_SP_WIDE;
	row.cfa = (int16_t)(uint16_t)i;
	return rows_writer_add(w, row);
}

static bool
is_sorted(const struct rows_writer *w)
{
	for (size_t i = 1; i < w->n; i++)
		if (w->rows[i].place < w->rows[i - 1].place)
			return false;
	return true;
}

/* Stable, three passes of eleven bits. */
static int
sort_rows(struct rows_writer *w)
{
	struct row *from = w->rows, *to = malloc(w->n * sizeof(*to));

	if (!to)
		return -ENOMEM;
	for (unsigned int shift = 0; shift < 33; shift += 11) {
		size_t start[2049] = { 0 };
		struct row *swap;

		for (size_t i = 0; i < w->n; i++)
			start[((from[i].place >> shift) & 2047) + 1]++;
		for (size_t i = 1; i < 2048; i++)
			start[i] += start[i - 1];
		for (size_t i = 0; i < w->n; i++)
			to[start[(from[i].place >> shift) & 2047]++] = from[i];
		swap = from;
		from = to;
		to = swap;
	}
	w->rows = from; /* an odd number of passes: the new one */
	w->cap = w->n;
	free(to);
	return 0;
}

static bool
same_rule(const struct row *a, const struct row *b)
{
	if (a->rule == ROW_NONE || a->rule == ROW_ROOT)
		return a->rule == b->rule;
	return a->cfa == b->cfa && a->rule == b->rule && a->fp == b->fp;
}

/* Of the rows from i on that share a place, the one that counts; *next: the first of another place. */
static struct row
winner(const struct rows_writer *w, size_t i, size_t *next)
{
	struct row row = w->rows[i];

	while (++i < w->n && w->rows[i].place == row.place)
		if (w->rows[i].rule != ROW_NONE)
			row = w->rows[i];
	*next = i;
	return row;
}

static void
drop_repeated(struct rows_writer *w)
{
	size_t kept = 0, next;

	for (size_t i = 0; i < w->n; i = next) {
		struct row row = winner(w, i, &next);

		if (kept == 0 || !same_rule(&w->rows[kept - 1], &row))
			w->rows[kept++] = row;
	}
	w->n = kept;
}

static int
write_all(int fd, const void *bytes, size_t n)
{
	const char *p = bytes;

	while (n > 0) {
		ssize_t done = write(fd, p, n);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return -errno;
		p += done;
		n -= (size_t)done;
	}
	return 0;
}

int
rows_writer_write(struct rows_writer *w, int fd, struct err *why)
{
	struct rows_head head = { .magic = ROWS_MAGIC, .flags = w->flags };
	int e = 0;

	if (!is_sorted(w))
		e = sort_rows(w);
	if (e < 0)
		return err_set(why, e, "unwind: no memory to sort %zu rows", w->n);
	drop_repeated(w);
	head.n_rows = (uint32_t)w->n;
	head.n_wide = (uint32_t)w->n_wide;
	e = write_all(fd, &head, sizeof(head));
	if (e == 0)
		e = write_all(fd, w->rows, w->n * sizeof(*w->rows));
	if (e == 0)
		e = write_all(fd, w->wide, w->n_wide * sizeof(*w->wide));
	return e < 0 ? err_sys(why, e, "unwind: write %zu rows", w->n) : 0;
}
