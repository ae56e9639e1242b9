#include "config.h"

#include "fcgi/jsonw.h"

#include <string.h>
#include <time.h>

#include "fcgi/text.h"

/* ---- strings */

/* Two characters have to be escaped (RFC 8259, 7) beside the control characters, which text_clean has
 * written as others; three more are, so that a string does no harm in a page that it is copied into. */
static const char *
jsonw_escape(char c)
{
	static const struct {
		char c;
		const char *as;
	} escapes[] = {
		{ '"', "\\\"" },    { '\\', "\\\\" },   { '<', "\\u003c" },
		{ '>', "\\u003e" }, { '&', "\\u0026" },
	};

	for (size_t i = 0; i < sizeof(escapes) / sizeof(escapes[0]); i++)
		if (escapes[i].c == c)
			return escapes[i].as;
	return NULL;
}

static void
jsonw_clean_bytes(struct sink *to, const char *s, size_t n)
{
	size_t from = 0;

	for (size_t at = 0; at < n; at++) {
		const char *as = jsonw_escape(s[at]);

		if (!as)
			continue;
		sink_add(to, s + from, at - from);
		sink_text(to, as);
		from = at + 1;
	}
	sink_add(to, s + from, n - from);
}

void
jsonw_bytes(struct sink *to, const char *s, size_t n)
{
	sink_add(to, "\"", 1);
	if (text_is_clean(s, n)) {
		jsonw_clean_bytes(to, s, n);
	} else {
		struct buf clean;

		buf_init(&clean, 4 * n);
		text_clean(&clean, s, n);
		if (buf_error(&clean))
			to->error = to->error ? to->error : buf_error(&clean);
		else
			jsonw_clean_bytes(to, (const char *)clean.data, clean.len);
		buf_fini(&clean);
	}
	sink_add(to, "\"", 1);
}

/* ---- structure */

void
jsonw_init(struct jsonw *j, struct sink *to)
{
	j->to = to;
	j->comma = false;
}

static void
jsonw_begin(struct jsonw *j, const char *name)
{
	if (name) {
		jsonw_name(j, name);
	} else {
		if (j->comma)
			sink_add(j->to, ",", 1);
		j->comma = true;
	}
}

void
jsonw_name(struct jsonw *j, const char *name)
{
	jsonw_begin(j, NULL);
	sink_add(j->to, "\"", 1);
	sink_text(j->to, name);
	sink_add(j->to, "\":", 2);
	j->comma = false;
}

void
jsonw_name_text(struct jsonw *j, const char *name)
{
	jsonw_begin(j, NULL);
	jsonw_bytes(j->to, name, strlen(name));
	sink_add(j->to, ":", 1);
	j->comma = false;
}

static void
jsonw_open(struct jsonw *j, const char *name, const char *bracket)
{
	jsonw_begin(j, name);
	sink_text(j->to, bracket);
	j->comma = false;
}

static void
jsonw_close(struct jsonw *j, const char *bracket)
{
	sink_text(j->to, bracket);
	j->comma = true;
}

void
jsonw_object(struct jsonw *j, const char *name)
{
	jsonw_open(j, name, "{");
}

void
jsonw_object_end(struct jsonw *j)
{
	jsonw_close(j, "}");
}

void
jsonw_list(struct jsonw *j, const char *name)
{
	jsonw_open(j, name, "[");
}

void
jsonw_list_end(struct jsonw *j)
{
	jsonw_close(j, "]");
}

void
jsonw_newline(struct jsonw *j)
{
	sink_add(j->to, "\n", 1);
}

/* ---- values */

static void
jsonw_value(struct jsonw *j, const char *name)
{
	jsonw_begin(j, name);
	j->comma = true;
}

void
jsonw_text(struct jsonw *j, const char *name, const char *text)
{
	jsonw_value(j, name);
	jsonw_bytes(j->to, text, strlen(text));
}

void
jsonw_int(struct jsonw *j, const char *name, int64_t v)
{
	jsonw_value(j, name);
	sink_int(j->to, v);
}

void
jsonw_uint(struct jsonw *j, const char *name, uint64_t v)
{
	jsonw_int(j, name, v > INT64_MAX ? INT64_MAX : (int64_t)v);
}

void
jsonw_bool(struct jsonw *j, const char *name, bool v)
{
	jsonw_value(j, name);
	sink_text(j->to, v ? "true" : "false");
}

void
jsonw_hex(struct jsonw *j, const char *name, uint64_t v)
{
	jsonw_value(j, name);
	sink_add(j->to, "\"", 1);
	sink_hex(j->to, v);
	sink_add(j->to, "\"", 1);
}

void
jsonw_percent(struct jsonw *j, const char *name, double v)
{
	jsonw_value(j, name);
	/* Not above what any quotient of two 64-bit numbers is worth writing as. */
	if (!(v >= -1e18 && v <= 1e18))
		v = 0;
	sink_printf(j->to, "%.2f", v);
}

void
jsonw_time(struct jsonw *j, const char *name, uint64_t unix_ns)
{
	time_t seconds = (time_t)(unix_ns / 1000000000);
	char text[64];
	struct tm tm;

	jsonw_value(j, name);
	if (!unix_ns || !gmtime_r(&seconds, &tm) ||
	    !strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm)) {
		sink_text(j->to, "null");
		return;
	}
	sink_printf(j->to, "\"%s.%09uZ\"", text, (unsigned int)(unix_ns % 1000000000));
}
