/*
 * sampler.h - one event at one rate on a node, whichever way it is open.
 *
 *   PER_THREAD   an event for each thread on each CPU; the usual way
 *   PER_CPU      one for each CPU, filtered: for nodes of many threads, or of threads that live some ms
 *
 * There is one sampler for each distinct (event, hz) in use on a node, however many windows
 * are open. Its rings are drained once; each sample goes to every window. With mode = auto it
 * begins by threads where these are few, and goes over to CPUs once it sees that much of the
 * process's CPU time is in no sample.
 */
#ifndef PPD_COLLECTOR_SAMPLER_H
#define PPD_COLLECTOR_SAMPLER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "collector/event.h"
#include "collector/events.h"
#include "collector/loop.h"
#include "collector/per_thread.h"
#include "collector/record.h"

#define SAMPLER_PER_THREAD_MAX 500      /* events; above that mode = auto takes those of CPUs */
#define SAMPLER_WAITING_MAX 128         /* samples that wait for unwind rows; 64 KB each at the most */
#define SAMPLER_WAIT_NS 500000000u      /* and how long they do */

struct node;

enum sampler_mode { SAMPLER_PER_THREAD, SAMPLER_PER_CPU };

struct sampler_waiting {
	struct sampler_waiting *next;
	uint64_t time_ns;       /* of the sample */
	uint64_t period;        /* then; a steered event has another one by now */
	bool is_spare;
	_Alignas(8) unsigned char record[]; /* a PERF_RECORD_SAMPLE as the ring had it */
};

struct sampler {
	struct node *node;        /* borrowed */
	struct event asked;       /* as it was parsed */
	struct event event;       /* as it is open */
	pid_t pid;                /* whose events are open now; 0: none */
	enum sampler_mode mode;
	bool stays;               /* per thread, whatever is seen: the other way was tried and is not possible */
	char says[ERR_TEXT_MAX];  /* why it is not open in the usual way, or not in the way wanted; "": it is */
	struct events events;
	struct per_thread *attaching; /* while the threads are being opened; borrowed */
	struct loop_fd *wakers;   /* one a CPU, owned; NULL: the rings are read at the node's beat only */
	uint32_t stack_bytes;     /* of a stack to copy, as configured; less where a ring would not hold it */
	struct sampler_waiting *waiting, **waiting_last;
	size_t n_waiting;
	uint64_t period;          /* of a steered event, now */
	uint64_t counted;         /* its occurrences when last looked at */
	uint64_t steered_ns;      /* and when that was; 0: never */
	uint64_t opened_ns;
	uint64_t clock_ns;        /* the process's CPU clock then */
	uint64_t taken, taken_value; /* samples since then, and the sum of their periods */
	uint64_t since_ns;        /* samples before are another set's; 0: there was none */
	uint64_t random;          /* which samples are spares */
	uint64_t lost_closed;     /* lost by descriptors that are closed since */
	uint64_t throttled;
	uint64_t bad_records;
	unsigned int users;       /* windows */
};

/*
 * Open the events for the node's process. Returns 0, or -errno with the reason: -EDQUOT: more descriptors
 * than max_events.
 */
int sampler_open(struct sampler **out, struct node *node, const struct event *ev, struct err *why);
/* The node was restarted: the same on its new process. */
int sampler_reopen(struct sampler *s, struct err *why);
/* Close the events, keep the counts. */
void sampler_stop(struct sampler *s);
void sampler_free(struct sampler *s);

/* Read everything the rings hold; samples go to node_sample(). */
void sampler_drain(struct sampler *s);
/* Try those that wait for rows again; `force`: count them as they are. */
void sampler_retry(struct sampler *s, bool force);
/* No longer read each sample as it comes. */
void sampler_sleep(struct sampler *s);
/* From now on read each sample as soon as it is there: the words that it lacks are soon others. */
void sampler_hasten(struct sampler *s);
/* At every beat: a steered event's period follows its rate, so that hz samples a second come. */
void sampler_steer(struct sampler *s, uint64_t now_ns);
/* Samples the kernel had to throw away so far; *known: false on kernels before 6.0. */
uint64_t sampler_lost(const struct sampler *s, bool *known);

#endif
