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

static int
profile_capture(const struct take *t, const struct state *s, const struct state_node *found,
		struct taken *out, struct refusal *no)
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
	uint32_t made_up = 0;
	int r = p ? profile_init(p) : -ENOMEM;

	refusal_set(no, 503, 0, "out of memory");
	if (r == 0)
		r = profile_node_set(p, &is);
	if (r == 0)
		r = capture(t, found->number, p, no);
	if (r == 0) {
		r = profile_complete(p, &node, &made_up);
		if (r < 0)
			refusal_set(no, 503, 0, "the profile could not be written: %s", strerror(-r));
	}
	if (r == -ECONNABORTED)
		refusal_set(no, 408, 0, "the client has gone");
	if (p)
		profile_log(p, &node, made_up, r < 0 ? no->text : NULL);
	if (r < 0) {
		take_free(p);
		return r;
	}
	*out = (struct taken){ p, "profile" };
	return 0;
}

int
take_window(const struct take *t, struct taken *out, struct refusal *no)
{
	struct state s;
	const struct state_node *found = handle_find(t->app, t->node, &s, no);
	int r = found ? profile_capture(t, &s, found, out, no) : -ENOENT;

	state_fini(&s);
	return r;
}

void
handle_profile(const struct app *app, const struct request *req, const struct conf_node *node,
	       struct reply *to)
{
	struct params params;
	const struct take t = {
		.app = app, .req = req, .node = node, .kind = "profile", .params = &params
	};
	struct refusal no;
	struct taken taken;
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
	if (take_window(&t, &taken, &no) < 0)
		handle_refusal(to, &no);
	else
		deliver(&params, taken.p, taken.filename, to);
}
