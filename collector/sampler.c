#include "config.h"

#include "collector/sampler.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/log.h"
#include "collector/loop.h"
#include "collector/node.h"
#include "collector/proc.h"

#define RING_BYTES_MIN 65536      /* where not even that may be locked, nothing is sampled */
#define RING_HOLDS 4u             /* samples at the least */
#define RING_HOLDS_BURST 128u
#define RING_HOLDS_NS 150000000u  /* ten beats of the node: drains come late on a busy machine */
#define RECORD_BYTES 2048         /* of a sample, but for its stack: registers, kernel frames */
#define STEER_NS 200000000u       /* between looks at a steered event's rate; the first comes at once */
#define DRAIN_RECORDS_MAX 8192    /* of a ring at a beat: those of mappings cost some calls each */
#define RESCANS_MAX 20       /* of a process that makes threads faster than we open them */

/* ---- threads that have our events */

static bool
tid_same(const void *ctx, uint32_t i, const void *key)
{
	return ((const struct sampler *)ctx)->tids[i] == *(const pid_t *)key;
}

static bool
sampler_knows(const struct sampler *s, pid_t tid)
{
	return table_find(&s->tid_ids, hash_u64((uint64_t)tid, 0), tid_same, s, &tid) != TABLE_NONE;
}

static int
sampler_note_tid(struct sampler *s, pid_t tid)
{
	if (sampler_knows(s, tid))
		return 0;
	if (s->n_tids == s->cap_tids) {
		size_t cap = s->cap_tids ? s->cap_tids * 2 : 64;
		pid_t *more = realloc(s->tids, cap * sizeof(pid_t));

		if (!more)
			return -ENOMEM;
		s->tids = more;
		s->cap_tids = cap;
	}
	s->tids[s->n_tids] = tid;
	if (table_add(&s->tid_ids, hash_u64((uint64_t)tid, 0), (uint32_t)s->n_tids) < 0)
		return -ENOMEM;
	s->n_tids++;
	return 0;
}

/* From now on all threads have them; a list of those born later would only grow. */
static void
sampler_forget_tids(struct sampler *s)
{
	free(s->tids);
	s->tids = NULL;
	s->n_tids = s->cap_tids = 0;
	table_fini(&s->tid_ids);
}

/* ---- opening */

static int
sampler_keep_fd(struct sampler *s, int fd)
{
	if (s->n_fds == s->cap_fds) {
		size_t cap = s->cap_fds ? s->cap_fds * 2 : 64;
		int *more = realloc(s->fds, cap * sizeof(int));

		if (!more)
			return -ENOMEM;
		s->fds = more;
		s->cap_fds = cap;
	}
	s->fds[s->n_fds++] = fd;
	return 0;
}

/* The first event of a CPU owns its ring. -ENOBUFS: no more memory may be locked. */
static int
sampler_map_ring(struct sampler *s, int cpu, int fd, struct err *why)
{
	int r = ring_open(&s->rings[cpu], fd, s->ring_bytes, why);

	if (r == 0)
		s->ring_fds[cpu] = fd;
	return r == -EPERM || r == -ENOMEM ? -ENOBUFS : r;
}

/* How much of a stack to copy: as the configuration says, but so that a ring holds what a CPU
 * samples in RING_HOLDS_NS, and that is at least RING_HOLDS samples. Occurrences come in bursts
 * before the kernel has found the period for the frequency asked for: then RING_HOLDS_BURST. */
static void
sampler_fit_stack(struct sampler *s, uint32_t wanted)
{
	uint64_t samples = (uint64_t)s->event.hz * RING_HOLDS_NS / 1000000000u;
	uint64_t most;

	if (samples < (s->event.is_clock ? RING_HOLDS : RING_HOLDS_BURST))
		samples = s->event.is_clock ? RING_HOLDS : RING_HOLDS_BURST;
	most = s->ring_bytes / samples;
	most = most > RECORD_BYTES + 8 ? most - RECORD_BYTES : 8;
	s->event.attr.sample_stack_user = (uint32_t)(most < wanted ? most : wanted) & ~7u;
}

/* Open one thread on one CPU. Returns 1, 0 when there is nothing to open there, or -errno. */
static int
sampler_open_one(struct sampler *s, pid_t tid, int cpu, struct err *why)
{
	int fd, r;

	if (s->n_fds >= s->max_fds)
		return err_set(why, -EDQUOT, "event %s: threads were born and died until all %zu descriptors were used "
			       "(max_events in pprofd.conf)", s->event.name, s->max_fds);
	fd = event_open(&s->event, tid, cpu);
	if (fd == -ESRCH || fd == -ENODEV)
		return 0;
	if (fd < 0) {
		event_explain(&s->event, fd, why);
		return fd;
	}
	if (s->ring_fds[cpu] < 0)
		r = sampler_map_ring(s, cpu, fd, why);
	else
		r = ioctl(fd, PERF_EVENT_IOC_SET_OUTPUT, s->ring_fds[cpu]) < 0 ?
			    err_sys(why, -errno, "event %s: sharing a ring", s->event.name) : 0;
	if (r == 0)
		r = sampler_keep_fd(s, fd);
	if (r < 0) {
		close(fd);
		return r;
	}
	return 1;
}

