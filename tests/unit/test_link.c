/*
 * The link to the symbolizer, with a symbolizer played by the test: what it is handed, what it may
 * say, and what happens when it says something else or goes away.
 */
#include "config.h"

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
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/wire.h"
#include "collector/link.h"
#include "tests/unit/kid.h"

#define MS 1000000u

static struct loop loop;
static struct objects objects;
static struct memories memories;
static struct link l;
static char *dir;
static char socket_path[300], file_path[300], debug_dir[300];
static int listener, peer; /* the symbolizer's */
static struct wire_msg msg;
static unsigned int changes;

static void
rows_changed(void *ctx)
{
	assert_ptr_equal(ctx, &l);
	changes++;
}

static void
stop(void *ctx)
{
	(void)ctx;
	loop.stop = true;
}

static void
run_ms(unsigned int ms)
{
	struct loop_timer t = { .fire = stop };
	struct err why;

	loop.stop = false;
	loop_timer_start(&loop, &t, (uint64_t)ms * MS);
	assert_int_equal(loop_run(&loop, &why), 0);
	loop_timer_stop(&loop, &t);
}

static void
symbolizer_listens(void)
{
	struct err why;

	listener = wire_listen(socket_path, (gid_t)-1, &why);
	assert_true(listener >= 0);
}

/* Until the link has connected; at most 3 s. */
static void
symbolizer_accepts(void)
{
	for (int i = 0; i < 300 && peer < 0; i++) {
		peer = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (peer < 0)
			run_ms(10);
	}
	assert_true(peer >= 0);
	run_ms(2);
}

/* The next message: its type, 0 at the end, -1: none. */
static int
next(void)
{
	int r;

	for (int i = 0; i < 20; i++) {
		r = wire_recv(peer, &msg);
		if (r != -EAGAIN)
			return r == 1 ? msg.type : 0;
		run_ms(2);
	}
	return -1;
}

static void
begin(void)
{
	l.rows_changed = rows_changed;
	l.ctx = &l;
	link_start(&l, &loop, &objects, &memories, socket_path, debug_dir);
}

static int
start(void **state)
{
	struct err why;

	(void)state;
	log_start("test_link", LOG_ERROR);
	dir = scratch_new();
	snprintf(socket_path, sizeof(socket_path), "%s/s", dir);
	snprintf(file_path, sizeof(file_path), "%s/x.so", dir);
	snprintf(debug_dir, sizeof(debug_dir), "%s/debug", dir);
	mkdir(debug_dir, 0755);
	memset(&l, 0, sizeof(l));
	listener = peer = -1;
	changes = 0;
	objects_init(&objects);
	memories_init(&memories);
	return scratch_file(file_path, "\177ELF", 4, 0644) < 0 ? -1 : loop_init(&loop, &why);
}

static int
end(void **state)
{
	(void)state;
	link_stop(&l);
	memories_fini(&memories);
	objects_fini(&objects);
	loop_fini(&loop);
	if (peer >= 0)
		close(peer);
	if (listener >= 0)
		close(listener);
	scratch_free(dir);
	return 0;
}

static struct object *
add_object(void)
{
	struct object *o = objects_get(&objects, WIRE_MAP_FILE, open(file_path, O_RDONLY | O_CLOEXEC), getpid(), file_path);

	assert_non_null(o);
	return o;
}

static void
expect_hand_over(const struct object *o)
{
	struct stat st;
	struct cur c;
	const char *path;
	size_t n;

	assert_int_equal(next(), WIRE_OBJECT);
	assert_true(msg.fd >= 0);
	assert_int_equal(fstat(msg.fd, &st), 0);
	close(msg.fd);
	cur_init(&c, msg.body, msg.len);
	assert_true(cur_u64(&c) == o->id);
	assert_int_equal(cur_u8(&c), WIRE_MAP_FILE);
	assert_true(cur_u64(&c) == st.st_dev);
	assert_true(cur_u64(&c) == st.st_ino);
	assert_true(cur_u64(&c) == (uint64_t)st.st_size);
	cur_u64(&c);
	path = cur_str(&c, &n);
	assert_int_equal(n, strlen(file_path));
	assert_memory_equal(path, file_path, n);
	assert_int_equal(cur_left(&c), 0);
	assert_int_equal(cur_error(&c), 0);
}

