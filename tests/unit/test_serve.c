/*
 * The collector's socket, from the client's side: a process with the loop, the nodes and the
 * service in it, and requests as pprofd-fcgi, or somebody who took its place, may send them.
 */
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
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/wire.h"
#include "collector/event.h"
#include "collector/serve.h"
#include "tests/unit/kid.h"

#define MAX_WINDOWS 3
#define MAX_SECONDS 60

static char *dir;
static char socket_path[300];
static pid_t server, burner;
static struct wire_msg msg;
static bool permitted; /* perf_event_open of another process */

/* ---- the server */

static struct loop server_loop;
static bool symbolizer_is_there = true;

static void
server_stop(int signal_number)
{
	(void)signal_number;
	server_loop.stop = true;
}

static int
serve(void *arg)
{
	static struct conf conf;
	static struct objects objects;
	static struct memories memories;
	static struct link no_link = { .socket = { .fd = -1 } };
	static struct arms arms; /* nothing is allowed */
	static struct node nodes[2];
	static const char *const limits[] = { "something is missing (grant it)", "another thing too" };
	struct service s = { .loop = &server_loop, .conf = &conf, .nodes = nodes, .memories = &memories,
			     .arms = &arms, .limits = limits, .n_limits = 2 };
	struct err why;
	int sock;

	log_start("server", LOG_ERROR);
	if (conf_parse(&conf, "test", arg, &why) < 0 || loop_init(&server_loop, &why) < 0)
		return 1;
	/* No SA_RESTART: the loop's wait is to end. */
	sigaction(SIGTERM, &(struct sigaction){ .sa_handler = server_stop }, NULL);
	objects_init(&objects);
	memories_init(&memories);
	memories.connected = symbolizer_is_there;
	for (uint16_t i = 0; i < 2; i++) {
		if (node_init(&nodes[i], &conf, i, &server_loop, &objects, &why) < 0)
			return 2;
		nodes[i].memories = &memories;
	}
	arms_start(&arms, &server_loop, &no_link, &memories, -1, "");
	sock = wire_listen(socket_path, (gid_t)-1, &why);
	s.client = geteuid();
	if (sock < 0 || serve_start(&s, sock, &why) < 0)
		return 3;
	kid_ready();
	if (loop_run(&server_loop, &why) < 0)
		return 3;
	serve_stop(&s);
	for (size_t i = 0; i < 2; i++)
		node_fini(&nodes[i]);
	if (memories.first) /* of processes that nobody holds any more */
		return 5;
	memories_fini(&memories);
	objects_fini(&objects);
	loop_fini(&server_loop);
	return s.n_windows || s.n_peers ? 4 : 0;
}

static int
start(void **state)
{
	static char text[1000];

	(void)state;
	snprintf(text, sizeof(text),
		 "[collector]\nmax_windows = %d\nmax_seconds = %d\n"
		 "[node burner]\ntarget = %d\n[node absent]\ntarget = name:nobody-has-this\n",
		 MAX_WINDOWS, MAX_SECONDS, (int)burner);
	server = kid_start(serve, text);
	return server > 0 ? 0 : -1;
}

/* Also a test of each test's server: it must end by itself, with nothing left. */
static int
end(void **state)
{
	(void)state;
	kill(server, SIGTERM);
	assert_int_equal(kid_wait(server), 0);
	return 0;
}

static int
start_group(void **state)
{
	const struct event_options opt = { .kernel = true, .stack_bytes = 8192 };
	struct event ev;
	struct err why;
	int fd;

	(void)state;
	dir = scratch_new();
	snprintf(socket_path, sizeof(socket_path), "%s/s", dir);
	burner = kid_start(kid_burns, NULL);
	if (event_start(&why) < 0 || event_parse(&ev, "task-clock", 100, &opt, &why) < 0)
		return -1;
	fd = event_open(&ev, burner, 0);
	permitted = fd >= 0;
	if (fd >= 0)
		close(fd);
	go_first();
	return 0;
}

static int
end_group(void **state)
{
	(void)state;
	kid_stop(burner);
	scratch_free(dir);
	return 0;
}

#define NEED_PERF() SKIP_UNLESS(permitted, "perf_event_open is not permitted here (CAP_PERFMON)")

