#include "config.h"

#include "symbolize/client.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/wire.h"
#include "symbolize/answer.h"

struct client_message {
	struct client_message *next;
	uint16_t type;
	int fd; /* owned; -1: none */
	size_t n;
	unsigned char body[];
};

void
client_init(struct client *c, int fd, unsigned int may, uint64_t now_ns)
{
	memset(c, 0, sizeof(*c));
	c->fd = fd;
	c->may = may;
	c->since_ns = c->moved_ns = now_ns;
	buf_init(&c->chunk, WIRE_BODY_MAX);
}

static void
drop_head(struct client *c)
{
	struct client_message *m = c->head;

	c->head = m->next;
	if (!c->head)
		c->tail = NULL;
	c->queued -= m->n;
	if (m->fd >= 0)
		close(m->fd);
	free(m);
}

void
client_fini(struct client *c)
{
	while (c->head)
		drop_head(c);
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
	buf_fini(&c->chunk);
}

static void
set_broken(struct client *c, const char *why)
{
	if (!c->broken && why)
		log_warning("client on descriptor %d is dropped: %s", c->fd, why);
	c->broken = true;
}

static void
enqueue(struct client *c, uint16_t type, const struct buf *body, int fd, uint64_t now_ns)
{
	struct client_message *m;

	if (c->queued + body->len > CLIENT_QUEUE_HARD) {
		set_broken(c, "its queue is full");
		return;
	}
	m = malloc(sizeof(*m) + body->len);
	if (!m) {
		set_broken(c, "no memory for its queue");
		return;
	}
	m->next = NULL;
	m->type = type;
	m->fd = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0);
	m->n = body->len;
	if (body->len)
		memcpy(m->body, body->data, body->len);
	if (fd >= 0 && m->fd < 0) {
		free(m);
		set_broken(c, "no descriptor for its queue");
		return;
	}
	if (c->tail) {
		c->tail->next = m;
	} else {
		c->head = m;
		c->moved_ns = now_ns;
	}
	c->tail = m;
	c->queued += m->n;
}

void
client_send(struct client *c, uint16_t type, const struct buf *body, int fd, uint64_t now_ns)
{
	int r = -EAGAIN;

	if (c->broken)
		return;
	if (buf_error(body)) {
		set_broken(c, "no memory for its answer");
		return;
	}
	if (!c->head)
		r = wire_send(c->fd, type, body->data, body->len, fd);
	if (r == 0)
		return;
	if (r == -EAGAIN)
		enqueue(c, type, body, fd, now_ns);
	else
		set_broken(c, NULL); /* gone; its end of file comes next */
}

void
client_flush(struct client *c, uint64_t now_ns)
{
	uint16_t n = c->chunk_n;

	if (!n)
		return;
	if (!buf_error(&c->chunk))
		memcpy(c->chunk.data + 8, &n, sizeof(n));
	client_send(c, WIRE_NAMES, &c->chunk, -1, now_ns);
	buf_reset(&c->chunk);
	c->chunk_n = 0;
}

void
client_answer(struct client *c, uint64_t object, const void *answer, size_t n, uint64_t now_ns)
{
	if (c->chunk_n && (c->chunk_object != object || c->chunk.len + n > WIRE_BODY_MAX))
		client_flush(c, now_ns);
	if (!c->chunk_n) {
		buf_reset(&c->chunk);
		buf_u64(&c->chunk, object);
		buf_u16(&c->chunk, 0);
		c->chunk_object = object;
	}
	buf_add(&c->chunk, answer, n);
	c->chunk_n++;
}

void
client_pump(struct client *c, uint64_t now_ns)
{
	while (c->head && !c->broken) {
		const struct client_message *m = c->head;
		int r = wire_send(c->fd, m->type, m->body, m->n, m->fd);

		if (r == -EAGAIN)
			break;
		if (r < 0)
			set_broken(c, NULL);
		c->moved_ns = now_ns;
		drop_head(c);
	}
	if (c->head && now_ns - c->moved_ns > CLIENT_STALL_NS)
		set_broken(c, "it reads nothing");
}

bool
client_has_room(const struct client *c)
{
	return c->queued < CLIENT_QUEUE_SOFT;
}
