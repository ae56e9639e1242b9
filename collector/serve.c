#include "config.h"

#include "collector/serve.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/wire.h"
#include "collector/outbox.h"

#define PEERS_MAX 512
#define PEER_OUTBOX_MAX (64u << 20) /* a window's stacks, for a reader that is slow */
#define RESOLVE_MAX 4096            /* addresses in one request */
#define CMDLINE_MAX 32768
#define TURN_MESSAGES_MAX 16 /* of a peer at a time: others want to be heard too */

struct peer {
	struct peer *next;
	struct service *service;
	struct loop_fd socket;
	struct outbox outbox;
	struct window *window; /* at most one */
	uint64_t memory;       /* of a node, that it was told of; 0: none */
	bool arming;           /* it has asked for a rate, and was not refused */
};

/* ---- connections */

static void
peer_end_window(struct peer *p)
{
	struct window *w = p->window;

	if (!w)
		return;
	p->window = NULL;
	p->service->n_windows--;
	node_window_close(w->node, w);
}

static void
peer_end_memory(struct peer *p)
{
	if (p->memory)
		memories_put(p->service->memories, p->memory);
	p->memory = 0;
}

static void
peer_close(struct peer *p)
{
	struct service *s = p->service;
	int fd = p->socket.fd;

	if (p->window)
		log_info("window %llu: the client went away", (unsigned long long)p->window->id);
	peer_end_window(p);
	peer_end_memory(p);
	arms_leave(s->arms, p);
	for (struct peer **at = &s->peers; *at; at = &(*at)->next) {
		if (*at == p) {
			*at = p->next;
			break;
		}
	}
	loop_remove(s->loop, &p->socket);
	close(fd);
	outbox_fini(&p->outbox);
	s->n_peers--;
	free(p);
}

static int
peer_send(struct peer *p, uint16_t type, const struct buf *b)
{
	int r = buf_error(b);

	return r < 0 ? r : outbox_send(&p->outbox, type, b->data, b->len, -1);
}

static int
peer_refuse(struct peer *p, uint16_t status, uint16_t retry_after_s, const char *text)
{
	struct buf b;
	int r;

	buf_init(&b, WIRE_BODY_MAX);
	buf_u16(&b, status);
	buf_u16(&b, retry_after_s);
	buf_str(&b, text, strlen(text));
	r = peer_send(p, WIRE_REFUSED, &b);
	buf_fini(&b);
	return r;
}

static struct node *
peer_node(struct peer *p, uint16_t index)
{
	return index < p->service->conf->n_nodes ? &p->service->nodes[index] : NULL;
}

/* ---- state */

static int
answer_node(struct peer *p, const struct node *n, struct buf *b)
{
	struct proc_stat st = { .threads = 0 };
	const char *runtime = node_runtime(n);
	bool running = n->state == WIRE_NODE_RUNNING;

	if (running)
		proc_stat_read(n->pid, &st);
	buf_reset(b);
	buf_u16(b, n->index);
	buf_u8(b, (uint8_t)n->state);
	buf_u32(b, (uint32_t)n->pid);
	buf_u64(b, running ? n->start_unix_ns : 0);
	buf_u32(b, st.threads);
	buf_u32(b, n->n_windows);
	buf_str(b, n->section->name, strlen(n->section->name));
	buf_str(b, n->section->target, strlen(n->section->target));
	buf_str(b, running ? n->comm : "", running ? strlen(n->comm) : 0);
	buf_str(b, running ? n->exe : "", running ? strlen(n->exe) : 0);
	buf_str(b, runtime, strlen(runtime));
	buf_str(b, running ? "" : n->why.text, running ? 0 : strlen(n->why.text));
	return peer_send(p, WIRE_NODE, b);
}

