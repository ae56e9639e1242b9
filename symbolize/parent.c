#include "config.h"

#include "symbolize/parent.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/privs.h"
#include "symbolize/children.h"
#include "symbolize/naming.h"
#include "symbolize/readings.h"
#include "symbolize/service.h"

/* Messages taken from one socket before the others get their turn. */
#define MESSAGES_A_TURN 64
/* How often time limits are looked at while something is under way. */
#define TICK_MS 250
/* Descriptors that are not objects: clients, children, files on their way. */
#define OTHER_FILES 1024

/* ---- objects */

void
service_leave(struct service *s, struct entry *e)
{
	naming_forget_entry(s, e);
	row_jobs_forget(s, NULL, e);
	if (e->reader) {
		e->reader->entry = NULL;
		reader_kill(e->reader, NULL);
		e->reader = NULL;
	}
	catalog_leave(&s->catalog, e, s->now_ns);
}

/* A collector that was restarted has what the one before it had, whose end we may not have heard yet. */
static void
take_over(struct service *s, const struct client *c, const struct identity *who)
{
	for (size_t i = 0; i < SERVICE_CLIENTS_MAX; i++) {
		const struct client *other = &s->clients[i];
		struct entry *e =
			other != c && other->is_collector ? catalog_same(&s->catalog, who, other) : NULL;

		if (e)
			service_leave(s, e);
	}
}

/* WIRE_OBJECT */
static int
take_object(struct service *s, struct client *c, struct wire_msg *m)
{
	struct identity who = { 0 };
	struct entry *e;
	struct cur cur;
	const char *path;
	uint64_t id;
	uint8_t kind;
	size_t n;

	cur_init(&cur, m->body, m->len);
	id = cur_u64(&cur);
	kind = cur_u8(&cur);
	who.dev = cur_u64(&cur);
	who.ino = cur_u64(&cur);
	who.size = cur_u64(&cur);
	who.mtime_ns = cur_u64(&cur);
	path = cur_str(&cur, &n);
	if (cur_error(&cur) || cur_left(&cur) || kind > WIRE_MAP_JIT || n > CATALOG_PATH_MAX)
		return -EBADMSG;
	/* An object without its file is none; kernel and JIT names may be missing altogether. */
	if (m->fd < 0 && (kind == WIRE_MAP_FILE || kind == WIRE_MAP_VDSO))
		return -EBADMSG;
	who.kind = (enum wire_map_kind)kind;
	c->is_collector = true;
	e = catalog_find(&s->catalog, id);
	if (e)
		service_leave(s, e);
	take_over(s, c, &who);
	if (!catalog_take(&s->catalog, id, &who, path, n, m->fd, c)) {
		log_warning("object %llu: no room (%zu are in use)", (unsigned long long)id,
			    s->catalog.used);
		return 0;
	}
	m->fd = -1;
	return 0;
}

/* WIRE_OBJECT_DROP */
static int
drop_object(struct service *s, struct client *c, struct wire_msg *m)
{
	struct entry *e;
	struct cur cur;
	uint64_t id;

	(void)c;
	cur_init(&cur, m->body, m->len);
	id = cur_u64(&cur);
	if (cur_error(&cur) || cur_left(&cur))
		return -EBADMSG;
	e = catalog_find(&s->catalog, id);
	if (e)
		service_leave(s, e);
	return 0;
}

/* ---- clients */

static int
ask_names(struct service *s, struct client *c, struct wire_msg *m)
{
	return naming_ask(s, c, m);
}

static int
ask_rows(struct service *s, struct client *c, struct wire_msg *m)
{
	return row_jobs_ask(s, c, m);
}

/* Everything that anybody outside may ask of us. What keeps m->fd sets it to -1. */
static const struct {
	enum wire_type type;
	unsigned int may;
	size_t body_max;
	int (*take)(struct service *s, struct client *c, struct wire_msg *m);
} messages[] = {
	{ WIRE_NAME_ASK, CLIENT_MAY_ASK, WIRE_BODY_MAX, ask_names },
	{ WIRE_OBJECT, CLIENT_MAY_COLLECT, CATALOG_PATH_MAX + 64, take_object },
	{ WIRE_OBJECT_DROP, CLIENT_MAY_COLLECT, 8, drop_object },
	{ WIRE_ROWS_ASK, CLIENT_MAY_COLLECT, 8, ask_rows },
	{ WIRE_FILE, CLIENT_MAY_COLLECT, 8, children_file },
	{ WIRE_MEMORY, CLIENT_MAY_COLLECT, 17, readings_memory },
	{ WIRE_MEMORY_DROP, CLIENT_MAY_COLLECT, 8, readings_memory_drop },
	{ WIRE_REGS, CLIENT_MAY_COLLECT, WIRE_BODY_MAX, readings_regs },
	{ WIRE_READ_ASK, CLIENT_MAY_ASK | CLIENT_MAY_COLLECT, 17, readings_ask },
};

