/*
 * strings.h - each string once, by number.
 *
 * What comes in is cleaned (text.h) and cut at STRINGS_LENGTH_MAX, so that what
 * is kept may stand in a profile as it is.
 */
#ifndef PPD_FCGI_STRINGS_H
#define PPD_FCGI_STRINGS_H

#include <stddef.h>
#include <stdint.h>

#include "base/table.h"
#include "fcgi/room.h"

/* Bytes. Names of C++ templates reach a few thousand. */
#define STRINGS_LENGTH_MAX 8192
#define STRINGS_NONE       UINT32_MAX

struct strings {
	struct room *room; /* borrowed */
	struct table index;
	char *bytes;      /* owned; the strings behind each other, each with a NUL */
	size_t used, cap; /* of bytes */
	LIST(uint32_t) starts;
};

/* Number 0 is "" from the start. Returns 0 or -ENOMEM. */
int strings_init(struct strings *s, struct room *room);
void strings_fini(struct strings *s);

/* The number of a string, the same for the same bytes; STRINGS_NONE when there is no room. */
uint32_t strings_add(struct strings *s, const char *bytes, size_t n);
uint32_t strings_text(struct strings *s, const char *text);
uint32_t strings_printf(struct strings *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Borrowed until the next strings_add. `which` is a number that strings_add gave. */
const char *strings_get(const struct strings *s, uint32_t which);

#endif
