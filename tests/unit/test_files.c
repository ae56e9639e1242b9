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
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "collector/files.h"
#include "tests/unit/kid.h"

#define ELF "\177ELF and what follows "

/*
 * A root of its own below `dir`: /lib/x.so is the object, beside it and elsewhere stand what it may
 * name. `outside` is where nothing may come from.
 */
static char *dir, root[300], outside[300];

static void
put(const char *at, const char *name, const char *content, mode_t mode)
{
	char path[800];

	snprintf(path, sizeof(path), "%s%s", at, name);
	assert_int_equal(scratch_file(path, content, strlen(content), mode), 0);
}

/* A link below the root. */
static void
put_link(const char *name, const char *target)
{
	char path[800];

	snprintf(path, sizeof(path), "%s%s", root, name);
	assert_int_equal(symlink(target, path), 0);
}

static void
make_dirs(const char *at, const char *names)
{
	char command[1000];

	snprintf(command, sizeof(command), "cd %s && mkdir -p %s", at, names);
	assert_int_equal(system(command), 0);
}

static int
start(void **state)
{
	(void)state;
	dir = scratch_new();
	snprintf(root, sizeof(root), "%s/root", dir);
	snprintf(outside, sizeof(outside), "%s/outside", dir);
	make_dirs(dir, "root/lib/.debug root/usr/lib/debug/.build-id/ab root/usr/lib/debug/lib root/.build-id/cd outside");
	put(outside, "/x.debug", ELF, 0644);
	return 0;
}

static int
end(void **state)
{
	(void)state;
	scratch_free(dir);
	return 0;
}

/* What comes of opening `path` below the root: the content's first byte, or -errno. */
static int
below(const char *path)
{
	int fd = files_open_below(root, path);
	char c = 0;

	if (fd < 0)
		return fd;
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(read(fd, &c, 1), 1);
	close(fd);
	return c;
}

/* The same of a debug file, with the root as the configured directory; no process. */
static int
debug_file(enum wire_file kind, const char *name, size_t len)
{
	int fd = files_open_debug(kind, name, len, 0, "/lib/x.so", 0, root), c = 0;
	char text[64] = "";

	if (fd < 0)
		return fd;
	assert_true(pread(fd, text, sizeof(text) - 1, 0) > 4);
	c = text[strlen(text) - 1];
	close(fd);
	return c;
}

static int
debug_named(enum wire_file kind, const char *name)
{
	return debug_file(kind, name, strlen(name));
}

/* ---- below a root */

static void
files_are_found_below_the_root(void **state)
{
	(void)state;
	put(root, "/lib/x.so", "x", 0644);
	assert_int_equal(below("/lib/x.so"), 'x');
	assert_int_equal(below("lib/x.so"), 'x');
	assert_int_equal(below("//lib/./x.so"), 'x');
	assert_int_equal(below("/lib/y.so"), -ENOENT);
	assert_int_equal(below(""), -ENOENT);
	assert_int_equal(files_open_below("/nowhere", "/x"), -ENOENT);
}

static void
nothing_leads_out_of_the_root(void **state)
{
	char target[800];

	(void)state;
	put(root, "/lib/x.so", "x", 0644);
	/* ".." stops at the root, which then has no such file. */
	assert_int_equal(below("/../outside/x.debug"), -ENOENT);
	assert_int_equal(below("/lib/../../outside/x.debug"), -ENOENT);
	assert_int_equal(below("/../../../../../../../../etc/passwd"), -ENOENT);
	assert_int_equal(below("/../lib/x.so"), 'x');
	/* An absolute link begins at the root, a relative one stays in it. */
	snprintf(target, sizeof(target), "%s/x.debug", outside);
	put_link("/lib/out", target);
	assert_int_equal(below("/lib/out"), -ENOENT);
	put_link("/lib/in", "/lib/x.so");
	assert_int_equal(below("/lib/in"), 'x');
	put_link("/lib/up", "../../../../lib/x.so");
	assert_int_equal(below("/lib/up"), 'x');
	/* Links of /proc go where no path does. */
	assert_int_equal(files_open_below("/", "/proc/self/root/etc/passwd"), -ELOOP);
	assert_int_equal(files_open_below("/", "/proc/self/exe"), -ELOOP);
}

static void
only_regular_files_are_taken_and_none_holds_us_up(void **state)
{
	char fifo[400];

	(void)state;
	snprintf(fifo, sizeof(fifo), "%s/lib/fifo", root);
	assert_int_equal(mkfifo(fifo, 0666), 0);
	alarm(5);
	assert_int_equal(below("/lib/fifo"), -EACCES);
	alarm(0);
	assert_int_equal(below("/lib"), -EACCES);
	assert_int_equal(files_open_below("/", "/dev/null"), -EACCES);
}

static int
node_in_its_own_root(void *arg)
{
	if (chroot(arg) < 0 || chdir("/") < 0)
		return 1;
	return kid_sleeps(NULL);
}

