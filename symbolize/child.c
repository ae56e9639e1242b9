#include "config.h"

#include "symbolize/child.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "symbolize/answer.h"
#include "symbolize/go_pclntab.h"
#include "symbolize/source.h"
#include "symbolize/unwind_rows.h"

/* What one request may build, bytes. */
#define ARENA_MAX ((size_t)1 << 30)
/* So many unfinished answers take long enough that quick ones are worth their message. */
#define QUICK_MIN     256
#define FILE_NAME_MAX 4096

struct child {
	int sock;
	const struct source *source; /* by the object's kind */
	void *self;                  /* the open source; NULL until the first question */
	struct source_input input;
	struct dwarf_files files;
	bool warm;       /* a question was answered in full */
	uint64_t object; /* the parent's number for it */
	uint32_t ticket; /* of the last file asked for */
	struct wire_msg *m;
	struct buf scratch; /* one answer */
	struct buf chunk;   /* a WIRE_NAMES being filled */
	uint16_t chunk_n;
};

static const struct source *const sources[] = {
	[WIRE_MAP_FILE] = &elf_source,
	[WIRE_MAP_VDSO] = &elf_source,
	[WIRE_MAP_KERNEL] = &kernel_source,
	[WIRE_MAP_JIT] = &jit_source,
};

/* ---- files through the parent */

static int
ask_file(void *ctx, enum wire_file kind, const void *name, size_t len)
{
	struct child *c = ctx;
	struct buf b;
	struct cur cur;
	uint32_t ticket, error;
	int r;

	if (len > FILE_NAME_MAX)
		return -ENAMETOOLONG;
	buf_init(&b, WIRE_BODY_MAX);
	buf_u32(&b, ++c->ticket);
	buf_u64(&b, c->object);
	buf_u8(&b, (uint8_t)kind);
	buf_str(&b, name, len);
	r = buf_error(&b) ? buf_error(&b) : wire_send(c->sock, WIRE_FILE_ASK, b.data, b.len, -1);
	buf_fini(&b);
	if (r < 0)
		_exit(CHILD_EXIT_PROTOCOL);
	/* The parent asks nothing while a question is open, so the next message is the file. */
	r = wire_recv(c->sock, c->m);
	if (r == 0)
		_exit(0);
	if (r < 0 || c->m->type != WIRE_FILE)
		_exit(CHILD_EXIT_PROTOCOL);
	cur_init(&cur, c->m->body, c->m->len);
	ticket = cur_u32(&cur);
	error = cur_u32(&cur);
	if (cur_error(&cur) || ticket != c->ticket)
		_exit(CHILD_EXIT_PROTOCOL);
	return error || c->m->fd < 0 ? -(int)(error && error < 4096 ? error : ENOENT) : c->m->fd;
}

/* ---- names */

static int
flush_answers(struct child *c)
{
	uint16_t n = c->chunk_n;
	int r = 0;

	if (n) {
		memcpy(c->chunk.data + 8, &n, sizeof(n)); /* little-endian, as all we run on */
		r = buf_error(&c->chunk) ? buf_error(&c->chunk)
					 : wire_send(c->sock, WIRE_NAMES, c->chunk.data, c->chunk.len, -1);
	}
	buf_reset(&c->chunk);
	buf_u64(&c->chunk, c->object);
	buf_u16(&c->chunk, 0);
	c->chunk_n = 0;
	return r;
}

static int
send_answer(struct child *c, const struct answer *a)
{
	int r;

	buf_reset(&c->scratch);
	r = answer_encode(&c->scratch, a);
	if (r < 0)
		return r;
	if (c->chunk.len + c->scratch.len > WIRE_BODY_MAX) {
		r = flush_answers(c);
		if (r < 0)
			return r;
	}
	buf_add(&c->chunk, c->scratch.data, c->scratch.len);
	c->chunk_n++;
	return buf_error(&c->chunk);
}

/* What is known at once; those that are final are then told (done). */
static int
send_quick(struct child *c, const struct answer *a, size_t n, bool *done)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++) {
		r = send_answer(c, &a[i]);
		done[i] = a[i].flags & WIRE_ANSWER_FINAL;
	}
	return r == 0 ? flush_answers(c) : r;
}

static int
answer_places(struct child *c, struct answer *a, size_t n, struct arena *arena)
{
	bool *done = arena_get(arena, n * sizeof(*done));
	int unfinished, r = 0;

	if (!done)
		return -ENOMEM;
	if (!c->self && c->source->open(&c->self, &c->input) < 0)
		return -ENOMEM;
	unfinished = c->source->quick(c->self, a, n, arena);
	if (unfinished < 0)
		return unfinished;
	if (unfinished > 0 && c->source->full) {
		if (!c->warm || unfinished >= QUICK_MIN)
			r = send_quick(c, a, n, done);
		if (r == 0)
			r = c->source->full(c->self, a, n, arena);
		c->warm = true;
	}
	for (size_t i = 0; r >= 0 && i < n; i++)
		if (!done[i])
			r = send_answer(c, &a[i]);
	return r < 0 ? r : flush_answers(c);
}

static int
place_order(const void *va, const void *vb)
{
	const struct answer *a = va, *b = vb;

	return a->place < b->place ? -1 : a->place > b->place;
}

