/*
 * A node and its events on living processes: found, sampled, left, restarted, turned into another
 * program. The window's other side is a socket whose messages are counted here.
 */
#include "config.h"

#include <errno.h>
#include <linux/capability.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"
#include "base/wire.h"
#include "collector/bpf.h"
#include "collector/node.h"
#include "collector/objects.h"
#include "collector/outbox.h"
#include "tests/unit/kid.h"

#define MS 1000000u
#define WINDOWS_MAX 8

/* What a window's peer heard. */
struct heard {
	struct window *window; /* NULL once it ended */
	struct loop_fd socket, reader;
	struct outbox outbox;
	uint64_t counted, value; /* sums of the counts */
	char notes[1000];
	char paths[8000];
	uint64_t duration_ns, samples, lost, cpu_ns;
	int reason; /* -1: still open */
};

static struct loop loop;
static struct objects objects;
static struct conf conf;
static struct node node;
static struct heard heard[WINDOWS_MAX];
static struct refusal no;
static struct err why;
static char *dir;
static char pidfile[300];
static pid_t kid;

/* ---- the peers */

static void
hear(struct heard *h, const struct wire_msg *m)
{
	size_t len, at;
	const char *text;
	uint64_t v[10];
	struct cur c;

	cur_init(&c, m->body, m->len);
	if (m->type == WIRE_NOTE) {
		text = cur_str(&c, &len);
		at = strlen(h->notes);
		snprintf(h->notes + at, sizeof(h->notes) - at, "%.*s;", (int)len, text);
	} else if (m->type == WIRE_COUNTS) {
		for (uint16_t n = cur_u16(&c); n; n--) {
			cur_u64(&c);
			h->counted += cur_u64(&c);
			h->value += cur_u64(&c);
		}
	} else if (m->type == WIRE_MAPS) {
		for (uint16_t n = cur_u16(&c); n; n--) {
			cur_bytes(&c, 4 + 8 + 2 + 24);
			text = cur_str(&c, &len);
			at = strlen(h->paths);
			snprintf(h->paths + at, sizeof(h->paths) - at, "%.*s;", (int)len, text);
		}
	} else if (m->type == WIRE_WINDOW_END) {
		for (size_t i = 0; i < 10; i++)
			v[i] = cur_u64(&c);
		h->duration_ns = v[0];
		h->samples = v[1];
		h->lost = v[2];
		h->cpu_ns = v[9];
		h->reason = cur_u8(&c);
	}
	assert_int_equal(cur_error(&c), 0);
}

static void
reader_ready(void *ctx, uint32_t events)
{
	static struct wire_msg m;
	struct heard *h = ctx;

	(void)events;
	while (wire_recv(h->reader.fd, &m) == 1)
		hear(h, &m);
}

static void
socket_ready(void *ctx, uint32_t events)
{
	struct heard *h = ctx;

	if (events & EPOLLOUT)
		outbox_flush(&h->outbox);
}

static void
ended(void *ctx, struct window *w, enum wire_end reason)
{
	(void)ctx;
	for (size_t i = 0; i < WINDOWS_MAX; i++) {
		if (heard[i].window != w)
			continue;
		assert_int_equal(window_finish(w, reason), 0);
		heard[i].window = NULL;
	}
	node_window_close(&node, w);
}

/* ---- the loop */

static void
stop(void *ctx)
{
	(void)ctx;
	loop.stop = true;
}

static void
run_ms(unsigned int ms)
{
	struct loop_timer t = { .fire = stop };

	loop.stop = false;
	loop_timer_start(&loop, &t, (uint64_t)ms * MS);
	assert_int_equal(loop_run(&loop, &why), 0);
	loop_timer_stop(&loop, &t);
}

/* Until all windows have ended and been heard of; at most 8 s. */
static void
run_to_the_end(void)
{
	for (int i = 0; i < 800; i++) {
		bool open = false;

		for (size_t k = 0; k < WINDOWS_MAX; k++)
			open = open || (heard[k].socket.fd >= 0 && heard[k].reason < 0);
		if (!open)
			return;
		run_ms(10);
	}
	fail_msg("a window does not end");
}

/* ---- start and end of a test */

