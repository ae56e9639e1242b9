#include "config.h"

#include "fcgi/captures.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "fcgi/take.h"
#include "fcgi/wait.h"

#define LOOK_MS 250 /* between two looks whether the client is still there */

/* ---- running */

struct run {
	const struct app *app;        /* borrowed, as are node and route */
	const struct conf_node *node;
	const struct route *route;
	struct params params;
	struct kept *k; /* held, until it ends */
};

static void
run_progress(void *ctx, uint64_t samples, uint64_t lost)
{
	struct run *run = ctx;

	store_progress(run->app->store, run->k, samples, lost);
}

/* On the thread of the request, which has been answered. */
static void
run_capture(void *ctx)
{
	/* No client whose going away would end it. */
	static const struct request nobody = { .method = METHOD_GET,
					       .query = "",
					       .content_type = "",
					       .body = "",
					       .host = "",
					       .scheme = "",
					       .remote_addr = "",
					       .remote_port = "",
					       .server_addr = "",
					       .server_port = "",
					       .conn = -1 };
	struct run *run = ctx;
	const struct take t = { .app = run->app,
				.req = &nobody,
				.node = run->node,
				.kind = run->route->name,
				.params = &run->params,
				.progress = run_progress,
				.progress_ctx = run };
	struct taken taken;
	struct refusal no;

	if (run->route->take(&t, &taken, &no) < 0)
		store_fail(run->app->store, run->k, &no, app_now_ms());
	else
		store_done(run->app->store, run->k, &taken, app_now_ms());
	free(run);
}

int
captures_begin(const struct app *app, const struct conf_node *node, const struct route *route,
	       const struct params *params, struct reply *to, struct store_is *is, struct refusal *no)
{
	struct run *run = malloc(sizeof(*run));
	bool window = route->take == take_window;
	int r;

	memset(is, 0, sizeof(*is));
	is->kind = route->name;
	is->begin_unix_ns = clock_ns(CLOCK_REALTIME);
	is->duration_ms = window ? params->duration_ms
			  : params->snapshot_s > 0 ? (uint32_t)params->snapshot_s * 1000
						   : 0;
	is->counts = window;
	is->hz = window ? params->hz : 0;
	if (window)
		memcpy(is->event, params->event, sizeof(is->event));
	memcpy(is->node, node->name, sizeof(is->node));
	if (!run) {
		refusal_set(no, 503, 0, "out of memory");
		return -ENOMEM;
	}
	*run = (struct run){ .app = app, .node = node, .route = route, .params = *params };
	run->params.query = "";
	run->params.debug = 0;
	r = store_begin(app->store, is, app_now_ms(), &run->k, no);
	if (r < 0) {
		free(run);
		return r;
	}
	store_look(app->store, run->k, is);
	to->after = run_capture;
	to->after_ctx = run;
	return 0;
}

/* ---- finding */

struct kept *
captures_find(const struct app *app, const struct conf_node *node, const char *id, struct refusal *no)
{
	bool gone = false;
	struct kept *k = node ? store_get(app->store, node->name, id, app_now_ms(), &gone) : NULL;

	if (!k && gone)
		refusal_set(no, 410, 0,
			    "this capture is no longer kept: it was older than %u minutes, or had to make room; "
			    "take another one",
			    app->conf->captures_minutes);
	else if (!k)
		refusal_set(no, 404, 0, "there is no such capture; /debug/pprof/captures lists those of a node");
	return k;
}

static int
captures_end(const struct app *app, const struct request *req, const struct kept *k, struct refusal *no)
{
	struct wait w;
	int r = 0;

	if (!store_watch_begin(app->store)) {
		refusal_set(no, 503, 1, "too many wait for captures that run");
		return -EBUSY;
	}
	wait_init(&w, app, req);
	while (r == 0 && !store_wait(app->store, k, app_now_ms() + LOOK_MS))
		r = wait_for(&w, NULL, 0, 0);
	store_watch_end(app->store);
	if (r < 0)
		refusal_set(no, 408, 0, "the client has gone");
	return r;
}

struct kept *
captures_wait(const struct app *app, const struct request *req, const struct conf_node *node, const char *id,
	      struct refusal *no)
{
	struct kept *k = captures_find(app, node, id, no);
	struct store_is is;
	int r;

	if (!k)
		return NULL;
	store_look(app->store, k, &is);
	r = is.state == STORE_RUNNING ? captures_end(app, req, k, no) : 0;
	if (r == 0) {
		store_look(app->store, k, &is);
		if (is.state == STORE_DONE)
			return k;
		refusal_set(no, is.status, 0, "%s", is.why);
	}
	store_put(app->store, k);
	return NULL;
}

/* ---- telling */

void
captures_json(struct jsonw *j, const struct store_is *is)
{
	static const char *const words[] = {
		[STORE_RUNNING] = "running",
		[STORE_DONE] = "done",
		[STORE_FAILED] = "failed",
	};
	uint64_t now = app_now_ms();

	jsonw_text(j, "id", is->id);
	jsonw_text(j, "state", words[is->state]);
	jsonw_text(j, "profile", is->kind);
	jsonw_text(j, "event", is->event);
	jsonw_uint(j, "hz", is->hz);
	jsonw_uint(j, "duration_ns", (uint64_t)is->duration_ms * 1000000u);
	jsonw_time(j, "time", is->begin_unix_ns);
	jsonw_uint(j, "took_ns", ((is->end_ms ? is->end_ms : now) - is->begin_ms) * 1000000u);
	jsonw_uint(j, "samples", is->samples);
	jsonw_uint(j, "lost", is->lost);
	if (is->state == STORE_DONE)
		jsonw_uint(j, "memory_bytes", is->bytes);
	if (is->state == STORE_FAILED) {
		jsonw_int(j, "status", is->status);
		jsonw_text(j, "error", is->why);
	}
	if (is->state != STORE_RUNNING)
		jsonw_uint(j, "expires_in_ns", is->expires_ms > now ? (is->expires_ms - now) * 1000000u : 0);
}
