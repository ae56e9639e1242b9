#include "config.h"

#include "fcgi/html.h"

#include <string.h>
#include <time.h>

#include "fcgi/text.h"

#define VALUE_MAX 400 /* bytes of a value; paths may have 4096 */

const char html_policy[] = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'self'; "
			   "frame-ancestors 'none'; base-uri 'none'";

/* Contrast is 7:1 and more for all text on both grounds. */
static const char style[] =
	":root{color-scheme:light dark;--fg:#1a1a1a;--bg:#fff;--dim:#4a4a4a;--line:#c8c8c8;--link:#0645ad;"
	"--box:#f3f4f6;--bad:#b25000}"
	"@media(prefers-color-scheme:dark){:root{--fg:#e8e8e8;--bg:#16181c;--dim:#b8b8b8;--line:#4a4d55;"
	"--link:#9cc4ff;--box:#22252b;--bad:#ffb066}}"
	"body{font:16px/1.5 system-ui,sans-serif;margin:0 auto;padding:0 1rem 2rem;max-width:60rem;"
	"color:var(--fg);background:var(--bg);overflow-wrap:anywhere}"
	"h1{font-size:1.4rem;margin:1rem 0 .5rem}h2{font-size:1.1rem;margin:1.6rem 0 .4rem}"
	"a{color:var(--link)}a:focus-visible,:focus-visible{outline:3px solid var(--link);outline-offset:2px}"
	"table{border-collapse:collapse}"
	"td,th{padding:.2rem .9rem .2rem 0;text-align:left;vertical-align:top}th{font-weight:600}"
	"th,.p td:not(:last-child){overflow-wrap:normal}.p td{border-top:1px solid var(--line)}"
	".no,small{color:var(--dim)}small{font-size:.9rem}"
	".bad{border-left:.3rem solid var(--bad);background:var(--box);padding:.4rem .8rem}"
	"pre{background:var(--box);padding:.6rem .8rem;margin:.4rem 0;white-space:pre-wrap}"
	"fieldset{border:1px solid var(--line);margin:0 0 .8rem;padding:.4rem .8rem .8rem}"
	"label{display:inline-block;margin:.2rem 1rem .2rem 0}"
	"input,select,button{font:inherit;padding:.2rem .5rem;max-width:100%;box-sizing:border-box}"
	"input[type=number]{width:6rem}"
	/* Each line that tells how far it is lies over the one before. (While its parent is still being read,
	 * no browser calls an element the last child.) */
	".t{display:grid}.t>p{grid-area:1/1;background:var(--bg);font-size:1.2rem}"
	/* A bar that fills by itself. */
	"@keyframes w{from{width:0}to{width:100%}}"
	".w{height:.5rem;background:var(--link);animation:w linear both}main:has(.end) .w{display:none}"
	"@media(prefers-reduced-motion:reduce){.w{display:none}}"
	"@media(max-width:30rem){td,th{padding-right:.5rem}}";

void
html_text(struct buf *b, const char *s)
{
	text_html(b, s, strlen(s));
}

/* How much of s is at most `max` bytes when it is written. */
static size_t
fitting(const char *s, size_t max)
{
	size_t n = 0, written = 0;

	for (; s[n]; n++) {
		/* "&quot;", and "\x1b" */
		written += strchr("&<>\"'", s[n]) ? 6 : (unsigned char)s[n] < ' ' || s[n] == 0x7f ? 4 : 1;
		if (written > max)
			break;
	}
	return n;
}

void
html_cut(struct buf *b, const char *s, size_t max)
{
	size_t n = strlen(s), cut = text_cut(s, n, fitting(s, max));

	text_html(b, s, cut);
	if (cut < n)
		buf_text(b, "…");
}

void
html_begin(struct buf *b, const char *title, const char *heading, const char *up)
{
	buf_text(b, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
		    "<meta name=\"viewport\" content=\"width=device-width\">\n"
		    /* Without it each browser asks for one, and finds a 404 in its console. */
		    "<link rel=\"icon\" href=\"data:,\">\n<title>");
	html_text(b, title);
	buf_printf(b, "</title>\n<style>%s</style>\n</head>\n<body>\n<main>\n", style);
	if (up)
		buf_printf(b, "<p><a href=\"%s\">/debug/pprof/</a></p>\n", up);
	buf_text(b, "<h1>");
	html_text(b, heading);
	buf_text(b, "</h1>\n");
}

void
html_end(struct buf *b)
{
	buf_text(b, "</main>\n</body>\n</html>\n");
}

void
html_rows_begin(struct buf *b)
{
	buf_text(b, "<table>\n");
}

void
html_row(struct buf *b, const char *name, const char *value)
{
	if (!*value)
		return;
	buf_printf(b, "<tr><th scope=\"row\">%s</th><td>", name);
	html_cut(b, value, VALUE_MAX);
	buf_text(b, "</td></tr>\n");
}

void
html_row_number(struct buf *b, const char *name, uint64_t value)
{
	if (value)
		buf_printf(b, "<tr><th scope=\"row\">%s</th><td>%llu</td></tr>\n", name,
			   (unsigned long long)value);
}

void
html_row_time(struct buf *b, const char *name, uint64_t unix_ns)
{
	time_t t = (time_t)(unix_ns / 1000000000u);
	char text[64];
	struct tm tm;

	if (t && gmtime_r(&t, &tm) && strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S UTC", &tm))
		html_row(b, name, text);
}

void
html_rows_end(struct buf *b)
{
	buf_text(b, "</table>\n");
}

void
html_trouble(struct buf *b, const char *before, const char *why)
{
	buf_text(b, "<p class=\"bad\">");
	html_text(b, before);
	html_text(b, why);
	buf_text(b, "</p>\n");
}

/* A name or an address with its port: nothing that a shell or a page could take for its own. */
static bool
is_host(const char *s)
{
	size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:[]");

	return n && !s[n] && n < 256 && *s != '-';
}

void
html_origin(struct buf *b, const struct request *req)
{
	const char *host = req->host ? req->host : "", *scheme = req->scheme ? req->scheme : "";

	buf_printf(b, "%s://%s", strcmp(scheme, "https") ? "http" : "https",
		   is_host(host) ? host : "HOST:PORT");
}