static void
write_pidfile(pid_t pid)
{
	char text[32];

	snprintf(text, sizeof(text), "%d\n", (int)pid);
	assert_int_equal(scratch_file(pidfile, text, strlen(text), 0644), 0);
}

/* A node for `target` with these lines in its [collector] section. */
static void
begin(const char *target, const char *lines)
{
	char text[1000];

	snprintf(text, sizeof(text), "[collector]\n%s\n[node a]\ntarget = %s\n", lines, target);
	if (conf_parse(&conf, "test", text, &why) < 0)
		fail_msg("%s", why.text);
	if (node_init(&node, &conf, 0, &loop, &objects, &why) < 0)
		fail_msg("%s", why.text);
	node.window_ended = ended;
}

static void
begin_with_kid(int (*body)(void *), const char *lines)
{
	char target[320];

	kid = kid_start(body, NULL);
	write_pidfile(kid);
	snprintf(target, sizeof(target), "pidfile:%s", pidfile);
	begin(target, lines);
}

static int
start(void **state)
{
	(void)state;
	dir = scratch_new();
	snprintf(pidfile, sizeof(pidfile), "%s/pid", dir);
	kid = 0;
	objects_init(&objects);
	for (size_t i = 0; i < WINDOWS_MAX; i++) {
		memset(&heard[i], 0, sizeof(heard[i]));
		heard[i].socket.fd = heard[i].reader.fd = heard[i].reason = -1;
	}
	return loop_init(&loop, &why);
}

static int
end(void **state)
{
	(void)state;
	while (node.windows)
		node_window_close(&node, node.windows);
	node_fini(&node);
	for (size_t i = 0; i < WINDOWS_MAX; i++) {
		int fds[2] = { heard[i].socket.fd, heard[i].reader.fd };

		if (fds[0] < 0)
			continue;
		loop_remove(&loop, &heard[i].socket);
		loop_remove(&loop, &heard[i].reader);
		outbox_fini(&heard[i].outbox);
		close(fds[0]);
		close(fds[1]);
	}
	for (size_t i = 0; i < objects.n; i++)
		assert_int_equal(objects.v[i]->refs, 0);
	objects_fini(&objects);
	loop_fini(&loop);
	kid_stop(kid);
	scratch_free(dir);
	return 0;
}

static int
try_window(struct heard *h, const char *event, uint32_t hz, unsigned int ms)
{
	int two[2], r;

	r = node_window_open(&node, 1, event, hz, (uint64_t)ms * MS, &h->window, &no);
	if (r < 0)
		return r;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, two), 0);
	h->socket = (struct loop_fd){ .fd = two[0], .ready = socket_ready, .ctx = h };
	h->reader = (struct loop_fd){ .fd = two[1], .ready = reader_ready, .ctx = h };
	outbox_init(&h->outbox, &loop, &h->socket, 64u << 20);
	loop_add(&loop, &h->socket, EPOLLIN);
	loop_add(&loop, &h->reader, EPOLLIN);
	h->window->to = &h->outbox;
	return 0;
}

static void
open_window(struct heard *h, const char *event, uint32_t hz, unsigned int ms)
{
	if (try_window(h, event, hz, ms) < 0)
		fail_msg("%s", no.why.text);
}

/* Until the node has had that much CPU time; a full machine gives little. */
static void
run_until_burnt(unsigned int ms)
{
	uint64_t from = proc_cpu_ns(kid);

	for (int i = 0; i < 1000 && proc_cpu_ns(kid) < from + (uint64_t)ms * MS; i++)
		run_ms(10);
}

/* Samples, also those that the ring had no room for, times the period are the node's CPU time: less
 * up to a period on each CPU for a thread, more where the hypervisor stole some. */
static void
expect_all_of_it(const struct heard *h, unsigned int hz)
{
	uint64_t period = 1000000000u / hz, sampled = (h->samples + h->lost) * period;
	uint64_t missing = 4 * period;

	if (sampled + missing < h->cpu_ns * 85 / 100 || sampled > h->cpu_ns * 125 / 100 + 2 * period)
		fail_msg("%llu samples and %llu lost at %u Hz, but %llu ms of CPU time", (unsigned long long)h->samples,
			 (unsigned long long)h->lost, hz, (unsigned long long)(h->cpu_ns / MS));
	assert_int_equal(h->counted, h->samples);
}

