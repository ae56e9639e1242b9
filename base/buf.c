#include "config.h"

#include "base/buf.h"

#include <endian.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
buf_init(struct buf *b, size_t max)
{
	memset(b, 0, sizeof(*b));
	b->max = max;
}

void
buf_fini(struct buf *b)
{
	free(b->data);
	buf_init(b, b->max);
}

void
buf_reset(struct buf *b)
{
	b->len = 0;
	b->error = 0;
}

int
buf_error(const struct buf *b)
{
	return b->error;
}

/* Memory for `extra` bytes more than the n that will be in use. False: the buffer is marked. */
static bool
buf_room(struct buf *b, size_t n, size_t extra)
{
	size_t cap = b->cap ? b->cap : 256;
	void *data;

	if (b->error)
		return false;
	if (n > b->max - b->len) {
		b->error = -EFBIG;
		return false;
	}
	while (cap - b->len < n + extra)
		cap *= 2;
	if (cap == b->cap)
		return true;
	data = realloc(b->data, cap);
	if (!data) {
		b->error = -ENOMEM;
		return false;
	}
	b->data = data;
	b->cap = cap;
	return true;
}

void *
buf_grow(struct buf *b, size_t n)
{
	if (!buf_room(b, n, 0))
		return NULL;
	b->len += n;
	return b->data + b->len - n;
}

void
buf_add(struct buf *b, const void *bytes, size_t n)
{
	void *to;

	if (!n)
		return;
	to = buf_grow(b, n);
	if (to)
		memcpy(to, bytes, n);
}

void
buf_u8(struct buf *b, uint8_t v)
{
	buf_add(b, &v, 1);
}

void
buf_u16(struct buf *b, uint16_t v)
{
	v = htole16(v);
	buf_add(b, &v, sizeof(v));
}

void
buf_u32(struct buf *b, uint32_t v)
{
	v = htole32(v);
	buf_add(b, &v, sizeof(v));
}

void
buf_u64(struct buf *b, uint64_t v)
{
	v = htole64(v);
	buf_add(b, &v, sizeof(v));
}

void
buf_varint(struct buf *b, uint64_t v)
{
	unsigned char bytes[10];
	size_t n = 0;

	do {
		bytes[n] = (unsigned char)((v & 0x7f) | (v > 0x7f ? 0x80 : 0));
		n++;
		v >>= 7;
	} while (v);
	buf_add(b, bytes, n);
}

void
buf_str(struct buf *b, const char *s, size_t n)
{
	if (n > UINT16_MAX)
		n = UINT16_MAX;
	buf_u16(b, (uint16_t)n);
	buf_add(b, s, n);
}

void
buf_text(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

void
buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0) {
		b->error = -EINVAL;
		return;
	}
	if (!buf_room(b, (size_t)n, 1)) /* the NUL is vsnprintf's, not ours */
		return;
	va_start(ap, fmt);
	vsnprintf((char *)b->data + b->len, (size_t)n + 1, fmt, ap);
	va_end(ap);
	b->len += (size_t)n;
}

void
buf_put_u32(struct buf *b, size_t at, uint32_t v)
{
	if (b->error)
		return;
	v = htole32(v);
	memcpy(b->data + at, &v, sizeof(v));
}

void
cur_init(struct cur *c, const void *bytes, size_t n)
{
	/* No bytes may come as NULL, to which nothing may be added. */
	c->p = bytes ? bytes : (const void *)"";
	c->end = c->p + n;
	c->bad = false;
}

size_t
cur_left(const struct cur *c)
{
	return (size_t)(c->end - c->p);
}

int
cur_error(const struct cur *c)
{
	return c->bad ? -EBADMSG : 0;
}

const void *
cur_bytes(struct cur *c, size_t n)
{
	const unsigned char *at = c->p;

	if (c->bad || n > cur_left(c)) {
		c->bad = true;
		c->p = c->end;
		return NULL;
	}
	c->p += n;
	return at;
}

uint8_t
cur_u8(struct cur *c)
{
	const unsigned char *at = cur_bytes(c, 1);

	return at ? *at : 0;
}

uint16_t
cur_u16(struct cur *c)
{
	const void *at = cur_bytes(c, sizeof(uint16_t));
	uint16_t v = 0;

	if (at)
		memcpy(&v, at, sizeof(v));
	return le16toh(v);
}

uint32_t
cur_u32(struct cur *c)
{
	const void *at = cur_bytes(c, sizeof(uint32_t));
	uint32_t v = 0;

	if (at)
		memcpy(&v, at, sizeof(v));
	return le32toh(v);
}

uint64_t
cur_u64(struct cur *c)
{
	const void *at = cur_bytes(c, sizeof(uint64_t));
	uint64_t v = 0;

	if (at)
		memcpy(&v, at, sizeof(v));
	return le64toh(v);
}

const char *
cur_str(struct cur *c, size_t *n)
{
	const char *at;

	*n = cur_u16(c);
	at = cur_bytes(c, *n);
	if (!at) {
		*n = 0;
		return "";
	}
	return at;
}
