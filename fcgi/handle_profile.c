#include "config.h"

#include "fcgi/handle.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "fcgi/capture.h"
#include "fcgi/comments.h"
#include "fcgi/deliver.h"
#include "fcgi/params.h"

/* The window is over: all that will be known of it. Returns 0 or -errno. */
static int
profile_complete(struct profile *p, const struct comments_node *node, uint32_t *made_up)
{
	int r = profile_finish(p, made_up);

	return r < 0 ? r : comments_add(p, node, *made_up);
}

static void
profile_log(const struct profile *p, const struct comments_node *node, uint32_t made_up, const char *why)
{
	const struct profile_window *w = &p->window;

	if (why)
		log_info("window %llu node %s: %s", (unsigned long long)w->number, node->name, why);
	else
		log_info("window %llu node %s: %llu samples, %llu lost, %u stacks, %u places (%u without an answer)",
			 (unsigned long long)w->number, node->name, (unsigned long long)w->samples,
			 (unsigned long long)w->lost, p->stacks.n, p->places.n, made_up);
}

static void
profile_capture(const struct app *app, const struct request *req, const struct params *params,
		const struct state *s, const struct state_node *found, struct reply *to)
{
	struct comments_node node = { state_string(s, found->name), state_string(s, found->exe),
				      found->pid };
	const struct profile_node_is is = { .name = node.name,
					    .comm = state_string(s, found->comm),
					    .exe = node.exe,
					    .runtime = state_string(s, found->runtime),
					    .pid = found->pid,
					    .start_unix_ns = found->start_unix_ns };
	struct profile *p = malloc(sizeof(*p));
	struct refusal no = { .status = 503, .text = "out of memory" };
	uint32_t made_up = 0;
	int r = p ? profile_init(p) : -ENOMEM;

	if (r == 0)
		r = profile_node_set(p, &is);
	if (r == 0)
		r = capture(app, req, params, found->number, p, &no);
	if (r == 0) {
		r = profile_complete(p, &node, &made_up);
		if (r < 0)
			refusal_set(&no, 503, 0, "the profile could not be written: %s", strerror(-r));
	}
	if (r == -ECONNABORTED)
		refusal_set(&no, 408, 0, "the client has gone");
	if (p)
		profile_log(p, &node, made_up, r < 0 ? no.text : NULL);
	if (r == 0) {
		deliver(params, p, "profile", to);
		return;
	}
	handle_refusal(to, &no);
	if (p)
		profile_fini(p);
	free(p);
}

void
handle_profile(const struct app *app, const struct request *req, const struct conf_node *node,
	       struct reply *to)
{
	const struct state_node *found;
	struct params params;
	struct state s;
	struct err why;

	if (params_parse(&params, req, app->conf->max_seconds, &why) < 0) {
		reply_error(to, 400, "%s", why.text);
		return;
	}
	/* Nobody waits thirty seconds for a header: HEAD opens no window. */
	if (req->method == METHOD_HEAD) {
		deliver_head(&params, "profile", to);
		return;
	}
	found = handle_node(app, node, &s, to);
	if (found)
		profile_capture(app, req, &params, &s, found, to);
	state_fini(&s);
}
