/*
 * A window's samples against a CPU clock: a window made by hand, and threads that live.
 */
#include "config.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "collector/exact.h"
#include "collector/node.h"
#include "collector/proc.h"
#include "collector/window.h"
#include "tests/unit/kid.h"

#define PERIOD 10000000u
#define MS 1000000u
#define ROWS 6

static struct node node;
static struct sampler sampler;
static struct window_count rows[ROWS];
static struct window window;

static int
start(void **state)
{
	(void)state;
	memset(&node, 0, sizeof(node));
	memset(&sampler, 0, sizeof(sampler));
	memset(&window, 0, sizeof(window));
	memset(rows, 0, sizeof(rows));
	node.pid = getpid();
	sampler.event.is_clock = true;
	sampler.event.period = PERIOD;
	sampler.mode = SAMPLER_PER_CPU;
	window.node = &node;
	window.sampler = &sampler;
	window.counts = rows;
	exact_begin(&window.exact, &window);
	return 0;
}

static int
end(void **state)
{
	(void)state;
	exact_fini(&window.exact);
	return 0;
}

/* Samples and spares, row by row; all of thread 1. */
static void
set(size_t n, const uint64_t samples[], const uint64_t spares[])
{
	window.n_counts = (uint32_t)n;
	window.samples = 0;
	for (size_t i = 0; i < n; i++) {
		rows[i] = (struct window_count){ .stack = (uint32_t)i, .tid = 1, .samples = samples[i],
						 .spares = spares ? spares[i] : 0 };
		window.samples += samples[i];
	}
}

static uint64_t
total_ns(void)
{
	uint64_t ns = 0;

	for (uint32_t i = 0; i < window.n_counts; i++)
		ns += rows[i].samples * PERIOD;
	for (size_t i = 0; i < window.exact.n_rest; i++)
		ns += window.exact.rest[i].ns;
	return ns;
}

/* ---- */

static void
parts_add_up_and_each_row_has_its_share_but_for_less_than_one(void **state)
{
	static const uint64_t sizes[] = { 1, 700, 1, 299, 3, 0, 40, 1000000, 7, 1 };
	uint64_t whole = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		whole += sizes[i];
	for (uint64_t k = 0; k <= whole; k += 1 + k / 3) {
		uint64_t carry = whole / 2, sum = 0;

		for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
			uint64_t part = exact_part(sizes[i], k, whole, &carry);
			double share = (double)sizes[i] * (double)k / (double)whole;

			assert_true(part <= sizes[i]);
			assert_true((double)part > share - 1 && (double)part < share + 1);
			sum += part;
		}
		assert_int_equal(sum, k);
	}
}

static void
what_the_clock_says_beyond_the_samples_is_the_rest(void **state)
{
	(void)state;
	set(2, (const uint64_t[]){ 70, 30 }, NULL);
	exact_settle(&window, 1023456789, false);
	assert_int_equal(window.samples, 100);
	assert_int_equal(window.exact.n_rest, 1);
	assert_int_equal(window.exact.rest[0].tid, 0);
	assert_int_equal(window.exact.unsampled_ns, 23456789);
	assert_int_equal(total_ns(), 1023456789);
}

static void
samples_beyond_the_clock_are_taken_out_evenly(void **state)
{
	(void)state;
	set(3, (const uint64_t[]){ 700, 300, 100 }, NULL);
	window.late = 1100;
	exact_settle(&window, 10004000000, false);
	assert_int_equal(window.exact.taken_out, 100);
	assert_int_equal(window.samples, 1000);
	assert_int_equal(window.late, 1000);
	assert_in_range(rows[0].samples, 636, 637);
	assert_in_range(rows[1].samples, 272, 273);
	assert_in_range(rows[2].samples, 90, 91);
	assert_int_equal(total_ns(), 10004000000);
}

static void
spares_fill_what_is_missing_and_no_more(void **state)
{
	(void)state;
	set(3, (const uint64_t[]){ 60, 25, 5 }, (const uint64_t[]){ 14, 6, 0 });
	exact_settle(&window, 1002000000, false);
	assert_int_equal(window.exact.filled, 10);
	assert_int_equal(window.exact.taken_out, 0);
	assert_int_equal(window.samples, 100);
	assert_int_equal(rows[0].samples, 67);
	assert_int_equal(rows[1].samples, 28);
	assert_int_equal(rows[2].samples, 5);
	assert_int_equal(total_ns(), 1002000000);
}

