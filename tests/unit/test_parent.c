#include "config.h"

#include "symbolize/parent.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/jail.h"
#include "base/rows.h"
#include "base/wire.h"
#include "symbolize/parent.h"
#include "tests/unit/elf_maker.h"
#include "tests/unit/kid.h"

#define PATIENCE_MS 20000

/* A running parent, and one connection that plays the collector. */
struct running {
	struct parent_setup setup;
	pid_t pid;
	char path[64];
	int collector;
	struct wire_msg m;
};

static struct running r;

static int
serve(void *unused)
{
	struct service *s;
	struct err why;

	(void)unused;
	r.setup.listener = wire_listen(r.path, (gid_t)-1, &why);
	if (r.setup.listener < 0 || parent_new(&s, &r.setup, &why) < 0)
		return 1;
	kid_ready();
	if (jail_enter(JAIL_SYMBOLIZER, &why) < 0)
		return 2;
	if (parent_run(s, &why) < 0)
		return 3;
	parent_free(s);
	return 0;
}

static int
connect_to(void)
{
	struct err why;

	for (int tries = 0; tries < 1000; tries++) {
		int fd = wire_connect(r.path, &why);

		if (fd >= 0)
			return fd;
		usleep(10000);
	}
	fail_msg("%s", why.text);
	return -1;
}

static int
setup(void **state)
{
	(void)state;
	memset(&r.setup, 0, sizeof(r.setup));
	r.setup = (struct parent_setup){ .collector_uid = (uid_t)-1,
					 .fcgi_uid = (uid_t)-1,
					 .own_uid = getuid(),
					 .max_children = 4,
					 .answers_mb = 8,
					 .child_memory_mb = 256,
					 .child_seconds = 5 };
	snprintf(r.path, sizeof(r.path), "/tmp/test-parent-%d.sock", (int)getpid());
	return 0;
}

static void
start(void)
{
	r.pid = kid_start(serve, NULL);
	r.collector = connect_to();
}

/* A parent that is asked to end does so, and says so. */
static int
teardown(void **state)
{
	int status;

	(void)state;
	if (r.collector >= 0)
		close(r.collector);
	r.collector = -1;
	kill(r.pid, SIGTERM);
	status = kid_wait(r.pid);
	unlink(r.path);
	return status;
}

static void
send_buf(int sock, enum wire_type type, struct buf *b, int fd)
{
	assert_int_equal(buf_error(b), 0);
	assert_int_equal(wire_send(sock, (uint16_t)type, b->data, b->len, fd), 0);
	buf_fini(b);
}

static void
hand_over(uint64_t id, enum wire_map_kind kind, uint64_t ino, const char *path, int fd)
{
	struct buf b;

	buf_init(&b, WIRE_BODY_MAX);
	buf_u64(&b, id);
	buf_u8(&b, (uint8_t)kind);
	buf_u64(&b, 1);
	buf_u64(&b, ino);
	buf_u64(&b, 1);
	buf_u64(&b, 1);
	buf_str(&b, path, strlen(path));
	send_buf(r.collector, WIRE_OBJECT, &b, fd);
	if (fd >= 0)
		close(fd);
}

static void
ask(int sock, uint64_t object, uint32_t ticket, const uint64_t *places, size_t n)
{
	struct buf b;

	buf_init(&b, WIRE_BODY_MAX);
	buf_u64(&b, object);
	buf_u32(&b, ticket);
	buf_u16(&b, (uint16_t)n);
	for (size_t i = 0; i < n; i++)
		buf_u64(&b, places[i]);
	send_buf(sock, WIRE_NAME_ASK, &b, -1);
}

/* What recv says: 1, 0. */
static int
next(int sock)
{
	struct pollfd p = { sock, POLLIN, 0 };

	assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
	return wire_recv(sock, &r.m);
}

/* What was said until WIRE_NAMED came: of the first place, its name and whether it is final. */
struct outcome {
	unsigned int answers, finals;
	char name[128];
	uint8_t status;
	char note[256];
};

/* Children that work at the same time are heard in turns: names of several objects come mixed. */
#define OBJECTS_MAX 16

