#include "config.h"

#include "collector/events.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

int
events_init(struct events *e, size_t ring_bytes, size_t max_fds, struct err *why)
{
	long cpus = sysconf(_SC_NPROCESSORS_CONF);

	memset(e, 0, sizeof(*e));
	e->ring_bytes = ring_bytes;
	e->max_fds = max_fds;
	e->n_cpus = cpus < 1 ? 1 : cpus > EVENTS_CPUS_MAX ? EVENTS_CPUS_MAX : (int)cpus;
	e->rings = calloc((size_t)e->n_cpus, sizeof(*e->rings));
	e->ring_fds = malloc((size_t)e->n_cpus * sizeof(int));
	if (!e->rings || !e->ring_fds) {
		events_fini(e);
		return err_set(why, -ENOMEM, "no memory for a set of events");
	}
	memset(e->ring_fds, 0xff, (size_t)e->n_cpus * sizeof(int));
	return 0;
}

void
events_close(struct events *e)
{
	for (int cpu = 0; cpu < e->n_cpus && e->rings; cpu++)
		ring_close(&e->rings[cpu]);
	for (size_t i = 0; i < e->n_fds; i++)
		close(e->fds[i]);
	e->n_fds = 0;
	if (e->ring_fds)
		memset(e->ring_fds, 0xff, (size_t)e->n_cpus * sizeof(int));
}

void
events_fini(struct events *e)
{
	events_close(e);
	free(e->rings);
	free(e->ring_fds);
	free(e->fds);
	memset(e, 0, sizeof(*e));
}

static int
events_keep(struct events *e, int fd)
{
	if (e->n_fds == e->cap_fds) {
		size_t cap = e->cap_fds ? e->cap_fds * 2 : 64;
		int *more = realloc(e->fds, cap * sizeof(int));

		if (!more)
			return -ENOMEM;
		e->fds = more;
		e->cap_fds = cap;
	}
	e->fds[e->n_fds++] = fd;
	return 0;
}

static int
events_map_ring(struct events *e, int cpu, int fd, struct err *why)
{
	int r = ring_open(&e->rings[cpu], fd, e->ring_bytes, why);

	if (r == 0)
		e->ring_fds[cpu] = fd;
	return r == -EPERM || r == -ENOMEM ? -ENOBUFS : r;
}

int
events_add(struct events *e, struct event *ev, pid_t tid, int cpu, struct err *why)
{
	int fd, r;

	if (e->n_fds >= e->max_fds)
		return err_set(why, -EDQUOT, "event %s: threads were born and died until all %zu descriptors were used "
			       "(max_events in pprofd.conf)", ev->name, e->max_fds);
	fd = event_open(ev, tid, cpu);
	if (fd == -ESRCH || fd == -ENODEV)
		return 0;
	if (fd < 0) {
		event_explain(ev, fd, why);
		return fd;
	}
	if (e->ring_fds[cpu] < 0)
		r = events_map_ring(e, cpu, fd, why);
	else
		r = ioctl(fd, PERF_EVENT_IOC_SET_OUTPUT, e->ring_fds[cpu]) < 0 ?
			    err_sys(why, -errno, "event %s: sharing a ring", ev->name) : 0;
	if (r == 0)
		r = events_keep(e, fd);
	if (r < 0) {
		/* The ring must not outlive its descriptor. */
		if (e->ring_fds[cpu] == fd) {
			ring_close(&e->rings[cpu]);
			e->ring_fds[cpu] = -1;
		}
		close(fd);
		return r;
	}
	return 1;
}

/* What read(2) gives, with PERF_FORMAT_LOST or without. */
struct events_count
events_count(const struct events *e)
{
	struct events_count sum = { 0, 0 };

	for (size_t i = 0; i < e->n_fds; i++) {
		struct events_count c = { 0, 0 };

		if (read(e->fds[i], &c, sizeof(c)) < (ssize_t)sizeof(c.value))
			continue;
		sum.value += c.value;
		sum.lost += c.lost;
	}
	return sum;
}
