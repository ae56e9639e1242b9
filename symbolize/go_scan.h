/*
 * go_scan.h - a look through a Go program's variables, for what no function names.
 *
 * Only pages that the node has touched are read: elsewhere there is nothing but zeros, and what the file
 * says.
 */
#ifndef PPD_SYMBOLIZE_GO_SCAN_H
#define PPD_SYMBOLIZE_GO_SCAN_H

#include <stddef.h>
#include <stdint.h>

#include "symbolize/go_node.h"

#define GO_SCAN_MAX ((size_t)8 << 20) /* bytes that are looked at in all */

/*
 * Call `look` for each run of words; addr is that of words[0]. It returns 0 to go on, 1 for enough, or
 * -errno. A run ends where the memory does, or after 64 KB: what lies across that is not seen.
 * Returns what it returned last.
 */
int go_scan(struct go_node *n, int (*look)(void *ctx, uint64_t addr, const uint64_t *words, size_t n_words),
	    void *ctx);

/* Is it an address of memory that a Go heap may be in: writable, without a file behind it? */
bool go_scan_is_heap(const struct go_node *n, uint64_t addr);

#endif
