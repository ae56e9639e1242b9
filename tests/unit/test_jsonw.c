/* The writer is held against jansson's parser, which shares nothing with it. */
#include "config.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/buf.h"
#include "fcgi/jsonw.h"

static struct buf out;
static struct sink to;
static struct jsonw j;

static int
setup(void **state)
{
	(void)state;
	buf_init(&out, 1u << 20);
	sink_init(&to, sink_into_buf, &out);
	jsonw_init(&j, &to);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	buf_fini(&out);
	return 0;
}

static json_t *
parsed(void)
{
	json_error_t error;
	json_t *root;

	assert_int_equal(sink_flush(&to), 0);
	root = json_loadb((const char *)out.data, out.len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY,
			  &error);
	if (!root)
		fail_msg("%s at %d in %.*s", error.text, error.position, (int)out.len,
			 (const char *)out.data);
	return root;
}

static void
objects_and_lists_nest_with_commas_where_they_belong(void **state)
{
	json_t *root, *a, *b;

	(void)state;
	jsonw_object(&j, NULL);
	jsonw_list(&j, "a");
	jsonw_list(&j, NULL);
	jsonw_list_end(&j);
	jsonw_object(&j, NULL);
	jsonw_object_end(&j);
	jsonw_int(&j, NULL, 1);
	jsonw_newline(&j);
	jsonw_text(&j, NULL, "x");
	jsonw_list_end(&j);
	jsonw_object(&j, "b");
	jsonw_bool(&j, "t", true);
	jsonw_bool(&j, "f", false);
	jsonw_name(&j, "n");
	jsonw_object(&j, NULL);
	jsonw_object_end(&j);
	jsonw_object_end(&j);
	jsonw_int(&j, "c", 3);
	jsonw_object_end(&j);

	root = parsed();
	assert_int_equal(json_unpack(root, "{s:o, s:o}", "a", &a, "b", &b), 0);
	assert_int_equal(json_array_size(a), 4);
	assert_int_equal(json_object_size(b), 3);
	assert_int_equal(json_integer_value(json_object_get(root, "c")), 3);
	json_decref(root);
}

static void
numbers_keep_all_their_digits(void **state)
{
	static const int64_t numbers[] = {
		0, 1, -1, 9007199254740993, -9007199254740993, INT64_MAX, INT64_MIN, 1234567890
	};
	const size_t n = sizeof(numbers) / sizeof(numbers[0]);
	json_t *root;

	(void)state;
	jsonw_list(&j, NULL);
	for (size_t i = 0; i < n; i++)
		jsonw_int(&j, NULL, numbers[i]);
	jsonw_uint(&j, NULL, UINT64_MAX);
	jsonw_list_end(&j);
	root = parsed();
	for (size_t i = 0; i < n; i++)
		assert_int_equal(json_integer_value(json_array_get(root, i)), numbers[i]);
	assert_int_equal(json_integer_value(json_array_get(root, n)), INT64_MAX);
	json_decref(root);
}

static void
a_percentage_is_a_number_whatever_was_divided(void **state)
{
	static const double odd[] = { 0.0 / 1.0, 33.333333, -12.5, 1e300 };
	json_t *root;

	(void)state;
	jsonw_list(&j, NULL);
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++)
		jsonw_percent(&j, NULL, odd[i]);
	jsonw_percent(&j, NULL, (double)NAN);
	jsonw_percent(&j, NULL, (double)INFINITY);
	jsonw_list_end(&j);
	root = parsed();
	assert_true(fabs(json_real_value(json_array_get(root, 1)) - 33.33) < 1e-9);
	assert_true(fabs(json_real_value(json_array_get(root, 2)) + 12.5) < 1e-9);
	for (size_t i = 3; i < 6; i++)
		assert_true(json_is_number(json_array_get(root, i)));
	json_decref(root);
}

/* What each byte alone, and each pair with a letter, becomes: always a string that is UTF-8. */
static void
any_byte_becomes_a_string(void **state)
{
	json_t *root;

	(void)state;
	jsonw_list(&j, NULL);
	for (int c = 0; c < 256; c++) {
		const char bytes[] = { (char)c, 'x', (char)c };

		if (c)
			sink_add(&to, ",", 1);
		jsonw_bytes(&to, bytes, sizeof(bytes));
	}
	jsonw_list_end(&j);
	root = parsed();
	for (int c = 0; c < 256; c++) {
		const char *s = json_string_value(json_array_get(root, (size_t)c));
		char want[16];

		if (c >= 0x20 && c < 0x7f)
			sprintf(want, "%cx%c", c, c);
		else
			sprintf(want, "\\x%02xx\\x%02x", c, c);
		assert_string_equal(s, want);
	}
	json_decref(root);
}

