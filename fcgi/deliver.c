#include "config.h"

#include "fcgi/deliver.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fcgi/enc_pprof.h"

/* 4,000 stacks of 8-31 frames: level 1 takes 8 ms for 196 kB, level 3 10 ms for 194 kB, level 6 15 ms
 * for 189 kB. */
#define ZLIB_LEVEL 1

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

static void
deliver_pprof(const struct profile *p, struct reply *to)
{
	int r = enc_pprof(p, ZLIB_LEVEL, &to->body);

	if (r < 0)
		reply_error(to, 503, "the profile could not be written: %s", strerror(-r));
}

/* Returns true where the delivery has been taken by the reply. */
static bool
deliver_form(const struct params *params, const struct delivery *is, struct reply *to)
{
	struct delivery *d = malloc(sizeof(*d));
	struct err why;
	uint32_t type;
	int r = d ? view_check(is->p, &is->wish, &type, &why) : err_set(&why, -ENOMEM, "out of memory");

	if (r < 0) {
		reply_error(to, r == -ENOENT ? 400 : 503, "%s", why.text);
		free(d);
		return false;
	}
	*d = *is;
	deliver_head(params, is->name, to);
	reply_stream(to, delivery_write, delivery_free, d);
	return true;
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

	if (params->form->write && deliver_form(params, &d, to))
		return;
	if (!params->form->write) {
		deliver_head(params, filename, to);
		deliver_pprof(p, to);
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
