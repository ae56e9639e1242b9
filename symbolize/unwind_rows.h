/*
 * unwind_rows.h - compile .eh_frame into rows.
 *
 * .eh_frame is found as the process itself finds it: through PT_GNU_EH_FRAME's
 * .eh_frame_hdr (LSB 5.0 core, 10.6), not by section headers.
 */
#ifndef PPD_SYMBOLIZE_UNWIND_ROWS_H
#define PPD_SYMBOLIZE_UNWIND_ROWS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/rows.h"
#include "symbolize/image.h"

/* Rows being made. */
struct rows_writer {
	struct row *rows; /* owned */
	size_t n, cap;
	int32_t *wide;    /* owned */
	size_t n_wide, cap_wide;
	uint32_t flags;   /* ROWS_* */
};

void rows_writer_init(struct rows_writer *w);
void rows_writer_fini(struct rows_writer *w);
/* Append a row; order does not matter yet. Returns 0, -ENOMEM or -EFBIG. */
int rows_writer_add(struct rows_writer *w, struct row row);
/* The same with a CFA offset in bytes, which goes to the wide table where it does not fit.
 * rule: ROW_SP or ROW_FP. */
int rows_writer_add_cfa(struct rows_writer *w, uint32_t place, enum row_rule rule, int64_t cfa_bytes,
			uint8_t fp);
/* Sort, drop repeated rows, and write the whole file to fd (a memfd) with write(2); sealing
 * is the parent's. Returns 0 or -errno. */
int rows_writer_write(struct rows_writer *w, int fd, struct err *why);

/*
 * Add the rows of the image's .eh_frame. Spoiled entries are skipped, one by one; a place that
 * no entry covers gets ROW_NONE. Returns the number of entries (FDEs) used, or -errno when
 * there is no table at all (-ENOENT) or memory ran out.
 */
int unwind_rows(const struct image *im, struct rows_writer *w, struct err *why);

/*
 * The bounds of the function that holds vaddr, from its .eh_frame entry. Returns 0 or -ENOENT.
 * The first call sorts the entries; the image must stay open. NULL-safe fini.
 */
struct unwind_bounds;
int unwind_bounds_open(struct unwind_bounds **out, const struct image *im, struct err *why);
int unwind_bounds_find(const struct unwind_bounds *b, uint64_t vaddr, uint64_t *start, uint64_t *end);
void unwind_bounds_free(struct unwind_bounds *b);

#endif