static int
take_message(struct service *s, struct client *c)
{
	for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++)
		if (s->m.type == messages[i].type && (c->may & messages[i].may) &&
		    s->m.len <= messages[i].body_max)
			return messages[i].take(s, c, &s->m);
	return -EBADMSG;
}

static void
hear_client(struct service *s, struct client *c)
{
	for (int i = 0; i < MESSAGES_A_TURN && !c->broken; i++) {
		int r = wire_recv(c->fd, &s->m);

		if (r == -EAGAIN)
			return;
		if (r == 1) {
			uint16_t type = s->m.type;

			r = take_message(s, c);
			if (s->m.fd >= 0)
				close(s->m.fd);
			s->m.fd = -1;
			if (r < 0)
				log_warning("client on descriptor %d is dropped: message %u is not "
					    "understood, or not its to send",
					    c->fd, (unsigned int)type);
			r = r < 0 ? r : 1;
		}
		if (r <= 0)
			c->broken = true;
	}
}

static void
drop_client(struct service *s, struct client *c)
{
	naming_forget_client(s, c);
	row_jobs_forget(s, c, NULL);
	readings_forget_client(s, c);
	for (size_t i = s->catalog.n; i-- > 0;)
		if (s->catalog.at[i]->owner == c)
			service_leave(s, s->catalog.at[i]);
	if (c->is_collector)
		log_info("the collector has gone");
	client_fini(c);
}

static unsigned int
client_rights(const struct service *s, uid_t uid)
{
	unsigned int may = 0;

	if (uid == (uid_t)-1)
		return 0;
	if (uid == s->collector_uid || uid == s->own_uid)
		may |= CLIENT_MAY_COLLECT;
	if (uid == s->fcgi_uid || uid == s->own_uid)
		may |= CLIENT_MAY_ASK;
	return may;
}

static struct client *
free_client(struct service *s)
{
	for (size_t i = 0; i < SERVICE_CLIENTS_MAX; i++)
		if (s->clients[i].fd < 0)
			return &s->clients[i];
	return NULL;
}

static void
accept_clients(struct service *s)
{
	for (;;) {
		struct client *c = free_client(s);
		int fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		unsigned int may;
		uid_t uid;

		if (fd < 0)
			return;
		may = wire_peer(fd, &uid, NULL) == 0 ? client_rights(s, uid) : 0;
		if (!may || !c) {
			if (!may)
				log_warning("user %u may not ask here", (unsigned int)uid);
			close(fd);
			continue;
		}
		client_init(c, fd, may, s->now_ns);
	}
}

void
service_hear_collectors(struct service *s, const struct client *asking)
{
	static bool hearing;

	/* A collector that asks for names itself (only in tests) would bring us here again. */
	if (hearing)
		return;
	hearing = true;
	accept_clients(s);
	for (size_t i = 0; i < SERVICE_CLIENTS_MAX; i++) {
		struct client *c = &s->clients[i];

		if (c->fd >= 0 && c != asking && (c->may & CLIENT_MAY_COLLECT))
			hear_client(s, c);
	}
	hearing = false;
}

/* ---- the loop */

#define POLLED_FIXED 2

static int
poll_timeout(struct service *s)
{
	for (size_t i = 0; i < SERVICE_CLIENTS_MAX; i++)
		if (s->clients[i].fd >= 0 && s->clients[i].head)
			return TICK_MS;
	return s->n_requests || children_are_busy(s) ? TICK_MS : -1;
}

/* In the order listener, signals, clients, children; closed ones as -1. */
static void
poll_fill(struct service *s, struct pollfd *p)
{
	size_t n = 0;

	p[n++] = (struct pollfd){ .fd = s->listener, .events = POLLIN };
	p[n++] = (struct pollfd){ .fd = s->signals, .events = POLLIN };
	for (size_t i = 0; i < SERVICE_CLIENTS_MAX; i++)
		p[n++] = (struct pollfd){ .fd = s->clients[i].fd,
					  .events = (short)(POLLIN | (s->clients[i].head ? POLLOUT : 0)) };
	children_poll(s, p + n);
}

/* Returns whether we are to stop. */
static bool
take_signals(struct service *s)
{
	struct signalfd_siginfo info;
	bool stop = false;

	while (read(s->signals, &info, sizeof(info)) == sizeof(info))
		stop |= info.ssi_signo != SIGCHLD;
	children_reap(s);
	return stop;
}

