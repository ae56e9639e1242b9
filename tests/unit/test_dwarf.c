#include "config.h"

#include <elf.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>
#include <cmocka.h>

#include <dwarf.h>

#include "base/buf.h"
#include "symbolize/dwarf.h"

/* ---- a file of hand-made sections ---- */

enum { INFO, ABBREV, LINE, STR, SECTIONS };
static const char *const names[SECTIONS] = {".debug_info", ".debug_abbrev", ".debug_line", ".debug_str"};

static struct buf section[SECTIONS];
static struct dwarf_reader *reader;
static struct arena arena;
static struct err why;
static int fd = -1;
static Elf64_Chdr lie; /* what a compressed section says instead, where not 0 */

static int
setup(void **state)
{
	(void)state;
	memset(&lie, 0, sizeof(lie));
	for (int i = 0; i < SECTIONS; i++)
		buf_init(&section[i], 1 << 20);
	arena_init(&arena, 1 << 24);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	dwarf_free(reader);
	reader = NULL;
	arena_fini(&arena);
	for (int i = 0; i < SECTIONS; i++)
		buf_fini(&section[i]);
	if (fd >= 0)
		close(fd);
	fd = -1;
	return 0;
}

/* A section's bytes as they stand in the file: plain, or behind an Elf64_Chdr. */
static void
section_packed(const struct buf *plain, uint32_t method, struct buf *to)
{
	Elf64_Chdr ch = {.ch_type = lie.ch_type ? lie.ch_type : method,
			 .ch_size = lie.ch_size ? lie.ch_size : plain->len,
			 .ch_addralign = 1};
	unsigned char *at;
	uLongf n = compressBound(plain->len) + 1024;

	if (!method) {
		buf_add(to, plain->data, plain->len);
		return;
	}
	buf_add(to, &ch, sizeof(ch));
	at = buf_grow(to, n);
	assert_non_null(at);
	if (method == ELFCOMPRESS_ZLIB)
		assert_int_equal(compress(at, &n, plain->data, plain->len), Z_OK);
	else
		n = ZSTD_compress(at, n, plain->data, plain->len, 1);
	to->len = (size_t)(at - to->data) + n;
}

static int
open_file(uint32_t method)
{
	Elf64_Shdr sh[SECTIONS + 2] = {0};
	Elf64_Ehdr eh = {
		.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
		.e_type = ET_DYN,
		.e_machine = EM_X86_64,
		.e_version = EV_CURRENT,
		.e_ehsize = sizeof(eh),
		.e_shentsize = sizeof(Elf64_Shdr),
		.e_shnum = SECTIONS + 2,
		.e_shstrndx = SECTIONS + 1,
	};
	struct buf file, strings;

	buf_init(&file, 1 << 22);
	buf_init(&strings, 1 << 10);
	buf_u8(&strings, 0);
	buf_grow(&file, sizeof(eh));
	for (int i = 0; i < SECTIONS; i++) {
		sh[i + 1] = (Elf64_Shdr){.sh_name = (uint32_t)strings.len,
					 .sh_type = SHT_PROGBITS,
					 .sh_flags = method ? SHF_COMPRESSED : 0,
					 .sh_offset = file.len,
					 .sh_addralign = 8};
		buf_add(&strings, names[i], strlen(names[i]) + 1);
		section_packed(&section[i], method, &file);
		sh[i + 1].sh_size = file.len - sh[i + 1].sh_offset;
		while (file.len % 8)
			buf_u8(&file, 0);
	}
	sh[SECTIONS + 1] =
		(Elf64_Shdr){.sh_type = SHT_STRTAB, .sh_offset = file.len, .sh_size = strings.len};
	buf_add(&file, strings.data, strings.len);
	while (file.len % 8)
		buf_u8(&file, 0);
	eh.e_shoff = file.len;
	buf_add(&file, sh, sizeof(sh));
	memcpy(file.data, &eh, sizeof(eh));
	assert_int_equal(buf_error(&file), 0);

	fd = memfd_create("dwarf", MFD_CLOEXEC);
	assert_int_equal(write(fd, file.data, file.len), (ssize_t)file.len);
	buf_fini(&strings);
	buf_fini(&file);
	return dwarf_open(&reader, fd, NULL, &why);
}

/* ---- units ---- */

