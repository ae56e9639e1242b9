/*
 * rows_writer.h - unwind rows being made (base/rows.h says what they are).
 */
#ifndef PPD_SYMBOLIZE_ROWS_WRITER_H
#define PPD_SYMBOLIZE_ROWS_WRITER_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/rows.h"

struct rows_writer {
	struct row *rows; /* owned */
	size_t n, cap;
	int32_t *wide;    /* owned */
	size_t n_wide, cap_wide;
	uint32_t flags;   /* ROWS_* */
};

void rows_writer_init(struct rows_writer *w);
void rows_writer_fini(struct rows_writer *w);

/* Append a row; order does not matter yet. Of rows at one place the last one added counts,
 * ROW_NONE only where it is alone. Returns 0, -ENOMEM or -EFBIG. */
int rows_writer_add(struct rows_writer *w, struct row row);

/* The same with a CFA offset in bytes, which goes to the wide table where it does not fit.
 * rule: ROW_SP or ROW_FP. What fits nowhere becomes ROW_NONE. */
int rows_writer_add_cfa(struct rows_writer *w, uint32_t place, enum row_rule rule, int64_t cfa_bytes,
			uint8_t fp);

/* Sort, drop repeated rows, and write the whole file to fd (a memfd) with write(2); sealing
 * is the parent's. Returns 0 or -errno. */
int rows_writer_write(struct rows_writer *w, int fd, struct err *why);

#endif
