#include "config.h"

#include "fcgi/sink.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"

void
sink_init(struct sink *s, int (*put)(void *ctx, const void *bytes, size_t n), void *ctx)
{
	s->put = put;
	s->ctx = ctx;
	s->n = 0;
	s->total = 0;
	s->error = 0;
}

int
sink_flush(struct sink *s)
{
	if (!s->error && s->n)
		s->error = s->put(s->ctx, s->chunk, s->n);
	s->n = 0;
	return s->error;
}

void
sink_add(struct sink *s, const void *bytes, size_t n)
{
	s->total += n;
	if (n > sizeof(s->chunk) - s->n)
		sink_flush(s);
	if (n > sizeof(s->chunk)) {
		if (!s->error)
			s->error = s->put(s->ctx, bytes, n);
		return;
	}
	if (n)
		memcpy(s->chunk + s->n, bytes, n);
	s->n += n;
}

void
sink_text(struct sink *s, const char *text)
{
	sink_add(s, text, strlen(text));
}

void
sink_int(struct sink *s, int64_t v)
{
	char digits[20], *at = digits + sizeof(digits);
	uint64_t left = v < 0 ? -(uint64_t)v : (uint64_t)v;

	do
		*--at = (char)('0' + left % 10);
	while (left /= 10);
	if (v < 0)
		*--at = '-';
	sink_add(s, at, (size_t)(digits + sizeof(digits) - at));
}

void
sink_hex(struct sink *s, uint64_t v)
{
	char digits[18], *at = digits + sizeof(digits);

	do
		*--at = "0123456789abcdef"[v & 15];
	while (v >>= 4);
	*--at = 'x';
	*--at = '0';
	sink_add(s, at, (size_t)(digits + sizeof(digits) - at));
}

void
sink_printf(struct sink *s, const char *fmt, ...)
{
	char line[4096];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof(line))
		s->error = s->error ? s->error : -EMSGSIZE;
	else
		sink_add(s, line, (size_t)n);
}

int
sink_error(const struct sink *s)
{
	return s->error;
}

int
sink_into_buf(void *ctx, const void *bytes, size_t n)
{
	struct buf *b = ctx;

	buf_add(b, bytes, n);
	return buf_error(b);
}
