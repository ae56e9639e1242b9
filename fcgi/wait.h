/*
 * wait.h - waiting for others, while the client may go away and we may have to stop.
 *
 * A request's thread waits in one poll() for what it wants and for three things more: the end of
 * the web server's connection, our own stop, and once a second a look whether the client is
 * still there.
 */
#ifndef PPD_FCGI_WAIT_H
#define PPD_FCGI_WAIT_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/wire.h"
#include "fcgi/app.h"
#include "fcgi/gone.h"
#include "fcgi/intake.h"
#include "fcgi/names.h"
#include "fcgi/request.h"

#define WAIT_FDS_MAX 4
/* From our stop to the end of what is still waited for. */
#define WAIT_STOP_MS 4000

struct wait {
	const struct app *app; /* borrowed */
	int conn;              /* the web server's connection */
	bool stopping;
	uint64_t stop_ms; /* stopping: when nothing may be waited for any more; else UINT64_MAX */
	uint64_t look_ms; /* when to look for the client again */
	struct gone_watch watch;
};

void wait_init(struct wait *w, const struct app *app, const struct request *req);

/* The earlier one: of two times, and of a deadline and our stop. */
uint64_t wait_earlier(uint64_t a, uint64_t b);
uint64_t wait_deadline(const struct wait *w, uint64_t deadline_ms);

/*
 * Wait once: until one of n ≤ WAIT_FDS_MAX descriptors is ready (their revents are set), or it is
 * until_ms (CLOCK_MONOTONIC), or something else wants attention. Returns 0, or -ECONNABORTED:
 * the client has gone.
 */
int wait_for(struct wait *w, struct pollfd *fds, size_t n, uint64_t until_ms);

/*
 * The next message of `whom` ("the collector"), non-blocking; its descriptor is the caller's.
 * Returns 0; -ECONNABORTED; -ETIMEDOUT and others with *no set. A WIRE_REFUSED is -ECONNREFUSED.
 */
int wait_message(struct wait *w, int sock, const char *whom, struct wire_msg *m, uint64_t deadline_ms,
		 struct refusal *no);

/* Until every place has its name, or deadline_ms. Returns 0 in both cases, or -ECONNABORTED. */
int wait_names(struct wait *w, struct names *names, uint64_t deadline_ms);

/* Until deadline_ms, while `whom` says nothing and does not end. Returns 0, -ECONNABORTED, or another
 * -errno with *no set. `m` is memory for what it may say. */
int wait_until(struct wait *w, int sock, const char *whom, struct wire_msg *m, uint64_t deadline_ms,
	       struct refusal *no);

#endif