static void
spares_do_not_stand_for_the_kernel_s_time(void **state)
{
	(void)state;
	sampler.event.attr.exclude_kernel = 1;
	set(1, (const uint64_t[]){ 60 }, (const uint64_t[]){ 10 });
	exact_settle(&window, 1000000000, false);
	assert_int_equal(window.samples, 60);
	assert_int_equal(window.exact.unsampled_ns, 400000000);
	assert_int_equal(total_ns(), 1000000000);
}

static void
where_spares_do_not_suffice_the_rest_is_told(void **state)
{
	(void)state;
	set(2, (const uint64_t[]){ 10, 0 }, (const uint64_t[]){ 1, 2 });
	exact_settle(&window, 500000000, false);
	assert_int_equal(window.exact.filled, 3);
	assert_int_equal(window.exact.unsampled_ns, 370000000);
	assert_int_equal(total_ns(), 500000000);
}

static void
a_clock_that_was_read_too_early_takes_nothing_out(void **state)
{
	(void)state;
	set(1, (const uint64_t[]){ 100 }, NULL);
	exact_settle(&window, 900000000, true);
	assert_int_equal(window.samples, 100);
	assert_int_equal(window.exact.taken_out, 0);
	assert_int_equal(window.exact.n_rest, 0);
}

static void
an_unknown_clock_and_scale_off_leave_the_samples_as_they_came(void **state)
{
	(void)state;
	set(1, (const uint64_t[]){ 100 }, (const uint64_t[]){ 10 });
	exact_settle(&window, 0, false);
	assert_int_equal(total_ns(), 1000000000);
	window.unscaled = true;
	exact_settle(&window, 3000000000, false);
	assert_int_equal(total_ns(), 1000000000);
	exact_settle(&window, 30000000, false);
	assert_int_equal(total_ns(), 1000000000);
}

static void
a_window_without_samples_is_all_rest(void **state)
{
	(void)state;
	exact_settle(&window, 5, false);
	assert_int_equal(window.exact.n_rest, 1);
	assert_int_equal(total_ns(), 5);
}

static void
other_events_have_no_clock(void **state)
{
	(void)state;
	sampler.event.is_clock = false;
	set(1, (const uint64_t[]){ 100 }, NULL);
	exact_settle(&window, 10, false);
	assert_int_equal(rows[0].samples, 100);
	assert_int_equal(window.exact.n_rest, 0);
}

/* ---- by thread */

static uint64_t
thread_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

struct worker {
	pthread_t thread;
	pthread_barrier_t *barrier;
	uint64_t ns;
	pid_t tid;
};

static void *
work(void *arg)
{
	struct worker *w = arg;

	w->tid = gettid();
	pthread_barrier_wait(w->barrier); /* it lives */
	pthread_barrier_wait(w->barrier); /* it may work */
	while (thread_now() < w->ns)
		;
	pthread_barrier_wait(w->barrier); /* it has worked */
	pthread_barrier_wait(w->barrier); /* it may go */
	return NULL;
}

static uint64_t
rest_of(pid_t tid)
{
	uint64_t ns = 0;

	for (size_t i = 0; i < window.exact.n_rest; i++)
		if (window.exact.rest[i].tid == (uint32_t)tid)
			ns += window.exact.rest[i].ns;
	return ns;
}

static void
the_rest_is_told_by_living_thread_where_their_clocks_tell(void **state)
{
	struct worker w[2] = { { .ns = 60 * MS }, { .ns = 30 * MS } };
	pthread_barrier_t barrier;
	uint64_t clock;

	(void)state;
	pthread_barrier_init(&barrier, NULL, 3);
	for (size_t i = 0; i < 2; i++) {
		w[i].barrier = &barrier;
		assert_int_equal(pthread_create(&w[i].thread, NULL, work, &w[i]), 0);
	}
	pthread_barrier_wait(&barrier);
	exact_fini(&window.exact);
	sampler.mode = SAMPLER_PER_THREAD;
	exact_begin(&window.exact, &window);
	assert_true(window.exact.by_thread);
	clock = proc_cpu_ns(getpid());
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	clock = proc_cpu_ns(getpid()) - clock;
	/* The first was sampled twice, the second never. */
	set(1, (const uint64_t[]){ 2 }, NULL);
	rows[0].tid = (uint32_t)w[0].tid;
	exact_settle(&window, clock, false);
	assert_int_equal(total_ns(), clock);
	/* The scheduler's account of a thread may be a tick late. */
	assert_in_range(rest_of(w[0].tid), 29 * MS, 56 * MS);
	assert_in_range(rest_of(w[1].tid), 19 * MS, 46 * MS);
	pthread_barrier_wait(&barrier);
	for (size_t i = 0; i < 2; i++)
		pthread_join(w[i].thread, NULL);
	pthread_barrier_destroy(&barrier);
}

