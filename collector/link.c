#include "config.h"

#include "collector/link.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/wire.h"
#include "collector/files.h"

#define RETRY_NS 250000000u
#define OUTBOX_MAX (32u << 20) /* names and descriptors of some thousands of objects */

static void link_connect(void *ctx);
static void link_down(struct link *l);

static int
link_ask_rows(struct link *l, struct object *o)
{
	struct buf b;
	int r;

	buf_init(&b, WIRE_BODY_MAX);
	buf_u64(&b, o->id);
	r = outbox_send(&l->outbox, WIRE_ROWS_ASK, b.data, b.len, -1);
	buf_fini(&b);
	return r;
}

static int
link_hand_over(struct link *l, struct object *o)
{
	struct buf b;
	int r;

	buf_init(&b, WIRE_BODY_MAX);
	buf_u64(&b, o->id);
	buf_u8(&b, (uint8_t)o->key.kind);
	buf_u64(&b, o->key.dev);
	buf_u64(&b, o->key.ino);
	buf_u64(&b, o->key.size);
	buf_u64(&b, o->key.mtime_ns);
	buf_str(&b, o->path, strlen(o->path));
	r = buf_error(&b);
	if (r == 0)
		r = outbox_send(&l->outbox, WIRE_OBJECT, b.data, b.len, o->fd);
	buf_fini(&b);
	if (r == 0)
		o->told = true;
	if (r == 0 && o->state == OBJECT_ROWS_WAITING)
		r = link_ask_rows(l, o);
	return r;
}

static void
link_object_added(void *ctx, struct object *o)
{
	struct link *l = ctx;

	if (l->socket.fd >= 0 && link_hand_over(l, o) < 0)
		link_down(l);
}

static void
link_object_dropped(void *ctx, struct object *o)
{
	struct link *l = ctx;
	struct buf b;

	if (l->socket.fd < 0 || !o->told)
		return;
	buf_init(&b, WIRE_BODY_MAX);
	buf_u64(&b, o->id);
	if (outbox_send(&l->outbox, WIRE_OBJECT_DROP, b.data, b.len, -1) < 0)
		log_debug("symbolizer: object %llu could not be dropped", (unsigned long long)o->id);
	buf_fini(&b);
}

/* ---- memories */

static int
link_hand_over_memory(struct link *l, const struct node_memory *m)
{
	int r = 0;

	for (uint8_t part = 0; part < WIRE_MEMORY_PARTS && r == 0; part++) {
		struct buf b;

		buf_init(&b, WIRE_BODY_MAX);
		buf_u64(&b, m->id);
		buf_u8(&b, part);
		buf_u64(&b, m->exe->id);
		r = buf_error(&b);
		if (r == 0)
			r = outbox_send(&l->outbox, WIRE_MEMORY, b.data, b.len, m->fds[part]);
		buf_fini(&b);
	}
	return r;
}

static void
link_memory_added(void *ctx, const struct node_memory *m)
{
	struct link *l = ctx;

	if (l->socket.fd >= 0 && link_hand_over_memory(l, m) < 0)
		link_down(l);
}

static void
link_memory_dropped(void *ctx, const struct node_memory *m)
{
	struct link *l = ctx;
	struct buf b;

	if (l->socket.fd < 0)
		return;
	buf_init(&b, WIRE_BODY_MAX);
	buf_u64(&b, m->id);
	if (buf_error(&b) || outbox_send(&l->outbox, WIRE_MEMORY_DROP, b.data, b.len, -1) < 0)
		log_debug("symbolizer: memory %llu could not be dropped", (unsigned long long)m->id);
	buf_fini(&b);
}

static void
link_wanted(void *ctx)
{
	struct link *l = ctx;

	if (l->socket.fd >= 0)
		return;
	loop_timer_stop(l->loop, &l->retry);
	link_connect(l);
}

static void
link_memories_take(struct link *l, struct memories *memories)
{
	l->memories = memories;
	if (!memories)
		return;
	memories->added = link_memory_added;
	memories->dropped = link_memory_dropped;
	memories->wanted = link_wanted;
	memories->ctx = l;
}

/* From the threads of its nodes, in parts. */
static void
link_send_regs(void *ctx, const struct buf *body)
{
	struct link *l = ctx;

	/* Where it cannot be sent the connection is not what it was, and that is noticed elsewhere. */
	if (l->socket.fd >= 0 && outbox_send(&l->outbox, WIRE_REGS, body->data, body->len, -1) < 0)
		log_debug("symbolizer: registers could not be sent");
}

/* ---- what the symbolizer says */

