#include "config.h"

#include "fcgi/page.h"

#include <string.h>
#include <time.h>

#include "base/wire.h"
#include "fcgi/route.h"
#include "fcgi/text.h"

static const char style[] =
	":root{color-scheme:light dark}"
	"body{font:15px/1.5 system-ui,sans-serif;margin:1.5rem auto;padding:0 1rem;max-width:50rem}"
	"td,th{padding:.1rem .9rem .1rem 0;text-align:left;vertical-align:top}"
	"th{font-weight:600}"
	"dt{font-weight:600}"
	".no{opacity:.65}"
	".trouble{border-left:.25rem solid #c60;padding:.2rem .8rem}";

static void
page_text(struct buf *b, const char *s)
{
	text_html(b, s, strlen(s));
}

static void
page_row(struct buf *b, const char *name, const char *value)
{
	if (!*value)
		return;
	buf_printf(b, "<tr><th>%s</th><td>", name);
	page_text(b, value);
	buf_text(b, "</td></tr>\n");
}

static void
page_number(struct buf *b, const char *name, uint64_t value)
{
	if (value)
		buf_printf(b, "<tr><th>%s</th><td>%llu</td></tr>\n", name, (unsigned long long)value);
}

static void
page_time(struct buf *b, const char *name, uint64_t unix_ns)
{
	time_t t = (time_t)(unix_ns / 1000000000u);
	char text[64];
	struct tm tm;

	/* UTC: a zone's rules are in a file, and this process opens none. */
	if (t && gmtime_r(&t, &tm) && strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S UTC", &tm))
		page_row(b, name, text);
}

static const char *
page_state(uint8_t state)
{
	static const char *const words[] = {
		[WIRE_NODE_RUNNING] = "running",
		[WIRE_NODE_ABSENT] = "not running",
		[WIRE_NODE_AMBIGUOUS] = "several processes match",
		[WIRE_NODE_DENIED] = "running, may not be sampled",
	};

	return state < sizeof(words) / sizeof(words[0]) ? words[state] : "unknown";
}

static void
page_node(const struct page *page, struct buf *b)
{
	const struct state_node *n = page->found;
	const struct state *s = page->state;

	buf_text(b, "<table>\n");
	if (page->node) {
		page_row(b, "node", page->node->name);
		page_row(b, "target", page->node->target);
	}
	if (n) {
		page_row(b, "state", page_state(n->state));
		page_number(b, "pid", n->pid);
		page_row(b, "command", state_string(s, n->comm));
		page_row(b, "executable", state_string(s, n->exe));
		page_row(b, "runtime", state_string(s, n->runtime));
		page_number(b, "threads", n->threads);
		page_time(b, "started", n->start_unix_ns);
		page_number(b, "open windows", n->windows);
	}
	buf_text(b, "</table>\n");
}

static void
page_trouble(const struct page *page, struct buf *b)
{
	const char *why = page->trouble;

	if (!why && page->found && page->found->state != WIRE_NODE_RUNNING) {
		why = state_string(page->state, page->found->why);
		if (!*why)
			why = page_state(page->found->state);
	}
	if (!why)
		return;
	buf_text(b, "<p class=\"trouble\">It cannot be sampled now: ");
	page_text(b, why);
	buf_text(b, "</p>\n");
}

/* The rows' markup is Go's: programs look for it. */
static void
page_profiles(struct buf *b)
{
	size_t n;
	const struct route *routes = route_table(&n);

	buf_text(b, "<p>Types of profiles available:</p>\n<table>\n"
		    "<thead><tr><td>Count</td><td>Profile</td><td></td></tr></thead>\n");
	for (size_t i = 0; i < n; i++)
		if (routes[i].description)
			buf_printf(b,
				   "<tr><td>0</td><td><a href='%s?debug=1'>%s</a></td><td "
				   "class=\"no\">%s</td></tr>\n",
				   routes[i].name, routes[i].name,
				   routes[i].made ? "" : "not available in this version");
	buf_text(b, "</table>\n<p class=\"no\"><a href=\"goroutine?debug=2\">full goroutine stack dump</a> "
		    "(not available in this version)</p>\n<p>Profile descriptions:</p>\n<dl>\n");
	for (size_t i = 0; i < n; i++)
		if (routes[i].description)
			buf_printf(b, "<dt>%s</dt><dd>%s%s</dd>\n", routes[i].name, routes[i].description,
				   routes[i].made ? "" : " (not available in this version)");
	buf_text(b, "</dl>\n");
}

static void
page_nodes(const struct page *page, struct buf *b)
{
	/* Relative, so that the pages work below any prefix. */
	const char *up = page->below_nodes ? "../../../" : "../../nodes/";

	if (page->conf->n_nodes < 2)
		return;
	buf_text(b, "<p>Nodes:</p>\n<ul>\n");
	for (size_t i = 0; i < page->conf->n_nodes; i++) {
		const struct conf_node *node = &page->conf->nodes[i];
		const struct state_node *found = page->state ? state_find(page->state, node->name) : NULL;

		buf_printf(b, "<li><a href=\"%s", up);
		page_text(b, node->name);
		buf_text(b, "/debug/pprof/\">");
		page_text(b, node->name);
		buf_printf(b, "</a>%s%s</li>\n", found ? ": " : "", found ? page_state(found->state) : "");
	}
	buf_text(b, "</ul>\n");
}

static void
page_self(const struct page *page, struct buf *b)
{
	const struct state *s = page->state;

	if (!s)
		return;
	if (s->n_limits) {
		buf_text(b, "<p>What pprofd could not get here, and how to grant it:</p>\n<ul>\n");
		for (uint32_t i = 0; i < s->n_limits; i++) {
			buf_text(b, "<li>");
			page_text(b, state_string(s, s->limits[i]));
			buf_text(b, "</li>\n");
		}
		buf_text(b, "</ul>\n");
	}
	buf_printf(b,
		   "<p class=\"no\">pprofd " PACKAGE_VERSION ": %u of %u windows open; "
		   "%llu samples so far, %llu lost; collector %.1f s of CPU time, %.1f MB</p>\n",
		   s->windows, s->windows_max, (unsigned long long)s->samples, (unsigned long long)s->lost,
		   (double)s->cpu_ns / 1e9, (double)s->rss_bytes / 1e6);
}

void
page_write(const struct page *page, struct buf *b)
{
	buf_printf(b,
		   "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
		   "<meta name=\"viewport\" content=\"width=device-width\">\n"
		   "<title>/debug/pprof/</title>\n<style>%s</style>\n</head>\n<body>\n/debug/pprof/\n",
		   style);
	page_node(page, b);
	page_trouble(page, b);
	page_profiles(b);
	page_nodes(page, b);
	page_self(page, b);
	buf_text(b, "</body>\n</html>\n");
}
