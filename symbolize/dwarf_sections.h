/*
 * dwarf_sections.h - the DWARF sections of one file, ready to read.
 *
 * The file is mapped, and libelf and libdw work on the mapping: they get no
 * descriptor, so they can neither open anything beside it nor ask for its path.
 * Compressed sections (zlib, zstd, and the old .zdebug_*) are unpacked into an
 * ELF image of our own, which libdw then reads instead.
 */
#ifndef PPD_SYMBOLIZE_DWARF_SECTIONS_H
#define PPD_SYMBOLIZE_DWARF_SECTIONS_H

#include <elfutils/libdw.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "symbolize/dwarf_bytes.h"

/* Sum of the unpacked sections of a file: above the largest seen in the field. */
#define DWARF_UNPACKED_MAX ((uint64_t)2 << 30)

enum dwarf_section {
	DWARF_INFO,
	DWARF_TYPES,
	DWARF_ABBREV,
	DWARF_LINE,
	DWARF_LINE_STR,
	DWARF_STR,
	DWARF_STR_OFFSETS,
	DWARF_ADDR,
	DWARF_RANGES,
	DWARF_RNGLISTS,
	DWARF_CU_INDEX, /* of a .dwp */
	DWARF_ALTLINK,  /* .gnu_debugaltlink */
	DWARF_BUILD_ID, /* .note.gnu.build-id */
	DWARF_SECTIONS
};

struct dwarf_sections {
	struct dwarf_span span[DWARF_SECTIONS]; /* data NULL: not there */
	Elf *elf;                               /* owned */
	Dwarf *dw; /* owned; NULL in a .dwp, whose units are cut out one by one */
	void *map; /* owned: the mapped file */
	size_t map_size;
	void *image; /* owned: the ELF image with the unpacked sections */
	size_t image_size;
};

/* Open a file's sections, or its split ones (.debug_*.dwo); fd stays the caller's and is not used
 * afterwards. Returns 0, -ENOENT where it has no such DWARF, or -errno with the reason. */
int dwarf_sections_open(struct dwarf_sections *s, int fd, bool split, struct err *why);
/* The same of a file made of copies of these spans, under their names with ".dwo" behind
 * (a unit of a .dwp). */
int dwarf_sections_make(struct dwarf_sections *s, const struct dwarf_span *spans, struct err *why);
/* Zeros are fine. */
void dwarf_sections_close(struct dwarf_sections *s);

/* Let the kernel take back the pages of the file that were read; what is read again comes from its
 * page cache. Without this a walk over a large .debug_info ends with all of it resident. */
void dwarf_sections_release(const struct dwarf_sections *s);

/* The file name and the build-id in .gnu_debugaltlink. Returns false when there is none. */
bool dwarf_sections_altlink(const struct dwarf_sections *s, const char **name, struct dwarf_span *id);
/* Does the file have this build-id? */
bool dwarf_sections_has_build_id(const struct dwarf_sections *s, struct dwarf_span id);

/* `s` when it is a NUL-terminated string within one of the file's sections, else NULL: libdw
 * hands out strings without looking for their end. */
const char *dwarf_sections_string(const struct dwarf_sections *s, const char *string);

#endif
