#include "config.h"

#include "symbolize/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/jail.h"
#include "symbolize/catalog.h"
#include "symbolize/child.h"

#define MB ((uint64_t)1 << 20)
/* A file is mapped by us and by the libraries, and read into memory in parts. */
#define MAPPED_TIMES 4
#define MAPPED_MAX   (256 * 1024 * MB)
#define READ_TIMES   8
#define READ_MAX     (4096 * MB)
#define CHILD_FILES  256
#define CHILD_STACK  (16 * MB)
/* Of a child's descriptors: the first that it reads, and where they wait while others are closed. */
#define FIRST_FD 4
#define HIGH_FD  16

/* Who looks for a while may use that part of it, with the CPU seconds that all may. */
#define EXTRA_CPU_PART 10

/* Exit status when the jail could not be closed. */
#define EXIT_NO_JAIL 5

/* ---- what a child may use */

/* Addresses for mapping a file, and memory for reading it. What a sparse file only claims to have
 * is not read. */
static void
file_share(int fd, uint64_t *mapped, uint64_t *read)
{
	struct stat st;

	*mapped = *read = 0;
	if (fd < 0 || fstat(fd, &st) < 0 || st.st_size <= 0)
		return;
	*mapped = (uint64_t)st.st_size < MAPPED_MAX / MAPPED_TIMES ? (uint64_t)st.st_size * MAPPED_TIMES
								   : MAPPED_MAX;
	*read = (uint64_t)st.st_blocks * 512;
	*read = *read < READ_MAX / READ_TIMES ? *read * READ_TIMES : READ_MAX;
}

/* Nobody without privileges may raise a hard limit: an inherited one counts. */
static void
limit(int resource, uint64_t soft, uint64_t hard)
{
	struct rlimit l;

	if (getrlimit((__rlimit_resource_t)resource, &l) < 0)
		return;
	if (hard < l.rlim_max)
		l.rlim_max = hard;
	l.rlim_cur = soft < l.rlim_max ? soft : l.rlim_max;
	setrlimit((__rlimit_resource_t)resource, &l);
}

static void
child_limits(const struct reader_limits *limits, const struct reader_task *task)
{
	uint64_t mapped, read;

	file_share(task->fds[0], &mapped, &read);
#ifndef SANITIZERS /* their runtime maps terabytes */
	/* Soft ones: the parent raises them for debug files, and the jail keeps the child from it. */
	limit(RLIMIT_AS, limits->memory_mb * MB + mapped + read, RLIM_INFINITY);
	limit(RLIMIT_DATA, limits->memory_mb * MB + read, RLIM_INFINITY);
	limit(RLIMIT_NPROC, 0, 0);
#else
	(void)limits;
#endif
	limit(RLIMIT_FSIZE, task->write_bytes, task->write_bytes);
	limit(RLIMIT_CORE, 0, 0);
	limit(RLIMIT_STACK, CHILD_STACK, CHILD_STACK);
}

static void
raise_limit(pid_t pid, int resource, uint64_t more)
{
	struct rlimit l;

	if (prlimit(pid, (__rlimit_resource_t)resource, NULL, &l) < 0 || l.rlim_cur == RLIM_INFINITY)
		return;
	l.rlim_cur = l.rlim_max - l.rlim_cur > more ? l.rlim_cur + more : l.rlim_max;
	prlimit(pid, (__rlimit_resource_t)resource, &l, NULL);
}

void
reader_allow_file(const struct reader *r, int fd)
{
	uint64_t mapped, read;

	file_share(fd, &mapped, &read);
	if (r->pid <= 0 || !mapped)
		return;
	raise_limit(r->pid, RLIMIT_AS, mapped + read);
	raise_limit(r->pid, RLIMIT_DATA, read);
}

/* ---- in the child */

/* The socket becomes 3, what it reads 4 and so on, and all others go. */
static int
keep_only(int sock, const struct reader_task *task, int null_fd)
{
	int high_sock = fcntl(sock, F_DUPFD, HIGH_FD), high[READER_FDS_MAX];

	if (high_sock < 0)
		return -errno;
	for (size_t i = 0; i < task->n_fds; i++) {
		high[i] = task->fds[i] >= 0 ? fcntl(task->fds[i], F_DUPFD, HIGH_FD) : -1;
		if (task->fds[i] >= 0 && high[i] < 0)
			return -errno;
	}
	for (int i = 0; i <= 2; i++) {
#ifdef SANITIZERS /* their reports go to standard error */
		if (i == 2)
			break;
#endif
		if (null_fd >= 0 && dup2(null_fd, i) < 0)
			return -errno;
	}
	if (dup2(high_sock, FIRST_FD - 1) < 0 || close_range(FIRST_FD, HIGH_FD - 1, 0) < 0)
		return -errno;
	for (size_t i = 0; i < task->n_fds; i++)
		if (high[i] >= 0 && dup2(high[i], FIRST_FD + (int)i) < 0)
			return -errno;
	if (close_range(HIGH_FD, ~0U, 0) < 0)
		return -errno;
	limit(RLIMIT_NOFILE, task->files_max, task->files_max);
	return 0;
}

