#include "config.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "collector/proc.h"
#include "tests/unit/kid.h"

static void
our_own_process_runs_since_a_moment(void **state)
{
	uint64_t now = (uint64_t)time(NULL) * 1000000000u, started;
	struct proc_stat st;

	(void)state;
	assert_int_equal(proc_stat_read(getpid(), &st), 0);
	assert_int_equal(st.state, 'R');
	assert_false(st.kernel_thread);
	assert_int_equal(st.threads, 1);
	started = proc_start_unix_ns(st.start_ticks);
	assert_true(started > now - 600000000000u && started < now + 2000000000u);
}

/* A name that looks like the fields behind it. */
static int
sleep_with_a_hostile_name(void *arg)
{
	prctl(PR_SET_NAME, "a) Z 1 (b\n) x");
	return kid_sleeps(arg);
}

static void
a_name_with_brackets_does_not_shift_the_fields(void **state)
{
	pid_t pid = kid_start(sleep_with_a_hostile_name, NULL);
	char comm[PROC_COMM_MAX];
	struct proc_stat st;

	(void)state;
	for (int i = 0; i < 200 && proc_stat_read(pid, &st) == 0 && st.state != 'S'; i++)
		wait_ms(10);
	assert_int_equal(st.state, 'S');
	assert_int_equal(st.threads, 1);
	assert_true(st.start_ticks > 0);
	assert_int_equal(proc_comm(pid, pid, comm), 0);
	assert_string_equal(comm, "a) Z 1 (b\n) x");
	kid_stop(pid);
}

static void
a_thread_has_a_clock_of_its_own(void **state)
{
	uint64_t before, after;
	pid_t pid = kid_start(kid_burns, NULL);

	(void)state;
	assert_int_equal(proc_thread_cpu_ns(pid, pid, &before), 0);
	do {
		wait_ms(10);
		assert_int_equal(proc_thread_cpu_ns(pid, pid, &after), 0);
	} while (after < before + 30000000);
	/* It has but one thread; what the process's clock says later is not less. */
	assert_true(proc_cpu_ns(pid) >= after);
	kid_stop(pid);
	assert_true(proc_thread_cpu_ns(pid, pid, &after) < 0);
}

static void
what_the_hypervisor_took_never_becomes_less(void **state)
{
	uint64_t before = proc_steal_ns();

	(void)state;
	assert_true(proc_steal_ns() >= before);
}

static int
end_at_once(void *arg)
{
	(void)arg;
	return 0;
}

static void
a_zombie_is_told_and_one_that_was_reaped_is_gone(void **state)
{
	pid_t pid = kid_start(end_at_once, NULL);
	char path[100], comm[PROC_COMM_MAX];
	struct proc_stat st;
	pid_t *tids = NULL;

	(void)state;
	kid_wait_zombie(pid);
	assert_int_equal(proc_stat_read(pid, &st), 0);
	assert_int_equal(st.state, 'Z');
	assert_true(proc_exe(pid, path, sizeof(path)) < 0);
	kid_wait(pid);
	assert_int_equal(proc_stat_read(pid, &st), -ENOENT);
	assert_int_equal(proc_comm(pid, pid, comm), -ENOENT);
	assert_int_equal(proc_threads(pid, &tids), -ENOENT);
	assert_int_equal(proc_cpu_ns(pid), 0);
}

static void
a_kernel_thread_is_told(void **state)
{
	struct proc_stat st;

	(void)state;
	SKIP_UNLESS(proc_stat_read(2, &st) == 0, "no pid 2 here (a pid namespace?)");
	SKIP_UNLESS(st.kernel_thread || st.start_ticks > 1000, "pid 2 is no kernel thread here");
	assert_true(st.kernel_thread);
}

static void
the_executable_is_named_also_when_it_was_deleted(void **state)
{
	char *dir = scratch_new(), path[200], exe[400], command[600];
	pid_t pid;

	(void)state;
	snprintf(path, sizeof(path), "%s/sleeper", dir);
	snprintf(command, sizeof(command), "cp /bin/sleep %s", path);
	assert_int_equal(system(command), 0);
	pid = kid_start(kid_executes_sleep, path);
	assert_int_equal(proc_exe(pid, exe, sizeof(exe)), 0);
	assert_string_equal(exe, path);
	unlink(path);
	assert_int_equal(proc_exe(pid, exe, sizeof(exe)), 0);
	assert_string_equal(exe, path);
	assert_int_equal(proc_exe(pid, exe, 5), 0); /* cut, and ended */
	assert_int_equal(strlen(exe), 4);
	kid_stop(pid);
	scratch_free(dir);
}

