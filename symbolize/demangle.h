/*
 * demangle.h - names that people read, from names that linkers do.
 *
 * C++ (Itanium ABI) and Rust (legacy and v0) by libiberty. The short form is
 * what pprof shows: no parameter lists, no template arguments; Rust's generic
 * paths stay whole, because there the type in <> is the function's identity.
 */
#ifndef PPD_SYMBOLIZE_DEMANGLE_H
#define PPD_SYMBOLIZE_DEMANGLE_H

#include <stdbool.h>
#include <stddef.h>

#include "symbolize/arena.h"

/* Does it look like a C++ or Rust linkage name? */
bool demangle_is_mangled(const char *name);

/*
 * How many bytes of a symbol's name are the function's own: without "@VERSION" and without what
 * compilers append to parts and clones (".cold", ".constprop.0", ".part.1", ".llvm.123", ...).
 * "@plt" stays.
 */
size_t demangle_plain(const char *name);

/*
 * The short form of a linkage or source name, without glibc's "__GI_". Returns `name` itself (or
 * its end) where there is nothing to change (or no memory), else a copy in the arena.
 */
const char *demangle_short(struct arena *a, const char *name);

/*
 * Drop template arguments and parameter lists from demangled C++. `out` has room for n + 1 bytes.
 * Returns the length, or 0 where the text's brackets do not match (then use it as it is).
 */
size_t demangle_simplify(const char *text, size_t n, char *out);

#endif
