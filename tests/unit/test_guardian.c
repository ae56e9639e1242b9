/* What is written into a process's memory is taken back, whoever dies. */
#include "config.h"

#include "collector/guardian.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/wire.h"
#include "collector/proc.h"
#include "tests/unit/kid.h"

#define USER "64102"
#define PATIENCE_MS 20000

/* A kid is a copy of us: it has this at the same place. */
static volatile uint64_t word, busy_word = 5;

static char *dir;
static char record_path[300];
static pid_t kid;
static int mem; /* the kid's memory, to be written */
static uint64_t start_ticks;
static struct wire_msg msg;

static int
start(void **state)
{
	char path[64];
	struct proc_stat st;

	(void)state;
	log_start("test_guardian", LOG_ERROR);
	dir = scratch_new();
	snprintf(record_path, sizeof(record_path), "%s/armed", dir);
	kid = kid_start(kid_sleeps, NULL);
	snprintf(path, sizeof(path), "/proc/%d/mem", (int)kid);
	mem = open(path, O_RDWR | O_CLOEXEC);
	if (mem < 0 || proc_stat_read(kid, &st) < 0)
		return -1;
	start_ticks = st.start_ticks;
	return 0;
}

static int
end(void **state)
{
	(void)state;
	kid_stop(kid);
	close(mem);
	scratch_free(dir);
	return 0;
}

static uint64_t
value_at(const volatile uint64_t *at)
{
	uint64_t value = ~(uint64_t)0;

	assert_int_equal(pread(mem, &value, sizeof(value), (off_t)(uintptr_t)at), sizeof(value));
	return value;
}

static void
await_value(uint64_t value)
{
	for (int i = 0; i < PATIENCE_MS / 10 && value_at(&word) != value; i++)
		wait_ms(10);
	assert_true(value_at(&word) == value);
}

/* Its socket; *pid: its number, as that of our child which is not the kid. */
static int
guardian(pid_t *pid)
{
	struct err why = { 0 };
	int file = guardian_open(dir, 1, &why), sock;

	if (file < 0)
		fail_msg("%s", why.text);
	sock = guardian_start(file, USER, &why);
	if (sock < 0)
		fail_msg("%s", why.text);
	if (pid) {
		char path[64];
		FILE *f;
		int found;

		*pid = 0;
		snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)getpid(), (int)getpid());
		f = fopen(path, "re");
		while (f && fscanf(f, "%d", &found) == 1)
			if (found != kid)
				*pid = found;
		fclose(f);
		assert_true(*pid > 0);
	}
	return sock;
}

/* The errno that it answers. */
static uint32_t
answer(int sock, uint32_t slot)
{
	struct pollfd p = { sock, POLLIN, 0 };
	struct cur c;
	uint32_t error;

	assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
	assert_int_equal(wire_recv(sock, &msg), 1);
	assert_int_equal(msg.type, WIRE_GUARDED);
	cur_init(&c, msg.body, msg.len);
	assert_int_equal(cur_u32(&c), slot);
	error = cur_u32(&c);
	assert_int_equal(cur_left(&c), 0);
	return error;
}

static uint32_t
set(int sock, uint32_t slot, const volatile uint64_t *at, uint64_t value)
{
	struct buf b;

	buf_init(&b, WIRE_BODY_MAX);
	buf_u32(&b, slot);
	buf_u32(&b, (uint32_t)kid);
	buf_u64(&b, start_ticks);
	buf_u64(&b, (uint64_t)(uintptr_t)at);
	buf_u64(&b, value);
	assert_int_equal(wire_send(sock, WIRE_GUARD_SET, b.data, b.len, mem), 0);
	buf_fini(&b);
	return answer(sock, slot);
}

static uint32_t
unset(int sock, uint32_t slot)
{
	assert_int_equal(wire_send(sock, WIRE_GUARD_UNSET, &slot, sizeof(slot), -1), 0);
	return answer(sock, slot);
}

/* Records that are not free. */
static size_t
records(void)
{
	struct guardian_record r;
	int fd = open(record_path, O_RDONLY | O_CLOEXEC);
	size_t n = 0;

	while (fd >= 0 && read(fd, &r, sizeof(r)) == sizeof(r))
		n += r.magic != 0;
	if (fd >= 0)
		close(fd);
	return n;
}

