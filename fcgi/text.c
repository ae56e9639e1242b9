#include "config.h"

#include "fcgi/text.h"

#include <stdint.h>
#include <string.h>

/* The bytes of the UTF-8 character at s, of n > 0 bytes; 0 when it is none (RFC 3629, 4). */
static size_t
text_utf8(const unsigned char *s, size_t n)
{
	static const struct {
		unsigned char mask, lead; /* of the first byte */
		uint32_t min;             /* smaller values have a shorter form */
	} forms[] = {
		{ 0x80, 0x00, 0 },
		{ 0xe0, 0xc0, 0x80 },
		{ 0xf0, 0xe0, 0x800 },
		{ 0xf8, 0xf0, 0x10000 },
	};

	for (size_t more = 0; more < sizeof(forms) / sizeof(forms[0]); more++) {
		uint32_t c = s[0] & (unsigned char)~forms[more].mask;

		if ((s[0] & forms[more].mask) != forms[more].lead)
			continue;
		if (more >= n)
			return 0;
		for (size_t i = 1; i <= more; i++) {
			if ((s[i] & 0xc0) != 0x80)
				return 0;
			c = c << 6 | (s[i] & 0x3f);
		}
		if (c < forms[more].min || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
			return 0;
		if (c < 0x20 || (c >= 0x7f && c <= 0x9f))
			return 0;
		return more + 1;
	}
	return 0;
}

bool
text_is_clean(const char *s, size_t n)
{
	for (size_t at = 0; at < n;) {
		size_t step = text_utf8((const unsigned char *)s + at, n - at);

		if (!step)
			return false;
		at += step;
	}
	return true;
}

void
text_clean(struct buf *b, const char *s, size_t n)
{
	for (size_t at = 0; at < n;) {
		size_t step = text_utf8((const unsigned char *)s + at, n - at);

		if (step)
			buf_add(b, s + at, step);
		else
			buf_printf(b, "\\x%02x", (unsigned char)s[at]);
		at += step ? step : 1;
	}
}

void
text_html(struct buf *b, const char *s, size_t n)
{
	static const struct {
		char c;
		const char *as;
	} escapes[] = {
		{ '&', "&amp;" }, { '<', "&lt;" }, { '>', "&gt;" }, { '"', "&quot;" }, { '\'', "&#39;" },
	};

	for (size_t at = 0; at < n; at++) {
		size_t run = at, which = 0;

		while (run < n && !strchr("&<>\"'", s[run] ? s[run] : 'x'))
			run++;
		text_clean(b, s + at, run - at);
		at = run;
		if (at == n)
			break;
		while (escapes[which].c != s[at])
			which++;
		buf_text(b, escapes[which].as);
	}
}

const char *
text_base(const char *path, size_t *n)
{
	const char *slash = *n ? memrchr(path, '/', *n) : NULL;

	if (slash) {
		*n -= (size_t)(slash + 1 - path);
		return slash + 1;
	}
	return path;
}

size_t
text_cut(const char *s, size_t n, size_t max)
{
	if (n <= max)
		return n;
	while (max && ((unsigned char)s[max] & 0xc0) == 0x80)
		max--;
	return max;
}