static void
take_names(struct outcome *of)
{
	struct outcome *o;
	struct cur c;
	uint64_t object;
	uint16_t n;

	cur_init(&c, r.m.body, r.m.len);
	object = cur_u64(&c);
	assert_true(object < OBJECTS_MAX);
	o = &of[object];
	for (n = cur_u16(&c); n; n--) {
		uint8_t flags, k;

		cur_bytes(&c, 24); /* place, vaddr, entry */
		flags = cur_u8(&c);
		o->answers++;
		o->finals += flags & WIRE_ANSWER_FINAL ? 1 : 0;
		for (k = cur_u8(&c); k; k--) {
			size_t len;
			const char *s;

			cur_u64(&c);
			s = cur_str(&c, &len);
			snprintf(o->name, sizeof(o->name), "%.*s", (int)len, s);
			cur_str(&c, &len);
			cur_str(&c, &len);
		}
	}
	assert_int_equal(cur_error(&c), 0);
	assert_int_equal(cur_left(&c), 0);
}

/* WIRE_NAMED: of which object. */
static uint64_t
take_named(struct outcome *of, uint32_t ticket)
{
	struct outcome *o;
	struct cur c;
	const char *note;
	uint64_t object;
	size_t n;

	assert_int_equal(r.m.type, WIRE_NAMED);
	cur_init(&c, r.m.body, r.m.len);
	assert_int_equal(cur_u32(&c), ticket);
	object = cur_u64(&c);
	assert_true(object < OBJECTS_MAX);
	o = &of[object];
	o->status = cur_u8(&c);
	cur_u8(&c);
	cur_str(&c, &n);
	note = cur_str(&c, &n);
	snprintf(o->note, sizeof(o->note), "%.*s", (int)n, note);
	assert_int_equal(cur_error(&c), 0);
	return object;
}

/* Take what is said until an object is done; its number. */
static uint64_t
next_done(int sock, uint32_t ticket, struct outcome *of)
{
	for (;;) {
		assert_int_equal(next(sock), 1);
		if (r.m.type == WIRE_NAMED)
			return take_named(of, ticket);
		take_names(of);
	}
}

/* Where only one object was asked about. */
static struct outcome
outcome_of(int sock, uint32_t ticket)
{
	struct outcome of[OBJECTS_MAX] = { 0 };

	return of[next_done(sock, ticket, of)];
}

/* The ticket of the file that is asked for next. */
static uint32_t
file_wanted(uint64_t object)
{
	struct cur c;
	uint32_t ticket;

	assert_int_equal(next(r.collector), 1);
	assert_int_equal(r.m.type, WIRE_FILE_ASK);
	cur_init(&c, r.m.body, r.m.len);
	ticket = cur_u32(&c);
	assert_int_equal(cur_u64(&c), object);
	return ticket;
}

static void
refuse_file(uint32_t ticket)
{
	struct buf b;

	buf_init(&b, WIRE_BODY_MAX);
	buf_u32(&b, ticket);
	buf_u32(&b, ENOENT);
	send_buf(r.collector, WIRE_FILE, &b, -1);
}

/* The parent's children, from /proc; their number. */
static size_t
children(pid_t *to, size_t max)
{
	char path[64];
	size_t n = 0;
	FILE *f;
	int pid;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)r.pid, (int)r.pid);
	f = fopen(path, "re");
	assert_non_null(f);
	while (n < max && fscanf(f, "%d", &pid) == 1)
		to[n++] = pid;
	fclose(f);
	return n;
}

static const struct elf_symbol functions[] = {
	{ "spin", ELF_TEXT, 0x100, STT_FUNC, STB_GLOBAL },
	{ "wait", ELF_TEXT + 0x100, 0x2000, STT_FUNC, STB_GLOBAL },
};

/* Without a build-id no debug file is asked for. */
static int
elf_file(const char *build_id)
{
	const struct elf_spec spec = { .symbols = functions, .n = 2, .symtab = true, .build_id = build_id };
	struct buf b;
	int fd;

	buf_init(&b, 1 << 20);
	elf_make(&b, &spec);
	fd = elf_fd(&b);
	buf_fini(&b);
	return fd;
}

static const uint64_t spin = 0x1010, wait_place = 0x1110;