/* ---- the client */

static int
client(void)
{
	struct timeval tv = { .tv_sec = 8 };
	struct err why;
	int sock = wire_connect(socket_path, &why);

	if (sock < 0)
		fail_msg("%s", why.text);
	setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	return sock;
}

/* The type of the next message; 0 at the end. */
static int
next(int sock)
{
	int r = wire_recv(sock, &msg);

	if (r < 0)
		fail_msg("recv: %s", strerror(-r));
	return r == 0 ? 0 : msg.type;
}

static void
ask_window(int sock, uint16_t node, uint32_t ms, uint32_t hz, const char *event)
{
	struct buf b;

	buf_init(&b, WIRE_BODY_MAX);
	buf_u16(&b, node);
	buf_u32(&b, ms);
	buf_u32(&b, hz);
	buf_str(&b, event, strlen(event));
	buf_u8(&b, 0);
	assert_int_equal(wire_send(sock, WIRE_WINDOW_ASK, b.data, b.len, -1), 0);
	buf_fini(&b);
}

/* A refusal with this status; its text is left in the message. Returns Retry-After. */
static uint16_t
expect_refusal(int sock, uint16_t status, const char *part)
{
	struct cur c;
	uint16_t retry, got;
	char text[600];
	const char *s;
	size_t n;

	assert_int_equal(next(sock), WIRE_REFUSED);
	cur_init(&c, msg.body, msg.len);
	got = cur_u16(&c);
	retry = cur_u16(&c);
	s = cur_str(&c, &n);
	assert_int_equal(cur_error(&c), 0);
	assert_int_equal(cur_left(&c), 0);
	snprintf(text, sizeof(text), "%.*s", (int)n, s);
	if (got != status || !strstr(text, part))
		fail_msg("%u %s", got, text);
	return retry;
}

static unsigned int
open_windows(void)
{
	int sock = client(), type;
	unsigned int windows = UINT32_MAX;
	struct cur c;

	assert_int_equal(wire_send(sock, WIRE_STATE_ASK, NULL, 0, -1), 0);
	while ((type = next(sock)) != WIRE_END) {
		assert_true(type == WIRE_NODE || type == WIRE_SELF);
		cur_init(&c, msg.body, msg.len);
		if (type == WIRE_SELF)
			windows = cur_u32(&c);
	}
	close(sock);
	return windows;
}

static void
expect_windows(unsigned int n)
{
	for (int i = 0; i < 200 && open_windows() != n; i++)
		wait_ms(10);
	assert_int_equal(open_windows(), n);
}

/* ---- state */

static void
the_state_tells_each_node_and_what_is_missing(void **state)
{
	int sock = client();
	char text[200];
	struct cur c;
	const char *s;
	size_t n;

	(void)state;
	/* Two questions at once are two answers. */
	for (int i = 0; i < 2; i++)
		assert_int_equal(wire_send(sock, WIRE_STATE_ASK, NULL, 0, -1), 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(next(sock), WIRE_NODE);
		cur_init(&c, msg.body, msg.len);
		assert_int_equal(cur_u16(&c), 0);
		assert_int_equal(cur_u8(&c), WIRE_NODE_RUNNING);
		assert_int_equal(cur_u32(&c), burner);
		assert_true(cur_u64(&c) > 0);
		assert_int_equal(cur_u32(&c), 1); /* threads */
		assert_int_equal(cur_u32(&c), 0); /* windows */
		s = cur_str(&c, &n);
		assert_memory_equal(s, "burner", 6);
		for (int k = 0; k < 5; k++) /* target, comm, exe, runtime, why */
			cur_str(&c, &n);
		assert_int_equal(cur_error(&c), 0);
		assert_int_equal(cur_left(&c), 0);
		assert_int_equal(next(sock), WIRE_NODE);
		cur_init(&c, msg.body, msg.len);
		assert_int_equal(cur_u16(&c), 1);
		assert_int_equal(cur_u8(&c), WIRE_NODE_ABSENT);
		cur_bytes(&c, 4 + 8 + 4 + 4);
		for (int k = 0; k < 6; k++)
			s = cur_str(&c, &n);
		snprintf(text, sizeof(text), "%.*s", (int)n, s);
		assert_int_equal(cur_left(&c), 0);
		assert_non_null(strstr(text, "nobody-has-this")); /* why it is not there */
		assert_int_equal(next(sock), WIRE_SELF);
		cur_init(&c, msg.body, msg.len);
		assert_int_equal(cur_u32(&c), 0);
		assert_int_equal(cur_u32(&c), MAX_WINDOWS);
		cur_bytes(&c, 4 * 8);
		assert_int_equal(cur_u16(&c), 2);
		s = cur_str(&c, &n);
		assert_memory_equal(s, "something", 9);
		cur_str(&c, &n);
		assert_int_equal(cur_left(&c), 0);
		assert_int_equal(next(sock), WIRE_END);
	}
	close(sock);
}

