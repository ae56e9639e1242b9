/*
 * comments.h - what a reader should know about a profile's quality.
 *
 * `go tool pprof` prints a profile's comments above its reports. One line each:
 * what was sampled, how much of it, what is missing or uncertain.
 */
#ifndef PPD_FCGI_COMMENTS_H
#define PPD_FCGI_COMMENTS_H

#include "fcgi/profile.h"

/* Who was sampled, as the collector said before the window. Strings are borrowed. */
struct comments_node {
	const char *name;
	const char *exe;
	uint32_t pid;
};

/*
 * Put the lines about the window in front of those that are there (the collector's and the
 * symbolizer's notes). The profile has been finished. made_up: places without any answer.
 * Returns 0 or -ENOMEM.
 */
int comments_add(struct profile *p, const struct comments_node *node, uint32_t made_up);

/* Frames that have no symbol's name, weighted by their samples: what a reader of `top` meets. */
double comments_unnamed_percent(const struct profile *p);

#endif
