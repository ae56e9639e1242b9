#include "config.h"

#include "fcgi/capture.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/wire.h"
#include "fcgi/client.h"
#include "fcgi/names.h"
#include "fcgi/wait.h"

#define OPEN_MS       15000 /* for a window to open: descriptors for 1,000 threads take 0.3 s */
#define LATE_MS       15000 /* for a window to end, beyond its time */
#define TURN_MESSAGES 64    /* taken at once, so that the symbolizer's socket gets its turn */
#define PROGRESS_MS   500
#define RETRY_S       5

enum step { ASKED, OPEN, NAMING };

struct capture {
	const struct take *t; /* borrowed, as all that follows but m and sock */
	struct profile *p;
	struct refusal *no;
	struct wire_msg *m; /* owned */
	int sock;           /* the collector's; -1 once the window has ended */
	enum step step;
	uint32_t duration_ms;
	uint64_t deadline_ms; /* of this step */
	uint64_t progress_ms; /* when to ask how far it is; UINT64_MAX: never */
	struct wait wait;
	struct names names;
};

static void
capture_step(struct capture *c, enum step step, uint64_t now_ms)
{
	const uint64_t limits[] = {
		[ASKED] = OPEN_MS,
		[OPEN] = (uint64_t)c->duration_ms + LATE_MS,
		[NAMING] = CAPTURE_NAMES_MS,
	};

	c->step = step;
	c->deadline_ms = now_ms + limits[step];
}

/* ---- the collector's side */

static int
capture_progress(struct capture *c)
{
	struct cur at;
	uint64_t samples, lost;

	cur_init(&at, c->m->body, c->m->len);
	samples = cur_u64(&at);
	lost = cur_u64(&at);
	if (cur_error(&at) || cur_left(&at) || !c->t->progress) {
		refusal_set(c->no, 503, 0, "the collector sent a progress that cannot be right");
		return -EBADMSG;
	}
	c->t->progress(c->t->progress_ctx, samples, lost);
	return 0;
}

/* Returns 0 or a negative errno. */
static int
capture_message(struct capture *c, uint64_t now_ms)
{
	const struct wire_msg *m = c->m;
	struct err why;
	int r;

	if (m->fd >= 0)
		close(m->fd); /* none is expected */
	if (m->type == WIRE_REFUSED) {
		refusal_decode(c->no, m->body, m->len);
		return -ECONNREFUSED;
	}
	if (m->type == WIRE_PROGRESS && c->step == OPEN)
		return capture_progress(c);
	r = (m->type == WIRE_WINDOW) == (c->step == ASKED)
		    ? intake(c->p, m->type, m->body, m->len, &why)
		    : err_set(&why, -EBADMSG, "messages in the wrong order");
	if (r < 0) {
		refusal_set(c->no, 503, 0,
			    r == -ENOMEM ? "the profile is too large: %s; ask for fewer seconds"
					 : "the collector sent %s",
			    why.text);
		return r;
	}
	if (m->type == WIRE_WINDOW) {
		names_open(&c->names, c->p, c->m, c->t->app->conf->run_dir);
		c->progress_ms = c->t->progress ? now_ms + PROGRESS_MS : UINT64_MAX;
		capture_step(c, OPEN, now_ms);
	} else if (m->type == WIRE_WINDOW_END) {
		close(c->sock);
		c->sock = -1;
		capture_step(c, NAMING, now_ms);
	}
	return 0;
}

static int
capture_collector(struct capture *c, uint64_t now_ms)
{
	for (int i = 0; i < TURN_MESSAGES && c->sock >= 0; i++) {
		int r = wire_recv(c->sock, c->m);

		if (r == -EAGAIN)
			return 0;
		if (r == 1) {
			r = capture_message(c, now_ms);
			if (r < 0)
				return r;
			continue;
		}
		if (r < 0) {
			refusal_set(c->no, 503, 0, "the collector sent what cannot be right");
			return r;
		}
		refusal_set(c->no, 503, RETRY_S, "the collector went away %s; ask again",
			    c->step == OPEN ? "while the window was open" : "without an answer");
		return -ECONNRESET;
	}
	return 0;
}

/* ---- waiting */

static int
capture_overdue(struct capture *c)
{
	if (c->wait.stopping)
		refusal_set(c->no, 503, RETRY_S, "pprofd is stopping; ask again");
	else
		refusal_set(c->no, 503, RETRY_S,
			    c->step == ASKED ? "the collector does not open a window"
					     : "the collector does not end the window");
	return -ETIMEDOUT;
}

/* Until something is to be done. Returns 0, or -ECONNABORTED when the client has gone. */
static int
capture_wait(struct capture *c)
{
	uint64_t names_ms, wake_ms;
	struct pollfd fds[] = { { .fd = c->sock, .events = POLLIN }, { 0 } };

	fds[1].fd = names_fd(&c->names, &fds[1].events, &names_ms);
	wake_ms = wait_earlier(names_ms, c->progress_ms);
	return wait_for(&c->wait, fds, 2, wait_earlier(wait_deadline(&c->wait, c->deadline_ms), wake_ms));
}

/* A full socket loses nothing but a line on somebody's page. */
static void
capture_ask_progress(struct capture *c, uint64_t now_ms)
{
	if (c->step != OPEN || now_ms < c->progress_ms)
		return;
	wire_send(c->sock, WIRE_PROGRESS_ASK, NULL, 0, -1);
	c->progress_ms = now_ms + PROGRESS_MS;
}

static int
capture_run(struct capture *c)
{
	int r = 0;

	while (r == 0 && c->step != NAMING) {
		r = capture_wait(c);
		if (r == 0)
			r = capture_collector(c, app_now_ms());
		if (r < 0)
			return r;
		names_turn(&c->names, app_now_ms());
		capture_ask_progress(c, app_now_ms());
		if (c->step != NAMING && app_now_ms() >= wait_deadline(&c->wait, c->deadline_ms))
			r = capture_overdue(c);
	}
	return r < 0 ? r : wait_names(&c->wait, &c->names, c->deadline_ms);
}

static int
capture_ask(struct capture *c, uint16_t node)
{
	const struct params *params = c->t->params;
	struct buf b;

	buf_init(&b, WIRE_BODY_MAX);
	buf_u16(&b, node);
	buf_u32(&b, params->duration_ms);
	buf_u32(&b, params->hz);
	buf_str(&b, params->event, strlen(params->event));
	buf_u8(&b, params->unscaled ? WIRE_ASK_UNSCALED : 0);
	c->sock = client_ask(c->t->app, WIRE_WINDOW_ASK, &b, c->no);
	buf_fini(&b);
	return c->sock < 0 ? c->sock : 0;
}

int
capture(const struct take *t, uint16_t node, struct profile *p, struct refusal *no)
{
	struct capture c = { .t = t,
			     .p = p,
			     .no = no,
			     .sock = -1,
			     .duration_ms = t->params->duration_ms,
			     .progress_ms = UINT64_MAX,
			     .names = { .sock = -1 } };
	int r;

	c.m = malloc(sizeof(*c.m));
	if (!c.m) {
		refusal_set(no, 503, RETRY_S, "out of memory");
		return -ENOMEM;
	}
	wait_init(&c.wait, t->app, t->req);
	r = capture_ask(&c, node);
	if (r == 0) {
		capture_step(&c, ASKED, app_now_ms());
		r = capture_run(&c);
	}
	names_close(&c.names);
	if (c.sock >= 0)
		close(c.sock);
	free(c.m);
	return r;
}
