/*
 * serve.h - the collector's other side: what pprofd-fcgi may ask.
 *
 * One table (serve.c) lists everything that can be asked. Nodes are named by
 * their index in the configuration; no message carries a pid, a path or an
 * expression into the collector.
 */
#ifndef PPD_COLLECTOR_SERVE_H
#define PPD_COLLECTOR_SERVE_H

#include <stdint.h>
#include <sys/types.h>

#include "collector/arm.h"
#include "collector/loop.h"
#include "collector/node.h"
#include "collector/objects.h"
#include "conf/conf.h"

struct peer;

struct service {
	struct loop *loop;        /* borrowed */
	const struct conf *conf;  /* borrowed */
	struct node *nodes;       /* borrowed; conf->n_nodes of them */
	struct memories *memories; /* borrowed, the nodes' too; NULL: there are none */
	struct arms *arms;        /* borrowed; NULL: nothing is armed. Its told is taken */
	uid_t client;             /* pprofd-fcgi's user; nobody else is answered */
	const char *const *limits; /* borrowed; sentences of limits.h */
	size_t n_limits;
	struct loop_fd listen;
	struct peer *peers;
	unsigned int n_peers, n_windows;
	uint64_t next_window;
};

/* `sock`: a listening socket (wire_listen), taken. The nodes' window_ended is taken. */
int serve_start(struct service *s, int sock, struct err *why);
/* End all windows with what they have, and all connections. */
void serve_stop(struct service *s);

#endif
