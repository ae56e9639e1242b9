/*
 * form.h - the forms in which a profile can be answered.
 *
 * One table (form.c) holds them all: what they are called in format=, what they say of
 * themselves in a header, and who writes them.
 */
#ifndef PPD_FCGI_FORM_H
#define PPD_FCGI_FORM_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "fcgi/profile.h"
#include "fcgi/sink.h"
#include "fcgi/view.h"

/* What a writer gets. All is borrowed, and there until the answer has gone out. */
struct form_of {
	const struct profile *p; /* finished; others may be reading it too */
	const struct ids *ids;
	const struct view_wish *wish;
	const char *name;  /* the profile's: "heap" */
	const char *query; /* the request's, as it came */
};

struct form {
	const char *name;      /* format=NAME */
	const char *describes; /* in a few words, for people */
	const char *type;      /* media type */
	const char
		*extension; /* what its file's name ends with; "": nothing, and it is not shown but kept */
	const char *schema; /* of its JSON: "top-1"; then its errors are JSON too. NULL: not JSON */
	const char *policy; /* Content-Security-Policy; NULL: none */
	enum frames_group group; /* what its frames are where group= does not say */
	enum view_order order;
	/* Write it. Nothing can fail any more but the sink, whose error is set for lack of memory too.
	 * NULL: pprof, which takes no view. */
	void (*write)(const struct form_of *of, struct view *v, struct sink *to);
};

/* All of them; the first is the default. */
const struct form *form_table(size_t *n);
/* By name, of n bytes; "" is the default. Returns NULL, with a sentence that lists them all in *why. */
const struct form *form_find(const char *name, size_t n, struct err *why);

#endif
