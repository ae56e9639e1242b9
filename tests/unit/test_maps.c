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

#include "collector/maps.h"
#include "collector/objects.h"
#include "tests/unit/kid.h"

static struct objects objects;
static struct maps maps;
static struct err why;

static int
start(void **state)
{
	(void)state;
	objects_init(&objects);
	maps_init(&maps, &objects);
	return 0;
}

static int
end(void **state)
{
	(void)state;
	maps_fini(&maps);
	for (size_t i = 0; i < objects.n; i++)
		assert_int_equal(objects.v[i]->refs, 0); /* each reference came back */
	objects_fini(&objects);
	return 0;
}

static struct map *
map_of(const void *p)
{
	return maps_find(&maps, (uint64_t)(uintptr_t)p);
}

static void
jit_map_path(char path[64], pid_t pid)
{
	snprintf(path, 64, "/tmp/perf-%d.map", (int)pid);
}

/* ---- a whole process */

static void
our_own_maps_are_known_with_their_files(void **state)
{
	const struct map *exe, *libc, *vdso;
	struct stat st, held;

	(void)state;
	assert_true(maps_read(&maps, getpid(), &why) >= 3);
	exe = map_of((const void *)(uintptr_t)our_own_maps_are_known_with_their_files);
	assert_non_null(exe);
	assert_int_equal(exe->kind, WIRE_MAP_FILE);
	assert_int_equal(exe->flags, WIRE_MAP_MAIN);
	assert_non_null(exe->object);
	assert_int_equal(stat("/proc/self/exe", &st), 0);
	assert_int_equal(fstat(exe->object->fd, &held), 0);
	assert_true(st.st_dev == held.st_dev && st.st_ino == held.st_ino);
	libc = map_of((const void *)(uintptr_t)getauxval);
	assert_non_null(libc);
	assert_non_null(strstr(libc->path, "libc"));
	assert_int_equal(libc->flags, 0);
	assert_true(libc->object && libc->object->fd >= 0);
	assert_true(libc->object != exe->object);
	vdso = maps_find(&maps, getauxval(AT_SYSINFO_EHDR));
	assert_non_null(vdso);
	assert_int_equal(vdso->kind, WIRE_MAP_VDSO);
	assert_non_null(vdso->object);
	assert_string_equal(vdso->path, "[vdso]");
}

static void
the_view_is_sorted_and_finds_what_it_holds_and_nothing_else(void **state)
{
	(void)state;
	maps_read(&maps, getpid(), &why);
	for (size_t i = 0; i < maps.n_view; i++) {
		const struct map *m = maps.view[i];

		assert_true(m->unwind.start < m->unwind.end);
		assert_true(i == 0 || maps.view[i - 1]->unwind.end <= m->unwind.start);
		assert_ptr_equal(maps_find(&maps, m->unwind.start), m);
		assert_ptr_equal(maps_find(&maps, m->unwind.end - 1), m);
		assert_ptr_not_equal(maps_find(&maps, m->unwind.end), m);
		assert_ptr_equal(maps_get(&maps, m->unwind.id), m);
	}
	assert_null(maps_find(&maps, 0));
	assert_null(maps_find(&maps, UINT64_MAX));
	assert_null(maps_find(&maps, (uint64_t)(uintptr_t)&why)); /* data */
	assert_null(maps_get(&maps, maps.n_all));
	assert_null(maps_get(&maps, UINT32_MAX));
}

static void
maps_read_again_are_the_same_maps_and_open_nothing_anew(void **state)
{
	uint32_t n_all;
	size_t n_view, n_objects;
	int fds;

	(void)state;
	maps_read(&maps, getpid(), &why);
	n_all = maps.n_all;
	n_view = maps.n_view;
	n_objects = objects.n;
	fds = open_descriptors();
	for (int i = 0; i < 10; i++)
		assert_int_equal(maps_read(&maps, getpid(), &why), n_view);
	maps_clear_view(&maps);
	assert_int_equal(maps.n_view, 0);
	assert_int_equal(maps_read(&maps, getpid(), &why), n_view);
	assert_int_equal(maps.n_all, n_all);
	assert_int_equal(objects.n, n_objects);
	assert_int_equal(open_descriptors(), fds);
}

static int
end_at_once(void *arg)
{
	(void)arg;
	return 0;
}

static void
a_process_that_has_exited_leaves_what_was_known_of_it(void **state)
{
	pid_t pid = kid_start(kid_sleeps, NULL);
	size_t n;

	(void)state;
	assert_true(maps_read(&maps, pid, &why) > 0);
	n = maps.n_view;
	kill(pid, SIGKILL);
	kid_wait_zombie(pid); /* whose /proc/PID/maps can be opened and is empty */
	assert_int_equal(maps_read(&maps, pid, &why), -ESRCH);
	assert_int_equal(maps.n_view, n);
	kid_wait(pid);
	assert_true(maps_read(&maps, pid, &why) < 0);
	assert_int_equal(maps.n_view, n);
	assert_non_null(map_of((const void *)(uintptr_t)end_at_once));
}

