/*
 * window.h - one capture: what one request asked for.
 *
 * A window counts, for a span of time, the samples of one sampler by (stack,
 * thread). While it is open it tells its peer of maps and stacks as they
 * appear, so that names are ready at its end; then it tells the counts.
 */
#ifndef PPD_COLLECTOR_WINDOW_H
#define PPD_COLLECTOR_WINDOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/table.h"
#include "base/wire.h"
#include "collector/exact.h"
#include "collector/sampler.h"
#include "collector/trace.h"

#define WINDOW_NOTES_MAX 8

struct outbox;
struct node;

struct window_count {
	uint32_t stack;
	uint32_t tid;
	uint64_t samples;
	uint64_t spares; /* samples that count only where others are missing: exact.h */
	uint64_t value;  /* sum of the samples' periods */
};

struct bitmap {
	unsigned char *bits; /* owned */
	size_t bytes;
};

struct window {
	struct window *next;       /* the node's list */
	uint64_t id;
	struct node *node;         /* borrowed */
	struct sampler *sampler;   /* shared; counts us in `users` */
	struct outbox *to;         /* borrowed; NULL: the peer is gone */
	uint64_t start_ns, end_ns; /* CLOCK_MONOTONIC; end may come earlier */
	uint64_t start_unix_ns;
	struct window_count *counts; /* owned */
	uint32_t n_counts, cap_counts;
	size_t max_bytes;          /* of the counts of all the node's windows together */
	struct table count_ids;
	uint32_t *fresh;           /* stacks not told yet; owned */
	size_t n_fresh, cap_fresh;
	struct bitmap told_stacks, told_maps;
	uint64_t samples, late, guessed, truncated, rooted, user_stacks, dropped;
	uint64_t lost_before, throttled_before;
	uint64_t cpu_ns, cpu_before; /* of processes that are gone; of this one at its beginning */
	bool cpu_least;            /* that of a process that is gone was read some time before it ended */
	bool unscaled;             /* as it was asked: no sample is taken out, and nothing said of the rest */
	struct exact exact;
	uint32_t rest_stack;       /* under which exact's rest is told */
	char *notes[WINDOW_NOTES_MAX]; /* owned */
	size_t n_notes;
};

int window_new(struct window **out, struct node *node, struct sampler *s, uint64_t id, uint64_t duration_ns,
	       size_t max_bytes, struct err *why);
void window_free(struct window *w);

/* Count a sample of `stack`. */
void window_count(struct window *w, uint32_t stack, uint32_t tid, uint64_t period, const struct trace *t);
/* Samples that the kernel lost since the window began. */
uint64_t window_lost(const struct window *w);
/* The same for one that is only a spare. */
void window_spare(struct window *w, uint32_t stack, uint32_t tid);
/* A sentence for the profile's comments. */
void window_note(struct window *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Tell the peer of maps and stacks that are new. Returns 0, or -errno: the peer is gone. */
int window_tell(struct window *w);
/* Tell the rest: threads, counts, notes, the end. */
int window_finish(struct window *w, enum wire_end reason);

#endif