/* Can this machine sample another process? Else the group is skipped, and says why. */
static bool permitted;

#define NEED_PERF() SKIP_UNLESS(permitted, "perf_event_open is not permitted here (CAP_PERFMON)")

static int
try_perf(void **state)
{
	const struct event_options opt = { .kernel = true, .stack_bytes = 8192 };
	struct event ev;
	pid_t pid;
	int fd;

	(void)state;
	log_start("test_node", LOG_ERROR);
	go_first();
	if (event_start(&why) < 0 || event_parse(&ev, "task-clock", 100, &opt, &why) < 0)
		return -1;
	pid = kid_start(kid_sleeps, NULL);
	fd = event_open(&ev, pid, 0);
	kid_stop(pid);
	permitted = fd >= 0;
	if (fd >= 0)
		close(fd);
	return 0;
}

/* ---- who it is */

static void
a_running_node_says_who_it_is(void **state)
{
	char exe[300];
	ssize_t n;

	(void)state;
	begin_with_kid(kid_sleeps, "");
	assert_int_equal(node.state, WIRE_NODE_RUNNING);
	assert_int_equal(node.pid, kid);
	n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	exe[n > 0 ? n : 0] = '\0';
	assert_string_equal(node.exe, exe);
	assert_true(node.start_unix_ns > loop_unix_now() - 5000 * (uint64_t)MS &&
		    node.start_unix_ns < loop_unix_now() + 1000 * (uint64_t)MS);
	assert_string_equal(node_runtime(&node), "native");
	assert_int_equal(node_find(&node, &why), 0);
}

static void
a_node_that_is_not_there_is_looked_for_again(void **state)
{
	char target[320];

	(void)state;
	snprintf(target, sizeof(target), "pidfile:%s", pidfile);
	begin(target, "");
	assert_int_equal(node.state, WIRE_NODE_ABSENT);
	assert_string_equal(node_runtime(&node), "");
	assert_int_equal(try_window(&heard[0], "task-clock", 100, 100), -ESRCH);
	assert_int_equal(no.status, 503);
	assert_non_null(strstr(no.why.text, "pidfile"));
	kid = kid_start(kid_sleeps, NULL);
	write_pidfile(kid);
	run_ms(2200);
	assert_int_equal(node.state, WIRE_NODE_RUNNING);
	assert_int_equal(node.pid, kid);
	kid_stop(kid);
	kid = 0;
	run_ms(20);
	assert_int_equal(node.state, WIRE_NODE_ABSENT);
	assert_int_equal(node.pid, 0);
	assert_non_null(strstr(node.why.text, "exited"));
}

static int
become_another_program(void *arg)
{
	(void)arg;
	kid_ready();
	wait_ms(150);
	execl("/bin/sh", "sh", "-c", "while :; do :; done", (char *)NULL);
	return 1;
}

static void
an_exec_between_windows_is_noticed(void **state)
{
	(void)state;
	NEED_PERF();
	begin_with_kid(become_another_program, "");
	assert_null(strstr(node.exe, "sh"));
	run_ms(300);
	open_window(&heard[0], "task-clock", 100, 200);
	run_to_the_end();
	assert_non_null(strstr(node.exe, "sh"));
	assert_string_equal(node.comm, "sh");
	for (size_t i = 0; i < node.maps.n_view; i++)
		if (!strcmp(node.maps.view[i]->path, node.exe))
			assert_true(node.maps.view[i]->flags & WIRE_MAP_MAIN);
}

/* ---- sampling */

static void
a_window_holds_what_the_clock_says(void **state)
{
	(void)state;
	NEED_PERF();
	begin_with_kid(kid_burns, "");
	open_window(&heard[0], "task-clock", 200, 1000);
	run_to_the_end();
	assert_int_equal(heard[0].reason, WIRE_END_TIME);
	assert_int_equal(heard[0].duration_ns, 1000 * (uint64_t)MS);
	assert_true(heard[0].samples > 0);
	expect_all_of_it(&heard[0], 200);
	assert_int_equal(node.n_windows, 0);
	assert_null(node.samplers[0]); /* the events are closed */
	assert_non_null(strstr(heard[0].paths, node.exe));
}

