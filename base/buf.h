/*
 * buf.h - bytes being written, and bytes being read.
 *
 * A struct buf grows as it is appended to, up to a maximum. A failed append
 * (no memory, maximum reached) marks the buffer; later appends do nothing, so a
 * writer checks once, at the end, with buf_error().
 *
 * A struct cur reads little-endian values out of bytes that nobody vouches for:
 * a read past the end gives zeros and marks the cursor, so a reader too checks
 * once, before it believes anything, with cur_error().
 */
#ifndef PPD_BASE_BUF_H
#define PPD_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
	unsigned char *data; /* owned; NULL while empty */
	size_t len;          /* bytes in use */
	size_t cap;          /* bytes allocated */
	size_t max;          /* len never exceeds this */
	int error;           /* 0, -ENOMEM or -EFBIG */
};

void buf_init(struct buf *b, size_t max);
void buf_fini(struct buf *b);
/* Forget the content and the error, keep the memory. */
void buf_reset(struct buf *b);
int buf_error(const struct buf *b);
/* Room for n more bytes to be written by the caller, already counted in len; NULL on failure. */
void *buf_grow(struct buf *b, size_t n);

void buf_add(struct buf *b, const void *bytes, size_t n);
void buf_u8(struct buf *b, uint8_t v);
void buf_u16(struct buf *b, uint16_t v);
void buf_u32(struct buf *b, uint32_t v);
void buf_u64(struct buf *b, uint64_t v);
/* Protocol buffers' base-128 varint. */
void buf_varint(struct buf *b, uint64_t v);
/* u16 length, then the bytes; cut at 65535. */
void buf_str(struct buf *b, const char *s, size_t n);
/* Text without a NUL behind it. */
void buf_text(struct buf *b, const char *s);
void buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Overwrite four bytes at `at`, which were appended before. */
void buf_put_u32(struct buf *b, size_t at, uint32_t v);

struct cur {
	const unsigned char *p;   /* borrowed; next byte */
	const unsigned char *end; /* one past the last */
	bool bad;                 /* something was read past the end */
};

void cur_init(struct cur *c, const void *bytes, size_t n);
size_t cur_left(const struct cur *c);
/* 0, or -EBADMSG when any read went past the end. */
int cur_error(const struct cur *c);
uint8_t cur_u8(struct cur *c);
uint16_t cur_u16(struct cur *c);
uint32_t cur_u32(struct cur *c);
uint64_t cur_u64(struct cur *c);
/* n bytes in place (borrowed), or NULL. */
const void *cur_bytes(struct cur *c, size_t n);
/* A buf_str(): *n bytes in place (borrowed, no NUL); "" with *n = 0 when bad. */
const char *cur_str(struct cur *c, size_t *n);

#endif
