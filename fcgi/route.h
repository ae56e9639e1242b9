/*
 * route.h - which answer a path leads to.
 *
 * The paths of Go's net/http/pprof, once for the first node and once below
 * /nodes/NAME for each. One table (route.c) holds them all.
 */
#ifndef PPD_FCGI_ROUTE_H
#define PPD_FCGI_ROUTE_H

#include <stdbool.h>
#include <stddef.h>

#include "fcgi/app.h"
#include "fcgi/reply.h"
#include "fcgi/request.h"
#include "fcgi/take.h"

/* A profile or page that has a place in Go's set. */
struct route {
	const char *name;        /* behind /debug/pprof/ */
	const char *description; /* for the index; NULL: not listed */
	bool made;               /* false: this build answers 501 */
	/* `node` is the one asked about, NULL: none is configured. */
	void (*answer)(const struct app *app, const struct request *req, const struct conf_node *node,
		       struct reply *to);
	take_profile *take;      /* NULL: it is no profile, or one that only Go's text has */
};

/* All routes, sorted by name. */
const struct route *route_table(size_t *n);

/* Answer any request; never fails (the reply may be an error). `to` is initialised. */
void route_answer(const struct app *app, const struct request *req, struct reply *to);

#endif
