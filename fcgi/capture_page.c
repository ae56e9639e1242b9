#include "config.h"

#include "fcgi/capture_page.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fcgi/form.h"
#include "fcgi/html.h"
#include "fcgi/wait.h"

#define LINE_MS   1000
#define OTHERS    10 /* captures that this one can be compared with, at most */

struct page {
	const struct app *app;     /* borrowed, as is req */
	const struct request *req;
	struct kept *k; /* held */
	struct buf b;   /* what goes out next */
	struct sink *to;
};

void
capture_page_title(const struct store_is *is, char to[CAPTURE_PAGE_TITLE_MAX])
{
	char event[PARAMS_EVENT_MAX + 32] = "", length[32] = "", rate[32] = "";

	if (is->duration_ms)
		snprintf(length, sizeof(length), ", %.6g s", (double)is->duration_ms / 1000);
	if (*is->event)
		snprintf(event, sizeof(event), ", %s", is->event);
	if (is->hz)
		snprintf(rate, sizeof(rate), "%s%u Hz", *is->event ? " at " : ", ", is->hz);
	snprintf(to, CAPTURE_PAGE_TITLE_MAX, "%s of node %s%s%s%s", is->kind, is->node, length, event, rate);
}

/* 0, or -errno when nobody reads any more. */
static int
page_send(struct page *p)
{
	sink_add(p->to, p->b.data, p->b.len);
	buf_reset(&p->b);
	return sink_flush(p->to);
}

/* ---- while it runs */

/* A bar that the browser fills by itself. */
static void
page_bar(struct page *p, const struct store_is *is)
{
	uint64_t now = app_now_ms(), gone_ms = now > is->begin_ms ? now - is->begin_ms : 0;

	if (!is->duration_ms)
		return;
	buf_printf(&p->b,
		   "<div aria-hidden=\"true\" class=\"w\" "
		   "style=\"animation-duration:%ums;animation-delay:-%llums\"></div>\n",
		   is->duration_ms, (unsigned long long)gone_ms);
}

static void
page_line(struct page *p, const struct store_is *is)
{
	double gone_s = (double)(app_now_ms() - is->begin_ms) / 1000, all_s = (double)is->duration_ms / 1000;
	bool open = !is->duration_ms || gone_s < all_s;

	if (!is->duration_ms)
		buf_printf(&p->b, "<p>%.0f s so far", gone_s);
	else if (open)
		buf_printf(&p->b, "<p>%.0f s of %.6g s", gone_s, all_s);
	else
		buf_printf(&p->b, "<p>%.6g s are over; the rest is being read and named", all_s);
	if (is->counts && open)
		buf_printf(&p->b, ": %llu samples, %llu lost", (unsigned long long)is->samples,
			   (unsigned long long)is->lost);
	buf_text(&p->b, "</p>\n");
}

/* Returns 0 when it is over, or a negative errno when nobody looks any more. */
static int
page_watch(struct page *p)
{
	struct wait w;
	int r = 0;

	wait_init(&w, p->app, p->req);
	while (r == 0 && !store_wait(p->app->store, p->k, app_now_ms() + LINE_MS)) {
		struct store_is is;

		store_look(p->app->store, p->k, &is);
		page_line(p, &is);
		r = page_send(p);
		if (r == 0)
			r = wait_for(&w, NULL, 0, 0);
	}
	return r;
}

static int
page_running(struct page *p, const struct store_is *is)
{
	int r;

	if (!store_watch_begin(p->app->store)) {
		page_line(p, is);
		buf_text(&p->b, "<p>Too many look at captures that run: load this page again to see more.</p>\n");
		html_end(&p->b);
		page_send(p);
		return -1;
	}
	page_bar(p, is);
	buf_text(&p->b, "<div class=\"t\">\n");
	page_line(p, is);
	r = page_send(p);
	if (r == 0)
		r = page_watch(p);
	store_watch_end(p->app->store);
	buf_text(&p->b, "<p class=\"end\">It is over.</p>\n</div>\n");
	return r;
}

/* ---- when it is over */

static void
page_facts(struct page *p, const struct store_is *is)
{
	uint64_t now = app_now_ms();
	char minutes[64];

	html_rows_begin(&p->b);
	html_row(&p->b, "node", is->node);
	html_row_time(&p->b, "begun", is->begin_unix_ns);
	if (is->counts)
		buf_printf(&p->b,
			   "<tr><th scope=\"row\">samples</th><td>%llu, %llu lost</td></tr>\n",
			   (unsigned long long)is->samples, (unsigned long long)is->lost);
	snprintf(minutes, sizeof(minutes), "%.0f minutes at most, in memory",
		 is->expires_ms > now ? (double)(is->expires_ms - now) / 60000 : 0.0);
	html_row(&p->b, "kept for", minutes);
	html_rows_end(&p->b);
}