static _Noreturn void
child_main(const struct reader_limits *limits, int sock, const struct reader_task *task)
{
	int fds[READER_FDS_MAX];
	struct err why;
	sigset_t none;

	/* Gone with the parent, even in the middle of a question. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NAME, task->name);
	for (int sig = 1; sig < NSIG; sig++)
		signal(sig, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	for (size_t i = 0; i < READER_FDS_MAX; i++)
		fds[i] = i < task->n_fds && task->fds[i] >= 0 ? FIRST_FD + (int)i : -1;
	child_limits(limits, task);
	if (keep_only(sock, task, limits->null_fd) < 0 || jail_enter(JAIL_CHILD, &why) < 0)
		_exit(EXIT_NO_JAIL);
	_exit(task->serve(FIRST_FD - 1, fds, task->ctx));
}

static int
serve_object(int sock, const int *fds, const void *ctx)
{
	const struct entry *e = ctx;

	return child_serve(sock, e->identity.kind, fds[0], e->path);
}

/* ---- in the parent */

int
reader_start_task(struct reader *r, const struct reader_limits *limits, const struct reader_task *task,
		  uint64_t now_ns, struct err *why)
{
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(why, -errno, "a socket for a child");
	pid = fork();
	if (pid < 0) {
		int code = -errno;

		close(pair[0]);
		close(pair[1]);
		return err_sys(why, code, "fork");
	}
	if (pid == 0)
		child_main(limits, pair[1], task);
	close(pair[1]);
	fcntl(pair[0], F_SETFL, O_NONBLOCK);
	memset(r, 0, sizeof(*r));
	r->pid = pid;
	r->sock = pair[0];
	r->asked_ns = now_ns;
	return 0;
}

int
reader_start(struct reader *r, const struct reader_limits *limits, struct entry *e, uint64_t rows_bytes,
	     uint64_t now_ns, struct err *why)
{
	const struct reader_task task = { .name = "pprofd-reader",
					  .fds = { e->fd },
					  .n_fds = 1,
					  .write_bytes = rows_bytes,
					  .files_max = CHILD_FILES,
					  .serve = serve_object,
					  .ctx = e };
	int result = reader_start_task(r, limits, &task, now_ns, why);

	if (result == 0)
		r->entry = e;
	return result;
}

void
reader_renew(struct reader *r, const struct reader_limits *limits, uint64_t now_ns)
{
	struct timespec used = { 0, 0 };
	struct rlimit l;
	clockid_t clock;

	r->busy = true;
	r->asked_ns = now_ns;
	if (clock_getcpuclockid(r->pid, &clock) == 0)
		clock_gettime(clock, &used);
	if (prlimit(r->pid, RLIMIT_CPU, NULL, &l) < 0)
		return;
	l.rlim_cur = (rlim_t)used.tv_sec + 1 + limits->cpu_seconds + r->extra_seconds / EXTRA_CPU_PART;
	if (l.rlim_cur <= l.rlim_max)
		prlimit(r->pid, RLIMIT_CPU, &l, NULL);
}

bool
reader_is_late(const struct reader *r, const struct reader_limits *limits, uint64_t now_ns)
{
	uint64_t seconds = 2 * (uint64_t)limits->cpu_seconds + r->extra_seconds;

	return r->busy && now_ns - r->asked_ns > 1000000000u * seconds;
}

void
reader_kill(struct reader *r, const char *why)
{
	if (r->pid > 0 && !r->reaped)
		kill(r->pid, SIGKILL);
	if (!r->killed_for)
		r->killed_for = why;
	if (r->sock >= 0)
		close(r->sock);
	r->sock = -1;
}

bool
reader_verdict(const struct reader *r, const struct reader_limits *limits, int status, char *text, size_t n)
{
	int sig = WIFSIGNALED(status) ? WTERMSIG(status) : 0,
	    code = WIFEXITED(status) ? WEXITSTATUS(status) : 0;

	if (r->killed_for)
		snprintf(text, n, "%s", r->killed_for);
	else if (sig == SIGXCPU)
		snprintf(text, n, "used up its %u s of CPU", (unsigned int)limits->cpu_seconds);
	else if (sig == SIGSYS)
		snprintf(text, n, "called what its jail forbids (signal %d)", sig);
	else if (sig == SIGKILL)
		snprintf(text, n, "was killed (signal %d)", sig);
	else if (sig)
		snprintf(text, n, "crashed (signal %d)", sig);
	else if (code == CHILD_EXIT_MEMORY)
		snprintf(text, n, "ran out of its %u MB of memory", (unsigned int)limits->memory_mb);
	else if (code == EXIT_NO_JAIL)
		snprintf(text, n, "could not be jailed");
	else
		snprintf(text, n, "ended (status %d)", code);
	return r->killed_for || sig != SIGKILL;
}

int
reader_seal(int memfd)
{
	return fcntl(memfd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) < 0 ? -errno : 0;
}

void
reader_fini(struct reader *r)
{
	if (r->sock >= 0)
		close(r->sock);
	free(r->places);
	free(r->final);
	memset(r, 0, sizeof(*r));
	r->sock = -1;
}
