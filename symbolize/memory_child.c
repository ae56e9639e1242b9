#include "config.h"

#include "symbolize/memory_child.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/reading.h"
#include "base/wire.h"
#include "symbolize/arena.h"
#include "symbolize/child.h"
#include "symbolize/go_buckets.h"
#include "symbolize/go_estimate.h"
#include "symbolize/go_goroutines.h"
#include "symbolize/go_node.h"
#include "symbolize/go_threads.h"
#include "symbolize/image.h"
#include "symbolize/memory.h"
#include "symbolize/reading_writer.h"
#include "symbolize/thread_regs.h"
#include "symbolize/ticks.h"

#define REGS_AT_ONCE     1024       /* threads in one question to the collector */
#define REGS_STACKS_MAX  (64u << 20) /* bytes of their stacks */

struct memory_child {
	int sock, exe;
	const int *fds; /* by enum wire_memory */
	const char *name;
	bool is_open; /* the following three are */
	struct memory memory;
	struct image image;
	struct go_node node;
	struct ticks start;
	struct wire_msg *m;
	uint64_t id;         /* the memory's, in messages */
	uint32_t ticket;     /* of the last question about threads */
	struct arena stacks; /* of its answer */
};

/* ---- where threads are, through the parent */

static int
send_regs_ask(struct memory_child *c, const struct thread_regs *threads, size_t n)
{
	struct buf b;
	int r;

	buf_init(&b, WIRE_BODY_MAX);
	buf_u32(&b, ++c->ticket);
	buf_u64(&b, c->id);
	buf_u16(&b, (uint16_t)n);
	for (size_t i = 0; i < n; i++)
		buf_u32(&b, threads[i].tid);
	r = buf_error(&b) ? buf_error(&b) : wire_send(c->sock, WIRE_REGS_ASK, b.data, b.len, -1);
	buf_fini(&b);
	return r;
}

/* One thread of a WIRE_REGS. */
static void
take_thread(struct memory_child *c, struct cur *cur, struct thread_regs *threads, size_t n)
{
	struct thread_regs t = { .tid = cur_u32(cur) };
	const void *stack;
	unsigned char *copy;

	t.where = cur_u8(cur);
	t.pc = cur_u64(cur);
	t.sp = cur_u64(cur);
	t.fp = cur_u64(cur);
	/* As if of the clock's beginning; ask_regs() makes ages of it when all have come. */
	t.age_ns = cur_u64(cur) - clock_ns(CLOCK_MONOTONIC);
	t.stack_n = cur_u16(cur);
	stack = cur_bytes(cur, t.stack_n);
	if (cur_error(cur) || t.where > THREAD_SAMPLED)
		return;
	copy = t.stack_n ? arena_get(&c->stacks, t.stack_n) : NULL;
	if (!copy)
		t.stack_n = 0;
	if (t.stack_n)
		memcpy(copy, stack, t.stack_n);
	t.stack = copy;
	for (size_t i = 0; i < n; i++)
		if (threads[i].tid == t.tid)
			threads[i] = t;
}

/* Returns whether it was the last message, or -EBADMSG. */
static int
take_regs(struct memory_child *c, struct thread_regs *threads, size_t n)
{
	struct cur cur;
	uint32_t ticket;
	uint8_t is_last;

	cur_init(&cur, c->m->body, c->m->len);
	ticket = cur_u32(&cur);
	is_last = cur_u8(&cur);
	for (uint16_t k = cur_u16(&cur); k && !cur_error(&cur); k--)
		take_thread(c, &cur, threads, n);
	if (cur_error(&cur) || ticket != c->ticket)
		return -EBADMSG;
	return is_last != 0;
}

static int
ask_some_regs(struct memory_child *c, struct thread_regs *threads, size_t n)
{
	int r = send_regs_ask(c, threads, n);

	/* The parent asks nothing while a question is open. */
	while (r == 0) {
		r = wire_recv(c->sock, c->m);
		if (r == 0)
			_exit(0);
		if (r == 1 && c->m->fd >= 0)
			close(c->m->fd);
		if (r == 1)
			r = c->m->type == WIRE_REGS ? take_regs(c, threads, n) : -EBADMSG;
	}
	if (r < 0)
		_exit(r == -EPIPE || r == -ECONNRESET ? 0 : CHILD_EXIT_PROTOCOL);
	return 0;
}

static int
ask_regs(void *ctx, struct thread_regs *threads, size_t n)
{
	struct memory_child *c = ctx;
	uint64_t now;

	arena_fini(&c->stacks);
	arena_init(&c->stacks, REGS_STACKS_MAX);
	for (size_t i = 0; i < n; i++)
		threads[i] = (struct thread_regs){ .tid = threads[i].tid, .where = THREAD_GONE };
	for (size_t i = 0; i < n; i += REGS_AT_ONCE)
		ask_some_regs(c, threads + i, n - i < REGS_AT_ONCE ? n - i : REGS_AT_ONCE);
	now = clock_ns(CLOCK_MONOTONIC);
	for (size_t i = 0; i < n; i++)
		threads[i].age_ns = threads[i].where == THREAD_GONE ? 0 : threads[i].age_ns + now;
	return 0;
}

