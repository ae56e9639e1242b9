#include "config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/wire.h"
#include "collector/node.h"
#include "collector/objects.h"
#include "collector/outbox.h"
#include "collector/window.h"
#include "tests/unit/kid.h"

/* A node made by hand: what a window asks of it is its maps, its stacks and its pid. */
static struct objects objects;
static struct loop loop;
static struct node node;
static struct sampler sampler;
static struct window *window;
static struct loop_fd socket_source;
static struct outbox box;
static int reader;
static uint32_t map_a, map_b; /* ids */

static const struct trace usual = { .n = 1, .user = true, .rooted = true };

static void
open_window(size_t max_bytes)
{
	struct err why;

	assert_int_equal(window_new(&window, &node, &sampler, 77, 1000000000, max_bytes, &why), 0);
	window->to = &box;
}

static int
start(void **state)
{
	struct err why;
	int two[2];

	(void)state;
	memset(&node, 0, sizeof(node));
	memset(&sampler, 0, sizeof(sampler));
	objects_init(&objects);
	maps_init(&node.maps, &objects);
	stacks_init(&node.stacks, 8u << 20);
	table_init(&node.thread_ids);
	node.pid = getpid();
	sampler.event.attr.read_format = PERF_FORMAT_LOST;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, two) < 0 || loop_init(&loop, &why) < 0)
		return -1;
	reader = two[1];
	socket_source = (struct loop_fd){ .fd = two[0] };
	loop_add(&loop, &socket_source, EPOLLIN);
	outbox_init(&box, &loop, &socket_source, 64u << 20);
	map_a = maps_pseudo(&node.maps, "[a]");
	map_b = maps_pseudo(&node.maps, "[b]");
	open_window(8u << 20);
	return 0;
}

static int
end(void **state)
{
	int fd = socket_source.fd;

	(void)state;
	window_free(window);
	assert_int_equal(sampler.users, 0);
	window_free(NULL);
	loop_remove(&loop, &socket_source);
	close(fd);
	close(reader);
	outbox_fini(&box);
	loop_fini(&loop);
	maps_fini(&node.maps);
	stacks_fini(&node.stacks);
	table_fini(&node.thread_ids);
	free(node.threads);
	objects_fini(&objects);
	return 0;
}

static uint32_t
stack(uint32_t map, uint64_t addr)
{
	struct stack_frame f[2] = { { addr, map, 0 }, { 0x999, map_b, 0 } };

	return stacks_add(&node.stacks, f, 2, 0);
}

/* ---- the other side */

#define TOLD_MAX 20000

static struct told {
	unsigned int messages[WIRE_TYPES];
	char order[64]; /* first letter of each message's kind: M S T C N E */
	unsigned int maps, stacks, threads, counts;
	uint64_t exact[4];
	bool is_scaled;
	uint64_t samples, value;
	char notes[2000];
	char comm[64];
	uint64_t end[10];
	uint8_t reason;
	bool known_map[TOLD_MAX], known_stack[TOLD_MAX];
} told;

static void
told_maps(struct cur *c, uint16_t n)
{
	while (n--) {
		uint32_t id = cur_u32(c);
		size_t len;

		cur_bytes(c, 8 + 1 + 1 + 24);
		cur_str(c, &len);
		assert_in_range(id, 0, TOLD_MAX - 1);
		assert_false(told.known_map[id]); /* each once */
		told.known_map[id] = true;
		told.maps++;
	}
}

static void
told_stacks(struct cur *c, uint16_t n)
{
	while (n--) {
		uint32_t id = cur_u32(c);
		uint16_t k;

		cur_u8(c);
		k = cur_u16(c);
		assert_in_range(id, 0, TOLD_MAX - 1);
		assert_false(told.known_stack[id]);
		told.known_stack[id] = true;
		told.stacks++;
		while (k--) {
			uint32_t map = cur_u32(c);

			assert_in_range(map, 0, TOLD_MAX - 1);
			assert_true(told.known_map[map]); /* told before */
			cur_u64(c);
		}
	}
}

