#include "config.h"

#include "fcgi/wait.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define LOOK_MS 1000 /* between two looks for the client */
#define RETRY_S 5

void
wait_init(struct wait *w, const struct app *app, const struct request *req)
{
	memset(w, 0, sizeof(*w));
	w->app = app;
	w->conn = req->conn;
	w->stop_ms = UINT64_MAX;
	gone_watch_init(&w->watch, req);
}

uint64_t
wait_earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

uint64_t
wait_deadline(const struct wait *w, uint64_t deadline_ms)
{
	return wait_earlier(deadline_ms, w->stop_ms);
}

static int
wait_client(struct wait *w, uint64_t now_ms)
{
	if (now_ms < w->look_ms)
		return 0;
	w->look_ms = now_ms + LOOK_MS;
	return gone_look(w->app->gone, &w->watch) ? -ECONNABORTED : 0;
}

int
wait_for(struct wait *w, struct pollfd *fds, size_t n, uint64_t until_ms)
{
	uint64_t now = app_now_ms(), until = wait_earlier(until_ms, w->look_ms);
	struct pollfd all[WAIT_FDS_MAX + 2] = {
		/* Data there would be the next request's; only its end matters. */
		{ .fd = w->conn, .events = POLLRDHUP },
		{ .fd = w->stopping ? -1 : w->app->stop_fd, .events = POLLIN },
	};

	memcpy(all + 2, fds, n * sizeof(*fds));
	poll(all, 2 + n, until > now ? (int)wait_earlier(until - now, LOOK_MS) : 0);
	memcpy(fds, all + 2, n * sizeof(*fds));
	if (all[0].revents)
		return -ECONNABORTED;
	now = app_now_ms();
	if (all[1].revents) {
		w->stopping = true;
		w->stop_ms = now + WAIT_STOP_MS;
	}
	return wait_client(w, now);
}

static int
wait_overdue(const struct wait *w, const char *whom, struct refusal *no)
{
	if (w->stopping)
		refusal_set(no, 503, RETRY_S, "pprofd is stopping; ask again");
	else
		refusal_set(no, 503, RETRY_S, "%s does not answer", whom);
	return -ETIMEDOUT;
}

static int
wait_lost(const char *whom, int r, struct refusal *no)
{
	if (r == 0)
		refusal_set(no, 503, RETRY_S, "%s went away without an answer; ask again", whom);
	else
		refusal_set(no, 503, 0, "%s sent what cannot be right", whom);
	return r ? r : -ECONNRESET;
}

int
wait_message(struct wait *w, int sock, const char *whom, struct wire_msg *m, uint64_t deadline_ms,
	     struct refusal *no)
{
	for (;;) {
		struct pollfd fd = { .fd = sock, .events = POLLIN };
		int r = wire_recv(sock, m);

		if (r == 1 && m->type != WIRE_REFUSED)
			return 0;
		if (r == 1) {
			if (m->fd >= 0)
				close(m->fd);
			refusal_decode(no, m->body, m->len);
			return -ECONNREFUSED;
		}
		if (r != -EAGAIN)
			return wait_lost(whom, r, no);
		if (app_now_ms() >= wait_deadline(w, deadline_ms))
			return wait_overdue(w, whom, no);
		r = wait_for(w, &fd, 1, wait_deadline(w, deadline_ms));
		if (r < 0)
			return r;
	}
}

int
wait_names(struct wait *w, struct names *names, uint64_t deadline_ms)
{
	uint64_t now = app_now_ms(), wake;

	names_turn(names, now);
	while (names_waiting(names) && now < wait_deadline(w, deadline_ms)) {
		struct pollfd fd = { 0 };
		int r;

		fd.fd = names_fd(names, &fd.events, &wake);
		r = wait_for(w, &fd, 1, wait_earlier(wake, wait_deadline(w, deadline_ms)));
		if (r < 0)
			return r;
		now = app_now_ms();
		names_turn(names, now);
	}
	return 0;
}

int
wait_until(struct wait *w, int sock, const char *whom, struct wire_msg *m, uint64_t deadline_ms,
	   struct refusal *no)
{
	while (app_now_ms() < deadline_ms) {
		struct pollfd fd = { .fd = sock, .events = POLLIN };
		int r;

		if (app_now_ms() >= w->stop_ms)
			return wait_overdue(w, whom, no);
		r = wait_for(w, &fd, 1, wait_deadline(w, deadline_ms));
		if (r < 0)
			return r;
		if (!fd.revents)
			continue;
		r = wait_message(w, sock, whom, m, deadline_ms, no);
		if (r == 0 && m->fd >= 0)
			close(m->fd);
		return r < 0 ? r : wait_lost(whom, -EBADMSG, no);
	}
	return 0;
}