static void
page_forms(struct page *p, const struct store_is *is)
{
	size_t n;
	const struct form *forms = form_table(&n);

	buf_printf(&p->b,
		   "<p><a href=\"%s?format=svg\">Flame graph</a></p>\n<h2>All its forms</h2>\n"
		   "<table class=\"p\">\n",
		   is->id);
	for (size_t i = 0; i < n; i++)
		buf_printf(&p->b,
			   "<tr><td><a href=\"%s?format=%s\">%s</a></td><td>%s</td></tr>\n", is->id,
			   forms[i].name, forms[i].name, forms[i].describes);
	buf_text(&p->b, "</table>\n");
}

static void
page_url(struct page *p)
{
	html_origin(&p->b, p->req);
	html_text(&p->b, p->req->path);
}

static void
page_commands(struct page *p)
{
	buf_text(&p->b, "<h2>Commands</h2>\n<pre>go tool pprof -http=: '");
	page_url(p);
	buf_text(&p->b, "?format=pprof'\ncurl -o profile.pb.gz '");
	page_url(p);
	buf_text(&p->b, "?format=pprof'\ncurl -s '");
	page_url(p);
	buf_text(&p->b, "?format=top&amp;limit=10' | jq -r '.rows[] | \"\\(.flat_pct)% \\(.function)\"'</pre>\n");
}

static void
page_others(struct page *p, const struct store_is *is)
{
	struct store_is *all = malloc(STORE_COUNT_MAX * sizeof(*all));
	uint32_t n = all ? store_list(p->app->store, is->node, app_now_ms(), all, STORE_COUNT_MAX) : 0;
	uint32_t shown = 0;

	for (uint32_t i = 0; i < n && shown < OTHERS; i++) {
		double before_s = ((double)is->begin_ms - (double)all[i].begin_ms) / 1000;

		if (all[i].state != STORE_DONE || strcmp(all[i].kind, is->kind) != 0 ||
		    strcmp(all[i].event, is->event) != 0 || !strcmp(all[i].id, is->id))
			continue;
		if (!shown++)
			buf_text(&p->b, "<h2>What is more than in another one, and what is less</h2>\n<ul>\n");
		buf_printf(&p->b, "<li>begun %.0f s %s: ", before_s < 0 ? -before_s : before_s,
			   before_s < 0 ? "later" : "before");
		buf_printf(&p->b, "<a href=\"%s?base=%s&amp;format=svg\">as a picture (%u)</a>, ", is->id,
			   all[i].id, shown);
		buf_printf(&p->b, "<a href=\"%s?base=%s&amp;format=top\">as a table (%u)</a></li>\n", is->id,
			   all[i].id, shown);
	}
	if (shown)
		buf_text(&p->b, "</ul>\n");
	free(all);
}

static void
page_result(struct page *p)
{
	struct store_is is;

	store_look(p->app->store, p->k, &is);
	if (is.state == STORE_FAILED) {
		html_trouble(&p->b, "There is no profile: ", is.why);
		page_facts(p, &is);
	} else {
		page_facts(p, &is);
		page_forms(p, &is);
		page_commands(p);
		page_others(p, &is);
	}
	html_end(&p->b);
	page_send(p);
}

/* ---- the whole */

static void
page_write(void *ctx, struct sink *to)
{
	struct page *p = ctx;
	char title[CAPTURE_PAGE_TITLE_MAX];
	struct store_is is;
	int r = 0;

	p->to = to;
	store_look(p->app->store, p->k, &is);
	capture_page_title(&is, title);
	html_begin(&p->b, title, title, "../");
	if (is.state == STORE_RUNNING)
		r = page_running(p, &is);
	if (r == 0)
		page_result(p);
}

static void
page_free(void *ctx)
{
	struct page *p = ctx;

	store_put(p->app->store, p->k);
	buf_fini(&p->b);
	free(p);
}

void
capture_page(const struct app *app, const struct request *req, struct kept *k, struct reply *to)
{
	struct page *p = malloc(sizeof(*p));

	if (!p) {
		store_put(app->store, k);
		reply_error(to, 503, "out of memory");
		return;
	}
	*p = (struct page){ .app = app, .req = req, .k = k };
	buf_init(&p->b, 65536);
	to->type = reply_html;
	to->policy = html_policy;
	reply_stream(to, page_write, page_free, p);
}
