/*
 * metrics.h - an overview in Prometheus' text format (exposition format 0.0.4).
 *
 * Few numbers, and none a function or a thread: what a profile says is asked for as a profile.
 */
#ifndef PPD_FCGI_METRICS_H
#define PPD_FCGI_METRICS_H

#include "base/buf.h"
#include "fcgi/overview.h"

extern const char metrics_type[]; /* the media type */

void metrics_write(const struct overview *o, struct buf *to);

#endif
