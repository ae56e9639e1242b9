/*
 * store.h - captures, running and finished, kept in memory for those who ask for them later.
 *
 *            ┌─ store_done ─► DONE ───┐
 *   RUNNING ─┤                        ├─ age, or room is needed ─► forgotten
 *            └─ store_fail ─► FAILED ─┘
 *
 * Bounded in number, bytes and age; the oldest goes first, and a running one never. What is
 * forgotten lives on for whoever still holds it, such as an answer that is being written.
 * Any thread may call anything here.
 */
#ifndef PPD_FCGI_STORE_H
#define PPD_FCGI_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/conf.h"
#include "fcgi/intake.h"
#include "fcgi/params.h"
#include "fcgi/take.h"

#define STORE_ID_MAX      21 /* with the NUL: 20 letters and digits, 100 bits that nobody guesses */
#define STORE_COUNT_MAX   256
#define STORE_RUNNING_MAX 8   /* at a time; each has a thread of the pool */
#define STORE_WATCHED_MAX 16  /* threads that wait for one that runs */
#define STORE_WHY_MAX     512 /* bytes with the NUL */

struct store;

struct store_limits {
	uint32_t count;     /* 0: none is ever kept; ≤ STORE_COUNT_MAX */
	uint64_t bytes;     /* of finished profiles together */
	uint64_t age_ms;    /* from a capture's end */
};

enum store_state { STORE_RUNNING, STORE_DONE, STORE_FAILED };

/* What can be told of a capture without holding it. */
struct store_is {
	char id[STORE_ID_MAX];
	char node[CONF_NAME_MAX];
	const char *kind;              /* static: a route's name */
	const char *filename;          /* DONE: static */
	char event[PARAMS_EVENT_MAX];  /* "": the usual one */
	uint32_t hz;                   /* 0: the usual rate */
	uint32_t duration_ms;          /* as asked for; 0: it needs no time */
	bool counts;                   /* it has samples: a window, no snapshot */
	uint64_t begin_unix_ns;
	uint64_t begin_ms, end_ms;     /* CLOCK_MONOTONIC; end_ms 0: RUNNING */
	uint64_t expires_ms;           /* 0: RUNNING */
	enum store_state state;
	uint64_t samples, lost;        /* so far */
	uint64_t bytes;                /* DONE */
	int status;                    /* FAILED: HTTP's */
	char why[STORE_WHY_MAX];       /* FAILED: a sentence */
};

/* A capture, held. */
struct kept;

/* Returns NULL without memory. Freed only when nothing uses it any more. */
struct store *store_new(const struct store_limits *limits);
void store_free(struct store *s);

/*
 * A capture begins: of *is, node, kind, event, hz, duration_ms, counts and begin_unix_ns count. *out is held by the caller,
 * who ends it with store_done() or store_fail(). Returns 0, or -errno with what to answer in *no: too
 * many run, none are kept.
 */
int store_begin(struct store *s, const struct store_is *is, uint64_t now_ms, struct kept **out,
		struct refusal *no);
void store_progress(struct store *s, struct kept *k, uint64_t samples, uint64_t lost);
/* The end: the profile is taken in any case, and the caller's hold with it. One that does not fit
 * makes the capture a failed one. */
void store_done(struct store *s, struct kept *k, const struct taken *taken, uint64_t now_ms);
void store_fail(struct store *s, struct kept *k, const struct refusal *no, uint64_t now_ms);

/*
 * Hold a capture of a node until store_put(). Returns NULL where there is none: *gone says whether there
 * was one that has been forgotten.
 */
struct kept *store_get(struct store *s, const char *node, const char *id, uint64_t now_ms, bool *gone);
void store_put(struct store *s, struct kept *k);
/* How it is now. */
void store_look(struct store *s, const struct kept *k, struct store_is *out);
/* Of one that is DONE: as long as it is held. */
const struct profile *store_profile(const struct kept *k);

/* Wait for its end, at most until until_ms (CLOCK_MONOTONIC, app_now_ms()). Is it over? */
bool store_wait(struct store *s, const struct kept *k, uint64_t until_ms);
/* Before one waits: false when too many do. Else store_watch_end() afterwards. */
bool store_watch_begin(struct store *s);
void store_watch_end(struct store *s);

/* Those of a node (NULL: of all), the newest first, at most max. Returns how many. */
uint32_t store_list(struct store *s, const char *node, uint64_t now_ms, struct store_is *out, uint32_t max);

struct store_counts {
	uint32_t running, done, failed;
	uint64_t bytes;
};
void store_count(struct store *s, uint64_t now_ms, struct store_counts *out);

#endif
