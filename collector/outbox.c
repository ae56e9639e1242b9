#include "config.h"

#include "collector/outbox.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/wire.h"

struct outbox_item {
	struct outbox_item *next;
	uint16_t type;
	int fd; /* owned */
	size_t len;
	unsigned char body[];
};

void
outbox_init(struct outbox *o, struct loop *loop, struct loop_fd *socket, size_t max)
{
	memset(o, 0, sizeof(*o));
	o->loop = loop;
	o->socket = socket;
	o->last = &o->first;
	o->max = max;
}

static void
outbox_pop(struct outbox *o)
{
	struct outbox_item *i = o->first;

	o->first = i->next;
	if (!o->first)
		o->last = &o->first;
	o->bytes -= sizeof(*i) + i->len;
	if (i->fd >= 0)
		close(i->fd);
	free(i);
}

void
outbox_fini(struct outbox *o)
{
	while (o->first)
		outbox_pop(o);
}

static int
outbox_keep(struct outbox *o, uint16_t type, const void *body, size_t len, int fd)
{
	struct outbox_item *i;
	int r;

	if (o->bytes + sizeof(*i) + len > o->max)
		return -ENOBUFS;
	i = malloc(sizeof(*i) + len);
	if (!i)
		return -ENOMEM;
	i->next = NULL;
	i->type = type;
	i->fd = -1;
	i->len = len;
	if (fd >= 0) {
		i->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
		if (i->fd < 0) { /* never a message without the descriptor that it speaks of */
			r = -errno;
			free(i);
			return r;
		}
	}
	if (len)
		memcpy(i->body, body, len);
	if (!o->first)
		loop_change(o->loop, o->socket, EPOLLIN | EPOLLOUT);
	*o->last = i;
	o->last = &i->next;
	o->bytes += sizeof(*i) + len;
	return 0;
}

int
outbox_send(struct outbox *o, uint16_t type, const void *body, size_t len, int fd)
{
	int r = -EAGAIN;

	if (!o->first)
		r = wire_send(o->socket->fd, type, body, len, fd);
	if (r == -EAGAIN || r == -ENOBUFS)
		r = outbox_keep(o, type, body, len, fd);
	return r;
}

int
outbox_flush(struct outbox *o)
{
	while (o->first) {
		struct outbox_item *i = o->first;
		int r = wire_send(o->socket->fd, i->type, i->body, i->len, i->fd);

		if (r == -EAGAIN)
			return 0;
		if (r < 0)
			return r;
		outbox_pop(o);
	}
	return loop_change(o->loop, o->socket, EPOLLIN);
}