enum { UNIT = 1, FUNCTION, CALL, ABSTRACT, SPACE, COPY, STRP_FUNCTION, HUGE };

static void
abbrev(int code, int tag, int children, const uint8_t *pairs)
{
	struct buf *b = &section[ABBREV];

	buf_varint(b, (uint64_t)code);
	buf_varint(b, (uint64_t)tag);
	buf_u8(b, (uint8_t)children);
	for (; *pairs; pairs += 2)
		buf_add(b, pairs, 2);
	buf_add(b, "\0\0", 2);
}

/* clang-format off */
static void
abbrevs(void)
{
	static const uint8_t unit[] = { DW_AT_name, DW_FORM_string, DW_AT_comp_dir, DW_FORM_string,
					DW_AT_low_pc, DW_FORM_addr, DW_AT_high_pc, DW_FORM_data4,
					DW_AT_stmt_list, DW_FORM_sec_offset, 0 };
	static const uint8_t function[] = { DW_AT_name, DW_FORM_string, DW_AT_decl_line, DW_FORM_data1,
					    DW_AT_low_pc, DW_FORM_addr, DW_AT_high_pc, DW_FORM_data4, 0 };
	static const uint8_t call[] = { DW_AT_abstract_origin, DW_FORM_ref4, DW_AT_low_pc, DW_FORM_addr,
					DW_AT_high_pc, DW_FORM_data4, DW_AT_call_file, DW_FORM_data1,
					DW_AT_call_line, DW_FORM_data1, 0 };
	static const uint8_t abstract[] = { DW_AT_name, DW_FORM_string, DW_AT_linkage_name, DW_FORM_string,
					    DW_AT_decl_line, DW_FORM_data1, 0 };
	static const uint8_t space[] = { DW_AT_name, DW_FORM_string, 0 };
	static const uint8_t copy[] = { DW_AT_abstract_origin, DW_FORM_ref4, DW_AT_low_pc, DW_FORM_addr,
					DW_AT_high_pc, DW_FORM_data4, 0 };
	static const uint8_t strp[] = { DW_AT_name, DW_FORM_strp, DW_AT_low_pc, DW_FORM_addr,
					DW_AT_high_pc, DW_FORM_data4, 0 };

	abbrev(UNIT, DW_TAG_compile_unit, 1, unit);
	abbrev(FUNCTION, DW_TAG_subprogram, 1, function);
	abbrev(CALL, DW_TAG_inlined_subroutine, 1, call);
	abbrev(ABSTRACT, DW_TAG_subprogram, 0, abstract);
	abbrev(SPACE, DW_TAG_namespace, 1, space);
	abbrev(COPY, DW_TAG_subprogram, 0, copy);
	abbrev(STRP_FUNCTION, DW_TAG_subprogram, 0, strp);
	buf_u8(&section[ABBREV], 0);
}
/* clang-format on */

static void
text(const char *s)
{
	buf_add(&section[INFO], s, strlen(s) + 1);
}

static void
range(uint64_t low, uint32_t size)
{
	buf_u64(&section[INFO], low);
	buf_u32(&section[INFO], size);
}

/* Returns where the unit begins, for unit_end() and for the offsets of DIEs. */
static size_t
unit_begin(uint16_t version, uint64_t low, uint32_t size)
{
	size_t at = section[INFO].len;

	buf_u32(&section[INFO], 0);
	buf_u16(&section[INFO], version);
	buf_u32(&section[INFO], 0);
	buf_u8(&section[INFO], 8);
	buf_u8(&section[INFO], UNIT);
	text("a.c");
	text("/build");
	range(low, size);
	buf_u32(&section[INFO], 0);
	return at;
}

static void
children_end(void)
{
	buf_u8(&section[INFO], 0);
}

static void
unit_end(size_t at)
{
	children_end();
	buf_put_u32(&section[INFO], at, (uint32_t)(section[INFO].len - at - 4));
}

static void
function_begin(const char *name, int line, uint64_t low, uint32_t size)
{
	buf_u8(&section[INFO], FUNCTION);
	text(name);
	buf_u8(&section[INFO], (uint8_t)line);
	range(low, size);
}

static uint32_t
abstract(size_t unit, const char *name, const char *linkage, int line)
{
	uint32_t at = (uint32_t)(section[INFO].len - unit);

	buf_u8(&section[INFO], ABSTRACT);
	text(name);
	text(linkage);
	buf_u8(&section[INFO], (uint8_t)line);
	return at;
}

