#include "config.h"

#include "fcgi/reply.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "fcgi/text.h"

const char reply_text[] = "text/plain; charset=utf-8";
const char reply_html[] = "text/html; charset=utf-8";
const char reply_binary[] = "application/octet-stream";

static const struct {
	int status;
	const char *phrase;
} phrases[] = {
	{ 200, "OK" },
	{ 301, "Moved Permanently" },
	{ 302, "Found" },
	{ 400, "Bad Request" },
	{ 403, "Forbidden" },
	{ 404, "Not Found" },
	{ 405, "Method Not Allowed" },
	{ 408, "Request Timeout" },
	{ 413, "Content Too Large" },
	{ 500, "Internal Server Error" },
	{ 501, "Not Implemented" },
	{ 503, "Service Unavailable" },
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

void
reply_error(struct reply *r, int status, const char *fmt, ...)
{
	char text[4096];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	r->status = status;
	r->type = reply_text;
	r->filename = NULL;
	r->failed = true;
	reply_end_stream(r);
	buf_reset(&r->body);
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
		buf_printf(out, "Content-Disposition: attachment; filename=\"%s\"\r\n", r->filename);
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
