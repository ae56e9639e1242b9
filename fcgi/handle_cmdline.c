#include "config.h"

#include "fcgi/handle.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/wire.h"
#include "fcgi/client.h"

/* Arguments hold passwords: by default the first one only is shown, and how many follow. */
static void
cmdline_write(struct buf *b, const char *bytes, size_t n, bool all)
{
	const char *end = bytes + n;

	for (const char *at = bytes; at < end;) {
		const char *stop = memchr(at, '\0', (size_t)(end - at));
		size_t len = stop ? (size_t)(stop - at) : (size_t)(end - at);

		if (at != bytes)
			buf_u8(b, '\0');
		if (at == bytes || all)
			buf_add(b, at, len);
		else
			buf_text(b, "[redacted]");
		at += len + 1;
	}
}

static void
cmdline_ask(const struct app *app, uint16_t node, struct wire_msg *m, struct reply *to)
{
	struct refusal no;
	struct buf b;
	struct cur c;
	const char *bytes;
	size_t n;
	int sock, r;

	buf_init(&b, WIRE_BODY_MAX);
	buf_u16(&b, node);
	sock = client_ask(app, WIRE_CMDLINE_ASK, &b, &no);
	buf_fini(&b);
	r = sock < 0 ? sock : client_next(sock, m, app_now_ms() + CLIENT_ASK_MS, &no);
	if (sock >= 0)
		close(sock);
	if (r < 0) {
		handle_refusal(to, &no);
		return;
	}
	cur_init(&c, m->body, m->len);
	bytes = cur_str(&c, &n);
	if (m->type != WIRE_CMDLINE || cur_error(&c) < 0)
		reply_error(to, 503, "the collector sent what cannot be right");
	else
		cmdline_write(&to->body, bytes, n, app->conf->cmdline);
}

void
handle_cmdline(const struct app *app, const struct request *req, const struct conf_node *node,
	       struct reply *to)
{
	struct wire_msg *m = malloc(sizeof(*m));
	const struct state_node *found;
	struct state s;

	(void)req;
	found = handle_node(app, node, &s, to);
	if (found && m)
		cmdline_ask(app, found->number, m, to);
	else if (found)
		reply_error(to, 503, "out of memory");
	state_fini(&s);
	free(m);
}
