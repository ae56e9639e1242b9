/*
 * Readings of nodes' memories, from the asking to the answer: a parent that runs, collector and fcgi
 * played by the test, and in place of the child's work (memory_child_serve, which is not linked) one
 * that does what the test wants.
 */
#include "config.h"

#include "symbolize/readings.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/jail.h"
#include "base/reading.h"
#include "base/wire.h"
#include "symbolize/child.h"
#include "symbolize/memory_child.h"
#include "symbolize/parent.h"
#include "symbolize/reading_writer.h"
#include "symbolize/service.h"
#include "tests/unit/kid.h"

#define PATIENCE_MS 30000
#define MEMORY 77u
#define OBJECT 5u

/* A running parent, and one connection that plays the collector. */
static struct {
	struct parent_setup setup;
	pid_t pid;
	char path[64];
	int collector;
	struct wire_msg m;
} r;

/* ---- the child: what it does is said by the first byte of its "memory", a memfd of the test's */

enum behaviour {
	READS,         /* and notes how many readings it has made so far */
	WAITS,         /* until the test writes READS there, then reads */
	CRASHES,
	SAYS_NONSENSE,
	REFUSES,
	KEEPS_IT_OPEN, /* the file, mapped for writing */
	ASKS_REGS,
	HANGS,
	OPENS,         /* what its jail forbids */
	FORGES,        /* another question's ticket */
};

static enum behaviour
behaviour_of(const int *fds)
{
	unsigned char b = READS;

	if (pread(fds[WIRE_MEMORY_MEM], &b, 1, 0) != 1)
		_exit(99);
	return (enum behaviour)b;
}

static void
child_waits(const int *fds)
{
	while (behaviour_of(fds) == WAITS)
		poll(NULL, 0, 5);
}

static int
child_reads(int fd, enum reading_kind kind, unsigned int count)
{
	struct reading_writer *w;
	int e = reading_writer_new(&w, kind);

	if (e == 0)
		e = reading_writer_note(w, "%u", count);
	if (e == 0)
		e = reading_writer_finish(w, fd, NULL);
	return e;
}

static int
child_says(int sock, uint32_t ticket, uint16_t status, const char *text)
{
	struct buf b;
	int e;

	buf_init(&b, WIRE_BODY_MAX);
	buf_u32(&b, ticket);
	buf_u16(&b, status);
	buf_str(&b, text, strlen(text));
	e = wire_send(sock, WIRE_READING, b.data, b.len, -1);
	buf_fini(&b);
	return e;
}

/* Two threads; all messages of the answer, and bytes of stacks in them. */
static void
child_asks_regs(int sock, struct wire_msg *m, unsigned int *messages, size_t *bytes)
{
	const uint32_t tids[] = { 100, 200 };
	struct buf b;

	buf_init(&b, WIRE_BODY_MAX);
	buf_u32(&b, 4242);
	buf_u64(&b, 1); /* not what the parent knows it by */
	buf_u16(&b, 2);
	buf_add(&b, tids, sizeof(tids));
	if (wire_send(sock, WIRE_REGS_ASK, b.data, b.len, -1) < 0)
		_exit(98);
	buf_fini(&b);
	for (;;) {
		struct cur c;
		uint8_t is_last;

		if (wire_recv(sock, m) != 1 || m->type != WIRE_REGS)
			_exit(97);
		cur_init(&c, m->body, m->len);
		if (cur_u32(&c) != 4242)
			_exit(96);
		is_last = cur_u8(&c);
		cur_u16(&c);
		*bytes += cur_left(&c);
		++*messages;
		if (is_last)
			return;
	}
}

static volatile int *volatile nowhere;

