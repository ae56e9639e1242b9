/*
 * outbox.h - messages to a process that may be slow to read them.
 *
 * The collector waits for nobody: what the socket does not take at once is
 * kept, up to a maximum, and sent when it becomes writable.
 */
#ifndef PPD_COLLECTOR_OUTBOX_H
#define PPD_COLLECTOR_OUTBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/loop.h"

struct outbox_item;

struct outbox {
	struct loop *loop;       /* borrowed */
	struct loop_fd *socket;  /* borrowed; its fd is the socket */
	struct outbox_item *first, **last;
	size_t bytes, max;       /* kept now, and at most */
};

void outbox_init(struct outbox *o, struct loop *loop, struct loop_fd *socket, size_t max);
void outbox_fini(struct outbox *o);
/* Send now or later; fd (-1: none) is duplicated where it must be kept. Returns 0, or -errno when
 * the connection is of no more use (-ENOBUFS: the reader is too slow). */
int outbox_send(struct outbox *o, uint16_t type, const void *body, size_t len, int fd);
/* The socket is writable: send what was kept. Returns 0 or -errno. */
int outbox_flush(struct outbox *o);

#endif
