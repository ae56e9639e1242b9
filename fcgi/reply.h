/*
 * reply.h - an answer, known before its first byte goes out.
 *
 * A profile is known only when its window has ended, and until then its status may still
 * change. The body is there as bytes, or is written while it goes out (`stream`): then
 * nothing can go wrong any more but the client's going away.
 */
#ifndef PPD_FCGI_REPLY_H
#define PPD_FCGI_REPLY_H

#include <stdbool.h>

#include "base/buf.h"
#include "fcgi/sink.h"

#define REPLY_BODY_MAX     (64u << 20)
#define REPLY_LOCATION_MAX 2560
/* Where schemas are answered (handle_schema.c). */
#define REPLY_SCHEMAS "/debug/pprof/schemas/"

struct reply {
	int status;
	const char *type;     /* static */
	const char *filename; /* static; NULL: no Content-Disposition */
	const char *suffix; /* static, behind filename (".json"): to be shown, not only kept; NULL: none */
	const char *schema; /* static: the JSON Schema of the body, as form.h has it; NULL: none */
	const char *policy; /* static: Content-Security-Policy; NULL: none */
	bool json;          /* errors are JSON, too */
	bool long_text;     /* what `stream` writes is worth compressing */
	bool gzip;          /* and the client takes it so */
	const char *allow;  /* static; NULL: none */
	int retry_after_s;  /* 0: none */
	bool failed;        /* an error text: X-Go-Pprof lets `go tool pprof` show it */
	char location[REPLY_LOCATION_MAX]; /* "": none */
	struct buf body;
	/* Writes the body; NULL: it is in `body`. Its errors are the sink's. */
	void (*stream)(void *ctx, struct sink *to);
	void (*stream_free)(void *ctx); /* called by reply_fini; NULL: nothing to free */
	void *stream_ctx;
	/* What goes on when the answer has gone out, on the same thread; it frees its ctx. NULL: nothing.
	 * It is called also when the reply has become an error, or nobody has read it. */
	void (*after)(void *ctx);
	void *after_ctx;
};

extern const char reply_text[]; /* "text/plain; charset=utf-8" */
extern const char reply_html[];
extern const char reply_json[];
extern const char reply_binary[]; /* scrapers refuse a profile of any other type */

/* 200, text/plain, nothing in it. */
void reply_init(struct reply *r);
void reply_fini(struct reply *r);

/* The body will be written by `stream`; ctx is taken (also when the reply becomes an error). */
void reply_stream(struct reply *r, void (*stream)(void *ctx, struct sink *to),
		  void (*stream_free)(void *ctx), void *ctx);

/* Make it an error, whatever it was: status, text and a newline; where `json` is set, a document
 * of the schema pprofd.error/1. */
void reply_error(struct reply *r, int status, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* The CGI header (RFC 3875, 6.3) with the empty line behind it. without_body: an answer to
 * HEAD, which tells no length (it is not known before a profile is made). */
void reply_head(const struct reply *r, bool without_body, struct buf *out);

#endif
