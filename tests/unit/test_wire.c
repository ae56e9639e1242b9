#include "config.h"

#include <errno.h>
#include <fcntl.h>
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
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/wire.h"
#include "tests/unit/kid.h"

/* A header as wire.c writes it. */
struct head {
	uint32_t magic;
	uint16_t type, zero;
	uint32_t len;
};

static struct wire_msg msg;
static int pair[2];

static int
pair_open(void **state)
{
	(void)state;
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair);
}

static int
pair_close(void **state)
{
	(void)state;
	close(pair[0]);
	close(pair[1]);
	return 0;
}

/* Send bytes as they are, with n descriptors. */
static void
send_raw(const void *bytes, size_t len, const int *fds, size_t n)
{
	char control[CMSG_SPACE(16 * sizeof(int))] __attribute__((aligned(8))) = { 0 };
	struct iovec iov = { (void *)(uintptr_t)bytes, len };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (n) {
		struct cmsghdr *c;

		m.msg_control = control;
		m.msg_controllen = CMSG_SPACE(n * sizeof(int));
		c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(n * sizeof(int));
		memcpy(CMSG_DATA(c), fds, n * sizeof(int));
	}
	assert_int_equal(sendmsg(pair[0], &m, 0), len);
}

/* Send a header and `body` bytes of which the header says `len`; expect a refusal. */
static void
refused(uint32_t magic, uint16_t type, uint32_t len, size_t body)
{
	unsigned char *bytes = calloc(1, sizeof(struct head) + body);
	struct head h = { magic, type, 0, len };
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC), before = open_descriptors();

	memcpy(bytes, &h, sizeof(h));
	send_raw(bytes, sizeof(h) + body, &fd, 1);
	assert_int_equal(wire_recv(pair[1], &msg), -EBADMSG);
	assert_int_equal(msg.fd, -1);
	assert_int_equal(open_descriptors(), before);
	close(fd);
	free(bytes);
}

/* ---- what is ours */

static void
a_message_comes_back_as_it_was_sent(void **state)
{
	(void)state;
	assert_int_equal(wire_send(pair[0], WIRE_NOTE, "hello", 5, -1), 0);
	assert_int_equal(wire_send(pair[0], WIRE_END, NULL, 0, -1), 0);
	assert_int_equal(wire_recv(pair[1], &msg), 1);
	assert_int_equal(msg.type, WIRE_NOTE);
	assert_int_equal(msg.len, 5);
	assert_memory_equal(msg.body, "hello", 5);
	assert_int_equal(msg.fd, -1);
	assert_int_equal(wire_recv(pair[1], &msg), 1);
	assert_int_equal(msg.type, WIRE_END);
	assert_int_equal(msg.len, 0);
}

static void
the_largest_body_passes_and_one_byte_more_does_not(void **state)
{
	unsigned char *body = malloc(WIRE_BODY_MAX + 1);

	(void)state;
	memset(body, 0x5a, WIRE_BODY_MAX + 1);
	assert_int_equal(wire_send(pair[0], WIRE_STACKS, body, WIRE_BODY_MAX + 1, -1), -EMSGSIZE);
	assert_int_equal(wire_send(pair[0], WIRE_STACKS, body, WIRE_BODY_MAX, -1), 0);
	assert_int_equal(wire_recv(pair[1], &msg), 1);
	assert_int_equal(msg.len, WIRE_BODY_MAX);
	assert_memory_equal(msg.body, body, WIRE_BODY_MAX);
	free(body);
}

static void
a_descriptor_arrives_open_and_closed_on_exec(void **state)
{
	int fd = memfd_create("x", MFD_CLOEXEC);
	char c = 0;

	(void)state;
	assert_int_equal(write(fd, "q", 1), 1);
	assert_int_equal(wire_send(pair[0], WIRE_OBJECT, "b", 1, fd), 0);
	close(fd);
	assert_int_equal(wire_recv(pair[1], &msg), 1);
	assert_true(msg.fd >= 0);
	assert_int_equal(pread(msg.fd, &c, 1, 0), 1);
	assert_int_equal(c, 'q');
	assert_true(fcntl(msg.fd, F_GETFD) & FD_CLOEXEC);
	close(msg.fd);
}