static void
a_name_is_answered_and_then_remembered(void **state)
{
	int sock;
	struct outcome o;

	(void)state;
	start();
	sock = connect_to();
	hand_over(7, WIRE_MAP_FILE, 100, "/lib/a.so", elf_file(NULL));
	ask(sock, 7, 1, &spin, 1);
	o = outcome_of(sock, 1);
	assert_int_equal(o.status, WIRE_NAMED_OK);
	assert_string_equal(o.name, "spin");
	assert_true(o.finals == 1);
	/* The collector comes anew, with another number, and a file that has no names at all. */
	close(r.collector);
	r.collector = connect_to();
	hand_over(8, WIRE_MAP_FILE, 100, "/lib/a.so", memfd_create("empty", MFD_CLOEXEC));
	ask(sock, 8, 2, &spin, 1);
	o = outcome_of(sock, 2);
	assert_string_equal(o.name, "spin");
	assert_int_equal(o.answers, 1);
	/* Another object is another object, whatever it calls itself. */
	hand_over(9, WIRE_MAP_FILE, 101, "/lib/a.so", memfd_create("empty", MFD_CLOEXEC));
	ask(sock, 9, 3, &spin, 1);
	o = outcome_of(sock, 3);
	assert_string_equal(o.name, "[a.so]");
	close(sock);
}

static void
all_who_wait_for_a_place_get_the_one_answer(void **state)
{
	int socks[5];
	uint32_t ticket;

	(void)state;
	start();
	hand_over(7, WIRE_MAP_FILE, 100, "/lib/a.so", elf_file("0123456789abcdefghij"));
	for (int i = 0; i < 5; i++) {
		socks[i] = connect_to();
		ask(socks[i], 7, 10, &spin, 1);
	}
	/* The first one's question is open, the others come to it. */
	ticket = file_wanted(7);
	ask(socks[0], 7, 11, &wait_place, 1);
	refuse_file(ticket);
	for (int i = 0; i < 5; i++) {
		struct outcome o = outcome_of(socks[i], 10);

		assert_string_equal(o.name, "spin");
		assert_int_equal(o.finals, 1);
	}
	assert_string_equal(outcome_of(socks[0], 11).name, "wait");
	for (int i = 0; i < 5; i++)
		close(socks[i]);
}

static void
a_child_that_crashes_costs_only_its_objects_names(void **state)
{
	const uint64_t both[] = { spin, wait_place };
	struct outcome o;
	pid_t child[8];
	int sock;

	(void)state;
	start();
	sock = connect_to();
	hand_over(7, WIRE_MAP_FILE, 100, "/lib/bad.so", elf_file("0123456789abcdefghij"));
	hand_over(8, WIRE_MAP_FILE, 101, "/lib/good.so", elf_file(NULL));
	ask(sock, 7, 1, &spin, 1);
	file_wanted(7);
	assert_int_equal(children(child, 8), 1);
	kill(child[0], SIGSEGV);
	o = outcome_of(sock, 1);
	assert_int_equal(o.status, WIRE_NAMED_DIED);
	assert_string_equal(o.note, "symbols of bad.so are missing: its reader crashed (signal 11)");
	/* What it said before its end is kept; the rest is answered at once, and no child is started. */
	assert_string_equal(o.name, "spin");
	ask(sock, 7, 2, both, 2);
	o = outcome_of(sock, 2);
	assert_int_equal(o.status, WIRE_NAMED_DIED);
	assert_int_equal(o.answers, 1);
	assert_int_equal(children(child, 8), 0);
	ask(sock, 8, 3, both, 2);
	o = outcome_of(sock, 3);
	assert_int_equal(o.status, WIRE_NAMED_OK);
	assert_int_equal(o.finals, 2);
	close(sock);
}

static void
a_child_that_somebody_killed_is_soon_replaced(void **state)
{
	struct outcome o;
	pid_t child[8];
	int sock;

	(void)state;
	start();
	sock = connect_to();
	hand_over(7, WIRE_MAP_FILE, 100, "/lib/a.so", elf_file("0123456789abcdefghij"));
	ask(sock, 7, 1, &spin, 1);
	file_wanted(7);
	assert_int_equal(children(child, 8), 1);
	kill(child[0], SIGKILL);
	o = outcome_of(sock, 1);
	assert_int_equal(o.status, WIRE_NAMED_DIED);
	assert_string_equal(o.note, "symbols of a.so are missing: its reader was killed (signal 9)");
	wait_ms(2100);
	ask(sock, 7, 2, &spin, 1);
	refuse_file(file_wanted(7));
	o = outcome_of(sock, 2);
	assert_int_equal(o.status, WIRE_NAMED_OK);
	assert_string_equal(o.name, "spin");
	close(sock);
}

