/*
 * dwarf_bytes.h - a bounded, little-endian reading place in a DWARF section.
 *
 * The same bargain as base/buf.h's struct cur: a read past the end gives zeros
 * and marks the cursor. Inline, because a line program is read byte by byte.
 */
#ifndef PPD_SYMBOLIZE_DWARF_BYTES_H
#define PPD_SYMBOLIZE_DWARF_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Borrowed bytes. */
struct dwarf_span {
	const unsigned char *data;
	size_t size;
};

struct dwarf_cur {
	const unsigned char *p;   /* next byte */
	const unsigned char *end; /* one past the last */
	bool bad;                 /* something was read past the end */
};

static inline struct dwarf_span
dwarf_span_from(struct dwarf_span s, uint64_t offset)
{
	if (!s.data || offset > s.size)
		return (struct dwarf_span){NULL, 0};
	return (struct dwarf_span){s.data + offset, s.size - (size_t)offset};
}

static inline struct dwarf_cur
dwarf_cur_of(struct dwarf_span s)
{
	static const unsigned char none[1];

	return s.data ? (struct dwarf_cur){s.data, s.data + s.size, false}
		      : (struct dwarf_cur){none, none, false};
}

static inline size_t
dwarf_cur_left(const struct dwarf_cur *c)
{
	return (size_t)(c->end - c->p);
}

static inline const unsigned char *
dwarf_cur_take(struct dwarf_cur *c, uint64_t n)
{
	const unsigned char *at = c->p;

	if (n > dwarf_cur_left(c)) {
		c->p = c->end;
		c->bad = true;
		return NULL;
	}
	c->p += n;
	return at;
}

static inline uint8_t
dwarf_cur_u8(struct dwarf_cur *c)
{
	if (c->p == c->end) {
		c->bad = true;
		return 0;
	}
	return *c->p++;
}

/* An unsigned value of `bytes` (1-8) bytes. */
static inline uint64_t
dwarf_cur_fixed(struct dwarf_cur *c, unsigned int bytes)
{
	const unsigned char *at = dwarf_cur_take(c, bytes);
	uint64_t v = 0;

	if (at)
		memcpy(&v, at, bytes);
	return v;
}

/* LEB128 (DWARF 5, 7.6); bits beyond the 64th are dropped. */
static inline uint64_t
dwarf_cur_uleb(struct dwarf_cur *c)
{
	uint64_t v = 0;
	unsigned int shift = 0;
	uint8_t byte;

	do {
		byte = dwarf_cur_u8(c);
		if (shift < 64)
			v |= (uint64_t)(byte & 0x7f) << shift;
		shift += shift < 64 ? 7 : 0;
	} while (byte & 0x80);
	return v;
}

static inline int64_t
dwarf_cur_sleb(struct dwarf_cur *c)
{
	uint64_t v = 0;
	unsigned int shift = 0;
	uint8_t byte;

	do {
		byte = dwarf_cur_u8(c);
		if (shift < 64)
			v |= (uint64_t)(byte & 0x7f) << shift;
		shift += shift < 64 ? 7 : 0;
	} while (byte & 0x80);
	if ((byte & 0x40) && shift < 64)
		v |= UINT64_MAX << shift;
	return (int64_t)v;
}

/* A NUL-terminated string in place, or NULL when its NUL is missing. */
static inline const char *
dwarf_cur_string(struct dwarf_cur *c)
{
	const unsigned char *at = c->p;
	const unsigned char *nul = at == c->end ? NULL : memchr(at, 0, dwarf_cur_left(c));

	if (!nul) {
		c->p = c->end;
		c->bad = true;
		return NULL;
	}
	c->p = nul + 1;
	return (const char *)at;
}

/* The string at an offset of a string section, or NULL. */
static inline const char *
dwarf_span_string(struct dwarf_span s, uint64_t offset)
{
	struct dwarf_cur c = dwarf_cur_of(dwarf_span_from(s, offset));

	return dwarf_cur_string(&c);
}

/* A unit_length (DWARF 5, 7.4): 4 or 12 bytes. *offset_bytes becomes 4 or 8. */
static inline uint64_t
dwarf_cur_length(struct dwarf_cur *c, uint8_t *offset_bytes)
{
	uint64_t n = dwarf_cur_fixed(c, 4);

	*offset_bytes = n == 0xffffffff ? 8 : 4;
	return n == 0xffffffff ? dwarf_cur_fixed(c, 8) : n;
}

/* The first of n sorted addresses that is at or above `from`; n when none is. */
static inline size_t
dwarf_first_from(const uint64_t *addrs, size_t n, uint64_t from)
{
	size_t low = 0;

	while (low < n) {
		size_t mid = low + (n - low) / 2;

		if (addrs[mid] < from)
			low = mid + 1;
		else
			n = mid;
	}
	return low;
}

#endif
