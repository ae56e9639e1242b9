#include "config.h"

#include <setjmp.h>
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <dwarf.h>

#include "base/buf.h"
#include "symbolize/dwarf_lines.h"

/* The program under test: a header in pieces, then opcodes. */
static struct buf program, opcodes;
static struct dwarf_lines_row rows[8];
static struct dwarf_lines lines;

static const unsigned char line_strings[] = "/build\0sub\0a.c\0/abs/b.h";
static const unsigned char strings[] = "x\0from_str.c";

struct shape {
	uint16_t version;
	uint8_t min_inst, max_ops, line_range, opcode_base;
	int8_t line_base;
	int wide; /* 64-bit DWARF */
};
static const struct shape version_4 = {4, 1, 1, 14, 13, -5, 0};
static const struct shape version_5 = {5, 1, 1, 14, 13, -5, 0};

static int
setup(void **state)
{
	(void)state;
	buf_init(&program, 1 << 16);
	buf_init(&opcodes, 1 << 16);
	memset(&lines, 0, sizeof(lines));
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	dwarf_lines_close(&lines);
	buf_fini(&program);
	buf_fini(&opcodes);
	return 0;
}

static void
offset_add(struct buf *b, const struct shape *s, uint64_t v)
{
	if (s->wide)
		buf_u64(b, v);
	else
		buf_u32(b, (uint32_t)v);
}

static void
names_4(struct buf *b)
{
	buf_add(b, "sub\0/abs\0", 10); /* and the empty name that ends the list */
	buf_add(b, "a.c\0\1\0\0", 7);
	buf_add(b, "b.c\0\0\0\0", 7);
	buf_add(b, "c.c\0\2\0\0", 7);
	buf_add(b, "/d.c\0\1\0\0", 8);
	buf_u8(b, 0);
}

static void
names_5(struct buf *b, const struct shape *s)
{
	buf_u8(b, 1);
	buf_varint(b, DW_LNCT_path);
	buf_varint(b, DW_FORM_line_strp);
	buf_varint(b, 2);
	offset_add(b, s, 0); /* /build */
	offset_add(b, s, 7); /* sub */
	buf_u8(b, 4);
	buf_varint(b, DW_LNCT_path);
	buf_varint(b, DW_FORM_line_strp);
	buf_varint(b, DW_LNCT_directory_index);
	buf_varint(b, DW_FORM_udata);
	buf_varint(b, DW_LNCT_MD5);
	buf_varint(b, DW_FORM_data16);
	buf_varint(b, 0x2001); /* a vendor's */
	buf_varint(b, DW_FORM_block);
	buf_varint(b, 2);
	for (int i = 0; i < 2; i++) {
		offset_add(b, s, i ? 15 : 11); /* /abs/b.h, a.c */
		buf_varint(b, 1);
		buf_add(b, "0123456789abcdef", 16);
		buf_add(b, "\2xy", 3);
	}
}

/* Put the program together and open it. */
static int
open_program(const struct shape *s)
{
	static const unsigned char lengths[] = {0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1, 2, 2, 2};
	struct dwarf_lines_in in = {
		.line_str = {line_strings, sizeof(line_strings)},
		.str = {strings, sizeof(strings)},
	};
	struct buf head;

	buf_init(&head, 1 << 16);
	buf_u8(&head, s->min_inst);
	if (s->version >= 4)
		buf_u8(&head, s->max_ops);
	buf_u8(&head, 1);
	buf_u8(&head, (uint8_t)s->line_base);
	buf_u8(&head, s->line_range);
	buf_u8(&head, s->opcode_base);
	buf_add(&head, lengths + 1, s->opcode_base ? s->opcode_base - 1u : 0);
	if (s->version >= 5)
		names_5(&head, s);
	else
		names_4(&head);

	if (s->wide)
		buf_u32(&program, 0xffffffff);
	offset_add(&program, s, 2 + (s->version >= 5 ? 2 : 0) + (s->wide ? 8 : 4) + head.len + opcodes.len);
	buf_u16(&program, s->version);
	if (s->version >= 5) {
		buf_u8(&program, 8);
		buf_u8(&program, 0);
	}
	offset_add(&program, s, head.len);
	buf_add(&program, head.data, head.len);
	buf_add(&program, opcodes.data, opcodes.len);
	buf_fini(&head);
	assert_int_equal(buf_error(&program), 0);
	in.line = (struct dwarf_span){program.data, program.len};
	return dwarf_lines_open(&lines, &in);
}

