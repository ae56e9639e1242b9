/*
 * minidebug.h - .gnu_debugdata: a small symbol table, packed by xz.
 *
 * Fedora's "MiniDebugInfo": the section's content is an xz stream of an ELF
 * file that has nothing but the symbols that .dynsym lacks.
 */
#ifndef PPD_SYMBOLIZE_MINIDEBUG_H
#define PPD_SYMBOLIZE_MINIDEBUG_H

#include <stddef.h>

#include "base/err.h"

/* Bytes that the packed section and its content may have. */
#define MINIDEBUG_PACKED_MAX (32u << 20)
#define MINIDEBUG_MAX        (256u << 20)

/* Unpack to malloc'ed bytes, which the caller owns. Returns 0, -EFBIG, -ENOMEM or -EBADMSG. */
int minidebug_unpack(const void *packed, size_t packed_n, size_t max, void **bytes, size_t *n,
		     struct err *why);

#endif
