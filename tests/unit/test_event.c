#include "config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "collector/event.h"
#include "collector/record.h"
#include "collector/ring.h"
#include "tests/unit/kid.h"

static const struct event_options usual = { .kernel = true, .stack_bytes = 16384 };
static struct event ev;
static struct err why;

static int
start(void **state)
{
	(void)state;
	return event_start(&why);
}

static int
parse(const char *name, uint32_t hz)
{
	why.text[0] = '\0';
	return event_parse(&ev, name, hz, &usual, &why);
}

/* ---- names */

static void
software_events_have_the_names_of_perf(void **state)
{
	static const struct {
		const char *name;
		uint64_t config;
		bool is_clock;
	} cases[] = {
		{ "task-clock", PERF_COUNT_SW_TASK_CLOCK, true },
		{ "Task-Clock", PERF_COUNT_SW_TASK_CLOCK, true },
		{ "cpu-clock", PERF_COUNT_SW_CPU_CLOCK, true },
		{ "page-faults", PERF_COUNT_SW_PAGE_FAULTS, false },
		{ "major-faults", PERF_COUNT_SW_PAGE_FAULTS_MAJ, false },
		{ "context-switches", PERF_COUNT_SW_CONTEXT_SWITCHES, false },
		{ "PERF_COUNT_SW_PAGE_FAULTS", PERF_COUNT_SW_PAGE_FAULTS, false }, /* libpfm4's own */
		{ "perf::PERF_COUNT_SW_TASK_CLOCK", PERF_COUNT_SW_TASK_CLOCK, true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (parse(cases[i].name, 100) < 0)
			fail_msg("%s: %s", cases[i].name, why.text);
		assert_int_equal(ev.attr.type, PERF_TYPE_SOFTWARE);
		assert_int_equal(ev.attr.config, cases[i].config);
		assert_int_equal(ev.is_clock, cases[i].is_clock);
	}
	assert_string_equal(ev.name, "perf::perf_count_sw_task_clock");
}

static void
hardware_events_are_encoded_though_the_machine_may_lack_them(void **state)
{
	(void)state;
	assert_int_equal(parse("cycles", 100), 0);
	assert_int_equal(ev.attr.type, PERF_TYPE_HARDWARE);
	assert_int_equal(ev.attr.config, PERF_COUNT_HW_CPU_CYCLES);
	assert_false(ev.is_clock);
	assert_int_equal(ev.period, 0);
	assert_int_equal(ev.attr.freq, 1);
	assert_int_equal(ev.attr.sample_freq, 100);
	assert_int_equal(ev.attr.exclude_kernel, 0);
	assert_int_equal(parse("cycles:u", 100), 0);
	assert_int_equal(ev.attr.exclude_kernel, 1);
	assert_int_equal(ev.attr.exclude_user, 0);
	assert_int_equal(parse("cycles:k", 100), 0);
	assert_int_equal(ev.attr.exclude_user, 1);
}

static void
a_misspelt_name_is_answered_with_the_nearest_ones(void **state)
{
	static const struct {
		const char *name, *near;
	} cases[] = {
		{ "task-clok", "task-clock" },
		{ "TASK_CLOCKS", "task-clock" },
		{ "page-fault", "page-faults" },
		{ "contextswitches", "context-switches" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(parse(cases[i].name, 100), -EINVAL);
		if (!strstr(why.text, cases[i].near) || !strstr(why.text, cases[i].name))
			fail_msg("%s: %s", cases[i].name, why.text);
	}
}

static void
what_is_no_name_is_refused_before_anybody_parses_it(void **state)
{
	char longest[EVENT_NAME_MAX + 1];
	const char *const names[] = { "", "a b", "task-clock\n", "a/b", "x,y", "\xc3\xa9", "%s", "a\"b", longest };

	(void)state;
	memset(longest, 'a', EVENT_NAME_MAX);
	longest[EVENT_NAME_MAX] = '\0';
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		assert_int_equal(parse(names[i], 100), -EINVAL);
	longest[EVENT_NAME_MAX - 1] = '\0'; /* the longest that is plain: unknown, and no overflow */
	assert_int_equal(parse(longest, 100), -EINVAL);
	assert_non_null(strstr(why.text, "near names"));
}

static void
modifiers_cannot_change_how_we_sample(void **state)
{
	static const char *const names[] = { "cycles:period=1", "cycles:freq=100000", "cycles:pinned", "cycles:excl",
					     "task-clock:period=1", "perf::PERF_COUNT_SW_TASK_CLOCK:period=5" };

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (parse(names[i], 100) < 0)
			continue;
		assert_int_equal(ev.attr.pinned, 0);
		assert_int_equal(ev.attr.exclusive, 0);
		assert_true(ev.is_clock ? ev.attr.sample_period == 10000000 : ev.attr.sample_freq == 100);
	}
}

static void
the_rate_is_bounded(void **state)
{
	(void)state;
	assert_int_equal(parse("task-clock", 0), -EINVAL);
	assert_int_equal(parse("task-clock", EVENT_HZ_MAX + 1), -EINVAL);
	assert_int_equal(parse("task-clock", UINT32_MAX), -EINVAL);
	assert_int_equal(parse("task-clock", EVENT_HZ_MAX), 0);
	assert_int_equal(ev.period, 1000000);
	assert_int_equal(parse("task-clock", 1), 0);
	assert_int_equal(ev.period, 1000000000);
	assert_int_equal(parse("task-clock", 100), 0);
	assert_int_equal(ev.attr.sample_period, 10000000);
	assert_int_equal(ev.attr.freq, 0);
}

static void
a_whole_cpu_s_clock_comes_more_often_and_inherits_nothing(void **state)
{
	(void)state;
	assert_int_equal(parse("task-clock", 100), 0);
	event_per_cpu(&ev);
	assert_int_equal(ev.attr.config, PERF_COUNT_SW_CPU_CLOCK);
	assert_int_equal(ev.period, 10000000);
	assert_in_range(ev.attr.sample_period, 9090900, 9090910);
	assert_int_equal(ev.attr.disabled, 1);
	assert_int_equal(ev.attr.exclude_idle, 1);
	assert_int_equal(ev.attr.inherit | ev.attr.inherit_thread | ev.attr.task, 0);
	assert_int_equal(ev.attr.mmap2 & ev.attr.comm_exec, 1);
	assert_string_equal(ev.name, "task-clock");
	/* Occurrences of others are counted as they are. */
	assert_int_equal(parse("page-faults", 100), 0);
	event_per_cpu(&ev);
	assert_int_equal(ev.attr.config, PERF_COUNT_SW_PAGE_FAULTS);
	assert_int_equal(ev.attr.sample_period, EVENT_PERIOD_FIRST);
}

/* ---- opening */

static uint64_t
cpu_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void
burn_cpu(uint64_t ns)
{
	static volatile unsigned int sink;
	uint64_t end = cpu_now() + ns;

	while (cpu_now() < end)
		for (int i = 0; i < 1000; i++)
			sink++;
}

/* A descriptor on this thread, any CPU, or the reason to skip. */
static int
open_on_self(bool kernel)
{
	struct event_options opt = { .kernel = kernel, .stack_bytes = 4096 };
	int fd;

	assert_int_equal(event_parse(&ev, "task-clock", 1000, &opt, &why), 0);
	ev.attr.inherit = ev.attr.inherit_thread = 0; /* else there is no ring for all CPUs in one */
	fd = event_open(&ev, getpid(), -1);
	if (fd < 0) {
		event_explain(&ev, fd, &why);
		print_message("          %s\n", why.text);
		skip();
	}
	return fd;
}

static void
our_own_thread_can_be_sampled(void **state)
{
	const struct perf_event_header *h;
	struct record_sample s = { .ip = 0 };
	unsigned int samples = 0, maps = 0;
	struct ring r;
	uint64_t begin;
	void *code;
	int fd = open_on_self(true);

	(void)state;
	begin = (uint64_t)time(NULL);
	assert_int_equal(ring_open(&r, fd, 1u << 20, &why), 0);
	code = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	burn_cpu(50000000);
	while (ring_peek(&r, &h) == 1) {
		struct record_mmap m;

		if (h->type == PERF_RECORD_SAMPLE) {
			assert_int_equal(record_sample(h, RECORD_SAMPLE_TYPE, &s), 0);
			assert_int_equal(s.pid, getpid());
			assert_int_equal(s.tid, getpid());
			assert_int_equal(s.period, 1000000);
			assert_true(s.has_user);
			assert_true(s.user.stack_bytes > 0 && s.user.stack_bytes <= 4096);
			/* The copy is what stands at the stack pointer: this frame is above all samples'. */
			assert_true(s.user.reg[UNWIND_SP] < (uint64_t)(uintptr_t)__builtin_frame_address(0));
			samples++;
		} else if (h->type == PERF_RECORD_MMAP2) {
			assert_int_equal(record_mmap2(h, &m), 0);
			maps += m.start == (uint64_t)(uintptr_t)code && m.len == 4096 && !strcmp(m.path, "//anon");
		}
		ring_advance(&r, h);
	}
	assert_in_range(samples, 10, 70); /* 50, where the machine has time */
	assert_int_equal(maps, 1);
	assert_true(s.time_ns > 0 && begin > 0);
	munmap(code, 4096);
	ring_close(&r);
	close(fd);
}

static void
lost_samples_are_counted(void **state)
{
	struct {
		uint64_t value, lost;
	} count;
	struct ring r;
	int fd = open_on_self(true);

	(void)state;
	if (!ev.attr.read_format) {
		close(fd);
		SKIP_UNLESS(false, "this kernel has no PERF_FORMAT_LOST (Linux 6.0 has)");
	}
	assert_int_equal(ring_open(&r, fd, (size_t)sysconf(_SC_PAGESIZE), &why), 0);
	burn_cpu(30000000); /* 30 samples of 4 KB do not fit a page */
	assert_int_equal(read(fd, &count, sizeof(count)), sizeof(count));
	assert_true(count.lost > 5);
	assert_true(count.value > 20000000);
	ring_close(&r);
	close(fd);
}

static void
a_thread_that_is_gone_is_told_from_what_is_not_permitted(void **state)
{
	pid_t pid = kid_start(kid_sleeps, NULL);

	(void)state;
	kid_stop(pid);
	assert_int_equal(parse("task-clock", 100), 0);
	assert_int_equal(event_open(&ev, pid, 0), -ESRCH);
	assert_int_equal(ev.attr.exclude_kernel, 0); /* what was tried in vain leaves no trace */
	assert_int_equal(ev.attr.inherit_thread, 1);
}

static int
open_unprivileged(void *arg)
{
	int fd;

	(void)arg;
	if (geteuid() == 0 && setresuid(KID_NOBODY, KID_NOBODY, KID_NOBODY) < 0)
		return 1;
	prctl(PR_SET_DUMPABLE, 1);
	if (event_parse(&ev, "task-clock", 100, &usual, &why) < 0)
		return 2;
	fd = event_open(&ev, getpid(), 0);
	if (fd < 0)
		return 3;
	if (!ev.attr.exclude_kernel)
		return 4;
	close(fd);
	return event_open(&ev, getppid(), 0) == -EACCES ? 0 : 5; /* another user's */
}

static void
without_the_right_to_the_kernel_user_mode_is_sampled(void **state)
{
	FILE *f = fopen("/proc/sys/kernel/perf_event_paranoid", "r");
	int paranoid = -2;

	(void)state;
	if (f) {
		if (fscanf(f, "%d", &paranoid) != 1)
			paranoid = -2;
		fclose(f);
	}
	SKIP_UNLESS(paranoid == 2, "perf_event_paranoid is not 2");
	assert_int_equal(kid_run(open_unprivileged, NULL), 0);
}

static void
a_counter_that_is_missing_is_explained(void **state)
{
	int fd;

	(void)state;
	assert_int_equal(parse("cycles", 100), 0);
	fd = event_open(&ev, getpid(), 0);
	if (fd >= 0) {
		close(fd);
		SKIP_UNLESS(false, "this machine has hardware counters");
	}
	assert_int_equal(ev.attr.inherit_thread, 1);
	event_explain(&ev, fd, &why);
	assert_non_null(strstr(why.text, "cycles"));
	assert_int_equal(why.code, fd);
	assert_true(why.code == -EACCES || strstr(why.text, "task-clock"));
}

static void
every_explanation_names_the_event_and_a_remedy(void **state)
{
	static const struct {
		int error;
		const char *remedy;
	} cases[] = {
		{ -EACCES, "CAP_PERFMON" }, { -EPERM, "--cap-add=PERFMON" },  { -ENOENT, "task-clock" },
		{ -EOPNOTSUPP, "counter" }, { -EMFILE, "LimitNOFILE" }, { -EBUSY, "perf_event_open" },
	};

	(void)state;
	assert_int_equal(parse("page-faults", 100), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		event_explain(&ev, cases[i].error, &why);
		assert_int_equal(why.code, cases[i].error);
		assert_non_null(strstr(why.text, "page-faults"));
		assert_non_null(strstr(why.text, cases[i].remedy));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(software_events_have_the_names_of_perf),
		cmocka_unit_test(hardware_events_are_encoded_though_the_machine_may_lack_them),
		cmocka_unit_test(a_misspelt_name_is_answered_with_the_nearest_ones),
		cmocka_unit_test(what_is_no_name_is_refused_before_anybody_parses_it),
		cmocka_unit_test(modifiers_cannot_change_how_we_sample),
		cmocka_unit_test(the_rate_is_bounded),
		cmocka_unit_test(a_whole_cpu_s_clock_comes_more_often_and_inherits_nothing),
		cmocka_unit_test(our_own_thread_can_be_sampled),
		cmocka_unit_test(lost_samples_are_counted),
		cmocka_unit_test(a_thread_that_is_gone_is_told_from_what_is_not_permitted),
		cmocka_unit_test(without_the_right_to_the_kernel_user_mode_is_sampled),
		cmocka_unit_test(a_counter_that_is_missing_is_explained),
		cmocka_unit_test(every_explanation_names_the_event_and_a_remedy),
	};

	return cmocka_run_group_tests(tests, start, NULL);
}