static void
told_threads(struct cur *c, uint16_t n)
{
	while (n--) {
		const char *comm;
		size_t len;

		cur_u32(c);
		assert_int_equal(cur_u32(c), getpid());
		comm = cur_str(c, &len);
		snprintf(told.comm, sizeof(told.comm), "%.*s", (int)len, comm);
		told.threads++;
	}
}

static void
told_counts(struct cur *c, uint16_t n)
{
	while (n--) {
		assert_true(told.known_stack[cur_u32(c)]);
		cur_u32(c);
		told.samples += cur_u64(c);
		told.value += cur_u64(c);
		told.counts++;
	}
}

static void
told_end(struct cur *c)
{
	for (size_t i = 0; i < 10; i++)
		told.end[i] = cur_u64(c);
	told.reason = cur_u8(c);
}

static void
told_message(const struct wire_msg *m)
{
	size_t n = strlen(told.order), len;
	struct cur c;
	const char *text;

	cur_init(&c, m->body, m->len);
	told.messages[m->type]++;
	if (n < sizeof(told.order) - 1)
		told.order[n] = m->type == WIRE_MAPS    ? 'M' :
				m->type == WIRE_STACKS  ? 'S' :
				m->type == WIRE_THREADS ? 'T' :
				m->type == WIRE_COUNTS  ? 'C' :
				m->type == WIRE_NOTE    ? 'N' :
				m->type == WIRE_EXACT   ? 'X' : 'E';
	switch (m->type) {
	case WIRE_MAPS:
		told_maps(&c, cur_u16(&c));
		break;
	case WIRE_STACKS:
		told_stacks(&c, cur_u16(&c));
		break;
	case WIRE_THREADS:
		told_threads(&c, cur_u16(&c));
		break;
	case WIRE_COUNTS:
		told_counts(&c, cur_u16(&c));
		break;
	case WIRE_NOTE:
		text = cur_str(&c, &len);
		snprintf(told.notes + strlen(told.notes), sizeof(told.notes) - strlen(told.notes), "%.*s;", (int)len, text);
		break;
	case WIRE_EXACT:
		for (size_t i = 0; i < 4; i++)
			told.exact[i] = cur_u64(&c);
		told.is_scaled = cur_u8(&c);
		break;
	case WIRE_WINDOW_END:
		told_end(&c);
		break;
	default:
		fail_msg("message of type %u", m->type);
	}
	assert_int_equal(cur_error(&c), 0);
	assert_int_equal(cur_left(&c), 0);
}

static void
listen_to_all(void)
{
	static struct wire_msg m;
	int r;

	memset(&told, 0, sizeof(told));
	do {
		while ((r = wire_recv(reader, &m)) == 1)
			told_message(&m);
		assert_int_equal(r, -EAGAIN);
		assert_int_equal(outbox_flush(&box), 0);
	} while (wire_recv(reader, &m) == 1 && (told_message(&m), 1));
}

/* ---- */

static void
samples_of_one_stack_and_thread_are_added_up(void **state)
{
	uint32_t one = stack(map_a, 1), two = stack(map_a, 2);

	(void)state;
	for (int i = 0; i < 10; i++)
		window_count(window, one, 5, 10000000, &usual);
	window_count(window, one, 6, 10000000, &usual);
	window_count(window, two, 5, 30000000, &usual);
	assert_int_equal(window_finish(window, WIRE_END_TIME), 0);
	listen_to_all();
	assert_int_equal(told.counts, 3);
	assert_int_equal(told.samples, 12);
	assert_int_equal(told.value, 140000000);
	assert_int_equal(told.threads, 2);
	assert_int_equal(told.stacks, 2);
	assert_int_equal(told.maps, 2);
	assert_string_equal(told.order, "MSTCE");
}

/* As for a clock; the process's has advanced by `cpu_ns` when the window ends. */
static void
be_clock(uint64_t cpu_ns)
{
	sampler.event.is_clock = true;
	sampler.event.period = 10000000;
	node.cpu_ns = window->cpu_before + cpu_ns;
	node.cpu_at_ns = 1;
}

