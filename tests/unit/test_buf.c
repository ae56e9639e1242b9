#include "config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"

/* ---- writing */

static void
values_come_back_as_they_went(void **state)
{
	struct buf b;
	struct cur c;
	const char *s;
	size_t n;

	(void)state;
	buf_init(&b, 1000);
	buf_u8(&b, 0xfe);
	buf_u16(&b, 0xfedc);
	buf_u32(&b, 0xfedcba98u);
	buf_u64(&b, 0xfedcba9876543210u);
	buf_str(&b, "a\0b", 3);
	buf_str(&b, NULL, 0);
	assert_int_equal(buf_error(&b), 0);
	assert_int_equal(b.len, 1 + 2 + 4 + 8 + 5 + 2);
	assert_memory_equal(b.data, "\xfe\xdc\xfe\x98\xba\xdc\xfe\x10\x32", 9); /* little-endian */
	cur_init(&c, b.data, b.len);
	assert_int_equal(cur_u8(&c), 0xfe);
	assert_int_equal(cur_u16(&c), 0xfedc);
	assert_int_equal(cur_u32(&c), 0xfedcba98u);
	assert_true(cur_u64(&c) == 0xfedcba9876543210u);
	s = cur_str(&c, &n);
	assert_int_equal(n, 3);
	assert_memory_equal(s, "a\0b", 3);
	cur_str(&c, &n);
	assert_int_equal(n, 0);
	assert_int_equal(cur_left(&c), 0);
	assert_int_equal(cur_error(&c), 0);
	buf_fini(&b);
}

static void
a_varint_has_seven_bits_a_byte(void **state)
{
	static const struct {
		uint64_t value;
		size_t n;
		const char *bytes;
	} cases[] = {
		{ 0, 1, "\x00" },
		{ 1, 1, "\x01" },
		{ 127, 1, "\x7f" },
		{ 128, 2, "\x80\x01" },
		{ 300, 2, "\xac\x02" },
		{ 16383, 2, "\xff\x7f" },
		{ 16384, 3, "\x80\x80\x01" },
		{ UINT64_MAX >> 1, 9, "\xff\xff\xff\xff\xff\xff\xff\xff\x7f" },
		{ UINT64_MAX, 10, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01" },
	};
	struct buf b;

	(void)state;
	buf_init(&b, 100);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		buf_reset(&b);
		buf_varint(&b, cases[i].value);
		assert_int_equal(b.len, cases[i].n);
		assert_memory_equal(b.data, cases[i].bytes, cases[i].n);
	}
	buf_fini(&b);
}

static void
an_append_past_the_maximum_marks_the_buffer_and_adds_nothing(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 4);
	buf_u16(&b, 7);
	buf_u32(&b, 8);
	assert_int_equal(buf_error(&b), -EFBIG);
	assert_int_equal(b.len, 2);
	buf_u8(&b, 9); /* would fit, but something is missing before it */
	assert_int_equal(b.len, 2);
	assert_null(buf_grow(&b, 1));
	buf_reset(&b);
	buf_u32(&b, 8);
	assert_int_equal(buf_error(&b), 0);
	assert_int_equal(b.len, 4);
	buf_fini(&b);
}

static void
a_size_that_wraps_is_too_big(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 100);
	buf_u8(&b, 1);
	assert_null(buf_grow(&b, SIZE_MAX));
	assert_int_equal(buf_error(&b), -EFBIG);
	assert_int_equal(b.len, 1);
	buf_fini(&b);
}

static void
a_million_bytes_one_by_one_are_all_there(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 1000000);
	for (size_t i = 0; i < 1000000; i++)
		buf_u8(&b, (uint8_t)(i * 7));
	assert_int_equal(buf_error(&b), 0);
	assert_int_equal(b.len, 1000000);
	for (size_t i = 0; i < 1000000; i++)
		if (b.data[i] != (uint8_t)(i * 7))
			fail_msg("byte %zu", i);
	buf_u8(&b, 0);
	assert_int_equal(buf_error(&b), -EFBIG);
	buf_fini(&b);
}

static void
text_and_numbers_are_added_without_a_nul(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 1000);
	buf_text(&b, "x=");
	buf_printf(&b, "%d,%s", 42, "y");
	buf_printf(&b, "%s", "");
	assert_int_equal(b.len, 6);
	assert_memory_equal(b.data, "x=42,y", 6);
	buf_fini(&b);
}