static void
a_zero_is_written_recorded_and_put_back(void **state)
{
	int sock = guardian(NULL);

	(void)state;
	assert_int_equal(set(sock, 3, &word, 1000), 0);
	assert_true(value_at(&word) == 1000);
	assert_int_equal(records(), 1);
	assert_int_equal(unset(sock, 3), 0);
	assert_true(value_at(&word) == 0);
	assert_int_equal(records(), 0);
	assert_int_equal(set(sock, 3, &word, 2000), 0);
	assert_int_equal(unset(sock, 3), 0);
	close(sock);
}

static void
what_is_no_zero_is_left_alone(void **state)
{
	int sock = guardian(NULL);

	(void)state;
	assert_int_equal(set(sock, 0, &busy_word, 1000), EEXIST);
	assert_true(value_at(&busy_word) == 5);
	assert_int_equal(set(sock, 0, (const volatile uint64_t *)((uintptr_t)&word + 4), 1), EINVAL);
	assert_int_equal(set(sock, 0, &word, 0), EINVAL);
	assert_int_equal(set(sock, GUARDIAN_SLOTS, &word, 1), EINVAL);
	assert_int_equal(unset(sock, 0), EINVAL);
	assert_int_equal(unset(sock, UINT32_MAX), EINVAL);
	assert_int_equal(set(sock, 0, (const volatile uint64_t *)4096, 1), ESRCH);
	assert_int_equal(set(sock, 0, &word, 1), 0);
	assert_int_equal(set(sock, 0, &busy_word, 1), EINVAL); /* taken */
	assert_int_equal(records(), 1);
	close(sock);
	await_value(0);
}

static void
a_value_that_the_process_has_set_since_stays(void **state)
{
	uint64_t own = 7;
	int sock = guardian(NULL);

	(void)state;
	assert_int_equal(set(sock, 0, &word, 1000), 0);
	assert_int_equal(pwrite(mem, &own, sizeof(own), (off_t)(uintptr_t)&word), sizeof(own));
	assert_int_equal(unset(sock, 0), 0);
	assert_true(value_at(&word) == 7);
	assert_int_equal(records(), 0);
	close(sock);
}

static void
a_collector_that_dies_leaves_nothing_behind(void **state)
{
	int sock = guardian(NULL);

	(void)state;
	assert_int_equal(set(sock, 0, &word, 1000), 0);
	close(sock); /* what a death does */
	await_value(0);
	for (int i = 0; i < PATIENCE_MS / 10 && records(); i++)
		wait_ms(10);
	assert_int_equal(records(), 0);
}

static void
it_does_not_end_when_the_service_is_told_to(void **state)
{
	pid_t pid;
	int sock = guardian(&pid);

	(void)state;
	assert_int_equal(set(sock, 0, &word, 1000), 0);
	kill(pid, SIGTERM);
	kill(pid, SIGINT);
	kill(pid, SIGHUP);
	assert_int_equal(unset(sock, 0), 0);
	close(sock);
}

static void
it_has_no_capability_and_a_jail(void **state)
{
	char path[64], line[200];
	pid_t pid;
	int sock = guardian(&pid), seen = 0;
	FILE *f;

	(void)state;
	assert_int_equal(set(sock, 0, &word, 1), 0); /* it is at work */
	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	f = fopen(path, "re");
	while (fgets(line, sizeof(line), f)) {
		if (!strncmp(line, "CapPrm:", 7) || !strncmp(line, "CapEff:", 7)) {
			assert_non_null(strstr(line, "\t0000000000000000"));
			seen++;
		}
		if (!strncmp(line, "Seccomp:", 8)) {
			assert_string_equal(line, "Seccomp:\t2\n");
			seen++;
		}
		if (!strncmp(line, "NoNewPrivs:", 11)) {
			assert_string_equal(line, "NoNewPrivs:\t1\n");
			seen++;
		}
	}
	assert_int_equal(seen, 4);
	fclose(f);
	close(sock);
	await_value(0);
}

/* The guardian is killed, so that only the record is left. */
static void
leave_a_record(void)
{
	pid_t pid;
	int sock = guardian(&pid);

	assert_int_equal(set(sock, 0, &word, 1000), 0);
	kill(pid, SIGKILL);
	while (kill(pid, 0) == 0)
		wait_ms(1);
	close(sock);
	assert_true(value_at(&word) == 1000);
	assert_int_equal(records(), 1);
}

