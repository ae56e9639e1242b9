#include "config.h"

#include "fcgi/symbol.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

/* The base, and how many characters of `s` say so; a lone 0 before digits says 8. */
static unsigned int
symbol_base(const char *s, size_t n, size_t *prefix)
{
	static const struct {
		char letter;
		unsigned int base;
	} bases[] = { { 'x', 16 }, { 'o', 8 }, { 'b', 2 } };

	*prefix = 0;
	if (n < 2 || s[0] != '0')
		return 10;
	for (size_t i = 0; i < sizeof(bases) / sizeof(bases[0]); i++)
		if (tolower((unsigned char)s[1]) == bases[i].letter) {
			*prefix = 2;
			return bases[i].base;
		}
	*prefix = 1;
	return 8;
}

static unsigned int
symbol_digit(char c)
{
	if (c >= '0' && c <= '9')
		return (unsigned int)(c - '0');
	c = (char)tolower((unsigned char)c);
	return c >= 'a' && c <= 'f' ? (unsigned int)(c - 'a') + 10 : 99;
}

/* The value of a word, or 0. An underscore stands between digits, or behind the prefix. */
static uint64_t
symbol_parse(const char *s, size_t n)
{
	size_t prefix;
	unsigned int base = symbol_base(s, n, &prefix);
	bool digit_before = prefix != 0, any = prefix == 1;
	uint64_t v = 0;

	for (size_t i = prefix; i < n; i++) {
		unsigned int digit = symbol_digit(s[i]);

		if (s[i] == '_') {
			if (!digit_before)
				return 0;
			digit_before = false;
			continue;
		}
		if (digit >= base || __builtin_mul_overflow(v, base, &v) ||
		    __builtin_add_overflow(v, digit, &v))
			return 0;
		digit_before = any = true;
	}
	return any && digit_before ? v : 0;
}

int
symbol_next(const char **at, const char *end, uint64_t *address)
{
	while (*at < end) {
		const char *plus = memchr(*at, '+', (size_t)(end - *at));
		size_t n = plus ? (size_t)(plus - *at) : (size_t)(end - *at);
		uint64_t v = symbol_parse(*at, n);

		*at += n + (plus ? 1 : 0);
		if (v) {
			*address = v;
			return 1;
		}
	}
	return 0;
}
