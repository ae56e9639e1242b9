/*
 * go_roots.h - the addresses of the runtime's variables in a running program: found, and proved.
 *
 * Functions that use a variable propose it (go_vote.h); where none of them is known, a look through all
 * variables does. A list is believed by what is in it.
 */
#ifndef PPD_SYMBOLIZE_GO_ROOTS_H
#define PPD_SYMBOLIZE_GO_ROOTS_H

#include <stdint.h>

#include "symbolize/go_node.h"

/* Set the plain integers of n->roots, and the candidates for the rest. Returns 0 or -ENOMEM. */
int go_roots_vote(struct go_node *n);

/* Find the lists that are not known yet, and forget those that are none any more. Returns 0, -ENOMEM
 * or -ESRCH. */
int go_roots_look(struct go_node *n);

/* Does an address hold a slice of pointers to g's (*len: how many), or the first of a chain of m's?
 * Returns 1, 0, or -ESRCH. */
int go_roots_is_allgs(struct go_node *n, uint64_t addr, uint64_t *len);
int go_roots_is_allm(struct go_node *n, uint64_t addr);

#endif