static void
a_node_in_a_root_of_its_own_gets_its_own_files(void **state)
{
	char proc[64], path[400];
	pid_t pid;
	int fd;

	(void)state;
	SKIP_UNLESS(geteuid() == 0, "not root: no process can be put into a root of its own");
	put(root, "/lib/x.so", "x", 0644);
	pid = kid_start(node_in_its_own_root, root);
	snprintf(proc, sizeof(proc), "/proc/%d/root", (int)pid);
	fd = files_open_below(proc, "/lib/x.so");
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(files_open_below(proc, "/etc/passwd"), -ENOENT);
	put(root, "/usr/lib/debug/.build-id/ab/cd.debug", ELF "n", 0644);
	fd = files_open_debug(WIRE_FILE_BUILD_ID, "\xab\xcd", 2, pid, "/lib/x.so", 0, "");
	assert_true(fd >= 0);
	close(fd);
	/* But not what its user put there for a library that is somebody else's. */
	snprintf(path, sizeof(path), "%s/usr/lib/debug/.build-id/ab/cd.debug", root);
	assert_int_equal(chown(path, KID_NOBODY, KID_NOBODY), 0);
	assert_int_equal(files_open_debug(WIRE_FILE_BUILD_ID, "\xab\xcd", 2, pid, "/lib/x.so", 0, ""), -ENOENT);
	fd = files_open_debug(WIRE_FILE_BUILD_ID, "\xab\xcd", 2, pid, "/lib/x.so", KID_NOBODY, "");
	assert_true(fd >= 0);
	close(fd);
	kid_stop(pid);
}

/* ---- debug files */

static void
a_build_id_has_its_place(void **state)
{
	(void)state;
	put(root, "/usr/lib/debug/.build-id/ab/cdef.debug", ELF "1", 0644);
	put(root, "/.build-id/cd/ab.debug", ELF "2", 0644);
	assert_int_equal(debug_file(WIRE_FILE_BUILD_ID, "\xab\xcd\xef", 3), '1');
	assert_int_equal(debug_file(WIRE_FILE_BUILD_ID, "\xcd\xab", 2), '2');
	assert_int_equal(debug_file(WIRE_FILE_BUILD_ID, "\xab\xcd", 2), -ENOENT);
	assert_int_equal(debug_file(WIRE_FILE_BUILD_ID, "\xab", 1), -ENOENT);
	assert_int_equal(debug_file(WIRE_FILE_BUILD_ID, "", 0), -ENOENT);
	assert_int_equal(debug_file(WIRE_FILE_BUILD_ID, root, 65), -ENOENT); /* longer than any */
}

static void
a_debuglink_is_looked_for_where_gdb_does(void **state)
{
	(void)state;
	put(root, "/x.dbg", ELF "4", 0644);
	assert_int_equal(debug_named(WIRE_FILE_DEBUGLINK, "x.dbg"), '4');
	put(root, "/usr/lib/debug/lib/x.dbg", ELF "3", 0644);
	assert_int_equal(debug_named(WIRE_FILE_DEBUGLINK, "x.dbg"), '3');
	put(root, "/lib/.debug/x.dbg", ELF "2", 0644);
	assert_int_equal(debug_named(WIRE_FILE_DEBUGLINK, "x.dbg"), '2');
	put(root, "/lib/x.dbg", ELF "1", 0644);
	assert_int_equal(debug_named(WIRE_FILE_DEBUGLINK, "x.dbg"), '1');
	/* A base name, whatever it says. */
	assert_int_equal(debug_named(WIRE_FILE_DEBUGLINK, "/etc/../../x.dbg"), '1');
	assert_int_equal(debug_named(WIRE_FILE_DEBUGLINK, "y.dbg"), -ENOENT);
}

static void
split_and_shared_dwarf_are_found_by_path(void **state)
{
	(void)state;
	put(root, "/lib/x.dwo", ELF "d", 0644);
	assert_int_equal(debug_named(WIRE_FILE_DWO, "/lib/x.dwo"), 'd');
	assert_int_equal(debug_named(WIRE_FILE_DWO, "x.dwo"), 'd');
	assert_int_equal(debug_named(WIRE_FILE_DWO, "/build/gone/x.dwo"), 'd'); /* beside the object */
	assert_int_equal(debug_named(WIRE_FILE_ALTLINK, "../lib/x.dwo"), 'd');
}

static void
names_that_are_no_names_are_refused(void **state)
{
	char *longest = malloc(5000);

	(void)state;
	memset(longest, 'a', 5000);
	assert_int_equal(debug_file(WIRE_FILE_DWO, "", 0), -EINVAL);
	assert_int_equal(debug_file(WIRE_FILE_DWO, "a\0b", 3), -EINVAL);
	assert_int_equal(debug_file(WIRE_FILE_DWO, longest, 5000), -EINVAL);
	assert_int_equal(debug_file(WIRE_FILE_DWO, longest, 4095), -ENOENT); /* no candidate fits */
	free(longest);
}

