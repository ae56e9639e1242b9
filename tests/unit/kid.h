/*
 * kid.h - small helpers of the unit tests: child processes, open descriptors, scratch folders.
 */
#ifndef PPD_TESTS_UNIT_KID_H
#define PPD_TESTS_UNIT_KID_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define KID_NOBODY 65534 /* a user that owns nothing */

/* Leave the test as skipped, with the reason where a person looks for it. */
#define SKIP_UNLESS(condition, reason)                             \
	do {                                                       \
		if (!(condition)) {                                \
			print_message("          %s\n", (reason)); \
			skip();                                    \
		}                                                  \
	} while (0)

/* Who measures must come to the processor though those who burn it are many. */
static inline void
go_first(void)
{
	if (setpriority(PRIO_PROCESS, 0, -20) < 0)
		errno = 0; /* not root: then it is as it is */
}

/* What a child calls when it is as the test wants it. kid_sleeps() and kid_burns() do. */
static int kid_pipe = -1;

static inline void
kid_ready(void)
{
	close(kid_pipe);
	kid_pipe = -1;
}

/* A child that runs body(arg) and then ends with what it returns; it never outlives the test.
 * Returns when the child is ready, has ended, or executes another program. */
static inline pid_t
kid_start(int (*body)(void *), void *arg)
{
	pid_t parent = getpid(), pid;
	int two[2];
	char c;

	fflush(NULL);
	if (pipe2(two, O_CLOEXEC) < 0)
		abort();
	pid = fork();
	if (pid != 0) {
		close(two[1]);
		while (read(two[0], &c, 1) < 0 && errno == EINTR)
			;
		close(two[0]);
		return pid;
	}
	close(two[0]);
	kid_pipe = two[1];
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setpriority(PRIO_PROCESS, 0, 0);
	if (getppid() != parent)
		_exit(120);
	_exit(body(arg));
}

/* The exit status of a child, or 128 + the signal that ended it. */
static inline int
kid_wait(pid_t pid)
{
	int status = 0;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Until it has ended, and stays a zombie. */
static inline void
kid_wait_zombie(pid_t pid)
{
	siginfo_t info;

	while (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT) < 0 && errno == EINTR)
		;
}

static inline void
kid_stop(pid_t pid)
{
	if (pid > 0) {
		kill(pid, SIGKILL);
		kid_wait(pid);
	}
}

static inline int
kid_run(int (*body)(void *), void *arg)
{
	return kid_wait(kid_start(body, arg));
}

/* Bodies that are often wanted. */
static inline int
kid_sleeps(void *arg)
{
	(void)arg;
	kid_ready();
	for (;;)
		pause();
	return 0;
}

static inline int
kid_burns(void *arg)
{
	static volatile unsigned long sink;

	(void)arg;
	kid_ready();
	for (;;)
		sink++;
	return 0;
}

/* A program that sleeps, at the path `arg`: /bin/sleep under another name. */
static inline int
kid_executes_sleep(void *arg)
{
	execl(arg, arg, "60", (char *)NULL);
	return 127;
}

static inline void
wait_ms(unsigned int ms)
{
	struct timespec ts = { ms / 1000, (long)(ms % 1000) * 1000000 };

	while (nanosleep(&ts, &ts) < 0 && errno == EINTR)
		;
}

/* Descriptors that this process has open. */
static inline int
open_descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	while (d && readdir(d))
		n++;
	if (d)
		closedir(d);
	return n;
}

static inline bool
descriptor_is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

/* A folder below /tmp that other users can look into; scratch_free() removes it with its content. */
static inline char *
scratch_new(void)
{
	char *path = strdup("/tmp/ppd-unit-XXXXXX");

	if (!path || !mkdtemp(path) || chmod(path, 0755) < 0)
		abort();
	return path;
}

static inline int
scratch_remove(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st, (void)flag, (void)ftw;
	return remove(path);
}

static inline void
scratch_free(char *path)
{
	nftw(path, scratch_remove, 16, FTW_DEPTH | FTW_PHYS);
	free(path);
}

/* A file with this content and mode; -1 where it could not be written. */
static inline int
scratch_file(const char *path, const void *bytes, size_t n, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600), r = -1;

	if (fd < 0)
		return -1;
	if (write(fd, bytes, n) == (ssize_t)n && fchmod(fd, mode) == 0)
		r = 0;
	close(fd);
	return r;
}

#endif
