#include "config.h"

#include "fcgi/params.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define SECONDS_DEFAULT 30
#define HZ_MAX          1000
#define PAIRS_MAX       256
#define VALUE_MAX       1024 /* bytes with the NUL, decoded */

/* ---- values */

/* A number as Go, C and people write them: sign, digits, a fraction, an exponent. No hex, no
 * blanks, no words. */
static bool
is_number(const char *s)
{
	size_t digits;

	s += *s == '+' || *s == '-';
	digits = strspn(s, "0123456789");
	s += digits;
	if (*s == '.') {
		size_t more = strspn(++s, "0123456789");

		s += more;
		digits += more;
	}
	if (!digits)
		return false;
	if (*s == 'e' || *s == 'E') {
		s++;
		s += *s == '+' || *s == '-';
		digits = strspn(s, "0123456789");
		if (!digits)
			return false;
		s += digits;
	}
	return !*s;
}

static bool
is_infinity(const char *s)
{
	s += *s == '+';
	return !strcasecmp(s, "inf") || !strcasecmp(s, "infinity");
}

/* A positive integer as strconv.ParseInt takes it; else -1. */
static int64_t
positive(const char *value)
{
	size_t sign = *value == '+', digits = strspn(value + sign, "0123456789");
	long long v;

	errno = 0;
	v = digits && !value[sign + digits] ? strtoll(value, NULL, 10) : 0;
	return errno == 0 && v > 0 ? v : -1;
}

static int
params_seconds(struct params *p, const char *value, uint32_t max_seconds, struct err *why)
{
	double s = is_number(value) ? strtod(value, NULL) : is_infinity(value) ? (double)INFINITY : 0.0;

	p->snapshot_s = *value ? positive(value) : 0;
	if (s > max_seconds)
		return err_set(why, -EINVAL,
			       "profile duration exceeds the limit of %u seconds (PPROF_MAX_SECONDS)",
			       max_seconds);
	if (s > 0)
		p->duration_ms = s < 0.001 ? 1 : (uint32_t)lround(s * 1000);
	return 0;
}

static int
params_debug(struct params *p, const char *value, uint32_t max_seconds, struct err *why)
{
	char *end;
	long v;

	(void)max_seconds;
	(void)why;
	errno = 0;
	v = strtol(value, &end, 10);
	if (errno == 0 && end != value && !*end && !isspace((unsigned char)*value) && v > 0)
		p->debug = v;
	return 0;
}

static int
params_hz(struct params *p, const char *value, uint32_t max_seconds, struct err *why)
{
	size_t digits = strspn(value, "0123456789");
	unsigned long v = digits && digits < 6 && !value[digits] ? strtoul(value, NULL, 10) : 0;

	(void)max_seconds;
	if (!*value)
		return 0;
	if (v < 1 || v > HZ_MAX)
		return err_set(why, -EINVAL, "invalid value for \"hz\" - must be an integer from 1 to %d",
			       HZ_MAX);
	p->hz = (uint32_t)v;
	return 0;
}

static int
params_scale(struct params *p, const char *value, uint32_t max_seconds, struct err *why)
{
	(void)max_seconds;
	p->unscaled = !strcmp(value, "off");
	if (p->unscaled || !*value || !strcmp(value, "on"))
		return 0;
	return err_set(why, -EINVAL, "invalid value for \"scale\" - must be on or off");
}

static int
params_event(struct params *p, const char *value, uint32_t max_seconds, struct err *why)
{
	size_t n = strlen(value);

	(void)max_seconds;
	for (size_t i = 0; i < n; i++)
		if (value[i] <= ' ' || value[i] > '~')
			return err_set(why, -EINVAL,
				       "invalid value for \"event\" - a libpfm4 event name is wanted");
	if (n >= sizeof(p->event))
		return err_set(why, -EINVAL, "invalid value for \"event\" - longer than %zu bytes",
			       sizeof(p->event) - 1);
	memcpy(p->event, value, n + 1);
	return 0;
}

/* ---- of snapshots */

static int
params_gc(struct params *p, const char *value, uint32_t max_seconds, struct err *why)
{
	(void)max_seconds;
	(void)why;
	p->gc = positive(value) > 0;
	return 0;
}

static int
params_estimate(struct params *p, const char *value, uint32_t max_seconds, struct err *why)
{
	(void)max_seconds;
	(void)why;
	p->estimate = positive(value) > 0;
	return 0;
}

static int
params_arm(struct params *p, const char *value, uint32_t max_seconds, struct err *why)
{
	(void)max_seconds;
	(void)why;
	p->arm = positive(value) > 0;
	return 0;
}