static void
call_begin(uint32_t origin, uint64_t low, uint32_t size, int line)
{
	buf_u8(&section[INFO], CALL);
	buf_u32(&section[INFO], origin);
	range(low, size);
	buf_u8(&section[INFO], 1);
	buf_u8(&section[INFO], (uint8_t)line);
}

/* Lines from 0x1000 to 0x1100: 20, from 0x1010 on 21. */
static void
line_program(void)
{
	static const unsigned char head[] = {1, 1, 1, 0xfb, 14, 13,  0,   1,   1, 1, 1, 0, 0, 0,
					     1, 0, 0, 1,    0,  'a', '.', 'c', 0, 0, 0, 0, 0};
	static const unsigned char body[] = {0,
					     9,
					     DW_LNE_set_address,
					     0,
					     0x10,
					     0,
					     0,
					     0,
					     0,
					     0,
					     0,
					     DW_LNS_advance_line,
					     19,
					     DW_LNS_copy,
					     DW_LNS_advance_pc,
					     0x10,
					     DW_LNS_advance_line,
					     1,
					     DW_LNS_copy,
					     DW_LNS_advance_pc,
					     0xf0,
					     1,
					     0,
					     1,
					     DW_LNE_end_sequence};
	struct buf *b = &section[LINE];

	buf_u32(b, 6 + sizeof(head) + sizeof(body));
	buf_u16(b, 4);
	buf_u32(b, sizeof(head));
	buf_add(b, head, sizeof(head));
	buf_add(b, body, sizeof(body));
}

/* outer() at 0x1000-0x1040 with inner() inlined at 0x1010-0x1020; deep() in a namespace at 0x1050. */
static void
usual_unit(uint16_t version)
{
	size_t unit = unit_begin(version, 0x1000, 0x100);
	uint32_t inner = abstract(unit, "inner", "_Zinner", 3);

	function_begin("outer", 9, 0x1000, 0x40);
	call_begin(inner, 0x1010, 0x10, 15);
	children_end();
	children_end();
	buf_u8(&section[INFO], SPACE);
	text("space");
	function_begin("deep", 30, 0x1050, 0x10);
	children_end();
	children_end();
	unit_end(unit);
}

static void
usual_file(void)
{
	abbrevs();
	usual_unit(4);
	line_program();
}

static void
name(struct chain *chains, size_t n)
{
	assert_int_equal(dwarf_name(reader, chains, n, &arena, &why), 0);
}

static void
assert_frame(const struct chain *c, uint32_t i, const char *function, uint32_t line, uint32_t start_line)
{
	assert_true(i < c->n);
	if (function)
		assert_string_equal(c->frames[i].name, function);
	else
		assert_null(c->frames[i].name);
	assert_string_equal(c->frames[i].file, "/build/a.c");
	assert_int_equal(c->frames[i].line, line);
	assert_int_equal(c->frames[i].start_line, start_line);
}

/* ---- the tests ---- */

static void
assert_usual_answers(void)
{
	struct chain c[5] = {{.vaddr = 0xfff},
			     {.vaddr = 0x1000},
			     {.vaddr = 0x1010},
			     {.vaddr = 0x1048},
			     {.vaddr = 0x1050}};

	name(c, 5);
	assert_int_equal(c[0].n, 0);
	assert_int_equal(c[1].n, 1);
	assert_frame(&c[1], 0, "outer", 20, 9);
	assert_int_equal(c[1].flags,
			 WIRE_ANSWER_FINAL | WIRE_ANSWER_NAMED | WIRE_ANSWER_LINES | WIRE_ANSWER_INLINES);
	assert_int_equal(c[2].n, 2);
	assert_frame(&c[2], 0, "_Zinner", 21, 3);
	assert_frame(&c[2], 1, "outer", 15, 9);
	assert_int_equal(c[3].n, 1);
	assert_frame(&c[3], 0, NULL, 21, 0);
	assert_int_equal(c[3].flags, WIRE_ANSWER_LINES);
	assert_int_equal(c[4].n, 1);
	assert_frame(&c[4], 0, "deep", 21, 30);
}

