/*
 * source.h - one kind of object, as a source of names.
 *
 * A child holds one object and asks its source. Nothing here fails for what is
 * in the file: a spoiled file gives made-up names and a note. Only want of
 * memory is an error.
 */
#ifndef PPD_SYMBOLIZE_SOURCE_H
#define PPD_SYMBOLIZE_SOURCE_H

#include <stddef.h>
#include <stdint.h>

#include "base/wire.h"
#include "symbolize/answer.h"
#include "symbolize/arena.h"
#include "symbolize/dwarf.h"
#include "symbolize/image.h"

#define SOURCE_NOTE_MAX 256

struct source_input {
	int fd;                          /* borrowed; -1: none */
	const char *path;                /* as the kernel gave it, for made-up names; borrowed */
	const struct dwarf_files *files; /* how other files are had; borrowed */
};

/* What WIRE_NAMED says of the object. */
struct source_info {
	uint8_t flags; /* WIRE_OBJECT_* */
	unsigned char build_id[IMAGE_BUILD_ID_MAX];
	size_t build_id_len;
	char note[SOURCE_NOTE_MAX]; /* "" or one sentence */
};

struct source {
	/* Returns 0 or -ENOMEM. */
	int (*open)(void **self, const struct source_input *in);

	/* Fill n answers, whose places are set and ascending, with what is at hand at once; those
	 * that more work would better lack WIRE_ANSWER_FINAL. Returns how many these are, or -ENOMEM. */
	int (*quick)(void *self, struct answer *a, size_t n, struct arena *arena);

	/* Do that work for those that are not final, so that all are. NULL: there is never any.
	 * Returns 0 or -ENOMEM. */
	int (*full)(void *self, struct answer *a, size_t n, struct arena *arena);

	void (*info)(const void *self, struct source_info *out);
	void (*free)(void *self);
};

extern const struct source elf_source;    /* elf_source.c: files and the vdso */
extern const struct source kernel_source; /* kernel_source.c: kallsyms */
extern const struct source jit_source;    /* jit_source.c: perf-PID.map */

#endif
