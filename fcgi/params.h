/*
 * params.h - the parameters of a request.
 *
 * From the query, and from the body of a urlencoded POST, which goes first; of a
 * name that comes twice the first value wins (as in Go's net/http). One table
 * (params.c) holds every name; others are ignored.
 */
#ifndef PPD_FCGI_PARAMS_H
#define PPD_FCGI_PARAMS_H

#include <stdint.h>

#include "base/err.h"
#include "fcgi/request.h"

#define PARAMS_EVENT_MAX 128 /* bytes with the NUL; libpfm4's longest are shorter */

struct params {
	uint32_t duration_ms;         /* seconds=: 30 s when absent, zero, negative or junk; ≥ 1 */
	int64_t debug;                /* debug=: negative and junk are 0 */
	uint32_t hz;                  /* hz=: 1-1000; 0: absent */
	char event[PARAMS_EVENT_MAX]; /* event=: printable ASCII; "": absent */
};

/*
 * Returns 0, or -EINVAL with a sentence for the client (status 400): seconds over max_seconds,
 * hz out of its range, an escape that is none, a control character.
 */
int params_parse(struct params *p, const struct request *req, uint32_t max_seconds, struct err *why);

#endif
