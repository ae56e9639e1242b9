#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/wire.h"
#include "collector/outbox.h"
#include "tests/unit/kid.h"

static struct loop loop;
static struct loop_fd socket_source;
static struct outbox box;
static int reader;
static struct wire_msg msg;
static unsigned char body[WIRE_BODY_MAX];

static void
ready(void *ctx, uint32_t events)
{
	(void)ctx;
	if (events & EPOLLOUT && outbox_flush(&box) < 0)
		loop.stop = true;
}

static void
stop(void *ctx)
{
	(void)ctx;
	loop.stop = true;
}

/* Let the loop run for a moment. */
static void
run(void)
{
	struct loop_timer end = { .fire = stop };
	struct err why;

	loop.stop = false;
	loop_timer_start(&loop, &end, 3000000);
	assert_int_equal(loop_run(&loop, &why), 0);
	loop_timer_stop(&loop, &end);
}

static int
start(void **state)
{
	struct err why;
	int two[2];

	(void)state;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, two) < 0 || loop_init(&loop, &why) < 0)
		return -1;
	reader = two[1];
	socket_source = (struct loop_fd){ .fd = two[0], .ready = ready };
	outbox_init(&box, &loop, &socket_source, 4u << 20);
	return loop_add(&loop, &socket_source, EPOLLIN);
}

static int
end(void **state)
{
	int fd = socket_source.fd;

	(void)state;
	loop_remove(&loop, &socket_source);
	close(fd);
	if (reader >= 0)
		close(reader);
	outbox_fini(&box);
	loop_fini(&loop);
	return 0;
}

static void
what_the_socket_takes_is_sent_at_once(void **state)
{
	(void)state;
	assert_int_equal(outbox_send(&box, WIRE_NOTE, "abc", 3, -1), 0);
	assert_null(box.first);
	assert_int_equal(wire_recv(reader, &msg), 1);
	assert_memory_equal(msg.body, "abc", 3);
}

static void
what_it_does_not_take_is_kept_and_sent_in_order(void **state)
{
	uint32_t sent = 0, got = 0;

	(void)state;
	for (; sent < 40; sent++) {
		memcpy(body, &sent, sizeof(sent));
		assert_int_equal(outbox_send(&box, WIRE_STACKS, body, 40000, -1), 0);
	}
	assert_int_equal(outbox_send(&box, WIRE_END, NULL, 0, -1), 0);
	assert_non_null(box.first);
	assert_true(box.bytes > 0);
	for (int i = 0; i < 100 && got < sent; i++) {
		while (wire_recv(reader, &msg) == 1 && msg.type == WIRE_STACKS) {
			uint32_t n;

			memcpy(&n, msg.body, sizeof(n));
			assert_int_equal(n, got);
			assert_int_equal(msg.len, 40000);
			got++;
		}
		run();
	}
	assert_int_equal(got, sent);
	assert_null(box.first);
	assert_int_equal(box.bytes, 0);
}

static void
a_kept_descriptor_is_a_copy(void **state)
{
	int fd = memfd_create("x", MFD_CLOEXEC), got = -1;
	char c = 0;

	(void)state;
	assert_int_equal(write(fd, "q", 1), 1);
	while (!box.first)
		assert_int_equal(outbox_send(&box, WIRE_STACKS, body, 40000, -1), 0);
	assert_int_equal(outbox_send(&box, WIRE_OBJECT, "o", 1, fd), 0);
	close(fd);
	for (int i = 0; i < 100 && got < 0; i++) {
		while (got < 0 && wire_recv(reader, &msg) == 1)
			got = msg.fd;
		run();
	}
	assert_true(got >= 0);
	assert_int_equal(pread(got, &c, 1, 0), 1);
	assert_int_equal(c, 'q');
	close(got);
}

static void
a_reader_that_is_too_slow_is_given_up(void **state)
{
	int before = open_descriptors(), n = 0, r;

	(void)state;
	while ((r = outbox_send(&box, WIRE_STACKS, body, 40000, reader)) == 0 && n < 1000)
		n++;
	assert_int_equal(r, -ENOBUFS);
	assert_in_range(n, 50, 200);
	assert_true(box.bytes <= box.max);
	outbox_fini(&box);
	assert_int_equal(box.bytes, 0);
	assert_int_equal(open_descriptors(), before);
}

static void
a_descriptor_that_cannot_be_kept_is_an_error_not_a_message_without_it(void **state)
{
	struct rlimit old, none;

	(void)state;
	while (!box.first)
		assert_int_equal(outbox_send(&box, WIRE_STACKS, body, 40000, -1), 0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	none = old;
	none.rlim_cur = 3;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	assert_int_equal(outbox_send(&box, WIRE_OBJECT, "o", 1, reader), -EMFILE);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
}

static void
a_peer_that_left_is_an_error(void **state)
{
	(void)state;
	while (!box.first)
		assert_int_equal(outbox_send(&box, WIRE_STACKS, body, 40000, -1), 0);
	close(reader);
	reader = -1;
	assert_true(outbox_flush(&box) < 0);
	outbox_fini(&box);
	assert_int_equal(outbox_send(&box, WIRE_END, NULL, 0, -1), -EPIPE);
}

#define WITH_BOX(f) cmocka_unit_test_setup_teardown(f, start, end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_BOX(what_the_socket_takes_is_sent_at_once),
		WITH_BOX(what_it_does_not_take_is_kept_and_sent_in_order),
		WITH_BOX(a_kept_descriptor_is_a_copy),
		WITH_BOX(a_reader_that_is_too_slow_is_given_up),
		WITH_BOX(a_descriptor_that_cannot_be_kept_is_an_error_not_a_message_without_it),
		WITH_BOX(a_peer_that_left_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
