#include "config.h"

#include "fcgi/reply.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "fcgi/jsonw.h"
#include "fcgi/text.h"

const char reply_text[] = "text/plain; charset=utf-8";
const char reply_html[] = "text/html; charset=utf-8";
const char reply_json[] = "application/json";
const char reply_binary[] = "application/octet-stream";

static const struct {
	int status;
	const char *phrase;
	const char *code; /* for programs; NULL: not an error */
} phrases[] = {
	{ 200, "OK", NULL },
	{ 301, "Moved Permanently", NULL },
	{ 302, "Found", NULL },
	{ 303, "See Other", NULL },
	{ 400, "Bad Request", "bad_request" },
	{ 403, "Forbidden", "forbidden" },
	{ 404, "Not Found", "not_found" },
	{ 405, "Method Not Allowed", "method_not_allowed" },
	{ 408, "Request Timeout", "client_gone" },
	{ 410, "Gone", "gone" },
	{ 413, "Content Too Large", "too_large" },
	{ 500, "Internal Server Error", "internal" },
	{ 501, "Not Implemented", "not_available" },
	{ 503, "Service Unavailable", "unavailable" },
};

void
reply_init(struct reply *r)
{
	memset(r, 0, sizeof(*r));
	r->status = 200;
	r->type = reply_text;
	buf_init(&r->body, REPLY_BODY_MAX);
}

static void
reply_end_stream(struct reply *r)
{
	if (r->stream_free)
		r->stream_free(r->stream_ctx);
	r->stream = NULL;
	r->stream_free = NULL;
	r->stream_ctx = NULL;
}

void
reply_fini(struct reply *r)
{
	reply_end_stream(r);
	buf_fini(&r->body);
}

void
reply_stream(struct reply *r, void (*stream)(void *ctx, struct sink *to), void (*stream_free)(void *ctx),
	     void *ctx)
{
	reply_end_stream(r);
	r->stream = stream;
	r->stream_free = stream_free;
	r->stream_ctx = ctx;
}

/* One line, as of the others: a scraper may log it. */
static void
reply_error_json(struct reply *r, const char *text)
{
	const char *code = "error";
	struct sink to;

	for (size_t i = 0; i < sizeof(phrases) / sizeof(phrases[0]); i++)
		if (phrases[i].status == r->status && phrases[i].code)
			code = phrases[i].code;
	r->type = reply_json;
	r->schema = "error-1";
	sink_init(&to, sink_into_buf, &r->body);
	sink_printf(&to,
		    "{\"schema\":\"pprofd.error/1\",\"status\":%d,\"code\":\"%s\",\"message\":", r->status,
		    code);
	jsonw_bytes(&to, text, strlen(text));
	sink_text(&to, "}\n");
	sink_flush(&to);
}

void
reply_error(struct reply *r, int status, const char *fmt, ...)
{
	char text[4096];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	r->status = status;
	r->filename = NULL;
	r->schema = NULL;
	r->policy = NULL;
	r->long_text = false;
	reply_end_stream(r);
	buf_reset(&r->body);
	if (r->json) {
		reply_error_json(r, text);
		return;
	}
	r->type = reply_text;
	r->failed = true;
	text_clean(&r->body, text, strlen(text));
	buf_u8(&r->body, '\n');
}

static const char *
reply_phrase(int status)
{
	for (size_t i = 0; i < sizeof(phrases) / sizeof(phrases[0]); i++)
		if (phrases[i].status == status)
			return phrases[i].phrase;
	return "Error";
}

void
reply_head(const struct reply *r, bool without_body, struct buf *out)
{
	buf_printf(out, "Status: %d %s\r\n", r->status, reply_phrase(r->status));
	buf_printf(out, "Content-Type: %s\r\nX-Content-Type-Options: nosniff\r\n", r->type);
	if (r->failed)
		buf_text(out, "X-Go-Pprof: 1\r\n");
	if (r->filename)
		buf_printf(out, "Content-Disposition: %s; filename=\"%s%s\"\r\n",
			   r->suffix ? "inline" : "attachment", r->filename, r->suffix ? r->suffix : "");
	if (r->long_text)
		buf_text(out, "Vary: Accept-Encoding\r\n");
	if (r->long_text && r->gzip)
		buf_text(out, "Content-Encoding: gzip\r\n");
	if (r->policy)
		buf_printf(out, "Content-Security-Policy: %s\r\n", r->policy);
	if (r->schema)
		buf_printf(out, "Link: <" REPLY_SCHEMAS "%s.json>; rel=\"describedby\"\r\n", r->schema);
	if (r->allow)
		buf_printf(out, "Allow: %s\r\n", r->allow);
	if (r->retry_after_s)
		buf_printf(out, "Retry-After: %d\r\n", r->retry_after_s);
	if (*r->location)
		buf_printf(out, "Location: %s\r\n", r->location);
	if (!without_body && !r->stream)
		buf_printf(out, "Content-Length: %zu\r\n", r->body.len);
	buf_text(out, "\r\n");
}
