#include "config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "collector/target.h"
#include "tests/unit/kid.h"

static struct err why;

/* What target_find() says of `fmt`. */
static pid_t __attribute__((format(printf, 1, 2)))
find(const char *fmt, ...)
{
	static char text[600];
	struct target t;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	memset(&why, 0, sizeof(why));
	assert_int_equal(target_parse(&t, text, &why), 0);
	return target_find(&t, &why);
}

/* ---- the syntax */

static void
each_way_to_name_a_process_is_known(void **state)
{
	static const struct {
		const char *text, *value;
		enum target_kind kind;
		bool follows;
	} cases[] = {
		{ "4711", "4711", TARGET_PID, false },
		{ "name:redis-server", "redis-server", TARGET_NAME, true },
		{ "exe:/usr/bin/x", "/usr/bin/x", TARGET_EXE, true },
		{ "pidfile:/run/x.pid", "/run/x.pid", TARGET_PIDFILE, true },
		{ "unit:x.service", "x.service", TARGET_UNIT, true },
		{ "cgroup:/a/b", "/a/b", TARGET_CGROUP, true },
		{ "name:a:b c", "a:b c", TARGET_NAME, true },
	};
	struct target t;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(target_parse(&t, cases[i].text, &why), 0);
		assert_int_equal(t.kind, cases[i].kind);
		assert_string_equal(t.value, cases[i].value);
		assert_int_equal(target_follows(&t), cases[i].follows);
	}
	assert_int_equal(target_parse(&t, "4711", &why), 0);
	assert_int_equal(t.pid, 4711);
}

static void
what_names_no_process_is_refused(void **state)
{
	static const char *const texts[] = { "", "0", "-5", "+5", " 5", "5 ", "0x10", "2147483648", "99999999999999999999",
					     "redis-server", "name:", "exe:", "NAME:x", "pid:5" };
	struct target t;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (target_parse(&t, texts[i], &why) != -EINVAL)
			fail_msg("\"%s\" was taken", texts[i]);
}

/* ---- by pid */

static int
end_at_once(void *arg)
{
	(void)arg;
	return 0;
}

static void
a_pid_is_found_while_its_process_runs(void **state)
{
	pid_t pid = kid_start(kid_sleeps, NULL);

	(void)state;
	assert_int_equal(find("%d", (int)pid), pid);
	kid_stop(pid);
	assert_int_equal(find("%d", (int)pid), -ESRCH);
	assert_non_null(strstr(why.text, "no process"));
	pid = kid_start(end_at_once, NULL);
	kid_wait_zombie(pid);
	assert_int_equal(find("%d", (int)pid), -ESRCH);
	assert_non_null(strstr(why.text, "exited"));
	kid_wait(pid);
}

static void
a_kernel_thread_is_no_node(void **state)
{
	(void)state;
	SKIP_UNLESS(access("/proc/2/exe", F_OK) < 0 && access("/proc/2/stat", F_OK) == 0, "no kernel thread to be seen here");
	assert_int_equal(find("2"), -ESRCH);
	assert_non_null(strstr(why.text, "kernel thread"));
}

/* ---- by name */

static int
sleep_named(void *arg)
{
	prctl(PR_SET_NAME, arg);
	return kid_sleeps(NULL);
}

static void
a_name_is_found_where_one_process_has_it(void **state)
{
	char name[16], longer[32];
	pid_t one, two;

	(void)state;
	snprintf(name, sizeof(name), "ppd%d", (int)getpid());
	one = kid_start(sleep_named, name);
	assert_int_equal(find("name:%s", name), one);
	assert_int_equal(find("name:%sx", name), -ESRCH);
	assert_int_equal(find("name:%.*s", (int)strlen(name) - 1, name), -ESRCH);
	two = kid_start(sleep_named, name);
	assert_int_equal(find("name:%s", name), -ENOTUNIQ);
	snprintf(longer, sizeof(longer), "%d", (int)one);
	assert_non_null(strstr(why.text, longer));
	snprintf(longer, sizeof(longer), "%d", (int)two);
	assert_non_null(strstr(why.text, longer));
	assert_non_null(strstr(why.text, "2 processes"));
	kid_stop(one);
	assert_int_equal(find("name:%s", name), two);
	kid_stop(two);
	assert_int_equal(find("name:%s", name), -ESRCH);
	assert_non_null(strstr(why.text, name));
}

