#include "config.h"

#include "fcgi/page.h"

#include <string.h>

#include "base/wire.h"
#include "fcgi/capture_page.h"
#include "fcgi/html.h"
#include "fcgi/route.h"

#define WHY_MAX     600 /* bytes of a remedy */
#define LIMITS_MAX  6
#define NODES_BYTES 5000 /* of the list of nodes */
#define TITLE_MAX   80
#define SECONDS     10 /* what the form begins with */

/* ---- who it is */

static void
page_node(const struct overview *o, struct buf *b)
{
	const struct state_node *n = o->found;
	const struct state *s = &o->state;

	if (!o->node)
		return;
	html_rows_begin(b);
	html_row(b, "node", o->node->name);
	html_row(b, "target", o->node->target);
	if (n) {
		html_row(b, "state", overview_state_words(n));
		html_row_number(b, "pid", n->pid);
		html_row(b, "command", state_string(s, n->comm));
		html_row(b, "executable", state_string(s, n->exe));
		html_row(b, "runtime", state_string(s, n->runtime));
		html_row_number(b, "threads", n->threads);
		html_row_time(b, "started", n->start_unix_ns);
		html_row_number(b, "open windows", n->windows);
	}
	html_rows_end(b);
}

static void
page_trouble(const struct overview *o, struct buf *b)
{
	const char *why = overview_trouble(o);

	if (!why)
		return;
	buf_text(b, "<p class=\"bad\">It cannot be sampled now: ");
	html_cut(b, why, WHY_MAX);
	buf_text(b, "</p>\n");
}

/* ---- what there is */

/* What a person wants of a profile that needs no time: the others are made by the form. */
static void
page_links(const struct route *route, struct buf *b)
{
	static const struct {
		const char *query, *words;
	} links[] = { { "", "download" }, { "?format=svg", "flame graph" }, { "?format=top", "top" } };

	if (!route->take || route->take == take_window)
		return;
	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++)
		buf_printf(b, " <a aria-label=\"%s: %s\" href=\"%s%s\">%s</a>", route->name, links[i].words,
			   route->name, links[i].query, links[i].words);
}

/* The markup of the first two cells is Go's: programs look for it. */
static void
page_profiles(const struct overview *o, struct buf *b)
{
	bool trouble = overview_trouble(o) != NULL;
	char why[OVERVIEW_WHY_MAX];
	size_t n;
	const struct route *routes = route_table(&n);

	buf_text(b, "<p>Types of profiles available:</p>\n<table class=\"p\">\n<thead><tr><th scope=\"col\">Count"
		    "</th><th scope=\"col\">Profile</th><th scope=\"col\">What it tells</th></tr></thead>\n");
	for (size_t i = 0; i < n; i++) {
		if (!routes[i].description)
			continue;
		buf_printf(b, "<tr><td>0</td><td><a href='%s?debug=1'>%s</a></td><td>%s.", routes[i].name,
			   routes[i].name, routes[i].description);
		/* What is in the way of all stands above, once. */
		if (overview_has(o, &routes[i], why)) {
			page_links(&routes[i], b);
		} else if (!routes[i].made || !trouble) {
			buf_text(b, " <small>(");
			html_cut(b, why, 100);
			buf_text(b, ")</small>");
		}
		buf_text(b, "</td></tr>\n");
	}
	buf_text(b, "</table>\n<p><a href=\"goroutine?debug=2\">full goroutine stack dump</a></p>\n");
}

/* ---- captures */

static void
page_form_window(const struct overview *o, struct buf *b)
{
	uint32_t most = o->conf->max_seconds;

	buf_printf(b,
		   "<form method=\"post\" action=\"captures\">\n<fieldset><legend>CPU time, or any event</legend>\n"
		   "<input type=\"hidden\" name=\"profile\" value=\"profile\">\n"
		   "<label>Seconds <input type=\"number\" name=\"seconds\" min=\"1\" max=\"%u\" value=\"%u\" "
		   "required></label>\n"
		   "<label>Event <input name=\"event\" list=\"events\" placeholder=\"",
		   most, most < SECONDS ? most : SECONDS);
	html_cut(b, o->conf->event, 64);
	buf_printf(b,
		   "\"></label>\n<datalist id=\"events\"><option>task-clock<option>page-faults<option>"
		   "context-switches<option>cpu-migrations<option>cycles<option>instructions<option>cache-misses"
		   "</datalist>\n"
		   "<label>Samples a second <input type=\"number\" name=\"hz\" min=\"1\" max=\"1000\" "
		   "placeholder=\"%u\"></label>\n<button>Capture</button></fieldset>\n</form>\n",
		   o->conf->hz);
}

/* Only what this node has. */
static void
page_form_snapshot(const struct overview *o, struct buf *b)
{
	char why[OVERVIEW_WHY_MAX];
	size_t n, shown = 0;
	const struct route *routes = route_table(&n);

	for (size_t i = 0; i < n; i++) {
		const struct route *r = &routes[i];

		if (!r->description || !r->take || r->take == take_window || !overview_has(o, r, why))
			continue;
		if (!shown++)
			buf_text(b, "<form method=\"post\" action=\"captures\">\n<fieldset><legend>Memory, "
				    "goroutines, locks</legend>\n<label>Profile <select name=\"profile\">");
		buf_printf(b, "<option%s>%s", strcmp(r->name, "heap") ? "" : " selected", r->name);
	}
	if (shown)
		buf_printf(b,
			   "</select></label>\n<label>Change over so many seconds (empty: as it is now) <input "
			   "type=\"number\" name=\"seconds\" min=\"1\" max=\"%u\"></label>\n"
			   "<button>Capture</button></fieldset>\n</form>\n",
			   o->conf->max_seconds);
}

