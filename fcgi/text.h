/*
 * text.h - bytes from outside, made fit to be shown.
 *
 * Names, paths and commands come from the node, which may put anything in them.
 * Protocol buffers want UTF-8; a terminal should get no escape sequences and a
 * comment no second line; a page should get no markup.
 */
#ifndef PPD_FCGI_TEXT_H
#define PPD_FCGI_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

/* Is it UTF-8 without control characters (RFC 3629; C0, DEL, C1)? */
bool text_is_clean(const char *s, size_t n);

/* Append it with everything else written as \xNN, one byte at a time. */
void text_clean(struct buf *b, const char *s, size_t n);

/* Append it cleaned, with the five characters that HTML gives a meaning escaped. */
void text_html(struct buf *b, const char *s, size_t n);

/* The part of a path behind its last slash; its length in *n (in and out). */
const char *text_base(const char *path, size_t *n);

/* The length of the longest part of s, at most max bytes, that cuts no UTF-8 character. */
size_t text_cut(const char *s, size_t n, size_t max);

#endif
