/*
 * children.h - all jailed children, whatever they work at: heard, watched, reaped.
 *
 * They are served like clients, with less trust. What one says goes to where its work was ordered:
 * naming, row_jobs, readings. The files that it wants come from here.
 */
#ifndef PPD_SYMBOLIZE_CHILDREN_H
#define PPD_SYMBOLIZE_CHILDREN_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>

#include "symbolize/service.h"

/* How many there is room for; so many pollfds children_poll() fills, and children_serve() looks at. */
size_t children_count(const struct service *s);
void children_poll(struct service *s, struct pollfd *p);
void children_serve(struct service *s, const struct pollfd *p);

/* Is any at work, so that time limits are to be looked at? */
bool children_are_busy(struct service *s);
/* Once a turn. */
void children_check_times(struct service *s);

/* After SIGCHLD: those that have ended; whoever waits for them is told. */
void children_reap(struct service *s);

/* WIRE_FILE of the collector, for one that asked for a file. Returns 0, or -EBADMSG: drop the client. */
int children_file(struct service *s, struct client *c, struct wire_msg *m);

/* Kill all, and wait for them: no child outlives us. */
void children_end(struct service *s);

#endif