static void
threads_never_get_more_than_there_is(void **state)
{
	struct worker w = { .ns = 40 * MS };
	pthread_barrier_t barrier;

	(void)state;
	pthread_barrier_init(&barrier, NULL, 2);
	w.barrier = &barrier;
	assert_int_equal(pthread_create(&w.thread, NULL, work, &w), 0);
	pthread_barrier_wait(&barrier);
	exact_fini(&window.exact);
	sampler.mode = SAMPLER_PER_THREAD;
	exact_begin(&window.exact, &window);
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	/* Another thread's samples stand for more than it used, so less than this one's 40 ms is left. */
	set(1, (const uint64_t[]){ 5 }, NULL);
	exact_settle(&window, 50 * (uint64_t)MS + 5 * MS, false);
	assert_int_equal(total_ns(), 55 * (uint64_t)MS);
	assert_true(rest_of(w.tid) <= 5 * MS && rest_of(w.tid) > 0);
	pthread_barrier_wait(&barrier);
	pthread_join(w.thread, NULL);
	pthread_barrier_destroy(&barrier);
}

static void
times_of_threads_are_added_up_and_found(void **state)
{
	struct thread_times t;

	(void)state;
	thread_times_init(&t);
	for (uint32_t i = 0; i < 65536; i++)
		assert_int_equal(thread_times_add(&t, i + 5, i), 0);
	assert_int_equal(thread_times_add(&t, 105, 1000), 0);
	assert_int_equal(thread_times_add(&t, 5, 3), 0);
	assert_int_equal(thread_times_add(&t, 1, 1), -ENOSPC);
	assert_int_equal(thread_times_get(&t, 105), 1100);
	assert_int_equal(thread_times_get(&t, 5), 3);
	assert_int_equal(thread_times_get(&t, 1), 0);
	thread_times_fini(&t);
	thread_times_init(&t);
	assert_true(thread_times_read(&t, getpid(), 100) >= 1);
	assert_true(thread_times_get(&t, (uint32_t)getpid()) > 0);
	assert_int_equal(thread_times_read(&t, getpid(), 0), -E2BIG);
	assert_true(thread_times_read(&t, 4194303, 100) < 0);
	thread_times_fini(&t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parts_add_up_and_each_row_has_its_share_but_for_less_than_one),
		cmocka_unit_test_setup_teardown(what_the_clock_says_beyond_the_samples_is_the_rest, start, end),
		cmocka_unit_test_setup_teardown(samples_beyond_the_clock_are_taken_out_evenly, start, end),
		cmocka_unit_test_setup_teardown(spares_fill_what_is_missing_and_no_more, start, end),
		cmocka_unit_test_setup_teardown(spares_do_not_stand_for_the_kernel_s_time, start, end),
		cmocka_unit_test_setup_teardown(where_spares_do_not_suffice_the_rest_is_told, start, end),
		cmocka_unit_test_setup_teardown(a_clock_that_was_read_too_early_takes_nothing_out, start, end),
		cmocka_unit_test_setup_teardown(an_unknown_clock_and_scale_off_leave_the_samples_as_they_came, start, end),
		cmocka_unit_test_setup_teardown(a_window_without_samples_is_all_rest, start, end),
		cmocka_unit_test_setup_teardown(other_events_have_no_clock, start, end),
		cmocka_unit_test_setup_teardown(the_rest_is_told_by_living_thread_where_their_clocks_tell, start, end),
		cmocka_unit_test_setup_teardown(threads_never_get_more_than_there_is, start, end),
		cmocka_unit_test(times_of_threads_are_added_up_and_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