static void
page_capture(const struct store_is *is, struct buf *b)
{
	char title[CAPTURE_PAGE_TITLE_MAX];

	capture_page_title(is, title);
	buf_printf(b, "<li><a href=\"captures/%s\">", is->id);
	html_cut(b, title, TITLE_MAX);
	buf_text(b, "</a>");
	if (is->state == STORE_RUNNING)
		buf_text(b, ": running");
	else if (is->state == STORE_FAILED)
		buf_text(b, ": failed");
	else if (is->counts)
		buf_printf(b, ": %llu samples, %llu lost", (unsigned long long)is->samples,
			   (unsigned long long)is->lost);
	buf_printf(b, ", begun %.0f s ago", (double)(app_now_ms() - is->begin_ms) / 1000);
	if (is->state == STORE_DONE)
		buf_printf(b, "; <a aria-label=\"flame graph of %s\" href=\"captures/%s?format=svg\">flame graph</a>",
			   is->id, is->id);
	buf_text(b, "</li>\n");
}

static void
page_captures(const struct overview *o, struct buf *b)
{
	if (!o->node || !o->conf->captures)
		return;
	buf_text(b, "<h2>Capture once, read in every form</h2>\n");
	if (!overview_trouble(o)) {
		page_form_window(o, b);
		page_form_snapshot(o, b);
	}
	if (o->n_newest)
		buf_text(b, "<ul>\n");
	for (uint32_t i = 0; i < o->n_newest; i++)
		page_capture(&o->newest[i], b);
	buf_printf(b, "%s<p><small>Kept in memory for %u minutes, %u at most; <a href=\"captures\">all of them as "
		      "JSON</a>.</small></p>\n",
		   o->n_newest ? "</ul>\n" : "", o->conf->captures_minutes, o->conf->captures);
}

/* ---- commands */

static void
page_command(const struct overview *o, struct buf *b, const char *before, const char *rest)
{
	buf_printf(b, "%s '", before);
	html_origin(b, o->req);
	html_cut(b, o->req->path, 200);
	buf_printf(b, "%s\n", rest);
}

static void
page_commands(const struct overview *o, struct buf *b)
{
	if (!o->node)
		return;
	buf_text(b, "<h2>Commands</h2>\n<pre>");
	page_command(o, b, "go tool pprof -http=:", "profile?seconds=10'");
	page_command(o, b, "curl -o cpu.pb.gz", "profile?seconds=10'");
	page_command(o, b, "curl -s", "profile?seconds=10&amp;format=top' | jq '.rows[:10]'");
	page_command(o, b, "curl -L -o cpu.svg -d seconds=10 -d format=svg", "captures'");
	buf_text(b, "</pre>\n");
}

/* ---- others, and we */

static void
page_nodes(const struct overview *o, struct buf *b)
{
	/* Relative, so that the pages work below any prefix. */
	const char *up = o->below_nodes ? "../../../" : "../../nodes/";
	size_t i, end = b->len + NODES_BYTES;

	if (o->conf->n_nodes < 2)
		return;
	buf_text(b, "<h2>Nodes</h2>\n<ul>\n");
	for (i = 0; i < o->conf->n_nodes && b->len < end; i++) {
		const struct conf_node *node = &o->conf->nodes[i];
		const struct state_node *found = o->answered ? state_find(&o->state, node->name) : NULL;

		/* A name is letters, digits, dots and the like (conf.h). */
		buf_printf(b, "<li><a href=\"%s%s/debug/pprof/\">%s</a>%s%s</li>\n", up, node->name,
			   node->name, found ? ": " : "", found ? overview_state_words(found) : "");
	}
	if (i < o->conf->n_nodes)
		buf_printf(b, "<li>and %zu more: <a href=\"?format=json\">all of them as JSON</a></li>\n",
			   o->conf->n_nodes - i);
	buf_text(b, "</ul>\n");
}

static void
page_limits(const struct overview *o, struct buf *b)
{
	const struct state *s = &o->state;

	if (!s->n_limits)
		return;
	buf_text(b, "<h2>What pprofd could not get here, and how to grant it</h2>\n<ul>\n");
	for (uint32_t i = 0; i < s->n_limits && i < LIMITS_MAX; i++) {
		buf_text(b, "<li>");
		html_cut(b, state_string(s, s->limits[i]), 300);
		buf_text(b, "</li>\n");
	}
	buf_text(b, "</ul>\n");
}

static void
page_self(const struct overview *o, struct buf *b)
{
	const struct state *s = &o->state;

	buf_text(b, "<p><small>pprofd " PACKAGE_VERSION);
	if (o->answered)
		buf_printf(b,
			   ": %u of %u windows open; %llu samples so far, %llu lost; collector %.1f s of CPU time, "
			   "%.1f MB",
			   s->windows, s->windows_max, (unsigned long long)s->samples,
			   (unsigned long long)s->lost, (double)s->cpu_ns / 1e9, (double)s->rss_bytes / 1e6);
	buf_printf(b,
		   "; fcgi %.1f s, %.1f MB. For programs: <a href=\"?format=json\">this as JSON</a>, "
		   "<a href=\"%smetrics\">metrics</a>.</small></p>\n",
		   (double)o->cpu_ns / 1e9, (double)o->rss_bytes / 1e6,
		   o->below_nodes ? "../../../../" : "../../");
}

void
page_write(const struct overview *o, struct buf *b)
{
	html_begin(b, "/debug/pprof/", "/debug/pprof/", NULL);
	page_node(o, b);
	page_trouble(o, b);
	page_profiles(o, b);
	page_captures(o, b);
	page_commands(o, b);
	page_nodes(o, b);
	page_limits(o, b);
	page_self(o, b);
	html_end(b);
}