static void
a_child_that_hangs_is_ended(void **state)
{
	struct outcome o;
	pid_t child[8];
	int sock;

	(void)state;
	r.setup.child_seconds = 1;
	start();
	sock = connect_to();
	hand_over(7, WIRE_MAP_FILE, 100, "/lib/slow.so", elf_file("0123456789abcdefghij"));
	ask(sock, 7, 1, &spin, 1);
	file_wanted(7);
	assert_int_equal(children(child, 8), 1);
	kill(child[0], SIGSTOP);
	o = outcome_of(sock, 1);
	assert_int_equal(o.status, WIRE_NAMED_DIED);
	assert_string_equal(o.note, "symbols of slow.so are missing: its reader took too long");
	close(sock);
}

static void
a_file_that_does_not_come_is_done_without(void **state)
{
	struct outcome o;
	int sock;

	(void)state;
	start();
	sock = connect_to();
	hand_over(7, WIRE_MAP_FILE, 100, "/lib/a.so", elf_file("0123456789abcdefghij"));
	ask(sock, 7, 1, &spin, 1);
	file_wanted(7);
	o = outcome_of(sock, 1);
	assert_int_equal(o.status, WIRE_NAMED_OK);
	assert_int_equal(o.finals, 1);
	close(sock);
}

static void
more_objects_than_children_take_turns(void **state)
{
	struct outcome of[OBJECTS_MAX] = { 0 };
	pid_t child[8];
	int sock;

	(void)state;
	r.setup.max_children = 2;
	start();
	sock = connect_to();
	for (uint64_t i = 0; i < 10; i++) {
		hand_over(i, WIRE_MAP_FILE, 100 + i, "/lib/a.so", elf_file(NULL));
		ask(sock, i, 1, &spin, 1);
	}
	for (int i = 0; i < 10; i++) {
		assert_string_equal(of[next_done(sock, 1, of)].name, "spin");
		assert_true(children(child, 8) <= 2);
	}
	/* The one that was idle longest has gone, and comes back. */
	ask(sock, 0, 2, &wait_place, 1);
	assert_string_equal(outcome_of(sock, 2).name, "wait");
	close(sock);
}

