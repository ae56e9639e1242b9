#include "config.h"

#include "collector/per_cpu.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "collector/bpf.h"

static int
per_cpu_open_all(struct events *e, struct event *ev, int filter, struct err *why)
{
	for (int cpu = 0; cpu < e->n_cpus; cpu++) {
		int r = events_add(e, ev, -1, cpu, why), fd;

		if (r < 0)
			return r;
		if (r == 0)
			continue;
		fd = e->fds[e->n_fds - 1];
		if (ioctl(fd, PERF_EVENT_IOC_SET_BPF, filter) < 0)
			return err_sys(why, -errno, "event %s: attaching the BPF program", ev->name);
	}
	return e->n_fds ? 0 : err_set(why, -ENODEV, "event %s: no CPU to open it on", ev->name);
}

int
per_cpu_open(struct events *e, struct event *ev, pid_t pid, struct err *why)
{
	int filter, r;

	filter = bpf_filter_load(pid, why);
	if (filter < 0)
		return filter;
	r = per_cpu_open_all(e, ev, filter, why);
	close(filter);
	/* Not before the filter is there: what others do must not come into a ring. */
	for (size_t i = 0; i < e->n_fds && r == 0; i++)
		if (ioctl(e->fds[i], PERF_EVENT_IOC_ENABLE, 0) < 0)
			r = err_sys(why, -errno, "event %s: switching it on", ev->name);
	if (r < 0)
		events_close(e);
	return r;
}