static int
params_delta(struct params *p, const char *value, uint32_t max_seconds, struct err *why)
{
	(void)max_seconds;
	p->delta_sums = !strcmp(value, "alloc");
	if (p->delta_sums || !*value || !strcmp(value, "all"))
		return 0;
	return err_set(why, -EINVAL, "invalid value for \"delta\" - must be all or alloc");
}

/* ---- of the forms */

static int
params_format(struct params *p, const char *value, uint32_t max_seconds, struct err *why)
{
	(void)max_seconds;
	if (!*value)
		return 0;
	p->form = form_find(value, strlen(value), why);
	return p->form ? 0 : -EINVAL;
}

static int
params_text(char *to, size_t size, const char *name, const char *value, struct err *why)
{
	size_t n = strlen(value);

	if (n >= size)
		return err_set(why, -EINVAL, "invalid value for \"%s\" - longer than %zu bytes", name,
			       size - 1);
	memcpy(to, value, n + 1);
	return 0;
}

static int
params_sample_type(struct params *p, const char *value, uint32_t max_seconds, struct err *why)
{
	(void)max_seconds;
	return params_text(p->view.sample_type, sizeof(p->view.sample_type), "sample_type", value, why);
}

static int
params_focus(struct params *p, const char *value, uint32_t max_seconds, struct err *why)
{
	(void)max_seconds;
	return params_text(p->view.focus, sizeof(p->view.focus), "focus", value, why);
}

static int
params_ignore(struct params *p, const char *value, uint32_t max_seconds, struct err *why)
{
	(void)max_seconds;
	return params_text(p->view.ignore, sizeof(p->view.ignore), "ignore", value, why);
}

static int
params_limit(struct params *p, const char *value, uint32_t max_seconds, struct err *why)
{
	size_t digits = strspn(value, "0123456789");

	(void)max_seconds;
	if (!*value)
		return 0;
	if (value[digits] || digits > 9 || !strtoul(value, NULL, 10))
		return err_set(why, -EINVAL,
			       "invalid value for \"limit\" - must be an integer from 1 to 999999999");
	p->view.limit = (uint32_t)strtoul(value, NULL, 10);
	return 0;
}

static int
params_min_pct(struct params *p, const char *value, uint32_t max_seconds, struct err *why)
{
	double v = is_number(value) ? strtod(value, NULL) : -1.0;

	(void)max_seconds;
	if (!*value)
		return 0;
	if (!(v >= 0.0 && v <= 100.0))
		return err_set(why, -EINVAL, "invalid value for \"min_pct\" - must be a number from 0 to 100");
	p->view.min_pct = v;
	p->view.min_given = true;
	return 0;
}

static int
params_group(struct params *p, const char *value, uint32_t max_seconds, struct err *why)
{
	static const struct {
		const char *name;
		enum frames_group group;
	} groups[] = {
		{ "", FRAMES_UNSAID },     { "function", FRAMES_FUNCTION }, { "line", FRAMES_LINE },
		{ "address", FRAMES_ADDRESS }, { "thread", FRAMES_THREAD },
	};

	(void)max_seconds;
	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++)
		if (!strcmp(groups[i].name, value)) {
			p->view.group = groups[i].group;
			return 0;
		}
	return err_set(why, -EINVAL,
		       "invalid value for \"group\" - must be function, line, address or thread");
}

static int
params_profile(struct params *p, const char *value, uint32_t max_seconds, struct err *why)
{
	(void)max_seconds;
	return params_text(p->profile, sizeof(p->profile), "profile", value, why);
}

static int
params_base(struct params *p, const char *value, uint32_t max_seconds, struct err *why)
{
	(void)max_seconds;
	return params_text(p->base, sizeof(p->base), "base", value, why);
}

/* ---- names */

static const struct {
	const char *name;
	int (*set)(struct params *p, const char *value, uint32_t max_seconds, struct err *why);
} table[] = {
	{ "seconds", params_seconds },
	{ "debug", params_debug },
	{ "hz", params_hz },
	{ "event", params_event },
	{ "scale", params_scale },
	{ "gc", params_gc },
	{ "estimate", params_estimate },
	{ "arm", params_arm },
	{ "delta", params_delta },
	{ "format", params_format },
	{ "sample_type", params_sample_type },
	{ "limit", params_limit },
	{ "min_pct", params_min_pct },
	{ "focus", params_focus },
	{ "ignore", params_ignore },
	{ "group", params_group },
	{ "profile", params_profile },
	{ "base", params_base },
};

#define TABLE (sizeof(table) / sizeof(table[0]))