static void
a_record_is_replayed_at_the_next_start(void **state)
{
	struct err why;

	(void)state;
	leave_a_record();
	assert_int_equal(guardian_open(dir, 0, &why), -ENOENT);
	assert_true(value_at(&word) == 0);
	assert_int_equal(access(record_path, F_OK), -1);
	assert_int_equal(guardian_open(dir, 0, &why), -ENOENT); /* nothing there */
}

/* Where nothing may be put back. */
static void
expect_left_alone(const struct guardian_record *r)
{
	struct err why;

	assert_int_equal(scratch_file(record_path, r, sizeof(*r), 0600), 0);
	assert_int_equal(guardian_open(dir, 0, &why), -ENOENT);
	assert_true(value_at(&busy_word) == 5);
	assert_int_equal(access(record_path, F_OK), -1);
}

static void
a_record_of_another_time_changes_nothing(void **state)
{
	const struct guardian_record good = { GUARDIAN_MAGIC, (uint64_t)kid, start_ticks,
					      (uint64_t)(uintptr_t)&busy_word, 4, 5 };
	struct guardian_record r = good;
	struct err why;

	(void)state;
	r.start_ticks++; /* a process that had the pid before */
	expect_left_alone(&r);
	r = good;
	r.pid = 0x7ffffff0;
	expect_left_alone(&r);
	r = good;
	r.pid = UINT64_MAX;
	expect_left_alone(&r);
	r = good;
	r.value = 6; /* the process has changed it */
	expect_left_alone(&r);
	r = good;
	r.magic++;
	expect_left_alone(&r);
	r = good;
	r.address += 4;
	expect_left_alone(&r);
	assert_int_equal(scratch_file(record_path, &good, sizeof(good) - 1, 0600), 0); /* half of one */
	assert_int_equal(guardian_open(dir, 0, &why), -ENOENT);
	assert_true(value_at(&busy_word) == 5);
	assert_int_equal(scratch_file(record_path, &good, sizeof(good), 0600), 0);
	assert_int_equal(guardian_open(dir, 0, &why), -ENOENT);
	assert_true(value_at(&busy_word) == 4);
}

static void
what_another_guardian_is_at_is_left_to_it(void **state)
{
	int sock = guardian(NULL), second;

	(void)state;
	assert_int_equal(set(sock, 0, &word, 1000), 0);
	second = guardian(NULL); /* of a collector that was started beside it */
	assert_true(value_at(&word) == 1000);
	assert_int_equal(unset(sock, 0), 0);
	assert_int_equal(set(second, 0, &word, 2000), 0);
	close(sock);
	assert_int_equal(records(), 1); /* the second one's */
	close(second);
	await_value(0);
}

static void
a_link_in_place_of_the_record_is_not_followed(void **state)
{
	char other[300];
	struct err why;
	int file;

	(void)state;
	snprintf(other, sizeof(other), "%s/other", dir);
	assert_int_equal(scratch_file(other, "text", 4, 0600), 0);
	assert_int_equal(symlink(other, record_path), 0);
	file = guardian_open(dir, 1, &why);
	assert_int_equal(file, -EEXIST);
	assert_int_equal(access(other, F_OK), 0);
}

static void
a_memory_that_is_no_more_is_no_error(void **state)
{
	int sock = guardian(NULL);

	(void)state;
	assert_int_equal(set(sock, 0, &word, 1000), 0);
	kid_stop(kid);
	kid = 0;
	assert_int_equal(unset(sock, 0), 0);
	assert_int_equal(records(), 0);
	close(sock);
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, start, end)
	const struct CMUnitTest tests[] = {
		TEST(a_zero_is_written_recorded_and_put_back),
		TEST(what_is_no_zero_is_left_alone),
		TEST(a_value_that_the_process_has_set_since_stays),
		TEST(a_collector_that_dies_leaves_nothing_behind),
		TEST(it_does_not_end_when_the_service_is_told_to),
		TEST(it_has_no_capability_and_a_jail),
		TEST(a_record_is_replayed_at_the_next_start),
		TEST(a_record_of_another_time_changes_nothing),
		TEST(what_another_guardian_is_at_is_left_to_it),
		TEST(a_link_in_place_of_the_record_is_not_followed),
		TEST(a_memory_that_is_no_more_is_no_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
