#include "config.h"

#include "collector/target.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collector/proc.h"

static const struct {
	const char *prefix;
	enum target_kind kind;
} kinds[] = {
	{ "name:", TARGET_NAME }, { "exe:", TARGET_EXE },       { "pidfile:", TARGET_PIDFILE },
	{ "unit:", TARGET_UNIT }, { "cgroup:", TARGET_CGROUP },
};

int
target_parse(struct target *t, const char *text, struct err *why)
{
	char *end;
	long pid;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		size_t n = strlen(kinds[i].prefix);

		if (strncmp(text, kinds[i].prefix, n) || !text[n])
			continue;
		*t = (struct target){ .kind = kinds[i].kind, .value = text + n };
		return 0;
	}
	errno = 0;
	pid = strtol(text, &end, 10);
	if (!isdigit((unsigned char)*text) || *end || errno || pid < 1 || pid > INT_MAX)
		return err_set(why, -EINVAL, "target \"%s\": not a pid, name:NAME, exe:PATH, pidfile:PATH, "
			       "unit:UNIT or cgroup:PATH", text);
	*t = (struct target){ .kind = TARGET_PID, .value = text, .pid = (pid_t)pid };
	return 0;
}

bool
target_follows(const struct target *t)
{
	return t->kind != TARGET_PID;
}

/* ---- does one process match? */

static bool
match_name(pid_t pid, const char *name)
{
	char comm[PROC_COMM_MAX], exe[PATH_MAX];
	const char *base;

	/* comm is cut at 15 bytes (prctl(2), PR_SET_NAME). */
	if (proc_comm(pid, pid, comm) == 0 && !strncmp(comm, name, PROC_COMM_MAX - 1))
		return true;
	if (proc_exe(pid, exe, sizeof(exe)) < 0)
		return false;
	base = strrchr(exe, '/');
	return base && !strcmp(base + 1, name);
}

static bool
match_exe(pid_t pid, const char *path)
{
	char exe[PATH_MAX], real[PATH_MAX];

	if (proc_exe(pid, exe, sizeof(exe)) < 0)
		return false;
	/* The configuration may name a link: /usr/bin/redis-server is one on Debian. */
	return !strcmp(exe, path) || (realpath(path, real) && !strcmp(exe, real));
}

/* Is `unit` a component of one of the process's cgroup paths, or `path` a prefix of one? */
static bool
match_cgroup(pid_t pid, const char *wanted, bool unit)
{
	char at[64], line[4096 + 64];
	size_t n = strlen(wanted);
	bool found = false;
	FILE *f;

	snprintf(at, sizeof(at), "/proc/%d/cgroup", (int)pid);
	f = fopen(at, "re");
	if (!f)
		return false;
	while (!found && fgets(line, sizeof(line), f)) {
		const char *path = strchr(line, ':');

		line[strcspn(line, "\n")] = '\0';
		path = path ? strchr(path + 1, ':') : NULL;
		if (!path)
			continue;
		path++;
		if (!unit) {
			while (n > 1 && wanted[n - 1] == '/')
				n--;
			found = !strncmp(path, wanted, n) && (path[n] == '\0' || path[n] == '/' || n == 1);
			continue;
		}
		for (const char *p = strchr(path, '/'); p && !found; p = strchr(p + 1, '/'))
			found = !strncmp(p + 1, wanted, n) && (p[1 + n] == '\0' || p[1 + n] == '/');
	}
	fclose(f);
	return found;
}

static bool
target_matches(const struct target *t, pid_t pid)
{
	switch (t->kind) {
	case TARGET_NAME:
		return match_name(pid, t->value);
	case TARGET_EXE:
		return match_exe(pid, t->value);
	case TARGET_UNIT:
		return match_cgroup(pid, t->value, true);
	case TARGET_CGROUP:
		return match_cgroup(pid, t->value, false);
	case TARGET_PID:
	case TARGET_PIDFILE:
		break;
	}
	return false;
}

/* ---- the search */

