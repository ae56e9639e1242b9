#include "config.h"

#include "symbolize/demangle.h"

#include <ctype.h>
#include <string.h>

#include <libiberty/demangle.h>

#include "symbolize/chain.h"

#define NESTING_MAX 256

/* Longest first, so that "<" does not take the beginning of "<<". */
static const char *const operators[] = {
	"->*", "<=>", "<<=", ">>=", "()", "->", "<<", ">>", "<=", ">=", "<", ">",
};

/* glibc's names for calls inside itself: __GI_memcpy is memcpy. */
static const char internal[] = "__GI_";

/* What gcc and clang append; a number may follow each. */
static const char *const suffixes[] = {
	".part", ".constprop", ".isra", ".cold", ".lto_priv", ".llvm", ".localalias", ".clone", ".__uniq",
};

static bool
is_word(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '$';
}

static bool
has_prefix(const char *s, const char *end, const char *prefix)
{
	size_t n = strlen(prefix);

	return (size_t)(end - s) >= n && !memcmp(s, prefix, n);
}

bool
demangle_is_mangled(const char *name)
{
	return !strncmp(name, "_Z", 2) || !strncmp(name, "_R", 2);
}

/* Length of one of the suffixes with its number at s, or 0. */
static size_t
suffix_at(const char *s, const char *end)
{
	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
		const char *p = s + strlen(suffixes[i]);

		if (!has_prefix(s, end, suffixes[i]) || (p < end && *p != '.'))
			continue;
		if (p < end && isdigit((unsigned char)p[1]))
			for (p++; p < end && isdigit((unsigned char)*p); p++)
				;
		return (size_t)(p - s);
	}
	return 0;
}

size_t
demangle_plain(const char *name)
{
	const char *end = name + strlen(name);
	const char *at = memchr(name, '@', (size_t)(end - name));

	if (at && at > name && strcmp(at, "@plt"))
		end = at;
	for (const char *dot = memchr(name, '.', (size_t)(end - name)); dot && dot < end;
	     dot = memchr(dot + 1, '.', (size_t)(end - dot - 1))) {
		const char *p = dot;
		size_t n;

		while (p < end && (n = suffix_at(p, end)) > 0)
			p += n;
		if (p == end && dot > name)
			return (size_t)(dot - name);
	}
	return (size_t)(end - name);
}

/* Where the operator's symbol ends when the word "operator" stands at p; else NULL. */
static const char *
operator_at(const char *text, const char *p, const char *end)
{
	if (*p != 'o' || !has_prefix(p, end, "operator") || (p > text && is_word(p[-1])))
		return NULL;
	p += strlen("operator");
	if (p < end && is_word(*p))
		return NULL;
	for (size_t i = 0; i < sizeof(operators) / sizeof(operators[0]); i++)
		if (has_prefix(p, end, operators[i]))
			return p + strlen(operators[i]);
	return p;
}

/* One past the bracket that closes the one at p, or NULL. A '>' inside parentheses is a comparison. */
static const char *
group_end(const char *text, const char *p, const char *end)
{
	char open[NESTING_MAX];
	size_t n = 0;

	while (p < end) {
		const char *after = operator_at(text, p, end);
		char c = *p;

		if (after) {
			p = after;
			continue;
		}
		p++;
		if (c == '-' && p < end && *p == '>') {
			p++;
		} else if (c == '(' || c == '<' || c == '{' || c == '[') {
			if (n == NESTING_MAX)
				return NULL;
			open[n++] = c;
		} else if (c == '>' && n && open[n - 1] == '<') {
			n--;
		} else if (c == ')' || c == '}' || c == ']') {
			while (n && open[n - 1] == '<')
				n--;
			if (!n || open[n - 1] != (c == ')' ? '(' : c == '}' ? '{' : '['))
				return NULL;
			n--;
		}
		if (!n)
			return p;
	}
	return NULL;
}

/* What may stand behind a parameter list. */
static const char *
skip_qualifiers(const char *p, const char *end)
{
	static const char *const words[] = { " const", " volatile", " restrict", " noexcept", " &&", " &" };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (has_prefix(p, end, words[i])) {
			p += strlen(words[i]);
			i = (size_t)-1;
		}
	return p;
}

size_t
demangle_simplify(const char *text, size_t n, char *out)
{
	static const char anonymous[] = "(anonymous namespace)";
	const char *p = text, *end = text + n;
	char *to = out;
	size_t braces = 0;

	while (p < end) {
		const char *from = p, *after = operator_at(text, p, end);

		if (after) {
			p = after;
			memcpy(to, from, (size_t)(p - from));
			to += p - from;
			if (has_prefix(p, end, " <"))
				p++;
			continue;
		}
		/* In {lambda(int)#1} the parameters tell one from another. */
		braces += *p == '{';
		braces -= *p == '}' && braces;
		if (has_prefix(p, end, anonymous)) {
			p += sizeof(anonymous) - 1;
		} else if (*p == '<' || (*p == '(' && !braces)) {
			bool parameters = *p == '(';

			p = group_end(text, p, end);
			if (!p)
				return 0;
			if (parameters)
				p = skip_qualifiers(p, end);
			continue;
		} else {
			p++;
		}
		memcpy(to, from, (size_t)(p - from));
		to += p - from;
	}
	*to = '\0';
	return (size_t)(to - out);
}

/* What a demangler prints, piece by piece. */
struct printed {
	char text[CHAIN_STRING_MAX + 1];
	size_t n;
};

static void
print(const char *piece, size_t n, void *opaque)
{
	struct printed *to = opaque;

	if (n > CHAIN_STRING_MAX - to->n)
		n = CHAIN_STRING_MAX - to->n;
	memcpy(to->text + to->n, piece, n);
	to->n += n;
}

static const char *
shortened(struct arena *a, const char *name, const char *text, size_t n)
{
	char out[CHAIN_STRING_MAX + 1];
	size_t short_n = demangle_simplify(text, n, out);
	const char *copy = short_n ? arena_copy(a, out, short_n) : arena_copy(a, text, n);

	return copy ? copy : name;
}

const char *
demangle_short(struct arena *a, const char *name)
{
	size_t n = demangle_plain(name), whole = strlen(name);
	struct printed to;
	const char *plain = name;

	to.n = 0;
	if (!strncmp(name, internal, sizeof(internal) - 1) && n >= sizeof(internal)) {
		plain = name += sizeof(internal) - 1;
		n -= sizeof(internal) - 1;
		whole -= sizeof(internal) - 1;
	}
	if (n > CHAIN_STRING_MAX)
		n = CHAIN_STRING_MAX;
	if (n < whole)
		plain = arena_copy(a, name, n);
	if (!plain)
		return name;
	if (!demangle_is_mangled(plain)) {
		/* A C++ function without a linkage name (gcc leaves it out for internal ones). */
		if (is_word(*plain) && plain[n - 1] == '>')
			return shortened(a, name, plain, n);
		return plain;
	}
	if (rust_demangle_callback(plain, DMGL_NO_OPTS, print, &to) && to.n) {
		const char *copy = arena_copy(a, to.text, to.n);

		return copy ? copy : name;
	}
	to.n = 0;
	if (cplus_demangle_v3_callback(plain, DMGL_ANSI, print, &to) && to.n)
		return shortened(a, name, to.text, to.n);
	return plain;
}