static void
the_end_is_told_from_a_message(void **state)
{
	(void)state;
	wire_send(pair[0], WIRE_END, NULL, 0, -1);
	shutdown(pair[0], SHUT_WR);
	assert_int_equal(wire_recv(pair[1], &msg), 1);
	assert_int_equal(wire_recv(pair[1], &msg), 0);
	assert_int_equal(msg.fd, -1);
}

static void
a_peer_that_left_unread_what_we_said_is_an_end_too(void **state)
{
	int two[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, two), 0);
	wire_send(two[0], WIRE_END, NULL, 0, -1);
	close(two[1]); /* with a message unread: ECONNRESET */
	assert_int_equal(wire_recv(two[0], &msg), 0);
	assert_int_equal(wire_send(two[0], WIRE_END, NULL, 0, -1), -EPIPE); /* and no SIGPIPE */
	close(two[0]);
}

static void
a_full_socket_says_so_and_an_empty_one_too(void **state)
{
	unsigned char *body = calloc(1, WIRE_BODY_MAX);
	int n = 0, r;

	(void)state;
	fcntl(pair[0], F_SETFL, O_NONBLOCK);
	fcntl(pair[1], F_SETFL, O_NONBLOCK);
	assert_int_equal(wire_recv(pair[1], &msg), -EAGAIN);
	while ((r = wire_send(pair[0], WIRE_STACKS, body, WIRE_BODY_MAX, -1)) == 0 && n < 1000)
		n++;
	assert_int_equal(r, -EAGAIN);
	assert_in_range(n, 2, 999); /* "several fit" */
	while (n-- > 0)
		assert_int_equal(wire_recv(pair[1], &msg), 1);
	assert_int_equal(wire_recv(pair[1], &msg), -EAGAIN);
	assert_int_equal(wire_send(pair[0], WIRE_END, NULL, 0, -1), 0);
	free(body);
}

/* ---- what is not */

static void
a_packet_that_is_not_one_of_ours_is_refused_with_its_descriptor(void **state)
{
	(void)state;
	refused(WIRE_MAGIC + 1, WIRE_END, 0, 0);      /* another magic */
	refused(WIRE_MAGIC, WIRE_NONE, 0, 0);         /* no type */
	refused(WIRE_MAGIC, WIRE_TYPES, 0, 0);        /* unknown types */
	refused(WIRE_MAGIC, UINT16_MAX, 0, 0);
	refused(WIRE_MAGIC, WIRE_NOTE, 5, 4);         /* the length is not the packet's */
	refused(WIRE_MAGIC, WIRE_NOTE, 4, 5);
	refused(WIRE_MAGIC, WIRE_NOTE, UINT32_MAX, 11);
	refused(WIRE_MAGIC, WIRE_NOTE, WIRE_BODY_MAX + 1, WIRE_BODY_MAX + 1); /* more than we take */
	refused(WIRE_MAGIC, WIRE_NOTE, WIRE_BODY_MAX, WIRE_BODY_MAX + 1);
	/* And the connection would still work. */
	assert_int_equal(wire_send(pair[0], WIRE_END, NULL, 0, -1), 0);
	assert_int_equal(wire_recv(pair[1], &msg), 1);
}

static void
a_packet_shorter_than_a_header_is_refused(void **state)
{
	const struct head h = { WIRE_MAGIC, WIRE_END, 0, 0 };

	(void)state;
	for (size_t n = 1; n < sizeof(h); n++) {
		send_raw(&h, n, NULL, 0);
		assert_int_equal(wire_recv(pair[1], &msg), -EBADMSG);
	}
}

static void
a_packet_of_no_bytes_leaves_no_descriptor_behind(void **state)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC), before = open_descriptors();

	(void)state;
	send_raw("", 0, &fd, 1);
	assert_int_equal(wire_recv(pair[1], &msg), 0);
	assert_int_equal(msg.fd, -1);
	assert_int_equal(open_descriptors(), before);
	close(fd);
}