static int
child_answers(int sock, const int *fds, struct wire_msg *m, unsigned int count)
{
	uint32_t ticket;
	char text[100];
	struct cur c;
	unsigned int messages = 0;
	size_t bytes = 0;
	int fd = m->fd, kind;

	cur_init(&c, m->body, m->len);
	cur_u64(&c);
	ticket = cur_u32(&c);
	kind = cur_u8(&c);
	child_waits(fds);
	switch (behaviour_of(fds)) {
	case CRASHES:
		*nowhere = 1;
		return -1;
	case SAYS_NONSENSE:
		return wire_send(sock, WIRE_NAMES, "x", 1, -1);
	case REFUSES:
		return child_says(sock, ticket, 501, "not\r\nGo");
	case KEEPS_IT_OPEN:
		child_reads(fd, (enum reading_kind)kind, count);
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		return child_says(sock, ticket, 200, "");
	case ASKS_REGS:
		child_asks_regs(sock, m, &messages, &bytes);
		snprintf(text, sizeof(text), "%u messages, %zu bytes", messages, bytes);
		return child_says(sock, ticket, 404, text);
	case HANGS:
		for (;;)
			poll(NULL, 0, 1000);
	case OPENS:
		kill(getppid(), SIGTERM);
		return -1;
	case FORGES:
		return child_says(sock, ticket + 1, 200, "");
	default:
		break;
	}
	child_reads(fd, (enum reading_kind)kind, count);
	return child_says(sock, ticket, 200, "");
}

int
memory_child_serve(int sock, int exe, const int *fds, const char *name)
{
	struct wire_msg *m = malloc(sizeof(*m));
	unsigned int count = 0;
	struct stat st;

	/* It has what it was given, and no more. */
	if (strcmp(name, "node") || fstat(exe, &st) < 0 || fcntl(fds[WIRE_MEMORY_MAPS], F_GETFD) < 0 ||
	    fcntl(fds[WIRE_MEMORY_PAGEMAP], F_GETFD) < 0 || fds[WIRE_MEMORY_PAGEMAP] != 7)
		return 95;
	for (int fd = 8; fd < 64; fd++)
		if (fcntl(fd, F_GETFD) >= 0)
			return 94;
	while (wire_recv(sock, m) == 1) {
		int fd = m->fd;

		if (m->type != WIRE_READ_ASK || child_answers(sock, fds, m, ++count) < 0)
			return CHILD_EXIT_PROTOCOL;
		close(fd);
	}
	return 0;
}

/* ---- the parent */

static int
serve(void *unused)
{
	struct service *s;
	struct err why;

	(void)unused;
	r.setup.listener = wire_listen(r.path, (gid_t)-1, &why);
	if (r.setup.listener < 0 || parent_new(&s, &r.setup, &why) < 0)
		return 1;
	kid_ready();
	if (jail_enter(JAIL_SYMBOLIZER, &why) < 0)
		return 2;
	if (parent_run(s, &why) < 0)
		return 3;
	parent_free(s);
	return 0;
}

static int
connect_to(void)
{
	struct err why;
	int fd = -1;

	for (int tries = 0; tries < 1000 && fd < 0; tries++) {
		fd = wire_connect(r.path, &why);
		if (fd < 0)
			usleep(10000);
	}
	if (fd < 0)
		fail_msg("%s", why.text);
	return fd;
}

static void
send_buf(int sock, enum wire_type type, struct buf *b, int fd)
{
	assert_int_equal(buf_error(b), 0);
	assert_int_equal(wire_send(sock, (uint16_t)type, b->data, b->len, fd), 0);
	buf_fini(b);
}

static void
hand_over_object(int sock)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	struct buf b;

	buf_init(&b, WIRE_BODY_MAX);
	buf_u64(&b, OBJECT);
	buf_u8(&b, WIRE_MAP_FILE);
	for (uint64_t i = 1; i <= 4; i++)
		buf_u64(&b, i);
	buf_str(&b, "/usr/bin/node", 13);
	send_buf(sock, WIRE_OBJECT, &b, fd);
	close(fd);
}