static void
serve_clients(struct service *s, const struct pollfd *p)
{
	/* Collectors first: what they hand over may be asked for in the same turn. */
	for (int pass = 0; pass < 2; pass++)
		for (size_t i = 0; i < SERVICE_CLIENTS_MAX; i++) {
			struct client *c = &s->clients[i];

			if (p[i].fd < 0 || p[i].fd != c->fd || c->is_collector != (pass == 0))
				continue;
			if (p[i].revents & (POLLIN | POLLHUP | POLLERR))
				hear_client(s, c);
		}
	for (size_t i = 0; i < SERVICE_CLIENTS_MAX; i++) {
		struct client *c = &s->clients[i];

		if (c->fd < 0)
			continue;
		if (c->head && !c->broken) {
			client_pump(c, s->now_ns);
			if (client_has_room(c))
				naming_resume(s, c);
		}
		if (c->broken)
			drop_client(s, c);
	}
}

static bool
turn(struct service *s, const struct pollfd *p)
{
	const struct pollfd *clients = p + POLLED_FIXED;
	bool stop = false;

	s->now_ns = clock_ns(CLOCK_MONOTONIC);
	children_serve(s, clients + SERVICE_CLIENTS_MAX);
	if (p[1].revents)
		stop = take_signals(s);
	serve_clients(s, clients);
	if (p[0].revents)
		accept_clients(s);
	children_check_times(s);
	row_jobs_schedule(s);
	naming_schedule(s);
	readings_schedule(s);
	return stop;
}

int
parent_run(struct service *s, struct err *why)
{
	size_t n = POLLED_FIXED + SERVICE_CLIENTS_MAX + children_count(s);
	struct pollfd *p = calloc(n, sizeof(*p));
	bool stop = false;
	int r = 0;

	if (!p)
		return err_set(why, -ENOMEM, "no memory for %zu sockets", n);
	while (!stop) {
		poll_fill(s, p);
		if (poll(p, (nfds_t)n, poll_timeout(s)) < 0 && errno != EINTR) {
			r = err_sys(why, -errno, "poll");
			break;
		}
		stop = turn(s, p);
	}
	children_end(s);
	free(p);
	return r;
}

static int
open_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

int
parent_new(struct service **out, const struct parent_setup *setup, struct err *why)
{
	struct service *s = calloc(1, sizeof(*s));
	uint64_t files = privs_limit(RLIMIT_NOFILE, 2 * OTHER_FILES + CATALOG_MAX);

	if (!s)
		return err_set(why, -ENOMEM, "no memory for the service");
	for (size_t i = 0; i < SERVICE_CLIENTS_MAX; i++)
		s->clients[i].fd = -1;
	row_jobs_init(&s->rows);
	readings_init(&s->readings);
	catalog_init(&s->catalog, files > OTHER_FILES + CATALOG_MAX ? CATALOG_MAX
				  : files > 2 * OTHER_FILES         ? files - OTHER_FILES
								    : files / 2);
	s->listener = setup->listener;
	s->collector_uid = setup->collector_uid;
	s->fcgi_uid = setup->fcgi_uid;
	s->own_uid = setup->own_uid;
	s->limits.memory_mb = setup->child_memory_mb;
	s->limits.cpu_seconds = setup->child_seconds;
	s->limits.null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	s->signals = open_signals();
	s->n_readers = setup->max_children;
	s->readers = calloc(s->n_readers, sizeof(*s->readers));
	s->now_ns = clock_ns(CLOCK_MONOTONIC);
	if (s->signals < 0 || !s->readers ||
	    answers_new(&s->answers, (size_t)setup->answers_mb << 20) < 0) {
		parent_free(s);
		return err_set(why, -ENOMEM, "no memory for a cache of %u MB and %u children",
			       setup->answers_mb, setup->max_children);
	}
	*out = s;
	return 0;
}

void
parent_free(struct service *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < SERVICE_CLIENTS_MAX; i++)
		if (s->clients[i].fd >= 0)
			drop_client(s, &s->clients[i]);
	for (size_t i = 0; s->readers && i < s->n_readers; i++)
		reader_fini(&s->readers[i]);
	free(s->readers);
	row_jobs_fini(&s->rows);
	readings_fini(&s->readings);
	catalog_fini(&s->catalog);
	answers_free(s->answers);
	if (s->limits.null_fd >= 0)
		close(s->limits.null_fd);
	if (s->signals >= 0)
		close(s->signals);
	if (s->listener >= 0)
		close(s->listener);
	free(s);
}