static void
a_second_descriptor_that_is_smuggled_in_is_closed(void **state)
{
	const struct head h = { WIRE_MAGIC, WIRE_END, 0, 0 };
	int fds[4], before;
	struct stat first, got;

	(void)state;
	for (size_t i = 0; i < 4; i++)
		fds[i] = memfd_create("x", MFD_CLOEXEC);
	before = open_descriptors();
	for (size_t n = 2; n <= 4; n++) {
		send_raw(&h, sizeof(h), fds, n);
		assert_int_equal(wire_recv(pair[1], &msg), 1);
		assert_int_equal(open_descriptors(), before + 1);
		assert_int_equal(fstat(msg.fd, &got), 0);
		assert_int_equal(fstat(fds[0], &first), 0);
		assert_true(first.st_ino == got.st_ino);
		close(msg.fd);
	}
	for (size_t i = 0; i < 4; i++)
		close(fds[i]);
}

static void
more_descriptors_than_there_is_room_for_spoil_the_message(void **state)
{
	const struct head h = { WIRE_MAGIC, WIRE_END, 0, 0 };
	int fds[10], before;

	(void)state;
	for (size_t i = 0; i < 10; i++)
		fds[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
	before = open_descriptors();
	send_raw(&h, sizeof(h), fds, 10);
	assert_int_equal(wire_recv(pair[1], &msg), -EBADMSG);
	assert_int_equal(open_descriptors(), before);
	for (size_t i = 0; i < 10; i++)
		close(fds[i]);
}

/* ---- listening and connecting */

static void
a_listener_replaces_an_older_socket_and_is_closed_to_others(void **state)
{
	char *dir = scratch_new(), path[200];
	struct stat st;
	struct err why;
	int one, two, client, server;
	uid_t uid = 1;
	pid_t pid = 0;

	(void)state;
	snprintf(path, sizeof(path), "%s/s", dir);
	one = wire_listen(path, getgid(), &why);
	assert_true(one >= 0);
	two = wire_listen(path, (gid_t)-1, &why);
	assert_true(two >= 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0660);
	client = wire_connect(path, &why);
	assert_true(client >= 0);
	assert_false(fcntl(client, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(client, F_GETFD) & FD_CLOEXEC);
	assert_true(fcntl(two, F_GETFL) & O_NONBLOCK);
	server = accept(two, NULL, NULL);
	assert_true(server >= 0);
	assert_int_equal(wire_peer(server, &uid, &pid), 0);
	assert_int_equal(uid, geteuid());
	assert_int_equal(pid, getpid());
	assert_true(wire_peer(-1, &uid, NULL) < 0);
	close(client);
	close(server);
	close(one);
	close(two);
	scratch_free(dir);
}

static void
a_path_that_does_not_fit_or_is_not_there_is_said(void **state)
{
	char path[200];
	struct err why;

	(void)state;
	memset(path, 'x', sizeof(path) - 1);
	path[0] = '/';
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(wire_listen(path, (gid_t)-1, &why), -ENAMETOOLONG);
	assert_int_equal(wire_connect(path, &why), -ENAMETOOLONG);
	assert_non_null(strstr(why.text, "longer than"));
	assert_int_equal(wire_connect("/nowhere/s", &why), -ENOENT);
	assert_non_null(strstr(why.text, "/nowhere/s"));
	assert_int_equal(wire_listen("/nowhere/s", (gid_t)-1, &why), -ENOENT);
}

#define WITH_PAIR(f) cmocka_unit_test_setup_teardown(f, pair_open, pair_close)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_PAIR(a_message_comes_back_as_it_was_sent),
		WITH_PAIR(the_largest_body_passes_and_one_byte_more_does_not),
		WITH_PAIR(a_descriptor_arrives_open_and_closed_on_exec),
		WITH_PAIR(the_end_is_told_from_a_message),
		cmocka_unit_test(a_peer_that_left_unread_what_we_said_is_an_end_too),
		WITH_PAIR(a_full_socket_says_so_and_an_empty_one_too),
		WITH_PAIR(a_packet_that_is_not_one_of_ours_is_refused_with_its_descriptor),
		WITH_PAIR(a_packet_shorter_than_a_header_is_refused),
		WITH_PAIR(a_packet_of_no_bytes_leaves_no_descriptor_behind),
		WITH_PAIR(a_second_descriptor_that_is_smuggled_in_is_closed),
		WITH_PAIR(more_descriptors_than_there_is_room_for_spoil_the_message),
		cmocka_unit_test(a_listener_replaces_an_older_socket_and_is_closed_to_others),
		cmocka_unit_test(a_path_that_does_not_fit_or_is_not_there_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
