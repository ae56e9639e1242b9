/*
 * Rates that are set for a while: a node, a guardian, and a symbolizer played by the test, which says
 * where the rate is.
 */
#include "config.h"

#include "collector/arm.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"
#include "base/wire.h"
#include "collector/guardian.h"
#include "conf/conf.h"
#include "symbolize/reading_writer.h"
#include "tests/unit/kid.h"

#define MS 1000000u
#define PATIENCE 4000 /* turns of 5 ms */

/* A kid is a copy of us: it has these at the same places. */
static volatile uint64_t block_rate, mutex_rate;
static volatile uint64_t *elsewhere; /* not in the program's data */

static struct conf conf;
static struct loop loop;
static struct objects objects;
static struct memories memories;
static struct link l;
static struct arms arms;
static struct node node;
static char *dir;
static char socket_path[300];
static int listener, peer, mem;
static pid_t kid;
static struct wire_msg msg;

/* What each user was told last: 0 nothing, 200 armed, else why not. */
static struct user {
	unsigned int status, told;
	char text[ERR_TEXT_MAX];
} users[4];

static void
told(void *user, const struct refusal *no)
{
	struct user *u = user;

	u->told++;
	u->status = no ? no->status : 200;
	snprintf(u->text, sizeof(u->text), "%s", no ? no->why.text : "");
}

static void
stop(void *ctx)
{
	(void)ctx;
	loop.stop = true;
}

static void
turn(void)
{
	struct loop_timer t = { .fire = stop };
	struct err why;

	loop.stop = false;
	loop_timer_start(&loop, &t, 5 * MS);
	assert_int_equal(loop_run(&loop, &why), 0);
	loop_timer_stop(&loop, &t);
}

static int
kid_sleeps_elsewhere(void *arg)
{
	return kid_sleeps(arg);
}

static int
start(void **state)
{
	char text[200];
	struct err why;
	int file;

	(void)state;
	log_start("test_arm", LOG_ERROR);
	dir = scratch_new();
	snprintf(socket_path, sizeof(socket_path), "%s/s", dir);
	elsewhere = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	kid = kid_start(kid_sleeps_elsewhere, NULL);
	snprintf(text, sizeof(text), "/proc/%d/mem", (int)kid);
	mem = open(text, O_RDWR | O_CLOEXEC);
	snprintf(text, sizeof(text), "[node kid]\ntarget = %d\n", (int)kid);
	if (conf_parse(&conf, "test", text, &why) < 0 || loop_init(&loop, &why) < 0)
		return -1;
	objects_init(&objects);
	memories_init(&memories);
	memset(&l, 0, sizeof(l));
	memset(&arms, 0, sizeof(arms));
	memset(users, 0, sizeof(users));
	listener = wire_listen(socket_path, (gid_t)-1, &why);
	link_start(&l, &loop, &objects, &memories, socket_path, "");
	peer = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	file = guardian_open(dir, 1, &why);
	arms.allowed = true;
	arms.told = told;
	arms_start(&arms, &loop, &l, &memories, guardian_start(file, "64102", &why), dir);
	if (node_init(&node, &conf, 0, &loop, &objects, &why) < 0 || node.state != WIRE_NODE_RUNNING)
		return -1;
	node.memories = &memories;
	return peer < 0 || arms.guardian.fd < 0 ? -1 : 0;
}

static int
end(void **state)
{
	(void)state;
	arms_stop(&arms);
	assert_null(arms.first);
	node_fini(&node);
	link_stop(&l);
	memories_fini(&memories);
	objects_fini(&objects);
	loop_fini(&loop);
	if (peer >= 0)
		close(peer);
	close(listener);
	close(mem);
	kid_stop(kid);
	munmap((void *)(uintptr_t)elsewhere, 65536);
	scratch_free(dir);
	return 0;
}

/* ---- the symbolizer */

