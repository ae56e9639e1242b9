#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "fcgi/gone.h"
#include "fcgi/memory.h"
#include "symbolize/reading_writer.h"

/* What the two other processes do, one message each. */
struct part {
	const char *name;
	int listener;
	void (*answer)(int sock, const struct wire_msg *asked);
	pthread_t thread;
	bool runs;
};

static struct part parts[2] = { { .name = "collector" }, { .name = "symbolizer" } };
static char dir[] = "/tmp/ppd-memory-XXXXXX";
static struct conf conf;
static struct gone gone;
static struct app app = { .conf = &conf, .gone = &gone, .stop_fd = -1 };
static struct wait wait_for_test;
static struct memory_asked asked;
static struct profile p;
static struct refusal no;
static struct reading reading;
static int client[2], stop[2];
static bool sealed = true;
static enum reading_kind kind = READING_HEAP;

/* ---- the other side */

/* Keeps the connection until the other side ends it, as the collector does. */
static void *
serve(void *ctx)
{
	struct part *part = ctx;
	struct wire_msg *m = malloc(sizeof(*m));
	struct pollfd fd = { .fd = part->listener, .events = POLLIN };
	int sock;

	poll(&fd, 1, -1);
	sock = accept(part->listener, NULL, NULL);
	if (m && sock >= 0 && wire_recv(sock, m) == 1) {
		part->answer(sock, m);
		fd = (struct pollfd){ .fd = sock, .events = POLLIN };
		poll(&fd, 1, -1);
	}
	if (sock >= 0)
		close(sock);
	free(m);
	return NULL;
}

static void
begin(void (*collector)(int, const struct wire_msg *), void (*symbolizer)(int, const struct wire_msg *))
{
	void (*answers[])(int, const struct wire_msg *) = { collector, symbolizer };
	struct err why;

	for (int i = 0; i < 2; i++) {
		char path[300];

		if (!answers[i])
			continue;
		snprintf(path, sizeof(path), "%s/%s.sock", dir, parts[i].name);
		parts[i].listener = wire_listen(path, (gid_t)-1, &why);
		assert_true(parts[i].listener >= 0);
		parts[i].answer = answers[i];
		assert_int_equal(pthread_create(&parts[i].thread, NULL, serve, &parts[i]), 0);
		parts[i].runs = true;
	}
}

static void
send_text(int sock, uint16_t type, uint32_t ticket, uint16_t status, const char *text, int fd)
{
	struct buf b;

	buf_init(&b, WIRE_BODY_MAX);
	if (type == WIRE_READING)
		buf_u32(&b, ticket);
	buf_u16(&b, status);
	if (type == WIRE_REFUSED)
		buf_u16(&b, 7);
	buf_str(&b, text, strlen(text));
	assert_int_equal(wire_send(sock, type, b.data, b.len, fd), 0);
	buf_fini(&b);
}

static void
send_maps(int sock)
{
	struct buf b;

	buf_init(&b, WIRE_BODY_MAX);
	buf_u16(&b, 1);
	buf_u32(&b, 1);
	buf_u64(&b, 100);
	buf_u8(&b, WIRE_MAP_FILE);
	buf_u8(&b, WIRE_MAP_MAIN);
	buf_u64(&b, 0x400000);
	buf_u64(&b, 0x500000);
	buf_u64(&b, 0);
	buf_str(&b, "/bin/x", 6);
	assert_int_equal(wire_send(sock, WIRE_MAPS, b.data, b.len, -1), 0);
	buf_fini(&b);
}

static void
has_memory(int sock, const struct wire_msg *m)
{
	struct buf b;

	assert_int_equal(m->type, WIRE_MEMORY_ASK);
	assert_int_equal(m->len, 2);
	assert_int_equal(m->body[0], 5);
	send_maps(sock);
	buf_init(&b, WIRE_BODY_MAX);
	buf_u64(&b, 4242);
	buf_u32(&b, 1);
	buf_u64(&b, 1);
	assert_int_equal(wire_send(sock, WIRE_MEMORY_IS, b.data, b.len, -1), 0);
	buf_fini(&b);
}

static void
refuses_memory(int sock, const struct wire_msg *m)
{
	(void)m;
	send_text(sock, WIRE_REFUSED, 0, 503, "no such \x1b process", -1);
}

