/*
 * json.h - JSON (RFC 8259) written while it goes out, for lists of any length.
 *
 * The writer puts commas and quotes; the caller opens and closes. Strings may be any bytes:
 * what is not UTF-8, and control characters, are written as text.h shows them ("\xff").
 */
#ifndef PPD_FCGI_JSON_H
#define PPD_FCGI_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fcgi/sink.h"

struct json {
	struct sink *to; /* borrowed */
	bool comma;      /* something stands in front of what comes next */
};

void json_init(struct json *j, struct sink *to);

/* An object or a list, to be ended by the other. name: the member's; NULL in a list. */
void json_object(struct json *j, const char *name);
void json_object_end(struct json *j);
void json_list(struct json *j, const char *name);
void json_list_end(struct json *j);

/* A member's name, as it stands here (our own); its value follows. */
void json_name(struct json *j, const char *name);
/* The same with a name from outside. */
void json_name_text(struct json *j, const char *name);

/* Values, with a name or NULL. */
void json_text(struct json *j, const char *name, const char *text);
void json_int(struct json *j, const char *name, int64_t v);
/* Beyond INT64_MA it stays there: readers know no more. */
void json_uint(struct json *j, const char *name, uint64_t v);
void json_bool(struct json *j, const char *name, bool v);
/* A string "0x4010f0". */
void json_hex(struct json *j, const char *name, uint64_t v);
/* With two digits; what is no number is 0. */
void json_percent(struct json *j, const char *name, double v);
/* RFC 3339, UTC, nanoseconds; null where it is 0. */
void json_time(struct json *j, const char *name, uint64_t unix_ns);

/* A line's end between two values, for people who look at it with less. */
void json_newline(struct json *j);

/* A string alone, in quotes. */
void json_bytes(struct sink *to, const char *s, size_t n);

#endif
