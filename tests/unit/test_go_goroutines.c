#include "config.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "symbolize/go_goroutines.h"
#include "tests/unit/go_fake_node.h"

#define MINOR 26

static struct {
	struct go_fake_node f;
	struct reading_writer *w;
	struct reading r;
	struct err why;
	/* What the node does while it is read. */
	uint64_t moving;
	unsigned int moves;
	/* Where the one thread is. */
	struct thread_regs regs;
	unsigned int asked;
} t;

static int
set_up(void **state)
{
	(void)state;
	memset(&t, 0, sizeof(t));
	go_fake_init(&t.f, MINOR);
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

static int
ask(void *ctx, struct thread_regs *threads, size_t n)
{
	(void)ctx;
	t.asked++;
	for (size_t i = 0; i < n; i++)
		if (threads[i].tid == t.regs.tid)
			threads[i] = t.regs;
	return 0;
}

static int
try_read(enum reading_kind kind)
{
	const struct thread_regs_source regs = { ask, NULL };

	reading_writer_free(t.w);
	assert_int_equal(reading_writer_new(&t.w, kind), 0);
	return go_goroutines_read(&t.f.n, kind, &regs, t.w, &t.why);
}

static void
read_all(enum reading_kind kind)
{
	int fd = memfd_create("r", MFD_ALLOW_SEALING | MFD_CLOEXEC);

	assert_int_equal(try_read(kind), 0);
	assert_int_equal(reading_writer_finish(t.w, fd, &t.why), 0);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE), 0);
	assert_int_equal(reading_open(&t.r, fd, &t.why), 0);
	close(fd);
}

static const struct reading_goroutine *
goroutine(uint64_t goid)
{
	for (uint64_t i = 0; i < t.r.head->goroutines.n; i++)
		if (t.r.goroutines[i].goid == goid)
			return &t.r.goroutines[i];
	return NULL;
}

static void
expect_state(uint64_t goid, const char *text)
{
	size_t n;
	const char *s;

	assert_non_null(goroutine(goid));
	s = reading_string(&t.r, goroutine(goid)->state, &n);
	assert_int_equal(n, strlen(text));
	assert_memory_equal(s, text, n);
}

#define expect(goid, ...)                                                                                  \
	expect_stack(goid, (const uint64_t[]){ __VA_ARGS__ }, sizeof((uint64_t[]){ __VA_ARGS__ }) / 8)

static void
expect_stack(uint64_t goid, const uint64_t *pcs, size_t n)
{
	struct reading_stack s;

	assert_non_null(goroutine(goid));
	s = t.r.stacks[goroutine(goid)->stack];
	assert_int_equal(s.n, n);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(t.r.pcs[s.first + i], pcs[i]);
}

static const struct go_offsets *
at(void)
{
	return t.f.n.at;
}

static void
set_status(uint64_t g, uint32_t status)
{
	memcpy(go_fake_at(&t.f, g + at()->g_status), &status, 4);
}

#define PARKED go_fake_pc(FAKE_GOPARK, 50), go_fake_pc(FAKE_WORK, 60), go_fake_pc(FAKE_GOEXIT, 1)

/* ---- parked ones */

static void
a_parked_goroutine_comes_with_all_that_is_known(void **state)
{
	const struct reading_goroutine *g;
	struct timespec now;
	uint64_t p;

	(void)state;
	p = go_fake_parked(&t.f, 7, FAKE_WORK, "chan receive");
	go_fake_set(&t.f, p, at()->g_lockedm, 0x1234);
	clock_gettime(CLOCK_MONOTONIC, &now);
	go_fake_set(&t.f, p, at()->g_waitsince, (uint64_t)(now.tv_sec - 600) * 1000000000);
	read_all(READING_GOROUTINE);
	assert_int_equal(t.r.head->goroutines.n, 1);
	g = goroutine(7);
	expect_state(7, "chan receive");
	expect(7, PARKED);
	assert_int_equal(g->parent, 1);
	assert_int_equal(g->creator_pc, go_fake_pc(FAKE_CREATE, 40));
	assert_int_equal(g->flags, READING_G_LOCKED);
	assert_in_range(g->wait_ns / 1000000000, 599, 700);
	assert_int_equal(t.r.head->unread, 0);
}