static void
set_address(uint64_t address)
{
	buf_add(&opcodes, "\0\11\2", 3);
	buf_u64(&opcodes, address);
}

static void
end_sequence(void)
{
	buf_add(&opcodes, "\0\1\1", 3);
}

/* A row `pc` bytes and `line` lines on, by standard opcodes. */
static void
row(uint64_t pc, int line)
{
	buf_u8(&opcodes, DW_LNS_advance_pc);
	buf_varint(&opcodes, pc);
	buf_u8(&opcodes, DW_LNS_advance_line);
	buf_u8(&opcodes, (uint8_t)(line & 0x7f)); /* SLEB128 of a small number */
	buf_u8(&opcodes, DW_LNS_copy);
}

static void
advance(uint64_t pc)
{
	buf_u8(&opcodes, DW_LNS_advance_pc);
	buf_varint(&opcodes, pc);
}

static uint32_t
line_at(uint64_t address)
{
	assert_int_equal(dwarf_lines_find(&lines, &address, rows, 1), 0);
	return rows[0].high ? rows[0].line : UINT32_MAX;
}

static const char *
path_of(uint32_t file, const char *comp_dir)
{
	static char path[64];

	return dwarf_lines_path(&lines, file, comp_dir, path, sizeof(path)) ? path : NULL;
}

/* 0x1000: line 11, 0x1010: 12, 0x1020: the end. */
static void
one_sequence(void)
{
	set_address(0x1000);
	row(0, 10);
	row(0x10, 1);
	advance(0x10);
	end_sequence();
}

static void
a_row_covers_the_addresses_up_to_the_next_row(void **state)
{
	static const uint64_t addrs[] = {0xfff, 0x1000, 0x100f, 0x1010, 0x101f, 0x1020};

	(void)state;
	one_sequence();
	assert_int_equal(open_program(&version_4), 0);
	assert_int_equal(dwarf_lines_find(&lines, addrs, rows, 6), 0);
	assert_int_equal(rows[0].high, 0);
	assert_int_equal(rows[1].line, 11);
	assert_int_equal(rows[2].line, 11);
	assert_int_equal(rows[3].line, 12);
	assert_int_equal(rows[4].line, 12);
	assert_int_equal(rows[5].high, 0);
}

static void
of_two_rows_at_one_address_the_last_counts(void **state)
{
	(void)state;
	set_address(0x1000);
	row(0, 10);
	row(0, 5);
	advance(4);
	end_sequence();
	assert_int_equal(open_program(&version_4), 0);
	assert_int_equal(line_at(0x1000), 16);
}

static void
sequences_of_dropped_functions_are_left_out(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) {
		set_address(i == 0 ? 0 : i == 1 ? UINT64_MAX : UINT64_MAX - 1);
		row(0, 10);
		advance(0x2000);
		end_sequence();
	}
	assert_int_equal(open_program(&version_4), 0);
	assert_int_equal(line_at(0x1000), UINT32_MAX);
}

static void
rows_count_only_once_their_sequence_has_ended(void **state)
{
	(void)state;
	set_address(0x1000);
	row(0, 10);
	row(0x10, 1);
	assert_int_equal(open_program(&version_4), 0);
	assert_int_equal(line_at(0x1000), UINT32_MAX);
}

static void
of_overlapping_sequences_the_one_that_ends_first_counts(void **state)
{
	(void)state;
	set_address(0x800);
	row(0, 50);
	advance(0x2000);
	end_sequence();
	one_sequence();
	assert_int_equal(open_program(&version_4), 0);
	assert_int_equal(line_at(0x1000), 11);
	assert_int_equal(line_at(0x1020), 51);
}

static void
addresses_that_go_backwards_end_a_sequence_early(void **state)
{
	(void)state;
	set_address(0x1000);
	row(0, 10);
	row(0x10, 1);
	set_address(0x900);
	row(0, 1);
	set_address(0x1100);
	row(0, 1);
	end_sequence();
	assert_int_equal(open_program(&version_4), 0);
	assert_int_equal(line_at(0x1000), 11);
	assert_int_equal(line_at(0x900), UINT32_MAX);
	assert_int_equal(line_at(0x1020), UINT32_MAX);
}

