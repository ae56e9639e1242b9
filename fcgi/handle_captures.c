#include "config.h"

#include "fcgi/handle.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fcgi/capture_page.h"
#include "fcgi/captures.h"
#include "fcgi/deliver.h"
#include "fcgi/jsonw.h"
#include "fcgi/merge.h"
#include "fcgi/params.h"

/* ---- POST captures */

/* The profile to take: of the names that route.c knows, one that can be taken. */
static const struct route *
wanted_route(const struct params *params, struct refusal *no)
{
	size_t n, used = 0;
	const struct route *routes = route_table(&n);
	const char *name = *params->profile ? params->profile : "profile";
	char names[256] = "";

	for (size_t i = 0; i < n; i++) {
		if (!routes[i].take || strcmp(routes[i].name, name) != 0)
			continue;
		if (params->snapshot_s >= 0 || routes[i].take == take_window)
			return &routes[i];
		refusal_set(no, 400, 0, "invalid value for \"seconds\" - must be a positive integer");
		return NULL;
	}
	for (size_t i = 0; i < n && used < sizeof(names); i++)
		if (routes[i].take)
			used += (size_t)snprintf(names + used, sizeof(names) - used, "%s%s", used ? ", " : "",
						 routes[i].name);
	refusal_set(no, 400, 0, "invalid value for \"profile\" - must be one of %s", names);
	return NULL;
}

/* Where the capture will be, for whoever follows; and what it is, for who reads on. */
static void
captures_begun(const struct params *params, const struct store_is *is, struct reply *to)
{
	struct sink sink;
	struct jsonw j;

	to->status = 303;
	snprintf(to->location, sizeof(to->location), params->has_form ? "captures/%s?format=%s" : "captures/%s",
		 is->id, params->form->name);
	if (!params->form->schema) {
		buf_printf(&to->body, "See %s\n", to->location);
		return;
	}
	sink_init(&sink, sink_into_buf, &to->body);
	jsonw_init(&j, &sink);
	jsonw_object(&j, NULL);
	jsonw_text(&j, "schema", "pprofd.capture/1");
	captures_json(&j, is);
	jsonw_object_end(&j);
	jsonw_newline(&j);
	sink_flush(&sink);
	to->type = reply_json;
	to->schema = "capture-1";
}

static void
captures_post(const struct app *app, const struct request *req, const struct conf_node *node,
	      struct reply *to)
{
	const struct route *route;
	struct params params;
	struct refusal no;
	struct store_is is;
	struct err why;

	if (params_parse(&params, req, app->conf->max_seconds, &why) < 0)
		reply_error(to, 400, "%s", why.text);
	else if (!(route = wanted_route(&params, &no)) ||
		 captures_begin(app, node, route, &params, to, &is, &no) < 0)
		handle_refusal(to, &no);
	else
		captures_begun(&params, &is, to);
}

/* ---- GET captures */

static void
captures_list(const struct app *app, const struct conf_node *node, struct reply *to)
{
	struct store_is *list = malloc(STORE_COUNT_MAX * sizeof(*list));
	uint32_t n;
	struct sink sink;
	struct jsonw j;

	if (!list) {
		reply_error(to, 503, "out of memory");
		return;
	}
	n = store_list(app->store, node->name, app_now_ms(), list, STORE_COUNT_MAX);
	sink_init(&sink, sink_into_buf, &to->body);
	jsonw_init(&j, &sink);
	jsonw_object(&j, NULL);
	jsonw_text(&j, "schema", "pprofd.captures/1");
	jsonw_text(&j, "node", node->name);
	jsonw_uint(&j, "kept_max", app->conf->captures);
	jsonw_uint(&j, "memory_bytes_max", (uint64_t)app->conf->captures_mb << 20);
	jsonw_uint(&j, "kept_ns", app->conf->captures_minutes * UINT64_C(60000000000));
	jsonw_list(&j, "captures");
	for (uint32_t i = 0; i < n; i++) {
		jsonw_newline(&j);
		jsonw_object(&j, NULL);
		captures_json(&j, &list[i]);
		jsonw_object_end(&j);
	}
	jsonw_list_end(&j);
	jsonw_object_end(&j);
	jsonw_newline(&j);
	sink_flush(&sink);
	free(list);
	to->type = reply_json;
	to->schema = "captures-1";
}

