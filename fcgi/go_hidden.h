/*
 * go_hidden.h - the runtime's functions at the leaf of heap stacks, which their profile leaves out.
 *
 * runtime/pprof (protomem.go) asks what function stands at a return address itself, not at the call
 * in front of it. Where calls are inlined that is another function now and then: so those addresses
 * have to be named too.
 *
 *   go_hidden_init ─► { go_hidden_turn > 0 ─► names waited for } ─► go_hidden_end ─► n
 */
#ifndef PPD_FCGI_GO_HIDDEN_H
#define PPD_FCGI_GO_HIDDEN_H

#include <stdint.h>

#include "base/reading.h"
#include "fcgi/go_places.h"
#include "fcgi/profile.h"

#define GO_HIDDEN_TURNS_MAX 4 /* that are worth the time */

struct go_hidden {
	uint32_t *n; /* owned; by stack: words at its leaf that are left out */
};

/* Returns 0 or -ENOMEM; go_hidden_fini() in both cases. */
int go_hidden_init(struct go_hidden *h, struct profile *p, const struct reading *r);
void go_hidden_fini(struct go_hidden *h);

/* Go on as far as names are known. The places of the reading's pcs have theirs. Returns how many stacks
 * wait for names of new places, or -ENOMEM. */
int64_t go_hidden_turn(struct go_hidden *h, struct profile *p, const struct reading *r,
		       const struct go_places *g);

/* No more names will come: a stack of nothing else is shown whole. */
void go_hidden_end(struct go_hidden *h, const struct reading *r);

#endif