static void
says_what_does_not_belong(int sock, const struct wire_msg *m)
{
	(void)m;
	assert_int_equal(wire_send(sock, WIRE_WINDOW_END, "", 0, -1), 0);
}

static void
hangs_up(int sock, const struct wire_msg *m)
{
	(void)m;
	shutdown(sock, SHUT_RDWR);
}

static void
says_nothing(int sock, const struct wire_msg *m)
{
	(void)sock;
	(void)m;
}

/* Has the memory, and goes away when the client waits. */
static void
has_memory_and_hangs_up(int sock, const struct wire_msg *m)
{
	has_memory(sock, m);
	shutdown(sock, SHUT_RDWR);
}

static void
reads(int sock, const struct wire_msg *m)
{
	int fd = memfd_create("reading", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	struct reading_writer *w;
	struct err why;
	struct cur c;
	uint32_t ticket;

	cur_init(&c, m->body, m->len);
	assert_int_equal(m->type, WIRE_READ_ASK);
	assert_int_equal(cur_u64(&c), 4242);
	ticket = cur_u32(&c);
	assert_int_equal(cur_u8(&c), READING_HEAP);
	assert_int_equal(cur_u32(&c), 0);
	assert_int_equal(cur_error(&c), 0);
	assert_int_equal(reading_writer_new(&w, kind), 0);
	assert_int_equal(reading_writer_finish(w, fd, &why), 0);
	reading_writer_free(w);
	if (sealed)
		assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE), 0);
	send_text(sock, WIRE_READING, ticket, 200, "", fd);
	close(fd);
}

static void
reads_nothing(int sock, const struct wire_msg *m)
{
	struct cur c;

	cur_init(&c, m->body, m->len);
	cur_u64(&c);
	send_text(sock, WIRE_READING, cur_u32(&c), 501, "redis-server is not a Go program", -1);
}

static void
reads_without_a_file(int sock, const struct wire_msg *m)
{
	struct cur c;

	cur_init(&c, m->body, m->len);
	cur_u64(&c);
	send_text(sock, WIRE_READING, cur_u32(&c), 200, "", -1);
}

static void
reads_for_another(int sock, const struct wire_msg *m)
{
	(void)m;
	send_text(sock, WIRE_READING, 99, 501, "?", -1);
}

/* ---- this side */

static int
setup(void **state)
{
	struct request req = { .remote_addr = "", .remote_port = "", .server_addr = "", .server_port = "" };

	(void)state;
	snprintf(conf.run_dir, sizeof(conf.run_dir), "%s", dir);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, client), 0);
	assert_int_equal(pipe2(stop, O_CLOEXEC), 0);
	req.conn = client[0];
	app.stop_fd = stop[0];
	sealed = true;
	kind = READING_HEAP;
	memset(&no, 0, sizeof(no));
	wait_init(&wait_for_test, &app, &req);
	return profile_init(&p);
}

static int
teardown(void **state)
{
	(void)state;
	memory_end(&asked);
	for (int i = 0; i < 2; i++) {
		char path[300];

		if (!parts[i].runs)
			continue;
		pthread_join(parts[i].thread, NULL);
		close(parts[i].listener);
		snprintf(path, sizeof(path), "%s/%s.sock", dir, parts[i].name);
		unlink(path);
		parts[i].runs = false;
	}
	reading_close(&reading);
	profile_fini(&p);
	close(client[0]);
	if (client[1] >= 0)
		close(client[1]);
	close(stop[0]);
	close(stop[1]);
	return 0;
}

static int
ask(void)
{
	return memory_ask(&asked, &wait_for_test, 5, &p, &no);
}

static int
ask_and_read(void)
{
	int r = ask();

	assert_int_equal(r, 0);
	return memory_read(&asked, READING_HEAP, 0, &reading, &no);
}

static void
a_memory_is_asked_for_and_read(void **state)
{
	(void)state;
	begin(has_memory, reads);
	assert_int_equal(ask_and_read(), 0);
	assert_int_equal(reading.head->kind, READING_HEAP);
	assert_int_equal(p.maps.n, 1);
}

static void
who_is_not_there_is_named(void **state)
{
	(void)state;
	assert_true(ask() < 0);
	assert_int_equal(no.status, 503);
	assert_non_null(strstr(no.text, "start pprofd-collector"));
	memory_end(&asked);
	begin(has_memory, NULL);
	assert_true(ask_and_read() < 0);
	assert_non_null(strstr(no.text, "start pprofd-symbolizer"));
}