/* ---- windows */

static void
a_window_is_opened_told_and_ended(void **state)
{
	bool maps = false, stacks = false, counts = false, progress = false;
	int sock = client(), type;
	uint64_t samples = 0;
	struct cur c;
	size_t n;

	(void)state;
	NEED_PERF();
	ask_window(sock, 0, 600, 0, "");
	assert_int_equal(next(sock), WIRE_WINDOW);
	cur_init(&c, msg.body, msg.len);
	assert_true(cur_u64(&c) > 0);
	assert_true(cur_u64(&c) > 0);
	assert_int_equal(cur_u8(&c), 1);
	assert_int_equal(cur_u64(&c), 10000000); /* the default: 100 Hz of task-clock */
	assert_memory_equal(cur_str(&c, &n), "task-clock", 10);
	assert_memory_equal(cur_str(&c, &n), "nanoseconds", 11);
	assert_int_equal(cur_left(&c), 0);
	assert_int_equal(wire_send(sock, WIRE_PROGRESS_ASK, NULL, 0, -1), 0);
	while ((type = next(sock)) != WIRE_WINDOW_END) {
		maps = maps || type == WIRE_MAPS;
		stacks = stacks || type == WIRE_STACKS;
		progress = progress || (type == WIRE_PROGRESS && msg.len == 16);
		cur_init(&c, msg.body, msg.len);
		if (type != WIRE_COUNTS)
			continue;
		counts = true;
		for (uint16_t k = cur_u16(&c); k; k--) {
			cur_u64(&c);
			samples += cur_u64(&c);
			cur_u64(&c);
		}
	}
	cur_init(&c, msg.body, msg.len);
	assert_int_equal(cur_u64(&c), 600000000);
	assert_int_equal(cur_u64(&c), samples);
	assert_true(maps && stacks && counts && progress && samples > 0);
	/* Nobody answers that without a window. The connection is free for the next one. */
	assert_int_equal(wire_send(sock, WIRE_PROGRESS_ASK, NULL, 0, -1), 0);
	ask_window(sock, 0, 50, 500, "cpu-clock");
	assert_int_equal(next(sock), WIRE_WINDOW);
	while (next(sock) != WIRE_WINDOW_END)
		;
	close(sock);
}

static void
a_client_that_goes_away_ends_its_window(void **state)
{
	int sock = client();

	(void)state;
	NEED_PERF();
	ask_window(sock, 0, MAX_SECONDS * 1000, 0, "");
	assert_int_equal(next(sock), WIRE_WINDOW);
	assert_int_equal(open_windows(), 1);
	close(sock);
	expect_windows(0);
	/* Also one that asks and leaves at once. */
	for (int i = 0; i < 20; i++) {
		sock = client();
		ask_window(sock, 0, MAX_SECONDS * 1000, 0, "");
		close(sock);
	}
	expect_windows(0);
	/* And one that only says that it will say no more. */
	sock = client();
	ask_window(sock, 0, MAX_SECONDS * 1000, 0, "");
	assert_int_equal(next(sock), WIRE_WINDOW);
	shutdown(sock, SHUT_WR);
	expect_windows(0);
	close(sock);
}

static void
there_is_one_window_for_a_connection(void **state)
{
	int sock = client(), type;

	(void)state;
	NEED_PERF();
	ask_window(sock, 0, 10000, 0, "");
	ask_window(sock, 0, 10000, 0, "");
	do
		type = next(sock);
	while (type != 0); /* it is hung up */
	close(sock);
	expect_windows(0);
}