static void
functions_inlined_calls_and_lines_make_chains(void **state)
{
	(void)state;
	usual_file();
	assert_int_equal(open_file(0), 0);
	assert_usual_answers();
	assert_usual_answers(); /* from what the first time left */
}

static void
sections_packed_by_zlib_and_zstd_are_read(void **state)
{
	(void)state;
	usual_file();
	assert_int_equal(open_file(ELFCOMPRESS_ZLIB), 0);
	assert_usual_answers();
	dwarf_free(reader);
	close(fd);
	assert_int_equal(open_file(2 /* zstd */), 0);
	assert_usual_answers();
}

static void
sections_that_unpack_to_something_else_are_not_there(void **state)
{
	static const uint64_t sizes[] = {1, 5000, (uint64_t)1 << 30, UINT64_MAX};

	(void)state;
	usual_file();
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		lie.ch_size = sizes[i];
		assert_int_equal(open_file(ELFCOMPRESS_ZLIB), -ENOENT);
		close(fd);
		assert_int_equal(open_file(2), -ENOENT);
		close(fd);
	}
	lie.ch_type = 7;
	assert_int_equal(open_file(ELFCOMPRESS_ZLIB), -ENOENT);
}

static void
a_file_without_debug_information_says_so(void **state)
{
	(void)state;
	assert_int_equal(open_file(0), -ENOENT);
	close(fd);
	fd = memfd_create("nothing", MFD_CLOEXEC);
	assert_int_equal(dwarf_open(&reader, fd, NULL, &why), -ENOEXEC);
}

static void
a_spoiled_unit_costs_only_its_own_addresses(void **state)
{
	struct chain c[3] = {{.vaddr = 0x1000}, {.vaddr = 0x5000}, {.vaddr = 0x6000}};
	size_t unit, spoiled;

	(void)state;
	abbrevs();
	line_program();
	unit = unit_begin(9, 0x7000, 0x100); /* a version that is not */
	unit_end(unit);
	spoiled = unit_begin(4, 0x5000, 0x100); /* abbreviations that are not there */
	function_begin("lost", 1, 0x5000, 0x10);
	children_end();
	unit_end(spoiled);
	buf_put_u32(&section[INFO], spoiled + 6, 0x7fffffff);
	unit = unit_begin(4, 0x6000, 0x100);
	function_begin("kept", 1, 0x6000, 0x10);
	children_end();
	unit_end(unit);
	usual_unit(4);
	assert_int_equal(open_file(0), 0);
	name(c, 3);
	assert_frame(&c[0], 0, "outer", 20, 9);
	assert_int_equal(c[1].n, 0);
	assert_int_equal(c[2].n, 1);
	assert_string_equal(c[2].frames[0].name, "kept");
}

static void
abbreviations_of_a_thousand_attributes_are_not_read(void **state)
{
	struct buf *b = &section[ABBREV];

	(void)state;
	abbrevs();
	b->len--; /* one more in the same table */
	buf_varint(b, HUGE);
	buf_varint(b, DW_TAG_variable);
	buf_u8(b, 0);
	for (int i = 0; i < 1000; i++) {
		buf_varint(b, DW_AT_external);
		buf_varint(b, DW_FORM_flag_present);
	}
	buf_add(b, "\0\0\0", 3);
	usual_unit(4);
	assert_int_equal(open_file(0), -ENOENT);
}

static void
an_origin_that_leads_to_itself_gives_no_name(void **state)
{
	struct chain c = {.vaddr = 0x1000};
	size_t unit;
	uint32_t at;

	(void)state;
	abbrevs();
	line_program();
	unit = unit_begin(4, 0x1000, 0x100);
	at = (uint32_t)(section[INFO].len - unit);
	buf_u8(&section[INFO], COPY);
	buf_u32(&section[INFO], at);
	range(0x1000, 0x10);
	unit_end(unit);
	assert_int_equal(open_file(0), 0);
	name(&c, 1);
	assert_int_equal(c.n, 1);
	assert_frame(&c, 0, NULL, 20, 0);
	assert_int_equal(c.flags & (WIRE_ANSWER_NAMED | WIRE_ANSWER_FINAL), 0);
}

