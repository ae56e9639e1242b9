/*
 * object.h - the symbols of an ELF file: which function holds an address.
 *
 * libbfd gives the symbol table, PLT names and the debug link; sizes are read
 * next to it, because its symbols have none. Dynamic symbols come from the
 * image through PT_DYNAMIC, as the dynamic linker itself finds them (System V
 * ABI, chapter 5), so they are there too where section headers are missing or
 * lie. A name counts only inside its symbol's size.
 */
#ifndef PPD_SYMBOLIZE_OBJECT_H
#define PPD_SYMBOLIZE_OBJECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "symbolize/image.h"

/* Symbols an object may have, all its files together. */
#define OBJECT_SYMBOLS_MAX (16u << 20)
/* A symbol without a size ends here at the latest, bytes. */
#define OBJECT_UNSIZED_MAX 4096

struct object;

struct object_symbol {
	const char *name;    /* as the file has it; lives as long as the object */
	uint64_t start, end; /* link-time addresses that it covers */
	bool sized;          /* the file says where it ends */
	bool plt;            /* "name@plt" */
};

/* The image must stay open. An image that libbfd does not take has dynamic symbols only.
 * Returns 0 or -ENOMEM. */
int object_open(struct object **out, const struct image *im);
void object_free(struct object *o);

/* Add the symbol table of another file that describes the same object (a separate debug file, an
 * unpacked .gnu_debugdata). The bytes must outlive the object. Returns 0 or -errno. */
int object_add_file(struct object *o, const void *bytes, size_t n, struct err *why);

/* The function that holds vaddr. Returns 0 or -ENOENT. */
int object_find(struct object *o, uint64_t vaddr, struct object_symbol *out);

/* Where the next symbol after vaddr begins; UINT64_MAX: none. */
uint64_t object_next(struct object *o, uint64_t vaddr);

/* The separate debug file that .gnu_debuglink names: its base name (owned by the object) and its
 * CRC. Returns 0 or -ENOENT. */
int object_debug_link(struct object *o, const char **name, uint32_t *crc);

/* A copy of a section's content (malloc), at most max bytes. Returns 0, -ENOENT, -EFBIG or -ENOMEM. */
int object_section(struct object *o, const char *name, size_t max, void **bytes, size_t *n);

/* The build id that an ELF file's note sections tell, for files whose program headers do not
 * (debug files). Returns its length, at most IMAGE_BUILD_ID_MAX; 0: none. */
size_t object_build_id(const void *bytes, size_t n, unsigned char id[IMAGE_BUILD_ID_MAX]);

#endif
