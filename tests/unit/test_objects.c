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
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "collector/loop.h"
#include "collector/objects.h"
#include "tests/unit/kid.h"

static struct objects objects;
static char *dir;
static char path[300];

static int
start(void **state)
{
	(void)state;
	objects_init(&objects);
	dir = scratch_new();
	snprintf(path, sizeof(path), "%s/file", dir);
	return scratch_file(path, "content", 7, 0644);
}

static int
end(void **state)
{
	(void)state;
	objects_fini(&objects);
	scratch_free(dir);
	return 0;
}

static struct object *
get(enum wire_map_kind kind, pid_t pid)
{
	return objects_get(&objects, kind, open(path, O_RDONLY | O_CLOEXEC), pid, path);
}

/* ---- identity */

static void
one_file_is_one_object_and_one_descriptor(void **state)
{
	int before = open_descriptors();
	struct object *a = get(WIRE_MAP_FILE, 100), *b = get(WIRE_MAP_FILE, 200);

	(void)state;
	assert_non_null(a);
	assert_ptr_equal(a, b);
	assert_int_equal(a->refs, 2);
	assert_int_equal(a->pid, 200); /* the one seen last: more likely to live */
	assert_int_equal(a->state, OBJECT_ROWS_WAITING);
	assert_string_equal(a->path, path);
	assert_int_equal(open_descriptors(), before + 1);
	assert_ptr_equal(objects_find(&objects, a->id), a);
	assert_null(objects_find(&objects, a->id + 1));
	assert_null(objects_find(&objects, 0));
	objects_put(a);
	objects_put(b);
	assert_true(a->unused_ns > 0);
	objects_put(NULL);
	assert_null(objects_ref(NULL));
}

static void
a_file_that_was_written_to_or_replaced_is_another_object(void **state)
{
	struct timespec when[2] = { { 1000000000, 1 }, { 1000000000, 1 } };
	struct object *a, *b, *c, *d;

	(void)state;
	utimensat(AT_FDCWD, path, when, 0);
	a = get(WIRE_MAP_FILE, 0);
	when[1].tv_nsec = 2;
	utimensat(AT_FDCWD, path, when, 0);
	b = get(WIRE_MAP_FILE, 0);
	scratch_file(path, "contents", 8, 0644);
	utimensat(AT_FDCWD, path, when, 0);
	c = get(WIRE_MAP_FILE, 0);
	unlink(path); /* `c` holds the old one: its inode cannot come back */
	scratch_file(path, "contents", 8, 0644);
	utimensat(AT_FDCWD, path, when, 0);
	d = get(WIRE_MAP_FILE, 0);
	assert_true(a && b && c && d);
	assert_true(a != b && b != c && c != d);
	assert_true(a->id < b->id && b->id < c->id && c->id < d->id);
}

static void
an_unlink_does_not_make_another_object_of_a_file(void **state)
{
	struct object *a = get(WIRE_MAP_FILE, 0);
	char at[64];

	(void)state;
	snprintf(at, sizeof(at), "/proc/self/fd/%d", a->fd);
	unlink(path); /* changes the ctime */
	assert_ptr_equal(objects_get(&objects, WIRE_MAP_FILE, open(at, O_RDONLY | O_CLOEXEC), 0, path), a);
}

static void
jit_objects_belong_to_their_process_and_may_grow(void **state)
{
	struct object *a = get(WIRE_MAP_JIT, 100), *none;

	(void)state;
	scratch_file(path, "more content", 12, 0644);
	assert_ptr_equal(get(WIRE_MAP_JIT, 100), a);
	assert_ptr_not_equal(get(WIRE_MAP_JIT, 200), a);
	none = objects_get(&objects, WIRE_MAP_JIT, -1, 100, "[jit]");
	assert_true(none && none != a);
	assert_ptr_equal(objects_get(&objects, WIRE_MAP_JIT, -1, 100, "[jit]"), none);
	assert_int_equal(none->fd, -1);
	assert_int_equal(none->state, OBJECT_ROWS_NONE);
}

/* ---- life */

static unsigned int n_added, n_dropped;

static void
added(void *ctx, struct object *o)
{
	assert_ptr_equal(ctx, &objects);
	assert_non_null(o);
	n_added++;
}

static void
dropped(void *ctx, struct object *o)
{
	assert_ptr_equal(ctx, &objects);
	assert_int_equal(o->refs, 0);
	n_dropped++;
}

