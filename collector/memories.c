#include "config.h"

#include "collector/memories.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "collector/limits.h"
#include "collector/loop.h"

static const char *const parts[WIRE_MEMORY_PARTS] = {
	[WIRE_MEMORY_MEM] = "mem",
	[WIRE_MEMORY_MAPS] = "maps",
	[WIRE_MEMORY_PAGEMAP] = "pagemap",
};

void
memories_init(struct memories *ms)
{
	memset(ms, 0, sizeof(*ms));
	/* Those of a collector that was restarted are others: its clients may still know some. */
	ms->next_id = loop_unix_now();
}

bool
memories_can_be_read(struct memories *ms)
{
	if (ms && !ms->connected && ms->wanted)
		ms->wanted(ms->ctx);
	return ms && ms->connected;
}

static void
memory_free(struct node_memory *m)
{
	for (size_t i = 0; i < WIRE_MEMORY_PARTS; i++)
		if (m->fds[i] >= 0)
			close(m->fds[i]);
	if (m->alive_fd >= 0)
		close(m->alive_fd);
	objects_put(m->exe);
	free(m);
}

static void
memory_drop(struct memories *ms, struct node_memory *m)
{
	struct node_memory **link = &ms->first;

	while (*link != m)
		link = &(*link)->next;
	*link = m->next;
	if (ms->dropped)
		ms->dropped(ms->ctx, m);
	memory_free(m);
}

void
memories_fini(struct memories *ms)
{
	while (ms->first)
		memory_drop(ms, ms->first);
}

static int
part_open(pid_t pid, const char *part)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, part);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* The maps of a program that is no more have no rows: it has ended, or another one was executed. */
static bool
memory_is_alive(const struct node_memory *m)
{
	char byte;

	return pread(m->alive_fd, &byte, 1, 0) == 1;
}

static bool
process_has_exited(int pidfd)
{
	struct pollfd p = { .fd = pidfd, .events = POLLIN };

	return poll(&p, 1, 0) != 0;
}

static int
memory_open(struct node_memory *m, int pidfd, struct err *why)
{
	m->alive_fd = part_open(m->pid, "maps");
	if (m->alive_fd < 0)
		return limits_explain_memory(m->alive_fd, m->pid, why);
	for (size_t i = 0; i < WIRE_MEMORY_PARTS; i++) {
		m->fds[i] = part_open(m->pid, parts[i]);
		if (m->fds[i] < 0)
			return limits_explain_memory(m->fds[i], m->pid, why);
	}
	/* What was opened first is still of the program: then so is all that was opened since. And the pid
	 * is still the node's. */
	if (!memory_is_alive(m) || process_has_exited(pidfd))
		return err_set(why, -ESRCH, "process %d has exited, or executes another program", (int)m->pid);
	return 0;
}

static struct node_memory *
memory_of(struct memories *ms, pid_t pid)
{
	for (struct node_memory *m = ms->first; m; m = m->next)
		if (m->pid == pid)
			return m;
	return NULL;
}

int
memories_get(struct memories *ms, pid_t pid, int pidfd, struct object *exe, struct node_memory **out,
	     struct err *why)
{
	struct node_memory *m = memory_of(ms, pid);
	int r;

	if (m && (!memory_is_alive(m) || m->exe != exe)) {
		memory_drop(ms, m);
		m = NULL;
	}
	if (!m) {
		m = calloc(1, sizeof(*m));
		if (!m)
			return err_set(why, -ENOMEM, "no memory");
		m->pid = pid;
		m->alive_fd = -1;
		for (size_t i = 0; i < WIRE_MEMORY_PARTS; i++)
			m->fds[i] = -1;
		r = memory_open(m, pidfd, why);
		if (r < 0) {
			memory_free(m);
			return r;
		}
		m->exe = objects_ref(exe);
		m->id = ms->next_id++;
		m->next = ms->first;
		ms->first = m;
		log_debug("memory %llu: of process %d", (unsigned long long)m->id, (int)pid);
		if (ms->added)
			ms->added(ms->ctx, m);
	}
	m->users++;
	m->unused_ns = 0;
	*out = m;
	return 0;
}

struct node_memory *
memories_find(const struct memories *ms, uint64_t id)
{
	struct node_memory *m = ms->first;

	while (m && m->id != id)
		m = m->next;
	return m;
}

void
memories_put(struct memories *ms, uint64_t id)
{
	struct node_memory *m = memories_find(ms, id);

	if (m && --m->users == 0)
		m->unused_ns = loop_now();
}

void
memories_forget(struct memories *ms, pid_t pid)
{
	struct node_memory *m = ms ? memory_of(ms, pid) : NULL;

	if (m)
		memory_drop(ms, m);
}

void
memories_sweep(struct memories *ms, uint64_t now_ns)
{
	struct node_memory *next;

	for (struct node_memory *m = ms->first; m; m = next) {
		next = m->next;
		if (!memory_is_alive(m) || (m->unused_ns && now_ns - m->unused_ns > MEMORIES_IDLE_NS))
			memory_drop(ms, m);
	}
}
