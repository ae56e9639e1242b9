/* Where threads are: kids that sleep, burn and exit, and a loop that runs. */
#include "config.h"

#include "collector/regs.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"
#include "base/wire.h"
#include "tests/unit/kid.h"

#define ANSWERS_MAX 600

static struct loop loop;
static struct regs regs;
static bool permitted; /* perf_event_open of another process */

static struct told {
	uint32_t tid;
	uint8_t where;
	uint64_t pc, sp, fp, age_ns;
	uint16_t stack_n;
	uint64_t words[2]; /* the first of the stack */
} told[ANSWERS_MAX];
static size_t n_told;
static unsigned int n_last, messages;

static void
take(void *ctx, const struct buf *body)
{
	struct cur c;
	uint8_t is_last;

	assert_ptr_equal(ctx, &regs);
	cur_init(&c, body->data, body->len);
	assert_true(body->len <= WIRE_BODY_MAX);
	assert_int_equal(cur_u32(&c), 4711);
	is_last = cur_u8(&c);
	messages++;
	for (uint16_t k = cur_u16(&c); k; k--) {
		struct told *t = &told[n_told++];
		const void *stack;

		assert_true(n_told <= ANSWERS_MAX);
		t->tid = cur_u32(&c);
		t->where = cur_u8(&c);
		t->pc = cur_u64(&c);
		t->sp = cur_u64(&c);
		t->fp = cur_u64(&c);
		t->age_ns = cur_u64(&c);
		t->stack_n = cur_u16(&c);
		stack = cur_bytes(&c, t->stack_n);
		if (t->stack_n >= sizeof(t->words))
			memcpy(t->words, stack, sizeof(t->words));
	}
	assert_int_equal(cur_error(&c), 0);
	assert_int_equal(cur_left(&c), 0);
	if (is_last) {
		n_last++;
		loop.stop = true;
	}
}

/* Ask, and let the loop run until all is told. */
static void
ask(pid_t pid, const uint32_t *tids, size_t n)
{
	struct err why;

	n_told = n_last = messages = 0;
	loop.stop = false;
	regs_ask(&regs, 4711, pid, tids, n);
	assert_int_equal(loop_run(&loop, &why), 0);
	assert_int_equal(n_last, 1);
	assert_int_equal(n_told, n);
	assert_null(regs.questions);
	assert_int_equal(regs.n_events, 0);
}

static int
start(void **state)
{
	pid_t burner = kid_start(kid_burns, NULL);
	struct err why;
	int fd;

	(void)state;
	log_start("test_regs", LOG_ERROR);
	go_first();
	if (loop_init(&loop, &why) < 0)
		return -1;
	regs_init(&regs, &loop);
	regs.send = take;
	regs.ctx = &regs;
	fd = event_open(&regs.event, burner, -1);
	permitted = fd >= 0;
	if (fd >= 0)
		close(fd);
	kid_stop(burner);
	return 0;
}

static int
end(void **state)
{
	(void)state;
	regs_fini(&regs);
	loop_fini(&loop);
	return 0;
}

/* ---- the kernel's text */

static void
the_kernels_text_is_read(void **state)
{
	uint64_t sp = 0, pc = 0;

	(void)state;
	assert_int_equal(regs_parse("running\n", &sp, &pc), 0);
	assert_int_equal(regs_parse("202 0x1 0x80 0x0 0x0 0x0 0xffffffffffffffff 0x7ffc0123 0x46f6e3\n", &sp, &pc), 1);
	assert_true(sp == 0x7ffc0123 && pc == 0x46f6e3);
	assert_int_equal(regs_parse("-1 0xc000012340 0x46f000\n", &sp, &pc), 1);
	assert_true(sp == 0xc000012340 && pc == 0x46f000);
}

static void
other_text_is_none(void **state)
{
	static const char *const texts[] = { "",	   "-",	       "-1",	     "-1 0x1",		   "202",
					     "202 0x1 0x2", "-2 1 2",  "0x202 0x1",  "walking",
					     "202 0x1 0x2 0x3 0x4 0x5 0x6 0x7", "202 x x x x x x x x" };
	uint64_t sp, pc;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (regs_parse(texts[i], &sp, &pc) != -EBADMSG)
			fail_msg("\"%s\" is taken", texts[i]);
}

/* ---- threads */

static void
a_thread_that_sleeps_tells_its_stack_pointer_and_pc(void **state)
{
	pid_t kid = kid_start(kid_sleeps, NULL);
	uint32_t tid = (uint32_t)kid;

	(void)state;
	/* It is on its way to sleep. */
	for (int i = 0; i < 500; i++) {
		ask(kid, &tid, 1);
		if (told[0].where == THREAD_OFF_CPU)
			break;
	}
	assert_int_equal(told[0].where, THREAD_OFF_CPU);
	assert_int_equal(told[0].tid, tid);
	assert_true(told[0].pc > 4096 && told[0].sp > 4096);
	assert_int_equal(told[0].stack_n, 0);
	kid_stop(kid);
}

/* Spins in a function of its own. */
static void __attribute__((noinline))
spin(void)
{
	static volatile unsigned long sink;

	for (;;)
		sink++;
}

static int
kid_spins(void *arg)
{
	(void)arg;
	kid_ready();
	spin();
	return 0;
}

/* A kid is a copy of us. */
static bool
is_in_spin(uint64_t pc)
{
	return pc >= (uintptr_t)spin && pc < (uintptr_t)spin + 256;
}