static void
goroutines_that_are_not_in_use_and_what_is_none_are_left_out(void **state)
{
	uint64_t g, hi;

	(void)state;
	go_fake_parked(&t.f, 7, FAKE_WORK, "select");
	go_fake_g(&t.f, 8, GO_G_DEAD, FAKE_WORK, &hi);
	go_fake_g(&t.f, 9, GO_G_IDLE, FAKE_WORK, &hi);
	go_fake_g(&t.f, 10, GO_G_DEADEXTRA, FAKE_WORK, &hi);
	go_fake_g(&t.f, 11, 99, FAKE_WORK, &hi);
	g = go_fake_parked(&t.f, 12, FAKE_WORK, "select");
	go_fake_set(&t.f, g, at()->g_stack_lo, hi + 64 * FAKE_STACK); /* below its end */
	go_fake_put(&t.f, t.f.list + 8 * t.f.count++, 0);
	go_fake_put(&t.f, t.f.list + 8 * t.f.count++, 0x1000);
	go_fake_set_list(&t.f);
	read_all(READING_GOROUTINE);
	assert_int_equal(t.r.head->goroutines.n, 1);
	assert_non_null(goroutine(7));
}

static void
states_are_those_of_the_runtime_s_text(void **state)
{
	uint64_t g, hi;

	(void)state;
	go_fake_parked(&t.f, 1, FAKE_WORK, "sync.Mutex.Lock");
	set_status(go_fake_parked(&t.f, 2, FAKE_WORK, "select"), GO_G_RUNNABLE);
	set_status(go_fake_parked(&t.f, 3, FAKE_WORK, "select"), GO_G_LEAKED);
	set_status(go_fake_parked(&t.f, 4, FAKE_WORK, "sleep"), GO_G_WAITING | 0x1000);
	g = go_fake_parked(&t.f, 5, FAKE_WORK, "select");
	*go_fake_at(&t.f, g + at()->g_waitreason) = 250;
	g = go_fake_parked(&t.f, 6, FAKE_WORK, "");
	*go_fake_at(&t.f, g + at()->g_waitreason) = 0;
	g = go_fake_parked(&t.f, 7, FAKE_WORK, "sleep");
	hi = go_fake_room(&t.f, 256);
	go_fake_set(&t.f, g, at()->g_bubble, hi);
	go_fake_set(&t.f, hi, at()->bubble_id, 42);
	set_status(go_fake_parked(&t.f, 8, FAKE_WORK, "preempted"), GO_G_PREEMPTED);
	read_all(READING_GOROUTINE);
	expect_state(1, "sync.Mutex.Lock");
	expect_state(2, "runnable");
	expect_state(3, "select (leaked)");
	assert_int_equal(goroutine(3)->flags, READING_G_LEAKED);
	expect_state(4, "sleep");
	expect_state(5, "unknown wait reason");
	expect_state(6, "waiting");
	expect_state(7, "sleep (durable)");
	assert_int_equal(goroutine(7)->bubble, 42);
	expect_state(8, "preempted");
}

static void
system_goroutines_are_marked_but_not_while_they_run_users_code(void **state)
{
	uint64_t g, hi, sp;

	(void)state;
	go_fake_parked(&t.f, 1, FAKE_BGSWEEP, "GC sweep wait");
	go_fake_parked(&t.f, 2, FAKE_RUNFINQ, "finalizer wait");
	g = go_fake_parked(&t.f, 3, FAKE_CLEANUPS, "cleanup wait");
	go_fake_parked(&t.f, 4, FAKE_CLEANUPS, "cleanup wait");
	*go_fake_at(&t.f, g + at()->g_running_cleanups) = 1;
	/* goexit, runfinq, main.work, gopark */
	g = go_fake_g(&t.f, 5, GO_G_WAITING, FAKE_RUNFINQ, &hi);
	sp = go_fake_push(&t.f, hi, go_fake_pc(FAKE_GOEXIT, 1), 8);
	sp = go_fake_push(&t.f, sp, go_fake_pc(FAKE_RUNFINQ, 60), 24);
	sp = go_fake_push(&t.f, sp, go_fake_pc(FAKE_WORK, 60), 16);
	go_fake_set(&t.f, g, at()->g_sched_pc, go_fake_pc(FAKE_GOPARK, 50));
	go_fake_set(&t.f, g, at()->g_sched_sp, sp);
	read_all(READING_GOROUTINE);
	assert_int_equal(goroutine(1)->flags, READING_G_SYSTEM);
	assert_int_equal(goroutine(2)->flags, READING_G_SYSTEM);
	assert_int_equal(goroutine(3)->flags, 0);
	assert_int_equal(goroutine(4)->flags, READING_G_SYSTEM);
	assert_int_equal(goroutine(5)->flags, 0);
	assert_int_equal(t.r.head->skipped, 3);
}

