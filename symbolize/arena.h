/*
 * arena.h - memory that is freed all at once.
 *
 * What one request builds (frames, copied names) is put here and forgotten
 * together with the request. Nothing in it is freed singly.
 */
#ifndef PPD_SYMBOLIZE_ARENA_H
#define PPD_SYMBOLIZE_ARENA_H

#include <stddef.h>

struct arena_block;

struct arena {
	struct arena_block *blocks; /* owned; newest first */
	size_t used;                /* bytes asked for so far */
	size_t max;                 /* bytes that may be asked for */
};

void arena_init(struct arena *a, size_t max);
void arena_fini(struct arena *a);
/* n zeroed bytes, aligned for anything, or NULL (maximum reached, no memory). */
void *arena_get(struct arena *a, size_t n);
/* A NUL-terminated copy of n bytes, or NULL. */
char *arena_copy(struct arena *a, const char *s, size_t n);

#endif