/* Threads that come and go, started by threads that come and go. */
static void *
burn_and_breed(void *arg)
{
	static volatile unsigned int sink;
	struct timespec ts = { 0, 0 };
	pthread_t next;

	(void)arg;
	while (ts.tv_nsec < 40 * (long)MS && clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts) == 0)
		for (unsigned int i = 0; i < 1000; i++)
			sink++;
	if (pthread_create(&next, NULL, burn_and_breed, NULL) == 0)
		pthread_detach(next);
	return NULL;
}

static int
kid_breeds(void *arg)
{
	pthread_t t;

	for (int i = 0; i < 4; i++)
		pthread_create(&t, NULL, burn_and_breed, arg);
	return kid_sleeps(NULL);
}

static void
threads_that_come_and_go_are_counted_once(void **state)
{
	(void)state;
	NEED_PERF();
	begin_with_kid(kid_breeds, "stack_kb = 2");
	for (int i = 0; i < 5; i++) {
		uint64_t sampled, cpu;

		open_window(&heard[i], "task-clock", 1000, 300);
		run_to_the_end();
		sampled = (heard[i].samples + heard[i].lost) * MS;
		cpu = heard[i].cpu_ns;
		/* One that was opened twice would count double; each loses up to 2 of its 40 ms. */
		if (sampled > cpu * 125 / 100 + 10 * MS || sampled + 10 * MS < cpu * 75 / 100)
			fail_msg("%llu ms sampled of %llu", (unsigned long long)(sampled / MS), (unsigned long long)(cpu / MS));
	}
}

static void
many_windows_share_one_set_of_events(void **state)
{
	int lone, many;

	(void)state;
	NEED_PERF();
	begin_with_kid(kid_burns, "");
	open_window(&heard[0], "task-clock", 500, 1000);
	lone = (int)node.samplers[0]->events.n_fds;
	for (size_t i = 1; i < WINDOWS_MAX; i++)
		open_window(&heard[i], i % 2 ? "TASK-CLOCK" : "task-clock", 500, 1000);
	many = (int)node.samplers[0]->events.n_fds;
	assert_int_equal(many, lone);
	assert_null(node.samplers[1]);
	assert_int_equal(node.samplers[0]->users, WINDOWS_MAX);
	run_to_the_end();
	for (size_t i = 0; i < WINDOWS_MAX; i++) {
		assert_true(heard[i].samples > 0);
		expect_all_of_it(&heard[i], 500);
	}
	assert_null(node.samplers[0]);
}

static void
a_fifth_kind_of_event_is_refused_with_a_time_to_come_again(void **state)
{
	(void)state;
	NEED_PERF();
	begin_with_kid(kid_burns, "");
	open_window(&heard[0], "task-clock", 100, 2500);
	open_window(&heard[1], "task-clock", 99, 2500);
	open_window(&heard[2], "cpu-clock", 100, 2500);
	open_window(&heard[3], "page-faults", 100, 2500);
	assert_int_equal(try_window(&heard[4], "context-switches", 100, 1000), -EBUSY);
	assert_int_equal(no.status, 503);
	assert_in_range(no.retry_after_s, 2, 3);
	open_window(&heard[4], "cpu-clock", 100, 100); /* one that is open */
	node_window_close(&node, heard[0].window);
	heard[0].window = NULL;
	open_window(&heard[5], "context-switches", 100, 100);
	assert_non_null(node.samplers[0]); /* in the room that became free */
}

static void
what_cannot_be_asked_is_told_from_what_cannot_be_had_now(void **state)
{
	(void)state;
	NEED_PERF();
	begin_with_kid(kid_sleeps, "max_events = 8");
	assert_int_equal(try_window(&heard[0], "task-clok", 100, 100), -EINVAL);
	assert_int_equal(no.status, 400);
	assert_non_null(strstr(no.why.text, "task-clock"));
	assert_int_equal(try_window(&heard[0], "task-clock", 1001, 100), -EINVAL);
	assert_int_equal(no.status, 400);
	if (try_window(&heard[0], "cycles", 100, 100) < 0)
		assert_int_equal(no.status, 400);
	else
		print_message("          this machine has a cycle counter\n");
}