static void
one_in_a_system_call_begins_where_it_entered_it(void **state)
{
	uint64_t g, hi, sp, own, signal;

	(void)state;
	g = go_fake_g(&t.f, 7, GO_G_SYSCALL, FAKE_WORK, &hi);
	sp = go_fake_push(&t.f, hi, go_fake_pc(FAKE_GOEXIT, 1), 24);
	go_fake_set(&t.f, g, at()->g_syscallpc, go_fake_pc(FAKE_WORK, 70));
	go_fake_set(&t.f, g, at()->g_syscallsp, sp);
	go_fake_m(&t.f, g, 4711, &own, &signal);
	read_all(READING_GOROUTINE);
	expect_state(7, "syscall");
	expect(7, go_fake_pc(FAKE_WORK, 70), go_fake_pc(FAKE_GOEXIT, 1));
	assert_int_equal(goroutine(7)->tid, 4711);
	assert_int_equal(t.asked, 0);
}

/* It moves on with each read of the memory, some times. */
static void
move(struct fake_memory *fake)
{
	uint64_t g = t.moving;

	(void)fake;
	if (t.moves == 0)
		return;
	t.moves--;
	++*go_fake_at(&t.f, g + at()->g_tracking_seq);
	/* Its stack makes no sense while it runs. */
	go_fake_put(&t.f, FAKE_STACKS + FAKE_STACK - 8, t.moves ? 0x666 : go_fake_pc(FAKE_GOEXIT, 1));
}

static void
one_that_moves_while_it_is_read_is_read_again(void **state)
{
	(void)state;
	t.moving = go_fake_parked(&t.f, 7, FAKE_WORK, "select");
	go_fake_parked(&t.f, 8, FAKE_WORK, "select");
	t.f.fake.before = move;
	t.moves = 8;
	read_all(READING_GOROUTINE);
	assert_int_equal(t.moves, 0);
	expect(7, PARKED);
	expect(8, PARKED);
	assert_int_equal(t.r.head->unread, 0);
}

static void
one_that_never_stands_still_is_told_by_where_it_began(void **state)
{
	(void)state;
	t.moving = go_fake_parked(&t.f, 7, FAKE_WORK, "select");
	go_fake_parked(&t.f, 8, FAKE_WORK, "select");
	t.f.fake.before = move;
	t.moves = 1000000;
	read_all(READING_GOROUTINE);
	expect(7, go_fake_pc(FAKE_WORK, 0) | READING_PC_EXACT);
	assert_int_equal(goroutine(7)->flags, READING_G_UNREAD);
	expect(8, PARKED);
	assert_int_equal(t.r.head->unread, 1);
}

/* ---- running ones */

struct running {
	uint64_t g, m, hi, own_hi, signal_hi;
};

static struct running
run(uint64_t goid)
{
	struct running r;

	r.g = go_fake_g(&t.f, goid, GO_G_RUNNING, FAKE_SPIN, &r.hi);
	r.m = go_fake_m(&t.f, r.g, 4711, &r.own_hi, &r.signal_hi);
	t.regs = (struct thread_regs){ .tid = 4711, .where = THREAD_OFF_CPU };
	return r;
}

#define SPINS go_fake_pc(FAKE_SPIN, 77) | READING_PC_EXACT, go_fake_pc(FAKE_GOEXIT, 1)

static void
a_running_one_is_where_its_thread_is(void **state)
{
	struct running r;

	(void)state;
	r = run(7);
	t.regs.sp = go_fake_push(&t.f, r.hi, go_fake_pc(FAKE_GOEXIT, 1), 8);
	t.regs.pc = go_fake_pc(FAKE_SPIN, 77);
	read_all(READING_GOROUTINE);
	expect(7, SPINS);
	expect_state(7, "running");
	assert_int_equal(goroutine(7)->flags, READING_G_RUNNING);
	assert_int_equal(goroutine(7)->tid, 4711);
}

static void
a_sample_brings_the_words_of_its_own_moment(void **state)
{
	uint64_t words[2] = { 0, go_fake_pc(FAKE_GOEXIT, 1) };
	struct running r;

	(void)state;
	r = run(7);
	t.regs.where = THREAD_SAMPLED;
	t.regs.sp = r.hi - 16; /* where the memory has nothing any more */
	t.regs.pc = go_fake_pc(FAKE_SPIN, 77);
	t.regs.stack = (unsigned char *)words;
	t.regs.stack_n = sizeof(words);
	read_all(READING_GOROUTINE);
	expect(7, SPINS);
}

