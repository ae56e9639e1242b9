/*
 * go_reloc.h - words of a position-independent file, as the dynamic linker leaves them.
 *
 * A Go program that is position-independent has zeros where its module data
 * holds pointers; the values stand in DT_RELA as R_*_RELATIVE (psABI x86-64,
 * table 4.9; AArch64, 5.7.15). DT_RELR needs nothing from us: its values stand
 * in the words themselves.
 */
#ifndef PPD_SYMBOLIZE_GO_RELOC_H
#define PPD_SYMBOLIZE_GO_RELOC_H

#include <stddef.h>
#include <stdint.h>

#include "symbolize/image.h"

struct go_reloc {
	const unsigned char *rela; /* borrowed from the image; NULL: none */
	size_t n;                  /* entries of 24 bytes */
	uint32_t relative;         /* the machine's number of R_*_RELATIVE */
};

/* Never fails: a file without (or with spoiled) relocations has none. */
void go_reloc_init(struct go_reloc *r, const struct image *im);

/* Put into `bytes`, a copy of [vaddr, vaddr + n), the words that relocations write there, for a
 * file loaded at 0. Returns how many were put. */
size_t go_reloc_apply(const struct go_reloc *r, uint64_t vaddr, unsigned char *bytes, size_t n);

/* The addresses of words that are relocated to `value`. Returns how many, at most max. */
size_t go_reloc_find(const struct go_reloc *r, uint64_t value, uint64_t *at, size_t max);

#endif
