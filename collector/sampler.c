#include "config.h"

#include "collector/sampler.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>

#include "base/log.h"
#include "collector/loop.h"
#include "collector/node.h"
#include "collector/sampler_mode.h"

#define STEER_NS 200000000u       /* between looks at a steered event's rate; the first comes at once */
#define DRAIN_RECORDS_MAX 8192    /* of a ring at a beat: those of mappings cost some calls each */
#define STEER_OTHERS 20u          /* a CPU's event is looked at so many times as often as hz, for all processes, at the most */

/* ---- opening */

int
sampler_open(struct sampler **out, struct node *node, const struct event *ev, struct err *why)
{
	struct sampler *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return err_set(why, -ENOMEM, "no memory for a sampler");
	s->node = node;
	s->asked = s->event = *ev;
	s->stack_bytes = ev->attr.sample_stack_user;
	s->random = loop_now() | 1;
	s->waiting_last = &s->waiting;
	r = events_init(&s->events, (size_t)node->conf->ring_kb * 1024, node->conf->max_events, why);
	if (r == 0)
		r = sampler_mode_attach(s, why);
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
	s->stays = false;
	r = sampler_mode_attach(s, why);
	if (r < 0)
		sampler_stop(s);
	return r;
}

void
sampler_sleep(struct sampler *s)
{
	for (int cpu = 0; cpu < s->events.n_cpus && s->wakers; cpu++)
		loop_remove(s->node->loop, &s->wakers[cpu]);
	free(s->wakers);
	s->wakers = NULL;
}

void
sampler_stop(struct sampler *s)
{
	bool known;

	s->lost_closed = sampler_lost(s, &known);
	sampler_sleep(s);
	events_close(&s->events);
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
	events_fini(&s->events);
	free(s);
}

uint64_t
sampler_lost(const struct sampler *s, bool *known)
{
	*known = s->event.attr.read_format & PERF_FORMAT_LOST;
	return *known ? s->lost_closed + events_count(&s->events).lost : s->lost_closed;
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
	if (s->wakers || !s->events.n_fds)
		return;
	s->wakers = calloc((size_t)s->events.n_cpus, sizeof(*s->wakers));
	for (int cpu = 0; cpu < s->events.n_cpus && s->wakers; cpu++) {
		s->wakers[cpu] = (struct loop_fd){ .fd = s->events.ring_fds[cpu], .ready = sampler_awake, .ctx = s };
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
	for (size_t i = 0; i < s->events.n_fds; i++)
		if (ioctl(s->events.fds[i], PERF_EVENT_IOC_PERIOD, &period) < 0)
			s->bad_records++;
}

/* How often the node does it is known by the count; on a whole CPU, where all processes are counted, by the samples. */
static uint64_t
sampler_rate(struct sampler *s, uint64_t passed_ns, uint64_t *all)
{
	uint64_t counted = events_count(&s->events).value, before = s->counted;

	s->counted = counted;
	*all = counted > before && passed_ns ? (uint64_t)((double)(counted - before) * 1e9 / (double)passed_ns) : 0;
	if (s->mode == SAMPLER_PER_THREAD)
		return *all;
	counted = s->taken_value;
	s->taken_value = 0;
	return passed_ns ? (uint64_t)((double)counted * 1e9 / (double)passed_ns) : 0;
}

void
sampler_steer(struct sampler *s, uint64_t now_ns)
{
	uint64_t rate, all, period, least;

	if (!s->event.steered || (s->steered_ns && now_ns - s->steered_ns < STEER_NS))
		return;
	rate = sampler_rate(s, now_ns - (s->steered_ns ? s->steered_ns : s->opened_ns), &all);
	s->steered_ns = now_ns;
	period = rate / s->event.hz + 1;
	least = all / ((uint64_t)s->event.hz * STEER_OTHERS * (uint64_t)s->events.n_cpus) + 1;
	if (s->mode == SAMPLER_PER_CPU && period < least)
		period = least;
	/* Each change costs exactness: the kernel then takes the next occurrence for a whole period. */
	if (period > 2 * s->period || 4 * period < s->period)
		sampler_set_period(s, period);
}

/* ---- draining */

static int
sampler_parse(const struct sampler *s, const struct perf_event_header *h, struct record_sample *sample)
{
	int r = record_sample(h, s->event.attr.sample_type, sample);

	if (s->event.is_clock)
		sample->period = s->event.period;
	else if (!sample->period)
		sample->period = s->period;
	sample->is_spare = false;
	/* A thread that is on its last steps has no number any more, nor at the very end its process: the kernel
	 * says -1. Of others the filter lets none through. */
	if (sample->tid == UINT32_MAX)
		sample->tid = 0;
	if (sample->pid == UINT32_MAX && s->mode == SAMPLER_PER_CPU)
		sample->pid = (uint32_t)s->pid;
	return r;
}

/* One of EVENT_SPARES, drawn: each n-th could beat with what the node does by the clock. */
static bool
sampler_draw_spare(struct sampler *s)
{
	s->random ^= s->random << 13;
	s->random ^= s->random >> 7;
	s->random ^= s->random << 17;
	return s->random % EVENT_SPARES == 0;
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
	w->is_spare = sample->is_spare;
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
	if (sample.time_ns < s->since_ns)
		return;
	s->taken++;
	s->taken_value += sample.period;
	sample.is_spare = s->mode == SAMPLER_PER_CPU && s->event.is_clock && sampler_draw_spare(s);
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
	    per_thread_note(s->attaching, (pid_t)t.tid) < 0)
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
	sample.is_spare = w->is_spare;
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

	for (int cpu = 0; cpu < s->events.n_cpus; cpu++) {
		struct ring *ring = &s->events.rings[cpu];
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
