/*
 * The filter of per-CPU events: its instructions, who it lets through, and what is said where it may not be loaded.
 */
#include "config.h"

#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "collector/bpf.h"
#include "collector/per_cpu.h"
#include "collector/record.h"
#include "tests/unit/kid.h"

#define RING_BYTES 262144
#define FIRST_PID_NAMESPACE 0xeffffffcu

static struct err why;

static bool
in_first_namespace(void)
{
	struct stat st;

	return stat("/proc/self/ns/pid", &st) == 0 && st.st_ino == FIRST_PID_NAMESPACE;
}

/* ---- instructions */

static void
a_process_is_compared_by_seven_instructions(void **state)
{
	struct bpf_insn insns[BPF_FILTER_INSNS_MAX];
	struct bpf_who who = { .tgid = 4194303 };

	(void)state;
	assert_int_equal(bpf_filter(&who, insns), 7);
	assert_int_equal(insns[0].code, BPF_JMP | BPF_CALL);
	assert_int_equal(insns[0].imm, BPF_FUNC_get_current_pid_tgid);
	assert_int_equal(insns[2].code, BPF_JMP | BPF_JNE | BPF_K);
	assert_int_equal(insns[2].imm, 4194303);
	/* Each way ends in an exit, with 1 for it and 0 for others. */
	assert_int_equal(insns[3].imm, 1);
	assert_int_equal(insns[4].code, BPF_JMP | BPF_EXIT);
	assert_int_equal(insns[3 + insns[2].off].imm, 0);
	assert_int_equal(insns[6].code, BPF_JMP | BPF_EXIT);
}

static void
a_namespace_s_numbers_are_put_in_whole(void **state)
{
	struct bpf_insn insns[BPF_FILTER_INSNS_MAX];
	struct bpf_who who = { .by_namespace = true, .tgid = 7, .dev = 0x123456789abcu, .ino = 0xfedcba9876543210u };
	size_t n = bpf_filter(&who, insns);

	(void)state;
	assert_in_range(n, 8, BPF_FILTER_INSNS_MAX);
	assert_int_equal((uint32_t)insns[0].imm, 0x56789abcu);
	assert_int_equal((uint32_t)insns[1].imm, 0x1234u);
	assert_int_equal((uint32_t)insns[2].imm, 0x76543210u);
	assert_int_equal((uint32_t)insns[3].imm, 0xfedcba98u);
	assert_int_equal(insns[n - 1].code, BPF_JMP | BPF_EXIT);
}

static void
in_the_first_namespace_a_process_has_the_kernel_s_number(void **state)
{
	struct bpf_who who;

	(void)state;
	SKIP_UNLESS(in_first_namespace(), "the test runs in a pid namespace of its own");
	assert_int_equal(bpf_who(getpid(), &who, &why), 0);
	assert_false(who.by_namespace);
	assert_int_equal(who.tgid, getpid());
}

/* ---- in the kernel */

static void
need_bpf(void)
{
	int fd = bpf_filter_load(getpid(), &why);

	SKIP_UNLESS(fd >= 0, why.text);
	close(fd);
}

static int
load_as_nobody(void *arg)
{
	struct err said;
	int r;

	(void)arg;
	if (setgid(KID_NOBODY) < 0 || setuid(KID_NOBODY) < 0)
		return 100;
	r = bpf_filter_load(getpid(), &said);
	if (r >= 0)
		return 101;
	return strstr(said.text, "CAP_BPF") && strstr(said.text, "AmbientCapabilities") && strstr(said.text, "--cap-add=BPF") ? 0 : 102;
}

static void
without_the_capability_the_remedy_is_named(void **state)
{
	(void)state;
	SKIP_UNLESS(geteuid() == 0, "root is needed to become somebody else");
	assert_int_equal(kid_run(load_as_nobody, NULL), 0);
}

/* Samples in the rings, of `pid` and of others. */
struct seen {
	unsigned int ours, others;
};

static void
look(struct events *e, pid_t pid, struct seen *seen)
{
	const struct perf_event_header *h;

	for (int cpu = 0; cpu < e->n_cpus; cpu++) {
		if (!e->rings[cpu].meta)
			continue;
		while (ring_peek(&e->rings[cpu], &h) > 0) {
			struct record_sample s;

			if (h->type == PERF_RECORD_SAMPLE && record_sample(h, RECORD_SAMPLE_TYPE, &s) == 0) {
				seen->ours += (pid_t)s.pid == pid;
				seen->others += (pid_t)s.pid != pid;
			}
			ring_advance(&e->rings[cpu], h);
		}
	}
}