static void
hand_over_part(int sock, uint64_t memory, uint8_t part, int fd)
{
	struct buf b;

	buf_init(&b, WIRE_BODY_MAX);
	buf_u64(&b, memory);
	buf_u8(&b, part);
	buf_u64(&b, OBJECT);
	send_buf(sock, WIRE_MEMORY, &b, fd);
}

static void
behave(int mem, enum behaviour how)
{
	unsigned char b = (unsigned char)how;

	assert_int_equal(pwrite(mem, &b, 1, 0), 1);
}

/* A memory whose child does this; its descriptor, for behave(). */
static int
hand_over(int sock, uint64_t memory, enum behaviour how)
{
	int mem = memfd_create("mem", MFD_CLOEXEC), null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	behave(mem, how);
	hand_over_part(sock, memory, WIRE_MEMORY_MEM, mem);
	hand_over_part(sock, memory, WIRE_MEMORY_MAPS, null_fd);
	hand_over_part(sock, memory, WIRE_MEMORY_PAGEMAP, null_fd);
	close(null_fd);
	return mem;
}

static int
setup(void **state)
{
	(void)state;
	memset(&r.setup, 0, sizeof(r.setup));
	r.setup = (struct parent_setup){ .collector_uid = (uid_t)-1,
					 .fcgi_uid = (uid_t)-1,
					 .own_uid = getuid(),
					 .max_children = 2,
					 .answers_mb = 8,
					 .child_memory_mb = 256,
					 .child_seconds = 30 };
	snprintf(r.path, sizeof(r.path), "/tmp/test-readings-%d.sock", (int)getpid());
	return 0;
}

static void
start(void)
{
	r.pid = kid_start(serve, NULL);
	r.collector = connect_to();
	hand_over_object(r.collector);
}

/* A parent that is asked to end does so, and says so. */
static int
teardown(void **state)
{
	int status;

	(void)state;
	if (r.collector >= 0)
		close(r.collector);
	r.collector = -1;
	kill(r.pid, SIGTERM);
	status = kid_wait(r.pid);
	unlink(r.path);
	return status;
}

/* ---- asking */

static void
ask(int sock, uint64_t memory, uint32_t ticket, uint8_t kind, uint32_t duration_ms)
{
	struct buf b;

	buf_init(&b, WIRE_BODY_MAX);
	buf_u64(&b, memory);
	buf_u32(&b, ticket);
	buf_u8(&b, kind);
	buf_u32(&b, duration_ms);
	send_buf(sock, WIRE_READ_ASK, &b, -1);
}

static int
next(int sock)
{
	struct pollfd p = { sock, POLLIN, 0 };

	assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
	return wire_recv(sock, &r.m);
}

/* The next answer: its status; its text and file remain in r. */
static uint16_t
answer(int sock, uint32_t ticket, char *text, size_t size)
{
	struct cur c;
	const char *s;
	uint16_t status;
	size_t n;

	assert_int_equal(next(sock), 1);
	assert_int_equal(r.m.type, WIRE_READING);
	cur_init(&c, r.m.body, r.m.len);
	assert_int_equal(cur_u32(&c), ticket);
	status = cur_u16(&c);
	s = cur_str(&c, &n);
	assert_int_equal(cur_left(&c), 0);
	assert_int_equal(cur_error(&c), 0);
	if (text)
		snprintf(text, size, "%.*s", (int)n, s);
	assert_int_equal(r.m.fd >= 0, status == 200);
	return status;
}

static void
expect_failure(int sock, uint32_t ticket, uint16_t status, const char *part)
{
	char text[600];
	uint16_t got = answer(sock, ticket, text, sizeof(text));

	if (got != status || !strstr(text, part))
		fail_msg("%u %s, expected %u %s", got, text, status, part);
}

