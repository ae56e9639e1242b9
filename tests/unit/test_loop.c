#include "config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "collector/loop.h"

#define MS 1000000u

static struct loop loop;
static char trail[64]; /* who was called, in order */

static int
loop_start(void **state)
{
	struct err why;

	(void)state;
	trail[0] = '\0';
	return loop_init(&loop, &why);
}

static int
loop_end(void **state)
{
	(void)state;
	loop_fini(&loop);
	loop_fini(&loop);
	return 0;
}

static void
leave(char c)
{
	size_t n = strlen(trail);

	assert_true(n < sizeof(trail) - 1);
	trail[n] = c;
	trail[n + 1] = '\0';
}

static void
run(void)
{
	struct err why;

	loop.stop = false;
	assert_int_equal(loop_run(&loop, &why), 0);
}

/* ---- timers */

struct beep {
	struct loop_timer timer;
	char name;
	int again; /* times more */
	struct beep *stops;
};

static void
beep(void *ctx)
{
	struct beep *b = ctx;

	leave(b->name);
	if (b->stops)
		loop_timer_stop(&loop, &b->stops->timer);
	if (b->again-- > 0)
		loop_timer_start(&loop, &b->timer, MS);
}

static void
stop(void *ctx)
{
	(void)ctx;
	leave('.');
	loop.stop = true;
}

static void
beep_start(struct beep *b, char name, uint64_t after_ns)
{
	*b = (struct beep){ .timer = { .fire = beep, .ctx = b }, .name = name };
	loop_timer_start(&loop, &b->timer, after_ns);
}

static struct loop_timer the_end = { .fire = stop };

static void
timers_fire_in_their_order_not_in_that_of_their_start(void **state)
{
	struct beep a, b, c;

	(void)state;
	beep_start(&c, 'c', 6 * MS);
	beep_start(&a, 'a', 2 * MS);
	beep_start(&b, 'b', 4 * MS);
	loop_timer_start(&loop, &the_end, 8 * MS);
	run();
	assert_string_equal(trail, "abc.");
	assert_null(loop.timers);
	assert_int_equal(a.timer.at_ns, 0);
}

static void
a_timer_never_fires_early(void **state)
{
	uint64_t before = loop_now();

	(void)state;
	loop_timer_start(&loop, &the_end, 3 * MS + 1);
	run();
	assert_true(loop_now() - before > 3 * MS);
}

static void
a_timer_may_start_itself_again(void **state)
{
	struct beep a;

	(void)state;
	beep_start(&a, 'a', MS);
	a.again = 3;
	loop_timer_start(&loop, &the_end, 30 * MS);
	run();
	assert_string_equal(trail, "aaaa.");
}

static void
a_timer_started_twice_fires_once_and_later(void **state)
{
	struct beep a, b;

	(void)state;
	beep_start(&a, 'a', MS);
	beep_start(&b, 'b', 4 * MS);
	loop_timer_start(&loop, &a.timer, 8 * MS);
	loop_timer_start(&loop, &the_end, 12 * MS);
	run();
	assert_string_equal(trail, "ba.");
}

static void
a_timer_may_stop_the_one_that_is_due_with_it(void **state)
{
	struct beep a, b;

	(void)state;
	beep_start(&a, 'a', 0);
	beep_start(&b, 'b', 0);
	a.stops = &b;
	loop_timer_start(&loop, &the_end, 3 * MS);
	run();
	assert_string_equal(trail, "a.");
	loop_timer_stop(&loop, &b.timer); /* not running: nothing happens */
}

/* ---- descriptors */

struct bell {
	struct loop_fd source;
	char name;
	struct bell *removes;
};

static void
ring(void *ctx, uint32_t events)
{
	struct bell *b = ctx;
	int fd = b->source.fd;
	uint64_t n;

	assert_true(events & EPOLLIN);
	assert_int_equal(read(fd, &n, sizeof(n)), sizeof(n));
	leave(b->name);
	if (b->removes)
		loop_remove(&loop, &b->removes->source);
}

static int
bell_start(struct bell *b, char name)
{
	int fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);

	*b = (struct bell){ .source = { .fd = fd, .ready = ring, .ctx = b }, .name = name };
	assert_int_equal(loop_add(&loop, &b->source, EPOLLIN), 0);
	return fd;
}

static void
a_ready_descriptor_is_told_once_for_each_time(void **state)
{
	struct bell a;
	int fd = bell_start(&a, 'a');

	(void)state;
	loop_timer_start(&loop, &the_end, 3 * MS);
	run();
	assert_string_equal(trail, "a.");
	loop_remove(&loop, &a.source);
	assert_int_equal(a.source.fd, -1);
	loop_remove(&loop, &a.source);
	close(fd);
}

static void
one_that_is_removed_by_another_is_not_called_though_it_was_ready(void **state)
{
	struct bell a, b;
	int fd_a = bell_start(&a, 'x'), fd_b = bell_start(&b, 'x');

	(void)state;
	/* Whichever comes first takes the other out. */
	a.removes = &b;
	b.removes = &a;
	loop_timer_start(&loop, &the_end, 3 * MS);
	run();
	assert_string_equal(trail, "x.");
	close(fd_a);
	close(fd_b);
}

static void
one_may_remove_itself(void **state)
{
	struct bell a;
	int fd = bell_start(&a, 'a');
	uint64_t one = 1;

	(void)state;
	a.removes = &a;
	assert_int_equal(write(fd, &one, sizeof(one)), sizeof(one));
	loop_timer_start(&loop, &the_end, 3 * MS);
	run();
	assert_string_equal(trail, "a.");
	close(fd);
}

static void
what_is_waited_for_can_be_changed(void **state)
{
	struct bell a;
	int fd = bell_start(&a, 'a');

	(void)state;
	assert_int_equal(loop_change(&loop, &a.source, 0), 0);
	loop_timer_start(&loop, &the_end, 2 * MS);
	run();
	assert_string_equal(trail, ".");
	assert_int_equal(loop_change(&loop, &a.source, EPOLLIN), 0);
	loop_timer_start(&loop, &the_end, 2 * MS);
	run();
	assert_string_equal(trail, ".a.");
	loop_remove(&loop, &a.source);
	assert_int_equal(loop_change(&loop, &a.source, EPOLLIN), -EBADF);
	close(fd);
}

static void
what_cannot_be_watched_is_said(void **state)
{
	struct loop_fd none = { .fd = -1, .ready = ring };

	(void)state;
	assert_int_equal(loop_add(&loop, &none, EPOLLIN), -EBADF);
}

#define IN_LOOP(f) cmocka_unit_test_setup_teardown(f, loop_start, loop_end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		IN_LOOP(timers_fire_in_their_order_not_in_that_of_their_start),
		IN_LOOP(a_timer_never_fires_early),
		IN_LOOP(a_timer_may_start_itself_again),
		IN_LOOP(a_timer_started_twice_fires_once_and_later),
		IN_LOOP(a_timer_may_stop_the_one_that_is_due_with_it),
		IN_LOOP(a_ready_descriptor_is_told_once_for_each_time),
		IN_LOOP(one_that_is_removed_by_another_is_not_called_though_it_was_ready),
		IN_LOOP(one_may_remove_itself),
		IN_LOOP(what_is_waited_for_can_be_changed),
		IN_LOOP(what_cannot_be_watched_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
