#include "config.h"

#include "fcgi/pool.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "fcgi/fcgx.h"
#include "fcgi/params.h"
#include "fcgi/reply.h"
#include "fcgi/request.h"
#include "fcgi/route.h"

/* The deepest path (a request, a sample of the longest stack, a formatted line) needs 60 kB. */
#define STACK_BYTES (256u << 10)
#define TROUBLE_MS  100 /* a pause when accept() fails, so that it is not asked in a circle */

struct pool {
	const struct app *app;
	int listener;
	pthread_mutex_t accepting; /* held by the one thread that waits for a connection */
	pthread_mutex_t lock;      /* of what follows */
	pthread_cond_t fewer;
	uint32_t threads; /* that have not ended */
};

/* Wait for a connection and take it. Returns false when we are to stop. */
static bool
pool_accept(struct pool *p, struct fcgx *f)
{
	struct pollfd fds[] = {
		{ .fd = p->listener, .events = POLLIN },
		{ .fd = p->app->stop_fd, .events = POLLIN },
	};

	for (;;) {
		int r;

		if (poll(fds, 2, -1) < 0)
			continue;
		if (fds[1].revents)
			return false;
		r = fcgx_accept(f);
		if (r == 0)
			return true;
		if (r != -EAGAIN && r != -EINTR) {
			log_warning("accept: error %d", -r);
			poll(NULL, 0, TROUBLE_MS);
		}
	}
}

static void
pool_answer(struct pool *p, struct fcgx *f)
{
	struct request req;
	struct reply reply;

	reply_init(&reply);
	if (fcgx_request(f, &req) == 0) {
		reply.json = params_want_json(&req);
		reply.gzip = req.takes_gzip;
		route_answer(p->app, &req, &reply);
	} else {
		reply_error(&reply, 503, "out of memory");
	}
	if (buf_error(&reply.body))
		reply_error(&reply, 500, "the answer does not fit into memory");
	fcgx_reply(f, &req, &reply);
	fcgx_end(f);
	reply_fini(&reply);
	if (reply.after)
		reply.after(reply.after_ctx);
}

static void *
pool_thread(void *arg)
{
	struct pool *p = arg;
	struct fcgx *f = fcgx_new(p->listener);
	bool more = f != NULL;

	while (more) {
		pthread_mutex_lock(&p->accepting);
		more = pool_accept(p, f);
		pthread_mutex_unlock(&p->accepting);
		if (more)
			pool_answer(p, f);
	}
	fcgx_free(f);
	pthread_mutex_lock(&p->lock);
	p->threads--;
	pthread_cond_signal(&p->fewer);
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

static int
pool_threads(struct pool *p, uint32_t threads, struct err *why)
{
	pthread_attr_t attr;
	int r = 0;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_mutex_lock(&p->lock);
	while (p->threads < threads && r == 0) {
		pthread_t thread;

		r = pthread_create(&thread, &attr, pool_thread, p);
		p->threads += r == 0;
	}
	pthread_mutex_unlock(&p->lock);
	pthread_attr_destroy(&attr);
	return r ? err_sys(why, -r, "thread %u of %u", p->threads + 1, threads) : 0;
}

int
pool_start(const struct app *app, int listener, uint32_t threads, struct pool **out, struct err *why)
{
	struct pool *p = calloc(1, sizeof(*p));
	pthread_condattr_t clock;

	if (!p)
		return err_set(why, -ENOMEM, "the pool of threads");
	p->app = app;
	p->listener = listener;
	pthread_mutex_init(&p->accepting, NULL);
	pthread_mutex_init(&p->lock, NULL);
	pthread_condattr_init(&clock);
	pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
	pthread_cond_init(&p->fewer, &clock);
	pthread_condattr_destroy(&clock);
	*out = p;
	/* With some of the threads, the others' memory stays: the caller exits. */
	return pool_threads(p, threads, why);
}

uint32_t
pool_stop(struct pool *p, uint32_t limit_ms)
{
	struct timespec until;
	uint32_t left;
	int r = 0;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += limit_ms / 1000;
	until.tv_nsec += (long)(limit_ms % 1000) * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	pthread_mutex_lock(&p->lock);
	while (p->threads && r == 0)
		r = pthread_cond_timedwait(&p->fewer, &p->lock, &until);
	left = p->threads;
	pthread_mutex_unlock(&p->lock);
	if (!left)
		free(p);
	return left;
}