static void
a_zombie_with_the_name_does_not_count(void **state)
{
	char name[16];
	pid_t dead, alive;

	(void)state;
	snprintf(name, sizeof(name), "ppz%d", (int)getpid());
	dead = kid_start(sleep_named, name);
	alive = kid_start(sleep_named, name);
	kill(dead, SIGKILL);
	kid_wait_zombie(dead);
	assert_int_equal(find("name:%s", name), alive);
	kid_wait(dead);
	kid_stop(alive);
}

static void
a_name_longer_than_the_kernel_keeps_is_found(void **state)
{
	char *dir = scratch_new(), path[200], command[600], name[32];
	pid_t pid;

	(void)state;
	snprintf(name, sizeof(name), "ppd-long-name-%d", (int)getpid());
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	snprintf(command, sizeof(command), "cp /bin/sleep %s", path);
	assert_int_equal(system(command), 0);
	pid = kid_start(kid_executes_sleep, path);
	assert_int_equal(find("name:%s", name), pid);
	assert_int_equal(find("exe:%s", path), pid);
	assert_int_equal(find("exe:%sx", path), -ESRCH);
	assert_int_equal(find("exe:%s", name), -ESRCH); /* a path, not a name */
	kid_stop(pid);
	scratch_free(dir);
}

static void
very_many_matches_are_counted_and_some_of_them_listed(void **state)
{
	pid_t pids[3 * TARGET_MATCHES_MAX];
	char name[16];

	(void)state;
	snprintf(name, sizeof(name), "ppm%d", (int)getpid());
	for (size_t i = 0; i < sizeof(pids) / sizeof(pids[0]); i++)
		pids[i] = kid_start(sleep_named, name);
	assert_int_equal(find("name:%s", name), -ENOTUNIQ);
	for (size_t i = 0; i < sizeof(pids) / sizeof(pids[0]); i++)
		kid_stop(pids[i]);
	assert_non_null(strstr(why.text, "24 processes"));
	assert_non_null(strstr(why.text, ", ..."));
	assert_non_null(strstr(why.text, "pidfile:")); /* the remedy is not cut off */
}

/* ---- by pidfile */

static int
sleep_as_nobody(void *arg)
{
	if (setresuid(KID_NOBODY, KID_NOBODY, KID_NOBODY) < 0)
		return 1;
	return kid_sleeps(arg);
}

static void
a_pidfile_names_the_process_whose_number_it_holds(void **state)
{
	pid_t pid = kid_start(kid_sleeps, NULL);
	char *dir = scratch_new(), path[200], text[64];
	static const char *const bad[] = { "", "\n", "x", "0\n", "-5\n", "12x\n", "99999999999999999999\n" };

	(void)state;
	snprintf(path, sizeof(path), "%s/p", dir);
	assert_int_equal(find("pidfile:%s", path), -ESRCH);
	assert_non_null(strstr(why.text, "No such file"));
	snprintf(text, sizeof(text), " %d\n", (int)pid);
	scratch_file(path, text, strlen(text), 0644);
	assert_int_equal(find("pidfile:%s", path), pid);
	snprintf(text, sizeof(text), "%d", (int)pid);
	scratch_file(path, text, strlen(text), 0644);
	assert_int_equal(find("pidfile:%s", path), pid);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		scratch_file(path, bad[i], strlen(bad[i]), 0644);
		assert_int_equal(find("pidfile:%s", path), -ESRCH);
	}
	snprintf(text, sizeof(text), "%d\n", (int)pid);
	scratch_file(path, text, strlen(text), 0644);
	kid_stop(pid);
	assert_int_equal(find("pidfile:%s", path), -ESRCH);
	scratch_free(dir);
}