static void
a_clock_s_window_comes_to_the_process_s_clock(void **state)
{
	(void)state;
	be_clock(123456789);
	for (int i = 0; i < 10; i++)
		window_count(window, stack(map_a, 1), 5, 10000000, &usual);
	assert_int_equal(window_finish(window, WIRE_END_TIME), 0);
	listen_to_all();
	assert_string_equal(told.order, "MSTCXE");
	assert_int_equal(told.maps, 3); /* [unsampled] too */
	assert_int_equal(told.counts, 2);
	assert_int_equal(told.samples, 10);
	assert_int_equal(told.value, 123456789);
	assert_int_equal(told.exact[0], 23456789);
	assert_true(told.is_scaled);
	assert_int_equal(told.end[9], 123456789);
}

static void
spares_are_told_only_where_they_are_needed(void **state)
{
	(void)state;
	be_clock(120000000);
	for (int i = 0; i < 10; i++)
		window_count(window, stack(map_a, 1), 5, 9090909, &usual);
	for (int i = 0; i < 4; i++)
		window_spare(window, stack(map_a, 2), 6);
	assert_int_equal(window_finish(window, WIRE_END_TIME), 0);
	listen_to_all();
	assert_int_equal(told.samples, 12);
	assert_int_equal(told.value, 120000000);
	assert_int_equal(told.exact[2], 2);
	assert_int_equal(told.end[1], 12);
}

static void
an_unscaled_window_tells_what_came(void **state)
{
	(void)state;
	be_clock(50000000);
	window->unscaled = true;
	for (int i = 0; i < 10; i++)
		window_count(window, stack(map_a, 1), 5, 10000000, &usual);
	window_spare(window, stack(map_a, 2), 6);
	assert_int_equal(window_finish(window, WIRE_END_TIME), 0);
	listen_to_all();
	assert_int_equal(told.samples, 10);
	assert_int_equal(told.value, 100000000);
	assert_int_equal(told.exact[0], 0);
	assert_false(told.is_scaled);
	assert_int_equal(told.end[9], 50000000);
}

static void
a_thread_without_a_number_has_no_name(void **state)
{
	(void)state;
	window_count(window, stack(map_a, 1), 0, 1, &usual);
	window_count(window, stack(map_a, 1), UINT32_MAX, 1, &usual);
	assert_int_equal(window_finish(window, WIRE_END_TIME), 0);
	listen_to_all();
	assert_int_equal(told.counts, 2);
	assert_int_equal(told.threads, 0);
}

static void
while_it_is_open_each_map_and_stack_is_told_once(void **state)
{
	(void)state;
	window_count(window, stack(map_a, 1), 5, 1, &usual);
	assert_int_equal(window_tell(window), 0);
	assert_int_equal(window_tell(window), 0); /* nothing new */
	window_count(window, stack(map_a, 1), 5, 1, &usual);
	window_count(window, stack(map_a, 2), 5, 1, &usual);
	assert_int_equal(window_tell(window), 0);
	window_count(window, stack(maps_pseudo(&node.maps, "[c]"), 3), 5, 1, &usual);
	assert_int_equal(window_finish(window, WIRE_END_TIME), 0);
	listen_to_all();
	assert_string_equal(told.order, "MSSMSTCE");
	assert_int_equal(told.maps, 3);
	assert_int_equal(told.stacks, 3);
	assert_int_equal(told.samples, 4);
}

static void
what_is_said_of_samples_is_counted(void **state)
{
	struct trace t = usual;

	(void)state;
	window_count(window, stack(map_a, 1), 5, 1, &t);
	t.flags = WIRE_STACK_LATE | WIRE_STACK_GUESS;
	window_count(window, stack(map_a, 1), 5, 1, &t);
	t.flags = WIRE_STACK_TRUNCATED;
	t.rooted = false;
	window_count(window, stack(map_a, 1), 5, 1, &t);
	t.flags = 0;
	t.user = false;
	window_count(window, stack(map_a, 1), 5, 1, &t);
	sampler.lost_closed = 7;
	sampler.throttled = 2;
	window_finish(window, WIRE_END_STOPPED);
	listen_to_all();
	assert_true(told.end[0] < 1000000000);  /* duration: it ended early */
	assert_int_equal(told.end[1], 4);       /* samples */
	assert_int_equal(told.end[2], 7);       /* lost */
	assert_int_equal(told.end[3], 2);       /* throttled */
	assert_int_equal(told.end[4], 1);       /* late */
	assert_int_equal(told.end[5], 1);       /* guessed */
	assert_int_equal(told.end[6], 1);       /* truncated */
	assert_int_equal(told.end[7], 2);       /* rooted */
	assert_int_equal(told.end[8], 3);       /* user stacks */
	assert_int_equal(told.reason, WIRE_END_STOPPED);
}

