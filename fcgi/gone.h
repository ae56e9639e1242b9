/*
 * gone.h - has the client hung up?
 *
 * A web server may or may not tell (lighttpd with tcp-fin-propagate does in about
 * half of the cases). So the kernel is asked: the state of the client's TCP
 * connection to the web server, by sock_diag(7), for exactly that connection.
 * No file is opened, and no right is needed.
 */
#ifndef PPD_FCGI_GONE_H
#define PPD_FCGI_GONE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "fcgi/request.h"

struct gone {
	pthread_mutex_t lock; /* one question at a time */
	int sock;             /* NETLINK_SOCK_DIAG; -1: not available */
	uint32_t seq;
};

/* Before the jail closes. Never fails: without sock_diag nothing is ever said to be gone. */
void gone_init(struct gone *g);
void gone_fini(struct gone *g);

/* One client's connection, in the kernel's terms. */
struct gone_watch {
	bool known;     /* the kernel has been seen to know this connection */
	uint8_t family; /* AF_INET, AF_INET6; 0: the request did not say (then never gone) */
	uint16_t server_port, client_port; /* network order */
	uint32_t server[4], client[4];     /* network order */
};

/* From the four CGI variables. ::ffff:a.b.c.d is taken for a.b.c.d. */
void gone_watch_init(struct gone_watch *w, const struct request *req);

/*
 * Ask now. true: the client has closed its side (CLOSE_WAIT and later), or a connection that
 * was known before is there no more. A connection never seen (behind a proxy that rewrites
 * addresses, or in another network namespace) is never said to be gone.
 */
bool gone_look(struct gone *g, struct gone_watch *w);

#endif