static int
send_named(struct child *c, uint32_t ticket)
{
	struct source_info info;
	struct buf b;
	int r;

	c->source->info(c->self, &info);
	buf_init(&b, WIRE_BODY_MAX);
	buf_u32(&b, ticket);
	buf_u64(&b, c->object);
	buf_u8(&b, WIRE_NAMED_OK);
	buf_u8(&b, info.flags);
	buf_str(&b, (const char *)info.build_id, info.build_id_len);
	buf_str(&b, info.note, strnlen(info.note, sizeof(info.note)));
	r = buf_error(&b) ? buf_error(&b) : wire_send(c->sock, WIRE_NAMED, b.data, b.len, -1);
	buf_fini(&b);
	return r;
}

/* WIRE_NAME_ASK; the message is used up before anything is sent. */
static int
serve_names(struct child *c)
{
	struct arena arena;
	struct answer *a;
	struct cur cur;
	uint32_t ticket;
	uint16_t n;
	int r;

	cur_init(&cur, c->m->body, c->m->len);
	c->object = cur_u64(&cur);
	ticket = cur_u32(&cur);
	n = cur_u16(&cur);
	if (cur_error(&cur) || cur_left(&cur) != n * sizeof(uint64_t))
		return -EBADMSG;
	arena_init(&arena, ARENA_MAX);
	a = arena_get(&arena, (n + 1u) * sizeof(*a));
	for (uint16_t i = 0; a && i < n; i++)
		a[i].place = cur_u64(&cur);
	r = -ENOMEM;
	if (a) {
		qsort(a, n, sizeof(*a), place_order);
		flush_answers(c);
		r = answer_places(c, a, n, &arena);
	}
	arena_fini(&arena);
	return r < 0 ? r : send_named(c, ticket);
}

/* ---- rows */

static int
write_rows(int fd, int to)
{
	struct go_pclntab *go = NULL;
	struct rows_writer w;
	struct image im;
	struct err why;
	int r, s;

	r = image_open(&im, fd, &why);
	if (r < 0)
		return r;
	rows_writer_init(&w);
	s = unwind_rows(&im, &w, &why);
	/* Go's own table last: of two rows for a place the later one counts. */
	r = go_pclntab_open(&go, &im, &why);
	if (r == 0)
		r = go_pclntab_rows(go, &w, &why);
	if (r >= 0 || s >= 0)
		r = rows_writer_write(&w, to, &why);
	else
		r = s;
	go_pclntab_free(go);
	rows_writer_fini(&w);
	image_close(&im);
	return r;
}

/* WIRE_ROWS_ASK, with the memfd to fill. */
static int
serve_rows(struct child *c)
{
	struct cur cur;
	struct buf b;
	int r;

	cur_init(&cur, c->m->body, c->m->len);
	c->object = cur_u64(&cur);
	if (cur_error(&cur) || c->m->fd < 0)
		return -EBADMSG;
	r = c->source == &elf_source ? write_rows(c->input.fd, c->m->fd) : -ENOENT;
	buf_init(&b, WIRE_BODY_MAX);
	buf_u64(&b, c->object);
	buf_u32(&b, r < 0 ? (uint32_t)-r : 0);
	r = buf_error(&b) ? buf_error(&b) : wire_send(c->sock, WIRE_ROWS, b.data, b.len, -1);
	buf_fini(&b);
	return r;
}

static const struct {
	enum wire_type type;
	int (*serve)(struct child *c);
} services[] = {
	{ WIRE_NAME_ASK, serve_names },
	{ WIRE_ROWS_ASK, serve_rows },
};

static int
serve_message(struct child *c)
{
	int fd = c->m->fd, r = -EBADMSG;

	for (size_t i = 0; i < sizeof(services) / sizeof(services[0]); i++)
		if (c->m->type == services[i].type)
			r = services[i].serve(c);
	/* Its own one: the memfd. c->m may meanwhile have held other messages. */
	if (fd >= 0)
		close(fd);
	return r;
}

int
child_serve(int sock, enum wire_map_kind kind, int fd, const char *path)
{
	struct child c = { .sock = sock };
	int r;

	if (kind >= sizeof(sources) / sizeof(sources[0]))
		return CHILD_EXIT_PROTOCOL;
	c.files = (struct dwarf_files){ .ctx = &c, .open = ask_file };
	c.source = sources[kind];
	c.input = (struct source_input){ .fd = fd, .path = path, .files = &c.files };
	buf_init(&c.scratch, ANSWER_MAX);
	buf_init(&c.chunk, WIRE_BODY_MAX);
	c.m = malloc(sizeof(*c.m));
	r = c.m ? 1 : -ENOMEM;
	while (r >= 0) {
		r = wire_recv(sock, c.m);
		if (r == 1)
			r = serve_message(&c);
		else if (r == 0)
			break;
	}
	if (c.self)
		c.source->free(c.self);
	buf_fini(&c.scratch);
	buf_fini(&c.chunk);
	free(c.m);
	/* A parent that closed the socket while we answered is done too. */
	if (r == 0 || r == -EPIPE || r == -ECONNRESET)
		return 0;
	return r == -ENOMEM || r == -EFBIG ? CHILD_EXIT_MEMORY : CHILD_EXIT_PROTOCOL;
}
