/*
 * go_comments.h - what a reader should know about a profile that was read in a Go node's memory.
 */
#ifndef PPD_FCGI_GO_COMMENTS_H
#define PPD_FCGI_GO_COMMENTS_H

#include <stdbool.h>

#include "base/reading.h"
#include "fcgi/comments.h"
#include "fcgi/profile.h"

struct go_comments {
	const char *name; /* of the profile: "heap" */
	const struct comments_node *node;
	const struct reading *reading; /* the only, or the later one */
	bool is_delta;
	bool sums_only; /* of a delta: only sums were subtracted */
	bool armed;
	bool gc;          /* a collection was asked for */
	uint32_t look_ms; /* of an estimate */
	uint32_t made_up; /* places without any answer */
};

/* Returns 0 or -ENOMEM. */
int go_comments_add(struct profile *p, const struct go_comments *c);

#endif
