/*
 * html.h - what our pages have in common: head, colours, and text without its markup.
 *
 * One file a page, without scripts, fonts or pictures. Light and dark as the browser prefers, 360
 * pixels wide and more.
 */
#ifndef PPD_FCGI_HTML_H
#define PPD_FCGI_HTML_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "fcgi/request.h"

/* The header Content-Security-Policy of a page: no script, nothing from elsewhere. */
extern const char html_policy[];

/* Up to the page's first words in <main>. title, heading: any text. up: the way to the index, or NULL. */
void html_begin(struct buf *b, const char *title, const char *heading, const char *up);
void html_end(struct buf *b);

/* Escaped and cleaned (text.h). */
void html_text(struct buf *b, const char *s);
/* The same, cut where it would be more than about max bytes. */
void html_cut(struct buf *b, const char *s, size_t max);

/* A table of what is what: nothing where the value is "" or 0. */
void html_rows_begin(struct buf *b);
void html_row(struct buf *b, const char *name, const char *value);
void html_row_number(struct buf *b, const char *name, uint64_t value);
/* 0: nothing. UTC: a zone's rules are in a file, and this process opens none. */
void html_row_time(struct buf *b, const char *name, uint64_t unix_ns);
void html_rows_end(struct buf *b);

/* A box that must not be missed. */
void html_trouble(struct buf *b, const char *before, const char *why);

/* "http://HOST", as the client reached us, where it says so in a way that may stand in a command. */
void html_origin(struct buf *b, const struct request *req);

#endif
