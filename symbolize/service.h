/*
 * service.h - what the symbolizer's parent holds.
 *
 * The parent parses nothing that a node wrote: it keeps descriptors, starts
 * and ends children, and passes their answers on as bytes.
 *
 *   parent.c    the loop; who may say what; objects
 *   children.c  the children: heard, watched, reaped; files that they want
 *   naming.c    questions for names: cache, children, who waits for what
 *   row_jobs.c  unwind rows: a short-lived child each
 *   readings.c  nodes' memories: a child each, and who waits for what it reads
 */
#ifndef PPD_SYMBOLIZE_SERVICE_H
#define PPD_SYMBOLIZE_SERVICE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/wire.h"
#include "symbolize/answers.h"
#include "symbolize/catalog.h"
#include "symbolize/client.h"
#include "symbolize/reader.h"
#include "symbolize/readings.h"
#include "symbolize/row_jobs.h"

#define SERVICE_CLIENTS_MAX 256

struct service {
	int listener;        /* owned */
	int signals;         /* owned: a signalfd of SIGCHLD, SIGTERM, SIGINT */
	uid_t collector_uid; /* (uid_t)-1: nobody */
	uid_t fcgi_uid;
	uid_t own_uid; /* may do both, where we were started without privileges; else -1 */
	struct reader_limits limits;
	struct answers *answers; /* owned */
	struct catalog catalog;
	struct client clients[SERVICE_CLIENTS_MAX];
	struct reader *readers; /* owned; for names */
	size_t n_readers;
	struct row_jobs rows;
	struct readings readings;
	size_t n_requests; /* for names, open */
	size_t next_entry; /* where the search for the next question begins */
	uint32_t file_ticket;
	uint64_t now_ns;   /* monotonic; set once a turn */
	struct wire_msg m; /* what is being received */
};

/* An object is used no more: its readers go, its requests are answered. parent.c */
void service_leave(struct service *s, struct entry *e);

/* Take what collectors have said meanwhile: `asking` may have named an object that they bring. The
 * message in s->m is lost. parent.c */
void service_hear_collectors(struct service *s, const struct client *asking);

#endif
