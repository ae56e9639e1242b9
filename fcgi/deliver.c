#include "config.h"

#include "fcgi/deliver.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fcgi/enc_pprof.h"

/* 4,000 stacks of 8-31 frames: level 1 takes 8 ms for 196 kB, level 3 10 ms for 194 kB, level 6 15 ms
 * for 189 kB. */
#define ZLIB_LEVEL 1
/* Samples of a pprof that is written before its header goes out: 50 ms. */
#define WHOLE_MAX 10000

/* What an answer that is written while it goes out needs. */
struct delivery {
	const struct form *form; /* static */
	const struct profile *p;
	void (*release)(void *ctx);
	void *ctx;
	struct view_wish wish;
	const char *name, *query; /* static; the request's */
};

void
deliver_head(const struct params *params, const char *filename, struct reply *to)
{
	const struct form *form = params->form;

	to->type = form->type;
	to->filename = filename;
	to->suffix = *form->extension ? form->extension : NULL;
	to->schema = form->schema;
	to->policy = form->policy;
	to->long_text = form->write;
}

static void
delivery_write_pprof(void *ctx, struct sink *to)
{
	const struct delivery *d = ctx;

	enc_pprof(d->p, ZLIB_LEVEL, to);
}

/* Numbers and order take longer than the first byte may: they come behind the header. */
static void
delivery_write(void *ctx, struct sink *to)
{
	const struct delivery *d = ctx;
	struct ids ids;
	struct view view;
	const struct form_of of = {
		.p = d->p, .ids = &ids, .wish = &d->wish, .name = d->name, .query = d->query
	};
	int r = ids_init(&ids, d->p);

	memset(&view, 0, sizeof(view));
	if (r == 0)
		r = view_init(&view, d->p, &ids, &d->wish, d->form->group, d->form->order);
	if (r == 0)
		d->form->write(&of, &view, to);
	else
		to->error = r;
	view_fini(&view);
	ids_fini(&ids);
}

static void
delivery_free(void *ctx)
{
	struct delivery *d = ctx;

	d->release(d->ctx);
	free(d);
}

/* Can it be written at all? Returns 0, or a status with the reason. */
static int
deliver_check(const struct params *params, const struct profile *p, struct err *why)
{
	uint32_t type;
	int r = params->form->write ? view_check(p, &params->view, &type, why) : 0;

	return r == -ENOENT ? 400 : r < 0 ? 503 : 0;
}

/* What is written fast goes out with its length, and with its status where something fails. */
static bool
deliver_whole(const struct params *params, const struct profile *p, const char *filename, struct reply *to)
{
	struct sink sink;
	int r;

	if (params->form->write || p->samples.n > WHOLE_MAX)
		return false;
	sink_init(&sink, sink_into_buf, &to->body);
	r = enc_pprof(p, ZLIB_LEVEL, &sink);
	if (r < 0)
		reply_error(to, 503, "the profile could not be written: %s", strerror(-r));
	else
		deliver_head(params, filename, to);
	return true;
}

static void
deliver_later(const struct params *params, const struct delivery *is, struct reply *to)
{
	struct delivery *d = malloc(sizeof(*d));

	if (!d) {
		is->release(is->ctx);
		reply_error(to, 503, "the profile could not be written: %s", strerror(ENOMEM));
		return;
	}
	*d = *is;
	deliver_head(params, is->name, to);
	reply_stream(to, params->form->write ? delivery_write : delivery_write_pprof, delivery_free, d);
}

void
deliver_shared(const struct params *params, const struct profile *p, void (*release)(void *ctx), void *ctx,
	       const char *filename, struct reply *to)
{
	const struct delivery d = {
		.form = params->form,
		.p = p,
		.release = release,
		.ctx = ctx,
		.wish = params->view,
		.name = filename,
		.query = params->query,
	};
	struct err why;
	int status = deliver_check(params, p, &why);

	if (status)
		reply_error(to, status, "%s", why.text);
	else if (!deliver_whole(params, p, filename, to)) {
		deliver_later(params, &d, to);
		return;
	}
	release(ctx);
}

static void
deliver_free(void *ctx)
{
	struct profile *p = ctx;

	profile_fini(p);
	free(p);
}

void
deliver(const struct params *params, struct profile *p, const char *filename, struct reply *to)
{
	deliver_shared(params, p, deliver_free, p, filename, to);
}
