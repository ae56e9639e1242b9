/*
 * loop.h - the collector's event loop: descriptors and timers, one thread.
 *
 * A source is embedded in its owner and registered by address; it must be
 * removed before its owner is freed. Removing one from inside any callback is
 * allowed, also one whose own callback would have come next.
 */
#ifndef PPD_COLLECTOR_LOOP_H
#define PPD_COLLECTOR_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* Seconds after which a loop that does not turn is ended by SIGALRM. */
#define LOOP_TURN_MAX_S 20u

struct loop_fd {
	int fd;                                       /* borrowed; -1: not registered */
	void (*ready)(void *ctx, uint32_t events);    /* EPOLL* bits */
	void *ctx;
};

struct loop_timer {
	uint64_t at_ns;              /* CLOCK_MONOTONIC; 0: not running */
	void (*fire)(void *ctx);     /* runs once; it may start the timer again */
	void *ctx;
	struct loop_timer *next;     /* the loop's list of running timers */
};

struct loop {
	int epoll;
	bool stop;
	struct loop_timer *timers;   /* soonest first */
	void *batch;                 /* events being delivered, so that a removal can skip one */
	int batch_n;
};

int loop_init(struct loop *l, struct err *why);
void loop_fini(struct loop *l);
/* Runs until loop->stop. Returns 0 or -errno. */
int loop_run(struct loop *l, struct err *why);

/* Watch s->fd for `events`. Returns 0 or -errno. */
int loop_add(struct loop *l, struct loop_fd *s, uint32_t events);
int loop_change(struct loop *l, struct loop_fd *s, uint32_t events);
/* Forget it and set s->fd = -1; the descriptor itself is the owner's to close. */
void loop_remove(struct loop *l, struct loop_fd *s);

/* (Re)start a timer; `after_ns` from now. */
void loop_timer_start(struct loop *l, struct loop_timer *t, uint64_t after_ns);
void loop_timer_stop(struct loop *l, struct loop_timer *t);

/* CLOCK_MONOTONIC and CLOCK_REALTIME in ns. */
uint64_t loop_now(void);
uint64_t loop_unix_now(void);

#endif
