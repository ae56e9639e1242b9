#include "config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <dwarf.h>

#include "base/buf.h"
#include "symbolize/dwarf_ranges.h"

static struct buf lists;
static struct dwarf_range_list got;

/* .debug_addr from the unit's base on. */
static const uint64_t addr_table[] = {0x1000, 0x2000, 0x2010, UINT64_MAX};

static int
setup(void **state)
{
	(void)state;
	buf_init(&lists, 1 << 16);
	memset(&got, 0, sizeof(got));
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	buf_fini(&lists);
	free(got.v);
	return 0;
}

static int
read_list(uint16_t version, uint64_t low, uint64_t offset)
{
	struct dwarf_ranges_in in = {
		.version = version,
		.address_bytes = 8,
		.offset_bytes = 4,
		.lists = {lists.data, lists.len},
		.addr = {(const unsigned char *)addr_table, sizeof(addr_table)},
		.low = low,
	};

	got.n = 0;
	return dwarf_ranges_read(&in, offset, &got);
}

static void
pair(uint64_t low, uint64_t high)
{
	buf_u64(&lists, low);
	buf_u64(&lists, high);
}

static void
entry(uint8_t kind)
{
	buf_u8(&lists, kind);
}

static void
assert_range(size_t i, uint64_t low, uint64_t high)
{
	assert_true(i < got.n);
	assert_int_equal(got.v[i].low, low);
	assert_int_equal(got.v[i].high, high);
}

static void
pairs_are_relative_to_the_unit_until_a_base_is_chosen(void **state)
{
	(void)state;
	pair(0x10, 0x20);
	pair(UINT64_MAX, 0x5000);
	pair(0, 8);
	pair(0, 0);
	pair(0x77, 0x78);
	assert_int_equal(read_list(4, 0x1000, 0), 0);
	assert_int_equal(got.n, 2);
	assert_range(0, 0x1010, 0x1020);
	assert_range(1, 0x5000, 0x5008);
	assert_int_equal(got.bytes, 4 * 16);
}

static void
pairs_of_dropped_functions_are_left_out(void **state)
{
	(void)state;
	pair(1, 1);                           /* GNU ld */
	pair(UINT64_MAX - 1, UINT64_MAX - 1); /* lld */
	pair(UINT64_MAX - 1, UINT64_MAX + 8);
	pair(0x3000, 0x3001);
	pair(0, 0);
	assert_int_equal(read_list(4, 0, 0), 0);
	assert_int_equal(got.n, 1);
	assert_range(0, 0x3000, 0x3001);
}

static void
every_entry_of_version_5_is_known(void **state)
{
	(void)state;
	entry(DW_RLE_offset_pair);
	buf_varint(&lists, 4);
	buf_varint(&lists, 8);
	entry(DW_RLE_base_addressx);
	buf_varint(&lists, 1);
	entry(DW_RLE_offset_pair);
	buf_varint(&lists, 1);
	buf_varint(&lists, 2);
	entry(DW_RLE_base_address);
	buf_u64(&lists, 0x7000);
	entry(DW_RLE_offset_pair);
	buf_varint(&lists, 0);
	buf_varint(&lists, 0x100);
	entry(DW_RLE_startx_endx);
	buf_varint(&lists, 1);
	buf_varint(&lists, 2);
	entry(DW_RLE_startx_length);
	buf_varint(&lists, 0);
	buf_varint(&lists, 0x40);
	entry(DW_RLE_start_end);
	buf_u64(&lists, 0x8000);
	buf_u64(&lists, 0x8004);
	entry(DW_RLE_start_length);
	buf_u64(&lists, 0x9000);
	buf_varint(&lists, 5);
	entry(DW_RLE_end_of_list);
	assert_int_equal(read_list(5, 0x400, 0), 0);
	assert_int_equal(got.n, 7);
	assert_range(0, 0x404, 0x408);
	assert_range(1, 0x2001, 0x2002);
	assert_range(2, 0x7000, 0x7100);
	assert_range(3, 0x2000, 0x2010);
	assert_range(4, 0x1000, 0x1040);
	assert_range(5, 0x8000, 0x8004);
	assert_range(6, 0x9000, 0x9005);
}

static void
version_5_entries_of_dropped_functions_are_left_out(void **state)
{
	(void)state;
	entry(DW_RLE_startx_length); /* -1 in the address table */
	buf_varint(&lists, 3);
	buf_varint(&lists, 0x40);
	entry(DW_RLE_base_addressx);
	buf_varint(&lists, 3);
	entry(DW_RLE_offset_pair);
	buf_varint(&lists, 0x10);
	buf_varint(&lists, 0x20);
	entry(DW_RLE_base_addressx); /* an index that is not there */
	buf_varint(&lists, 4);
	entry(DW_RLE_offset_pair);
	buf_varint(&lists, 0x10);
	buf_varint(&lists, 0x20);
	entry(DW_RLE_start_length); /* GNU ld */
	buf_u64(&lists, 0);
	buf_varint(&lists, 0x5000);
	entry(DW_RLE_end_of_list);
	assert_int_equal(read_list(5, 0x400, 0), 0);
	assert_int_equal(got.n, 0);
}

static void
a_list_that_does_not_end_is_kept_as_far_as_it_goes(void **state)
{
	(void)state;
	entry(DW_RLE_start_length);
	buf_u64(&lists, 0x9000);
	buf_varint(&lists, 5);
	entry(0x55);
	assert_int_equal(read_list(5, 0, 0), -EBADMSG);
	assert_int_equal(got.n, 1);
	assert_int_equal(read_list(5, 0, 1000), -EBADMSG);
	buf_reset(&lists);
	pair(0x10, 0x20);
	assert_int_equal(read_list(4, 0x1000, 0), -EBADMSG);
	assert_int_equal(got.n, 1);
}

static void
indexes_are_checked_against_their_tables(void **state)
{
	static const uint32_t offsets[] = {8, 20};
	struct dwarf_ranges_in in = {
		.version = 5,
		.address_bytes = 8,
		.offset_bytes = 4,
		.lists = {(const unsigned char *)offsets, sizeof(offsets)},
		.addr = {(const unsigned char *)addr_table, sizeof(addr_table)},
	};
	uint64_t v;

	(void)state;
	assert_true(dwarf_ranges_addr(&in, 2, &v));
	assert_int_equal(v, 0x2010);
	assert_false(dwarf_ranges_addr(&in, 4, &v));
	assert_false(dwarf_ranges_addr(&in, UINT64_MAX / 8 + 1, &v));
	assert_true(dwarf_ranges_index(&in, 1, &v));
	assert_int_equal(v, 20);
	assert_false(dwarf_ranges_index(&in, 2, &v));
	assert_false(dwarf_ranges_index(&in, UINT64_MAX / 4 + 1, &v));
	in.lists_base = 4;
	assert_true(dwarf_ranges_index(&in, 0, &v));
	assert_int_equal(v, 24);
	in.lists_base = UINT64_MAX;
	assert_false(dwarf_ranges_index(&in, 1, &v));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(pairs_are_relative_to_the_unit_until_a_base_is_chosen),
		TEST(pairs_of_dropped_functions_are_left_out),
		TEST(every_entry_of_version_5_is_known),
		TEST(version_5_entries_of_dropped_functions_are_left_out),
		TEST(a_list_that_does_not_end_is_kept_as_far_as_it_goes),
		TEST(indexes_are_checked_against_their_tables),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