static void
windows_beyond_the_limit_are_refused_at_once_with_a_time_to_come_again(void **state)
{
	int socks[MAX_WINDOWS], more = client();

	(void)state;
	NEED_PERF();
	for (int i = 0; i < MAX_WINDOWS; i++) {
		socks[i] = client();
		ask_window(socks[i], 0, i ? 20000 : 4000, 0, "");
		assert_int_equal(next(socks[i]), WIRE_WINDOW);
	}
	ask_window(more, 0, 1000, 0, "");
	assert_in_range(expect_refusal(more, 503, "3 windows"), 1, 4); /* the soonest end */
	close(socks[1]);
	expect_windows(MAX_WINDOWS - 1);
	/* The same connection may ask again. */
	ask_window(more, 0, 100, 0, "");
	assert_int_equal(next(more), WIRE_WINDOW);
	for (int i = 0; i < MAX_WINDOWS; i++)
		if (i != 1)
			close(socks[i]);
	close(more);
	expect_windows(0);
}

static void
what_cannot_be_had_is_refused_with_its_reason(void **state)
{
	static const char longest[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
	const struct {
		uint16_t node;
		uint32_t ms, hz;
		const char *event;
		uint16_t status;
		const char *part;
	} cases[] = {
		{ 1, 1000, 0, "", 503, "nobody-has-this" },
		{ 2, 1000, 0, "", 404, "no such node" },
		{ UINT16_MAX, 1000, 0, "", 404, "no such node" },
		{ 0, 0, 0, "", 400, "window" },
		{ 0, MAX_SECONDS * 1000 + 1, 0, "", 400, "limit" },
		{ 0, UINT32_MAX, 0, "", 400, "limit" },
		{ 0, 1000, 1001, "", 400, "hz" },
		{ 0, 1000, UINT32_MAX, "", 400, "hz" },
		{ 0, 1000, 0, "task-clok", 400, "task-clock" },
		{ 0, 1000, 0, "a/b", 400, "event" },
		{ 0, 1000, 0, longest, 400, "too long" },
	};
	int sock = client();

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		ask_window(sock, cases[i].node, cases[i].ms, cases[i].hz, cases[i].event);
		expect_refusal(sock, cases[i].status, cases[i].part);
	}
	close(sock);
	assert_int_equal(open_windows(), 0);
}

/* ---- cmdline and addresses */

static void
arguments_are_told_as_they_are(void **state)
{
	int sock = client();
	const unsigned char absent[] = { 1, 0 }, none[] = { 9, 0 }, zero[] = { 0, 0 };
	char own[4096];
	const char *s;
	struct cur c;
	size_t n;
	ssize_t len;
	int fd = open("/proc/self/cmdline", O_RDONLY);

	(void)state;
	len = read(fd, own, sizeof(own));
	close(fd);
	wire_send(sock, WIRE_CMDLINE_ASK, zero, 2, -1);
	assert_int_equal(next(sock), WIRE_CMDLINE);
	cur_init(&c, msg.body, msg.len);
	s = cur_str(&c, &n);
	assert_int_equal(n, len);
	assert_memory_equal(s, own, n);
	wire_send(sock, WIRE_CMDLINE_ASK, absent, 2, -1);
	expect_refusal(sock, 503, "nobody-has-this");
	wire_send(sock, WIRE_CMDLINE_ASK, none, 2, -1);
	expect_refusal(sock, 404, "no such node");
	close(sock);
}

static void
ask_addresses(int sock, uint16_t node, const uint64_t *addr, uint16_t n)
{
	struct buf b;

	buf_init(&b, WIRE_BODY_MAX);
	buf_u16(&b, node);
	buf_u16(&b, n);
	for (uint16_t i = 0; i < n; i++)
		buf_u64(&b, addr[i]);
	assert_int_equal(wire_send(sock, WIRE_RESOLVE_ASK, b.data, b.len, -1), 0);
	buf_fini(&b);
}

