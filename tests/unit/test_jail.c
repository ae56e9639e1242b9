#include "config.h"

#include "base/jail.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#ifdef SANITIZERS
#define STRICT 0
#else
#define STRICT 1
#endif

/* How an attempt inside a jail ended. */
enum outcome { REFUSED = 41, DONE, NO_JAIL };

static pid_t test_pid;

/* Each returns what the call does: -1 is a refusal. The jail may kill before that. */
static long
try_open(void)
{
	return open("/etc/passwd", O_RDONLY);
}

static long
try_openat2(void)
{
	uint64_t how[3] = { 0 };

	return syscall(SYS_openat2, AT_FDCWD, "/etc/passwd", how, sizeof(how));
}

static long
try_stat(void)
{
	struct stat st;

	return stat("/etc/passwd", &st);
}

static long
try_socket(void)
{
	return socket(AF_UNIX, SOCK_STREAM, 0);
}

static long
try_socket_inet(void)
{
	return socket(AF_INET, SOCK_STREAM, 0);
}

static long
try_connect(void)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX, .sun_path = "/run/x" };

	return connect(0, (struct sockaddr *)&sun, sizeof(sun));
}

static long
try_fork(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	return pid;
}

static long
try_thread(void)
{
	return syscall(SYS_clone, CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD, NULL,
		       NULL, NULL, NULL);
}

static long
try_exec(void)
{
	char *const argv[] = { (char *)(uintptr_t) "true", NULL };

	return execve("/bin/true", argv, argv + 1);
}

static long
try_ptrace(void)
{
	return ptrace(PTRACE_ATTACH, test_pid, NULL, NULL);
}

static long
try_kill(void)
{
	return kill(test_pid, 0);
}

static long
try_tgkill(void)
{
	return syscall(SYS_tgkill, test_pid, test_pid, 0);
}

static long
try_fcntl_owner(void)
{
	return fcntl(0, F_SETOWN, test_pid);
}

static long
try_executable(void)
{
	void *at = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return at == MAP_FAILED ? -1 : 0;
}

static long
try_make_executable(void)
{
	void *at = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return at == MAP_FAILED ? 0 : mprotect(at, 4096, PROT_READ | PROT_EXEC);
}

static long
try_perf(void)
{
	struct perf_event_attr a = { .type = PERF_TYPE_SOFTWARE, .size = sizeof(a) };

	return syscall(SYS_perf_event_open, &a, 0, -1, -1, 0);
}

#ifndef SANITIZERS /* their runtime needs more than the jails allow: there what is refused is not tried */
/* What comes of it is not the jail's business. */
static long
try_bpf_program(void)
{
	union bpf_attr a = { .prog_type = BPF_PROG_TYPE_PERF_EVENT };

	syscall(SYS_bpf, BPF_PROG_LOAD, &a, sizeof(a));
	return 0;
}

static long
try_bpf_map(void)
{
	union bpf_attr a = { .map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1 };

	return syscall(SYS_bpf, BPF_MAP_CREATE, &a, sizeof(a));
}
#endif

static long
try_readv(void)
{
	char byte;
	struct iovec iov = { &byte, 1 };

	return process_vm_readv(getppid(), &iov, 1, &iov, 1, 0);
}

static long
try_limit(void)
{
	struct rlimit raised = { RLIM_INFINITY, RLIM_INFINITY };

	return setrlimit(RLIMIT_AS, &raised);
}

static long
try_memory(void)
{
	char *p = malloc(32 << 20);

	if (!p)
		return -1;
	memset(p, 1, 32 << 20);
	p = realloc(p, 64 << 20);
	free(p);
	return p ? 0 : -1;
}

static long
try_fstat(void)
{
	struct stat st;

	return fstat(0, &st);
}

static long
try_pread(void)
{
	char byte;

	return pread(0, &byte, 1, 0) < 0 && errno != ESPIPE ? -1 : 0;
}

static enum outcome
run(enum jail which, long (*try)(void))
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		struct err why = { 0 };

		if (jail_enter(which, &why) < 0)
			_exit(NO_JAIL);
		_exit(try() < 0 ? REFUSED : DONE);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFSIGNALED(status)) {
		assert_int_equal(WTERMSIG(status), SIGSYS);
		return REFUSED;
	}
	return WEXITSTATUS(status);
}

