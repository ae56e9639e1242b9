#include "config.h"

#include "fcgi/memory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "fcgi/client.h"

#define ASK_MS  5000  /* for a memory to be opened */
#define ARM_MS  15000 /* for a rate to be found and set */
#define READ_MS 20000 /* for a reading; the symbolizer gives up before that */

/* Of either profile, as the runtime stores it: everything is recorded. */
#define RATE_ALL 1

static const char collector[] = "the collector";
static const char symbolizer[] = "the symbolizer";

/* ---- the collector's side */

static int
memory_is(struct memory_asked *a, struct refusal *no)
{
	struct cur c;

	cur_init(&c, a->m->body, a->m->len);
	a->memory = cur_u64(&c);
	cur_u32(&c); /* its process, which the state has told already */
	cur_u64(&c);
	if (cur_error(&c) == 0 && !cur_left(&c))
		return 0;
	refusal_set(no, 503, 0, "the collector sent what cannot be right");
	return -EBADMSG;
}

/* Take the maps up to WIRE_MEMORY_IS. */
static int
memory_maps(struct memory_asked *a, struct profile *p, struct refusal *no)
{
	uint64_t deadline = app_now_ms() + ASK_MS;
	struct err why;
	int r;

	for (;;) {
		r = wait_message(a->wait, a->collector, collector, a->m, deadline, no);
		if (r < 0)
			return r;
		if (a->m->fd >= 0)
			close(a->m->fd); /* none is expected */
		if (a->m->type == WIRE_MEMORY_IS)
			return memory_is(a, no);
		r = a->m->type == WIRE_MAPS
			    ? intake(p, WIRE_MAPS, a->m->body, a->m->len, &why)
			    : err_set(&why, -EBADMSG, "a message of type %u that does not belong here",
				      a->m->type);
		if (r < 0) {
			refusal_set(no, 503, 0, "the collector sent %s", why.text);
			return r;
		}
	}
}

int
memory_ask(struct memory_asked *a, struct wait *w, uint16_t node, struct profile *p, struct refusal *no)
{
	struct buf b;

	memset(a, 0, sizeof(*a));
	a->wait = w;
	a->collector = a->armed = -1;
	a->m = malloc(sizeof(*a->m));
	if (!a->m) {
		refusal_set(no, 503, 0, "out of memory");
		return -ENOMEM;
	}
	buf_init(&b, WIRE_BODY_MAX);
	buf_u16(&b, node);
	a->collector = client_ask(w->app, WIRE_MEMORY_ASK, &b, no);
	buf_fini(&b);
	return a->collector < 0 ? a->collector : memory_maps(a, p, no);
}

int
memory_arm(struct memory_asked *a, uint16_t node, enum reading_kind kind, struct refusal *no)
{
	struct buf b;
	int r;

	buf_init(&b, WIRE_BODY_MAX);
	buf_u16(&b, node);
	buf_u8(&b, kind);
	buf_u64(&b, RATE_ALL);
	a->armed = client_ask(a->wait->app, WIRE_ARM_ASK, &b, no);
	buf_fini(&b);
	if (a->armed < 0)
		return a->armed;
	r = wait_message(a->wait, a->armed, collector, a->m, app_now_ms() + ARM_MS, no);
	if (r < 0)
		return r;
	if (a->m->fd >= 0)
		close(a->m->fd);
	if (a->m->type == WIRE_ARMED)
		return 0;
	refusal_set(no, 503, 0, "the collector sent what cannot be right");
	return -EBADMSG;
}

void
memory_end(struct memory_asked *a)
{
	if (a->collector >= 0)
		close(a->collector);
	if (a->armed >= 0)
		close(a->armed);
	a->collector = a->armed = -1;
	free(a->m);
	a->m = NULL;
}

int
memory_wait(struct memory_asked *a, uint64_t deadline_ms, struct refusal *no)
{
	return wait_until(a->wait, a->armed >= 0 ? a->armed : a->collector, collector, a->m, deadline_ms,
			  no);
}

/* ---- the symbolizer's */

static int
memory_open(int fd, enum reading_kind kind, struct reading *out, struct refusal *no)
{
	struct err why;
	int r = fd < 0 ? err_set(&why, -EBADMSG, "reading: there is no file") : reading_open(out, fd, &why);

	if (r == 0 && out->head->kind != kind) {
		reading_close(out);
		r = err_set(&why, -EBADMSG, "reading: of another kind");
	}
	if (r < 0)
		refusal_set(no, 503, 0, "the symbolizer sent what cannot be right: %s", why.text);
	return r;
}

static int
memory_take(struct memory_asked *a, enum reading_kind kind, struct reading *out, struct refusal *no)
{
	const char *text;
	struct cur c;
	uint32_t ticket;
	uint16_t status;
	size_t n;
	int r;

	cur_init(&c, a->m->body, a->m->len);
	ticket = cur_u32(&c);
	status = cur_u16(&c);
	text = cur_str(&c, &n);
	if (a->m->type != WIRE_READING || cur_error(&c) < 0 || ticket != a->ticket) {
		refusal_set(no, 503, 0, "the symbolizer sent what cannot be right");
		r = -EBADMSG;
	} else if (status == 200) {
		r = memory_open(a->m->fd, kind, out, no);
	} else {
		refusal_take(no, status, 0, text, n);
		r = -ECONNREFUSED;
	}
	if (a->m->fd >= 0)
		close(a->m->fd);
	return r;
}

int
memory_read(struct memory_asked *a, enum reading_kind kind, uint32_t duration_ms, struct reading *out,
	    struct refusal *no)
{
	uint64_t deadline = app_now_ms() + READ_MS + duration_ms;
	struct buf b;
	int sock, r;

	buf_init(&b, WIRE_BODY_MAX);
	buf_u64(&b, a->memory);
	buf_u32(&b, ++a->ticket);
	buf_u8(&b, kind);
	buf_u32(&b, duration_ms);
	sock = client_ask_symbolizer(a->wait->app, WIRE_READ_ASK, &b, no);
	buf_fini(&b);
	if (sock < 0)
		return sock;
	r = wait_message(a->wait, sock, symbolizer, a->m, deadline, no);
	if (r == 0)
		r = memory_take(a, kind, out, no);
	close(sock);
	return r;
}
