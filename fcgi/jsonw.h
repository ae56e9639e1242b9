/*
 * jsonw.h - JSON (RFC 8259) written while it goes out, for lists of any length.
 *
 * The writer puts commas and quotes; the caller opens and closes. Strings may be any bytes:
 * what is not UTF-8, and control characters, are written as text.h shows them ("\xff").
 */
#ifndef PPD_FCGI_JSONW_H
#define PPD_FCGI_JSONW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fcgi/sink.h"

struct jsonw {
	struct sink *to; /* borrowed */
	bool comma;      /* something stands in front of what comes next */
};

void jsonw_init(struct jsonw *j, struct sink *to);

/* An object or a list, to be ended by the other. name: the member's; NULL in a list. */
void jsonw_object(struct jsonw *j, const char *name);
void jsonw_object_end(struct jsonw *j);
void jsonw_list(struct jsonw *j, const char *name);
void jsonw_list_end(struct jsonw *j);

/* A member's name, as it stands here (our own); its value follows. */
void jsonw_name(struct jsonw *j, const char *name);
/* The same with a name from outside. */
void jsonw_name_text(struct jsonw *j, const char *name);

/* Values, with a name or NULL. */
void jsonw_text(struct jsonw *j, const char *name, const char *text);
void jsonw_int(struct jsonw *j, const char *name, int64_t v);
/* Beyond INT64_MA it stays there: readers know no more. */
void jsonw_uint(struct jsonw *j, const char *name, uint64_t v);
void jsonw_bool(struct jsonw *j, const char *name, bool v);
/* A string "0x4010f0". */
void jsonw_hex(struct jsonw *j, const char *name, uint64_t v);
/* With two digits; what is no number is 0. */
void jsonw_percent(struct jsonw *j, const char *name, double v);
/* RFC 3339, UTC, nanoseconds; null where it is 0. */
void jsonw_time(struct jsonw *j, const char *name, uint64_t unix_ns);

/* A line's end between two values, for people who look at it with less. */
void jsonw_newline(struct jsonw *j);

/* A string alone, in quotes. */
void jsonw_bytes(struct sink *to, const char *s, size_t n);

#endif