static uint64_t
self_rss_bytes(void)
{
	unsigned long long total, resident = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	if (!f)
		return 0;
	if (fscanf(f, "%llu %llu", &total, &resident) != 2)
		resident = 0;
	fclose(f);
	return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

static int
answer_self(struct peer *p, struct buf *b)
{
	const struct service *s = p->service;
	uint64_t samples = 0, lost = 0;
	struct rusage ru;

	for (size_t i = 0; i < s->conf->n_nodes; i++) {
		samples += s->nodes[i].samples;
		lost += node_lost(&s->nodes[i]);
	}
	getrusage(RUSAGE_SELF, &ru);
	buf_reset(b);
	buf_u32(b, s->n_windows);
	buf_u32(b, s->conf->max_windows);
	buf_u64(b, samples);
	buf_u64(b, lost);
	buf_u64(b, (uint64_t)(ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) * 1000000000u +
			   (uint64_t)(ru.ru_utime.tv_usec + ru.ru_stime.tv_usec) * 1000u);
	buf_u64(b, self_rss_bytes());
	buf_u16(b, (uint16_t)s->n_limits);
	for (size_t i = 0; i < s->n_limits; i++)
		buf_str(b, s->limits[i], strlen(s->limits[i]));
	return peer_send(p, WIRE_SELF, b);
}

static int
answer_state(struct peer *p, struct cur *c)
{
	struct buf b;
	int r = 0;

	(void)c;
	buf_init(&b, WIRE_BODY_MAX);
	for (size_t i = 0; i < p->service->conf->n_nodes && r == 0; i++)
		r = answer_node(p, &p->service->nodes[i], &b);
	if (r == 0)
		r = answer_self(p, &b);
	if (r == 0)
		r = outbox_send(&p->outbox, WIRE_END, NULL, 0, -1);
	buf_fini(&b);
	return r;
}

/* ---- windows */

static int
tell_window(struct peer *p, const struct window *w)
{
	const struct event *ev = &w->sampler->event;
	const char *unit = ev->is_clock ? "nanoseconds" : "count";
	struct buf b;
	int r;

	buf_init(&b, WIRE_BODY_MAX);
	buf_u64(&b, w->id);
	buf_u64(&b, w->start_unix_ns);
	buf_u8(&b, ev->is_clock);
	buf_u64(&b, ev->is_clock ? ev->period : 1);
	buf_str(&b, ev->name, strlen(ev->name));
	buf_str(&b, unit, strlen(unit));
	r = peer_send(p, WIRE_WINDOW, &b);
	buf_fini(&b);
	return r;
}

static uint16_t
soonest_retry(const struct service *s)
{
	uint16_t soonest = UINT16_MAX;

	for (size_t i = 0; i < s->conf->n_nodes; i++) {
		uint16_t after = node_retry_after(&s->nodes[i]);

		if (s->nodes[i].n_windows && after < soonest)
			soonest = after;
	}
	return soonest == UINT16_MAX ? 1 : soonest;
}

static int
answer_window(struct peer *p, struct cur *c)
{
	struct service *s = p->service;
	struct node *n = peer_node(p, cur_u16(c));
	uint32_t duration_ms = cur_u32(c), hz = cur_u32(c);
	uint8_t flags;
	char event[EVENT_NAME_MAX] = "", text[ERR_TEXT_MAX];
	struct refusal no;
	const char *name;
	size_t len;

	name = cur_str(c, &len);
	flags = cur_u8(c);
	if (cur_error(c) || cur_left(c) || p->window)
		return -EBADMSG;
	if (!n)
		return peer_refuse(p, 404, 0, "no such node");
	if (duration_ms < 1 || duration_ms > s->conf->max_seconds * 1000)
		return peer_refuse(p, 400, 0, "the window is longer than the limit");
	if (len >= sizeof(event))
		return peer_refuse(p, 400, 0, "event: the name is too long");
	if (s->n_windows >= s->conf->max_windows) {
		snprintf(text, sizeof(text), "%u windows are open, which is the limit (max_windows in pprofd.conf)",
			 s->n_windows);
		return peer_refuse(p, 503, soonest_retry(s), text);
	}
	memcpy(event, name, len);
	if (node_window_open(n, s->next_window, len ? event : s->conf->event, hz ? hz : s->conf->hz,
			     (uint64_t)duration_ms * 1000000u, &p->window, &no) < 0)
		return peer_refuse(p, no.status, no.retry_after_s, no.why.text);
	p->window->to = &p->outbox;
	p->window->unscaled = flags & WIRE_ASK_UNSCALED;
	s->next_window++;
	s->n_windows++;
	return tell_window(p, p->window);
}

static void
service_window_ended(void *ctx, struct window *w, enum wire_end reason)
{
	struct service *s = ctx;
	struct peer *p = s->peers;
	int r;

	while (p && p->window != w)
		p = p->next;
	if (!p) { /* cannot be: every window has its peer */
		node_window_close(w->node, w);
		return;
	}
	r = window_finish(w, reason);
	log_info("window %llu of node %s: %llu samples, %u stacks with threads, %.1f s", (unsigned long long)w->id,
		 w->node->section->name, (unsigned long long)w->samples, w->n_counts,
		 (double)(loop_now() - w->start_ns) / 1e9);
	peer_end_window(p);
	if (r < 0)
		peer_close(p);
}

static int
answer_progress(struct peer *p, struct cur *c)
{
	struct buf b;
	int r;

	(void)c;
	if (!p->window) /* it has just ended */
		return 0;
	buf_init(&b, WIRE_BODY_MAX);
	buf_u64(&b, p->window->samples);
	buf_u64(&b, window_lost(p->window));
	r = peer_send(p, WIRE_PROGRESS, &b);
	buf_fini(&b);
	return r;
}

/* ---- cmdline and addresses */

static int
answer_cmdline(struct peer *p, struct cur *c)
{
	struct node *n = peer_node(p, cur_u16(c));
	char path[64], bytes[CMDLINE_MAX];
	struct err why;
	struct buf b;
	ssize_t len;
	int fd, r;

	if (cur_error(c))
		return -EBADMSG;
	if (!n)
		return peer_refuse(p, 404, 0, "no such node");
	if (node_find(n, &why) < 0)
		return peer_refuse(p, 503, 0, why.text);
	snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)n->pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	len = fd < 0 ? -1 : read(fd, bytes, sizeof(bytes));
	if (fd >= 0)
		close(fd);
	if (len < 0)
		return peer_refuse(p, 503, 0, "the node's arguments cannot be read");
	buf_init(&b, WIRE_BODY_MAX);
	buf_str(&b, bytes, (size_t)len);
	r = peer_send(p, WIRE_CMDLINE, &b);
	buf_fini(&b);
	return r;
}

