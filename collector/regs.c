#include "config.h"

#include "collector/regs.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/log.h"
#include "base/wire.h"
#include "collector/record.h"
#include "collector/ring.h"

#define RING_BYTES 65536   /* holds one sample: that is enough */
#define LOOK_NS 5000000u   /* between looks whether a running thread has stopped running */
#define LOOKS_A_TURN 128   /* threads: some us each, and the loop has others to serve */
#define THREAD_BYTES (4 + 1 + 4 * 8 + 2 + REGS_STACK_BYTES)

struct regs_thread {
	struct regs_question *question;
	uint32_t tid;
	bool answered;
	struct loop_fd event; /* its fd is owned; -1: none */
	struct ring ring;
};

struct regs_question {
	struct regs_question *next;
	struct regs *regs;
	uint32_t ticket;
	pid_t pid;
	size_t n, left; /* threads, and those not answered */
	size_t looked;  /* where the next look begins */
	bool seen_all;  /* every one was looked at */
	uint64_t until_ns;
	struct loop_timer timer;
	struct buf body; /* a WIRE_REGS being filled */
	uint16_t in_body;
	struct regs_thread threads[];
};

/* ---- answers */

static void
body_begin(struct regs_question *q)
{
	buf_reset(&q->body);
	buf_u32(&q->body, q->ticket);
	buf_u8(&q->body, 0);
	buf_u16(&q->body, 0);
	q->in_body = 0;
}

static void
body_send(struct regs_question *q, bool last)
{
	if ((!q->in_body && !last) || buf_error(&q->body))
		return;
	q->body.data[4] = last;
	memcpy(q->body.data + 5, &q->in_body, sizeof(q->in_body)); /* little-endian, as all we run on */
	q->regs->send(q->regs->ctx, &q->body);
	body_begin(q);
}

static void
event_close(struct regs_thread *t)
{
	int fd = t->event.fd;

	if (fd < 0)
		return;
	loop_remove(t->question->regs->loop, &t->event);
	ring_close(&t->ring);
	close(fd);
	t->question->regs->n_events--;
}

static void
thread_answer(struct regs_thread *t, enum thread_where where, const struct record_sample *s, uint64_t sp, uint64_t pc)
{
	struct regs_question *q = t->question;
	size_t stack_n = s && s->user.stack ? s->user.stack_bytes : 0;
	uint64_t now = loop_now();

	if (stack_n > REGS_STACK_BYTES)
		stack_n = REGS_STACK_BYTES;
	if (q->body.len + THREAD_BYTES - REGS_STACK_BYTES + stack_n > WIRE_BODY_MAX)
		body_send(q, false);
	buf_u32(&q->body, t->tid);
	buf_u8(&q->body, (uint8_t)where);
	buf_u64(&q->body, s ? s->user.reg[UNWIND_IP] : pc);
	buf_u64(&q->body, s ? s->user.reg[UNWIND_SP] : sp);
	buf_u64(&q->body, s ? s->user.reg[UNWIND_FP] : 0);
	buf_u64(&q->body, s && now > s->time_ns ? now - s->time_ns : 0);
	buf_u16(&q->body, (uint16_t)stack_n);
	if (stack_n)
		buf_add(&q->body, s->user.stack, stack_n);
	q->in_body++;
	q->left--;
	t->answered = true;
	event_close(t);
}

static void
question_free(struct regs_question *q)
{
	struct regs_question **link = &q->regs->questions;

	while (*link != q)
		link = &(*link)->next;
	*link = q->next;
	loop_timer_stop(q->regs->loop, &q->timer);
	for (size_t i = 0; i < q->n; i++)
		event_close(&q->threads[i]);
	buf_fini(&q->body);
	free(q);
}

/* Send what there is; where that was all, or time is up, the question is over: returns true. */
static bool
question_tell(struct regs_question *q)
{
	bool late = loop_now() >= q->until_ns;

	for (size_t i = 0; late && i < q->n; i++)
		if (!q->threads[i].answered)
			thread_answer(&q->threads[i], THREAD_GONE, NULL, 0, 0);
	body_send(q, q->left == 0);
	if (q->left)
		return false;
	question_free(q);
	return true;
}

/* ---- threads off the CPU */

int
regs_parse(const char *text, uint64_t *sp, uint64_t *pc)
{
	int end = 0, n;

	if (!strncmp(text, "running", 7))
		return 0;
	/* In no system call: a fault, or stopped. (A %u would take the -1 too.) */
	if (text[0] == '-')
		n = sscanf(text, "-1 %" SCNx64 " %" SCNx64 "%n", sp, pc, &end);
	else
		n = sscanf(text, "%*u %*x %*x %*x %*x %*x %*x %" SCNx64 " %" SCNx64 "%n", sp, pc, &end);
	return n == 2 && end ? 1 : -EBADMSG;
}