static void *
wait_forever(void *arg)
{
	return pause() ? arg : NULL;
}

static int
kid_with_threads(void *arg)
{
	pthread_t t;

	for (int i = 0; i < 40; i++)
		pthread_create(&t, NULL, wait_forever, arg);
	return kid_sleeps(NULL);
}

static void
more_threads_than_descriptors_are_refused_with_the_figure(void **state)
{
	int before;

	(void)state;
	NEED_PERF();
	begin_with_kid(kid_with_threads, "max_events = 16\nmode = thread");
	before = open_descriptors();
	assert_int_equal(try_window(&heard[0], "task-clock", 100, 100), -EDQUOT);
	assert_int_equal(no.status, 503);
	assert_non_null(strstr(no.why.text, "16"));
	assert_non_null(strstr(no.why.text, "max_events"));
	assert_int_equal(open_descriptors(), before);
	assert_null(node.samplers[0]);
}

static int
kid_maps_code(void *arg)
{
	/* add edi, -1; jne -5; ret: 2^32 turns of code that nobody has told anybody of */
	static const unsigned char code[] = { 0x83, 0xc7, 0xff, 0x75, 0xfb, 0xc3 };
	void *at;

	kid_ready();
	wait_ms(200);
	at = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memcpy(at, code, sizeof(code));
	mprotect(at, 4096, PROT_READ | PROT_EXEC);
	for (;;)
		((void (*)(unsigned int))at)(0);
	return arg != NULL;
}

static void
code_that_is_mapped_in_the_window_is_known(void **state)
{
	(void)state;
	NEED_PERF();
	begin_with_kid(kid_maps_code, "");
	open_window(&heard[0], "task-clock", 200, 1000);
	run_to_the_end();
	assert_true(heard[0].samples > 0);
	if (!strstr(heard[0].paths, "anon") && !strstr(heard[0].paths, ";;") && heard[0].paths[0] != ';')
		fail_msg("maps: %s", heard[0].paths);
}

/* ---- ends */

static void
a_node_that_exits_is_answered_with_its_samples_so_far(void **state)
{
	char target[32];

	(void)state;
	NEED_PERF();
	kid = kid_start(kid_burns, NULL);
	snprintf(target, sizeof(target), "%d", (int)kid); /* a pid cannot come back */
	begin(target, "");
	open_window(&heard[0], "task-clock", 200, 60000);
	run_until_burnt(150);
	kid_stop(kid);
	kid = 0;
	run_ms(50);
	assert_int_equal(heard[0].reason, WIRE_END_EXIT);
	assert_in_range(heard[0].duration_ns, 75 * (uint64_t)MS, 30000 * (uint64_t)MS);
	assert_true(heard[0].samples > 10);
	expect_all_of_it(&heard[0], 200);
	assert_non_null(strstr(heard[0].notes, "exited"));
	assert_non_null(strstr(heard[0].paths, "test_node"));
}

static void
a_window_goes_on_with_the_restarted_node(void **state)
{
	uint64_t before;

	(void)state;
	NEED_PERF();
	begin_with_kid(kid_burns, "");
	open_window(&heard[0], "task-clock", 200, 4000);
	run_until_burnt(100);
	before = heard[0].window->samples;
	kid_stop(kid);
	run_ms(100);
	assert_int_equal(heard[0].reason, -1);
	assert_int_equal(node.state, WIRE_NODE_ABSENT);
	kid = kid_start(kid_burns, NULL);
	write_pidfile(kid);
	run_ms(200);
	assert_int_equal(node.pid, kid);
	run_to_the_end();
	assert_int_equal(heard[0].reason, WIRE_END_TIME);
	assert_true(heard[0].samples > before);
	assert_non_null(strstr(heard[0].notes, "restarted"));
	expect_all_of_it(&heard[0], 200);
}

static void
a_node_that_does_not_come_back_is_given_up_after_a_while(void **state)
{
	(void)state;
	NEED_PERF();
	begin_with_kid(kid_burns, "");
	open_window(&heard[0], "task-clock", 200, 60000);
	run_until_burnt(100);
	kid_stop(kid);
	kid = 0;
	run_ms(2500);
	assert_int_equal(heard[0].reason, WIRE_END_EXIT);
	assert_non_null(strstr(heard[0].notes, "not started again"));
	expect_all_of_it(&heard[0], 200);
}

