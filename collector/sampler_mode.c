#include "config.h"

#include "collector/sampler_mode.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "collector/node.h"
#include "collector/per_cpu.h"
#include "collector/per_thread.h"
#include "collector/proc.h"

#define RING_BYTES_MIN 65536      /* where not even that may be locked, nothing is sampled */
#define RING_HOLDS 4u             /* samples at the least */
#define RING_HOLDS_BURST 128u
#define RING_HOLDS_NS 150000000u  /* ten beats of the node: drains come late on a busy machine */
#define RECORD_BYTES 2048         /* of a sample, but for its stack: registers, kernel frames */
#define SHARE_MISSED 20u          /* of the CPU time, one in so many may be in no sample: 5 % */
#define TICK_NS 10000000u         /* at the most, of a kernel with HZ = 100 */
#define BY_CPU "sampled by one event per CPU with a BPF filter"

/* How much of a stack to copy: as the configuration says, but so that a ring holds what a CPU
 * samples in RING_HOLDS_NS, and that is at least RING_HOLDS samples. Occurrences come in bursts
 * before the kernel has found the period for the frequency asked for: then RING_HOLDS_BURST. */
static void
sampler_fit_stack(const struct sampler *s, struct event *ev, size_t ring_bytes)
{
	uint64_t samples = (uint64_t)ev->hz * RING_HOLDS_NS / 1000000000u;
	uint64_t most;

	if (samples < (ev->is_clock ? RING_HOLDS : RING_HOLDS_BURST))
		samples = ev->is_clock ? RING_HOLDS : RING_HOLDS_BURST;
	most = ring_bytes / samples;
	most = most > RECORD_BYTES + 8 ? most - RECORD_BYTES : 8;
	ev->attr.sample_stack_user = (uint32_t)(most < s->stack_bytes ? most : s->stack_bytes) & ~7u;
}

/* Why it is open as it is: for the comments. */
__attribute__((format(printf, 2, 3))) static void
sampler_say(struct sampler *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(s->says, sizeof(s->says), fmt, ap);
	va_end(ap);
}

/* To those that look already; a new window asks itself. */
static void
sampler_tell(const struct sampler *s)
{
	for (struct window *w = s->node->windows; w; w = w->next)
		if (w->sampler == s && s->says[0])
			window_note(w, "%s", s->says);
}

static void
sampler_read_rings(void *ctx)
{
	sampler_drain(ctx);
}

static int
sampler_open_threads(struct sampler *s, struct err *why)
{
	struct per_thread threads;
	int r;

	per_thread_init(&threads, s->pid);
	s->attaching = &threads;
	s->mode = SAMPLER_PER_THREAD;
	s->event = s->asked;
	sampler_fit_stack(s, &s->event, s->events.ring_bytes);
	r = per_thread_open(&threads, &s->events, &s->event, sampler_read_rings, s, why);
	s->attaching = NULL;
	per_thread_fini(&threads);
	return r;
}

static int
sampler_open_cpus(struct sampler *s, struct err *why)
{
	s->mode = SAMPLER_PER_CPU;
	s->event = s->asked;
	event_per_cpu(&s->event);
	sampler_fit_stack(s, &s->event, s->events.ring_bytes);
	return per_cpu_open(&s->events, &s->event, s->pid, why);
}

static bool
sampler_mode_is(const struct sampler *s, const char *mode)
{
	return !strcmp(s->node->conf->mode, mode);
}

/* By CPUs from the start? Says why. */
static bool
sampler_wants_cpus(struct sampler *s)
{
	struct proc_stat st;

	if (sampler_mode_is(s, "cpu")) {
		sampler_say(s, BY_CPU ": mode = cpu");
		return true;
	}
	if (sampler_mode_is(s, "thread") || s->stays)
		return false;
	if (s->node->crowded_pid == s->pid) {
		sampler_say(s, BY_CPU ": by thread too much of the CPU time was in no sample, in an earlier window");
		return true;
	}
	if (proc_stat_read(s->pid, &st) == 0 && (uint64_t)st.threads * (uint64_t)s->events.n_cpus > SAMPLER_PER_THREAD_MAX) {
		sampler_say(s, BY_CPU ": %u threads on %d CPUs would be %llu events "
			    "(more than %d; mode = auto)", st.threads, s->events.n_cpus,
			    (unsigned long long)st.threads * (unsigned long long)s->events.n_cpus, SAMPLER_PER_THREAD_MAX);
		return true;
	}
	return false;
}

/* Where one way is not possible, the other. -ENOBUFS is neither's fault. */
static int
sampler_attach_as_is(struct sampler *s, struct err *why)
{
	struct err cpus = { .code = 0 }, threads;
	int r;

	s->pid = s->node->pid;
	s->says[0] = '\0';
	if (sampler_wants_cpus(s)) {
		r = sampler_open_cpus(s, &cpus);
		if (r == 0 || r == -ENOBUFS)
			return r;
		s->stays = true;
		sampler_say(s, "sampled by thread, and not by one event per CPU: %s", cpus.text);
	}
	r = sampler_open_threads(s, &threads);
	if (r < 0)
		*why = threads;
	if (r != -EDQUOT || sampler_mode_is(s, "thread"))
		return r;
	/* More threads than descriptors, or a storm of them. */
	events_close(&s->events);
	if (!cpus.code && sampler_open_cpus(s, &cpus) == 0) {
		sampler_say(s, BY_CPU ": threads come faster than events can be opened");
		return 0;
	}
	return cpus.code == -ENOBUFS ? cpus.code :
	       err_set(why, -EDQUOT, "%s; and one event per CPU is not possible: %s", threads.text, cpus.text);
}