static const struct {
	const char *what;
	long (*try)(void);
	bool strict; /* only the jail without sanitizers refuses it */
} attempts[] = {
	{ "open", try_open, false },
	{ "openat2", try_openat2, false },
	{ "socket", try_socket, false },
	{ "socket of the internet", try_socket_inet, false },
	{ "connect", try_connect, false },
	{ "fork", try_fork, false },
	{ "thread", try_thread, false },
	{ "exec", try_exec, false },
	{ "ptrace", try_ptrace, false },
	{ "kill", try_kill, false },
	{ "mmap of executable memory", try_executable, false },
	{ "mprotect to executable memory", try_make_executable, false },
	{ "perf_event_open", try_perf, false },
	{ "process_vm_readv", try_readv, false },
	{ "stat", try_stat, true },
	{ "tgkill", try_tgkill, true },
	{ "a signal by way of fcntl", try_fcntl_owner, true },
	{ "a higher limit", try_limit, true },
};

static void
a_child_can_do_nothing_but_read_and_answer(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++)
		if ((STRICT || !attempts[i].strict) && run(JAIL_CHILD, attempts[i].try) != REFUSED)
			fail_msg("%s: not refused", attempts[i].what);
}

static void
a_child_has_memory_and_its_descriptors(void **state)
{
	(void)state;
	assert_int_equal(run(JAIL_CHILD, try_memory), DONE);
	assert_int_equal(run(JAIL_CHILD, try_fstat), DONE);
	assert_int_equal(run(JAIL_CHILD, try_pread), DONE);
}

static long
try_child_inside(void)
{
	return run(JAIL_CHILD, try_open) == REFUSED && run(JAIL_CHILD, try_memory) == DONE ? 0 : -1;
}

static void
a_child_jail_fits_into_the_symbolizers(void **state)
{
	(void)state;
	assert_int_equal(run(JAIL_SYMBOLIZER, try_child_inside), DONE);
}

#ifndef SANITIZERS
static void
the_symbolizer_forks_but_opens_and_executes_nothing(void **state)
{
	(void)state;
	assert_int_equal(run(JAIL_SYMBOLIZER, try_open), REFUSED);
	assert_int_equal(run(JAIL_SYMBOLIZER, try_connect), REFUSED);
	assert_int_equal(run(JAIL_SYMBOLIZER, try_exec), REFUSED);
	assert_int_equal(run(JAIL_SYMBOLIZER, try_ptrace), REFUSED);
	assert_int_equal(run(JAIL_SYMBOLIZER, try_perf), REFUSED);
}

static void
the_web_side_opens_nothing_and_starts_no_process(void **state)
{
	(void)state;
	assert_int_equal(run(JAIL_FCGI, try_open), REFUSED);
	assert_int_equal(run(JAIL_FCGI, try_fork), REFUSED);
	assert_int_equal(run(JAIL_FCGI, try_exec), REFUSED);
	assert_int_equal(run(JAIL_FCGI, try_socket_inet), REFUSED);
	assert_int_equal(run(JAIL_FCGI, try_kill), REFUSED);
	assert_int_equal(run(JAIL_FCGI, try_perf), REFUSED);
	assert_int_equal(run(JAIL_FCGI, try_bpf_program), REFUSED);
	assert_int_equal(run(JAIL_FCGI, try_socket), DONE);
}

static void
the_collector_opens_but_starts_no_process(void **state)
{
	(void)state;
	assert_int_equal(run(JAIL_COLLECTOR, try_open), DONE);
	assert_int_equal(run(JAIL_COLLECTOR, try_kill), DONE); /* signal 0 */
	assert_int_equal(run(JAIL_COLLECTOR, try_fork), REFUSED);
	assert_int_equal(run(JAIL_COLLECTOR, try_exec), REFUSED);
	assert_int_equal(run(JAIL_COLLECTOR, try_ptrace), REFUSED);
	assert_int_equal(run(JAIL_COLLECTOR, try_socket_inet), REFUSED);
	assert_int_equal(run(JAIL_COLLECTOR, try_executable), REFUSED);
	assert_int_equal(run(JAIL_COLLECTOR, try_bpf_program), DONE);
	assert_int_equal(run(JAIL_COLLECTOR, try_bpf_map), REFUSED);
}
#endif

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_child_can_do_nothing_but_read_and_answer),
		cmocka_unit_test(a_child_has_memory_and_its_descriptors),
		cmocka_unit_test(a_child_jail_fits_into_the_symbolizers),
#ifndef SANITIZERS
		cmocka_unit_test(the_symbolizer_forks_but_opens_and_executes_nothing),
		cmocka_unit_test(the_web_side_opens_nothing_and_starts_no_process),
		cmocka_unit_test(the_collector_opens_but_starts_no_process),
#endif
	};

	test_pid = getpid();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