/* As regs_parse(), or -errno. */
static int
thread_where(pid_t pid, uint32_t tid, uint64_t *sp, uint64_t *pc)
{
	char path[64], text[256];
	ssize_t n;
	int fd, e;

	snprintf(path, sizeof(path), "/proc/%d/task/%u/syscall", (int)pid, tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = read(fd, text, sizeof(text) - 1);
	e = -errno;
	close(fd);
	if (n < 0)
		return e;
	text[n] = '\0';
	return regs_parse(text, sp, pc);
}

/* ---- threads on it */

/* The sample, if there is one. */
static void
event_read(struct regs_thread *t)
{
	const struct perf_event_header *h;
	struct record_sample s;

	while (t->event.fd >= 0 && ring_peek(&t->ring, &h) == 1) {
		if (h->type == PERF_RECORD_SAMPLE &&
		    record_sample(h, t->question->regs->event.attr.sample_type, &s) == 0 && s.has_user &&
		    s.tid == t->tid && (pid_t)s.pid == t->question->pid) {
			thread_answer(t, THREAD_SAMPLED, &s, 0, 0);
			return;
		}
		ring_advance(&t->ring, h);
	}
}

static void
event_ready(void *ctx, uint32_t events)
{
	struct regs_thread *t = ctx;

	(void)events;
	event_read(t);
	/* A thread that has exited says so for ever. */
	if (t->event.fd >= 0 && (events & (EPOLLHUP | EPOLLERR)))
		thread_answer(t, THREAD_GONE, NULL, 0, 0);
	question_tell(t->question);
}

/* Where no sample can be had, looking again may still find it off the CPU. */
static void
event_start_for(struct regs_thread *t)
{
	struct regs *rs = t->question->regs;
	int fd;

	if (t->event.fd >= 0 || rs->n_events >= REGS_EVENTS_MAX)
		return;
	fd = event_open(&rs->event, (pid_t)t->tid, -1);
	if (fd < 0)
		return;
	t->event = (struct loop_fd){ .fd = fd, .ready = event_ready, .ctx = t };
	if (ring_open(&t->ring, fd, RING_BYTES, NULL) == 0 && loop_add(rs->loop, &t->event, EPOLLIN) == 0) {
		rs->n_events++;
		return;
	}
	ring_close(&t->ring);
	close(fd);
	t->event.fd = -1;
}

/* ---- questions */

static void
thread_look(struct regs_thread *t)
{
	uint64_t sp = 0, pc = 0;
	int r;

	/* A sample that is there is of now; and more than what the kernel's text tells. */
	event_read(t);
	if (t->answered)
		return;
	r = thread_where(t->question->pid, t->tid, &sp, &pc);
	if (r == 1)
		thread_answer(t, THREAD_OFF_CPU, NULL, sp, pc);
	else if (r < 0)
		thread_answer(t, THREAD_GONE, NULL, 0, 0);
	else
		event_start_for(t);
}

static void
question_look(void *ctx)
{
	struct regs_question *q = ctx;
	size_t looks = 0;

	while (q->looked < q->n && looks < LOOKS_A_TURN) {
		struct regs_thread *t = &q->threads[q->looked++];

		looks += !t->answered;
		if (!t->answered)
			thread_look(t);
	}
	if (question_tell(q))
		return;
	if (q->looked < q->n) {
		loop_timer_start(q->regs->loop, &q->timer, 0);
		return;
	}
	q->looked = 0;
	loop_timer_start(q->regs->loop, &q->timer, LOOK_NS);
}

void
regs_ask(struct regs *rs, uint32_t ticket, pid_t pid, const uint32_t *tids, size_t n)
{
	struct regs_question *q;

	if (n > REGS_THREADS_MAX)
		n = REGS_THREADS_MAX;
	q = calloc(1, sizeof(*q) + n * sizeof(q->threads[0]));
	if (!q)
		return; /* the asker does not wait for ever */
	q->regs = rs;
	q->ticket = ticket;
	q->pid = pid;
	q->n = q->left = n;
	q->until_ns = loop_now() + REGS_TIME_NS;
	q->timer = (struct loop_timer){ .fire = question_look, .ctx = q };
	buf_init(&q->body, WIRE_BODY_MAX);
	body_begin(q);
	for (size_t i = 0; i < n; i++)
		q->threads[i] = (struct regs_thread){ .question = q, .tid = tids[i], .event = { .fd = -1 } };
	q->next = rs->questions;
	rs->questions = q;
	question_look(q);
}

void
regs_init(struct regs *rs, struct loop *loop)
{
	const struct event_options opt = { .kernel = true, .stack_bytes = REGS_STACK_BYTES };
	struct perf_event_attr *a = &rs->event.attr;
	struct err why;

	rs->loop = loop;
	rs->questions = NULL;
	rs->n_events = 0;
	if (event_parse(&rs->event, "task-clock", REGS_HZ, &opt, &why) < 0)
		log_error("%s", why.text); /* cannot be: it is in our own table */
	a->inherit = a->inherit_thread = 0;
	a->mmap = a->mmap2 = a->comm = a->comm_exec = a->task = 0;
	a->exclude_callchain_kernel = 1;
}

void
regs_fini(struct regs *rs)
{
	while (rs->questions)
		question_free(rs->questions);
}