/* The ticket of a question for the rates, once it comes. */
static uint32_t
rates_wanted(void)
{
	struct cur c;
	uint32_t ticket;

	for (int i = 0; i < PATIENCE; i++) {
		int r = wire_recv(peer, &msg);

		if (r == -EAGAIN) {
			turn();
			continue;
		}
		assert_int_equal(r, 1);
		if (msg.fd >= 0)
			close(msg.fd);
		if (msg.type != WIRE_READ_ASK)
			continue;
		cur_init(&c, msg.body, msg.len);
		assert_true(cur_u64(&c) == memories.first->id);
		ticket = cur_u32(&c);
		assert_int_equal(cur_u8(&c), READING_RATES);
		return ticket;
	}
	fail_msg("no question for the rates");
	return 0;
}

static void
say(uint32_t ticket, uint16_t status, const char *text, int fd)
{
	struct buf b;

	buf_init(&b, WIRE_BODY_MAX);
	buf_u32(&b, ticket);
	buf_u16(&b, status);
	buf_str(&b, text, strlen(text));
	assert_int_equal(wire_send(peer, WIRE_READING, b.data, b.len, fd), 0);
	buf_fini(&b);
}

/* A reading of the rates: where block's is and its value; mutex's where it really is. */
static int
rates_file(uint64_t address, int64_t value, int64_t is_own)
{
	int fd = memfd_create("rates", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	struct reading_bucket b = { .values = { -1 } };
	struct reading_writer *w;

	assert_int_equal(reading_writer_new(&w, READING_RATES), 0);
	assert_int_equal(reading_writer_stack(w, NULL, 0), 0);
	reading_writer_bucket(w, &b);
	b = (struct reading_bucket){ .size = address, .values = { value, is_own } };
	reading_writer_bucket(w, &b);
	b = (struct reading_bucket){ .size = (uint64_t)(uintptr_t)&mutex_rate, .values = { 0, 1 } };
	reading_writer_bucket(w, &b);
	assert_int_equal(reading_writer_finish(w, fd, NULL), 0);
	reading_writer_free(w);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE), 0);
	return fd;
}

static void
say_rates(uint32_t ticket, const volatile uint64_t *at, int64_t value, int64_t is_own)
{
	int fd = rates_file((uint64_t)(uintptr_t)at, value, is_own);

	say(ticket, 200, "", fd);
	close(fd);
}

/* ---- */

static uint64_t
value_at(const volatile uint64_t *at)
{
	uint64_t value = ~(uint64_t)0;

	if (pread(mem, &value, sizeof(value), (off_t)(uintptr_t)at) != sizeof(value))
		return ~(uint64_t)0;
	return value;
}

static void
await_status(const struct user *u, unsigned int status)
{
	for (int i = 0; i < PATIENCE && !u->status; i++)
		turn();
	if (u->status != status)
		fail_msg("%u %s, not %u", u->status, u->text, status);
}

static void
await_value(const volatile uint64_t *at, uint64_t value)
{
	for (int i = 0; i < PATIENCE && value_at(at) != value; i++)
		turn();
	assert_true(value_at(at) == value);
}

static int
ask(struct user *u, uint8_t kind, uint64_t rate)
{
	struct refusal no;
	int r = arms_ask(&arms, &node, kind, rate, u, &no);

	if (r < 0) {
		u->status = no.status;
		snprintf(u->text, sizeof(u->text), "%s", no.why.text);
	}
	return r;
}

static void
arm(struct user *u, uint64_t rate)
{
	assert_int_equal(ask(u, READING_BLOCK, rate), 0);
	say_rates(rates_wanted(), &block_rate, 0, 1);
	await_status(u, 200);
	assert_true(value_at(&block_rate) == rate);
}

static void
a_rate_is_set_until_its_user_leaves(void **state)
{
	(void)state;
	arm(&users[0], 1000);
	arms_leave(&arms, &users[0]);
	await_value(&block_rate, 0);
	for (int i = 0; i < PATIENCE && arms.first; i++)
		turn();
	assert_null(arms.first);
	users[0].status = 0;
	arm(&users[0], 2000); /* and again */
	assert_int_equal(users[0].told, 2);
}

