/*
 * jit_map.h - names of machine code that a runtime made: /tmp/perf-PID.map.
 *
 * Lines are "START SIZE NAME", hex without 0x (the kernel's
 * tools/perf/Documentation/jit-interface.txt). The file grows while the node
 * runs and code moves, so of two entries that hold an address the later holds
 * good. What NAME looks like is each runtime's own affair.
 */
#ifndef PPD_SYMBOLIZE_JIT_MAP_H
#define PPD_SYMBOLIZE_JIT_MAP_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define JIT_MAP_TEXT_MAX    (256u << 20) /* bytes read of one map */
#define JIT_MAP_ENTRIES_MAX (4u << 20)
#define JIT_MAP_NONE        UINT32_MAX

struct jit_map;

/* An empty map. Returns 0 or -ENOMEM. */
int jit_map_new(struct jit_map **out);
void jit_map_free(struct jit_map *m);

/* Read what fd has more than last time; all of it where it has become shorter (a new run of the
 * runtime). A line that is not ended yet is left for the next time. Returns 0 or -errno; what was
 * read before stays. */
int jit_map_read(struct jit_map *m, int fd, struct err *why);

/* Add whole lines of text (copied); others are passed over. Returns 0 or -ENOMEM, -EFBIG. */
int jit_map_add(struct jit_map *m, const char *text, size_t n);

/* For each of n ascending addresses the entry that holds it, or JIT_MAP_NONE, in which[].
 * Returns 0 or -ENOMEM. */
int jit_map_find(const struct jit_map *m, const uint64_t *addrs, size_t n, uint32_t *which);

/* The entry's NAME, as it stands in the file; lives until the next jit_map_read() or _add(). */
const char *jit_map_name(const struct jit_map *m, uint32_t entry);

/* A piece of a NAME; not NUL-terminated. */
struct jit_text {
	const char *at;
	size_t n;
};

struct jit_name {
	struct jit_text name;        /* without a tier's mark */
	struct jit_text system_name; /* with it */
	struct jit_text file;        /* empty: unknown */
	uint32_t line;               /* where the function begins; 0: unknown */
};

/* Take a NAME apart: V8's "JS:*f file:line:column" (marks ~ ^ + * for interpreted, baseline, two
 * optimized tiers), CPython's "py::f:file". Others are names as they are. */
void jit_name_parse(const char *text, struct jit_name *out);

#endif
