#include "config.h"

#include "fcgi/client.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define RETRY_S 5

/* `whom`: the process's name behind "pprofd-", which its socket has too. */
static int
client_ask_whom(const struct app *app, const char *whom, uint16_t type, const struct buf *body,
		struct refusal *no)
{
	char path[CONF_STRING_MAX + 32];
	struct err why;
	int sock, r;

	snprintf(path, sizeof(path), "%s/%s.sock", app->conf->run_dir, whom);
	sock = wire_connect(path, &why);
	if (sock < 0) {
		refusal_set(no, 503, RETRY_S,
			    "the %s is not running (%s); start pprofd-%s, its log says more", whom,
			    why.text, whom);
		return sock;
	}
	fcntl(sock, F_SETFL, O_NONBLOCK);
	r = buf_error(body) ? buf_error(body) : wire_send(sock, type, body->data, body->len, -1);
	if (r < 0) {
		close(sock);
		refusal_set(no, 503, RETRY_S, "the %s does not take a question: %s", whom, strerror(-r));
		return r;
	}
	return sock;
}

int
client_ask(const struct app *app, uint16_t type, const struct buf *body, struct refusal *no)
{
	return client_ask_whom(app, "collector", type, body, no);
}

int
client_ask_symbolizer(const struct app *app, uint16_t type, const struct buf *body, struct refusal *no)
{
	return client_ask_whom(app, "symbolizer", type, body, no);
}

int
client_next(int sock, struct wire_msg *m, uint64_t deadline_ms, struct refusal *no)
{
	uint64_t now = app_now_ms();
	struct pollfd fd = { .fd = sock, .events = POLLIN };
	int r;

	if (now > deadline_ms)
		now = deadline_ms;
	poll(&fd, 1, (int)(deadline_ms - now));
	r = wire_recv(sock, m);
	if (r == 1) {
		if (m->fd >= 0)
			close(m->fd);
		if (m->type != WIRE_REFUSED)
			return 0;
		refusal_decode(no, m->body, m->len);
		return -ECONNREFUSED;
	}
	if (r == -EAGAIN)
		refusal_set(no, 503, RETRY_S, "the collector does not answer");
	else if (r == 0)
		refusal_set(no, 503, RETRY_S, "the collector went away without an answer");
	else
		refusal_set(no, 503, 0, "the collector sent what cannot be right");
	return r ? r : -ECONNRESET;
}
