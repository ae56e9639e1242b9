#include "config.h"

#include "fcgi/handle.h"

#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "fcgi/capture.h"
#include "fcgi/comments.h"
#include "fcgi/enc_pprof.h"
#include "fcgi/params.h"

/* 4,000 stacks of 8-31 frames: level 1 takes 8 ms for 196 kB, level 3 10 ms for 194 kB, level 6 15 ms
 * for 189 kB. */
#define ZLIB_LEVEL 1

/* The window is over: make its profile the reply. Returns 0 or -errno. */
static int
profile_reply(struct profile *p, const struct comments_node *node, struct reply *to)
{
	uint64_t start_ms = app_now_ms();
	uint32_t made_up;
	int r;

	r = profile_finish(p, &made_up);
	if (r == 0)
		r = comments_add(p, node, made_up);
	if (r == 0)
		r = enc_pprof(p, ZLIB_LEVEL, &to->body);
	if (r < 0)
		return r;
	to->type = reply_binary;
	to->filename = "profile";
	log_info("window %llu node %s: %llu samples, %llu lost, %u stacks, %u places (%u without an "
		 "answer), "
		 "%zu bytes, %llu ms",
		 (unsigned long long)p->window.number, node->name, (unsigned long long)p->window.samples,
		 (unsigned long long)p->window.lost, p->stacks.n, p->places.n, made_up, to->body.len,
		 (unsigned long long)(app_now_ms() - start_ms));
	return 0;
}

static void
profile_capture(const struct app *app, const struct request *req, const struct params *params,
		const struct state *s, const struct state_node *found, struct reply *to)
{
	struct comments_node node = { state_string(s, found->name), state_string(s, found->exe),
				      found->pid };
	struct refusal no;
	struct profile p;
	int r;

	r = profile_init(&p);
	if (r == 0)
		r = capture(app, req, params, found->number, &p, &no);
	else
		refusal_set(&no, 503, 0, "out of memory");
	if (r == 0) {
		r = profile_reply(&p, &node, to);
		if (r < 0)
			refusal_set(&no, 503, 0, "the profile could not be written: %s", strerror(-r));
	}
	if (r == -ECONNABORTED)
		refusal_set(&no, 408, 0, "the client has gone");
	if (r < 0) {
		handle_refusal(to, &no);
		log_info("window %llu node %s: %s", (unsigned long long)p.window.number, node.name,
			 no.text);
	}
	profile_fini(&p);
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
		to->type = reply_binary;
		to->filename = "profile";
		return;
	}
	found = handle_node(app, node, &s, to);
	if (found)
		profile_capture(app, req, &params, &s, found, to);
	state_fini(&s);
}
