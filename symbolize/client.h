/*
 * client.h - a connection of the collector or of fcgi, as the parent sees it.
 *
 * Sending never blocks: what the socket does not take waits in a queue. One
 * that is full, or that the other side does not read for a while, ends the
 * connection.
 */
#ifndef PPD_SYMBOLIZE_CLIENT_H
#define PPD_SYMBOLIZE_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

/* Above this many queued bytes answers stay in the cache until there is room again. */
#define CLIENT_QUEUE_SOFT (512u << 10)
/* Above this the client is dropped. */
#define CLIENT_QUEUE_HARD (16u << 20)
/* So long may a client read nothing while something is queued. */
#define CLIENT_STALL_NS 30000000000u

struct client_message;

struct client {
	int fd;                      /* owned; -1: a free slot */
	unsigned int may;            /* CLIENT_MAY_* */
	bool is_collector;           /* it has handed over objects */
	bool broken;                 /* to be dropped; nothing is sent any more */
	uint64_t since_ns;           /* when it connected */
	struct client_message *head; /* the queue */
	struct client_message *tail;
	size_t queued;         /* bytes of it */
	uint64_t moved_ns;     /* when the socket last took something out of it */
	unsigned int requests; /* for names, open */
	size_t places;         /* in them */
	struct buf chunk;      /* a WIRE_NAMES being filled */
	uint64_t chunk_object;
	uint16_t chunk_n;
};

#define CLIENT_MAY_COLLECT 1u /* objects, rows, files, memories */
#define CLIENT_MAY_ASK     2u /* names, readings */

void client_init(struct client *c, int fd, unsigned int may, uint64_t now_ns);
void client_fini(struct client *c);

/* Send a message or queue it (its descriptor duplicated). What goes wrong marks it broken. */
void client_send(struct client *c, uint16_t type, const struct buf *body, int fd, uint64_t now_ns);

/* Add one encoded answer to the WIRE_NAMES being filled for `object`; client_flush() sends it. */
void client_answer(struct client *c, uint64_t object, const void *answer, size_t n, uint64_t now_ns);
void client_flush(struct client *c, uint64_t now_ns);

/* Send what is queued, as far as the socket takes it; marks a stalled client broken. */
void client_pump(struct client *c, uint64_t now_ns);

/* Is there room for answers that could also wait? */
bool client_has_room(const struct client *c);

#endif