static void
who_is_not_used_for_long_is_closed(void **state)
{
	struct object *a, *b;
	uint64_t id;
	int before = open_descriptors();

	(void)state;
	n_added = n_dropped = 0;
	objects.added = added;
	objects.dropped = dropped;
	objects.ctx = &objects;
	a = get(WIRE_MAP_FILE, 0);
	id = a->id;
	b = get(WIRE_MAP_JIT, 1);
	assert_int_equal(n_added, 2);
	objects_sweep(&objects, loop_now() + 1000, 0);
	assert_int_equal(n_dropped, 0); /* in use */
	objects_put(a);
	objects_sweep(&objects, loop_now(), 10000000000u);
	assert_int_equal(n_dropped, 0); /* not long enough */
	assert_ptr_equal(get(WIRE_MAP_FILE, 0), a);
	objects_put(a);
	objects_sweep(&objects, loop_now() + 20000000000u, 10000000000u);
	assert_int_equal(n_dropped, 1);
	assert_null(objects_find(&objects, id));
	assert_int_equal(objects.n, 1);
	a = get(WIRE_MAP_FILE, 0);
	assert_true(a->id > id); /* a number is never used again */
	objects_put(a);
	objects_put(b);
	objects_sweep(&objects, loop_now() + 20000000000u, 10000000000u);
	assert_int_equal(objects.n, 0);
	assert_int_equal(open_descriptors(), before);
}

static void
a_full_list_takes_no_more_and_still_knows_what_it_has(void **state)
{
	struct object *first = objects_get(&objects, WIRE_MAP_JIT, -1, 1, "[jit]");
	int before = open_descriptors();

	(void)state;
	for (int i = 2; i <= OBJECTS_MAX; i++)
		assert_non_null(objects_get(&objects, WIRE_MAP_JIT, -1, i, "[jit]"));
	assert_null(get(WIRE_MAP_FILE, 0));
	assert_int_equal(open_descriptors(), before); /* and the descriptor is not left behind */
	assert_ptr_equal(objects_get(&objects, WIRE_MAP_JIT, -1, 1, "[jit]"), first);
}

/* ---- opening what is mapped */

struct mapping {
	uint64_t start, end;
	struct stat st;
};

/* Map `path` executable, here and so in children too. */
static struct mapping
map_file(void)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct mapping m;
	void *at = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0);

	assert_true(at != MAP_FAILED);
	fstat(fd, &m.st);
	close(fd);
	m.start = (uint64_t)(uintptr_t)at;
	m.end = m.start + 4096;
	return m;
}

static int
open_mapped(pid_t pid, const struct mapping *m)
{
	return objects_open_mapped(pid, m->start, m->end, path, m->st.st_dev, m->st.st_ino);
}

