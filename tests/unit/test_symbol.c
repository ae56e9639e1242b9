#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "fcgi/symbol.h"

static uint64_t addresses[16];

static int
parse(const char *list)
{
	const char *at = list, *end = list + strlen(list);
	int n = 0;

	while (n < 16 && symbol_next(&at, end, &addresses[n]))
		n++;
	return n;
}

static void
one_is(const char *word, uint64_t value)
{
	assert_int_equal(parse(word), value ? 1 : 0);
	if (value)
		assert_int_equal(addresses[0], value);
}

static void
numbers_are_read_as_go_reads_them(void **state)
{
	(void)state;
	one_is("0x10", 16);
	one_is("0XFf", 255);
	one_is("10", 10);
	one_is("010", 8);
	one_is("0o17", 15);
	one_is("0O17", 15);
	one_is("0b101", 5);
	one_is("0x1_0", 16);
	one_is("0x_1f", 31);
	one_is("1_000", 1000);
	one_is("0_17", 15);
	one_is("0xffffffffffffffff", UINT64_MAX);
	one_is("18446744073709551615", UINT64_MAX);
}

static void
junk_is_skipped(void **state)
{
	static const char *const junk[] = {
		"",
		"0",
		"00",
		"0x",
		"0x0",
		"x",
		"0xg",
		"-1",
		" 1",
		"1 ",
		"1\n",
		"09",
		"0b2",
		"0o8",
		"1__0",
		"_1",
		"1_",
		"0x1_",
		"0x__1",
		"0x10000000000000000",
		"18446744073709551616",
		"1.0",
		"1e3",
		"%30x10",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(junk) / sizeof(junk[0]); i++)
		one_is(junk[i], 0);
}

static void
order_and_repeats_are_kept(void **state)
{
	(void)state;
	assert_int_equal(parse("0x3+1+junk++0x3+0+2+"), 4);
	assert_int_equal(addresses[0], 3);
	assert_int_equal(addresses[1], 1);
	assert_int_equal(addresses[2], 3);
	assert_int_equal(addresses[3], 2);
	assert_int_equal(parse("+"), 0);
}

static void
the_end_is_where_it_is_said_to_be(void **state)
{
	const char *list = "0x12345", *at = list;
	uint64_t v;

	(void)state;
	assert_int_equal(symbol_next(&at, list + 4, &v), 1);
	assert_int_equal(v, 0x12);
	assert_ptr_equal(at, list + 4);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_are_read_as_go_reads_them),
		cmocka_unit_test(junk_is_skipped),
		cmocka_unit_test(order_and_repeats_are_kept),
		cmocka_unit_test(the_end_is_where_it_is_said_to_be),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