static void
special_opcodes_advance_address_and_line(void **state)
{
	(void)state;
	set_address(0x1000);
	row(0, 10);
	buf_u8(&opcodes, 13 + 14 * 4 + 5 + 3); /* 4 bytes on, line_base -5 + 8 = 3 lines on */
	buf_u8(&opcodes, DW_LNS_const_add_pc); /* (255 - 13) / 14 = 17 bytes on */
	row(0, 1);
	buf_u8(&opcodes, DW_LNS_fixed_advance_pc);
	buf_u16(&opcodes, 0x100);
	end_sequence();
	assert_int_equal(open_program(&version_4), 0);
	assert_int_equal(line_at(0x1003), 11);
	assert_int_equal(line_at(0x1004), 14);
	assert_int_equal(line_at(0x1014), 14);
	assert_int_equal(line_at(0x1015), 15);
	assert_int_equal(line_at(0x1114), 15);
	assert_int_equal(line_at(0x1115), UINT32_MAX);
}

static void
advances_count_instructions_of_min_inst_bytes(void **state)
{
	struct shape s = version_4;

	(void)state;
	s.min_inst = 4;
	set_address(0x1000);
	row(0, 10);
	row(2, 1);
	advance(1);
	end_sequence();
	assert_int_equal(open_program(&s), 0);
	assert_int_equal(line_at(0x1007), 11);
	assert_int_equal(line_at(0x1008), 12);
	assert_int_equal(line_at(0x100c), UINT32_MAX);
}

static void
operations_of_a_vliw_instruction_share_its_address(void **state)
{
	struct shape s = version_4;

	(void)state;
	s.min_inst = 16;
	s.max_ops = 3;
	set_address(0x1000);
	row(0, 10);
	row(2, 1); /* still 0x1000, operation 2 */
	row(2, 1); /* operation 4: 0x1010, operation 1 */
	advance(2);
	end_sequence();
	assert_int_equal(open_program(&s), 0);
	assert_int_equal(line_at(0x1000), 12);
	assert_int_equal(line_at(0x1010), 13);
	assert_int_equal(line_at(0x1020), UINT32_MAX);
}

static void
an_opcode_of_a_later_version_is_skipped_by_its_length(void **state)
{
	struct shape s = version_4;

	(void)state;
	s.opcode_base = 15;
	set_address(0x1000);
	buf_add(&opcodes, "\15\1\2", 3);      /* opcode 13 with two operands */
	buf_add(&opcodes, "\0\3\x80\1\2", 5); /* an extended one */
	row(0, 10);
	advance(4);
	end_sequence();
	assert_int_equal(open_program(&s), 0);
	assert_int_equal(line_at(0x1000), 11);
}

static void
a_line_range_of_zero_divides_nothing(void **state)
{
	struct shape s = version_4;

	(void)state;
	s.line_range = 0;
	set_address(0x1000);
	row(0, 10);
	buf_u8(&opcodes, 200);
	buf_u8(&opcodes, DW_LNS_const_add_pc);
	advance(4);
	end_sequence();
	assert_int_equal(open_program(&s), 0);
	assert_int_equal(line_at(0x1000), 11);
}

static void
paths_before_version_5_begin_with_file_1_and_the_compilation_directory(void **state)
{
	(void)state;
	one_sequence();
	assert_int_equal(open_program(&version_4), 0);
	assert_null(path_of(0, "/build"));
	assert_string_equal(path_of(1, "/build"), "/build/sub/a.c");
	assert_string_equal(path_of(1, NULL), "sub/a.c");
	assert_string_equal(path_of(2, "/build"), "/build/b.c");
	assert_string_equal(path_of(3, "/build"), "/abs/c.c");
	assert_string_equal(path_of(4, "/build"), "/d.c");
	assert_null(path_of(5, "/build"));
}

static void
a_file_may_be_defined_in_the_program(void **state)
{
	(void)state;
	set_address(0x1000);
	buf_add(&opcodes, "\0\12\3new.c\0\1\0\0", 12);
	buf_u8(&opcodes, DW_LNS_set_file);
	buf_u8(&opcodes, 5);
	row(0, 10);
	advance(4);
	end_sequence();
	assert_int_equal(open_program(&version_4), 0);
	assert_int_equal(line_at(0x1000), 11);
	assert_int_equal(rows[0].file, 5);
	assert_string_equal(path_of(5, "/build"), "/build/sub/new.c");
}

