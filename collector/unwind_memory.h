/*
 * unwind_memory.h - words of the stack: the sample's copy, then the process.
 *
 * The kernel's copy ends at the first page that is not present, or at its
 * size. What lies beyond is read from the process afterwards ("late"), while
 * the thread runs on. Such a word is taken only where the return address that
 * the walk last took from the copy is still in its place: the frames above it
 * are then most likely still there. (The bytes at the copy's end vouch for
 * less: on memcached, whose large frames are hardly ever written, they let
 * through one wrong stack for each right one; the return address, one for 40.)
 */
#ifndef PPD_COLLECTOR_UNWIND_MEMORY_H
#define PPD_COLLECTOR_UNWIND_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/unwind.h"

/* One reading: a page. A frame with a large array takes one reading then, not many. */
#define UNWIND_MEMORY_CHUNK 4096
/* As far as this, pages between the copy's end and the word are read to be whole the next time. */
#define UNWIND_MEMORY_GAP 65536
/* Before any return address was taken: how much of the copy's end must be as it was. */
#define UNWIND_MEMORY_ANCHOR 64

struct unwind_memory {
	const struct unwind_source *from;
	const struct unwind_sample *sample;
	uint64_t anchor;    /* the bytes that vouch for late words; part of the copy */
	size_t anchor_bytes;
	bool checked, same; /* the anchor's state, once it was asked for */
	bool late;          /* a word was taken from the process */
	uint64_t chunk_at;
	size_t chunk_bytes;
	unsigned char chunk[UNWIND_MEMORY_CHUNK];
};

void unwind_memory_init(struct unwind_memory *m, const struct unwind_source *from,
			const struct unwind_sample *sample);

/* Eight bytes at addr. False where they cannot be had, or not trusted. */
bool unwind_word(struct unwind_memory *m, uint64_t addr, uint64_t *word);

/* From now on these bytes vouch for late words, where the copy holds them; else nothing changes. */
void unwind_memory_vouch(struct unwind_memory *m, uint64_t addr, size_t bytes);

/* Is [addr, addr + bytes) in the sample's copy? */
bool unwind_memory_in_copy(const struct unwind_memory *m, uint64_t addr, size_t bytes);

#endif
