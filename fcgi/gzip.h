/*
 * gzip.h - a sink whose bytes go on compressed into another.
 *
 * For documents that are written while they go out, to clients that take them so: lighttpd's
 * own mod_deflate leaves those alone (1.4.69: it compresses only what it has whole).
 */
#ifndef PPD_FCGI_GZIP_H
#define PPD_FCGI_GZIP_H

#include "fcgi/sink.h"

struct gzip;

/* `in` is set up to write into `to`, compressed. NULL: no memory. */
struct gzip *gzip_new(struct sink *in, struct sink *to);

/* What was written is all; the rest goes on. Returns 0 or the first error of either sink. */
int gzip_end(struct gzip *g);
void gzip_free(struct gzip *g);

#endif
