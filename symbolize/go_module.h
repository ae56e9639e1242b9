/*
 * go_module.h - where a Go program's tables are, and how its version lays them out.
 *
 * The function table ("pclntab") begins with a header that names the places of
 * its parts (struct pcHeader of Go's runtime/symtab.go). The address of the text
 * and of the functions' data stand in the linker's record of the program (struct
 * moduledata, same file), which points to the header and is found by that.
 * Versions: magic fffffffa is Go 1.16 and 1.17, fffffff0 1.18 and 1.19, fffffff1
 * 1.20 and later.
 */
#ifndef PPD_SYMBOLIZE_GO_MODULE_H
#define PPD_SYMBOLIZE_GO_MODULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "symbolize/image.h"

#define GO_FUNCS_MAX (16u << 20) /* functions a program may have */

/* Sizes and places of fields that changed between versions. */
struct go_layout {
	uint32_t magic;
	uint8_t word;       /* bytes of a field of the function table and of funcdata:
	                     * 8: addresses, 4: offsets from the text and from func_data */
	uint8_t text_start; /* where the header may hold the text's address; 0: nowhere */
	uint8_t offsets;    /* where the header's five offsets begin */
	uint8_t start_line; /* in _func, behind its entry; 0: not there */
	uint8_t ids;        /* in _func, behind its entry: funcID, flag, pad, nfuncdata */
	uint8_t call_bytes; /* of an inlinedCall, and its fields; call_start 0: not there */
	uint8_t call_id, call_name, call_parent, call_start;
};

struct go_module {
	const struct image *im;    /* borrowed */
	const struct go_layout *layout;
	const unsigned char *base; /* the header; in the image, or in `moved` */
	size_t bytes;              /* from there to the end of its segment */
	unsigned char *moved;      /* owned; a copy with its relocations applied, or NULL */
	uint64_t vaddr;            /* of the header */
	uint64_t names, units, files, values, funcs; /* the parts, from the header */
	uint32_t n_funcs;
	uint32_t quantum;          /* bytes of the shortest instruction */
	uint64_t text;             /* what function entries are relative to (layout->word 4) */
	uint64_t min_pc, max_pc;   /* of Go's own text */
	uint64_t func_data;        /* what funcdata are relative to; 0: unknown */
	bool proved;               /* a moduledata points to it */
};

/* Returns 0, -ENOENT (not a Go program), or -errno with the reason. The image must stay open. */
int go_module_open(struct go_module *m, const struct image *im, struct err *why);
void go_module_close(struct go_module *m);

/* Little-endian numbers `at` bytes behind the header; 0 where the file ends before. */
uint8_t go_module_u8(const struct go_module *m, uint64_t at);
uint32_t go_module_u32(const struct go_module *m, uint64_t at);
uint64_t go_module_u64(const struct go_module *m, uint64_t at);

/* The string there and its length, which CHAIN_STRING_MAX cuts: only a shorter one is
 * NUL-terminated. NULL when it leaves the file or does not end in it. */
const char *go_module_string(const struct go_module *m, uint64_t at, size_t *len);

#endif
