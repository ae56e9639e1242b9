#include "config.h"

#include "fcgi/handle.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "fcgi/deliver.h"
#include "fcgi/go_comments.h"
#include "fcgi/go_profile.h"
#include "fcgi/go_text.h"
#include "fcgi/params.h"
#include "fcgi/snapshot.h"
#include "fcgi/take.h"

#define WINDOW_S 10 /* of an estimate, or armed, where seconds= does not say */

/* Everything that Go's runtime records and somebody can ask for. */
static const struct snapshot_kind {
	const char *name, *delta_name;
	enum reading_kind kind;
	const char *show; /* the type that readers show first; NULL: the last one */
} kinds[] = {
	{ "allocs", "allocs-delta", READING_HEAP, "alloc_space" },
	{ "block", "block-delta", READING_BLOCK, NULL },
	{ "goroutine", "goroutine-delta", READING_GOROUTINE, NULL },
	{ "goroutineleak", "goroutineleak-delta", READING_LEAK, NULL },
	{ "heap", "heap-delta", READING_HEAP, NULL },
	{ "mutex", "mutex-delta", READING_MUTEX, NULL },
	{ "threadcreate", "threadcreate-delta", READING_THREADCREATE, NULL },
};

/* One question, from its parameters to what was found. */
struct asked {
	const struct take *t; /* borrowed */
	const struct snapshot_kind *what;
	struct snapshot_wish wish;
	const char *filename; /* static */
	bool is_dump;
	struct profile_node_is node; /* strings are the state's */
	struct snapshot got;
};

/* ---- what is wanted */

static const struct snapshot_kind *
kind_find(const char *name)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (!strcmp(kinds[i].name, name))
			return &kinds[i];
	return NULL;
}

/* What is ours alone, and what it goes together with. NULL: fine. */
static const char *
refuse_ours(const struct snapshot_kind *what, const struct params *p)
{
	bool is_block = what->kind == READING_BLOCK, is_mutex = what->kind == READING_MUTEX;

	if (p->estimate && !is_block)
		return "\"estimate\" is a parameter of block only";
	if (p->arm && !is_block && !is_mutex)
		return "\"arm\" is a parameter of block and mutex only";
	if (p->arm && p->estimate)
		return "\"arm\" and \"estimate\" are two ways: ask for one of them";
	if (p->arm && p->debug)
		return "arm and debug params are incompatible";
	return NULL;
}

/* The checks that Go makes of parameters, with its texts, in its order. bad: why they could not be
 * read, NULL: they could. Returns 0 or -EINVAL. */
static int
check(const struct snapshot_kind *what, const struct params *p, const char *bad, struct refusal *no)
{
	const char *text = bad;

	if (p->snapshot_s < 0)
		text = "invalid value for \"seconds\" - must be a positive integer";
	else if (!text && p->snapshot_s && p->debug)
		text = "seconds and debug params are incompatible";
	else if (!text)
		text = refuse_ours(what, p);
	if (!text)
		return 0;
	refusal_set(no, 400, 0, "%s", text);
	return -EINVAL;
}

static void
asked_init(struct asked *a, const struct take *t, const struct snapshot_kind *what)
{
	const struct params *p = t->params;
	uint32_t window_ms = (uint32_t)p->snapshot_s * 1000, most = t->app->conf->max_seconds;

	if (!window_ms && (p->estimate || p->arm))
		window_ms = (most < WINDOW_S ? most : WINDOW_S) * 1000;
	memset(a, 0, sizeof(*a));
	a->t = t;
	a->what = what;
	a->is_dump = p->debug >= 2 && (what->kind == READING_GOROUTINE || what->kind == READING_LEAK);
	a->filename = window_ms ? what->delta_name : what->name;
	a->wish.kind = p->estimate ? READING_BLOCK_ESTIMATE : a->is_dump ? READING_GOROUTINE : what->kind;
	a->wish.look_ms = p->estimate ? window_ms : 0;
	a->wish.delta_ms = p->estimate ? 0 : window_ms;
	a->wish.arm = p->arm;
	a->wish.creators = a->is_dump;
	a->wish.hidden = what->kind == READING_HEAP && !p->debug;
}

/* ---- what is found */

static void
asked_log(const struct asked *a, int r, const struct refusal *no)
{
	const struct snapshot *s = &a->got;
	const struct reading_head *h;

	if (r < 0) {
		log_info("%s of node %s: %s", a->what->name, a->node.name, no->text);
		return;
	}
	h = s->readings[s->n - 1].head;
	log_info("%s of node %s: read in %.1f ms, %llu buckets, %llu goroutines, %u places", a->what->name,
		 a->node.name, (double)h->took_ns / 1e6, (unsigned long long)h->buckets.n,
		 (unsigned long long)h->goroutines.n, s->p->places.n);
}

/* Take the snapshot, and let `use` make something of it, while it is known who the node is. Returns 0, or
 * -errno with *no set. */
static int
asked_take(struct asked *a, int (*use)(struct asked *a, void *to, struct refusal *no), void *to,
	   struct refusal *no)
{
	struct state s;
	const struct state_node *found = handle_find(a->t->app, a->t->node, &s, no);
	int r = -ENOENT;