/* How many readings the child had made with this one. */
static int
expect_reading(int sock, uint32_t ticket, enum reading_kind kind)
{
	struct reading reading;
	struct err why;
	const char *s;
	size_t n;
	int count;

	assert_int_equal(answer(sock, ticket, NULL, 0), 200);
	if (reading_open(&reading, r.m.fd, &why) < 0)
		fail_msg("%s", why.text);
	close(r.m.fd);
	assert_int_equal(reading.head->kind, kind);
	s = reading_string(&reading, reading.notes[0], &n);
	assert_true(n < 10);
	count = atoi(s);
	reading_close(&reading);
	return count;
}

/* The parent's children; their number. */
static size_t
children(pid_t *to, size_t max)
{
	char path[64];
	size_t n = 0;
	FILE *f;
	int pid;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)r.pid, (int)r.pid);
	f = fopen(path, "re");
	assert_non_null(f);
	while (n < max && fscanf(f, "%d", &pid) == 1)
		to[n++] = pid;
	fclose(f);
	return n;
}

static void
expect_children(size_t n)
{
	pid_t pids[64];

	for (int i = 0; i < PATIENCE_MS / 10 && children(pids, 64) != n; i++)
		wait_ms(10);
	assert_int_equal(children(pids, 64), n);
}

/* ---- */

static void
a_reading_comes_sealed_and_the_child_stays_for_the_next(void **state)
{
	int mem, sock;

	(void)state;
	start();
	mem = hand_over(r.collector, MEMORY, READS);
	sock = connect_to();
	for (int i = 1; i <= 20; i++) {
		ask(sock, MEMORY, (uint32_t)i, READING_HEAP, 0);
		assert_int_equal(expect_reading(sock, (uint32_t)i, READING_HEAP), i);
	}
	ask(sock, MEMORY, 100, READING_GOROUTINE, 0);
	assert_int_equal(expect_reading(sock, 100, READING_GOROUTINE), 21);
	expect_children(1);
	close(sock);
	close(mem);
}

static void
who_asks_before_it_begins_is_served_by_one_reading(void **state)
{
	int mem, sock, other;

	(void)state;
	start();
	mem = hand_over(r.collector, MEMORY, WAITS);
	sock = connect_to();
	other = connect_to();
	ask(sock, MEMORY, 1, READING_HEAP, 0);
	expect_children(1); /* it has begun */
	for (uint32_t i = 2; i < 50; i++)
		ask(i % 2 ? sock : other, MEMORY, i, READING_HEAP, 0);
	ask(other, MEMORY, 50, READING_GOROUTINE, 0);
	/* Until all have been heard: an answer to a question behind them on each. */
	ask(sock, 999, 1000, READING_HEAP, 0);
	ask(other, 999, 1000, READING_HEAP, 0);
	expect_failure(sock, 1000, 503, "not known");
	expect_failure(other, 1000, 503, "not known");
	behave(mem, READS);
	assert_int_equal(expect_reading(sock, 1, READING_HEAP), 1);
	for (uint32_t i = 49; i >= 2; i--)
		assert_int_equal(expect_reading(i % 2 ? sock : other, i, READING_HEAP), 2);
	assert_int_equal(expect_reading(other, 50, READING_GOROUTINE), 3);
	close(sock);
	close(other);
	close(mem);
}

static void
a_child_that_crashes_costs_its_question_and_the_next_one_works(void **state)
{
	int mem, sock;

	(void)state;
	start();
	mem = hand_over(r.collector, MEMORY, CRASHES);
	sock = connect_to();
	ask(sock, MEMORY, 1, READING_HEAP, 0);
	expect_failure(sock, 1, 503, "its reader crashed (signal 11)");
	behave(mem, OPENS);
	ask(sock, MEMORY, 2, READING_HEAP, 0);
#ifndef SANITIZERS /* their jail only refuses */
	expect_failure(sock, 2, 503, "called what its jail forbids");
#else
	expect_failure(sock, 2, 503, "its reader ended");
#endif
	behave(mem, SAYS_NONSENSE);
	ask(sock, MEMORY, 3, READING_HEAP, 0);
	expect_failure(sock, 3, 503, "sent what cannot be right");
	behave(mem, FORGES);
	ask(sock, MEMORY, 4, READING_HEAP, 0);
	expect_failure(sock, 4, 503, "sent what cannot be right");
	behave(mem, KEEPS_IT_OPEN);
	ask(sock, MEMORY, 5, READING_HEAP, 0);
	expect_failure(sock, 5, 503, "could not be sealed");
	behave(mem, READS);
	ask(sock, MEMORY, 6, READING_HEAP, 0);
	assert_int_equal(expect_reading(sock, 6, READING_HEAP), 1);
	close(sock);
	close(mem);
}

