/*
 * dynsym.h - an image's dynamic symbols, found through PT_DYNAMIC.
 *
 * This is the way of the dynamic linker, which needs no section headers
 * (System V ABI, chapter 5; the number of symbols from DT_HASH or DT_GNU_HASH).
 */
#ifndef PPD_SYMBOLIZE_DYNSYM_H
#define PPD_SYMBOLIZE_DYNSYM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <elf.h>

#include "symbolize/image.h"

struct dynsym {
	const unsigned char *symbols; /* n × Elf64_Sym, perhaps unaligned; in the image */
	size_t n;
	const char *strings; /* in the image */
	size_t strings_n;
	bool pie; /* DF_1_PIE: an executable, though ET_DYN */
};

/* Returns 0, or -ENOENT where there are none (`pie` is set all the same). */
int dynsym_open(struct dynsym *d, const struct image *im);

/* The symbol i < n, and its name, which ends inside the image. Returns 0 or -EBADMSG. */
int dynsym_get(const struct dynsym *d, size_t i, Elf64_Sym *sym, const char **name);

#endif
