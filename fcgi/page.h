/*
 * page.h - the page at /debug/pprof/, for a person; scrapers read its rows too.
 *
 * Title, first line, the words "Types of profiles available:" and the rows are as in Go's
 * net/http/pprof. Around them: who the node is, whether it can be sampled and what to do if not, forms
 * that make captures, the captures there are, commands to copy. One request, at most PAGE_MAX bytes.
 */
#ifndef PPD_FCGI_PAGE_H
#define PPD_FCGI_PAGE_H

#include "base/buf.h"
#include "fcgi/overview.h"

#define PAGE_MAX 20000 /* bytes, whatever the node is called */

void page_write(const struct overview *o, struct buf *b);

#endif