static bool
map_files_can_be_opened(const struct mapping *m)
{
	char at[100];
	int fd;

	snprintf(at, sizeof(at), "/proc/self/map_files/%llx-%llx", (unsigned long long)m->start,
		 (unsigned long long)m->end);
	fd = open(at, O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static void
a_mapped_file_is_opened_though_another_has_taken_its_name(void **state)
{
	struct mapping m = map_file();
	struct stat st;
	int fd;

	(void)state;
	if (!map_files_can_be_opened(&m)) {
		munmap((void *)(uintptr_t)m.start, 4096);
		SKIP_UNLESS(false, "map_files cannot be opened: CAP_CHECKPOINT_RESTORE is missing");
	}
	unlink(path);
	scratch_file(path, "another", 7, 0644);
	fd = open_mapped(getpid(), &m);
	assert_true(fd >= 0);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(fstat(fd, &st), 0);
	assert_true(st.st_ino == m.st.st_ino);
	close(fd);
	munmap((void *)(uintptr_t)m.start, 4096);
}

/* Without map_files: the path is taken only for the same file. */
static int
open_by_path(void *arg)
{
	const struct mapping *m = arg;
	struct mapping other = *m;
	int fd;

	if (geteuid() == 0 && setresuid(KID_NOBODY, KID_NOBODY, KID_NOBODY) < 0)
		return 1;
	prctl(PR_SET_DUMPABLE, 1);
	fd = open_mapped(getpid(), m);
	if (fd < 0)
		return 2;
	close(fd);
	other.st.st_ino++;
	if (open_mapped(getpid(), &other) != -ESTALE)
		return 3;
	if (objects_open_mapped(getpid(), m->start, m->end, "/dev/null", m->st.st_dev, m->st.st_ino) >= 0)
		return 4;
	if (objects_open_mapped(getpid(), m->start, m->end, "/nowhere", m->st.st_dev, m->st.st_ino) != -ENOENT)
		return 5;
	if (objects_open_mapped(getpid(), m->start, m->end, "/x (deleted)", m->st.st_dev, m->st.st_ino) != -ENOENT)
		return 6;
	return 0;
}

static void
without_the_right_to_map_files_the_path_must_lead_to_the_same_file(void **state)
{
	struct mapping m = map_file();

	(void)state;
	assert_int_equal(kid_run(open_by_path, &m), 0);
	munmap((void *)(uintptr_t)m.start, 4096);
}

static void
a_place_where_nothing_is_mapped_has_no_file(void **state)
{
	struct mapping m = map_file();

	(void)state;
	munmap((void *)(uintptr_t)m.start, 4096);
	m.st.st_ino += 12345;
	assert_true(open_mapped(getpid(), &m) < 0);
}

/* ---- the vdso */

static void
the_vdso_is_copied_and_sealed(void **state)
{
	const void *ours = (const void *)(uintptr_t)getauxval(AT_SYSINFO_EHDR);
	uint64_t at = (uint64_t)(uintptr_t)ours;
	int fd = objects_copy_vdso(getpid(), at, at + 4096), fd2;
	char magic[4];
	struct object *a, *b;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(pread(fd, magic, 4, 0), 4);
	assert_memory_equal(magic, "\177ELF", 4);
	assert_int_equal(pwrite(fd, "x", 1, 0), -1);
	assert_int_equal(ftruncate(fd, 0), -1);
	fd2 = objects_copy_vdso(getppid(), at, at + 4096); /* not there in that process: ours is taken */
	assert_true(fd2 >= 0);
	a = objects_get(&objects, WIRE_MAP_VDSO, fd, 1, "[vdso]");
	b = objects_get(&objects, WIRE_MAP_VDSO, fd2, 2, "[vdso]");
	assert_ptr_equal(a, b); /* the same bytes are the same vdso */
	assert_int_equal(objects_copy_vdso(getpid(), at, at), -EINVAL);
	assert_int_equal(objects_copy_vdso(getpid(), at, at - 1), -EINVAL);
	assert_int_equal(objects_copy_vdso(getpid(), at, at + (1u << 20)), -EINVAL);
}

/* ---- perf-PID.map: made by the node's user, or not taken */

static int
sleep_as_nobody(void *arg)
{
	if (geteuid() == 0 && setresuid(KID_NOBODY, KID_NOBODY, KID_NOBODY) < 0)
		return 1;
	return kid_sleeps(arg);
}

static void
a_map_file_counts_only_from_the_process_s_own_user(void **state)
{
	pid_t pid;
	char map[64];
	int fd;

	(void)state;
	SKIP_UNLESS(geteuid() == 0, "not root: no file of another user's can be made");
	pid = kid_start(sleep_as_nobody, NULL); /* after setresuid it is not dumpable either */
	snprintf(map, sizeof(map), "/tmp/perf-%d.map", (int)pid);
	unlink(map);
	assert_int_equal(objects_open_jit_map(pid), -ENOENT);
	assert_int_equal(scratch_file(map, "0 1 x\n", 6, 0644), 0);
	assert_int_equal(objects_open_jit_map(pid), -EPERM); /* root's: not even that */
	assert_int_equal(chown(map, 1, 1), 0);
	assert_int_equal(objects_open_jit_map(pid), -EPERM);
	assert_int_equal(chown(map, KID_NOBODY, KID_NOBODY), 0);
	fd = objects_open_jit_map(pid);
	assert_true(fd >= 0);
	close(fd);
	/* A link to somebody's file, and a FIFO that would hold us up. */
	unlink(map);
	assert_int_equal(symlink("/etc/hostname", map), 0);
	assert_true(objects_open_jit_map(pid) < 0);
	unlink(map);
	assert_int_equal(mkfifo(map, 0666), 0);
	assert_int_equal(chown(map, KID_NOBODY, KID_NOBODY), 0);
	alarm(5);
	assert_int_equal(objects_open_jit_map(pid), -EACCES);
	alarm(0);
	unlink(map);
	kid_stop(pid);
	assert_true(objects_open_jit_map(pid) < 0);
}

#define WITH_OBJECTS(f) cmocka_unit_test_setup_teardown(f, start, end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_OBJECTS(one_file_is_one_object_and_one_descriptor),
		WITH_OBJECTS(a_file_that_was_written_to_or_replaced_is_another_object),
		WITH_OBJECTS(an_unlink_does_not_make_another_object_of_a_file),
		WITH_OBJECTS(jit_objects_belong_to_their_process_and_may_grow),
		WITH_OBJECTS(who_is_not_used_for_long_is_closed),
		WITH_OBJECTS(a_full_list_takes_no_more_and_still_knows_what_it_has),
		WITH_OBJECTS(a_mapped_file_is_opened_though_another_has_taken_its_name),
		WITH_OBJECTS(without_the_right_to_map_files_the_path_must_lead_to_the_same_file),
		WITH_OBJECTS(a_place_where_nothing_is_mapped_has_no_file),
		WITH_OBJECTS(the_vdso_is_copied_and_sealed),
		WITH_OBJECTS(a_map_file_counts_only_from_the_process_s_own_user),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