static void
a_window_after_a_restart_is_not_told_of_it(void **state)
{
	(void)state;
	NEED_PERF();
	begin_with_kid(kid_burns, "");
	open_window(&heard[0], "task-clock", 200, 300);
	run_ms(200);
	kid_stop(kid);
	run_to_the_end(); /* its time ends while it waits */
	kid = kid_start(kid_burns, NULL);
	write_pidfile(kid);
	open_window(&heard[1], "task-clock", 200, 300);
	run_to_the_end();
	expect_all_of_it(&heard[1], 200);
	assert_string_equal(heard[1].notes, "");
}

static void
an_exec_in_the_window_is_told_and_the_new_program_sampled(void **state)
{
	(void)state;
	NEED_PERF();
	begin_with_kid(become_another_program, "");
	open_window(&heard[0], "task-clock", 500, 1500);
	run_to_the_end();
	assert_int_equal(heard[0].reason, WIRE_END_TIME);
	assert_non_null(strstr(heard[0].notes, "another program"));
	expect_all_of_it(&heard[0], 500);
	if (!strstr(heard[0].paths, node.exe))
		fail_msg("no map of %s in %s", node.exe, heard[0].paths);
}

static void
nothing_is_left_open_when_all_is_over(void **state)
{
	int before;

	(void)state;
	NEED_PERF();
	begin_with_kid(kid_burns, "");
	before = open_descriptors();
	for (size_t i = 0; i < 3; i++) {
		if (try_window(&heard[i], "task-clock", 100, 5000) < 0)
			fail_msg("%s", no.why.text);
		node_window_close(&node, heard[i].window);
		heard[i].window = NULL;
	}
	/* Two descriptors a peer, and the objects (the kernel's and JIT's among them) that samples touched. */
	assert_int_equal(open_descriptors(), before + 6);
	assert_false(node.tick.at_ns);
}

/* ---- the total, and the way it is sampled */

static void
need_bpf(void)
{
	int fd;

	NEED_PERF();
	fd = bpf_filter_load(getpid(), &why);
	SKIP_UNLESS(fd >= 0, why.text);
	close(fd);
}

/* On each CPU that is there. */
static size_t
cpus(void)
{
	return (size_t)sysconf(_SC_NPROCESSORS_ONLN);
}

static void
expect_the_clock(const struct heard *h)
{
	assert_true(h->cpu_ns > 0);
	assert_int_equal(h->value, h->cpu_ns);
	assert_int_equal(h->counted, h->samples);
}

static void
the_total_is_the_process_s_clock_by_thread_and_by_cpu(void **state)
{
	static const char *const modes[] = { "mode = thread", "mode = cpu" };
	pid_t other = kid_start(kid_burns, NULL);

	(void)state;
	need_bpf();
	for (size_t i = 0; i < 2; i++) {
		begin_with_kid(kid_burns, modes[i]);
		open_window(&heard[i], "task-clock", 200, 700);
		assert_int_equal(node.samplers[0]->mode, i ? SAMPLER_PER_CPU : SAMPLER_PER_THREAD);
		assert_int_equal(node.samplers[0]->events.n_fds, cpus());
		run_to_the_end();
		expect_the_clock(&heard[i]);
		assert_int_equal(strstr(heard[i].notes, "mode = cpu") != NULL, i);
		node_fini(&node);
		kid_stop(kid);
	}
	kid = 0;
	kid_stop(other);
	begin("4194303", ""); /* for the end of the test */
}

static int
kid_with_many_threads(void *arg)
{
	pthread_attr_t small;
	pthread_t t;

	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, 65536);
	for (int i = 0; i < SAMPLER_PER_THREAD_MAX; i++)
		pthread_create(&t, &small, wait_forever, arg);
	return kid_burns(NULL);
}

static void
a_node_of_many_threads_has_one_event_a_cpu(void **state)
{
	(void)state;
	need_bpf();
	begin_with_kid(kid_with_many_threads, "");
	open_window(&heard[0], "task-clock", 200, 500);
	assert_int_equal(node.samplers[0]->events.n_fds, cpus());
	run_to_the_end();
	assert_non_null(strstr(heard[0].notes, "501 threads"));
	assert_true(heard[0].samples > 0);
	expect_the_clock(&heard[0]);
}