static void
letters_of_all_alphabets_stay(void **state)
{
	static const char text[] = "é ж 漢 🦀 \"quoted\" \\ back </script> &amp; '";
	json_t *root;

	(void)state;
	jsonw_text(&j, NULL, text);
	root = parsed();
	assert_string_equal(json_string_value(root), text);
	assert_null(memmem(out.data, out.len, "</script", 8));
	json_decref(root);
}

static void
a_member_may_have_any_name(void **state)
{
	json_t *root;

	(void)state;
	jsonw_object(&j, NULL);
	jsonw_name_text(&j, "a\"\n\xff");
	jsonw_int(&j, NULL, 5);
	jsonw_name_text(&j, "");
	jsonw_text(&j, NULL, "");
	jsonw_object_end(&j);
	root = parsed();
	assert_int_equal(json_integer_value(json_object_get(root, "a\"\\x0a\\xff")), 5);
	assert_string_equal(json_string_value(json_object_get(root, "")), "");
	json_decref(root);
}

static void
an_address_is_a_string_and_a_time_has_its_nanoseconds(void **state)
{
	json_t *root;

	(void)state;
	jsonw_object(&j, NULL);
	jsonw_hex(&j, "address", UINT64_MAX);
	jsonw_time(&j, "time", 1700000000000000042);
	jsonw_time(&j, "never", 0);
	jsonw_time(&j, "last", UINT64_MAX);
	jsonw_object_end(&j);
	root = parsed();
	assert_string_equal(json_string_value(json_object_get(root, "address")), "0xffffffffffffffff");
	assert_string_equal(json_string_value(json_object_get(root, "time")),
			    "2023-11-14T22:13:20.000000042Z");
	assert_true(json_is_null(json_object_get(root, "never")));
	assert_string_equal(json_string_value(json_object_get(root, "last")),
			    "2554-07-21T23:34:33.709551615Z");
	json_decref(root);
}

static void
a_string_of_any_length_passes(void **state)
{
	const size_t n = 200000;
	char *long_one = malloc(n + 1);
	json_t *root;

	(void)state;
	for (size_t i = 0; i < n; i++)
		long_one[i] = i % 7 ? 'a' : (char)0xff;
	long_one[n] = '\0';
	jsonw_list(&j, NULL);
	jsonw_text(&j, NULL, long_one);
	jsonw_list_end(&j);
	root = parsed();
	assert_int_equal(json_string_length(json_array_get(root, 0)), n + 3 * ((n + 6) / 7));
	json_decref(root);
	free(long_one);
}

static int
put_fails(void *ctx, const void *bytes, size_t n)
{
	(void)ctx;
	(void)bytes;
	(void)n;
	return -EPIPE;
}

static void
a_client_that_has_gone_is_an_error_of_the_sink(void **state)
{
	(void)state;
	sink_init(&to, put_fails, NULL);
	for (int i = 0; i < 20000; i++)
		jsonw_int(&j, NULL, i);
	assert_int_equal(sink_error(&to), -EPIPE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(objects_and_lists_nest_with_commas_where_they_belong, setup,
						teardown),
		cmocka_unit_test_setup_teardown(numbers_keep_all_their_digits, setup, teardown),
		cmocka_unit_test_setup_teardown(a_percentage_is_a_number_whatever_was_divided, setup,
						teardown),
		cmocka_unit_test_setup_teardown(any_byte_becomes_a_string, setup, teardown),
		cmocka_unit_test_setup_teardown(letters_of_all_alphabets_stay, setup, teardown),
		cmocka_unit_test_setup_teardown(a_member_may_have_any_name, setup, teardown),
		cmocka_unit_test_setup_teardown(an_address_is_a_string_and_a_time_has_its_nanoseconds,
						setup, teardown),
		cmocka_unit_test_setup_teardown(a_string_of_any_length_passes, setup, teardown),
		cmocka_unit_test_setup_teardown(a_client_that_has_gone_is_an_error_of_the_sink, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
