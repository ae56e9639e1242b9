/*
 * sampler.h - one set of events on a node: every thread, every CPU, one ring a CPU.
 *
 * There is one sampler for each distinct (event, hz) in use on a node, however
 * many windows are open. Its rings are drained once; each sample goes to every
 * window.
 */
#ifndef PPD_COLLECTOR_SAMPLER_H
#define PPD_COLLECTOR_SAMPLER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/table.h"
#include "collector/event.h"
#include "collector/loop.h"
#include "collector/record.h"
#include "collector/ring.h"

#define SAMPLER_CPUS_MAX 1024
#define SAMPLER_WAITING_MAX 128         /* samples that wait for unwind rows; 64 KB each at the most */
#define SAMPLER_WAIT_NS 500000000u      /* and how long they do */

struct node;

struct sampler_waiting {
	struct sampler_waiting *next;
	uint64_t time_ns;       /* of the sample */
	uint64_t period;        /* then; a steered event has another one by now */
	unsigned char record[]; /* a PERF_RECORD_SAMPLE as the ring had it */
};

struct sampler {
	struct node *node;        /* borrowed */
	struct event event;
	pid_t pid;                /* whose threads are open now; 0: none */
	struct ring *rings;       /* n_cpus, owned; some may be closed (CPU offline) */
	int *ring_fds;            /* n_cpus; the descriptor that owns the ring, also in fds */
	struct loop_fd *wakers;   /* n_cpus, owned; NULL: the rings are read at the node's beat only */
	int n_cpus;
	int *fds;                 /* owned */
	size_t n_fds, cap_fds, max_fds;
	size_t ring_bytes;        /* a CPU's ring, as it was granted */
	uint32_t stack_bytes;     /* of a stack to copy, as configured; less where a ring would not hold it */
	bool attaching;           /* the threads are being opened */
	pid_t *tids;              /* owned; then: those that have our events, opened or inherited */
	size_t n_tids, cap_tids;
	struct table tid_ids;
	struct sampler_waiting *waiting, **waiting_last;
	size_t n_waiting;
	uint64_t period;          /* of a steered event, now */
	uint64_t counted;         /* its occurrences when last looked at */
	uint64_t steered_ns;      /* and when that was; 0: never */
	uint64_t opened_ns;
	uint64_t lost_closed;     /* lost by descriptors that are closed since */
	uint64_t throttled;
	uint64_t bad_records;
	unsigned int users;       /* windows */
};

/*
 * Open the events for all threads of the node's process. Returns 0, or -errno with the reason:
 * -EDQUOT: more descriptors than `max_fds`.
 */
int sampler_open(struct sampler **out, struct node *node, const struct event *ev, size_t ring_bytes,
		 size_t max_fds, struct err *why);
/* The node was restarted: the same set on its new process. */
int sampler_reopen(struct sampler *s, struct err *why);
/* Close the events, keep the counts. */
void sampler_stop(struct sampler *s);
void sampler_free(struct sampler *s);

/* Read everything the rings hold; samples go to node_sample(). */
void sampler_drain(struct sampler *s);
/* Try those that wait for rows again; `force`: count them as they are. */
void sampler_retry(struct sampler *s, bool force);
/* From now on read each sample as soon as it is there: the words that it lacks are soon others. */
void sampler_hasten(struct sampler *s);
/* At every beat: a steered event's period follows its rate, so that hz samples a second come. */
void sampler_steer(struct sampler *s, uint64_t now_ns);
/* Samples the kernel had to throw away so far; *known: false on kernels before 6.0. */
uint64_t sampler_lost(const struct sampler *s, bool *known);

#endif
