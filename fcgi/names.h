/*
 * names.h - ask the symbolizer, while the window is still open.
 *
 * Each new place of a profile is asked about once, in batches, one batch of an
 * object at a time; what comes back goes into the profile. Nothing here waits:
 * the owner polls names_fd() and calls names_turn(). A symbolizer that is absent,
 * dies or lies costs names, never the profile.
 */
#ifndef PPD_FCGI_NAMES_H
#define PPD_FCGI_NAMES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/wire.h"
#include "fcgi/profile.h"

struct names_object {
	LIST(uint64_t) places;   /* in the order in which they were met */
	uint32_t sent, answered; /* places[answered, sent) are being asked now */
	uint32_t ticket;         /* of that question; 0: none */
	uint32_t tries;          /* how often in a row "busy" was the answer */
	uint64_t not_before_ms;  /* after "busy": when to ask again */
	bool noted;              /* a comment about it was made */
};

struct names {
	struct profile *p;  /* borrowed */
	struct wire_msg *m; /* borrowed: a message's worth of memory */
	int sock;           /* -1: no symbolizer (any more) */
	uint32_t seen;      /* places of the profile that were looked at */
	uint32_t last_ticket;
	bool blocked;                      /* the socket is full: wait until it can be written */
	bool full;                         /* PROFILE_NAMES_MAX is reached */
	LIST(struct names_object) objects; /* by the profile's object index */
};

/* Connect to run_dir/symbolizer.sock. Never fails: without a symbolizer the profile gets a
 * comment. `p` and `m` stay the caller's. */
void names_open(struct names *n, struct profile *p, struct wire_msg *m, const char *run_dir);
void names_close(struct names *n);

/* What to poll for: the descriptor (-1: nothing), the events, and the time at which something
 * is to be done without any (a "busy" asked again; UINT64_MAX: nothing). */
int names_fd(const struct names *n, short *events, uint64_t *wake_ms);
/* Take what is there, ask what is new. now_ms: CLOCK_MONOTONIC. */
void names_turn(struct names *n, uint64_t now_ms);
/* Is an answer outstanding, or a question unasked? False without a symbolizer. */
bool names_waiting(const struct names *n);

#endif