static int
sampler_open_thread(struct sampler *s, pid_t tid, struct err *why)
{
	int opened = 0, r;

	for (int cpu = 0; cpu < s->n_cpus; cpu++) {
		r = sampler_open_one(s, tid, cpu, why);
		if (r < 0)
			return r;
		opened += r;
	}
	if (opened && sampler_note_tid(s, tid) < 0)
		return err_set(why, -ENOMEM, "no memory for the threads of pid %d", (int)s->pid);
	return opened;
}

/* Once over the task directory; threads born to one that has our events inherit them, and the
 * FORK records in the ring say which those are. Returns how many were opened. */
static int
sampler_scan(struct sampler *s, struct err *why)
{
	pid_t *tids = NULL;
	int n, opened = 0, r = 0;

	n = proc_threads(s->pid, &tids);
	if (n < 0)
		return err_sys(why, n == -ENOENT ? -ESRCH : n, "threads of pid %d", (int)s->pid);
	if ((size_t)n * (size_t)s->n_cpus > s->max_fds) {
		free(tids);
		return err_set(why, -EDQUOT, "event %s: %d threads on %d CPUs need %zu descriptors, the limit is %zu "
			       "(max_events in pprofd.conf)", s->event.name, n, s->n_cpus,
			       (size_t)n * (size_t)s->n_cpus, s->max_fds);
	}
	/* After the list: a thread that stands there may have inherited, and must not be opened twice. */
	sampler_drain(s);
	for (int i = 0; i < n && r >= 0; i++) {
		if (sampler_knows(s, tids[i]))
			continue;
		r = sampler_open_thread(s, tids[i], why);
		opened += r > 0;
	}
	free(tids);
	return r < 0 ? r : opened;
}

static int
sampler_attach_as_is(struct sampler *s, struct err *why)
{
	int r = 0;

	s->pid = s->node->pid;
	s->attaching = true;
	for (int i = 0; i < RESCANS_MAX; i++) {
		r = sampler_scan(s, why);
		if (r <= 0)
			break;
	}
	s->attaching = false;
	s->period = s->event.attr.sample_period;
	s->counted = 0;
	s->steered_ns = 0;
	s->opened_ns = loop_now();
	sampler_forget_tids(s);
	if (r < 0)
		return r;
	if (!s->n_fds)
		return err_set(why, -ESRCH, "process %d has exited", (int)s->pid);
	return 0;
}

/* Without CAP_IPC_LOCK there is a limit for the rings of all samplers together: then smaller ones. */
static int
sampler_attach(struct sampler *s, struct err *why)
{
	uint32_t wanted = s->stack_bytes;
	int r;

	for (;;) {
		sampler_fit_stack(s, wanted);
		r = sampler_attach_as_is(s, why);
		if (r != -ENOBUFS)
			return r;
		if (s->ring_bytes <= RING_BYTES_MIN)
			return err_set(why, r, "no memory may be locked for the sampling rings; raise LimitMEMLOCK of "
				       "the collector (container: --ulimit memlock=-1)");
		sampler_stop(s);
		s->ring_bytes /= 2;
	}
}

int
sampler_open(struct sampler **out, struct node *node, const struct event *ev, size_t ring_bytes, size_t max_fds,
	     struct err *why)
{
	long cpus = sysconf(_SC_NPROCESSORS_CONF);
	struct sampler *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return err_set(why, -ENOMEM, "no memory for a sampler");
	s->node = node;
	s->event = *ev;
	s->stack_bytes = ev->attr.sample_stack_user;
	s->waiting_last = &s->waiting;
	s->ring_bytes = ring_bytes;
	s->max_fds = max_fds;
	s->n_cpus = cpus < 1 ? 1 : cpus > SAMPLER_CPUS_MAX ? SAMPLER_CPUS_MAX : (int)cpus;
	s->rings = calloc((size_t)s->n_cpus, sizeof(*s->rings));
	s->ring_fds = malloc((size_t)s->n_cpus * sizeof(int));
	if (!s->rings || !s->ring_fds) {
		sampler_free(s);
		return err_set(why, -ENOMEM, "no memory for a sampler");
	}
	memset(s->ring_fds, 0xff, (size_t)s->n_cpus * sizeof(int));
	r = sampler_attach(s, why);
	if (r < 0) {
		sampler_free(s);
		return r;
	}
	*out = s;
	return 0;
}