static void
a_child_that_is_killed_costs_its_question(void **state)
{
	pid_t child;
	int mem, sock;

	(void)state;
	start();
	mem = hand_over(r.collector, MEMORY, WAITS);
	sock = connect_to();
	ask(sock, MEMORY, 1, READING_HEAP, 0);
	expect_children(1);
	assert_int_equal(children(&child, 1), 1);
	kill(child, SIGKILL);
	expect_failure(sock, 1, 503, "was killed (signal 9)");
	behave(mem, READS);
	ask(sock, MEMORY, 2, READING_HEAP, 0);
	assert_int_equal(expect_reading(sock, 2, READING_HEAP), 1);
	close(sock);
	close(mem);
}

static void
a_child_that_hangs_is_ended(void **state)
{
	int mem, sock;

	(void)state;
	r.setup.child_seconds = 1;
	start();
	mem = hand_over(r.collector, MEMORY, HANGS);
	sock = connect_to();
	ask(sock, MEMORY, 1, READING_HEAP, 0);
	ask(sock, MEMORY, 2, READING_MUTEX, 0); /* behind it */
	expect_failure(sock, 1, 503, "took too long");
	behave(mem, READS);
	/* It may have been asked while the child still hung. */
	if (answer(sock, 2, NULL, 0) == 200)
		close(r.m.fd);
	close(sock);
	close(mem);
}

static void
what_the_child_says_is_passed_on_as_one_line(void **state)
{
	int mem, sock;

	(void)state;
	start();
	mem = hand_over(r.collector, MEMORY, REFUSES);
	sock = connect_to();
	ask(sock, MEMORY, 1, READING_HEAP, 0);
	expect_failure(sock, 1, 501, "not??Go");
	close(sock);
	close(mem);
}

static void
an_estimate_blocks_nobody_and_ends_with_who_asked(void **state)
{
	int mem, waits, sock, other;

	(void)state;
	start();
	mem = hand_over(r.collector, MEMORY, READS);
	sock = connect_to();
	ask(sock, MEMORY, 1, READING_HEAP, 0);
	assert_int_equal(expect_reading(sock, 1, READING_HEAP), 1);
	expect_children(1);
	/* Its own child: it has made no reading before. */
	ask(sock, MEMORY, 2, READING_BLOCK_ESTIMATE, 100);
	assert_int_equal(expect_reading(sock, 2, READING_BLOCK_ESTIMATE), 1);
	expect_children(1);
	waits = hand_over(r.collector, MEMORY + 1, WAITS);
	other = connect_to();
	ask(other, MEMORY + 1, 3, READING_BLOCK_ESTIMATE, 60000);
	expect_children(2);
	ask(sock, MEMORY, 4, READING_HEAP, 0);
	assert_int_equal(expect_reading(sock, 4, READING_HEAP), 2);
	for (uint32_t i = 1; i < READINGS_ESTIMATES; i++)
		ask(other, MEMORY + 1, 100 + i, READING_BLOCK_ESTIMATE, 60000 + i);
	ask(other, MEMORY + 1, 200, READING_BLOCK_ESTIMATE, 60000 + READINGS_ESTIMATES);
	expect_failure(other, 200, 503, "too many");
	close(other);
	expect_children(1);
	close(sock);
	close(mem);
	close(waits);
}