static void
addresses_are_put_into_maps(void **state)
{
	/* The burner is our child: our code is where its code is. */
	const uint64_t addr[] = { (uint64_t)(uintptr_t)ask_addresses, 5, (uint64_t)(uintptr_t)client, UINT64_MAX };
	int sock = client();
	uint32_t map;
	struct cur c;

	(void)state;
	ask_addresses(sock, 0, addr, 4);
	assert_int_equal(next(sock), WIRE_MAPS);
	cur_init(&c, msg.body, msg.len);
	assert_int_equal(cur_u16(&c), 1);
	map = cur_u32(&c);
	assert_true(cur_u64(&c) > 0);
	assert_int_equal(next(sock), WIRE_RESOLVED);
	cur_init(&c, msg.body, msg.len);
	assert_int_equal(cur_u16(&c), 4);
	assert_int_equal(cur_u32(&c), map);
	assert_int_equal(cur_u32(&c), UINT32_MAX);
	assert_int_equal(cur_u32(&c), map);
	assert_int_equal(cur_u32(&c), UINT32_MAX);
	assert_int_equal(cur_left(&c), 0);
	ask_addresses(sock, 0, NULL, 0);
	assert_int_equal(next(sock), WIRE_RESOLVED);
	ask_addresses(sock, 1, addr, 1);
	expect_refusal(sock, 503, "nobody-has-this");
	ask_addresses(sock, 2, addr, 1);
	expect_refusal(sock, 404, "no such node");
	close(sock);
}

static void
a_memory_is_named_with_the_maps_of_the_executables_code(void **state)
{
	const unsigned char zero[] = { 0, 0 }, absent[] = { 1, 0 }, none[] = { 9, 0 };
	uintptr_t ours = (uintptr_t)ask_addresses;
	bool holds_us = false;
	uint64_t memory[3] = { 0 };
	struct cur c;
	int sock = client(), other = client(), type;

	(void)state;
	for (int i = 0; i < 3; i++) { /* twice on one connection */
		assert_int_equal(wire_send(i == 2 ? other : sock, WIRE_MEMORY_ASK, zero, 2, -1), 0);
		while ((type = next(i == 2 ? other : sock)) == WIRE_MAPS) {
			uint64_t start, end;

			cur_init(&c, msg.body, msg.len);
			assert_int_equal(cur_u16(&c), 1);
			cur_u32(&c);
			assert_true(cur_u64(&c) > 0);
			assert_int_equal(cur_u8(&c), WIRE_MAP_FILE);
			assert_true(cur_u8(&c) & WIRE_MAP_MAIN);
			start = cur_u64(&c);
			end = cur_u64(&c);
			holds_us = holds_us || (ours >= start && ours < end);
		}
		assert_int_equal(type, WIRE_MEMORY_IS);
		cur_init(&c, msg.body, msg.len);
		memory[i] = cur_u64(&c);
		assert_int_equal(cur_u32(&c), burner);
		assert_true(cur_u64(&c) > 0);
		assert_int_equal(cur_left(&c), 0);
		assert_int_equal(cur_error(&c), 0);
	}
	assert_true(holds_us);
	assert_true(memory[0] != 0);
	assert_true(memory[1] == memory[0] && memory[2] == memory[0]);
	wire_send(sock, WIRE_MEMORY_ASK, absent, 2, -1);
	expect_refusal(sock, 503, "nobody-has-this");
	wire_send(sock, WIRE_MEMORY_ASK, none, 2, -1);
	expect_refusal(sock, 404, "no such node");
	close(sock);
	close(other);
}

static int
start_without_symbolizer(void **state)
{
	symbolizer_is_there = false;
	return start(state);
}

static void
without_a_symbolizer_no_memory_can_be_read(void **state)
{
	const unsigned char zero[] = { 0, 0 };
	int sock = client();

	(void)state;
	symbolizer_is_there = true;
	wire_send(sock, WIRE_MEMORY_ASK, zero, 2, -1);
	expect_refusal(sock, 503, "pprofd-symbolizer");
	close(sock);
}