int
sampler_reopen(struct sampler *s, struct err *why)
{
	int r;

	sampler_stop(s);
	r = sampler_attach(s, why);
	if (r < 0)
		sampler_stop(s);
	return r;
}

void
sampler_stop(struct sampler *s)
{
	bool known;

	s->lost_closed = sampler_lost(s, &known);
	for (int cpu = 0; cpu < s->n_cpus && s->wakers; cpu++)
		loop_remove(s->node->loop, &s->wakers[cpu]);
	free(s->wakers);
	s->wakers = NULL;
	for (int cpu = 0; cpu < s->n_cpus && s->rings; cpu++)
		ring_close(&s->rings[cpu]);
	for (size_t i = 0; i < s->n_fds; i++)
		close(s->fds[i]);
	s->n_fds = 0;
	if (s->ring_fds)
		memset(s->ring_fds, 0xff, (size_t)s->n_cpus * sizeof(int));
	s->pid = 0;
}

void
sampler_free(struct sampler *s)
{
	if (!s)
		return;
	sampler_stop(s);
	while (s->waiting) {
		struct sampler_waiting *w = s->waiting;

		s->waiting = w->next;
		free(w);
	}
	sampler_forget_tids(s);
	free(s->rings);
	free(s->ring_fds);
	free(s->fds);
	free(s);
}

/* What read(2) gives, with PERF_FORMAT_LOST or without. */
struct count {
	uint64_t value, lost;
};

static struct count
sampler_counts(const struct sampler *s)
{
	struct count sum = { 0, 0 };

	for (size_t i = 0; i < s->n_fds; i++) {
		struct count c = { 0, 0 };

		if (read(s->fds[i], &c, sizeof(c)) < (ssize_t)sizeof(c.value))
			continue;
		sum.value += c.value;
		sum.lost += c.lost;
	}
	return sum;
}

uint64_t
sampler_lost(const struct sampler *s, bool *known)
{
	*known = s->event.attr.read_format & PERF_FORMAT_LOST;
	return *known ? s->lost_closed + sampler_counts(s).lost : s->lost_closed;
}

/* ---- haste */

static void
sampler_awake(void *ctx, uint32_t events)
{
	(void)events;
	sampler_drain(ctx);
}

void
sampler_hasten(struct sampler *s)
{
	if (s->wakers || !s->n_fds)
		return;
	s->wakers = calloc((size_t)s->n_cpus, sizeof(*s->wakers));
	for (int cpu = 0; cpu < s->n_cpus && s->wakers; cpu++) {
		s->wakers[cpu] = (struct loop_fd){ .fd = s->ring_fds[cpu], .ready = sampler_awake, .ctx = s };
		/* By edges: the descriptor of a thread that exited says EPOLLHUP for ever. */
		if (s->wakers[cpu].fd >= 0 && loop_add(s->node->loop, &s->wakers[cpu], EPOLLIN | EPOLLET) < 0)
			s->wakers[cpu].fd = -1;
	}
}

/* ---- steering */

static void
sampler_set_period(struct sampler *s, uint64_t period)
{
	sampler_drain(s); /* what is in the rings has the old one */
	s->period = period;
	for (size_t i = 0; i < s->n_fds; i++)
		if (ioctl(s->fds[i], PERF_EVENT_IOC_PERIOD, &period) < 0)
			s->bad_records++;
}

void
sampler_steer(struct sampler *s, uint64_t now_ns)
{
	uint64_t counted, passed, rate, period;

	if (!s->event.steered || (s->steered_ns && now_ns - s->steered_ns < STEER_NS))
		return;
	counted = sampler_counts(s).value;
	passed = now_ns - (s->steered_ns ? s->steered_ns : s->opened_ns);
	rate = counted > s->counted && passed ? (uint64_t)((double)(counted - s->counted) * 1e9 / (double)passed) : 0;
	s->counted = counted;
	s->steered_ns = now_ns;
	period = rate / s->event.hz + 1;
	/* Each change costs exactness: the kernel then takes the next occurrence for a whole period. */
	if (period > 2 * s->period || 4 * period < s->period)
		sampler_set_period(s, period);
}

/* ---- draining */

static int
sampler_parse(const struct sampler *s, const struct perf_event_header *h, struct record_sample *sample)
{
	int r = record_sample(h, s->event.attr.sample_type, sample);

	if (!sample->period)
		sample->period = s->period;
	return r;
}