void
handle_captures(const struct app *app, const struct request *req, const struct conf_node *node,
		struct reply *to)
{
	if (!node)
		reply_error(to, 503,
			    "no node is configured; set PPROF_TARGET, or add a [node NAME] section to "
			    "pprofd.conf");
	else if (req->method == METHOD_POST)
		captures_post(app, req, node, to);
	else
		captures_list(app, node, to);
}

/* ---- captures/ID */

/* A capture that an answer reads. */
struct reading_of {
	const struct app *app;
	struct kept *k;
};

static void
release(void *ctx)
{
	struct reading_of *r = ctx;

	store_put(r->app->store, r->k);
	free(r);
}

/* The hold is taken. */
static void
capture_deliver(const struct app *app, struct kept *k, const struct params *params, struct reply *to)
{
	struct reading_of *r = malloc(sizeof(*r));
	struct store_is is;

	if (!r) {
		store_put(app->store, k);
		reply_error(to, 503, "out of memory");
		return;
	}
	*r = (struct reading_of){ app, k };
	store_look(app->store, k, &is);
	deliver_shared(params, store_profile(k), release, r, is.filename, to);
}

/* Two captures, subtracted; their holds are not taken. */
static void
captures_subtract(const struct kept *k, const struct kept *base, const struct params *params,
		  struct reply *to)
{
	struct profile *p = malloc(sizeof(*p));
	int r = p ? profile_init(p) : -ENOMEM;

	if (r == 0) {
		p->room.max = 2 * PROFILE_MEMORY_MAX;
		r = profile_difference(p, store_profile(k), store_profile(base));
	}
	if (r == 0) {
		deliver(params, p, "difference", to);
		return;
	}
	if (r == -EINVAL)
		reply_error(to, 400, "the values of these two captures are of other types: nothing to subtract");
	else
		reply_error(to, 503, "the difference is too large: %s", strerror(-r));
	take_free(p);
}

static void
capture_read(const struct app *app, const struct request *req, const struct conf_node *node, const char *id,
	     const struct params *params, struct reply *to)
{
	struct refusal no;
	struct kept *k = captures_wait(app, req, node, id, &no), *base = NULL;

	if (k && *params->base) {
		base = captures_wait(app, req, node, params->base, &no);
		if (!base) {
			store_put(app->store, k);
			k = NULL;
		}
	}
	if (!k) {
		handle_refusal(to, &no);
	} else if (base) {
		captures_subtract(k, base, params, to);
		store_put(app->store, base);
		store_put(app->store, k);
	} else {
		capture_deliver(app, k, params, to);
	}
}

/* For HEAD: what a header says needs nobody to wait. */
static void
capture_head(const struct app *app, const struct kept *k, const struct params *params, struct reply *to)
{
	struct store_is is;

	store_look(app->store, k, &is);
	if (is.state == STORE_FAILED)
		reply_error(to, is.status, "%s", is.why);
	else
		deliver_head(params, *params->base ? "difference" : is.filename ? is.filename : is.kind, to);
}

void
handle_capture(const struct app *app, const struct request *req, const struct conf_node *node,
	       struct reply *to)
{
	static const char above[] = "/debug/pprof/captures/";
	const char *id = strstr(req->path, above) + strlen(above);
	bool page;
	struct params params;
	struct refusal no;
	struct kept *k;
	struct err why;

	if (req->method == METHOD_POST) {
		reply_error(to, 405, "Method not allowed");
		to->allow = "GET, HEAD";
		return;
	}
	if (params_parse(&params, req, app->conf->max_seconds, &why) < 0) {
		reply_error(to, 400, "%s", why.text);
		return;
	}
	page = !params.has_form && !*params.base;
	if (!page && req->method == METHOD_GET) {
		capture_read(app, req, node, id, &params, to);
		return;
	}
	k = captures_find(app, node, id, &no);
	if (!k) {
		handle_refusal(to, &no);
	} else if (page) {
		capture_page(app, req, k, to);
	} else {
		capture_head(app, k, &params, to);
		store_put(app->store, k);
	}
}