static void
link_keep_rows(struct link *l, struct object *o, int fd)
{
	struct err why;

	if (rows_open(&o->rows, fd, &why) < 0) {
		log_warning("%s: %s", o->path, why.text);
		return;
	}
	if (l->objects->rows_bytes + o->rows.bytes > OBJECTS_ROWS_MAX) {
		log_warning("%s: its unwind rows are too many beside those of others", o->path);
		rows_close(&o->rows);
		return;
	}
	l->objects->rows_bytes += o->rows.bytes;
	o->state = OBJECT_ROWS_READY;
}

static int
link_rows(struct link *l, struct wire_msg *m)
{
	struct cur c;
	struct object *o;
	uint32_t error;

	cur_init(&c, m->body, m->len);
	o = objects_find(l->objects, cur_u64(&c));
	error = cur_u32(&c);
	if (cur_error(&c))
		return -EBADMSG;
	if (!o || o->state == OBJECT_ROWS_READY || o->state == OBJECT_ROWS_NONE)
		return 0;
	o->state = OBJECT_ROWS_FAILED;
	if (error == 0 && m->fd >= 0)
		link_keep_rows(l, o, m->fd);
	log_debug("rows of %s: %s, %u", o->path, o->state == OBJECT_ROWS_READY ? "ready" : "none",
		  o->rows.head ? o->rows.head->n_rows : error);
	if (l->rows_changed)
		l->rows_changed(l->ctx);
	return 0;
}

static int
link_file_ask(struct link *l, struct wire_msg *m)
{
	struct cur c;
	const struct object *o;
	uint32_t ticket;
	uint8_t kind;
	const char *name;
	struct stat st;
	struct buf b;
	size_t len;
	int fd, r;

	cur_init(&c, m->body, m->len);
	ticket = cur_u32(&c);
	o = objects_find(l->objects, cur_u64(&c));
	kind = cur_u8(&c);
	name = cur_str(&c, &len);
	if (cur_error(&c) || kind > WIRE_FILE_ALTLINK)
		return -EBADMSG;
	fd = o && fstat(o->fd, &st) == 0 ?
		     files_open_debug((enum wire_file)kind, name, len, o->pid, o->path, st.st_uid, l->debug_dir) :
		     -ENOENT;
	buf_init(&b, WIRE_BODY_MAX);
	buf_u32(&b, ticket);
	buf_u32(&b, fd < 0 ? (uint32_t)-fd : 0);
	r = outbox_send(&l->outbox, WIRE_FILE, b.data, b.len, fd < 0 ? -1 : fd);
	buf_fini(&b);
	if (fd >= 0)
		close(fd);
	return r;
}

/* Threads of a process whose memory was handed over, and of no other. */
static int
link_regs_ask(struct link *l, struct wire_msg *m)
{
	const struct node_memory *memory;
	uint32_t ticket, *tids;
	struct cur c;
	uint64_t id;
	uint16_t n;

	cur_init(&c, m->body, m->len);
	ticket = cur_u32(&c);
	id = cur_u64(&c);
	n = cur_u16(&c);
	if (cur_error(&c) || n > REGS_THREADS_MAX || cur_left(&c) != n * sizeof(uint32_t))
		return -EBADMSG;
	memory = l->memories ? memories_find(l->memories, id) : NULL;
	tids = calloc((size_t)n + 1, sizeof(*tids));
	if (!tids)
		return -ENOMEM;
	for (uint16_t i = 0; i < n; i++)
		tids[i] = cur_u32(&c);
	/* One that is gone has no threads. */
	regs_ask(&l->regs, ticket, memory ? memory->pid : 0, tids, memory ? n : 0);
	free(tids);
	return 0;
}

/* WIRE_READING; its text is told as a string of ours. */
static int
link_reading(struct link *l, struct wire_msg *m)
{
	char text[ERR_TEXT_MAX];
	struct cur c;
	uint32_t ticket;
	uint16_t status;
	const char *s;
	size_t n;

	cur_init(&c, m->body, m->len);
	ticket = cur_u32(&c);
	status = cur_u16(&c);
	s = cur_str(&c, &n);
	if (cur_error(&c) || cur_left(&c) || ticket == 0 || (status == 200 && m->fd < 0))
		return -EBADMSG;
	snprintf(text, sizeof(text), "%.*s", (int)n, s);
	if (l->reading)
		l->reading(l->reading_ctx, ticket, status, text, m->fd);
	return 0;
}