/* ---- clocks */

static void
the_cpu_clock_is_the_other_process_s_and_that_of_no_process_stands_still(void **state)
{
	pid_t burner = kid_start(kid_burns, NULL), sleeper = kid_start(kid_sleeps, NULL);
	uint64_t burnt, slept;

	(void)state;
	for (int i = 0; i < 500 && proc_cpu_ns(burner) < 50000000; i++)
		wait_ms(10);
	burnt = proc_cpu_ns(burner);
	slept = proc_cpu_ns(sleeper);
	kid_stop(burner);
	kid_stop(sleeper);
	assert_true(burnt >= 50000000);
	assert_true(slept < 25000000);
	/* clock_getcpuclockid(0) would be our own. */
	assert_int_equal(proc_cpu_ns(0), 0);
	assert_int_equal(proc_cpu_ns(-1), 0);
}

/* ---- threads */

static pthread_barrier_t barrier;

static void *
wait_twice(void *arg)
{
	(void)arg;
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	return NULL;
}

static void
all_threads_are_listed_however_many(void **state)
{
	enum { N = 150 };
	pthread_t threads[N];
	pid_t *tids = NULL;
	int n;

	(void)state;
	pthread_barrier_init(&barrier, NULL, N + 1);
	for (size_t i = 0; i < N; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, wait_twice, NULL), 0);
	pthread_barrier_wait(&barrier);
	n = proc_threads(getpid(), &tids);
	pthread_barrier_wait(&barrier);
	for (size_t i = 0; i < N; i++)
		pthread_join(threads[i], NULL);
	pthread_barrier_destroy(&barrier);
	assert_int_equal(n, N + 1);
	assert_int_equal(tids[0], getpid());
	for (int i = 1; i < n; i++)
		assert_true(tids[i] > 0 && tids[i] != tids[i - 1]);
	free(tids);
}

static volatile uint64_t unset_word, set_word = 5;

static void
a_programs_own_data_is_told_from_all_other_memory(void **state)
{
	uint64_t code = (uint64_t)(uintptr_t)a_programs_own_data_is_told_from_all_other_memory, on_stack = 0;
	uint64_t *heap = malloc(8);
	pid_t kid = kid_start(kid_sleeps, NULL);

	(void)state;
	for (int i = 0; i < 2; i++) {
		pid_t pid = i ? kid : getpid();

		assert_int_equal(proc_is_program_data(pid, code, (uint64_t)(uintptr_t)&unset_word), 1);
		assert_int_equal(proc_is_program_data(pid, code, (uint64_t)(uintptr_t)&set_word), 1);
		assert_int_equal(proc_is_program_data(pid, code, (uint64_t)(uintptr_t)&set_word + 4), 0);
		assert_int_equal(proc_is_program_data(pid, code, code & ~7ull), 0);
		assert_int_equal(proc_is_program_data(pid, code, (uint64_t)(uintptr_t)heap), 0);
		assert_int_equal(proc_is_program_data(pid, code, (uint64_t)(uintptr_t)&on_stack), 0);
		assert_int_equal(proc_is_program_data(pid, code, (uint64_t)(uintptr_t)stdout & ~7ull), 0); /* libc's */
		assert_int_equal(proc_is_program_data(pid, code, UINT64_MAX - 7), 0);
		assert_int_equal(proc_is_program_data(pid, 8, (uint64_t)(uintptr_t)&unset_word), 0);
	}
	kid_stop(kid);
	assert_int_equal(proc_is_program_data(kid, code, (uint64_t)(uintptr_t)&unset_word), -ENOENT);
	free(heap);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(our_own_process_runs_since_a_moment),
		cmocka_unit_test(a_name_with_brackets_does_not_shift_the_fields),
		cmocka_unit_test(a_thread_has_a_clock_of_its_own),
		cmocka_unit_test(what_the_hypervisor_took_never_becomes_less),
		cmocka_unit_test(a_zombie_is_told_and_one_that_was_reaped_is_gone),
		cmocka_unit_test(a_kernel_thread_is_told),
		cmocka_unit_test(the_executable_is_named_also_when_it_was_deleted),
		cmocka_unit_test(the_cpu_clock_is_the_other_process_s_and_that_of_no_process_stands_still),
		cmocka_unit_test(all_threads_are_listed_however_many),
		cmocka_unit_test(a_programs_own_data_is_told_from_all_other_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