static void
arming_is_refused_where_it_is_not_allowed(void **state)
{
	unsigned char body[11] = { 0, 0, READING_BLOCK, 1 };
	int sock = client();

	(void)state;
	wire_send(sock, WIRE_ARM_ASK, body, sizeof(body), -1);
	expect_refusal(sock, 403, "allow_arm");
	body[0] = 1;
	wire_send(sock, WIRE_ARM_ASK, body, sizeof(body), -1);
	expect_refusal(sock, 503, "nobody-has-this");
	body[0] = 9;
	wire_send(sock, WIRE_ARM_ASK, body, sizeof(body), -1);
	expect_refusal(sock, 404, "no such node");
	wire_send(sock, WIRE_ARM_ASK, body, sizeof(body) - 1, -1);
	assert_int_equal(next(sock), 0);
	close(sock);
}

/* ---- what is no request */

/* This message ends the connection, and nothing else. */
static void
hangs_up(uint16_t type, const void *body, size_t len)
{
	int sock = client(), fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	assert_int_equal(wire_send(sock, type, body, len, fd), 0);
	if (next(sock) != 0)
		fail_msg("type %u of %zu bytes was answered by %u", type, len, msg.type);
	close(fd);
	close(sock);
}

static void
what_nobody_may_ask_ends_the_connection(void **state)
{
	unsigned char body[WIRE_BODY_MAX] = { 0 };

	(void)state;
	for (uint16_t type = WIRE_NONE + 1; type < WIRE_TYPES; type++) {
		if (type == WIRE_STATE_ASK || type == WIRE_WINDOW_ASK || type == WIRE_PROGRESS_ASK ||
		    type == WIRE_CMDLINE_ASK || type == WIRE_RESOLVE_ASK)
			continue;
		hangs_up(type, NULL, 0);
		hangs_up(type, body, 100);
	}
	assert_int_equal(open_windows(), 0);
}

static void
a_request_of_a_wrong_length_ends_the_connection(void **state)
{
	unsigned char body[WIRE_BODY_MAX] = { 0 };

	(void)state;
	hangs_up(WIRE_STATE_ASK, body, 1);
	hangs_up(WIRE_STATE_ASK, body, WIRE_BODY_MAX);
	for (size_t n = 0; n < 13; n++)
		hangs_up(WIRE_WINDOW_ASK, body, n);
	hangs_up(WIRE_WINDOW_ASK, body, 14);
	hangs_up(WIRE_WINDOW_ASK, body, 1000);
	body[10] = 50; /* a name of 50 bytes, of which there are 11 */
	hangs_up(WIRE_WINDOW_ASK, body, 23);
	body[10] = 0;
	hangs_up(WIRE_PROGRESS_ASK, body, 1);
	hangs_up(WIRE_CMDLINE_ASK, body, 0);
	hangs_up(WIRE_CMDLINE_ASK, body, 1);
	hangs_up(WIRE_CMDLINE_ASK, body, 3);
	hangs_up(WIRE_RESOLVE_ASK, body, 3);
	hangs_up(WIRE_RESOLVE_ASK, body, 5);
	hangs_up(WIRE_RESOLVE_ASK, body, 12);
	body[2] = 1; /* one address, and 7 or 9 bytes */
	hangs_up(WIRE_RESOLVE_ASK, body, 11);
	hangs_up(WIRE_RESOLVE_ASK, body, 13);
	body[2] = body[3] = 0xff;
	hangs_up(WIRE_RESOLVE_ASK, body, WIRE_BODY_MAX);
	assert_int_equal(open_windows(), 0);
}

static void
bytes_that_are_no_message_end_the_connection(void **state)
{
	unsigned char bytes[3000];
	uint32_t x = 12345;

	(void)state;
	for (int i = 0; i < 300; i++) {
		int sock = client();

		for (size_t k = 0; k < sizeof(bytes); k++) {
			x = x * 1664525u + 1013904223u;
			bytes[k] = (unsigned char)(x >> 24);
		}
		assert_true(send(sock, bytes, 1 + x % sizeof(bytes), MSG_NOSIGNAL) > 0);
		assert_int_equal(next(sock), 0);
		close(sock);
	}
	assert_int_equal(open_windows(), 0);
}

static int
connect_as_nobody(void *arg)
{
	struct err why;
	int sock, r;

	(void)arg;
	if (setresuid(KID_NOBODY, KID_NOBODY, KID_NOBODY) < 0)
		return 1;
	sock = wire_connect(socket_path, &why);
	if (sock < 0)
		return 2;
	wire_send(sock, WIRE_STATE_ASK, NULL, 0, -1);
	r = wire_recv(sock, &msg);
	return r == 0 ? 0 : 3;
}

