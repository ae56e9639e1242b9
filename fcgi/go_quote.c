#include "config.h"

#include "fcgi/go_quote.h"

#include <ctype.h>
#include <stdint.h>
#include <string.h>

/* What unicode.IsPrint denies, from U+0080 on, but for characters that are not assigned: controls,
 * spaces, marks of format, surrogates and private use. */
static const struct {
	uint32_t first, last;
} unprintable[] = {
	{ 0x80, 0xa0 },     { 0xad, 0xad },       { 0x600, 0x605 },      { 0x61c, 0x61c },
	{ 0x6dd, 0x6dd },   { 0x70f, 0x70f },     { 0x8e2, 0x8e2 },      { 0x1680, 0x1680 },
	{ 0x180e, 0x180e }, { 0x2000, 0x200f },   { 0x2028, 0x202f },    { 0x205f, 0x206f },
	{ 0x3000, 0x3000 }, { 0xe000, 0xf8ff },   { 0xfeff, 0xfeff },    { 0xfff9, 0xfffb },
	{ 0xfffe, 0xffff }, { 0x110bd, 0x110bd }, { 0xe0000, 0x10ffff },
};

static bool
is_printable(uint32_t c)
{
	if (c < 0x80)
		return c >= ' ' && c < 0x7f;
	for (size_t i = 0; i < sizeof(unprintable) / sizeof(unprintable[0]); i++)
		if (c >= unprintable[i].first && c <= unprintable[i].last)
			return false;
	return true;
}

/* The character at s, of n > 0 bytes; *step: its bytes. A byte that begins none is UINT32_MAX. */
static uint32_t
decode(const unsigned char *s, size_t n, size_t *step)
{
	static const uint32_t least[] = { 0, 0x80, 0x800, 0x10000 };
	size_t more = s[0] < 0x80 ? 0 : s[0] >= 0xf0 ? 3 : s[0] >= 0xe0 ? 2 : 1;
	uint32_t c = more ? s[0] & (0x3fu >> more) : s[0];

	*step = 1;
	if (more && (s[0] < 0xc2 || s[0] > 0xf4 || more >= n))
		return UINT32_MAX;
	for (size_t i = 1; i <= more; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return UINT32_MAX;
		c = c << 6 | (s[i] & 0x3f);
	}
	if (c < least[more] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return UINT32_MAX;
	*step = more + 1;
	return c;
}

static void
escape(struct sink *to, uint32_t c, unsigned char byte)
{
	if (c == UINT32_MAX || c < ' ' || c == 0x7f)
		sink_printf(to, "\\x%02x", (unsigned int)(c == UINT32_MAX ? byte : c));
	else if (c < 0x10000)
		sink_printf(to, "\\u%04x", (unsigned int)c);
	else
		sink_printf(to, "\\U%08x", (unsigned int)c);
}

static void
quote(struct sink *to, const char *string, size_t n, const char *letters, const char *meant,
      bool (*shown)(uint32_t c))
{
	const unsigned char *s = (const unsigned char *)string;
	size_t step;

	sink_add(to, "\"", 1);
	for (size_t at = 0; at < n; at += step) {
		uint32_t c = decode(s + at, n - at, &step);
		const char *letter = c && c < 0x80 ? strchr(meant, (int)c) : NULL;

		if (letter) {
			char two[] = { '\\', letters[letter - meant] };

			sink_add(to, two, sizeof(two));
		} else if (c != UINT32_MAX && shown(c)) {
			sink_add(to, s + at, step);
		} else {
			escape(to, c, s[at]);
		}
	}
	sink_add(to, "\"", 1);
}

void
go_quote(struct sink *to, const char *s, size_t n)
{
	quote(to, s, n, "abfnrtv\\\"", "\a\b\f\n\r\t\v\\\"", is_printable);
}

static bool
is_ascii(uint32_t c)
{
	return c >= ' ' && c <= '~';
}

void
go_quote_head(struct sink *to, const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)s[i]) && (!s[i] || !strchr("./_", s[i]))) {
			quote(to, s, n, "nrt\\\"", "\n\r\t\\\"", is_ascii);
			return;
		}
	sink_add(to, s, n);
}