static void
version_5_tables_are_read_by_their_own_description(void **state)
{
	(void)state;
	one_sequence();
	assert_int_equal(open_program(&version_5), 0);
	assert_int_equal(lines.n_dirs, 2);
	assert_int_equal(lines.n_files, 2);
	assert_string_equal(path_of(0, "/build"), "/build/sub/a.c");
	assert_string_equal(path_of(1, "/build"), "/abs/b.h");
	assert_int_equal(line_at(0x1010), 12);
}

static void
dwarf_of_64_bits_has_longer_offsets(void **state)
{
	struct shape s = version_5;

	(void)state;
	s.wide = 1;
	one_sequence();
	assert_int_equal(open_program(&s), 0);
	assert_string_equal(path_of(0, "/build"), "/build/sub/a.c");
	assert_int_equal(line_at(0x1010), 12);
}

static void
versions_that_nobody_knows_are_refused(void **state)
{
	struct shape s = version_5;

	(void)state;
	s.version = 6;
	assert_int_equal(open_program(&s), -EBADMSG);
	s.version = 1;
	buf_reset(&program);
	assert_int_equal(open_program(&s), -EBADMSG);
}

static void
a_count_without_fields_ends_nothing_late(void **state)
{
	/* directory_entry_format_count 0, directories_count 2^60 */
	static const unsigned char bytes[] = {
		30, 0, 0,    0,    5,    0,    8,    0,    22,   0,    0,    0, 1, 1, 1, 0, 14,
		1,  0, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10, 0, 0, 0, 0, 0, 0};
	struct dwarf_lines_in in = {.line = {bytes, sizeof(bytes)}};

	(void)state;
	assert_int_equal(dwarf_lines_open(&lines, &in), 0);
	assert_int_equal(lines.n_dirs, 0);
}

/* Every beginning of two good programs, and every byte of them changed, is read without harm. */
static void
spoiled_programs_do_no_harm(void **state)
{
	static const uint64_t addrs[] = {0x1000, 0x1010};
	static unsigned char copy[1 << 10];

	(void)state;
	for (int version = 4; version <= 5; version++) {
		buf_reset(&program);
		buf_reset(&opcodes);
		one_sequence();
		dwarf_lines_close(&lines);
		assert_int_equal(open_program(version == 4 ? &version_4 : &version_5), 0);
		assert_true(program.len < sizeof(copy));
		for (size_t i = 0; i < program.len * 3; i++) {
			struct dwarf_lines_in in = lines.in;
			struct dwarf_lines l;

			memcpy(copy, program.data, program.len);
			in.line = (struct dwarf_span){copy, program.len};
			if (i < program.len)
				in.line.size = i;
			else
				copy[i % program.len] = i < 2 * program.len ? 0xff : 0x80;
			if (dwarf_lines_open(&l, &in) == 0) {
				assert_int_equal(dwarf_lines_find(&l, addrs, rows, 2), 0);
				dwarf_lines_path(&l, 1, "/build", (char *)copy, 16);
				dwarf_lines_close(&l);
			}
		}
	}
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_row_covers_the_addresses_up_to_the_next_row),
		TEST(of_two_rows_at_one_address_the_last_counts),
		TEST(sequences_of_dropped_functions_are_left_out),
		TEST(rows_count_only_once_their_sequence_has_ended),
		TEST(of_overlapping_sequences_the_one_that_ends_first_counts),
		TEST(addresses_that_go_backwards_end_a_sequence_early),
		TEST(special_opcodes_advance_address_and_line),
		TEST(advances_count_instructions_of_min_inst_bytes),
		TEST(operations_of_a_vliw_instruction_share_its_address),
		TEST(an_opcode_of_a_later_version_is_skipped_by_its_length),
		TEST(a_line_range_of_zero_divides_nothing),
		TEST(paths_before_version_5_begin_with_file_1_and_the_compilation_directory),
		TEST(a_file_may_be_defined_in_the_program),
		TEST(version_5_tables_are_read_by_their_own_description),
		TEST(dwarf_of_64_bits_has_longer_offsets),
		TEST(versions_that_nobody_knows_are_refused),
		TEST(a_count_without_fields_ends_nothing_late),
		TEST(spoiled_programs_do_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