/* Keep a sample whose objects have no rows yet. */
static void
sampler_wait(struct sampler *s, const struct perf_event_header *h, const struct record_sample *sample)
{
	struct sampler_waiting *w;

	w = s->n_waiting < SAMPLER_WAITING_MAX ? malloc(sizeof(*w) + h->size) : NULL;
	if (!w) {
		node_sample(s->node, s, sample, true);
		return;
	}
	memcpy(w->record, h, h->size);
	w->time_ns = sample->time_ns;
	w->period = sample->period;
	w->next = NULL;
	*s->waiting_last = w;
	s->waiting_last = &w->next;
	s->n_waiting++;
}

static void
sampler_sample(struct sampler *s, const struct perf_event_header *h)
{
	struct record_sample sample;

	if (sampler_parse(s, h, &sample) < 0) {
		s->bad_records++;
		return;
	}
	if ((pid_t)sample.pid != s->pid)
		return; /* a forked child, on kernels that cannot leave it out (before 5.13) */
	if (!node_sample(s->node, s, &sample, false))
		sampler_wait(s, h, &sample);
}

static void
sampler_mmap(struct sampler *s, const struct perf_event_header *h)
{
	struct record_mmap m;

	if (record_mmap2(h, &m) == 0 && (pid_t)m.pid == s->pid)
		node_mmap(s->node, &m);
}

static void
sampler_comm(struct sampler *s, const struct perf_event_header *h)
{
	struct record_comm c;

	if (record_comm(h, &c) == 0 && (pid_t)c.pid == s->pid)
		node_comm(s->node, &c);
}

static void
sampler_fork(struct sampler *s, const struct perf_event_header *h)
{
	struct record_task t;

	if (s->attaching && record_task(h, &t) == 0 && (pid_t)t.pid == s->pid &&
	    sampler_note_tid(s, (pid_t)t.tid) < 0)
		s->bad_records++;
}

static void
sampler_record(struct sampler *s, const struct perf_event_header *h)
{
	switch (h->type) {
	case PERF_RECORD_SAMPLE:
		sampler_sample(s, h);
		break;
	case PERF_RECORD_MMAP2:
		sampler_mmap(s, h);
		break;
	case PERF_RECORD_COMM:
		sampler_comm(s, h);
		break;
	case PERF_RECORD_FORK:
		sampler_fork(s, h);
		break;
	case PERF_RECORD_THROTTLE:
		s->throttled++;
		break;
	default: /* LOST: read(2) tells better; EXIT: the pidfd does */
		break;
	}
}

/* One that waited. False: it has to wait on. */
static bool
sampler_again(struct sampler *s, const struct sampler_waiting *w, bool force)
{
	struct record_sample sample;

	if (sampler_parse(s, (const void *)w->record, &sample) < 0)
		return true;
	sample.period = w->period;
	return node_sample(s->node, s, &sample, force);
}

/* Count as they are those that have waited long enough. Only new rows are a reason to unwind the
 * others again: at every drain it would be hundreds of stacks in vain. */
static void
sampler_expire(struct sampler *s)
{
	uint64_t now = loop_now();

	while (s->waiting && now - s->waiting->time_ns > SAMPLER_WAIT_NS) {
		struct sampler_waiting *w = s->waiting;

		s->waiting = w->next;
		if (!s->waiting)
			s->waiting_last = &s->waiting;
		s->n_waiting--;
		sampler_again(s, w, true);
		free(w);
	}
}

void
sampler_drain(struct sampler *s)
{
	const struct perf_event_header *h;
	int r;

	for (int cpu = 0; cpu < s->n_cpus; cpu++) {
		struct ring *ring = &s->rings[cpu];
		uint64_t head;
		int records = 0;

		if (!ring->meta)
			continue;
		/* What comes while we read waits for the next beat: a node may write faster than we read. */
		head = ring_head(ring);
		while (ring->tail != head && records++ < DRAIN_RECORDS_MAX && (r = ring_peek(ring, &h)) != 0) {
			if (r < 0) {
				s->bad_records++;
				break;
			}
			sampler_record(s, h);
			ring_advance(ring, h);
		}
	}
	sampler_expire(s);
}

void
sampler_retry(struct sampler *s, bool force)
{
	struct sampler_waiting *w = s->waiting;

	s->waiting = NULL;
	s->waiting_last = &s->waiting;
	s->n_waiting = 0;
	while (w) {
		struct sampler_waiting *next = w->next;

		if (!sampler_again(s, w, force)) {
			w->next = NULL;
			*s->waiting_last = w;
			s->waiting_last = &w->next;
			s->n_waiting++;
		} else {
			free(w);
		}
		w = next;
	}
}