static void
a_memory_that_is_dropped_ends_its_questions_and_its_child(void **state)
{
	struct buf b;
	int mem, sock;

	(void)state;
	start();
	mem = hand_over(r.collector, MEMORY, WAITS);
	sock = connect_to();
	ask(sock, MEMORY, 1, READING_HEAP, 0);
	expect_children(1);
	ask(sock, MEMORY, 2, READING_HEAP, 0);
	ask(sock, 999, 3, READING_HEAP, 0);
	expect_failure(sock, 3, 503, "not known");
	buf_init(&b, 8);
	buf_u64(&b, MEMORY);
	send_buf(r.collector, WIRE_MEMORY_DROP, &b, -1);
	expect_failure(sock, 1, 503, "has ended");
	expect_failure(sock, 2, 503, "has ended");
	expect_children(0);
	ask(sock, MEMORY, 4, READING_HEAP, 0);
	expect_failure(sock, 4, 503, "not known");
	close(sock);
	close(mem);
}

static void
a_collector_that_goes_takes_its_memories_and_another_brings_them_anew(void **state)
{
	int mem, sock;

	(void)state;
	start();
	mem = hand_over(r.collector, MEMORY, WAITS);
	sock = connect_to();
	ask(sock, MEMORY, 1, READING_HEAP, 0);
	expect_children(1);
	close(r.collector);
	expect_failure(sock, 1, 503, "restarted");
	expect_children(0);
	r.collector = connect_to();
	hand_over_object(r.collector);
	close(mem);
	mem = hand_over(r.collector, MEMORY, READS);
	ask(sock, MEMORY, 2, READING_HEAP, 0);
	assert_int_equal(expect_reading(sock, 2, READING_HEAP), 1);
	close(sock);
	close(mem);
}

static void
a_memory_is_read_only_when_all_of_it_is_there(void **state)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC), sock;

	(void)state;
	start();
	hand_over_part(r.collector, MEMORY, WIRE_MEMORY_MEM, fd);
	hand_over_part(r.collector, MEMORY, WIRE_MEMORY_MAPS, fd);
	sock = connect_to();
	ask(sock, MEMORY, 1, READING_HEAP, 0);
	expect_failure(sock, 1, 503, "not known");
	close(fd);
	close(sock);
}

/* The collector's answer to a question for threads: n messages with k bytes of stack. */
static void
say_regs(uint32_t ticket, unsigned int n, uint16_t k)
{
	static const unsigned char stack[50000];

	for (unsigned int i = 1; i <= n; i++) {
		struct buf b;

		buf_init(&b, WIRE_BODY_MAX);
		buf_u32(&b, ticket);
		buf_u8(&b, i == n);
		buf_u16(&b, 1);
		buf_u32(&b, 100);
		buf_u8(&b, THREAD_SAMPLED);
		for (int w = 0; w < 4; w++)
			buf_u64(&b, 0);
		buf_u16(&b, k);
		buf_add(&b, stack, k);
		send_buf(r.collector, WIRE_REGS, &b, -1);
	}
}

static uint32_t
regs_wanted(void)
{
	struct cur c;
	uint32_t ticket;

	assert_int_equal(next(r.collector), 1);
	assert_int_equal(r.m.type, WIRE_REGS_ASK);
	cur_init(&c, r.m.body, r.m.len);
	ticket = cur_u32(&c);
	assert_int_equal(cur_u64(&c), MEMORY);
	assert_int_equal(cur_u16(&c), 2);
	assert_int_equal(cur_u32(&c), 100);
	assert_int_equal(cur_u32(&c), 200);
	assert_int_equal(cur_left(&c), 0);
	return ticket;
}