/* Each map in a message of its own: the reader does not mind, and the answer stays simple. */
static int
tell_map(struct peer *p, const struct map *m, struct buf *b)
{
	buf_reset(b);
	buf_u16(b, 1);
	map_encode(m, b);
	return peer_send(p, WIRE_MAPS, b);
}

static int
answer_resolve(struct peer *p, struct cur *c)
{
	struct node *n = peer_node(p, cur_u16(c));
	uint16_t count = cur_u16(c);
	const struct map *last = NULL;
	struct buf b, ids;
	struct err why;
	int r = 0;

	if (cur_error(c) || count > RESOLVE_MAX || cur_left(c) != count * sizeof(uint64_t))
		return -EBADMSG;
	if (!n)
		return peer_refuse(p, 404, 0, "no such node");
	if (node_find(n, &why) < 0)
		return peer_refuse(p, 503, 0, why.text);
	node_refresh(n);
	buf_init(&b, WIRE_BODY_MAX);
	buf_init(&ids, WIRE_BODY_MAX);
	buf_u16(&ids, count);
	for (uint16_t i = 0; i < count && r == 0; i++) {
		const struct map *m = maps_find(&n->maps, cur_u64(c));

		buf_u32(&ids, m ? m->unwind.id : UINT32_MAX);
		if (!m || m == last)
			continue;
		r = tell_map(p, m, &b);
		last = m;
	}
	if (r == 0)
		r = peer_send(p, WIRE_RESOLVED, &ids);
	buf_fini(&b);
	buf_fini(&ids);
	return r;
}

/* ---- memory */

/* Where the executable's code is, and under which number the symbolizer knows the memory. */
static int
tell_memory(struct peer *p, const struct node *n, const struct node_memory *m)
{
	struct buf b;
	int r = 0;

	buf_init(&b, WIRE_BODY_MAX);
	for (size_t k = 0; k < n->maps.n_view && r == 0; k++)
		if (n->maps.view[k]->flags & WIRE_MAP_MAIN)
			r = tell_map(p, n->maps.view[k], &b);
	buf_reset(&b);
	buf_u64(&b, m->id);
	buf_u32(&b, (uint32_t)n->pid);
	buf_u64(&b, n->start_unix_ns);
	if (r == 0)
		r = peer_send(p, WIRE_MEMORY_IS, &b);
	buf_fini(&b);
	return r;
}

static int
answer_memory(struct peer *p, struct cur *c)
{
	struct node *n = peer_node(p, cur_u16(c));
	struct node_memory *m;
	struct err why;

	if (cur_error(c))
		return -EBADMSG;
	if (!n)
		return peer_refuse(p, 404, 0, "no such node");
	if (node_find(n, &why) < 0)
		return peer_refuse(p, 503, 0, why.text);
	if (!memories_can_be_read(p->service->memories))
		return peer_refuse(p, 503, 1, "pprofd-symbolizer, which reads nodes' memories, is not running");
	node_refresh(n);
	if (node_memory(n, &m, &why) < 0)
		return peer_refuse(p, 503, 0, why.text);
	/* After the new one is had: it may be the same. */
	peer_end_memory(p);
	p->memory = m->id;
	return tell_memory(p, n, m);
}

/* ---- arming */

static void
service_armed(void *user, const struct refusal *no)
{
	struct peer *p = user;
	int r;

	p->arming = !no;
	r = no ? peer_refuse(p, no->status, no->retry_after_s, no->why.text) :
		 outbox_send(&p->outbox, WIRE_ARMED, NULL, 0, -1);
	if (r < 0)
		peer_close(p);
}