static void
a_debug_name_does_not_lead_out_of_the_configured_directory(void **state)
{
	(void)state;
	assert_int_equal(debug_named(WIRE_FILE_DWO, "../../../../../outside/x.debug"), -ENOENT);
	assert_int_equal(debug_named(WIRE_FILE_DWO, "/../outside/x.debug"), -ENOENT);
	assert_int_equal(debug_named(WIRE_FILE_DEBUGLINK, ".."), -ENOENT);
	assert_int_equal(debug_named(WIRE_FILE_DEBUGLINK, "."), -ENOENT);
}

static void
what_is_no_elf_file_is_refused(void **state)
{
	(void)state;
	put(root, "/lib/a.dbg", "root:x:0:0:root:/root:/bin/bash\n", 0644);
	put(root, "/lib/b.dbg", "\177EL", 0644);
	put(root, "/lib/c.dbg", "", 0644);
	assert_int_equal(debug_named(WIRE_FILE_DEBUGLINK, "a.dbg"), -ENOENT);
	assert_int_equal(debug_named(WIRE_FILE_DEBUGLINK, "b.dbg"), -ENOENT);
	assert_int_equal(debug_named(WIRE_FILE_DEBUGLINK, "c.dbg"), -ENOENT);
	assert_int_equal(files_open_debug(WIRE_FILE_DWO, "/etc/passwd", 11, 0, "/lib/x.so", 0, ""), -ENOENT);
}

static int
sleep_as_nobody(void *arg)
{
	if (setresuid(KID_NOBODY, KID_NOBODY, KID_NOBODY) < 0)
		return 1;
	return kid_sleeps(arg);
}

static void
a_private_file_is_for_nodes_of_its_own_user_only(void **state)
{
	pid_t pid;
	char path[400];
	int fd;

	(void)state;
	put(root, "/lib/x.dbg", ELF "p", 0600);
	/* No process: only what everybody may read. */
	assert_int_equal(debug_named(WIRE_FILE_DEBUGLINK, "x.dbg"), -ENOENT);
	SKIP_UNLESS(geteuid() == 0, "not root: no process of another user's can be made");
	pid = kid_start(sleep_as_nobody, NULL);
	/* Root's file is not nobody's, though nobody has made itself undumpable (setresuid does). */
	assert_int_equal(files_open_debug(WIRE_FILE_DEBUGLINK, "x.dbg", 5, pid, "/lib/x.so", 0, root), -ENOENT);
	fd = files_open_debug(WIRE_FILE_DEBUGLINK, "x.dbg", 5, getpid(), "/lib/x.so", 0, root);
	assert_true(fd >= 0);
	close(fd);
	snprintf(path, sizeof(path), "%s/lib/x.dbg", root);
	assert_int_equal(chown(path, KID_NOBODY, KID_NOBODY), 0);
	fd = files_open_debug(WIRE_FILE_DEBUGLINK, "x.dbg", 5, pid, "/lib/x.so", 0, root);
	assert_true(fd >= 0);
	close(fd);
	kid_stop(pid);
	assert_int_equal(files_open_debug(WIRE_FILE_DEBUGLINK, "x.dbg", 5, pid, "/lib/x.so", 0, root), -ENOENT);
}

static void
an_object_without_a_directory_does_no_harm(void **state)
{
	static const char *const paths[] = { "", "[vdso]", "x.so", "/", "/x.so" };

	(void)state;
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		assert_int_equal(files_open_debug(WIRE_FILE_DWO, "n.dwo", 5, 0, paths[i], 0, root), -ENOENT);
		assert_int_equal(files_open_debug(WIRE_FILE_DEBUGLINK, "n.dbg", 5, 0, paths[i], 0, ""), -ENOENT);
	}
}

#define WITH_ROOT(f) cmocka_unit_test_setup_teardown(f, start, end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_ROOT(files_are_found_below_the_root),
		WITH_ROOT(nothing_leads_out_of_the_root),
		WITH_ROOT(only_regular_files_are_taken_and_none_holds_us_up),
		WITH_ROOT(a_node_in_a_root_of_its_own_gets_its_own_files),
		WITH_ROOT(a_build_id_has_its_place),
		WITH_ROOT(a_debuglink_is_looked_for_where_gdb_does),
		WITH_ROOT(split_and_shared_dwarf_are_found_by_path),
		WITH_ROOT(names_that_are_no_names_are_refused),
		WITH_ROOT(a_debug_name_does_not_lead_out_of_the_configured_directory),
		WITH_ROOT(what_is_no_elf_file_is_refused),
		WITH_ROOT(a_private_file_is_for_nodes_of_its_own_user_only),
		WITH_ROOT(an_object_without_a_directory_does_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