static void
users_that_overlap_are_counted(void **state)
{
	(void)state;
	assert_int_equal(ask(&users[0], READING_BLOCK, 1000), 0);
	assert_int_equal(ask(&users[1], READING_BLOCK, 1000), 0); /* while it is being set */
	say_rates(rates_wanted(), &block_rate, 0, 1);
	await_status(&users[0], 200);
	await_status(&users[1], 200);
	assert_int_equal(ask(&users[2], READING_BLOCK, 1000), 1);
	assert_int_equal(ask(&users[3], READING_BLOCK, 1), -EBUSY); /* another rate */
	assert_int_equal(users[3].status, 503);
	arms_leave(&arms, &users[0]);
	arms_leave(&arms, &users[2]);
	arms_leave(&arms, &users[3]); /* who has none */
	for (int i = 0; i < 20; i++)
		turn();
	assert_true(value_at(&block_rate) == 1000);
	arms_leave(&arms, &users[1]);
	await_value(&block_rate, 0);
	assert_int_equal(users[0].told, 1);
	assert_int_equal(users[1].told, 1);
}

static void
both_kinds_are_apart(void **state)
{
	(void)state;
	arm(&users[0], 1000);
	assert_int_equal(ask(&users[1], READING_MUTEX, 5), 0);
	say_rates(rates_wanted(), &block_rate, 0, 1);
	await_status(&users[1], 200);
	assert_true(value_at(&mutex_rate) == 5);
	arms_leave(&arms, &users[0]);
	await_value(&block_rate, 0);
	assert_true(value_at(&mutex_rate) == 5);
	arms_leave(&arms, &users[1]);
	await_value(&mutex_rate, 0);
}

static void
who_leaves_before_it_is_set_leaves_nothing_behind(void **state)
{
	uint32_t ticket;

	(void)state;
	assert_int_equal(ask(&users[0], READING_BLOCK, 1000), 0);
	ticket = rates_wanted();
	arms_leave(&arms, &users[0]);
	say_rates(ticket, &block_rate, 0, 1);
	for (int i = 0; i < PATIENCE && arms.first; i++)
		turn();
	assert_null(arms.first);
	assert_true(value_at(&block_rate) == 0);
	assert_int_equal(users[0].told, 0);
}

static void
refused_where(const volatile uint64_t *at, int64_t value, int64_t is_own, unsigned int status, const char *part)
{
	memset(users, 0, sizeof(users));
	assert_int_equal(ask(&users[0], READING_BLOCK, 1000), 0);
	say_rates(rates_wanted(), at, value, is_own);
	await_status(&users[0], status);
	if (!strstr(users[0].text, part))
		fail_msg("%s", users[0].text);
	for (int i = 0; i < PATIENCE && arms.first; i++)
		turn();
	assert_null(arms.first);
}

static void
nothing_is_written_but_a_zero_of_the_programs_own_data(void **state)
{
	uint64_t five = 5;

	(void)state;
	refused_where(NULL, -1, 0, 501, "not sure enough");
	refused_where(&block_rate, 0, 0, 501, "not sure enough"); /* the child says that it is not */
	refused_where(&block_rate, 1000, 1, 409, "on already");
	refused_where(elsewhere, 0, 1, 503, "not in the program's own data");
	refused_where((const volatile uint64_t *)(uintptr_t)dir, 0, 1, 503, "not in the program's own data");
	refused_where((const volatile uint64_t *)(uintptr_t)refused_where, 0, 1, 503, "not in the program's own data");
	refused_where((const volatile uint64_t *)(uintptr_t)&five, 0, 1, 503, "not in the program's own data");
	refused_where((const volatile uint64_t *)((uintptr_t)&block_rate + 1), 0, 1, 503, "own data");
	refused_where((const volatile uint64_t *)UINTPTR_MAX, 0, 1, 503, "own data");
	/* A liar: the guardian looks itself. */
	assert_int_equal(pwrite(mem, &five, sizeof(five), (off_t)(uintptr_t)&block_rate), sizeof(five));
	refused_where(&block_rate, 0, 1, 409, "itself");
	assert_true(value_at(&block_rate) == 5);
	assert_true(value_at(elsewhere) == 0);
}

