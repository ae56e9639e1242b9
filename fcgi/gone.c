#include "config.h"

#include "fcgi/gone.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

/* The kernel answers an exact question within send(); this is for a kernel that does not. */
#define ANSWER_MS   100
#define ANSWERS_MAX 4 /* old ones that are skipped */

void
gone_init(struct gone *g)
{
	struct timeval limit = { 0, ANSWER_MS * 1000 };

	pthread_mutex_init(&g->lock, NULL);
	g->seq = 0;
	g->sock = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	if (g->sock >= 0)
		setsockopt(g->sock, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
}

void
gone_fini(struct gone *g)
{
	if (g->sock >= 0)
		close(g->sock);
	g->sock = -1;
	pthread_mutex_destroy(&g->lock);
}

/* An address as the kernel keeps it. Returns its family, 0 for none. lighttpd leaves the brackets
 * of server.bind = "[::1]" in SERVER_ADDR. */
static uint8_t
gone_address(const char *cgi, uint32_t to[4])
{
	char text[INET6_ADDRSTRLEN];
	struct in6_addr six;
	size_t n = strlen(cgi);

	memset(to, 0, 4 * sizeof(to[0]));
	if (n > 2 && cgi[0] == '[' && cgi[n - 1] == ']') {
		cgi++;
		n -= 2;
	}
	if (n >= sizeof(text))
		return 0;
	memcpy(text, cgi, n);
	text[n] = '\0';
	if (inet_pton(AF_INET, text, to) == 1)
		return AF_INET;
	if (inet_pton(AF_INET6, text, &six) != 1)
		return 0;
	if (IN6_IS_ADDR_V4MAPPED(&six)) {
		memcpy(to, &six.s6_addr[12], 4);
		return AF_INET;
	}
	memcpy(to, &six, sizeof(six));
	return AF_INET6;
}

static bool
gone_port(const char *text, uint16_t *to)
{
	size_t n = strspn(text, "0123456789");
	unsigned long v = n && n < 6 && !text[n] ? strtoul(text, NULL, 10) : 0;

	*to = htons((uint16_t)v);
	return v > 0 && v < 65536;
}

void
gone_watch_init(struct gone_watch *w, const struct request *req)
{
	uint8_t server, client;

	memset(w, 0, sizeof(*w));
	server = gone_address(req->server_addr, w->server);
	client = gone_address(req->remote_addr, w->client);
	if (server && server == client && gone_port(req->server_port, &w->server_port) &&
	    gone_port(req->remote_port, &w->client_port))
		w->family = server;
}

struct question {
	struct nlmsghdr head;
	struct inet_diag_req_v2 body;
};

static int
gone_ask(struct gone *g, const struct gone_watch *w)
{
	struct question q = {
		.head = { .nlmsg_len = sizeof(q),
			  .nlmsg_type = SOCK_DIAG_BY_FAMILY,
			  .nlmsg_flags = NLM_F_REQUEST,
			  .nlmsg_seq = ++g->seq },
		.body = { .sdiag_family = w->family,
			  .sdiag_protocol = IPPROTO_TCP,
			  .idiag_states = UINT32_MAX },
	};

	q.body.id.idiag_sport = w->server_port;
	q.body.id.idiag_dport = w->client_port;
	memcpy(q.body.id.idiag_src, w->server, sizeof(w->server));
	memcpy(q.body.id.idiag_dst, w->client, sizeof(w->client));
	q.body.id.idiag_cookie[0] = q.body.id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
	return send(g->sock, &q, sizeof(q), MSG_NOSIGNAL) == sizeof(q) ? 0 : -errno;
}

/* The state of the connection (netinet/tcp.h), or -ENOENT, or another -errno. */
static int
gone_answer(struct gone *g)
{
	union {
		struct nlmsghdr head;
		unsigned char bytes[8192];
	} a;

	for (int i = 0; i < ANSWERS_MAX; i++) {
		ssize_t n = recv(g->sock, &a, sizeof(a), 0);
		const struct inet_diag_msg *found = NLMSG_DATA(&a.head);
		const struct nlmsgerr *failed = NLMSG_DATA(&a.head);

		if (n < 0)
			return -errno;
		if ((size_t)n < sizeof(a.head) || a.head.nlmsg_seq != g->seq)
			continue;
		if (a.head.nlmsg_type == NLMSG_ERROR && (size_t)n >= NLMSG_LENGTH(sizeof(*failed)))
			return failed->error ? failed->error : -EPROTO;
		if (a.head.nlmsg_type == SOCK_DIAG_BY_FAMILY && (size_t)n >= NLMSG_LENGTH(sizeof(*found)))
			return found->idiag_state;
		return -EPROTO;
	}
	return -EPROTO;
}

bool
gone_look(struct gone *g, struct gone_watch *w)
{
	int state;

	if (g->sock < 0 || !w->family)
		return false;
	pthread_mutex_lock(&g->lock);
	state = gone_ask(g, w);
	if (state == 0)
		state = gone_answer(g);
	pthread_mutex_unlock(&g->lock);

	switch (state) {
	case TCP_ESTABLISHED:
		w->known = true;
		return false;
	case TCP_CLOSE_WAIT:
	case TCP_LAST_ACK:
	case TCP_CLOSING:
		return true;
	case -ENOENT:
	case TCP_LISTEN: /* the kernel falls back to the listener of that port */
	case TCP_FIN_WAIT1:
	case TCP_FIN_WAIT2:
	case TCP_TIME_WAIT:
	case TCP_CLOSE:
		return w->known;
	default:
		return false;
	}
}
