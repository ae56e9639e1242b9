/* Nodes' memories as the collector holds them: processes that live, exit and execute another program. */
#include "config.h"

#include "collector/memories.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"
#include "collector/loop.h"
#include "collector/objects.h"
#include "tests/unit/kid.h"

static struct objects objects;
static struct memories ms;
static struct object *exe;
static uint64_t added, dropped; /* the last one's number */
static unsigned int n_added, n_dropped;

static void
count_added(void *ctx, const struct node_memory *m)
{
	(void)ctx;
	added = m->id;
	n_added++;
}

static void
count_dropped(void *ctx, const struct node_memory *m)
{
	(void)ctx;
	dropped = m->id;
	n_dropped++;
}

static int
start(void **state)
{
	(void)state;
	log_start("test_memories", LOG_ERROR);
	objects_init(&objects);
	memories_init(&ms);
	ms.added = count_added;
	ms.dropped = count_dropped;
	added = dropped = n_added = n_dropped = 0;
	exe = objects_get(&objects, WIRE_MAP_FILE, open("/proc/self/exe", O_RDONLY | O_CLOEXEC), getpid(), "/test");
	return exe ? 0 : -1;
}

static int
end(void **state)
{
	(void)state;
	memories_fini(&ms);
	objects_put(exe);
	assert_int_equal(exe->refs, 0); /* whoever held one has let it go */
	objects_fini(&objects);
	return 0;
}

static int
pidfd_of(pid_t pid)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);

	assert_true(fd >= 0);
	return fd;
}

static int
get(pid_t pid, int pidfd, struct node_memory **m)
{
	struct err why = { 0 };
	int r = memories_get(&ms, pid, pidfd, exe, m, &why);

	assert_true(r == 0 || why.text[0]);
	return r;
}

static const char secret[] = "to be read by others";

static void
a_memory_is_opened_once_and_can_be_read(void **state)
{
	pid_t kid = kid_start(kid_sleeps, NULL);
	int pidfd = pidfd_of(kid), before = open_descriptors();
	char text[sizeof(secret)], maps[16];
	struct node_memory *a, *b;

	(void)state;
	assert_int_equal(get(kid, pidfd, &a), 0);
	assert_int_equal(get(kid, pidfd, &b), 0);
	assert_ptr_equal(a, b);
	assert_int_equal(a->users, 2);
	assert_int_equal(n_added, 1);
	assert_true(added == a->id);
	assert_ptr_equal(memories_find(&ms, a->id), a);
	assert_null(memories_find(&ms, a->id + 1));
	assert_int_equal(open_descriptors(), before + WIRE_MEMORY_PARTS + 1);
	/* The child is a copy of us. */
	assert_int_equal(pread(a->fds[WIRE_MEMORY_MEM], text, sizeof(text), (off_t)(uintptr_t)secret), sizeof(text));
	assert_string_equal(text, secret);
	assert_true(pread(a->fds[WIRE_MEMORY_MAPS], maps, sizeof(maps), 0) > 0);
	assert_int_equal(pread(a->fds[WIRE_MEMORY_PAGEMAP], maps, 8, (off_t)((uintptr_t)secret / 4096 * 8)), 8);
	assert_true(maps[7] & 0x80); /* present */
	assert_int_equal(pwrite(a->fds[WIRE_MEMORY_MEM], "x", 1, (off_t)(uintptr_t)&added), -1);
	memories_forget(&ms, kid);
	assert_int_equal(n_dropped, 1);
	assert_int_equal(open_descriptors(), before);
	kid_stop(kid);
	close(pidfd);
}

static void
a_memory_that_nobody_asks_for_is_let_go_after_a_while(void **state)
{
	pid_t kid = kid_start(kid_sleeps, NULL);
	int pidfd = pidfd_of(kid);
	struct node_memory *m;
	uint64_t id;

	(void)state;
	assert_int_equal(get(kid, pidfd, &m), 0);
	id = m->id;
	memories_sweep(&ms, loop_now() + 2 * MEMORIES_IDLE_NS);
	assert_int_equal(n_dropped, 0); /* somebody does */
	memories_put(&ms, id);
	memories_sweep(&ms, loop_now());
	assert_int_equal(n_dropped, 0);
	assert_int_equal(get(kid, pidfd, &m), 0);
	assert_true(m->id == id);
	memories_put(&ms, id);
	memories_sweep(&ms, loop_now() + 2 * MEMORIES_IDLE_NS);
	assert_int_equal(n_dropped, 1);
	assert_true(dropped == id);
	memories_put(&ms, id); /* a connection that ends later */
	kid_stop(kid);
	close(pidfd);
}