static void *
burn_a_little_and_breed(void *arg)
{
	struct timespec ts = { 0, 0 };
	pthread_t next;

	(void)arg;
	while (ts.tv_nsec < 2 * (long)MS && clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts) == 0)
		;
	if (pthread_create(&next, NULL, burn_a_little_and_breed, NULL) == 0)
		pthread_detach(next);
	return NULL;
}

static int
kid_of_short_threads(void *arg)
{
	pthread_t t;

	pthread_create(&t, NULL, burn_a_little_and_breed, arg);
	return kid_sleeps(NULL);
}

static void
threads_that_live_shorter_than_a_period_are_sampled_by_cpu(void **state)
{
	(void)state;
	need_bpf();
	begin_with_kid(kid_of_short_threads, "");
	open_window(&heard[0], "task-clock", 100, 4000);
	assert_int_equal(node.samplers[0]->mode, SAMPLER_PER_THREAD);
	/* A second look, begun earlier or later, sees the same. */
	for (int i = 0; i < 300 && node.samplers[0]->mode == SAMPLER_PER_THREAD; i++)
		run_ms(10);
	assert_int_equal(node.samplers[0]->mode, SAMPLER_PER_CPU);
	assert_int_equal(node.samplers[0]->events.n_fds, cpus());
	open_window(&heard[1], "task-clock", 100, 300);
	run_to_the_end();
	for (size_t i = 0; i < 2; i++) {
		assert_non_null(strstr(heard[i].notes, "then by one event per CPU"));
		expect_the_clock(&heard[i]);
	}
	assert_true(heard[0].samples > 0);
	/* The next window knows. */
	open_window(&heard[2], "task-clock", 100, 300);
	assert_int_equal(node.samplers[0]->mode, SAMPLER_PER_CPU);
	run_to_the_end();
	assert_non_null(strstr(heard[2].notes, "in an earlier window"));
	expect_the_clock(&heard[2]);
}

/* Take a capability, and CAP_SYS_ADMIN, which means it too, from what is in force; or give them back. */
static void
have_bpf(bool on)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];
	uint32_t bpf = 1u << (CAP_BPF - 32), admin = 1u << CAP_SYS_ADMIN;

	assert_int_equal(syscall(SYS_capget, &head, data), 0);
	data[0].effective = on ? data[0].effective | (data[0].permitted & admin) : data[0].effective & ~admin;
	data[1].effective = on ? data[1].effective | (data[1].permitted & bpf) : data[1].effective & ~bpf;
	assert_int_equal(syscall(SYS_capset, &head, data), 0);
}

static void
without_the_right_to_a_filter_it_is_sampled_by_thread_with_the_reason(void **state)
{
	int before, r;

	(void)state;
	need_bpf();
	begin_with_kid(kid_with_threads, "mode = cpu\nmax_events = 100");
	have_bpf(false);
	r = try_window(&heard[0], "task-clock", 100, 100);
	have_bpf(true);
	assert_int_equal(r, 0);
	assert_int_equal(node.samplers[0]->mode, SAMPLER_PER_THREAD);
	run_to_the_end();
	assert_non_null(strstr(heard[0].notes, "by thread, and not"));
	assert_non_null(strstr(heard[0].notes, "CAP_BPF"));
	node_fini(&node);
	kid_stop(kid);
	/* And where that is not possible either, both reasons. */
	begin_with_kid(kid_with_threads, "max_events = 16");
	before = open_descriptors();
	have_bpf(false);
	r = try_window(&heard[1], "task-clock", 100, 100);
	have_bpf(true);
	assert_int_equal(r, -EDQUOT);
	assert_int_equal(no.status, 503);
	assert_non_null(strstr(no.why.text, "max_events"));
	assert_non_null(strstr(no.why.text, "CAP_BPF"));
	assert_int_equal(open_descriptors(), before);
	assert_int_equal(try_window(&heard[1], "task-clock", 100, 100), 0);
	assert_int_equal(node.samplers[0]->mode, SAMPLER_PER_CPU);
	run_to_the_end();
}