static void
expect_rows_ask(const struct object *o)
{
	struct cur c;

	assert_int_equal(next(), WIRE_ROWS_ASK);
	cur_init(&c, msg.body, msg.len);
	assert_true(cur_u64(&c) == o->id);
	assert_int_equal(cur_left(&c), 0);
}

/* A sealed memfd with one row. */
static int
rows_memfd(int seals)
{
	const struct rows_head head = { ROWS_MAGIC, 0, 1, 0 };
	const struct row row = { 0, 1, ROW_SP, ROW_FP_SAME };
	int fd = memfd_create("rows", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_int_equal(write(fd, &head, sizeof(head)), sizeof(head));
	assert_int_equal(write(fd, &row, sizeof(row)), sizeof(row));
	fcntl(fd, F_ADD_SEALS, seals);
	return fd;
}

static void
say_rows(uint64_t id, uint32_t error, int fd)
{
	struct buf b;

	buf_init(&b, 100);
	buf_u64(&b, id);
	buf_u32(&b, error);
	assert_int_equal(wire_send(peer, WIRE_ROWS, b.data, b.len, fd), 0);
	buf_fini(&b);
	if (fd >= 0)
		close(fd);
	run_ms(5);
}

/* Ask for a debug file: 0 and its descriptor in msg.fd, or -errno. */
static int
ask_file(uint64_t id, uint8_t kind, const void *name, size_t n)
{
	struct buf b;
	struct cur c;
	uint32_t error;

	buf_init(&b, WIRE_BODY_MAX);
	buf_u32(&b, 4711);
	buf_u64(&b, id);
	buf_u8(&b, kind);
	buf_str(&b, name, n);
	assert_int_equal(wire_send(peer, WIRE_FILE_ASK, b.data, b.len, -1), 0);
	buf_fini(&b);
	run_ms(5);
	assert_int_equal(next(), WIRE_FILE);
	cur_init(&c, msg.body, msg.len);
	assert_int_equal(cur_u32(&c), 4711);
	error = cur_u32(&c);
	assert_int_equal(cur_error(&c), 0);
	assert_int_equal(msg.fd >= 0, error == 0);
	return -(int)error;
}

#define ALL_SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

/* ---- */

static void
objects_are_handed_over_whether_they_come_before_or_after_the_symbolizer(void **state)
{
	struct object *a = add_object(), *b;

	(void)state;
	begin(); /* nobody listens yet */
	run_ms(20);
	symbolizer_listens();
	symbolizer_accepts();
	expect_hand_over(a);
	expect_rows_ask(a);
	scratch_file(file_path, "\177ELF2", 5, 0644);
	b = add_object();
	expect_hand_over(b);
	expect_rows_ask(b);
	add_object(); /* known */
	assert_int_equal(next(), -1);
}

static void
rows_are_taken_once_and_told(void **state)
{
	struct object *o = add_object();

	(void)state;
	symbolizer_listens();
	begin();
	symbolizer_accepts();
	say_rows(o->id, 0, rows_memfd(ALL_SEALS));
	assert_int_equal(o->state, OBJECT_ROWS_READY);
	assert_int_equal(o->rows.head->n_rows, 1);
	assert_int_equal(changes, 1);
	say_rows(o->id, ENOENT, -1); /* too late */
	assert_int_equal(o->state, OBJECT_ROWS_READY);
	assert_int_equal(changes, 1);
}

static void
rows_that_are_none_leave_the_object_without(void **state)
{
	struct object *o[4];

	(void)state;
	symbolizer_listens();
	begin();
	symbolizer_accepts();
	for (int i = 0; i < 4; i++) {
		scratch_file(file_path, "\177ELF    ", (size_t)(4 + i), 0644);
		o[i] = add_object();
	}
	say_rows(o[0]->id, EBADMSG, -1);
	say_rows(o[1]->id, 0, -1);
	say_rows(o[2]->id, 0, rows_memfd(0)); /* its writer could still change it */
	say_rows(o[3]->id, 5, rows_memfd(ALL_SEALS)); /* an error, and rows all the same */
	for (int i = 0; i < 4; i++) {
		assert_int_equal(o[i]->state, OBJECT_ROWS_FAILED);
		assert_null(o[i]->rows.head);
	}
	assert_int_equal(changes, 4);
	assert_true(l.socket.fd >= 0);
}

static void
rows_for_who_never_asked_are_left_alone(void **state)
{
	struct object *jit = objects_get(&objects, WIRE_MAP_JIT, -1, 1, "[jit]");
	int before;

	(void)state;
	symbolizer_listens();
	begin();
	symbolizer_accepts();
	before = open_descriptors();
	say_rows(jit->id, 0, rows_memfd(ALL_SEALS));
	say_rows(12345, 0, rows_memfd(ALL_SEALS));
	assert_int_equal(jit->state, OBJECT_ROWS_NONE);
	assert_null(jit->rows.head);
	assert_int_equal(changes, 0);
	assert_int_equal(open_descriptors(), before);
	assert_true(l.socket.fd >= 0);
}

static void
a_debug_file_is_opened_for_an_object_that_is_there(void **state)
{
	struct object *o = add_object();
	char path[400], text[8];

	(void)state;
	symbolizer_listens();
	begin();
	symbolizer_accepts();
	expect_hand_over(o);
	expect_rows_ask(o);
	snprintf(path, sizeof(path), "%s/x.dbg", debug_dir);
	scratch_file(path, "\177ELFdbg", 7, 0644);
	assert_int_equal(ask_file(o->id, WIRE_FILE_DEBUGLINK, "x.dbg", 5), 0);
	assert_int_equal(pread(msg.fd, text, 7, 0), 7);
	assert_memory_equal(text, "\177ELFdbg", 7);
	close(msg.fd);
	assert_int_equal(ask_file(o->id, WIRE_FILE_DEBUGLINK, "y.dbg", 5), -ENOENT);
	assert_int_equal(ask_file(o->id, WIRE_FILE_DWO, "/etc/passwd", 11), -ENOENT);
	assert_int_equal(ask_file(o->id, WIRE_FILE_DWO, "../../etc/passwd", 16), -ENOENT);
	assert_int_equal(ask_file(o->id, WIRE_FILE_DWO, "a\0b", 3), -EINVAL);
	assert_int_equal(ask_file(o->id, WIRE_FILE_BUILD_ID, "", 0), -ENOENT);
	assert_int_equal(ask_file(o->id + 1, WIRE_FILE_DEBUGLINK, "x.dbg", 5), -ENOENT);
}

/* After this message the link is given up and made anew, with everything handed over again. */
static void
spoils_the_link(uint16_t type, const void *body, size_t len)
{
	int old = peer, fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	assert_int_equal(wire_send(peer, type, body, len, fd), 0);
	close(fd);
	run_ms(5);
	while (next() > 0)
		if (msg.fd >= 0)
			close(msg.fd);
	close(old);
	peer = -1;
	symbolizer_accepts();
}

static void
a_symbolizer_that_says_something_else_is_left_and_tried_again(void **state)
{
	unsigned char body[100] = { 0 };
	struct object *o = add_object();
	int before;

	(void)state;
	symbolizer_listens();
	begin();
	symbolizer_accepts();
	expect_hand_over(o);
	expect_rows_ask(o);
	before = open_descriptors();
	spoils_the_link(WIRE_WINDOW_ASK, body, 12);
	expect_hand_over(o);
	expect_rows_ask(o);
	spoils_the_link(WIRE_ROWS, body, 11);
	spoils_the_link(WIRE_FILE_ASK, body, 12);
	body[12] = WIRE_FILE_ALTLINK + 1;
	spoils_the_link(WIRE_FILE_ASK, body, 15);
	body[12] = 0;
	body[13] = 200; /* a name longer than the message */
	spoils_the_link(WIRE_FILE_ASK, body, 100);
	body[12] = 1; /* a thread more than there is */
	body[13] = 0;
	spoils_the_link(WIRE_REGS_ASK, body, 14);
	expect_hand_over(o);
	assert_int_equal(open_descriptors(), before);
	assert_int_equal(o->state, OBJECT_ROWS_WAITING);
}

static void
a_symbolizer_that_comes_back_gets_everything_anew(void **state)
{
	struct object *ready = add_object(), *waiting;

	(void)state;
	symbolizer_listens();
	begin();
	symbolizer_accepts();
	expect_hand_over(ready);
	expect_rows_ask(ready);
	say_rows(ready->id, 0, rows_memfd(ALL_SEALS));
	unlink(file_path);
	scratch_file(file_path, "\177ELF2", 5, 0644);
	waiting = add_object();
	close(peer);
	peer = -1;
	run_ms(20);
	assert_int_equal(l.socket.fd, -1);
	assert_false(ready->told);
	symbolizer_accepts();
	expect_hand_over(ready); /* for names; its rows are here already */
	expect_hand_over(waiting);
	expect_rows_ask(waiting);
	assert_int_equal(next(), -1);
}

static void
who_is_dropped_is_told_where_it_was_handed_over(void **state)
{
	struct object *o = add_object();
	uint64_t id = o->id;
	struct cur c;

	(void)state;
	symbolizer_listens();
	begin();
	symbolizer_accepts();
	expect_hand_over(o);
	expect_rows_ask(o);
	objects_put(o);
	objects_sweep(&objects, loop_now() + 10, 0);
	assert_int_equal(next(), WIRE_OBJECT_DROP);
	cur_init(&c, msg.body, msg.len);
	assert_true(cur_u64(&c) == id);
	assert_int_equal(cur_left(&c), 0);
	say_rows(id, 0, rows_memfd(ALL_SEALS)); /* they were on their way */
	assert_true(l.socket.fd >= 0);
	assert_int_equal(changes, 0);
}

/* ---- memories */

static struct node_memory *
add_memory(pid_t kid, struct object *exe)
{
	int pidfd = (int)syscall(SYS_pidfd_open, kid, 0);
	struct node_memory *m;
	struct err why;

	assert_int_equal(memories_get(&memories, kid, pidfd, exe, &m, &why), 0);
	close(pidfd);
	return m;
}

static void
expect_node_memory(const struct node_memory *m)
{
	for (uint8_t part = 0; part < WIRE_MEMORY_PARTS; part++) {
		struct cur c;

		assert_int_equal(next(), WIRE_MEMORY);
		assert_true(msg.fd >= 0);
		close(msg.fd);
		cur_init(&c, msg.body, msg.len);
		assert_true(cur_u64(&c) == m->id);
		assert_int_equal(cur_u8(&c), part);
		assert_true(cur_u64(&c) == m->exe->id);
		assert_int_equal(cur_left(&c), 0);
		assert_int_equal(cur_error(&c), 0);
	}
}

static void
memories_are_handed_over_behind_their_objects_and_anew_to_one_that_comes_back(void **state)
{
	pid_t kid = kid_start(kid_sleeps, NULL), other = kid_start(kid_sleeps, NULL);
	struct object *o = add_object();
	struct node_memory *a, *b;
	uint64_t id;
	struct cur c;

	(void)state;
	begin();
	assert_false(memories.connected);
	assert_false(memories_can_be_read(&memories));
	a = add_memory(kid, o);
	symbolizer_listens();
	assert_true(memories_can_be_read(&memories)); /* at once */
	symbolizer_accepts();
	expect_hand_over(o);
	expect_rows_ask(o);
	expect_node_memory(a);
	b = add_memory(other, o);
	expect_node_memory(b);
	id = b->id;
	memories_forget(&memories, other);
	assert_int_equal(next(), WIRE_MEMORY_DROP);
	cur_init(&c, msg.body, msg.len);
	assert_true(cur_u64(&c) == id);
	assert_int_equal(cur_left(&c), 0);
	close(peer);
	peer = -1;
	run_ms(20);
	assert_false(memories.connected);
	symbolizer_accepts();
	expect_hand_over(o);
	expect_rows_ask(o);
	expect_node_memory(a);
	assert_int_equal(next(), -1);
	kid_stop(kid);
	kid_stop(other);
	memories_forget(&memories, kid);
}

/* Ask where threads are; how many are told of, and of the last one, where. */
static unsigned int
ask_regs(uint64_t memory, const uint32_t *tids, uint16_t n, uint8_t *where)
{
	unsigned int told = 0;
	uint8_t is_last = 0;
	struct buf b;

	buf_init(&b, WIRE_BODY_MAX);
	buf_u32(&b, 815);
	buf_u64(&b, memory);
	buf_u16(&b, n);
	for (uint16_t i = 0; i < n; i++)
		buf_u32(&b, tids[i]);
	assert_int_equal(wire_send(peer, WIRE_REGS_ASK, b.data, b.len, -1), 0);
	buf_fini(&b);
	for (int tries = 0; tries < 3000 && !is_last; tries++) {
		struct cur c;
		uint16_t k;
		int type;

		run_ms(5);
		type = next();
		if (type == -1)
			continue;
		assert_int_equal(type, WIRE_REGS);
		cur_init(&c, msg.body, msg.len);
		assert_int_equal(cur_u32(&c), 815);
		is_last = cur_u8(&c);
		k = cur_u16(&c);
		told += k;
		if (k) {
			cur_u32(&c);
			*where = cur_u8(&c);
		}
	}
	assert_int_equal(is_last, 1);
	return told;
}

static void
where_threads_are_is_told_of_processes_whose_memory_was_handed_over(void **state)
{
	pid_t kid = kid_start(kid_sleeps, NULL);
	struct object *o = add_object();
	struct node_memory *m = add_memory(kid, o);
	const uint32_t tids[] = { (uint32_t)kid };
	uint8_t where = THREAD_GONE;

	(void)state;
	symbolizer_listens();
	begin();
	symbolizer_accepts();
	expect_hand_over(o);
	expect_rows_ask(o);
	expect_node_memory(m);
	for (int i = 0; i < 100 && where != THREAD_OFF_CPU; i++)
		assert_int_equal(ask_regs(m->id, tids, 1, &where), 1);
	assert_int_equal(where, THREAD_OFF_CPU);
	assert_int_equal(ask_regs(m->id + 1, tids, 1, &where), 0);
	assert_int_equal(ask_regs(m->id, tids, 0, &where), 0);
	kid_stop(kid);
	memories_forget(&memories, kid);
}

#define LINK(f) cmocka_unit_test_setup_teardown(f, start, end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		LINK(objects_are_handed_over_whether_they_come_before_or_after_the_symbolizer),
		LINK(rows_are_taken_once_and_told),
		LINK(rows_that_are_none_leave_the_object_without),
		LINK(rows_for_who_never_asked_are_left_alone),
		LINK(a_debug_file_is_opened_for_an_object_that_is_there),
		LINK(a_symbolizer_that_says_something_else_is_left_and_tried_again),
		LINK(a_symbolizer_that_comes_back_gets_everything_anew),
		LINK(who_is_dropped_is_told_where_it_was_handed_over),
		LINK(memories_are_handed_over_behind_their_objects_and_anew_to_one_that_comes_back),
		LINK(where_threads_are_is_told_of_processes_whose_memory_was_handed_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
