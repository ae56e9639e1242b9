#include "config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "fcgi/params.h"

#define LIMIT_S 300

static struct params got;
static struct err why;

static int
query(const char *q)
{
	struct request req = { .method = METHOD_GET, .query = q, .content_type = "", .body = "" };

	return params_parse(&got, &req, LIMIT_S, &why);
}

static int
form(const char *type, const char *body, const char *q)
{
	struct request req = { .method = METHOD_POST,
			       .query = q,
			       .content_type = type,
			       .body = body,
			       .body_len = strlen(body) };

	return params_parse(&got, &req, LIMIT_S, &why);
}

static void
seconds_that_are_none_are_thirty(void **state)
{
	static const char *const junk[] = {
		"",          "seconds",    "seconds=",    "seconds=0",   "seconds=-1",    "seconds=-0",
		"seconds=x", "seconds=1x", "seconds=nan", "seconds=0x5", "seconds=%201",  "seconds=1%20",
		"seconds=.", "seconds=1e", "seconds=+5",  "seconds=--1", "seconds=-inf",  "seconds=1e-9999",
		"Seconds=5", "second=5",   "seconds=5;x", "seconds=1,5", "seconds=1_000", "x=seconds=5",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(junk) / sizeof(junk[0]); i++) {
		assert_int_equal(query(junk[i]), 0);
		assert_int_equal(got.duration_ms, 30000);
	}
}

static void
scale_is_on_unless_it_is_off(void **state)
{
	static const char *const bad[] = { "scale=0", "scale=OFF", "scale=off%20", "scale=no" };

	(void)state;
	assert_int_equal(query(""), 0);
	assert_false(got.unscaled);
	assert_int_equal(query("scale="), 0);
	assert_false(got.unscaled);
	assert_int_equal(query("scale=on&scale=off"), 0);
	assert_false(got.unscaled);
	assert_int_equal(query("scale=off"), 0);
	assert_true(got.unscaled);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(query(bad[i]), -EINVAL);
		assert_non_null(strstr(why.text, "scale"));
	}
}