static void
a_process_that_has_exited_has_none(void **state)
{
	pid_t kid = kid_start(kid_sleeps, NULL);
	int pidfd = pidfd_of(kid);
	struct node_memory *m;

	(void)state;
	kill(kid, SIGKILL);
	kid_wait_zombie(kid);
	assert_int_equal(get(kid, pidfd, &m), -ESRCH);
	kid_wait(kid);
	assert_int_equal(get(kid, pidfd, &m), -ESRCH);
	assert_int_equal(n_added, 0);
	close(pidfd);
}

static void
a_pid_that_is_another_processs_by_now_is_not_taken(void **state)
{
	pid_t gone = kid_start(kid_sleeps, NULL), other = kid_start(kid_sleeps, NULL);
	int pidfd = pidfd_of(gone);
	struct node_memory *m;

	(void)state;
	kid_stop(gone);
	assert_int_equal(get(other, pidfd, &m), -ESRCH);
	kid_stop(other);
	close(pidfd);
}

static char go[2];
static int go_pipe[2];

/* Executes another program when it is told to. */
static int
kid_executes_later(void *arg)
{
	(void)arg;
	close(go_pipe[1]);
	kid_ready();
	if (read(go_pipe[0], go, 1) < 0)
		return 1;
	execl("/bin/sleep", "sleep", "60", (char *)NULL);
	return 127;
}

static bool
executes_sleep(pid_t pid)
{
	char path[64], comm[16] = "";
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	f = fopen(path, "re");
	if (f && fgets(comm, sizeof(comm), f))
		comm[strcspn(comm, "\n")] = '\0';
	if (f)
		fclose(f);
	return !strcmp(comm, "sleep");
}

static void
an_exec_makes_it_another_memory(void **state)
{
	struct node_memory *m;
	uint64_t first;
	pid_t kid;
	int pidfd;

	(void)state;
	assert_int_equal(pipe2(go_pipe, O_CLOEXEC), 0);
	kid = kid_start(kid_executes_later, NULL);
	close(go_pipe[0]);
	pidfd = pidfd_of(kid);
	assert_int_equal(get(kid, pidfd, &m), 0);
	first = m->id;
	memories_sweep(&ms, loop_now());
	assert_int_equal(n_dropped, 0);
	assert_int_equal(write(go_pipe[1], "x", 1), 1);
	for (int i = 0; i < 3000 && !executes_sleep(kid); i++)
		wait_ms(10);
	assert_int_equal(get(kid, pidfd, &m), 0);
	assert_true(m->id != first);
	assert_true(dropped == first);
	assert_int_equal(n_added, 2);
	close(go_pipe[1]);
	kid_stop(kid);
	memories_sweep(&ms, loop_now());
	assert_int_equal(n_dropped, 2);
	assert_null(ms.first);
	close(pidfd);
}

static int
looks_without_rights(void *arg)
{
	struct node_memory *m;
	struct err why = { 0 };
	pid_t pid = *(pid_t *)arg;
	int pidfd = pidfd_of(pid);

	kid_ready();
	if (setuid(KID_NOBODY) < 0)
		return 1;
	if (memories_get(&ms, pid, pidfd, exe, &m, &why) != -EACCES)
		return 2;
	return strstr(why.text, "CAP_SYS_PTRACE is missing") && strstr(why.text, "--cap-add=SYS_PTRACE") ? 0 : 3;
}

static void
without_the_right_the_one_thing_to_grant_is_named(void **state)
{
	pid_t kid;

	(void)state;
	SKIP_UNLESS(geteuid() == 0, "not root: cannot become somebody else");
	kid = kid_start(kid_sleeps, NULL);
	assert_int_equal(kid_run(looks_without_rights, &kid), 0);
	kid_stop(kid);
}

static void
nobody_to_hold_them_is_fine(void **state)
{
	(void)state;
	memories_forget(NULL, 1);
	memories_forget(&ms, 1);
	memories_put(&ms, 12345);
	memories_sweep(&ms, 0);
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, start, end)
	const struct CMUnitTest tests[] = {
		TEST(a_memory_is_opened_once_and_can_be_read),
		TEST(a_memory_that_nobody_asks_for_is_let_go_after_a_while),
		TEST(a_process_that_has_exited_has_none),
		TEST(a_pid_that_is_another_processs_by_now_is_not_taken),
		TEST(an_exec_makes_it_another_memory),
		TEST(without_the_right_the_one_thing_to_grant_is_named),
		TEST(nobody_to_hold_them_is_fine),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
