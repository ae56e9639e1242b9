#include "config.h"

#include "collector/proc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

#define PF_KTHREAD 0x00200000u /* linux/sched.h; field 9 of proc_pid_stat(5) */

static ssize_t
proc_read(const char *path, char *to, size_t n)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got;

	if (fd < 0)
		return -errno;
	got = read(fd, to, n - 1);
	if (got < 0)
		got = -errno;
	close(fd);
	if (got >= 0)
		to[got] = '\0';
	return got;
}

int
proc_stat_read(pid_t pid, struct proc_stat *st)
{
	char path[64], text[1024];
	unsigned int flags;
	const char *p;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	n = proc_read(path, text, sizeof(text));
	if (n < 0)
		return (int)n;
	/* The name may hold blanks and ')': the fields begin behind the last ')'. */
	p = strrchr(text, ')');
	if (!p || sscanf(p + 1, " %c %*d %*d %*d %*d %*d %u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %" SCNu32
			 " %*d %" SCNu64, &st->state, &flags, &st->threads, &st->start_ticks) != 4)
		return -EBADMSG;
	st->kernel_thread = flags & PF_KTHREAD;
	return 0;
}

int
proc_comm(pid_t pid, pid_t tid, char comm[PROC_COMM_MAX])
{
	char path[64], text[64];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/comm", (int)pid, (int)tid);
	n = proc_read(path, text, sizeof(text));
	if (n < 0)
		return (int)n;
	if (n > 0 && text[n - 1] == '\n')
		text[n - 1] = '\0';
	snprintf(comm, PROC_COMM_MAX, "%.*s", PROC_COMM_MAX - 1, text);
	return 0;
}

int
proc_exe(pid_t pid, char *path, size_t n)
{
	char at[64];
	ssize_t got;

	snprintf(at, sizeof(at), "/proc/%d/exe", (int)pid);
	got = readlink(at, path, n - 1);
	if (got < 0)
		return -errno;
	path[got] = '\0';
	if (got > 10 && !strcmp(path + got - 10, " (deleted)"))
		path[got - 10] = '\0';
	return 0;
}

uint64_t
proc_start_unix_ns(uint64_t start_ticks)
{
	uint64_t ticks = (uint64_t)sysconf(_SC_CLK_TCK), boot = clock_ns(CLOCK_BOOTTIME);

	return clock_ns(CLOCK_REALTIME) - boot + start_ticks * (1000000000u / ticks);
}

uint64_t
proc_cpu_ns(pid_t pid)
{
	struct timespec ts;
	clockid_t clock;

	if (pid < 1) /* 0 would be ourselves */
		return 0;
	if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &ts) != 0)
		return 0;
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

int
proc_thread_cpu_ns(pid_t pid, pid_t tid, uint64_t *ns)
{
	char path[64], text[128];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/schedstat", (int)pid, (int)tid);
	n = proc_read(path, text, sizeof(text));
	if (n < 0)
		return (int)n;
	return sscanf(text, "%" SCNu64, ns) == 1 ? 0 : -EBADMSG;
}

uint64_t
proc_steal_ns(void)
{
	uint64_t ticks = 0, hz = (uint64_t)sysconf(_SC_CLK_TCK);
	char text[256];

	/* The first line: cpu user nice system idle iowait irq softirq steal ... */
	if (proc_read("/proc/stat", text, sizeof(text)) < 0 ||
	    sscanf(text, "cpu %*u %*u %*u %*u %*u %*u %*u %" SCNu64, &ticks) != 1)
		return 0;
	return ticks * (1000000000u / hz);
}

int
proc_threads(pid_t pid, pid_t **tids)
{
	const struct dirent *e;
	size_t n = 0, cap = 64;
	char path[64];
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	d = opendir(path);
	if (!d)
		return -errno;
	*tids = malloc(cap * sizeof(pid_t));
	while (*tids && (e = readdir(d))) {
		pid_t tid = (pid_t)atoi(e->d_name);

		if (tid < 1)
			continue;
		if (n == cap) {
			pid_t *more = realloc(*tids, 2 * cap * sizeof(pid_t));

			if (!more) {
				free(*tids);
				*tids = NULL;
				break;
			}
			*tids = more;
			cap *= 2;
		}
		(*tids)[n++] = tid;
	}
	closedir(d);
	return *tids ? (int)n : -ENOMEM;
}

/* A row of /proc/PID/maps, but for its path. */
struct proc_map {
	uint64_t start, end, ino;
	unsigned int dev_major, dev_minor;
	char perms[8];
};

/* The next row, or false. */
static bool
proc_next_map(FILE *f, char **line, size_t *cap, struct proc_map *m)
{
	return getline(line, cap, f) > 0 &&
	       sscanf(*line, "%" SCNx64 "-%" SCNx64 " %7s %*x %x:%x %" SCNu64, &m->start, &m->end, m->perms,
		      &m->dev_major, &m->dev_minor, &m->ino) == 6;
}

static bool
proc_same_file(const struct proc_map *a, const struct proc_map *b)
{
	return a->ino && a->ino == b->ino && a->dev_major == b->dev_major && a->dev_minor == b->dev_minor;
}

/* Is it private and writable data of the program that `code` is of? *end: where its last such row ended. */
static bool
proc_map_is_data(const struct proc_map *m, const struct proc_map *code, uint64_t *end)
{
	bool writable = !strncmp(m->perms, "rw-p", 4);
	bool own = proc_same_file(m, code);
	bool behind = !m->ino && *end && m->start == *end;

	*end = own ? m->end : 0;
	return writable && (own || behind);
}

int
proc_is_program_data(pid_t pid, uint64_t code, uint64_t addr)
{
	struct proc_map m, of = { .ino = 0 };
	char path[64], *line = NULL;
	uint64_t end = 0;
	size_t cap = 0;
	int found = 0;
	FILE *f;

	if (addr % sizeof(uint64_t))
		return 0;
	snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
	f = fopen(path, "re");
	if (!f)
		return -errno;
	while (!of.ino && proc_next_map(f, &line, &cap, &m))
		if (code >= m.start && code < m.end)
			of = m;
	rewind(f);
	while (of.ino && !found && proc_next_map(f, &line, &cap, &m))
		found = proc_map_is_data(&m, &of, &end) && addr >= m.start && addr < m.end;
	free(line);
	fclose(f);
	return found;
}
