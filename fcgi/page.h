/*
 * page.h - the page at /debug/pprof/, for a person; scrapers read its rows too.
 *
 * Title, the words "Types of profiles available:" and the rows are as in Go's
 * net/http/pprof; around them stands who the node is and what is in the way.
 */
#ifndef PPD_FCGI_PAGE_H
#define PPD_FCGI_PAGE_H

#include <stdbool.h>

#include "base/buf.h"
#include "conf/conf.h"
#include "fcgi/state.h"

struct page {
	const struct conf *conf;        /* borrowed, as all here */
	const struct conf_node *node;   /* NULL: none is configured */
	const struct state *state;      /* NULL: the collector did not answer */
	const struct state_node *found; /* the node in it; NULL: it has none of that name */
	const char *trouble;            /* why there is no state or no node; NULL: none */
	bool below_nodes;               /* the page stands below /nodes/NAME */
};

void page_write(const struct page *page, struct buf *b);

#endif
