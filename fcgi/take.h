/*
 * take.h - a profile is taken, whatever kind it is and whoever wants it.
 *
 * A request takes one and delivers it at once; a capture (captures.h) takes one for those who
 * will ask for it later. Each kind has its function, in the file of its handler; route.c's table
 * says which.
 */
#ifndef PPD_FCGI_TAKE_H
#define PPD_FCGI_TAKE_H

#include <stdint.h>

#include "conf/conf.h"
#include "fcgi/app.h"
#include "fcgi/intake.h"
#include "fcgi/params.h"
#include "fcgi/profile.h"
#include "fcgi/request.h"

/* What is wanted, and by whom. All is borrowed. */
struct take {
	const struct app *app;
	const struct request *req;    /* the client's going away ends it */
	const struct conf_node *node; /* NULL: none is configured */
	const char *kind;             /* static: the route's name */
	const struct params *params;
	/* Told twice a second while a window is open, with what it has so far. NULL: nobody
	 * wants to know. */
	void (*progress)(void *ctx, uint64_t samples, uint64_t lost);
	void *progress_ctx;
};

struct taken {
	struct profile *p;    /* finished, with its comments; malloc'ed, the caller's */
	const char *filename; /* static: "profile", "heap-delta" */
};

/* Returns 0, or -errno with *no: what to answer (also when the client has gone). */
typedef int take_profile(const struct take *t, struct taken *out, struct refusal *no);

take_profile take_window; /* CPU time, or any event */
take_profile take_snapshot; /* what Go's runtime has recorded */

/* NULL-safe, as profile_fini() and free() together. */
void take_free(struct profile *p);

#endif