static void
calls_deeper_than_the_maximum_are_cut_at_the_inside(void **state)
{
	struct chain c = {.vaddr = 0x1000};
	size_t unit;
	uint32_t inner;

	(void)state;
	abbrevs();
	line_program();
	unit = unit_begin(4, 0x1000, 0x100);
	inner = abstract(unit, "inner", "_Zinner", 3);
	function_begin("outer", 9, 0x1000, 0x40);
	for (int i = 0; i < 2000; i++)
		call_begin(inner, 0x1000, 0x10, i < 250 ? i : 255);
	for (int i = 0; i < 2000; i++)
		children_end();
	children_end();
	unit_end(unit);
	assert_int_equal(open_file(0), 0);
	name(&c, 1);
	assert_int_equal(c.n, CHAIN_MAX);
	assert_frame(&c, CHAIN_MAX - 1, "outer", 0, 9);
	assert_frame(&c, 0, "_Zinner", CHAIN_MAX - 1, 3);
}

static void
a_string_without_an_end_is_no_name(void **state)
{
	struct chain c[2] = {{.vaddr = 0x1000}, {.vaddr = 0x1010}};
	size_t unit;

	(void)state;
	abbrevs();
	line_program();
	buf_add(&section[STR], "good\0bad", 8);
	unit = unit_begin(4, 0x1000, 0x100);
	for (uint32_t i = 0; i < 2; i++) {
		buf_u8(&section[INFO], STRP_FUNCTION);
		buf_u32(&section[INFO], i * 5);
		range(0x1000 + i * 0x10, 0x10);
	}
	unit_end(unit);
	assert_int_equal(open_file(0), 0);
	name(c, 2);
	assert_frame(&c[0], 0, "good", 20, 0);
	assert_frame(&c[1], 0, NULL, 21, 0);
}

static void
dropped_functions_do_not_answer_for_low_addresses(void **state)
{
	struct chain c = {.vaddr = 0x1000};
	size_t unit;

	(void)state;
	abbrevs();
	line_program();
	unit = unit_begin(4, 0, 0x10000);
	function_begin("dropped", 9, 0, 0x8000);
	children_end();
	unit_end(unit);
	usual_unit(4);
	assert_int_equal(open_file(0), 0);
	name(&c, 1);
	assert_frame(&c, 0, "outer", 20, 9);
}

static void
an_arena_that_is_full_is_an_error(void **state)
{
	struct chain c[2] = {{.vaddr = 0x1000}, {.vaddr = 0x1010}};
	struct arena small;

	(void)state;
	usual_file();
	assert_int_equal(open_file(0), 0);
	arena_init(&small, 64);
	assert_int_equal(dwarf_name(reader, c, 2, &small, &why), -ENOMEM);
	arena_fini(&small);
	assert_usual_answers();
}

/* Each byte of the units and the abbreviations changed in turn: names may go, nothing else. */
static void
spoiled_bytes_do_no_harm(void **state)
{
	struct chain c[3] = {{.vaddr = 0x1000}, {.vaddr = 0x1010}, {.vaddr = 0x1050}};

	(void)state;
	usual_file();
	for (int s = INFO; s <= ABBREV; s++) {
		for (size_t i = 0; i < section[s].len * 3; i++) {
			unsigned char *at = &section[s].data[i / 3], was = *at;

			*at = i % 3 == 0 ? 0xff : i % 3 == 1 ? 0 : (unsigned char)(was + 1);
			if (open_file(0) == 0)
				dwarf_name(reader, c, 3, &arena, &why);
			*at = was;
			dwarf_free(reader);
			reader = NULL;
			close(fd);
			fd = -1;
			arena_fini(&arena);
		}
	}
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(functions_inlined_calls_and_lines_make_chains),
		TEST(sections_packed_by_zlib_and_zstd_are_read),
		TEST(sections_that_unpack_to_something_else_are_not_there),
		TEST(a_file_without_debug_information_says_so),
		TEST(a_spoiled_unit_costs_only_its_own_addresses),
		TEST(abbreviations_of_a_thousand_attributes_are_not_read),
		TEST(an_origin_that_leads_to_itself_gives_no_name),
		TEST(calls_deeper_than_the_maximum_are_cut_at_the_inside),
		TEST(a_string_without_an_end_is_no_name),
		TEST(dropped_functions_do_not_answer_for_low_addresses),
		TEST(an_arena_that_is_full_is_an_error),
		TEST(spoiled_bytes_do_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
