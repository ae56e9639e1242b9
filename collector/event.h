/*
 * event.h - a name such as "task-clock" or "cycles:u" as a perf_event attribute.
 *
 * Names are libpfm4's (pfm_get_os_event_encoding(3)), hardware and software.
 */
#ifndef PPD_COLLECTOR_EVENT_H
#define PPD_COLLECTOR_EVENT_H

#include <linux/perf_event.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

#define EVENT_NAME_MAX 96
#define EVENT_HZ_MAX 1000
#define EVENT_PERIOD_FIRST 64 /* of a steered event, until its rate is known */
#define EVENT_SPARES 11u      /* a clock on a whole CPU samples so much more often that one of 11 is a spare */

/* What the event samples besides its count. */
struct event_options {
	bool kernel;          /* kernel mode too, where permitted */
	uint32_t stack_bytes; /* of the user stack, a multiple of 8, at most 65528 */
};

struct event {
	char name[EVENT_NAME_MAX];   /* as asked, lower case */
	uint32_t hz;                 /* samples a second at full use */
	bool is_clock;               /* counts ns of CPU time */
	bool steered;                /* counted by software: sampler.c finds the period for hz */
	uint64_t period;             /* clock: ns between samples; else 0: it changes */
	struct perf_event_attr attr; /* ready for event_open() */
};

/* Once per process, before privileges go: libpfm4 looks at the machine's PMUs. */
int event_start(struct err *why);

/*
 * Returns 0, or -EINVAL with the reason and the nearest names when libpfm4 does not know `name`.
 */
int event_parse(struct event *ev, const char *name, uint32_t hz, const struct event_options *opt,
		struct err *why);

/*
 * Open the event for one thread on one CPU. Attribute bits that the running kernel does not
 * know are left off, and stay off in ev->attr; kernel mode likewise where it is not permitted.
 * Returns a descriptor, or -errno (-ESRCH: the thread is gone; -EMFILE; -EACCES...) .
 */
int event_open(struct event *ev, pid_t tid, int cpu);

/*
 * Make it an event of a whole CPU, for everything that runs there: event_open(ev, -1, cpu), which leaves
 * it switched off. A clock becomes cpu-clock, whose ticks are of the CPU's time and not of a thread's, and
 * comes EVENT_SPARES / (EVENT_SPARES - 1) times as often as hz says; ev->period stays.
 */
void event_per_cpu(struct event *ev);

/* A sentence for an -errno of event_open: what to grant or change. */
void event_explain(const struct event *ev, int error, struct err *why);

#endif