static void
another_process_has_other_maps(void **state)
{
	pid_t pid = kid_start(kid_sleeps, NULL);
	void *code = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint32_t id;

	(void)state;
	maps_read(&maps, getpid(), &why);
	assert_non_null(map_of(code));
	id = map_of((const void *)(uintptr_t)end_at_once)->unwind.id;
	assert_true(maps_read(&maps, pid, &why) > 0);
	assert_null(map_of(code));
	/* The same file at the same place is the same map, whoever has it. */
	assert_int_equal(map_of((const void *)(uintptr_t)end_at_once)->unwind.id, id);
	kid_stop(pid);
	munmap(code, 4096);
}

/* ---- one mapping after the other, as the kernel's records tell them */

static void
add(uint64_t start_at, uint64_t end_at, const char *path)
{
	assert_int_equal(maps_add(&maps, start_at, end_at, 0, 0, 0, 0, path), 0);
}

static void
a_new_mapping_takes_the_place_of_what_it_overlaps(void **state)
{
	const struct map *low, *high;

	(void)state;
	maps.pid = getpid();
	add(0x10000, 0x20000, "//anon");
	add(0x20000, 0x30000, "//anon");
	add(0x30000, 0x40000, "//anon");
	low = maps_find(&maps, 0x10000);
	high = maps_find(&maps, 0x3ffff);
	assert_int_equal(maps.n_view, 3);
	add(0x1f000, 0x31000, "//anon");
	assert_int_equal(maps.n_view, 1);
	assert_null(maps_find(&maps, 0x10000));
	assert_null(maps_find(&maps, 0x3ffff));
	assert_non_null(maps_find(&maps, 0x1f000));
	/* But who stands in a stack already is known for ever. */
	assert_ptr_equal(maps_get(&maps, low->unwind.id), low);
	assert_ptr_equal(maps_get(&maps, high->unwind.id), high);
	add(0x10000, 0x20000, "//anon");
	assert_ptr_equal(maps_find(&maps, 0x10000), low);
}

static void
neighbours_do_not_overlap(void **state)
{
	(void)state;
	maps.pid = getpid();
	add(0x30000, 0x40000, "//anon");
	add(0x10000, 0x20000, "//anon");
	add(0x20000, 0x30000, "//anon");
	assert_int_equal(maps.n_view, 3);
	assert_int_equal(maps_find(&maps, 0x1ffff)->unwind.start, 0x10000);
	assert_int_equal(maps_find(&maps, 0x20000)->unwind.start, 0x20000);
}

static void
what_cannot_be_code_of_the_process_is_left_out(void **state)
{
	(void)state;
	maps.pid = getpid();
	add(0x20000, 0x20000, "//anon");
	add(0x20000, 0x10000, "//anon");
	add(UINT64_MAX - 0xfff, 0xfff, "//anon"); /* start + len has wrapped */
	add(0xffffffff81000000u, 0xffffffff82000000u, "/x");
	add(0xffffffffff600000u, 0xffffffffff601000u, "[vsyscall]");
	assert_int_equal(maps.n_view, 0);
	assert_int_equal(maps.n_all, 0);
}

static void
code_that_a_process_made_itself_is_told_from_files(void **state)
{
	static const struct {
		const char *path;
		enum wire_map_kind kind;
	} cases[] = {
		{ "", WIRE_MAP_JIT },
		{ "//anon", WIRE_MAP_JIT },
		{ "[heap]", WIRE_MAP_JIT },
		{ "[anon:v8]", WIRE_MAP_JIT },
		{ "/memfd:doublemapper (deleted)", WIRE_MAP_JIT },
		{ "/dev/zero (deleted)", WIRE_MAP_JIT },
		{ "/nowhere/lib.so", WIRE_MAP_FILE },
		{ "/nowhere/lib.so (deleted)", WIRE_MAP_FILE },
	};

	(void)state;
	maps.pid = getpid();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t at = 0x10000 * (i + 1);
		const struct map *m;

		add(at, at + 0x10000, cases[i].path);
		m = maps_find(&maps, at);
		assert_non_null(m);
		assert_int_equal(m->kind, cases[i].kind);
		assert_int_equal(m->unwind.jit, cases[i].kind == WIRE_MAP_JIT);
		assert_string_equal(m->path, cases[i].path);
		/* A file that cannot be opened has no object; code without a file shares one. */
		assert_int_equal(m->object != NULL, cases[i].kind == WIRE_MAP_JIT);
		assert_int_equal(!!(m->flags & WIRE_MAP_DELETED), strstr(cases[i].path, "(deleted)") != NULL);
	}
	assert_int_equal(objects.n, 1);
}

/* ---- JIT names */