	if (found) {
		a->node = (struct profile_node_is){ .name = state_string(&s, found->name),
						    .comm = state_string(&s, found->comm),
						    .exe = state_string(&s, found->exe),
						    .runtime = state_string(&s, found->runtime),
						    .pid = found->pid,
						    .start_unix_ns = found->start_unix_ns };
		r = snapshot_take(&a->got, a->t->app, a->t->req, found->number, &a->wish, no);
		asked_log(a, r, no);
		if (r == 0)
			r = use(a, to, no);
		snapshot_fini(&a->got);
	}
	state_fini(&s);
	return r;
}

/* ---- as a text */

struct text {
	struct snapshot s;
	struct go_text t;
};

static void
text_write(void *ctx, struct sink *to)
{
	go_text_write(&((struct text *)ctx)->t, to);
}

static void
text_free(void *ctx)
{
	struct text *text = ctx;

	go_text_fini(&text->t);
	snapshot_fini(&text->s);
	free(text);
}

static int
use_as_text(struct asked *a, void *reply, struct refusal *no)
{
	struct text *text = calloc(1, sizeof(*text));
	int r = -ENOMEM;

	if (text) {
		text->s = a->got;
		memset(&a->got, 0, sizeof(a->got));
		r = go_text_init(&text->t, text->s.p, &text->s.readings[0], &text->s.places[0],
				 a->what->name, a->is_dump);
		reply_stream(reply, text_write, text_free, text);
	}
	if (r < 0)
		refusal_set(no, 503, 0, "the text could not be written: %s", strerror(-r));
	return r;
}

/* ---- as a profile */

static void
set_times(struct profile *p, const struct asked *a)
{
	const struct snapshot *s = &a->got;
	uint64_t last = s->readings[s->n - 1].head->unix_ns, first = s->readings[0].head->unix_ns;

	p->window.start_unix_ns = last;
	p->window.duration_ns = a->wish.look_ms ? a->wish.look_ms * UINT64_C(1000000)
				: last > first  ? last - first
						: 0;
}

/* Returns 0 or -ENOMEM. */
static int
fill(const struct asked *a)
{
	const struct snapshot *s = &a->got;
	const struct reading *last = &s->readings[s->n - 1];
	struct comments_node node = { a->node.name, a->node.exe, a->node.pid };
	struct go_comments c = { .name = a->what->name,
				 .node = &node,
				 .reading = last,
				 .is_delta = s->n > 1,
				 .sums_only = a->t->params->delta_sums,
				 .armed = a->wish.arm,
				 .gc = a->t->params->gc,
				 .look_ms = a->wish.look_ms };
	int r = profile_node_set(s->p, &a->node);

	s->p->delta = s->n > 1;
	set_times(s->p, a);
	if (r == 0)
		r = go_profile_begin(s->p, last, a->what->show);
	for (uint32_t i = 0; i < s->n && r == 0; i++) {
		const struct go_samples samples = {
			.r = &s->readings[i],
			.g = &s->places[i],
			.hidden = s->hidden[i].n,
			.part = i + 1 == s->n ? GO_PART_WHOLE
				: c.sums_only ? GO_PART_BEFORE_SUMS
					      : GO_PART_BEFORE,
			.ticks_per_second = last->head->ticks_per_second,
		};

		r = go_profile_add(s->p, &samples);
	}
	if (r == 0)
		r = profile_finish(s->p, &c.made_up);
	return r < 0 ? r : go_comments_add(s->p, &c);
}

static int
use_as_profile(struct asked *a, void *taken, struct refusal *no)
{
	int r = fill(a);

	if (r < 0)
		refusal_set(no, 503, 0, "the profile is too large: more than %u MB of stacks and names",
			    PROFILE_MEMORY_MAX >> 20);
	else
		*(struct taken *)taken = (struct taken){ snapshot_give(&a->got), a->filename };
	return r;
}

/* ---- the whole */

int
take_snapshot(const struct take *t, struct taken *out, struct refusal *no)
{
	const struct snapshot_kind *what = kind_find(t->kind);
	struct asked a;

	if (!what) {
		refusal_set(no, 404, 0, "Unknown profile");
		return -ENOENT;
	}
	if (check(what, t->params, NULL, no) < 0)
		return -EINVAL;
	asked_init(&a, t, what);
	return asked_take(&a, use_as_profile, out, no);
}

static void
answer(const struct take *t, const struct snapshot_kind *what, struct reply *to)
{
	struct taken taken;
	struct refusal no;
	struct asked a;
	int r;

	asked_init(&a, t, what);
	/* What a header says needs no reading. */
	if (t->req->method == METHOD_HEAD) {
		if (!t->params->debug)
			deliver_head(t->params, a.filename, to);
		return;
	}
	if (t->params->debug)
		r = asked_take(&a, use_as_text, to, &no);
	else
		r = asked_take(&a, use_as_profile, &taken, &no);
	if (r < 0)
		handle_refusal(to, &no);
	else if (!t->params->debug)
		deliver(t->params, taken.p, taken.filename, to);
}

void
handle_snapshot(const struct app *app, const struct request *req, const struct conf_node *node,
		struct reply *to)
{
	const char *name = strrchr(req->path, '/');
	const struct snapshot_kind *what = kind_find(name ? name + 1 : "");
	struct params params;
	struct take t = { .app = app, .req = req, .node = node, .params = &params };
	struct refusal no;
	struct err why;
	int r;

	if (!what) {
		reply_error(to, 404, "Unknown profile");
		return;
	}
	t.kind = what->name;
	r = params_parse(&params, req, app->conf->max_seconds, &why);
	if (check(what, &params, r < 0 ? why.text : NULL, &no) < 0)
		handle_refusal(to, &no);
	else
		answer(&t, what, to);
}