static pid_t
target_alive(pid_t pid, struct err *why)
{
	struct proc_stat st;

	if (proc_stat_read(pid, &st) < 0)
		return (pid_t)err_set(why, -ESRCH, "no process has the pid %d", (int)pid);
	if (st.state == 'Z' || st.state == 'X')
		return (pid_t)err_set(why, -ESRCH, "process %d has exited", (int)pid);
	if (st.kernel_thread)
		return (pid_t)err_set(why, -ESRCH, "%d is a kernel thread", (int)pid);
	return pid;
}

static pid_t
target_read_pidfile(const char *path, struct err *why)
{
	/* The node itself may have made it: a FIFO in its place must not hold us up. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY), r;
	struct stat st, owner;
	char text[32], *end;
	ssize_t n;
	long pid;

	if (fd < 0) {
		r = -errno;
		err_sys(why, r, "pidfile %s", path);
		return (pid_t)(r == -ENOENT ? -ESRCH : r);
	}
	n = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) ? read(fd, text, sizeof(text) - 1) : -1;
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	pid = strtol(text, &end, 10);
	if (end == text || (*end && !isspace((unsigned char)*end)) || pid < 1 || pid > INT_MAX)
		return (pid_t)err_set(why, -ESRCH, "pidfile %s: holds no pid", path);
	if (target_alive((pid_t)pid, why) < 0)
		return -ESRCH;
	/* Who may write the file may not choose whom we look into: only root, or the process's own user. */
	snprintf(text, sizeof(text), "/proc/%ld", pid);
	if (stat(text, &owner) < 0)
		return (pid_t)err_set(why, -ESRCH, "no process has the pid %ld", pid);
	if (st.st_uid != 0 && st.st_uid != owner.st_uid)
		return (pid_t)err_set(why, -EPERM, "pidfile %s: it belongs to user %u, process %ld to user %u; "
				      "it must be root's or the same user's", path, st.st_uid, pid, owner.st_uid);
	return (pid_t)pid;
}

static pid_t
target_several(const struct target *t, const pid_t *found, size_t n, struct err *why)
{
	char list[ERR_TEXT_MAX], exe[PATH_MAX];
	size_t at = 0;

	for (size_t i = 0; i < n && i < TARGET_MATCHES_MAX && at < sizeof(list) - 1; i++) {
		if (proc_exe(found[i], exe, sizeof(exe)) < 0)
			snprintf(exe, sizeof(exe), "?");
		at += (size_t)snprintf(list + at, sizeof(list) - at, "%s%d (%.60s)", i ? ", " : "", (int)found[i], exe);
	}
	return (pid_t)err_set(why, -ENOTUNIQ, "%zu processes match \"%s\": %.300s%s; choose one by its pid, or by pidfile:PATH",
			      n, t->value, list, n > TARGET_MATCHES_MAX ? ", ..." : "");
}

static pid_t
target_scan(const struct target *t, struct err *why)
{
	pid_t found[TARGET_MATCHES_MAX];
	const struct dirent *e;
	size_t n = 0;
	DIR *d = opendir("/proc");

	if (!d)
		return (pid_t)err_sys(why, -errno, "/proc");
	while ((e = readdir(d))) {
		pid_t pid = (pid_t)atoi(e->d_name);

		if (pid < 1 || pid == getpid() || !target_matches(t, pid) || target_alive(pid, NULL) < 0)
			continue;
		if (n < TARGET_MATCHES_MAX)
			found[n] = pid;
		n++;
	}
	closedir(d);
	if (n == 0)
		return (pid_t)err_set(why, -ESRCH, "no running process matches \"%s\"", t->value);
	return n == 1 ? found[0] : target_several(t, found, n, why);
}

pid_t
target_find(const struct target *t, struct err *why)
{
	if (t->kind == TARGET_PID)
		return target_alive(t->pid, why);
	if (t->kind == TARGET_PIDFILE)
		return target_read_pidfile(t->value, why);
	return target_scan(t, why);
}