static void
rows_come_sealed(void **state)
{
	struct rows rows;
	struct err why;
	struct cur c;
	struct buf b;
	char byte = 0;

	(void)state;
	start();
	hand_over(7, WIRE_MAP_FILE, 100, "/proc/self/exe", open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
	buf_init(&b, WIRE_BODY_MAX);
	buf_u64(&b, 7);
	send_buf(r.collector, WIRE_ROWS_ASK, &b, -1);
	assert_int_equal(next(r.collector), 1);
	assert_int_equal(r.m.type, WIRE_ROWS);
	cur_init(&c, r.m.body, r.m.len);
	assert_int_equal(cur_u64(&c), 7);
	assert_int_equal(cur_u32(&c), 0);
	assert_int_equal(rows_open(&rows, r.m.fd, &why), 0);
	assert_int_equal(pwrite(r.m.fd, &byte, 1, 0), -1);
	rows_close(&rows);
	close(r.m.fd);
	/* Of what has none, and of what is not there. */
	hand_over(8, WIRE_MAP_JIT, 0, "[jit]", -1);
	hand_over(9, WIRE_MAP_FILE, 101, "/lib/a.so", elf_file(NULL));
	for (uint64_t id = 8; id <= 10; id++) {
		buf_init(&b, WIRE_BODY_MAX);
		buf_u64(&b, id);
		send_buf(r.collector, WIRE_ROWS_ASK, &b, -1);
		assert_int_equal(next(r.collector), 1);
		assert_int_equal(r.m.type, WIRE_ROWS);
		cur_init(&c, r.m.body, r.m.len);
		assert_int_equal(cur_u64(&c), id);
		assert_int_equal(cur_u32(&c), ENOENT);
		assert_int_equal(r.m.fd, -1);
	}
}

static void
an_object_that_is_dropped_is_unknown(void **state)
{
	int sock;
	struct buf b;

	(void)state;
	start();
	sock = connect_to();
	hand_over(7, WIRE_MAP_FILE, 100, "/lib/a.so", elf_file("0123456789abcdefghij"));
	ask(sock, 7, 1, &spin, 1);
	file_wanted(7);
	buf_init(&b, WIRE_BODY_MAX);
	buf_u64(&b, 7);
	send_buf(r.collector, WIRE_OBJECT_DROP, &b, -1);
	assert_int_equal(outcome_of(sock, 1).status, WIRE_NAMED_UNKNOWN);
	/* A collector that has just come may still bring it. */
	ask(sock, 7, 2, &spin, 1);
	assert_int_equal(outcome_of(sock, 2).status, WIRE_NAMED_BUSY);
	close(r.collector);
	r.collector = -1;
	ask(sock, 7, 3, &spin, 1);
	assert_int_equal(outcome_of(sock, 3).status, WIRE_NAMED_BUSY);
	close(sock);
}

static void
a_client_that_reads_nothing_keeps_nobody_waiting(void **state)
{
	static uint64_t places[7000];
	unsigned int finals = 0;
	int lazy, sock;
	struct outcome o;

	(void)state;
	start();
	lazy = connect_to();
	sock = connect_to();
	hand_over(7, WIRE_MAP_FILE, 100, "/lib/a_library_with_a_long_name_for_its_made_up_names.so",
		  elf_file(NULL));
	for (size_t i = 0; i < 7000; i++)
		places[i] = 0x1000 + i;
	for (uint32_t i = 0; i < 50; i++)
		ask(lazy, 7, i, places, 7000);
	ask(sock, 7, 1, places, 7000);
	o = outcome_of(sock, 1);
	assert_int_equal(o.finals, 7000);
	/* And it gets everything once it reads; answers to several of its questions come mixed. */
	for (uint32_t i = 0; i < 50; i++)
		finals += outcome_of(lazy, i).finals;
	assert_int_equal(finals, 50 * 7000);
	close(lazy);
	close(sock);
}

static void
who_says_what_he_may_not_is_dropped(void **state)
{
	struct buf b;
	int sock;

	(void)state;
	start();
	for (uint16_t type = WIRE_NONE; type <= WIRE_TYPES; type++) {
		if (type == WIRE_OBJECT_DROP || type == WIRE_MEMORY_DROP || type == WIRE_ROWS_ASK)
			continue;
		sock = connect_to();
		buf_init(&b, WIRE_BODY_MAX);
		buf_u64(&b, 0);
		if (type == WIRE_FILE) /* well formed, but nobody asked: passed over */
			buf_u8(&b, 0);
		assert_int_equal(wire_send(sock, type, b.data, b.len, -1), 0);
		buf_fini(&b);
		assert_int_equal(next(sock), 0);
		close(sock);
	}
}

static void
other_users_are_not_heard(void **state)
{
	int sock;

	(void)state;
	r.setup.own_uid = (uid_t)-1;
	r.setup.collector_uid = getuid() + 1;
	r.setup.fcgi_uid = getuid() + 2;
	start();
	sock = connect_to();
	assert_int_equal(next(sock), 0);
	close(sock);
}

static void
fcgi_may_not_collect(void **state)
{
	struct buf b;

	(void)state;
	r.setup.own_uid = (uid_t)-1;
	r.setup.fcgi_uid = getuid();
	start();
	buf_init(&b, WIRE_BODY_MAX);
	buf_u64(&b, 1);
	send_buf(r.collector, WIRE_OBJECT_DROP, &b, -1);
	assert_int_equal(next(r.collector), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_name_is_answered_and_then_remembered),
		TEST(all_who_wait_for_a_place_get_the_one_answer),
		TEST(a_child_that_crashes_costs_only_its_objects_names),
		TEST(a_child_that_somebody_killed_is_soon_replaced),
		TEST(a_child_that_hangs_is_ended),
		TEST(a_file_that_does_not_come_is_done_without),
		TEST(more_objects_than_children_take_turns),
		TEST(rows_come_sealed),
		TEST(an_object_that_is_dropped_is_unknown),
		TEST(a_client_that_reads_nothing_keeps_nobody_waiting),
		TEST(who_says_what_he_may_not_is_dropped),
		TEST(other_users_are_not_heard),
		TEST(fcgi_may_not_collect),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
