/*
 * unwind_bounds.h - where functions begin and end, by .eh_frame.
 *
 * Stripped or not, every function with an unwind entry has bounds. The parts
 * that a compiler split off (GCC's .cold) have entries of their own.
 */
#ifndef PPD_SYMBOLIZE_UNWIND_BOUNDS_H
#define PPD_SYMBOLIZE_UNWIND_BOUNDS_H

#include <stdint.h>

#include "base/err.h"
#include "symbolize/image.h"

struct unwind_bounds;

/* Reads and sorts all entries; the image may be closed afterwards. Returns 0 with a new object
 * in *out, or -errno as unwind_rows(). */
int unwind_bounds_open(struct unwind_bounds **out, const struct image *im, struct err *why);

/* [*start, *end): link-time addresses of the entry that holds vaddr. Returns 0 or -ENOENT;
 * b may be NULL. */
int unwind_bounds_find(const struct unwind_bounds *b, uint64_t vaddr, uint64_t *start, uint64_t *end);

void unwind_bounds_free(struct unwind_bounds *b);

#endif