static void
one_on_its_thread_s_stack_is_where_it_left_its_own(void **state)
{
	struct running r;
	uint64_t sp;

	(void)state;
	r = run(7);
	t.regs.sp = r.own_hi - 64;
	t.regs.pc = go_fake_pc(FAKE_BGSWEEP, 30);
	sp = go_fake_push(&t.f, r.hi, go_fake_pc(FAKE_GOEXIT, 1), 8);
	sp = go_fake_push(&t.f, sp, go_fake_pc(FAKE_SPIN, 80), 8);
	go_fake_set(&t.f, r.g, at()->g_sched_sp, sp);
	go_fake_set(&t.f, r.g, at()->g_sched_pc, go_fake_pc(FAKE_SYSTEMSTACK, 20));
	read_all(READING_GOROUTINE);
	expect(7, go_fake_pc(FAKE_SYSTEMSTACK, 20), go_fake_pc(FAKE_SPIN, 80), go_fake_pc(FAKE_GOEXIT, 1));
}

static void
one_in_the_vdso_is_where_it_entered_that(void **state)
{
	struct running r;

	(void)state;
	r = run(7);
	t.regs.sp = r.own_hi - 64;
	t.regs.pc = 0x7fff12345678;
	go_fake_set(&t.f, r.m, at()->m_vdso_sp, go_fake_push(&t.f, r.hi, go_fake_pc(FAKE_GOEXIT, 1), 8));
	go_fake_set(&t.f, r.m, at()->m_vdso_pc, go_fake_pc(FAKE_SPIN, 80));
	/* Its record is old. */
	go_fake_set(&t.f, r.g, at()->g_sched_sp, r.hi - 256);
	read_all(READING_GOROUTINE);
	expect(7, go_fake_pc(FAKE_SPIN, 80), go_fake_pc(FAKE_GOEXIT, 1));
}

static void
one_that_a_signal_interrupted_is_where_the_kernel_says(void **state)
{
	struct running r;
	uint64_t frame;

	(void)state;
	r = run(7);
	frame = r.signal_hi - 1024; /* the kernel's: the return address, then the context */
	go_fake_put(&t.f, frame, 0x12345);
	go_fake_put(&t.f, frame + 8 + 160, go_fake_push(&t.f, r.hi, go_fake_pc(FAKE_GOEXIT, 1), 8));
	go_fake_put(&t.f, frame + 8 + 168, go_fake_pc(FAKE_SPIN, 77));
	t.regs.sp = frame - 32;
	t.regs.pc = go_fake_pc(FAKE_SIGTRAMP, 50);
	read_all(READING_GOROUTINE);
	expect(7, SPINS);
}

static void
one_whose_thread_is_nowhere_is_counted(void **state)
{
	(void)state;
	run(7);
	t.regs.where = THREAD_GONE;
	read_all(READING_GOROUTINE);
	expect(7, go_fake_pc(FAKE_SPIN, 0) | READING_PC_EXACT);
	assert_int_equal(goroutine(7)->flags, READING_G_RUNNING | READING_G_UNREAD);
	assert_int_equal(t.r.head->unread, 1);
}

static void
another_s_thread_says_nothing(void **state)
{
	struct running r;

	(void)state;
	r = run(7);
	t.regs.sp = go_fake_push(&t.f, r.hi, go_fake_pc(FAKE_GOEXIT, 1), 8);
	t.regs.pc = go_fake_pc(FAKE_SPIN, 77);
	go_fake_set(&t.f, r.m, at()->m_curg, 0xc000666000);
	read_all(READING_GOROUTINE);
	assert_true(goroutine(7)->flags & READING_G_UNREAD);
}

static void
park_it(struct fake_memory *fake)
{
	(void)fake;
	if (t.asked == 0 || t.moves == 0)
		return;
	/* While its thread was asked for, it parked. */
	t.moves = 0;
	set_status(t.moving, GO_G_WAITING);
	go_fake_set(&t.f, t.moving, at()->g_sched_pc, go_fake_pc(FAKE_GOPARK, 50));
	go_fake_set(&t.f, t.moving, at()->g_sched_sp, FAKE_STACKS + FAKE_STACK - 16 - 24);
	go_fake_put(&t.f, FAKE_STACKS + FAKE_STACK - 8, go_fake_pc(FAKE_GOEXIT, 1));
	go_fake_put(&t.f, FAKE_STACKS + FAKE_STACK - 24, go_fake_pc(FAKE_SPIN, 60));
}