/* ---- the program */

static void
program_close(struct memory_child *c)
{
	if (!c->is_open)
		return;
	go_node_close(&c->node);
	image_close(&c->image);
	memory_close(&c->memory);
	c->is_open = false;
}

static int
program_open(struct memory_child *c, struct err *why)
{
	int r = memory_open(&c->memory, c->fds[WIRE_MEMORY_MEM], c->fds[WIRE_MEMORY_MAPS], c->fds[WIRE_MEMORY_PAGEMAP],
			    why);

	if (r < 0)
		return r;
	r = image_open(&c->image, c->exe, why);
	if (r < 0) {
		memory_close(&c->memory);
		return r;
	}
	r = go_node_open(&c->node, &c->memory, &c->image, why);
	if (r < 0) {
		image_close(&c->image);
		memory_close(&c->memory);
		return r;
	}
	c->is_open = true;
	return 0;
}

/* Open it, or look at what has changed in it. */
static int
program_look(struct memory_child *c, struct err *why)
{
	int r;

	if (!c->is_open)
		return program_open(c, why);
	r = memory_refresh(&c->memory, why);
	return r < 0 ? r : go_node_look(&c->node, why);
}

/* ---- readings */

struct question {
	uint32_t ticket;
	enum reading_kind kind;
	uint32_t duration_ms;
};

/* May somebody write there? */
static bool
is_own_data(const struct memory_child *c, uint64_t addr)
{
	const struct memory_range *range = memory_range(&c->memory, addr);
	bool in_span = false;

	for (size_t i = 0; i < GO_SPANS_MAX; i++)
		in_span = in_span || (addr >= c->node.data[i].start && addr < c->node.data[i].end);
	return in_span && addr % 8 == 0 && range && (range->flags & MEMORY_WRITE) && addr + 8 <= range->end;
}

static int
read_rates(struct memory_child *c, struct reading_writer *w, struct err *why)
{
	const struct go_roots *roots = &c->node.roots;
	const uint64_t rates[] = { roots->mem_profile_rate, roots->block_rate, roots->mutex_fraction };
	int64_t stack = reading_writer_stack(w, NULL, 0);

	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		struct reading_bucket b = { .stack = (uint32_t)stack, .size = rates[i], .values = { -1 } };
		int error = 0;

		if (rates[i]) {
			b.values[0] = (int64_t)memory_u64(&c->memory, rates[i], &error);
			b.values[1] = is_own_data(c, rates[i]);
		}
		if (error)
			return err_set(why, error, "the profiling rates cannot be read");
		if (stack < 0 || reading_writer_bucket(w, &b) < 0)
			return -ENOMEM;
	}
	return 0;
}

static int
read_kind(struct memory_child *c, const struct question *q, struct reading_writer *w, struct err *why)
{
	const struct thread_regs_source regs = { ask_regs, c };

	switch (q->kind) {
	case READING_HEAP:
	case READING_BLOCK:
	case READING_MUTEX:
		return go_buckets_read(&c->node, q->kind, w, why);
	case READING_THREADCREATE:
		return go_threads_read(&c->node, w, why);
	case READING_GOROUTINE:
	case READING_LEAK:
		return go_goroutines_read(&c->node, q->kind, &regs, w, why);
	case READING_BLOCK_ESTIMATE:
		return go_estimate_read(&c->node, q->duration_ms, w, why);
	case READING_RATES:
		return read_rates(c, w, why);
	default:
		return err_set(why, -EINVAL, "no such reading");
	}
}

/* What all kinds have in common. */
static int
fill_head(struct memory_child *c, struct reading_writer *w, uint64_t began_ns)
{
	struct reading_head *h = reading_writer_head(w);
	int64_t version = reading_writer_string(w, c->node.version, strnlen(c->node.version, GO_VERSION_MAX));

	if (version < 0)
		return (int)version;
	h->version = (uint32_t)version;
	h->go_minor = c->node.minor;
	if (h->ticks_per_second == 0 && (h->kind == READING_BLOCK || h->kind == READING_MUTEX))
		h->ticks_per_second = ticks_per_second(&c->start);
	h->unix_ns = clock_ns(CLOCK_REALTIME);
	h->took_ns = clock_ns(CLOCK_MONOTONIC) - began_ns;
	return 0;
}

static int
read_to(struct memory_child *c, const struct question *q, int fd, struct err *why)
{
	uint64_t began = clock_ns(CLOCK_MONOTONIC);
	struct reading_writer *w = NULL;
	int r = reading_writer_new(&w, q->kind);

	if (r == 0)
		r = read_kind(c, q, w, why);
	if (r >= 0)
		r = fill_head(c, w, began);
	if (r >= 0)
		r = reading_writer_finish(w, fd, why);
	reading_writer_free(w);
	return r;
}