static void
a_pidfile_of_another_user_s_is_not_believed(void **state)
{
	pid_t pid = kid_start(kid_sleeps, NULL);
	char *dir = scratch_new(), path[200], text[64];

	(void)state;
	if (geteuid() != 0) {
		kid_stop(pid);
		scratch_free(dir);
		SKIP_UNLESS(false, "not root: no file of another user's can be made");
	}
	snprintf(path, sizeof(path), "%s/p", dir);
	snprintf(text, sizeof(text), "%d\n", (int)pid);
	scratch_file(path, text, strlen(text), 0644);
	assert_int_equal(find("pidfile:%s", path), pid);
	assert_int_equal(chown(path, KID_NOBODY, KID_NOBODY), 0);
	assert_int_equal(find("pidfile:%s", path), -EPERM);
	assert_non_null(strstr(why.text, "65534"));
	kid_stop(pid);
	/* For a process of its own it is. */
	pid = kid_start(sleep_as_nobody, NULL);
	snprintf(text, sizeof(text), "%d\n", (int)pid);
	scratch_file(path, text, strlen(text), 0644);
	assert_int_equal(find("pidfile:%s", path), pid);
	kid_stop(pid);
	scratch_free(dir);
}

static void
a_fifo_in_the_place_of_a_pidfile_holds_nobody_up(void **state)
{
	char *dir = scratch_new(), path[200];

	(void)state;
	snprintf(path, sizeof(path), "%s/p", dir);
	assert_int_equal(mkfifo(path, 0644), 0);
	alarm(5);
	assert_int_equal(find("pidfile:%s", path), -ESRCH);
	alarm(0);
	assert_int_equal(find("pidfile:%s", dir), -ESRCH);
	scratch_free(dir);
}

/* ---- by control group */

static void
a_control_group_is_found_by_its_path_and_what_is_below(void **state)
{
	char line[4096] = "", *path;
	pid_t pid = kid_start(kid_sleeps, NULL);
	FILE *f = fopen("/proc/self/cgroup", "r");
	pid_t found;

	(void)state;
	path = f && fgets(line, sizeof(line), f) ? strrchr(line, ':') : NULL;
	if (f)
		fclose(f);
	if (!path) {
		kid_stop(pid);
		SKIP_UNLESS(path, "no control groups here");
	}
	path[strcspn(path, "\n")] = '\0';
	/* Whether others live in our group is not ours to say: one or several, but not none. */
	found = find("cgroup:%s", path + 1);
	assert_true(found == pid || found == -ENOTUNIQ);
	assert_int_equal(find("cgroup:%s/nobody-is-here", strcmp(path + 1, "/") ? path + 1 : ""), -ESRCH);
	assert_int_equal(find("unit:nobody-is-here.service"), -ESRCH);
	kid_stop(pid);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_way_to_name_a_process_is_known),
		cmocka_unit_test(what_names_no_process_is_refused),
		cmocka_unit_test(a_pid_is_found_while_its_process_runs),
		cmocka_unit_test(a_kernel_thread_is_no_node),
		cmocka_unit_test(a_name_is_found_where_one_process_has_it),
		cmocka_unit_test(a_zombie_with_the_name_does_not_count),
		cmocka_unit_test(a_name_longer_than_the_kernel_keeps_is_found),
		cmocka_unit_test(very_many_matches_are_counted_and_some_of_them_listed),
		cmocka_unit_test(a_pidfile_names_the_process_whose_number_it_holds),
		cmocka_unit_test(a_pidfile_of_another_user_s_is_not_believed),
		cmocka_unit_test(a_fifo_in_the_place_of_a_pidfile_holds_nobody_up),
		cmocka_unit_test(a_control_group_is_found_by_its_path_and_what_is_below),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