static int
answer_arm(struct peer *p, struct cur *c)
{
	struct node *n = peer_node(p, cur_u16(c));
	uint8_t kind = cur_u8(c);
	uint64_t rate = cur_u64(c);
	struct refusal no = { 0 };
	int r;

	if (cur_error(c) || p->arming)
		return -EBADMSG;
	if (!n)
		return peer_refuse(p, 404, 0, "no such node");
	if (!p->service->arms)
		return peer_refuse(p, 503, 0, "nothing can be armed");
	if (node_find(n, &no.why) < 0)
		return peer_refuse(p, 503, 0, no.why.text);
	node_refresh(n);
	r = arms_ask(p->service->arms, n, kind, rate, p, &no);
	p->arming = r >= 0;
	if (r < 0)
		return peer_refuse(p, no.status, no.retry_after_s, no.why.text);
	return r ? outbox_send(&p->outbox, WIRE_ARMED, NULL, 0, -1) : 0;
}

/* ---- everything that can be asked */

static const struct {
	enum wire_type type;
	size_t body_max; /* bytes; longer requests end the connection */
	int (*answer)(struct peer *p, struct cur *c);
} answers[] = {
	{ WIRE_STATE_ASK, 0, answer_state },
	{ WIRE_WINDOW_ASK, 13 + EVENT_NAME_MAX * 2, answer_window },
	{ WIRE_PROGRESS_ASK, 0, answer_progress },
	{ WIRE_CMDLINE_ASK, 2, answer_cmdline },
	{ WIRE_RESOLVE_ASK, 4 + RESOLVE_MAX * sizeof(uint64_t), answer_resolve },
	{ WIRE_MEMORY_ASK, 2, answer_memory },
	{ WIRE_ARM_ASK, 11, answer_arm },
};

static int
peer_message(struct peer *p, const struct wire_msg *m)
{
	struct cur c;

	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		if (answers[i].type != m->type)
			continue;
		if (m->len > answers[i].body_max)
			return -EBADMSG;
		cur_init(&c, m->body, m->len);
		return answers[i].answer(p, &c);
	}
	return -EBADMSG;
}

static void
peer_ready(void *ctx, uint32_t events)
{
	struct peer *p = ctx;
	struct wire_msg m;
	int r = 0, messages = 0;

	if (events & EPOLLOUT)
		r = outbox_flush(&p->outbox);
	while (r >= 0 && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) && messages++ < TURN_MESSAGES_MAX) {
		r = wire_recv(p->socket.fd, &m);
		if (r == -EAGAIN)
			return;
		if (r == 0)
			r = -EPIPE;
		if (m.fd >= 0)
			close(m.fd);
		if (r > 0)
			r = peer_message(p, &m);
	}
	if (r < 0)
		peer_close(p);
}

static void
service_accept(void *ctx, uint32_t events)
{
	struct service *s = ctx;
	struct peer *p;
	uid_t uid = (uid_t)-1;
	int fd;

	(void)events;
	fd = accept4(s->listen.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0)
		return;
	if (wire_peer(fd, &uid, NULL) < 0 || uid != s->client) {
		log_warning("a connection of user %u is refused", (unsigned int)uid);
		close(fd);
		return;
	}
	p = s->n_peers < PEERS_MAX ? calloc(1, sizeof(*p)) : NULL;
	if (!p) {
		close(fd);
		return;
	}
	p->service = s;
	p->socket = (struct loop_fd){ .fd = fd, .ready = peer_ready, .ctx = p };
	outbox_init(&p->outbox, s->loop, &p->socket, PEER_OUTBOX_MAX);
	p->next = s->peers;
	s->peers = p;
	s->n_peers++;
	if (loop_add(s->loop, &p->socket, EPOLLIN) < 0)
		peer_close(p);
}

int
serve_start(struct service *s, int sock, struct err *why)
{
	int r;

	s->listen = (struct loop_fd){ .fd = sock, .ready = service_accept, .ctx = s };
	s->next_window = 1;
	for (size_t i = 0; i < s->conf->n_nodes; i++) {
		s->nodes[i].window_ended = service_window_ended;
		s->nodes[i].ctx = s;
	}
	if (s->arms)
		s->arms->told = service_armed;
	r = loop_add(s->loop, &s->listen, EPOLLIN);
	return r < 0 ? err_sys(why, r, "listening") : 0;
}

void
serve_stop(struct service *s)
{
	int fd = s->listen.fd;

	for (size_t i = 0; i < s->conf->n_nodes; i++)
		node_settle(&s->nodes[i]);
	while (s->peers) {
		struct peer *p = s->peers;

		if (p->window) {
			window_note(p->window, "the collector was stopped: these are the samples up to then");
			if (window_finish(p->window, WIRE_END_STOPPED) < 0)
				log_debug("a peer did not take its window's end");
		}
		peer_close(p);
	}
	loop_remove(s->loop, &s->listen);
	if (fd >= 0)
		close(fd);
}