/* Without CAP_IPC_LOCK there is a limit for the rings of all samplers together: then smaller ones. */
int
sampler_mode_attach(struct sampler *s, struct err *why)
{
	int r;

	while ((r = sampler_attach_as_is(s, why)) == -ENOBUFS) {
		events_close(&s->events);
		if (s->events.ring_bytes <= RING_BYTES_MIN)
			return err_set(why, r, "no memory may be locked for the sampling rings; raise LimitMEMLOCK of "
				       "the collector (container: --ulimit memlock=-1)");
		s->events.ring_bytes /= 2;
	}
	s->period = s->event.attr.sample_period;
	s->counted = s->steered_ns = 0;
	s->taken = s->taken_value = 0;
	s->opened_ns = loop_now();
	s->clock_ns = proc_cpu_ns(s->pid);
	s->since_ns = 0;
	if (r == 0)
		sampler_tell(s);
	return r;
}

/* ---- going over to CPUs */

/* With rings of its own, so that none of the node's time is in neither. */
static int
sampler_open_second(struct sampler *s, struct events *e, struct event *ev, struct err *why)
{
	size_t bytes = s->events.ring_bytes;
	int r;

	for (;; bytes /= 2) {
		r = events_init(e, bytes, s->events.max_fds, why);
		if (r < 0)
			return r;
		*ev = s->asked;
		event_per_cpu(ev);
		sampler_fit_stack(s, ev, bytes);
		r = per_cpu_open(e, ev, s->pid, why);
		if (r == 0)
			return 0;
		events_fini(e);
		if (r != -ENOBUFS || bytes <= RING_BYTES_MIN)
			return r;
	}
}

static void
sampler_go_over(struct sampler *s, double missing)
{
	struct events cpus;
	struct event ev;
	struct err why;
	bool known;

	s->node->crowded_pid = s->pid;
	if (sampler_open_second(s, &cpus, &ev, &why) < 0) {
		s->stays = true;
		sampler_say(s, "%.0f %% of the CPU time is in no sample, since threads run too shortly; one event per CPU would see "
			    "them, and is not possible: %s", 100 * missing, why.text);
		sampler_tell(s);
		return;
	}
	/* What both saw counts once: up to here as by threads. */
	sampler_drain(s);
	s->lost_closed = sampler_lost(s, &known);
	sampler_sleep(s);
	events_fini(&s->events);
	s->events = cpus;
	s->event = ev;
	s->mode = SAMPLER_PER_CPU;
	s->since_ns = loop_now();
	sampler_say(s, "sampled by thread until %.0f %% of the CPU time was in no sample, since threads run too shortly; then "
		    "by one event per CPU with a BPF filter", 100 * missing);
	sampler_tell(s);
}

/* The time of the longest window, from the opening of the events on. */
static uint64_t
sampler_span(const struct sampler *s)
{
	uint64_t end = s->opened_ns;

	for (const struct window *w = s->node->windows; w; w = w->next)
		if (w->sampler == s && w->end_ns > end)
			end = w->end_ns;
	return end - s->opened_ns;
}

/* What may be in no sample without being missed. Each thread has a period begun on each CPU, which is in no sample
 * yet: no loss where it will be little beside what the windows will hold at their end. And the kernel brings a
 * running thread's account up to date at its tick only. */
static uint64_t
sampler_slack(const struct sampler *s, uint32_t threads, uint64_t cpu_ns, uint64_t now_ns)
{
	uint64_t cpus = (uint64_t)s->events.n_cpus;
	uint64_t begun = threads * cpus * s->event.period;
	double at_the_end = (double)cpu_ns * (double)sampler_span(s) / (double)(now_ns - s->opened_ns);

	if (begun > at_the_end / SHARE_MISSED)
		begun = (uint64_t)(at_the_end / SHARE_MISSED);
	return begun + (threads < cpus ? threads : cpus) * TICK_NS;
}

void
sampler_mode_judge(struct sampler *s, uint64_t now_ns)
{
	uint64_t cpu, seen, missable;
	struct proc_stat st;

	if (s->mode == SAMPLER_PER_CPU || s->stays || !s->event.is_clock || !s->pid || !sampler_mode_is(s, "auto") ||
	    s->event.attr.exclude_kernel || s->node->cpu_ns <= s->clock_ns || now_ns <= s->opened_ns)
		return;
	cpu = s->node->cpu_ns - s->clock_ns;
	seen = s->taken * s->event.period;
	missable = cpu / SHARE_MISSED;
	if (seen + missable >= cpu || proc_stat_read(s->pid, &st) < 0)
		return;
	missable += sampler_slack(s, st.threads, cpu, now_ns);
	if (seen + missable >= cpu)
		return;
	seen += events_count(&s->events).lost * s->event.period; /* told as lost already */
	if (seen + missable < cpu)
		sampler_go_over(s, (double)(cpu - seen) / (double)cpu);
}