static void
one_that_parks_meanwhile_is_read_as_parked(void **state)
{
	struct running r;

	(void)state;
	r = run(7);
	t.regs.where = THREAD_GONE;
	t.moving = r.g;
	t.moves = 1;
	t.f.fake.before = park_it;
	read_all(READING_GOROUTINE);
	expect(7, go_fake_pc(FAKE_GOPARK, 50), go_fake_pc(FAKE_SPIN, 60), go_fake_pc(FAKE_GOEXIT, 1));
	assert_int_equal(goroutine(7)->flags, 0);
	expect_state(7, "waiting");
}

/* ---- all of it */

static void
only_leaked_ones_are_leaks(void **state)
{
	(void)state;
	go_fake_parked(&t.f, 1, FAKE_WORK, "select");
	set_status(go_fake_parked(&t.f, 2, FAKE_WORK, "chan send"), GO_G_LEAKED);
	run(3);
	read_all(READING_LEAK);
	assert_int_equal(t.r.head->goroutines.n, 1);
	expect_state(2, "chan send (leaked)");
	t.f.n.minor = 25;
	assert_int_equal(try_read(READING_LEAK), -ENOENT);
}

static void
a_list_that_makes_no_sense_is_an_error(void **state)
{
	(void)state;
	go_fake_parked(&t.f, 1, FAKE_WORK, "select");
	memset(t.f.data + 8, 0x11, 16); /* its length and capacity */
	assert_int_equal(try_read(READING_GOROUTINE), -E2BIG);
	memset(t.f.data + 16, 0, 8);
	assert_int_equal(try_read(READING_GOROUTINE), -EBADMSG);
	go_fake_set_list(&t.f);
	memset(t.f.data, 0x11, 8);
	assert_int_equal(try_read(READING_GOROUTINE), -EBADMSG);
	t.f.n.roots.allgs = 0;
	assert_int_equal(try_read(READING_GOROUTINE), -ENOTSUP);
}

static void
a_version_that_is_not_known_must_make_sense(void **state)
{
	uint64_t g;

	(void)state;
	for (uint64_t i = 1; i < 8; i++)
		go_fake_parked(&t.f, i, FAKE_WORK, "select");
	t.f.n.guessed = true;
	read_all(READING_GOROUTINE);
	assert_int_equal(t.r.head->goroutines.n, 7);
	reading_close(&t.r);
	g = go_fake_parked(&t.f, 8, FAKE_WORK, "select");
	go_fake_set(&t.f, g, at()->g_sched_sp, 64);
	assert_int_equal(try_read(READING_GOROUTINE), -ENOTSUP);
	assert_non_null(strstr(t.why.text, "go1.26.0"));
}

static void
two_goroutines_of_one_number_are_not_believed_of_an_unknown_version(void **state)
{
	(void)state;
	go_fake_parked(&t.f, 1, FAKE_WORK, "select");
	go_fake_parked(&t.f, 1, FAKE_WORK, "select");
	t.f.n.guessed = true;
	assert_int_equal(try_read(READING_GOROUTINE), -ENOTSUP);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_parked_goroutine_comes_with_all_that_is_known),
		TEST(goroutines_that_are_not_in_use_and_what_is_none_are_left_out),
		TEST(states_are_those_of_the_runtime_s_text),
		TEST(system_goroutines_are_marked_but_not_while_they_run_users_code),
		TEST(one_in_a_system_call_begins_where_it_entered_it),
		TEST(one_that_moves_while_it_is_read_is_read_again),
		TEST(one_that_never_stands_still_is_told_by_where_it_began),
		TEST(a_running_one_is_where_its_thread_is),
		TEST(a_sample_brings_the_words_of_its_own_moment),
		TEST(one_on_its_thread_s_stack_is_where_it_left_its_own),
		TEST(one_in_the_vdso_is_where_it_entered_that),
		TEST(one_that_a_signal_interrupted_is_where_the_kernel_says),
		TEST(one_whose_thread_is_nowhere_is_counted),
		TEST(another_s_thread_says_nothing),
		TEST(one_that_parks_meanwhile_is_read_as_parked),
		TEST(only_leaked_ones_are_leaks),
		TEST(a_list_that_makes_no_sense_is_an_error),
		TEST(a_version_that_is_not_known_must_make_sense),
		TEST(two_goroutines_of_one_number_are_not_believed_of_an_unknown_version),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