static void
a_restarted_node_is_sampled_by_cpu_again(void **state)
{
	(void)state;
	need_bpf();
	begin_with_kid(kid_burns, "mode = cpu");
	open_window(&heard[0], "task-clock", 200, 3000);
	run_until_burnt(100);
	kid_stop(kid);
	run_ms(50);
	kid = kid_start(kid_burns, NULL);
	write_pidfile(kid);
	run_ms(200);
	assert_int_equal(node.pid, kid);
	assert_int_equal(node.samplers[0]->mode, SAMPLER_PER_CPU);
	run_to_the_end();
	assert_non_null(strstr(heard[0].notes, "restarted"));
	assert_true(heard[0].value >= heard[0].cpu_ns);
}

static int
kid_faults(void *arg)
{
	char *at;

	(void)arg;
	kid_ready();
	for (;;) {
		at = mmap(NULL, 1u << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		for (size_t i = 0; i < 1u << 20; i += 4096)
			at[i] = 1;
		munmap(at, 1u << 20);
	}
	return 0;
}

static void
other_events_are_sampled_by_cpu_too(void **state)
{
	(void)state;
	need_bpf();
	begin_with_kid(kid_faults, "mode = cpu");
	open_window(&heard[0], "page-faults", 100, 1500);
	assert_int_equal(node.samplers[0]->events.n_fds, cpus());
	run_to_the_end();
	assert_true(heard[0].samples > 20);
	/* Steered: not each of the thousands a second is a sample. */
	assert_true(heard[0].value > 2 * heard[0].samples);
}

static void
the_clock_between_two_looks_is_in_proportion(void **state)
{
	struct node n = { .pid = 1, .cpu_prev_ns = 1000, .cpu_prev_at_ns = 100, .cpu_ns = 3000, .cpu_at_ns = 200 };

	(void)state;
	assert_int_equal(node_clock(&n, 150), 2000);
	assert_int_equal(node_clock(&n, 101), 1020);
	assert_int_equal(node_clock(&n, 50), 1000);
	assert_int_equal(node_clock(&n, 200), 3000);
	assert_int_equal(node_clock(&n, 999), 3000);
	n.cpu_prev_at_ns = 200; /* there was but one */
	assert_int_equal(node_clock(&n, 150), 3000);
	n.pid = 0;
	assert_int_equal(node_clock(&n, 150), 0);
}

#define NODE(f) cmocka_unit_test_setup_teardown(f, start, end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		NODE(a_running_node_says_who_it_is),
		NODE(a_node_that_is_not_there_is_looked_for_again),
		NODE(an_exec_between_windows_is_noticed),
		NODE(a_window_holds_what_the_clock_says),
		NODE(threads_that_come_and_go_are_counted_once),
		NODE(many_windows_share_one_set_of_events),
		NODE(a_fifth_kind_of_event_is_refused_with_a_time_to_come_again),
		NODE(what_cannot_be_asked_is_told_from_what_cannot_be_had_now),
		NODE(more_threads_than_descriptors_are_refused_with_the_figure),
		NODE(code_that_is_mapped_in_the_window_is_known),
		NODE(a_node_that_exits_is_answered_with_its_samples_so_far),
		NODE(a_window_goes_on_with_the_restarted_node),
		NODE(a_node_that_does_not_come_back_is_given_up_after_a_while),
		NODE(a_window_after_a_restart_is_not_told_of_it),
		NODE(an_exec_in_the_window_is_told_and_the_new_program_sampled),
		NODE(nothing_is_left_open_when_all_is_over),
		NODE(the_total_is_the_process_s_clock_by_thread_and_by_cpu),
		NODE(a_node_of_many_threads_has_one_event_a_cpu),
		NODE(threads_that_live_shorter_than_a_period_are_sampled_by_cpu),
		NODE(without_the_right_to_a_filter_it_is_sampled_by_thread_with_the_reason),
		NODE(a_restarted_node_is_sampled_by_cpu_again),
		NODE(other_events_are_sampled_by_cpu_too),
		cmocka_unit_test(the_clock_between_two_looks_is_in_proportion),
	};

	return cmocka_run_group_tests(tests, try_perf, NULL);
}