static void
a_map_file_that_appears_gives_jit_maps_new_ids(void **state)
{
	char path[64];
	uint32_t id;

	(void)state;
	jit_map_path(path, getpid());
	unlink(path);
	maps.pid = getpid();
	add(0x10000, 0x20000, "//anon");
	id = maps_find(&maps, 0x10000)->unwind.id;
	maps_look_for_jit(&maps);
	assert_int_equal(maps_find(&maps, 0x10000)->unwind.id, id);
	assert_int_equal(maps.jit->fd, -1);
	assert_int_equal(scratch_file(path, "10000 10 f\n", 11, 0600), 0);
	maps_look_for_jit(&maps);
	assert_true(maps.jit->fd >= 0);
	assert_int_not_equal(maps_find(&maps, 0x10000)->unwind.id, id);
	assert_ptr_equal(maps_find(&maps, 0x10000)->object, maps.jit);
	assert_int_equal(maps_get(&maps, id)->object->fd, -1);
	/* Once it is there it is not looked for again. */
	id = maps_find(&maps, 0x10000)->unwind.id;
	maps_look_for_jit(&maps);
	assert_int_equal(maps_find(&maps, 0x10000)->unwind.id, id);
	unlink(path);
}

/* ---- maps that are none */

static void
a_pseudo_map_has_one_id_for_its_name(void **state)
{
	uint32_t a = maps_pseudo(&maps, "[unknown]"), b = maps_pseudo(&maps, "[truncated: 512 frames]");

	(void)state;
	assert_int_not_equal(a, b);
	assert_int_equal(maps_pseudo(&maps, "[unknown]"), a);
	assert_int_equal(maps_get(&maps, a)->kind, WIRE_MAP_PSEUDO);
	assert_string_equal(maps_get(&maps, b)->path, "[truncated: 512 frames]");
	assert_null(maps_get(&maps, a)->object);
	assert_int_equal(maps.n_view, 0);
}

static void
the_kernel_is_one_map_and_gets_names_where_they_can_be_read(void **state)
{
	uint32_t id = maps_kernel(&maps), named;
	const struct map *m;

	(void)state;
	assert_int_equal(maps_kernel(&maps), id);
	assert_null(maps_get(&maps, id)->object);
	objects.kernel = objects_get(&objects, WIRE_MAP_KERNEL, open("/proc/kallsyms", O_RDONLY | O_CLOEXEC), 0, "k");
	named = maps_kernel(&maps);
	m = maps_get(&maps, named);
	assert_int_not_equal(named, id);
	assert_int_equal(maps_kernel(&maps), named);
	assert_ptr_equal(m->object, objects.kernel);
	assert_true(m->unwind.start > 0x7fffffffffffu && m->unwind.end == UINT64_MAX);
	objects_put(objects.kernel);
}

static void
a_reset_forgets_everything_and_ids_begin_anew(void **state)
{
	(void)state;
	maps_read(&maps, getpid(), &why);
	maps_pseudo(&maps, "[x]");
	maps_reset(&maps);
	assert_int_equal(maps.n_all, 0);
	assert_int_equal(maps.n_view, 0);
	assert_int_equal(maps_pseudo(&maps, "[y]"), 0);
	assert_true(maps_read(&maps, getpid(), &why) >= 3);
}

static void
there_is_an_end_to_the_maps_a_node_may_show(void **state)
{
	uint32_t n = 0;
	char name[32];

	(void)state;
	do
		snprintf(name, sizeof(name), "[%u]", n++);
	while (maps_pseudo(&maps, name) != TABLE_NONE && n < 2 * MAPS_MAX);
	assert_int_equal(maps.n_all, MAPS_MAX);
	assert_int_equal(n, MAPS_MAX + 1);
	assert_int_equal(maps_pseudo(&maps, "[7]"), 7); /* what is known stays known */
	maps.pid = getpid();
	add(0x10000, 0x20000, "//anon");
	assert_null(maps_find(&maps, 0x10000));
}

#define WITH_MAPS(f) cmocka_unit_test_setup_teardown(f, start, end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_MAPS(our_own_maps_are_known_with_their_files),
		WITH_MAPS(the_view_is_sorted_and_finds_what_it_holds_and_nothing_else),
		WITH_MAPS(maps_read_again_are_the_same_maps_and_open_nothing_anew),
		WITH_MAPS(a_process_that_has_exited_leaves_what_was_known_of_it),
		WITH_MAPS(another_process_has_other_maps),
		WITH_MAPS(a_new_mapping_takes_the_place_of_what_it_overlaps),
		WITH_MAPS(neighbours_do_not_overlap),
		WITH_MAPS(what_cannot_be_code_of_the_process_is_left_out),
		WITH_MAPS(code_that_a_process_made_itself_is_told_from_files),
		WITH_MAPS(a_map_file_that_appears_gives_jit_maps_new_ids),
		WITH_MAPS(a_pseudo_map_has_one_id_for_its_name),
		WITH_MAPS(the_kernel_is_one_map_and_gets_names_where_they_can_be_read),
		WITH_MAPS(a_reset_forgets_everything_and_ids_begin_anew),
		WITH_MAPS(there_is_an_end_to_the_maps_a_node_may_show),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
