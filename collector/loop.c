#include "config.h"

#include "collector/loop.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/clock.h"

#define BATCH 64

uint64_t
loop_now(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

uint64_t
loop_unix_now(void)
{
	return clock_ns(CLOCK_REALTIME);
}

int
loop_init(struct loop *l, struct err *why)
{
	memset(l, 0, sizeof(*l));
	l->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (l->epoll < 0)
		return err_sys(why, -errno, "epoll");
	return 0;
}

void
loop_fini(struct loop *l)
{
	if (l->epoll >= 0)
		close(l->epoll);
	l->epoll = -1;
}

int
loop_add(struct loop *l, struct loop_fd *s, uint32_t events)
{
	struct epoll_event e = { .events = events, .data.ptr = s };

	if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, s->fd, &e) < 0)
		return -errno;
	return 0;
}

int
loop_change(struct loop *l, struct loop_fd *s, uint32_t events)
{
	struct epoll_event e = { .events = events, .data.ptr = s };

	if (epoll_ctl(l->epoll, EPOLL_CTL_MOD, s->fd, &e) < 0)
		return -errno;
	return 0;
}

void
loop_remove(struct loop *l, struct loop_fd *s)
{
	struct epoll_event *batch = l->batch;

	if (s->fd < 0)
		return;
	epoll_ctl(l->epoll, EPOLL_CTL_DEL, s->fd, NULL);
	s->fd = -1;
	for (int i = 0; i < l->batch_n; i++)
		if (batch[i].data.ptr == s)
			batch[i].data.ptr = NULL;
}

void
loop_timer_stop(struct loop *l, struct loop_timer *t)
{
	for (struct loop_timer **p = &l->timers; *p; p = &(*p)->next) {
		if (*p == t) {
			*p = t->next;
			break;
		}
	}
	t->at_ns = 0;
	t->next = NULL;
}

void
loop_timer_start(struct loop *l, struct loop_timer *t, uint64_t after_ns)
{
	struct loop_timer **p = &l->timers;

	loop_timer_stop(l, t);
	t->at_ns = loop_now() + after_ns;
	while (*p && (*p)->at_ns <= t->at_ns)
		p = &(*p)->next;
	t->next = *p;
	*p = t;
}

static void
loop_fire(struct loop *l)
{
	uint64_t now = loop_now();

	while (l->timers && l->timers->at_ns <= now) {
		struct loop_timer *t = l->timers;

		loop_timer_stop(l, t);
		t->fire(t->ctx);
	}
}

/* Milliseconds until the next timer, rounded up so that it is due when we wake. */
static int
loop_wait_ms(const struct loop *l)
{
	uint64_t now = loop_now(), wait_ms = LOOP_TURN_MAX_S * 1000 / 2;

	if (l->timers && l->timers->at_ns <= now)
		return 0;
	if (l->timers && (l->timers->at_ns - now + 999999) / 1000000 < wait_ms)
		wait_ms = (l->timers->at_ns - now + 999999) / 1000000;
	return (int)wait_ms;
}

int
loop_run(struct loop *l, struct err *why)
{
	struct epoll_event batch[BATCH];

	while (!l->stop) {
		int n;

		/* A page of a node's memory, or a file, may be one whose server never answers: only a fatal
		 * signal ends that wait. SIGALRM is one; whoever started us starts us again. */
		alarm(LOOP_TURN_MAX_S);
		n = epoll_wait(l->epoll, batch, BATCH, loop_wait_ms(l));

		if (n < 0 && errno != EINTR)
			return err_sys(why, -errno, "epoll_wait");
		l->batch = batch;
		l->batch_n = n < 0 ? 0 : n;
		for (int i = 0; i < l->batch_n; i++) {
			struct loop_fd *s = batch[i].data.ptr;

			if (s)
				s->ready(s->ctx, batch[i].events);
		}
		l->batch_n = 0;
		loop_fire(l);
	}
	alarm(0);
	return 0;
}