static void
what_was_lost_and_throttled_before_is_not_this_window_s(void **state)
{
	(void)state;
	window_free(window);
	sampler.lost_closed = 100;
	sampler.throttled = 50;
	open_window(8u << 20);
	sampler.lost_closed = 103;
	window_finish(window, WIRE_END_TIME);
	listen_to_all();
	assert_int_equal(told.end[2], 3);
	assert_int_equal(told.end[3], 0);
}

static void
long_lists_come_as_several_messages_and_whole(void **state)
{
	uint64_t sum = 0;

	(void)state;
	for (uint32_t i = 0; i < 10000; i++) {
		window_count(window, stack(map_a, i), 5 + i % 3000, i, &usual);
		sum += i;
	}
	assert_int_equal(window_finish(window, WIRE_END_TIME), 0);
	listen_to_all();
	assert_int_equal(told.stacks, 10000);
	assert_int_equal(told.counts, 10000);
	assert_int_equal(told.threads, 3000);
	assert_int_equal(told.samples, 10000);
	assert_true(told.value == sum);
	assert_true(told.messages[WIRE_STACKS] > 2 && told.messages[WIRE_COUNTS] > 2);
	assert_int_equal(told.messages[WIRE_WINDOW_END], 1);
}

static void
a_map_with_the_longest_path_and_a_stack_of_the_most_frames_fit(void **state)
{
	struct stack_frame f[TRACE_FRAMES_MAX] = { { 0 } };
	char path[MAPS_PATH_MAX + 100];

	(void)state;
	memset(path, 'p', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	for (uint32_t i = 0; i < TRACE_FRAMES_MAX; i++) {
		path[0] = (char)('A' + i % 26);
		path[1] = (char)('A' + i / 26 % 26);
		path[2] = (char)('A' + i / 676);
		f[i].map = maps_pseudo(&node.maps, path);
	}
	window_count(window, stacks_add(&node.stacks, f, TRACE_FRAMES_MAX, 0), 1, 1, &usual);
	assert_int_equal(window_finish(window, WIRE_END_TIME), 0);
	listen_to_all();
	assert_int_equal(told.maps, TRACE_FRAMES_MAX);
	assert_int_equal(told.stacks, 1);
	assert_int_equal(told.samples, 1);
}

static void
a_full_window_counts_what_it_could_not_keep_and_says_so(void **state)
{
	(void)state;
	window_free(window);
	open_window(64u << 10);
	for (uint32_t i = 0; i < 5000; i++)
		window_count(window, stack(map_a, i), 5, 1, &usual);
	assert_true(window->dropped > 0);
	assert_int_equal(window_finish(window, WIRE_END_TIME), 0);
	listen_to_all();
	assert_int_equal(told.samples + window->dropped, 5000);
	assert_int_equal(told.end[1], 5000);
	assert_non_null(strstr(told.notes, "were not kept"));
}

static void
a_note_stands_once_and_there_is_an_end_to_them(void **state)
{
	(void)state;
	for (int i = 0; i < 20; i++)
		window_note(window, "note %d", i / 2);
	assert_int_equal(window->n_notes, WINDOW_NOTES_MAX);
	window_finish(window, WIRE_END_TIME);
	listen_to_all();
	assert_string_equal(told.notes, "note 0;note 1;note 2;note 3;note 4;note 5;note 6;note 7;");
}

static void
what_the_kernel_does_not_tell_is_said(void **state)
{
	(void)state;
	sampler.event.attr.read_format = 0;
	sampler.event.attr.exclude_kernel = 1;
	node.want_kernel = true;
	window_finish(window, WIRE_END_TIME);
	listen_to_all();
	assert_non_null(strstr(told.notes, "lost samples are unknown"));
	assert_non_null(strstr(told.notes, "CAP_PERFMON"));
}

static void
threads_have_the_names_they_had(void **state)
{
	struct record_comm c = { .pid = (uint32_t)getpid(), .tid = 4000000, .comm = "worker" };

	(void)state;
	node_comm(&node, &c);
	window_count(window, stack(map_a, 1), 4000000, 1, &usual);
	window_finish(window, WIRE_END_TIME);
	listen_to_all();
	assert_string_equal(told.comm, "worker");
}

static void
a_node_that_is_gone_is_not_credited_with_our_own_time(void **state)
{
	static volatile unsigned int sink;
	clock_t until = clock() + CLOCKS_PER_SEC / 10;

	(void)state;
	window->cpu_ns = 5000; /* what node_exited() does */
	window->cpu_before = 0;
	node.exited_pid = node.pid;
	node.pid = 0;
	while (clock() < until)
		sink++;
	window_count(window, stack(map_a, 1), 5, 1, &usual);
	window_finish(window, WIRE_END_EXIT);
	listen_to_all();
	assert_int_equal(told.end[9], 5000);
	assert_int_equal(told.reason, WIRE_END_EXIT);
	assert_int_equal(told.threads, 1); /* of the pid that it had */
}

static void
the_cpu_time_is_what_the_clock_advanced(void **state)
{
	static volatile unsigned int sink;
	clock_t until = clock() + CLOCKS_PER_SEC / 20;

	(void)state;
	while (clock() < until)
		sink++;
	node.cpu_ns = proc_cpu_ns(getpid()); /* what node_tick() does before it drains */
	window_finish(window, WIRE_END_TIME);
	listen_to_all();
	assert_in_range(told.end[9], 45000000, 200000000);
}

static void
an_empty_window_is_an_answer(void **state)
{
	(void)state;
	assert_int_equal(window_finish(window, WIRE_END_TIME), 0);
	listen_to_all();
	assert_string_equal(told.order, "E");
	assert_int_equal(told.end[1], 0);
}

static void
a_peer_that_has_left_is_noticed(void **state)
{
	(void)state;
	close(reader);
	reader = dup(0);
	window_count(window, stack(map_a, 1), 5, 1, &usual);
	assert_true(window_tell(window) < 0);
	assert_true(window_finish(window, WIRE_END_TIME) < 0);
}

#define WITH_WINDOW(f) cmocka_unit_test_setup_teardown(f, start, end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_WINDOW(samples_of_one_stack_and_thread_are_added_up),
		WITH_WINDOW(while_it_is_open_each_map_and_stack_is_told_once),
		WITH_WINDOW(a_clock_s_window_comes_to_the_process_s_clock),
		WITH_WINDOW(spares_are_told_only_where_they_are_needed),
		WITH_WINDOW(an_unscaled_window_tells_what_came),
		WITH_WINDOW(a_thread_without_a_number_has_no_name),
		WITH_WINDOW(what_is_said_of_samples_is_counted),
		WITH_WINDOW(what_was_lost_and_throttled_before_is_not_this_window_s),
		WITH_WINDOW(long_lists_come_as_several_messages_and_whole),
		WITH_WINDOW(a_map_with_the_longest_path_and_a_stack_of_the_most_frames_fit),
		WITH_WINDOW(a_full_window_counts_what_it_could_not_keep_and_says_so),
		WITH_WINDOW(a_note_stands_once_and_there_is_an_end_to_them),
		WITH_WINDOW(what_the_kernel_does_not_tell_is_said),
		WITH_WINDOW(threads_have_the_names_they_had),
		WITH_WINDOW(a_node_that_is_gone_is_not_credited_with_our_own_time),
		WITH_WINDOW(the_cpu_time_is_what_the_clock_advanced),
		WITH_WINDOW(an_empty_window_is_an_answer),
		WITH_WINDOW(a_peer_that_has_left_is_noticed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
