/*
 * kallsyms.h - the kernel's functions, from the text of /proc/kallsyms.
 *
 * Lines are "ffffffff81000000 T name\t[module]" (kernel/kallsyms.c); whoever
 * may not know the addresses gets zeros. There are no sizes: a function ends
 * where the next symbol of whatever kind begins.
 */
#ifndef PPD_SYMBOLIZE_KALLSYMS_H
#define PPD_SYMBOLIZE_KALLSYMS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* Bytes of text; today's kernels have 5-15 MB. */
#define KALLSYMS_TEXT_MAX (128u << 20)
/* A symbol reaches no further than this, where no other follows (the last of a module). */
#define KALLSYMS_REACH 65536

struct kallsyms;

/* Parse text (copied). Returns 0; -ENOENT when no address is told; or -ENOMEM. */
int kallsyms_parse(struct kallsyms **out, const char *text, size_t n, struct err *why);
/* The same, reading fd from its beginning. */
int kallsyms_open(struct kallsyms **out, int fd, struct err *why);
void kallsyms_free(struct kallsyms *k);

/* The function at addr: its name, and its module's ("" for the kernel itself); borrowed.
 * Returns 0 or -ENOENT. */
int kallsyms_find(const struct kallsyms *k, uint64_t addr, const char **name, const char **module);

#endif