static void
work_ms(unsigned int ms)
{
	struct timespec from, ts;

	clock_gettime(CLOCK_MONOTONIC, &from);
	do {
		clock_gettime(CLOCK_MONOTONIC, &ts);
	} while ((ts.tv_sec - from.tv_sec) * 1000 + (ts.tv_nsec - from.tv_nsec) / 1000000 < (long)ms);
}

/* `as`: its number in the records; another one than /proc's when it is ourselves in a namespace, and then we work.
 * Until 20 of its samples were seen, or 10 s. Returns 0, or why it cannot be. */
static int
watch(pid_t pid, pid_t as, struct seen *seen)
{
	const struct event_options opt = { .kernel = true, .stack_bytes = 1024 };
	struct events e;
	struct event ev;
	int r;

	memset(seen, 0, sizeof(*seen));
	if (event_start(&why) < 0 || event_parse(&ev, "task-clock", 1000, &opt, &why) < 0)
		return -EINVAL;
	event_per_cpu(&ev);
	r = events_init(&e, RING_BYTES, 1024, &why);
	if (r < 0)
		return r;
	r = per_cpu_open(&e, &ev, pid, &why);
	for (int i = 0; i < 1000 && r == 0 && seen->ours < 20; i++) {
		if (pid == as)
			wait_ms(10);
		else
			work_ms(10);
		look(&e, as, seen);
	}
	events_fini(&e);
	return r;
}

static void
nothing_of_other_processes_comes_into_the_ring(void **state)
{
	pid_t kid, other;
	struct seen seen;

	(void)state;
	need_bpf();
	go_first();
	kid = kid_start(kid_burns, NULL);
	other = kid_start(kid_burns, NULL);
	if (watch(kid, kid, &seen) < 0)
		fail_msg("%s", why.text);
	assert_true(seen.ours >= 20);
	assert_int_equal(seen.others, 0);
	kid_stop(kid);
	kid_stop(other);
}

static void
burn_for_ever(void)
{
	static volatile unsigned long sink;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;)
		sink++;
}

/* We are the namespace's pid 1. /proc is not mounted anew: it calls us and ours by other numbers. */
static int
watch_from_inside(void)
{
	char link[32] = "";
	struct bpf_who who;
	struct seen seen;
	pid_t outside, other;

	if (getpid() != 1 || readlink("/proc/self", link, sizeof(link) - 1) < 0)
		return 100;
	outside = (pid_t)atoi(link);
	if (outside == 1 || bpf_who(outside, &who, &why) < 0)
		return 101;
	if (!who.by_namespace || who.tgid != 1)
		return 102;
	other = fork();
	if (other == 0)
		burn_for_ever();
	/* We ourselves are watched: the looking is work enough. */
	if (watch(outside, 1, &seen) < 0)
		return 103;
	kill(other, SIGKILL);
	return seen.others ? 104 : seen.ours ? 0 : 105;
}

static int
enter_namespace(void *arg)
{
	pid_t pid;

	(void)arg;
	if (unshare(CLONE_NEWPID) < 0)
		return 77;
	pid = fork();
	if (pid == 0)
		_exit(watch_from_inside());
	return kid_wait(pid);
}

static void
in_a_pid_namespace_of_its_own_the_process_is_found_by_that(void **state)
{
	int r;

	(void)state;
	need_bpf();
	SKIP_UNLESS(in_first_namespace(), "the test runs in a pid namespace of its own");
	r = kid_run(enter_namespace, NULL);
	SKIP_UNLESS(r != 77, "no new pid namespace may be made here");
	assert_int_equal(r, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_process_is_compared_by_seven_instructions),
		cmocka_unit_test(a_namespace_s_numbers_are_put_in_whole),
		cmocka_unit_test(in_the_first_namespace_a_process_has_the_kernel_s_number),
		cmocka_unit_test(without_the_capability_the_remedy_is_named),
		cmocka_unit_test(nothing_of_other_processes_comes_into_the_ring),
		cmocka_unit_test(in_a_pid_namespace_of_its_own_the_process_is_found_by_that),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
