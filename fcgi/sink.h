/*
 * sink.h - where a long answer goes while it is being written.
 *
 * Bytes are collected and handed on in chunks, so that an answer of any length
 * takes no memory. A failed write (the client has gone) marks the sink; later
 * ones do nothing, and a writer of a long list looks at sink_error() now and then.
 */
#ifndef PPD_FCGI_SINK_H
#define PPD_FCGI_SINK_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#define SINK_CHUNK 16384

struct sink {
	/* Take n bytes. Returns 0 or -errno. */
	int (*put)(void *ctx, const void *bytes, size_t n);
	void *ctx; /* borrowed */
	size_t n;  /* collected */
	uint64_t total;
	int error;
	unsigned char chunk[SINK_CHUNK];
};

void sink_init(struct sink *s, int (*put)(void *ctx, const void *bytes, size_t n), void *ctx);
void sink_add(struct sink *s, const void *bytes, size_t n);
void sink_text(struct sink *s, const char *text);
/* In decimal; in lower-case hexadecimal behind "0x". */
void sink_int(struct sink *s, int64_t v);
void sink_hex(struct sink *s, uint64_t v);
void sink_printf(struct sink *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Hand on what is collected. Returns sink_error(). */
int sink_flush(struct sink *s);
/* 0 or -errno. */
int sink_error(const struct sink *s);

/* A put for tests and for answers that are kept: ctx is a struct buf. */
int sink_into_buf(void *ctx, const void *bytes, size_t n);

#endif