static void
another_user_is_not_answered(void **state)
{
	(void)state;
	SKIP_UNLESS(geteuid() == 0, "not root: there is no other user to be");
	assert_int_equal(chmod(socket_path, 0666), 0); /* as if the file's mode had been lost */
	assert_int_equal(kid_run(connect_as_nobody, NULL), 0);
	assert_int_equal(open_windows(), 0);
}

static void
more_connections_than_there_is_room_for_are_hung_up(void **state)
{
	int socks[600], refused = 0;

	(void)state;
	for (int i = 0; i < 600; i++)
		socks[i] = client();
	for (int i = 0; i < 600; i++) {
		if (wire_send(socks[i], WIRE_CMDLINE_ASK, "\x09\x00", 2, -1) < 0 || next(socks[i]) == 0)
			refused++;
		else
			assert_int_equal(msg.type, WIRE_REFUSED);
	}
	for (int i = 0; i < 600; i++)
		close(socks[i]);
	assert_in_range(refused, 1, 599);
	for (int i = 0; i < 100; i++) { /* and once they are gone there is room again */
		int sock = client();
		bool answered = wire_send(sock, WIRE_CMDLINE_ASK, "\x09\x00", 2, -1) == 0 && next(sock) == WIRE_REFUSED;

		close(sock);
		if (answered)
			return;
		wait_ms(10);
	}
	fail_msg("nobody is answered any more");
}

static void
a_server_that_is_stopped_ends_its_windows_with_what_they_have(void **state)
{
	int sock = client(), type;
	uint64_t from = proc_cpu_ns(burner);
	char notes[500] = "";
	struct cur c;

	(void)state;
	NEED_PERF();
	ask_window(sock, 0, 30000, 500, "");
	assert_int_equal(next(sock), WIRE_WINDOW);
	for (int i = 0; i < 500 && proc_cpu_ns(burner) < from + 50000000; i++)
		wait_ms(10);
	kill(server, SIGTERM);
	while ((type = next(sock)) != 0 && type != WIRE_WINDOW_END) {
		const char *s;
		size_t n;

		cur_init(&c, msg.body, msg.len);
		s = cur_str(&c, &n);
		if (type == WIRE_NOTE)
			snprintf(notes, sizeof(notes), "%.*s", (int)n, s);
	}
	assert_int_equal(type, WIRE_WINDOW_END);
	assert_int_equal(msg.body[80], WIRE_END_STOPPED);
	cur_init(&c, msg.body, msg.len);
	cur_u64(&c);
	assert_true(cur_u64(&c) > 5); /* samples, though their rows were still being waited for */
	assert_non_null(strstr(notes, "stopped"));
	assert_int_equal(next(sock), 0);
	close(sock);
}

#define SERVED(f) cmocka_unit_test_setup_teardown(f, start, end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SERVED(the_state_tells_each_node_and_what_is_missing),
		SERVED(a_window_is_opened_told_and_ended),
		SERVED(a_client_that_goes_away_ends_its_window),
		SERVED(there_is_one_window_for_a_connection),
		SERVED(windows_beyond_the_limit_are_refused_at_once_with_a_time_to_come_again),
		SERVED(what_cannot_be_had_is_refused_with_its_reason),
		SERVED(arguments_are_told_as_they_are),
		SERVED(addresses_are_put_into_maps),
		SERVED(arming_is_refused_where_it_is_not_allowed),
		SERVED(a_memory_is_named_with_the_maps_of_the_executables_code),
		cmocka_unit_test_setup_teardown(without_a_symbolizer_no_memory_can_be_read, start_without_symbolizer, end),
		SERVED(what_nobody_may_ask_ends_the_connection),
		SERVED(a_request_of_a_wrong_length_ends_the_connection),
		SERVED(bytes_that_are_no_message_end_the_connection),
		SERVED(another_user_is_not_answered),
		SERVED(more_connections_than_there_is_room_for_are_hung_up),
		SERVED(a_server_that_is_stopped_ends_its_windows_with_what_they_have),
	};

	return cmocka_run_group_tests(tests, start_group, end_group);
}