static void
where_threads_are_is_asked_of_the_collector_however_much_it_says(void **state)
{
	uint32_t ticket;
	int mem, sock;

	(void)state;
	start();
	mem = hand_over(r.collector, MEMORY, ASKS_REGS);
	sock = connect_to();
	ask(sock, MEMORY, 1, READING_GOROUTINE, 0);
	ticket = regs_wanted();
	say_regs(ticket + 1, 1, 0); /* nobody's */
	say_regs(ticket, 1, 8);
	expect_failure(sock, 1, 404, "1 messages, 47 bytes");
	/* More than a socket takes at once. */
	ask(sock, MEMORY, 2, READING_GOROUTINE, 0);
	say_regs(regs_wanted(), 40, 50000);
	expect_failure(sock, 2, 404, "40 messages, 2001560 bytes");
	/* No answer. */
	ask(sock, MEMORY, 3, READING_GOROUTINE, 0);
	regs_wanted();
	expect_failure(sock, 3, 404, "1 messages, 0 bytes");
	close(sock);
	close(mem);
}

static void
more_memories_than_children_are_all_read(void **state)
{
	int mem[READINGS_CHILDREN + 5], sock;

	(void)state;
	start();
	sock = connect_to();
	for (uint32_t i = 0; i < READINGS_CHILDREN + 5; i++)
		mem[i] = hand_over(r.collector, MEMORY + i, READS);
	for (uint32_t round = 0; round < 2; round++) {
		for (uint32_t i = 0; i < READINGS_CHILDREN + 5; i++)
			ask(sock, MEMORY + i, 7, READING_HEAP, 0);
		for (uint32_t i = 0; i < READINGS_CHILDREN + 5; i++)
			expect_reading(sock, 7, READING_HEAP);
	}
	expect_children(READINGS_CHILDREN);
	for (uint32_t i = 0; i < READINGS_CHILDREN + 5; i++)
		close(mem[i]);
	close(sock);
}

/* The other side ends the connection. */
static void
refused(enum wire_type type, const void *body, size_t n, int fd)
{
	int sock = connect_to();

	assert_int_equal(wire_send(sock, (uint16_t)type, body, n, fd), 0);
	assert_int_equal(next(sock), 0);
	close(sock);
}

static void
nonsense_ends_the_connection(void **state)
{
	unsigned char body[100] = { 0 };
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC), mem, sock;

	(void)state;
	start();
	refused(WIRE_MEMORY, body, 17, -1);
	refused(WIRE_MEMORY, body, 16, fd);
	body[8] = WIRE_MEMORY_PARTS;
	refused(WIRE_MEMORY, body, 17, fd);
	refused(WIRE_MEMORY_DROP, body, 7, -1);
	refused(WIRE_REGS, body, 7, -1);
	body[0] = 1;
	refused(WIRE_REGS, body, 6, -1);
	refused(WIRE_READ_ASK, body, 16, -1);
	body[12] = READING_KINDS;
	refused(WIRE_READ_ASK, body, 17, -1);
	mem = hand_over(r.collector, MEMORY, READS);
	sock = connect_to();
	ask(sock, MEMORY, 1, READING_HEAP, 0);
	expect_reading(sock, 1, READING_HEAP);
	close(sock);
	close(mem);
	close(fd);
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_reading_comes_sealed_and_the_child_stays_for_the_next),
		TEST(who_asks_before_it_begins_is_served_by_one_reading),
		TEST(a_child_that_crashes_costs_its_question_and_the_next_one_works),
		TEST(a_child_that_is_killed_costs_its_question),
		TEST(a_child_that_hangs_is_ended),
		TEST(what_the_child_says_is_passed_on_as_one_line),
		TEST(an_estimate_blocks_nobody_and_ends_with_who_asked),
		TEST(a_memory_that_is_dropped_ends_its_questions_and_its_child),
		TEST(a_collector_that_goes_takes_its_memories_and_another_brings_them_anew),
		TEST(a_memory_is_read_only_when_all_of_it_is_there),
		TEST(where_threads_are_is_asked_of_the_collector_however_much_it_says),
		TEST(more_memories_than_children_are_all_read),
		TEST(nonsense_ends_the_connection),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
