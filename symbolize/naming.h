/*
 * naming.h - questions for names, from the asking to the last answer.
 *
 *            cache              cache, once the client has room
 *   NEW ────────────► SENT ◄──────────────────────────── READY
 *    │                 ▲ ▲                                 ▲
 *    │ not there       │ └── GONE: no answer will come     │ final, no room
 *    ▼                 │ final                             │
 *   WAIT ──────────────┴───────────────────────────────────┘
 *
 * Several requests for one place cost one question to the child: whoever waits
 * gets the answer. A request ends with WIRE_NAMED, when none of its places is
 * left in NEW, WAIT or READY.
 */
#ifndef PPD_SYMBOLIZE_NAMING_H
#define PPD_SYMBOLIZE_NAMING_H

#include "base/wire.h"
#include "symbolize/client.h"
#include "symbolize/reader.h"
#include "symbolize/service.h"

/* Requests that a client may have open at a time, and places in them. */
#define NAMING_REQUESTS_MAX 4096
#define NAMING_PLACES_MAX   (1u << 20)
/* After its child died an object's missing names stay missing so long; where somebody killed it,
 * which need not be the object's fault, a moment. */
#define NAMING_DEAD_NS   60000000000u
#define NAMING_KILLED_NS 2000000000u

/* WIRE_NAME_ASK. Returns 0, or -EBADMSG: drop the client. */
int naming_ask(struct service *s, struct client *c, const struct wire_msg *m);

/* WIRE_NAMES and WIRE_NAMED of a child. -EBADMSG: kill it. */
int naming_names(struct service *s, struct reader *r, const struct wire_msg *m);
int naming_named(struct service *s, struct reader *r, const struct wire_msg *m);

/* The child of an object died in the middle of a question; why: "crashed (signal 11)". None is
 * started again for that long. */
void naming_died(struct service *s, struct entry *e, const char *why, uint64_t for_ns);

/* Start children and ask, as far as there is somebody to be asked. Called once a turn. */
void naming_schedule(struct service *s);

/* The client has room again. */
void naming_resume(struct service *s, struct client *c);

/* The client, or the object, goes. */
void naming_forget_client(struct service *s, struct client *c);
void naming_forget_entry(struct service *s, struct entry *e);

#endif