static int
hex(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *at = c ? strchr(digits, tolower((unsigned char)c)) : NULL;

	return at ? (int)(at - digits) : -1;
}

/* Decode into `to`, which is cut at VALUE_MAX. Returns the whole length, or -EINVAL. */
static int64_t
decode(const char *from, size_t n, char to[VALUE_MAX], struct err *why)
{
	size_t len = 0;

	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)from[i];

		if (c == '+') {
			c = ' ';
		} else if (c == '%') {
			int high = i + 2 < n ? hex(from[i + 1]) : -1;
			int low = i + 2 < n ? hex(from[i + 2]) : -1;

			if (high < 0 || low < 0)
				return err_set(why, -EINVAL, "invalid URL escape in a parameter");
			c = (unsigned char)(high << 4 | low);
			i += 2;
		}
		if (c < 0x20 || c == 0x7f)
			return err_set(why, -EINVAL, "a control character in a parameter");
		if (len < VALUE_MAX - 1)
			to[len] = (char)c;
		len++;
	}
	to[len < VALUE_MAX ? len : VALUE_MAX - 1] = '\0';
	return (int64_t)len;
}

static int
params_pair(struct params *p, bool seen[TABLE], const char *pair, size_t n, uint32_t max_seconds,
	    struct err *why)
{
	const char *equals = memchr(pair, '=', n);
	size_t name_n = equals ? (size_t)(equals - pair) : n;
	char name[VALUE_MAX], value[VALUE_MAX] = "";
	int64_t len = 0;

	/* Go's url.ParseQuery drops a pair with a semicolon. */
	if (memchr(pair, ';', n))
		return 0;
	if (decode(pair, name_n, name, why) < 0)
		return -EINVAL;
	if (equals)
		len = decode(equals + 1, n - name_n - 1, value, why);
	if (len < 0)
		return -EINVAL;
	for (size_t i = 0; i < TABLE; i++) {
		if (strcmp(table[i].name, name) != 0 || seen[i])
			continue;
		if (len >= VALUE_MAX)
			return err_set(why, -EINVAL, "the value of \"%s\" is too long", table[i].name);
		seen[i] = true;
		return table[i].set(p, value, max_seconds, why);
	}
	return 0;
}

static int
params_pairs(struct params *p, bool seen[TABLE], const char *s, size_t n, uint32_t max_seconds,
	     struct err *why)
{
	const char *end = s + n;

	for (int pairs = 0; s < end; pairs++) {
		const char *next = memchr(s, '&', (size_t)(end - s));
		size_t len = next ? (size_t)(next - s) : (size_t)(end - s);
		int r = 0;

		if (pairs >= PAIRS_MAX)
			return err_set(why, -EINVAL, "more than %d parameters", PAIRS_MAX);
		if (len)
			r = params_pair(p, seen, s, len, max_seconds, why);
		if (r < 0)
			return r;
		s += len + 1;
	}
	return 0;
}

/* From the body of a urlencoded POST, then from the query. */
static int
params_all(struct params *p, bool seen[TABLE], const struct request *req, uint32_t max_seconds,
	   struct err *why)
{
	static const char urlencoded[] = "application/x-www-form-urlencoded";
	const size_t n = sizeof(urlencoded) - 1;
	int r = 0;

	if (req->method == METHOD_POST && !strncasecmp(req->content_type, urlencoded, n) &&
	    (!req->content_type[n] || strchr("; \t", req->content_type[n])))
		r = params_pairs(p, seen, req->body, req->body_len, max_seconds, why);
	if (r == 0)
		r = params_pairs(p, seen, req->query, strlen(req->query), max_seconds, why);
	return r;
}

int
params_parse(struct params *p, const struct request *req, uint32_t max_seconds, struct err *why)
{
	bool seen[TABLE] = { false };
	int r;

	memset(p, 0, sizeof(*p));
	p->query = req->query;
	p->duration_ms = SECONDS_DEFAULT * 1000;
	if (p->duration_ms / 1000 > max_seconds)
		p->duration_ms = max_seconds * 1000;
	r = params_all(p, seen, req, max_seconds, why);
	if (r == 0 && p->form && p->debug)
		r = err_set(why, -EINVAL, "\"debug\" and \"format\" are two answers: ask for one of them");
	p->has_form = p->form != NULL;
	if (!p->form)
		p->form = form_find("", 0, NULL);
	return r;
}

bool
params_want_json(const struct request *req)
{
	struct params p = { 0 };
	bool seen[TABLE];

	for (size_t i = 0; i < TABLE; i++)
		seen[i] = table[i].set != params_format;
	return params_all(&p, seen, req, 0, NULL) == 0 && p.form && p.form->schema;
}