static void
a_thread_that_runs_is_sampled_with_its_stack(void **state)
{
	pid_t kid = kid_start(kid_spins, NULL);
	uint32_t tid = (uint32_t)kid;

	(void)state;
	if (!permitted)
		kid_stop(kid);
	SKIP_UNLESS(permitted, "perf_event_open is not permitted here (CAP_PERFMON)");
	/* On a busy machine it may not get to run in 50 ms. */
	for (int i = 0; i < 500; i++) {
		ask(kid, &tid, 1);
		if (told[0].where == THREAD_SAMPLED && is_in_spin(told[0].pc))
			break;
	}
	assert_int_equal(told[0].where, THREAD_SAMPLED);
	assert_true(is_in_spin(told[0].pc));
	assert_int_equal(told[0].sp % 8, 0);
	assert_true(told[0].stack_n > 512);
	assert_true(told[0].stack_n <= REGS_STACK_BYTES);
	assert_true(told[0].age_ns < 1000000000u);
	kid_stop(kid);
}

static void
a_thread_that_is_stopped_is_off_the_cpu(void **state)
{
	pid_t kid = kid_start(kid_spins, NULL);
	uint32_t tid = (uint32_t)kid;
	int status;

	(void)state;
	for (int i = 0; i < 500; i++) {
		kill(kid, SIGSTOP);
		waitpid(kid, &status, WUNTRACED);
		ask(kid, &tid, 1);
		if (told[0].where == THREAD_OFF_CPU && is_in_spin(told[0].pc))
			break;
		kill(kid, SIGCONT);
		wait_ms(1);
	}
	assert_int_equal(told[0].where, THREAD_OFF_CPU);
	assert_true(is_in_spin(told[0].pc));
	kid_stop(kid);
}

static void
threads_of_others_and_of_nobody_are_gone(void **state)
{
	pid_t kid = kid_start(kid_sleeps, NULL);
	const uint32_t tids[] = { 1, (uint32_t)getpid(), 0, UINT32_MAX, 0x7fffffff };

	(void)state;
	ask(kid, tids, 5);
	for (size_t i = 0; i < 5; i++)
		assert_int_equal(told[i].where, THREAD_GONE);
	kid_stop(kid);
	ask(kid, tids, 5); /* the process is gone itself */
	ask(kid, NULL, 0);
	assert_int_equal(messages, 1);
}

#define MANY 100

static void *
thread_sleeps(void *arg)
{
	(void)arg;
	for (;;)
		pause();
	return NULL;
}

static void *
thread_spins(void *arg)
{
	(void)arg;
	spin();
	return NULL;
}

static int
kid_has_threads(void *arg)
{
	pthread_t t;

	(void)arg;
	for (int i = 0; i < MANY; i++)
		if (pthread_create(&t, NULL, i % 20 ? thread_sleeps : thread_spins, NULL))
			return 1;
	return kid_sleeps(NULL);
}

static size_t
threads_of(pid_t pid, uint32_t *tids, size_t max)
{
	char path[64];
	struct dirent *e;
	size_t n = 0;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	d = opendir(path);
	assert_non_null(d);
	while (n < max && (e = readdir(d)))
		if (e->d_name[0] != '.')
			tids[n++] = (uint32_t)atoi(e->d_name);
	closedir(d);
	return n;
}

static void
many_threads_are_each_told_once(void **state)
{
	pid_t kid = kid_start(kid_has_threads, NULL);
	uint32_t tids[MANY + 1];
	size_t off = 0;

	(void)state;
	assert_int_equal(threads_of(kid, tids, MANY + 1), MANY + 1);
	for (int i = 0; i < 100 && off < MANY * 9 / 10; i++) {
		off = 0;
		ask(kid, tids, MANY + 1);
		for (size_t k = 0; k < n_told; k++)
			off += told[k].where == THREAD_OFF_CPU;
	}
	assert_true(off >= MANY * 9 / 10);
	for (size_t k = 0; k < n_told; k++)
		for (size_t j = 0; j < k; j++)
			assert_int_not_equal(told[k].tid, told[j].tid);
	kid_stop(kid);
}

static void
questions_that_are_under_way_end_with_the_link(void **state)
{
	pid_t kid = kid_start(kid_burns, NULL);
	uint32_t tid = (uint32_t)kid;
	int before = open_descriptors();

	(void)state;
	n_told = n_last = messages = 0;
	for (int i = 0; i < 10; i++)
		regs_ask(&regs, 4711, kid, &tid, 1);
	regs_fini(&regs);
	assert_null(regs.questions);
	assert_int_equal(regs.n_events, 0);
	assert_int_equal(open_descriptors(), before);
	assert_null(loop.timers);
	kid_stop(kid);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_kernels_text_is_read),
		cmocka_unit_test(other_text_is_none),
		cmocka_unit_test(a_thread_that_sleeps_tells_its_stack_pointer_and_pc),
		cmocka_unit_test(a_thread_that_runs_is_sampled_with_its_stack),
		cmocka_unit_test(a_thread_that_is_stopped_is_off_the_cpu),
		cmocka_unit_test(threads_of_others_and_of_nobody_are_gone),
		cmocka_unit_test(many_threads_are_each_told_once),
		cmocka_unit_test(questions_that_are_under_way_end_with_the_link),
	};

	return cmocka_run_group_tests(tests, start, end);
}
