/*
 * handle.h - the answers, one function an endpoint.
 *
 * Each takes what route.c found out and leaves a complete reply; an error text
 * is a reply too. `node` may be NULL where none is configured.
 */
#ifndef PPD_FCGI_HANDLE_H
#define PPD_FCGI_HANDLE_H

#include "fcgi/intake.h"
#include "fcgi/route.h"
#include "fcgi/state.h"

typedef void handle(const struct app *app, const struct request *req, const struct conf_node *node,
		    struct reply *to);

handle handle_index;   /* the page at /debug/pprof/, or its content as JSON */
handle handle_metrics; /* of all nodes */
handle handle_profile; /* CPU, or any event */
handle handle_cmdline;
handle handle_symbol;
handle handle_captures; /* the list of captures, and POST for a new one */
handle handle_capture;  /* below captures/ */
handle handle_snapshot; /* what Go's runtime has recorded: heap, goroutine, ... */

/* What handlers share. */
void handle_refusal(struct reply *to, const struct refusal *no);

/* Who the collector says that the node is. Returns it (inside *s), or NULL with *no set.
 * state_fini() in both cases. */
const struct state_node *handle_find(const struct app *app, const struct conf_node *node, struct state *s,
				     struct refusal *no);
/* The same with the reply set. */
const struct state_node *handle_node(const struct app *app, const struct conf_node *node, struct state *s,
				     struct reply *to);

#endif
