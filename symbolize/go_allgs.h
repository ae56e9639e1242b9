/*
 * go_allgs.h - the addresses of all goroutines' records (allgs of runtime/proc.go).
 *
 * The list only grows, and records are used again: one that is read a moment later may be another
 * goroutine's. When the list must move, the runtime leaves the old one to its collector.
 */
#ifndef PPD_SYMBOLIZE_GO_ALLGS_H
#define PPD_SYMBOLIZE_GO_ALLGS_H

#include "symbolize/go_node.h"

#define GO_GOROUTINES_MAX (4u << 20)

/* *out: owned by the caller. Returns 0, or -errno with a sentence: -ENOTSUP the list was not found,
 * -EBADMSG it makes no sense, -E2BIG, -ENOMEM, -ESRCH. */
int go_allgs_read(const struct go_node *n, uint64_t **out, size_t *count, struct err *why);

/* The same for a list that was read before (or is NULL, 0): only if there are more by now, they are read.
 */
int go_allgs_update(const struct go_node *n, uint64_t **list, size_t *count, struct err *why);

#endif