static void
what_the_symbolizer_cannot_say_is_told(void **state)
{
	uint32_t ticket;
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	(void)state;
	assert_int_equal(ask(&users[0], READING_BLOCK, 1000), 0);
	ticket = rates_wanted();
	say(ticket + 1, 501, "another's", -1);
	say(ticket, 501, "kid is not a Go program", -1);
	await_status(&users[0], 501);
	assert_string_equal(users[0].text, "kid is not a Go program");
	assert_int_equal(ask(&users[1], READING_BLOCK, 1000), 0);
	say(rates_wanted(), 200, "", fd); /* no reading */
	await_status(&users[1], 503);
	assert_int_equal(ask(&users[2], READING_BLOCK, 1000), 0);
	rates_wanted();
	close(peer);
	peer = -1;
	await_status(&users[2], 503);
	close(fd);
}

static void
what_is_not_allowed_is_refused_at_once(void **state)
{
	(void)state;
	assert_int_equal(ask(&users[0], READING_HEAP, 1000), -EINVAL);
	assert_int_equal(users[0].status, 400);
	assert_int_equal(ask(&users[0], READING_BLOCK, 0), -EINVAL);
	assert_int_equal(ask(&users[0], READING_BLOCK, ARM_RATE_MAX + 1), -EINVAL);
	arms.allowed = false;
	assert_int_equal(ask(&users[0], READING_BLOCK, 1000), -EPERM);
	assert_int_equal(users[0].status, 403);
	assert_non_null(strstr(users[0].text, "allow_arm"));
	assert_null(arms.first);
}

static void
a_collector_that_stops_takes_everything_back(void **state)
{
	(void)state;
	arm(&users[0], 1000);
	arms_stop(&arms);
	for (int i = 0; i < PATIENCE && value_at(&block_rate); i++)
		wait_ms(5);
	assert_true(value_at(&block_rate) == 0);
}

static void
a_guardian_that_is_killed_is_made_up_for_and_nothing_armed_after_it(void **state)
{
	char path[64];
	pid_t pid = 0;
	FILE *f;
	int found;

	(void)state;
	arm(&users[0], 1000);
	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)getpid(), (int)getpid());
	f = fopen(path, "re");
	while (fscanf(f, "%d", &found) == 1)
		if (found != kid)
			pid = found;
	fclose(f);
	assert_true(pid > 0);
	users[0].status = 0;
	kill(pid, SIGKILL);
	await_status(&users[0], 503);
	assert_true(value_at(&block_rate) == 0);
	assert_int_equal(ask(&users[1], READING_BLOCK, 1000), -ENOTCONN);
	assert_null(arms.first);
}

static void
a_node_that_exits_leaves_nothing_to_take_back(void **state)
{
	(void)state;
	arm(&users[0], 1000);
	kid_stop(kid);
	for (int i = 0; i < PATIENCE && memories.first; i++)
		turn();
	assert_null(memories.first);
	arms_leave(&arms, &users[0]);
	for (int i = 0; i < PATIENCE && arms.first; i++)
		turn();
	assert_null(arms.first);
	kid = 0;
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, start, end)
	const struct CMUnitTest tests[] = {
		TEST(a_rate_is_set_until_its_user_leaves),
		TEST(users_that_overlap_are_counted),
		TEST(both_kinds_are_apart),
		TEST(who_leaves_before_it_is_set_leaves_nothing_behind),
		TEST(nothing_is_written_but_a_zero_of_the_programs_own_data),
		TEST(what_the_symbolizer_cannot_say_is_told),
		TEST(what_is_not_allowed_is_refused_at_once),
		TEST(a_collector_that_stops_takes_everything_back),
		TEST(a_guardian_that_is_killed_is_made_up_for_and_nothing_armed_after_it),
		TEST(a_node_that_exits_leaves_nothing_to_take_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
