/*
 * params.h - the parameters of a request.
 *
 * From the query, and from the body of a urlencoded POST, which goes first; of a
 * name that comes twice the first value wins (as in Go's net/http). One table
 * (params.c) holds every name; others are ignored.
 */
#ifndef PPD_FCGI_PARAMS_H
#define PPD_FCGI_PARAMS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "fcgi/form.h"
#include "fcgi/request.h"
#include "fcgi/view.h"

#define PARAMS_EVENT_MAX 128 /* bytes with the NUL; libpfm4's longest are shorter */
#define PARAMS_NAME_MAX  32

struct params {
	uint32_t duration_ms;         /* seconds=: 30 s when absent, zero, negative or junk; ≥ 1 */
	int64_t snapshot_s;           /* seconds= as snapshots take it: an integer; 0: absent; -1: junk */
	int64_t debug;                /* debug=: negative and junk are 0 */
	bool gc;                      /* gc=: an integer > 0, as for the next two */
	bool estimate, arm;           /* estimate=, arm= */
	bool delta_sums;              /* delta=alloc: only sums are subtracted */
	bool unscaled;                /* scale=off: no [unsampled], no sample taken out; else on */
	uint32_t hz;                  /* hz=: 1-1000; 0: absent */
	char event[PARAMS_EVENT_MAX]; /* event=: printable ASCII; "": absent */
	const struct form *form;      /* format=: never NULL; the first of form_table() when absent */
	bool has_form;                /* format= was there */
	struct view_wish view;        /* sample_type=, limit=, min_pct=, focus=, ignore=, group= */
	char profile[PARAMS_NAME_MAX]; /* profile=: of a capture, a route's name; "": absent */
	char base[PARAMS_NAME_MAX];    /* base=: an earlier capture's id; "": absent */
	const char *query;            /* as it came; borrowed, for as long as the request lasts */
};

/*
 * Returns 0, or -EINVAL with a sentence for the client (status 400; snapshot_s is set all the same, if it
 * came first): seconds over max_seconds,
 * hz out of its range, a scale that is neither on nor off, a form or group that there is not, debug= with format=, an escape that is
 * none, a control character.
 */
int params_parse(struct params *p, const struct request *req, uint32_t max_seconds, struct err *why);

/* Is a form asked for whose errors are JSON too? For errors that are found before, or without, the
 * rest of the parameters. */
bool params_want_json(const struct request *req);

#endif
