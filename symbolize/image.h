/*
 * image.h - an ELF file as its process sees it: by program headers.
 *
 * Section headers are optional at run time and may lie; program headers are
 * what the kernel and the dynamic linker went by. Everything here is bounds
 * checked against the file's real size. The file is mapped: if somebody
 * truncates it under us, the child dies of SIGBUS, which its parent expects.
 *
 * 64-bit little-endian ELF only (System V ABI, chapter 5; psABI x86-64, AArch64).
 */
#ifndef PPD_SYMBOLIZE_IMAGE_H
#define PPD_SYMBOLIZE_IMAGE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define IMAGE_SEGMENTS_MAX 64
#define IMAGE_BUILD_ID_MAX 64

struct image_segment {
	uint32_t type;   /* PT_LOAD, PT_GNU_EH_FRAME, ... */
	uint32_t flags;  /* PF_* */
	uint64_t offset; /* in the file */
	uint64_t vaddr;
	uint64_t filesz; /* cut to what the file really has */
	uint64_t memsz;
};

struct image {
	const unsigned char *data; /* the mapped file; owned */
	size_t size;
	uint16_t type;             /* ET_EXEC or ET_DYN */
	uint16_t machine;          /* EM_* */
	uint64_t entry;            /* vaddr; 0: none */
	struct image_segment segments[IMAGE_SEGMENTS_MAX];
	size_t n_segments;
	unsigned char build_id[IMAGE_BUILD_ID_MAX]; /* from a PT_NOTE */
	size_t build_id_len;                        /* 0: none */
};

/* Map the file; fd stays the caller's. Returns 0, or -errno with the reason (-ENOEXEC: no ELF of ours). */
int image_open(struct image *im, int fd, struct err *why);
void image_close(struct image *im);

/* The bytes [vaddr, vaddr + n) in the mapped file, or NULL where the file has not all of them. */
const void *image_at(const struct image *im, uint64_t vaddr, size_t n);
/* How many bytes the file has from vaddr on, in that segment (0: none). */
size_t image_left(const struct image *im, uint64_t vaddr);

/* Between link-time addresses and offsets in the file, through the PT_LOADs. Returns 0, or
 * -ENOENT where no segment holds it. image_vaddr prefers an executable segment where two
 * segments share a page of the file. */
int image_vaddr(const struct image *im, uint64_t place, uint64_t *vaddr);
int image_place(const struct image *im, uint64_t vaddr, uint64_t *place);
/* The first segment of a type, or NULL. */
const struct image_segment *image_segment(const struct image *im, uint32_t type);

#endif
