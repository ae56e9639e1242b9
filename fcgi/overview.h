/*
 * overview.h - how the nodes and we ourselves are, for those who look: a person, a dashboard, Prometheus.
 */
#ifndef PPD_FCGI_OVERVIEW_H
#define PPD_FCGI_OVERVIEW_H

#include <stdbool.h>

#include "conf/conf.h"
#include "fcgi/app.h"
#include "fcgi/request.h"
#include "fcgi/route.h"
#include "fcgi/state.h"
#include "fcgi/store.h"

#define OVERVIEW_CAPTURES_MAX 10
#define OVERVIEW_WHY_MAX      512

struct overview {
	const struct conf *conf;        /* borrowed, as are req and node */
	const struct request *req;
	const struct conf_node *node;   /* NULL: none is configured */
	bool below_nodes;               /* asked for below /nodes/NAME */
	bool answered;                  /* the collector did */
	struct state state;             /* what it said */
	const struct state_node *found; /* the node in it; NULL: it has none of that name */
	struct refusal trouble;         /* why it did not answer, or knows no such node; "": fine */
	struct store_counts captures;   /* of all nodes */
	struct store_is newest[OVERVIEW_CAPTURES_MAX]; /* captures of this node */
	uint32_t n_newest;
	uint64_t cpu_ns, rss_bytes;     /* our own cost; 0: unknown */
};

/* Never fails: what does not work is what it has to say. overview_fini() afterwards. */
void overview_get(struct overview *o, const struct app *app, const struct request *req,
		  const struct conf_node *node);
void overview_fini(struct overview *o);

/* Why the node cannot be sampled now, in a sentence with its remedy; NULL: it can. */
const char *overview_trouble(const struct overview *o);
/* Can a profile be had of this node? Else why not. */
bool overview_has(const struct overview *o, const struct route *route, char why[OVERVIEW_WHY_MAX]);
/* A node's state in one word for programs ("running"), and in words for people. */
const char *overview_state(const struct state_node *n);
const char *overview_state_words(const struct state_node *n);

#endif
