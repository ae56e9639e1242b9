#include "config.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "symbolize/go_estimate.h"
#include "tests/unit/go_fake_node.h"

#define WINDOW_MS 150

static struct {
	struct go_fake_node f;
	struct reading_writer *w;
	struct reading r;
	struct err why;
	uint64_t moving;
	unsigned int moves;
} t;

static int
set_up(void **state)
{
	(void)state;
	memset(&t, 0, sizeof(t));
	go_fake_init(&t.f, 26);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	reading_close(&t.r);
	reading_writer_free(t.w);
	go_fake_fini(&t.f);
	return 0;
}

static void
estimate(void)
{
	int fd = memfd_create("r", MFD_ALLOW_SEALING | MFD_CLOEXEC);

	assert_int_equal(reading_writer_new(&t.w, READING_BLOCK_ESTIMATE), 0);
	assert_int_equal(go_estimate_read(&t.f.n, WINDOW_MS, t.w, &t.why), 0);
	assert_int_equal(reading_writer_finish(t.w, fd, &t.why), 0);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE), 0);
	assert_int_equal(reading_open(&t.r, fd, &t.why), 0);
	close(fd);
}

/* main.work waits in chanrecv1, chanrecv, gopark. */
static uint64_t
waiting(uint64_t goid, const char *reason)
{
	const struct go_offsets *at = t.f.n.at;
	uint64_t hi, g = go_fake_g(&t.f, goid, GO_G_WAITING, FAKE_WORK, &hi), sp;

	sp = go_fake_push(&t.f, hi, go_fake_pc(FAKE_GOEXIT, 1), 24);
	sp = go_fake_push(&t.f, sp, go_fake_pc(FAKE_WORK, 60), 8);
	sp = go_fake_push(&t.f, sp, go_fake_pc(FAKE_CHANRECV1, 60), 32);
	sp = go_fake_push(&t.f, sp, go_fake_pc(FAKE_CHANRECV, 60), 16);
	go_fake_set(&t.f, g, at->g_sched_pc, go_fake_pc(FAKE_GOPARK, 50));
	go_fake_set(&t.f, g, at->g_sched_sp, sp);
	*go_fake_at(&t.f, g + at->g_waitreason) = go_fake_reason(&t.f, reason);
	return g;
}

static void
set_status(uint64_t g, uint32_t status)
{
	memcpy(go_fake_at(&t.f, g + t.f.n.at->g_status), &status, 4);
}

/* The bucket of the waits that were over, or of the others; there is one of each at the most. */
static const struct reading_bucket *
bucket(bool is_over)
{
	const struct reading_bucket *found = NULL;

	for (uint64_t i = 0; i < t.r.head->buckets.n; i++) {
		if ((t.r.buckets[i].labels == 0) != is_over)
			continue;
		assert_null(found);
		found = &t.r.buckets[i];
	}
	return found;
}

static void
expect_waits_stack(const struct reading_bucket *b)
{
	struct reading_stack s = t.r.stacks[b->stack];

	assert_int_equal(s.n, 3);
	assert_int_equal(t.r.pcs[s.first], go_fake_pc(FAKE_CHANRECV1, 60));
	assert_int_equal(t.r.pcs[s.first + 1], go_fake_pc(FAKE_WORK, 60));
}

static void
whoever_waits_all_the_time_is_still_blocked(void **state)
{
	const struct reading_bucket *b;
	struct reading_label label;
	size_t n;

	(void)state;
	waiting(7, "chan receive");
	waiting(8, "chan receive");
	estimate();
	b = bucket(false);
	assert_null(bucket(true));
	assert_non_null(b);
	assert_int_equal(b->values[0], 2);
	assert_true(b->values[1] > 0);
	expect_waits_stack(b);
	label = t.r.labels[t.r.label_sets[b->labels].first];
	assert_memory_equal(reading_string(&t.r, label.key, &n), "status", 6);
	assert_memory_equal(reading_string(&t.r, label.value, &n), "still-blocked", 13);
	assert_true(t.r.head->ticks_per_second == 1e9);
}

static void
stop_again(struct fake_memory *fake)
{
	(void)fake;
	if (t.moves == 0)
		return;
	t.moves--;
	++*go_fake_at(&t.f, t.moving + t.f.n.at->g_tracking_seq);
}

static void
waits_that_are_over_are_counted_as_the_runtime_counts_stops(void **state)
{
	const struct reading_bucket *b;

	(void)state;
	t.moving = waiting(7, "chan receive");
	t.f.fake.before = stop_again;
	t.moves = 100000;
	estimate();
	b = bucket(true);
	assert_non_null(b);
	/* Some were before it was first looked at, and the last is not over. */
	assert_in_range(b->values[0], 1, 100000 - t.moves);
	expect_waits_stack(b);
	assert_non_null(bucket(false));
	assert_int_equal(bucket(false)->values[0], 1);
}

static void
end_it(struct fake_memory *fake)
{
	(void)fake;
	if (t.moves > 0 && --t.moves == 0)
		set_status(t.moving, GO_G_DEAD);
}

static void
a_goroutine_that_ends_has_waited(void **state)
{
	(void)state;
	t.moving = waiting(7, "chan receive");
	t.f.fake.before = end_it;
	t.moves = 8; /* when its stack has been read */
	estimate();
	assert_int_equal(t.moves, 0);
	assert_null(bucket(false));
	assert_non_null(bucket(true));
	assert_int_equal(bucket(true)->values[0], 1);
}

static void
sleep_and_what_else_no_block_profile_has_is_not_counted(void **state)
{
	(void)state;
	waiting(7, "sleep");
	waiting(8, "IO wait");
	set_status(waiting(9, "chan receive"), GO_G_RUNNING);
	estimate();
	assert_int_equal(t.r.head->buckets.n, 0);
}

static void
whoever_was_woken_waits_until_it_runs(void **state)
{
	uint64_t g;

	(void)state;
	set_status(waiting(7, "chan receive"), GO_G_RUNNABLE);
	/* This one was only put off. */
	g = waiting(8, "chan receive");
	set_status(g, GO_G_RUNNABLE);
	go_fake_set(&t.f, g, t.f.n.at->g_sched_pc, go_fake_pc(FAKE_SPIN, 60));
	estimate();
	assert_non_null(bucket(false));
	assert_int_equal(bucket(false)->values[0], 1);
}

static void
shorten(struct fake_memory *fake)
{
	(void)fake;
	if (t.moves > 0 && --t.moves == 0) {
		t.f.count--;
		go_fake_set_list(&t.f);
	}
}

static void
a_list_of_goroutines_that_becomes_shorter_is_none(void **state)
{
	(void)state;
	waiting(7, "chan receive");
	waiting(8, "chan receive");
	t.f.fake.before = shorten;
	t.moves = 8;
	assert_int_equal(reading_writer_new(&t.w, READING_BLOCK_ESTIMATE), 0);
	assert_int_equal(go_estimate_read(&t.f.n, WINDOW_MS, t.w, &t.why), -EBADMSG);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(whoever_waits_all_the_time_is_still_blocked),
		TEST(waits_that_are_over_are_counted_as_the_runtime_counts_stops),
		TEST(a_goroutine_that_ends_has_waited),
		TEST(sleep_and_what_else_no_block_profile_has_is_not_counted),
		TEST(whoever_was_woken_waits_until_it_runs),
		TEST(a_list_of_goroutines_that_becomes_shorter_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