static void
a_printf_that_just_fits_is_taken(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 256);
	buf_printf(&b, "%256s", "x");
	assert_int_equal(buf_error(&b), 0);
	assert_int_equal(b.len, 256);
	buf_reset(&b);
	buf_printf(&b, "%257s", "x");
	assert_int_equal(buf_error(&b), -EFBIG);
	assert_int_equal(b.len, 0);
	buf_fini(&b);
}

static void
a_string_longer_than_its_length_field_is_cut(void **state)
{
	char *s = malloc(70000);
	struct buf b;

	(void)state;
	memset(s, 'x', 70000);
	buf_init(&b, 100000);
	buf_str(&b, s, 70000);
	assert_int_equal(b.len, 2 + 65535);
	assert_memory_equal(b.data, "\xff\xff", 2);
	buf_fini(&b);
	free(s);
}

static void
a_count_written_before_its_list_is_put_right_afterwards(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 100);
	buf_u8(&b, 1);
	buf_u32(&b, 0);
	buf_u8(&b, 2);
	buf_put_u32(&b, 1, 0x04030201u);
	assert_memory_equal(b.data, "\x01\x01\x02\x03\x04\x02", 6);
	buf_fini(&b);
}

/* ---- reading */

static void
a_read_past_the_end_gives_zeros_and_marks_the_cursor(void **state)
{
	struct cur c;

	(void)state;
	cur_init(&c, "\x01\x02\x03", 3);
	assert_int_equal(cur_u32(&c), 0);
	assert_int_equal(cur_error(&c), -EBADMSG);
	/* Not even what would have been there is given after that. */
	assert_int_equal(cur_u8(&c), 0);
	assert_int_equal(cur_left(&c), 0);
	assert_null(cur_bytes(&c, 0));
}

static void
a_string_whose_length_lies_is_empty(void **state)
{
	struct cur c;
	size_t n = 99;

	(void)state;
	cur_init(&c, "\x05\x00" "abcd", 6);
	assert_string_equal(cur_str(&c, &n), "");
	assert_int_equal(n, 0);
	assert_int_equal(cur_error(&c), -EBADMSG);
}

static void
nothing_can_be_read_from_no_bytes(void **state)
{
	struct cur c;
	size_t n;

	(void)state;
	cur_init(&c, NULL, 0);
	assert_int_equal(cur_left(&c), 0);
	assert_non_null(cur_bytes(&c, 0));
	assert_int_equal(cur_error(&c), 0);
	assert_string_equal(cur_str(&c, &n), "");
	assert_int_equal(cur_error(&c), -EBADMSG);
}

static void
a_length_near_the_end_of_memory_is_refused(void **state)
{
	struct cur c;

	(void)state;
	cur_init(&c, "abcdefgh", 8);
	cur_u8(&c);
	assert_null(cur_bytes(&c, SIZE_MAX));
	assert_int_equal(cur_error(&c), -EBADMSG);
	cur_init(&c, "abcdefgh", 8);
	assert_memory_equal(cur_bytes(&c, 8), "abcdefgh", 8);
	assert_non_null(cur_bytes(&c, 0));
	assert_int_equal(cur_error(&c), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_come_back_as_they_went),
		cmocka_unit_test(a_varint_has_seven_bits_a_byte),
		cmocka_unit_test(an_append_past_the_maximum_marks_the_buffer_and_adds_nothing),
		cmocka_unit_test(a_size_that_wraps_is_too_big),
		cmocka_unit_test(a_million_bytes_one_by_one_are_all_there),
		cmocka_unit_test(text_and_numbers_are_added_without_a_nul),
		cmocka_unit_test(a_printf_that_just_fits_is_taken),
		cmocka_unit_test(a_string_longer_than_its_length_field_is_cut),
		cmocka_unit_test(a_count_written_before_its_list_is_put_right_afterwards),
		cmocka_unit_test(a_read_past_the_end_gives_zeros_and_marks_the_cursor),
		cmocka_unit_test(a_string_whose_length_lies_is_empty),
		cmocka_unit_test(nothing_can_be_read_from_no_bytes),
		cmocka_unit_test(a_length_near_the_end_of_memory_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