/* ---- the answer */

static const char *const kinds[READING_KINDS] = {
	[READING_HEAP] = "heap",           [READING_BLOCK] = "block",
	[READING_MUTEX] = "mutex",         [READING_GOROUTINE] = "goroutine",
	[READING_LEAK] = "goroutineleak",  [READING_THREADCREATE] = "threadcreate",
	[READING_BLOCK_ESTIMATE] = "block", [READING_RATES] = "rates",
};

/* What a failure is for HTTP. Those that are not here are our own, or the node's memory makes no sense: 500. */
static const struct {
	int error;
	uint16_t status;
} statuses[] = {
	{ -ENOENT, 404 },  /* this Go has no such profile */
	{ -ENOTSUP, 501 }, /* a Go that is too old, too new, not 64-bit */
	{ -ENOEXEC, 501 }, /* not a 64-bit program at all */
	{ -ESRCH, 503 },   /* gone */
	{ -EAGAIN, 503 },  /* it changed too fast */
	{ -EFBIG, 503 },
};

static uint16_t
status_of(int error, bool opened)
{
	if (error == -ENOENT && !opened)
		return 501; /* no Go */
	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++)
		if (statuses[i].error == error)
			return statuses[i].status;
	return 500;
}

/* Sentences for what nobody below can say as well. */
static void
explain(const struct memory_child *c, const struct question *q, int error, bool opened, struct err *why)
{
	if (error == -ENOENT && !opened)
		err_set(why, error, "%s is not a Go program: its %s profile is not available in this version of pprofd",
			c->name, kinds[q->kind]);
	else if (error == -ESRCH)
		err_set(why, error, "%s has ended, or executed another program, while its memory was read", c->name);
	else if (error == -EFBIG)
		err_set(why, error, "the %s profile of %s is larger than %llu MB", kinds[q->kind], c->name,
			READING_BYTES_MAX >> 20);
	else if (!why->text[0])
		err_sys(why, error, "reading the %s profile of %s", kinds[q->kind], c->name);
}

static int
send_reading(struct memory_child *c, const struct question *q, uint16_t status, const char *text)
{
	struct buf b;
	int r;

	buf_init(&b, WIRE_BODY_MAX);
	buf_u32(&b, q->ticket);
	buf_u16(&b, status);
	buf_str(&b, text, strlen(text));
	r = buf_error(&b) ? buf_error(&b) : wire_send(c->sock, WIRE_READING, b.data, b.len, -1);
	buf_fini(&b);
	return r;
}

/* Takes fd: once the answer is heard we hold no reading any more. */
static int
answer(struct memory_child *c, const struct question *q, int fd)
{
	struct err why = { 0 };
	bool opened;
	int r = program_look(c, &why);

	opened = c->is_open;
	if (r >= 0)
		r = read_to(c, q, fd, &why);
	close(fd);
	/* Another child has all of its memory free. */
	if (r == -ENOMEM)
		return r;
	if (r < 0)
		explain(c, q, r, opened, &why);
	/* What was found need not be true any more. */
	if (r < 0 && r != -ENOENT && r != -ENOTSUP)
		program_close(c);
	return send_reading(c, q, r < 0 ? status_of(r, opened) : 200, r < 0 ? why.text : "");
}

/* WIRE_READ_ASK, with the memfd to fill. */
static int
serve_message(struct memory_child *c)
{
	struct question q;
	struct cur cur;
	int fd = c->m->fd;

	cur_init(&cur, c->m->body, c->m->len);
	c->id = cur_u64(&cur);
	q.ticket = cur_u32(&cur);
	q.kind = (enum reading_kind)cur_u8(&cur);
	q.duration_ms = cur_u32(&cur);
	if (c->m->type == WIRE_READ_ASK && !cur_error(&cur) && !cur_left(&cur) && q.kind < READING_KINDS &&
	    fd >= 0)
		return answer(c, &q, fd);
	if (fd >= 0)
		close(fd);
	return -EBADMSG;
}

int
memory_child_serve(int sock, int exe, const int *fds, const char *name)
{
	struct memory_child c = { .sock = sock, .exe = exe, .fds = fds, .name = name };
	int r;

	ticks_now(&c.start);
	arena_init(&c.stacks, REGS_STACKS_MAX);
	c.m = malloc(sizeof(*c.m));
	r = c.m ? 1 : -ENOMEM;
	while (r >= 0) {
		r = wire_recv(sock, c.m);
		if (r != 1)
			break;
		r = serve_message(&c);
	}
	program_close(&c);
	arena_fini(&c.stacks);
	free(c.m);
	/* A parent that closed the socket while we answered is done too. */
	if (r == 0 || r == -EPIPE || r == -ECONNRESET)
		return 0;
	return r == -ENOMEM ? CHILD_EXIT_MEMORY : CHILD_EXIT_PROTOCOL;
}