uint32_t
link_read(struct link *l, uint64_t memory, uint8_t kind)
{
	struct buf b;
	int r;

	if (l->socket.fd < 0)
		return 0;
	if (++l->read_ticket == 0)
		l->read_ticket = 1;
	buf_init(&b, WIRE_BODY_MAX);
	buf_u64(&b, memory);
	buf_u32(&b, l->read_ticket);
	buf_u8(&b, kind);
	buf_u32(&b, 0);
	r = buf_error(&b) ? buf_error(&b) : outbox_send(&l->outbox, WIRE_READ_ASK, b.data, b.len, -1);
	buf_fini(&b);
	return r < 0 ? 0 : l->read_ticket;
}

static int
link_message(struct link *l, struct wire_msg *m)
{
	switch (m->type) {
	case WIRE_READING:
		return link_reading(l, m);
	case WIRE_REGS_ASK:
		return link_regs_ask(l, m);
	case WIRE_ROWS:
		return link_rows(l, m);
	case WIRE_FILE_ASK:
		return link_file_ask(l, m);
	default:
		return -EBADMSG;
	}
}

static void
link_ready(void *ctx, uint32_t events)
{
	struct link *l = ctx;
	struct wire_msg m;
	int r = 1;

	if (events & EPOLLOUT)
		r = outbox_flush(&l->outbox) < 0 ? 0 : 1;
	while (r > 0 && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) && l->socket.fd >= 0) {
		r = wire_recv(l->socket.fd, &m);
		if (r == -EAGAIN)
			return;
		if (r > 0 && link_message(l, &m) < 0)
			r = 0;
		if (m.fd >= 0)
			close(m.fd);
	}
	if (r <= 0 && l->socket.fd >= 0)
		link_down(l);
}

/* ---- up and down */

static void
link_connect(void *ctx)
{
	struct link *l = ctx;
	struct err why;
	int fd = wire_connect(l->path, &why);

	if (fd < 0) {
		if (!l->said_absent)
			log_warning("symbolizer: %s; frames stay without names and rows until it is there", why.text);
		l->said_absent = true;
		loop_timer_start(l->loop, &l->retry, RETRY_NS);
		return;
	}
	fcntl(fd, F_SETFL, O_NONBLOCK);
	l->socket.fd = fd;
	loop_add(l->loop, &l->socket, EPOLLIN);
	l->said_absent = false;
	for (size_t i = 0; i < l->objects->n; i++) {
		if (link_hand_over(l, l->objects->v[i]) < 0) {
			link_down(l);
			return;
		}
	}
	for (const struct node_memory *m = l->memories ? l->memories->first : NULL; m; m = m->next) {
		if (link_hand_over_memory(l, m) < 0) {
			link_down(l);
			return;
		}
	}
	if (l->memories)
		l->memories->connected = true;
	log_info("symbolizer: connected, %zu objects handed over", l->objects->n);
}

static void
link_down(struct link *l)
{
	int fd = l->socket.fd;

	log_warning("symbolizer: the connection is lost");
	if (l->memories)
		l->memories->connected = false;
	regs_fini(&l->regs); /* who asked has gone */
	if (l->reading)
		l->reading(l->reading_ctx, 0, 503, "pprofd-symbolizer went away", -1);
	loop_remove(l->loop, &l->socket);
	if (fd >= 0)
		close(fd);
	outbox_fini(&l->outbox);
	outbox_init(&l->outbox, l->loop, &l->socket, OUTBOX_MAX);
	for (size_t i = 0; i < l->objects->n; i++)
		l->objects->v[i]->told = false;
	loop_timer_start(l->loop, &l->retry, RETRY_NS);
}

void
link_start(struct link *l, struct loop *loop, struct objects *objects, struct memories *memories,
	   const char *path, const char *debug_dir)
{
	l->loop = loop;
	l->objects = objects;
	l->path = path;
	l->debug_dir = debug_dir;
	l->socket = (struct loop_fd){ .fd = -1, .ready = link_ready, .ctx = l };
	l->retry = (struct loop_timer){ .fire = link_connect, .ctx = l };
	outbox_init(&l->outbox, loop, &l->socket, OUTBOX_MAX);
	objects->added = link_object_added;
	objects->dropped = link_object_dropped;
	objects->ctx = l;
	link_memories_take(l, memories);
	regs_init(&l->regs, loop);
	l->regs.send = link_send_regs;
	l->regs.ctx = l;
	link_connect(l);
}

void
link_stop(struct link *l)
{
	int fd = l->socket.fd;

	loop_timer_stop(l->loop, &l->retry);
	loop_remove(l->loop, &l->socket);
	if (fd >= 0)
		close(fd);
	outbox_fini(&l->outbox);
	regs_fini(&l->regs);
	l->objects->added = NULL;
	l->objects->dropped = NULL;
	if (l->memories) {
		l->memories->added = l->memories->dropped = NULL;
		l->memories->wanted = NULL;
	}
}