static void
seconds_may_have_a_fraction(void **state)
{
	static const struct {
		const char *query;
		uint32_t ms;
	} cases[] = {
		{ "seconds=1", 1000 },       { "seconds=1.5", 1500 },     { "seconds=.25", 250 },
		{ "seconds=2.", 2000 },      { "seconds=%2b3", 3000 },    { "seconds=1e1", 10000 },
		{ "seconds=0.0001", 1 },     { "seconds=300", 300000 },   { "seconds=300.0", 300000 },
		{ "a=b&seconds=7&c", 7000 }, { "seconds=%31%30", 10000 }, { "&&seconds=4&&", 4000 },
		{ "se%63onds=6", 6000 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(query(cases[i].query), 0);
		assert_int_equal(got.duration_ms, cases[i].ms);
	}
}

static void
more_seconds_than_the_limit_are_refused_with_the_limit(void **state)
{
	static const char *const many[] = {
		"seconds=301",
		"seconds=300.001",
		"seconds=1e21",
		"seconds=inf",
		"seconds=%2bInf",
		"seconds=Infinity",
		"seconds=99999999999999999999",
		"seconds=1e9999",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(many) / sizeof(many[0]); i++) {
		assert_int_equal(query(many[i]), -EINVAL);
		assert_non_null(strstr(why.text, "300 seconds"));
	}
}

static void
a_limit_below_thirty_is_the_default(void **state)
{
	struct request req = { .method = METHOD_GET, .query = "", .content_type = "", .body = "" };

	(void)state;
	assert_int_equal(params_parse(&got, &req, 5, &why), 0);
	assert_int_equal(got.duration_ms, 5000);
}

static void
the_first_value_wins_and_a_posted_form_comes_before_the_query(void **state)
{
	(void)state;
	assert_int_equal(query("seconds=1&seconds=400"), 0);
	assert_int_equal(got.duration_ms, 1000);
	assert_int_equal(form("application/x-www-form-urlencoded", "seconds=2", "seconds=3"), 0);
	assert_int_equal(got.duration_ms, 2000);
	assert_int_equal(form("Application/X-WWW-Form-Urlencoded; charset=utf-8", "hz=9", "seconds=3"), 0);
	assert_int_equal(got.duration_ms, 3000);
	assert_int_equal(got.hz, 9);
	/* Anything else in a body is no form. */
	assert_int_equal(form("text/plain", "seconds=2", "seconds=3"), 0);
	assert_int_equal(got.duration_ms, 3000);
	assert_int_equal(form("application/x-www-form-urlencodedX", "seconds=2", ""), 0);
	assert_int_equal(got.duration_ms, 30000);
}

static void
escapes_that_are_none_and_control_characters_are_refused(void **state)
{
	static const char *const bad[] = {
		"seconds=%",   "seconds=%2", "seconds=%zz", "%=1",    "a=%-1",           "seconds=1%00",
		"seconds=%0a", "a%0d=1",     "event=a%7f",  "a=\x01", "seconds=1&x=%g0",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(query(bad[i]), -EINVAL);
}

static void
the_rate_has_bounds(void **state)
{
	static const char *const bad[] = { "hz=0", "hz=1001",        "hz=-1",  "hz=1.5",
					   "hz=x", "hz=99999999999", "hz=1%20" };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(query(bad[i]), -EINVAL);
		assert_non_null(strstr(why.text, "1000"));
	}
	assert_int_equal(query("hz=1000"), 0);
	assert_int_equal(got.hz, 1000);
	assert_int_equal(query("hz="), 0);
	assert_int_equal(got.hz, 0);
}

static void
an_event_is_a_word_in_ascii(void **state)
{
	char longest[PARAMS_EVENT_MAX + 16] = "event=";

	(void)state;
	assert_int_equal(query("event=cycles:u"), 0);
	assert_string_equal(got.event, "cycles:u");
	assert_int_equal(query("event=skx::INST_RETIRED%3aANY"), 0);
	assert_string_equal(got.event, "skx::INST_RETIRED:ANY");
	assert_int_equal(query("event=a%20b"), -EINVAL);
	assert_int_equal(query("event=a+b"), -EINVAL);
	assert_int_equal(query("event=%c3%a9"), -EINVAL);
	memset(longest + 6, 'e', PARAMS_EVENT_MAX);
	assert_int_equal(query(longest), -EINVAL);
}

static void
debug_is_never_negative(void **state)
{
	(void)state;
	assert_int_equal(query("debug=2"), 0);
	assert_int_equal(got.debug, 2);
	assert_int_equal(query("debug=-1"), 0);
	assert_int_equal(got.debug, 0);
	assert_int_equal(query("debug=junk"), 0);
	assert_int_equal(got.debug, 0);
	assert_int_equal(query("debug=99999999999999999999"), 0);
	assert_int_equal(got.debug, 0);
}

static void
seconds_of_a_snapshot_are_a_positive_integer_or_junk(void **state)
{
	static const struct {
		const char *query;
		int64_t s;
	} cases[] = {
		{ "", 0 },
		{ "seconds=", 0 },
		{ "seconds=7", 7 },
		{ "seconds=%2B7", 7 },
		{ "seconds=007", 7 },
		{ "seconds=0", -1 },
		{ "seconds=-7", -1 },
		{ "seconds=7.0", -1 },
		{ "seconds=7s", -1 },
		{ "seconds=%207", -1 },
		{ "seconds=0x7", -1 },
		{ "seconds=1_0", -1 },
		{ "seconds=9223372036854775808", -1 },
		{ "seconds=7&seconds=8", 7 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		query(cases[i].query);
		assert_int_equal(got.snapshot_s, cases[i].s);
	}
}

static void
switches_are_numbers_above_zero(void **state)
{
	(void)state;
	assert_int_equal(query("gc=1&estimate=2&arm=0"), 0);
	assert_true(got.gc && got.estimate && !got.arm);
	assert_int_equal(query("gc=x&estimate=-1&arm="), 0);
	assert_true(!got.gc && !got.estimate && !got.arm && !got.delta_sums);
	assert_int_equal(query("delta=alloc"), 0);
	assert_true(got.delta_sums);
	assert_int_equal(query("delta=all"), 0);
	assert_false(got.delta_sums);
	assert_int_equal(query("delta=1"), -EINVAL);
}

static void
too_much_is_refused_or_ignored(void **state)
{
	static char many[4096], wide[4096];

	(void)state;
	for (size_t i = 0; i + 2 < sizeof(many); i += 2)
		memcpy(many + i, "a&", 2);
	assert_int_equal(query(many), -EINVAL);
	memset(wide, 'a', sizeof(wide) - 1);
	memcpy(wide, "other=", 6);
	assert_int_equal(query(wide), 0);
	memcpy(wide, "seconds=", 8);
	assert_int_equal(query(wide), -EINVAL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(seconds_that_are_none_are_thirty),
		cmocka_unit_test(scale_is_on_unless_it_is_off),
		cmocka_unit_test(seconds_may_have_a_fraction),
		cmocka_unit_test(more_seconds_than_the_limit_are_refused_with_the_limit),
		cmocka_unit_test(a_limit_below_thirty_is_the_default),
		cmocka_unit_test(the_first_value_wins_and_a_posted_form_comes_before_the_query),
		cmocka_unit_test(escapes_that_are_none_and_control_characters_are_refused),
		cmocka_unit_test(the_rate_has_bounds),
		cmocka_unit_test(an_event_is_a_word_in_ascii),
		cmocka_unit_test(debug_is_never_negative),
		cmocka_unit_test(seconds_of_a_snapshot_are_a_positive_integer_or_junk),
		cmocka_unit_test(switches_are_numbers_above_zero),
		cmocka_unit_test(too_much_is_refused_or_ignored),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
