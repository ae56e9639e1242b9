#include "config.h"

#include "fcgi/json.h"

#include <string.h>
#include <time.h>

#include "fcgi/text.h"

/* ---- strings */

/* Two characters have to be escaped (RFC 8259, 7) beside the control characters, which text_clean has
 * written as others; three more are, so that a string does no harm in a page that it is copied into. */
static const char *
json_escape(char c)
{
	static const struct {
		char c;
		const char *as;
	} escapes[] = {
		{ '"', "\\\"" }, { '\\', "\\\\" }, { '<', "\\u003c" }, { '>', "\\u003e" }, { '&', "\\u0026" },
	};

	for (size_t i = 0; i < sizeof(escapes) / sizeof(escapes[0]); i++)
		if (escapes[i].c == c)
			return escapes[i].as;
	return NULL;
}

static void
json_clean_bytes(struct sink *to, const char *s, size_t n)
{
	size_t from = 0;

	for (size_t at = 0; at < n; at++) {
		const char *as = json_escape(s[at]);

		if (!as)
			continue;
		sink_add(to, s + from, at - from);
		sink_text(to, as);
		from = at + 1;
	}
	sink_add(to, s + from, n - from);
}

void
json_bytes(struct sink *to, const char *s, size_t n)
{
	sink_add(to, "\"", 1);
	if (text_is_clean(s, n)) {
		json_clean_bytes(to, s, n);
	} else {
		struct buf clean;

		buf_init(&clean, 4 * n);
		text_clean(&clean, s, n);
		if (buf_error(&clean))
			to->error = to->error ? to->error : buf_error(&clean);
		else
			json_clean_bytes(to, (const char *)clean.data, clean.len);
		buf_fini(&clean);
	}
	sink_add(to, "\"", 1);
}

/* ---- structure */

void
json_init(struct json *j, struct sink *to)
{
	j->to = to;
	j->comma = false;
}

static void
json_begin(struct json *j, const char *name)
{
	if (name) {
		json_name(j, name);
	} else {
		if (j->comma)
			sink_add(j->to, ",", 1);
		j->comma = true;
	}
}

void
json_name(struct json *j, const char *name)
{
	json_begin(j, NULL);
	sink_add(j->to, "\"", 1);
	sink_text(j->to, name);
	sink_add(j->to, "\":", 2);
	j->comma = false;
}

void
json_name_text(struct json *j, const char *name)
{
	json_begin(j, NULL);
	json_bytes(j->to, name, strlen(name));
	sink_add(j->to, ":", 1);
	j->comma = false;
}

static void
json_open(struct json *j, const char *name, const char *bracket)
{
	json_begin(j, name);
	sink_text(j->to, bracket);
	j->comma = false;
}

static void
json_close(struct json *j, const char *bracket)
{
	sink_text(j->to, bracket);
	j->comma = true;
}

void
json_object(struct json *j, const char *name)
{
	json_open(j, name, "{");
}

void
json_object_end(struct json *j)
{
	json_close(j, "}");
}

void
json_list(struct json *j, const char *name)
{
	json_open(j, name, "[");
}

void
json_list_end(struct json *j)
{
	json_close(j, "]");
}

void
json_newline(struct json *j)
{
	sink_add(j->to, "\n", 1);
}

/* ---- values */

static void
json_value(struct json *j, const char *name)
{
	json_begin(j, name);
	j->comma = true;
}

void
json_text(struct json *j, const char *name, const char *text)
{
	json_value(j, name);
	json_bytes(j->to, text, strlen(text));
}

void
json_int(struct json *j, const char *name, int64_t v)
{
	json_value(j, name);
	sink_int(j->to, v);
}

void
json_uint(struct json *j, const char *name, uint64_t v)
{
	json_int(j, name, v > INT64_MAX ? INT64_MAX : (int64_t)v);
}

void
json_bool(struct json *j, const char *name, bool v)
{
	json_value(j, name);
	sink_text(j->to, v ? "true" : "false");
}

void
json_hex(struct json *j, const char *name, uint64_t v)
{
	json_value(j, name);
	sink_add(j->to, "\"", 1);
	sink_hex(j->to, v);
	sink_add(j->to, "\"", 1);
}

void
json_percent(struct json *j, const char *name, double v)
{
	json_value(j, name);
	/* Not above what any quotient of two 64-bit numbers is worth writing as. */
	if (!(v >= -1e18 && v <= 1e18))
		v = 0;
	sink_printf(j->to, "%.2f", v);
}

void
json_time(struct json *j, const char *name, uint64_t unix_ns)
{
	time_t seconds = (time_t)(unix_ns / 1000000000);
	char text[64];
	struct tm tm;

	json_value(j, name);
	if (!unix_ns || !gmtime_r(&seconds, &tm) || !strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm)) {
		sink_text(j->to, "null");
		return;
	}
	sink_printf(j->to, "\"%s.%09uZ\"", text, (unsigned int)(unix_ns % 1000000000));
}