static void
the_collectors_refusal_is_handed_on_without_what_moves_a_cursor(void **state)
{
	(void)state;
	begin(refuses_memory, NULL);
	assert_int_equal(ask(), -ECONNREFUSED);
	assert_int_equal(no.status, 503);
	assert_int_equal(no.retry_after_s, 7);
	assert_string_equal(no.text, "no such \\x1b process");
}

static void
a_collector_that_says_something_else_is_not_believed(void **state)
{
	(void)state;
	begin(says_what_does_not_belong, NULL);
	assert_int_equal(ask(), -EBADMSG);
	assert_int_equal(no.status, 503);
}

static void
a_collector_that_hangs_up_has_no_answer(void **state)
{
	(void)state;
	begin(hangs_up, NULL);
	assert_int_equal(ask(), -ECONNRESET);
	assert_int_equal(no.status, 503);
}

static void
the_symbolizers_reason_and_status_are_handed_on(void **state)
{
	(void)state;
	begin(has_memory, reads_nothing);
	assert_int_equal(ask_and_read(), -ECONNREFUSED);
	assert_int_equal(no.status, 501);
	assert_string_equal(no.text, "redis-server is not a Go program");
}

static void
a_reading_that_is_none_is_not_taken(void **state)
{
	static void (*const answers[])(int, const struct wire_msg *) = { reads_without_a_file,
									 reads_for_another,
									 says_what_does_not_belong };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		begin(has_memory, answers[i]);
		assert_int_equal(ask_and_read(), -EBADMSG);
		assert_int_equal(no.status, 503);
		teardown(NULL);
		setup(NULL);
	}
	begin(has_memory, reads);
	sealed = false;
	assert_int_equal(ask_and_read(), -EBADMSG);
	teardown(NULL);
	setup(NULL);
	begin(has_memory, reads);
	kind = READING_MUTEX;
	assert_int_equal(ask_and_read(), -EBADMSG);
}

static void
a_client_that_goes_ends_the_waiting(void **state)
{
	(void)state;
	begin(says_nothing, NULL);
	close(client[1]);
	client[1] = -1;
	assert_int_equal(ask(), -ECONNABORTED);
}

static void
our_stop_ends_the_waiting_with_a_sentence(void **state)
{
	(void)state;
	begin(has_memory, NULL);
	assert_int_equal(ask(), 0);
	assert_int_equal(write(stop[1], "", 1), 1);
	wait_for_test.stopping = true;
	wait_for_test.stop_ms = app_now_ms();
	assert_int_equal(memory_wait(&asked, app_now_ms() + 100000, &no), -ETIMEDOUT);
	assert_non_null(strstr(no.text, "stopping"));
}

static void
while_it_is_waited_the_collector_must_not_go(void **state)
{
	(void)state;
	begin(has_memory_and_hangs_up, NULL);
	assert_int_equal(ask(), 0);
	assert_int_equal(memory_wait(&asked, app_now_ms() + 100000, &no), -ECONNRESET);
	assert_int_equal(no.status, 503);
}

static void
time_goes_by(void **state)
{
	uint64_t until;

	(void)state;
	begin(has_memory, NULL);
	assert_int_equal(ask(), 0);
	until = app_now_ms() + 30;
	assert_int_equal(memory_wait(&asked, until, &no), 0);
	assert_true(app_now_ms() >= until);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(a_memory_is_asked_for_and_read),
		TEST(who_is_not_there_is_named),
		TEST(the_collectors_refusal_is_handed_on_without_what_moves_a_cursor),
		TEST(a_collector_that_says_something_else_is_not_believed),
		TEST(a_collector_that_hangs_up_has_no_answer),
		TEST(the_symbolizers_reason_and_status_are_handed_on),
		TEST(a_reading_that_is_none_is_not_taken),
		TEST(a_client_that_goes_ends_the_waiting),
		TEST(our_stop_ends_the_waiting_with_a_sentence),
		TEST(while_it_is_waited_the_collector_must_not_go),
		TEST(time_goes_by),
	};
	int failed;

	if (!mkdtemp(dir))
		return 99;
	gone_init(&gone);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	gone_fini(&gone);
	rmdir(dir);
	return failed;
}
