/*
 * go_text.h - Go's own texts of profiles: debug=1, and goroutines' stacks, debug=2.
 *
 * As runtime/pprof writes them, written while they go out. What is not known from outside is left out:
 * the numbers of runtime.MemStats but for NumGC, and arguments of calls, for which "..." stands.
 */
#ifndef PPD_FCGI_GO_TEXT_H
#define PPD_FCGI_GO_TEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/reading.h"
#include "fcgi/go_groups.h"
#include "fcgi/go_places.h"
#include "fcgi/profile.h"
#include "fcgi/sink.h"

/* A stack with its names is written as often as somebody stands there: this is where a node's wish
 * to fill somebody's disk ends. */
#define GO_TEXT_BYTES_MAX (UINT64_C(4) << 30)

struct go_text {
	struct profile *p; /* borrowed, as the next two: places with their names */
	const struct reading *r;
	const struct go_places *g;
	const char *name;        /* static: "goroutine" */
	uint32_t rules;          /* go_rules.h */
	struct go_groups groups; /* of goroutines and threads */
	uint32_t *order;         /* owned; buckets as they are shown; NULL: not by buckets */
	bool dump;               /* goroutines one by one */
};

/* dump: debug=2; the places have creators then. Returns 0 or -ENOMEM; go_text_fini() in both cases. */
int go_text_init(struct go_text *t, struct profile *p, const struct reading *r, const struct go_places *g,
		 const char *name, bool dump);
void go_text_fini(struct go_text *t);

/* All of it. The sink's error ends it. */
void go_text_write(const struct go_text *t, struct sink *to);

/* For the writers: is it time to stop? Too long a text says so in its last line. */
bool go_text_over(struct sink *to);

#endif
