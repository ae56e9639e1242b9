#include "config.h"

#include <elf.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/wire.h"
#include "symbolize/go_pclntab.h"

/*
 * A Go program by hand: text at TEXT, the function table at TABLE with the
 * inline trees (funcdata) at DATA, the moduledata at MODULE, relocations at RELA.
 * An address and its place in the file differ by BASE.
 */
#define BASE       0x400000u
#define TEXT       0x401000u
#define TABLE      0x402000u
#define DATA       0x404000u
#define MODULE     0x405000u
#define RELA       0x406000u
#define DYNAMIC    0x406800u
#define FILE_BYTES 0x7000u
#define FUNC_BYTES 0x40u
#define NAMES      72u
#define UNITS      0x400u
#define FILES      0x480u
#define VALUES     0x500u
#define FUNCS      0x800u
#define NO_TREE    UINT32_MAX

enum version { GO_1_16, GO_1_18, GO_1_20, VERSIONS };

struct run {
	int32_t value;
	uint32_t bytes;
};

struct func {
	const char *name;
	uint8_t id, flag;
	uint32_t tree; /* offset of its inline tree among the funcdata */
	struct run sp[6], inl[6];
	unsigned char code[24];
};

enum {
	PLAIN,
	OLD,
	OUTER,
	WRAP,
	RING,
	GOEXIT,
	SYSTEMSTACK,
	MCALL,
	SIGRETURN,
	WRITES_SP,
	START,
	SWITCH,
	PREEMPT,
	FUNCTIONS
};

/* Go 1.21 makes a frame by PUSHQ BP, older ones by SUBQ and MOVQ. */
#define PUSH_FRAME { 0x55, 0x48, 0x89, 0xe5, 0x48, 0x83, 0xec, 0x10 }
#define SUB_FRAME { 0x48, 0x83, 0xec, 0x18, 0x48, 0x89, 0x6c, 0x24, 0x10, 0x48, 0x8d, 0x6c, 0x24, 0x10 }

static const struct func funcs[FUNCTIONS] = {
	[PLAIN] = { "main.plain", .tree = NO_TREE, .sp = { { 0, 1 }, { 8, 7 }, { 24, 0x30 }, { 0, 8 } },
		    .code = PUSH_FRAME },
	[OLD] = { "main.old", .tree = NO_TREE, .sp = { { 0, 4 }, { 24, 0x30 }, { 0, 12 } },
		  .code = SUB_FRAME },
	/* Bytes 16 to 31 are main.leaf in main.mid in main.outer, 32 to 47 main.mid. */
	[OUTER] = { "main.outer", .tree = 0, .sp = { { 0, 64 } },
		    .inl = { { -1, 16 }, { 1, 16 }, { 0, 16 }, { -1, 16 } } },
	[WRAP] = { "main.(*T).wrap", .id = 22, .tree = 0x40, .sp = { { 0, 64 } },
		   .inl = { { -1, 16 }, { 0, 48 } } },
	[RING] = { "main.ring", .tree = 0x80, .sp = { { 0, 64 } }, .inl = { { 0, 64 } } },
	[GOEXIT] = { "runtime.goexit", .tree = NO_TREE, .sp = { { 0, 64 } } },
	[SYSTEMSTACK] = { "runtime.systemstack", .flag = 2, .tree = NO_TREE,
			  .sp = { { 0, 1 }, { 8, 60 }, { 0, 3 } }, .code = PUSH_FRAME },
	[MCALL] = { "runtime.mcall", .tree = NO_TREE, .sp = { { 0, 64 } } },
	[SIGRETURN] = { "runtime.sigreturn", .tree = NO_TREE, .sp = { { 0, 64 } } },
	[WRITES_SP] = { "aes.block", .flag = 2, .tree = NO_TREE, .sp = { { 0, 64 } } },
	[START] = { "_rt0_amd64_linux", .tree = NO_TREE, .sp = { { 0, 64 } } },
	[SWITCH] = { "runtime.systemstack_switch", .id = 21, .tree = NO_TREE, .sp = { { 0, 64 } } },
	[PREEMPT] = { "runtime.asyncPreempt", .id = 3, .tree = NO_TREE, .sp = { { 0, 64 } } },
};

/* Entries of the inline trees: callee and the offset of the call in its function. */
static const struct {
	uint32_t at;
	const char *callee;
	uint32_t parent;
} calls[] = {
	{ 0x00, "main.mid", 4 },
	{ 0x01, "main.leaf", 40 },
	{ 0x40, "main.leaf", 4 },
	{ 0x80, "main.leaf", 8 }, /* calls itself */
};

static struct {
	unsigned char *bytes; /* the file, mapped */
	int fd;
	enum version version;
	uint32_t names_end, values_end;
	size_t n_rela;
	bool pie;
	struct image im;
	struct go_pclntab *g;
	struct arena a;
	struct err why;
} t;

static unsigned char *
at(uint64_t vaddr)
{
	return t.bytes + (vaddr - BASE);
}

static void
put32(uint64_t vaddr, uint32_t v)
{
	memcpy(at(vaddr), &v, sizeof(v));
}

/* A word that holds an address: in a position-independent file, its relocation does. */
static void
put_address(uint64_t vaddr, uint64_t v)
{
	Elf64_Rela r = { .r_offset = vaddr, .r_info = R_X86_64_RELATIVE, .r_addend = (int64_t)v };

	if (t.pie)
		memcpy(at(RELA + 24 * t.n_rela++), &r, sizeof(r));
	else
		memcpy(at(vaddr), &v, sizeof(v));
}

static void
put64(uint64_t vaddr, uint64_t v)
{
	memcpy(at(vaddr), &v, sizeof(v));
}

/* Add a name, or find it. */
static uint32_t
name_offset(const char *name)
{
	uint32_t off = 1;

	while (off < t.names_end) {
		const char *s = (const char *)at(TABLE + NAMES + off);

		if (!strcmp(s, name))
			return off;
		off += (uint32_t)strlen(s) + 1;
	}
	memcpy(at(TABLE + NAMES + off), name, strlen(name) + 1);
	t.names_end = off + (uint32_t)strlen(name) + 1;
	return off;
}

static void
put_varint(uint32_t v)
{
	do {
		*at(TABLE + VALUES + t.values_end++) = (unsigned char)(v > 0x7f ? v | 0x80 : v);
		v >>= 7;
	} while (v);
}

static uint32_t
put_runs(const struct run *runs, size_t max)
{
	uint32_t off = t.values_end;
	int32_t was = -1;

	for (size_t i = 0; i < max && runs[i].bytes; i++) {
		int32_t change = runs[i].value - was;

		put_varint(((uint32_t)change << 1) ^ (uint32_t)(change >> 31));
		put_varint(runs[i].bytes);
		was = runs[i].value;
	}
	put_varint(0);
	return off;
}

/* _func, and its place in the function table. Lines are 10 and, from byte 16 on, 20. */
static void
put_func(uint32_t i)
{
	static const struct run file[] = { { 0, FUNC_BYTES } }, lines[] = { { 10, 16 }, { 20, 48 } };
	const struct func *f = &funcs[i];
	unsigned int word = t.version == GO_1_16 ? 8 : 4, ids = t.version == GO_1_20 ? 36 : 32;
	uint32_t rec = 0x200 + i * 0x60;
	uint64_t e = TABLE + FUNCS + rec + word, entry = i * FUNC_BYTES;

	memcpy(at(TEXT + entry), f->code, sizeof(f->code));
	if (word == 8) {
		put_address(TABLE + FUNCS + 16 * i, TEXT + entry);
		put64(TABLE + FUNCS + 16 * i + 8, rec);
		put_address(e - 8, TEXT + entry);
	} else {
		put32(TABLE + FUNCS + 8 * i, (uint32_t)entry);
		put32(TABLE + FUNCS + 8 * i + 4, rec);
		put32(e - 4, (uint32_t)entry);
	}
	put32(e, name_offset(f->name));
	put32(e + 12, put_runs(f->sp, 6));
	put32(e + 16, put_runs(file, 1));
	put32(e + 20, put_runs(lines, 2));
	put32(e + 24, 3);
	if (t.version == GO_1_20)
		put32(e + 32, 7);
	*at(e + ids) = f->id;
	*at(e + ids + 1) = f->flag;
	*at(e + ids + 3) = 4;
	e += ids + 4;
	put32(e + 8, put_runs(f->inl, 6));
	e += 12;
	if (word == 4) {
		put32(e + 12, f->tree);
	} else {
		e = (e + 7) & ~(uint64_t)7;
		if (f->tree != NO_TREE)
			put_address(e + 24, DATA + f->tree);
	}
}

static void
put_calls(void)
{
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		uint32_t size = t.version == GO_1_20 ? 16 : 20;
		uint64_t p = DATA + (calls[i].at & ~15u) + (calls[i].at & 15) * size;

		put32(p + (t.version == GO_1_20 ? 4 : 12), name_offset(calls[i].callee));
		put32(p + (t.version == GO_1_20 ? 8 : 16), calls[i].parent);
		if (t.version == GO_1_20)
			put32(p + 12, 5);
	}
}

static void
put_table(void)
{
	static const uint32_t magic[VERSIONS] = { 0xfffffffa, 0xfffffff0, 0xfffffff1 };
	static const uint32_t parts[] = { NAMES, UNITS, FILES, VALUES, FUNCS };
	uint64_t offsets = TABLE + (t.version == GO_1_16 ? 24 : 32);

	put32(TABLE, magic[t.version]);
	*at(TABLE + 6) = 1;
	*at(TABLE + 7) = 8;
	put64(TABLE + 8, FUNCTIONS);
	put64(TABLE + 16, 1);
	for (size_t i = 0; i < 5; i++)
		put64(offsets + 8 * i, parts[i]);
	t.names_end = t.values_end = 1;
	for (uint32_t i = 0; i < FUNCTIONS; i++)
		put_func(i);
	put_calls();
	if (t.version == GO_1_16)
		put_address(TABLE + FUNCS + 16 * FUNCTIONS, TEXT + FUNCTIONS * FUNC_BYTES);
	else
		put32(TABLE + FUNCS + 8 * FUNCTIONS, FUNCTIONS * FUNC_BYTES);
	put32(TABLE + UNITS, 0);
	strcpy((char *)at(TABLE + FILES), "/src/main.go");
}

static void
put_moduledata(void)
{
	static const struct {
		uint8_t word;
		uint32_t to;
	} parts[] = { { 0, 0 },       { 1, NAMES },  { 4, UNITS }, { 7, FILES },
		      { 10, VALUES }, { 13, FUNCS }, { 16, FUNCS } };
	static const uint8_t func_data[VERSIONS] = { 0, 38, 50 }; /* 50: no version that is known */

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		put_address(MODULE + 8 * parts[i].word, TABLE + parts[i].to);
	put64(MODULE + 8 * 14, 0x1000);
	put64(MODULE + 8 * 17, FUNCTIONS + 1);
	put_address(MODULE + 8 * 20, TEXT);
	put_address(MODULE + 8 * 21, TEXT + FUNCTIONS * FUNC_BYTES);
	put_address(MODULE + 8 * 22, TEXT);
	put_address(MODULE + 8 * 23, TEXT + 0x1000);
	if (func_data[t.version])
		put_address(MODULE + 8 * func_data[t.version], DATA);
}

static void
put_elf(void)
{
	Elf64_Ehdr eh = {
		.e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
		.e_type = t.pie ? ET_DYN : ET_EXEC,
		.e_machine = EM_X86_64,
		.e_entry = TEXT + START * FUNC_BYTES,
		.e_phoff = sizeof(eh),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = 4,
	};
	Elf64_Phdr ph[4] = {
		{ .p_type = PT_LOAD, .p_flags = PF_R | PF_X, .p_vaddr = TEXT, .p_filesz = TABLE - TEXT },
		{ .p_type = PT_LOAD, .p_flags = PF_R, .p_vaddr = TABLE, .p_filesz = MODULE - TABLE },
		{ .p_type = PT_LOAD,
		  .p_flags = PF_R | PF_W,
		  .p_vaddr = MODULE,
		  .p_filesz = FILE_BYTES - (MODULE - BASE) },
		{ .p_type = PT_DYNAMIC, .p_flags = PF_R, .p_vaddr = DYNAMIC, .p_filesz = 48 },
	};

	for (size_t i = 0; i < 4; i++) {
		ph[i].p_offset = ph[i].p_vaddr - BASE;
		ph[i].p_memsz = ph[i].p_filesz;
	}
	memcpy(t.bytes, &eh, sizeof(eh));
	memcpy(t.bytes + sizeof(eh), ph, sizeof(ph));
	put64(DYNAMIC, DT_RELA);
	put64(DYNAMIC + 8, RELA);
	put64(DYNAMIC + 16, DT_RELASZ);
	put64(DYNAMIC + 24, 24 * t.n_rela);
}

static void
make(enum version version, bool pie)
{
	t.version = version;
	t.pie = pie;
	t.n_rela = 0;
	memset(t.bytes, 0, FILE_BYTES);
	put_table();
	put_moduledata();
	put_elf();
}

static void
close_file(void)
{
	go_pclntab_free(t.g);
	t.g = NULL;
	image_close(&t.im);
	arena_fini(&t.a);
}

static int
open_file(void)
{
	close_file();
	assert_int_equal(image_open(&t.im, t.fd, &t.why), 0);
	return go_pclntab_open(&t.g, &t.im, &t.why);
}

static struct chain
name(uint64_t vaddr)
{
	struct chain c = { .vaddr = vaddr };

	assert_int_equal(go_pclntab_name(t.g, &c, &t.a), 0);
	return c;
}

static void
assert_frame(const struct chain *c, uint32_t i, const char *func, uint32_t line, uint32_t start)
{
	assert_true(i < c->n);
	assert_string_equal(c->frames[i].name, func);
	assert_string_equal(c->frames[i].file, "/src/main.go");
	assert_int_equal(c->frames[i].line, line);
	assert_int_equal(c->frames[i].start_line, t.version == GO_1_20 ? start : 0);
}

static int
set_up(void **state)
{
	(void)state;
	t.fd = memfd_create("go", MFD_CLOEXEC);
	if (t.fd < 0 || ftruncate(t.fd, FILE_BYTES) < 0)
		return -1;
	t.bytes = mmap(NULL, FILE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, t.fd, 0);
	arena_init(&t.a, 1 << 20);
	return t.bytes == MAP_FAILED ? -1 : 0;
}

static int
tear_down(void **state)
{
	(void)state;
	close_file();
	munmap(t.bytes, FILE_BYTES);
	close(t.fd);
	return 0;
}

/* ---- names */

static void
a_function_has_its_name_file_line_and_start(void **state)
{
	(void)state;
	for (int v = GO_1_16; v < VERSIONS; v++) {
		struct chain c;

		make((enum version)v, false);
		assert_int_equal(open_file(), 0);
		c = name(TEXT + 3);
		assert_int_equal(c.n, 1);
		assert_frame(&c, 0, "main.plain", 10, 7);
		c = name(TEXT + OLD * FUNC_BYTES + 16);
		assert_frame(&c, 0, "main.old", 20, 7);
		assert_int_equal(c.flags, WIRE_ANSWER_FINAL | WIRE_ANSWER_NAMED | WIRE_ANSWER_LINES |
						  WIRE_ANSWER_INLINES);
	}
}

static void
inlined_calls_come_innermost_first(void **state)
{
	(void)state;
	for (int v = GO_1_16; v < VERSIONS; v++) {
		struct chain c;

		make((enum version)v, false);
		assert_int_equal(open_file(), 0);
		c = name(TEXT + OUTER * FUNC_BYTES + 20);
		assert_int_equal(c.n, 3);
		assert_frame(&c, 0, "main.leaf", 20, 5);
		assert_frame(&c, 1, "main.mid", 20, 5);
		assert_frame(&c, 2, "main.outer", 10, 7);
		assert_int_equal(name(TEXT + OUTER * FUNC_BYTES + 33).n, 2);
		assert_int_equal(name(TEXT + OUTER * FUNC_BYTES).n, 1);
	}
}

static void
a_table_full_of_relocations_is_read_through_them(void **state)
{
	(void)state;
	for (int v = GO_1_16; v < VERSIONS; v++) {
		struct chain c;

		make((enum version)v, true);
		assert_int_equal(open_file(), 0);
		c = name(TEXT + OUTER * FUNC_BYTES + 20);
		assert_int_equal(c.n, 3);
		assert_frame(&c, 2, "main.outer", 10, 7);
	}
}

static void
a_wrapper_is_left_out_where_it_called_something_inlined(void **state)
{
	struct chain c;

	(void)state;
	make(GO_1_20, false);
	assert_int_equal(open_file(), 0);
	c = name(TEXT + WRAP * FUNC_BYTES + 20);
	assert_int_equal(c.n, 1);
	assert_frame(&c, 0, "main.leaf", 20, 5);
	assert_false(c.flags & WIRE_ANSWER_HIDDEN);
}

static void
a_wrapper_that_stands_alone_is_marked(void **state)
{
	struct chain c;

	(void)state;
	make(GO_1_20, false);
	assert_int_equal(open_file(), 0);
	c = name(TEXT + WRAP * FUNC_BYTES);
	assert_int_equal(c.n, 1);
	assert_frame(&c, 0, "main.(*T).wrap", 10, 7);
	assert_true(c.flags & WIRE_ANSWER_HIDDEN);
}

static void
outside_of_go_text_nothing_is_known(void **state)
{
	(void)state;
	make(GO_1_18, false);
	assert_int_equal(open_file(), 0);
	assert_true(go_pclntab_covers(t.g, TEXT));
	assert_false(go_pclntab_covers(t.g, TEXT - 1));
	assert_false(go_pclntab_covers(t.g, TEXT + FUNCTIONS * FUNC_BYTES));
	assert_int_equal(name(TEXT + FUNCTIONS * FUNC_BYTES).n, 0);
	assert_int_equal(name(0).n, 0);
	assert_int_equal(name(UINT64_MAX).n, 0);
}

/* ---- finding the table */

static void
without_a_moduledata_the_elf_entry_tells_where_the_text_is(void **state)
{
	struct chain c;

	(void)state;
	make(GO_1_20, false);
	put64(MODULE, 0);
	assert_int_equal(open_file(), 0);
	c = name(TEXT + OUTER * FUNC_BYTES + 20);
	assert_int_equal(c.n, 1); /* where the inline trees are is not known */
	assert_frame(&c, 0, "main.outer", 20, 7);
	assert_false(c.flags & WIRE_ANSWER_INLINES);
}

static void
a_table_that_no_moduledata_points_to_is_passed_over_for_one_with(void **state)
{
	unsigned char copy[0x2000];

	(void)state;
	make(GO_1_20, false);
	memcpy(copy, at(TABLE), sizeof(copy));
	make(GO_1_18, false);
	/* Before the real one, at the text's end: a Go program that this one carries. */
	memcpy(at(TEXT + 0x800), copy, 0x800);
	assert_int_equal(open_file(), 0);
	assert_int_equal(name(TEXT + OUTER * FUNC_BYTES + 20).n, 3);
}

static void
a_file_without_a_table_is_not_a_go_program(void **state)
{
	(void)state;
	make(GO_1_20, false);
	put32(TABLE, 0xfffffffb);
	assert_int_equal(open_file(), -ENOENT);
	make(GO_1_20, false);
	*at(TABLE + 7) = 4;
	assert_int_equal(open_file(), -ENOENT);
}

static void
a_header_that_points_out_of_the_file_is_refused(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 5; i++) {
		make(GO_1_20, false);
		put64(TABLE + 32 + 8 * i, 0x3000);
		assert_int_equal(open_file(), -ENOENT);
	}
	make(GO_1_20, false);
	put64(TABLE + 8, UINT64_C(1) << 40);
	assert_int_equal(open_file(), -ENOENT);
}

/* ---- spoiled tables */

static void
a_ring_of_inlined_calls_ends(void **state)
{
	(void)state;
	make(GO_1_20, false);
	assert_int_equal(open_file(), 0);
	assert_int_equal(name(TEXT + RING * FUNC_BYTES).n, CHAIN_MAX);
}

static void
a_name_outside_of_the_file_is_unknown(void **state)
{
	struct chain c;

	(void)state;
	make(GO_1_20, false);
	put32(TABLE + FUNCS + 0x200 + 4, 0x7fffffff);
	assert_int_equal(open_file(), 0);
	c = name(TEXT);
	assert_int_equal(c.n, 1);
	assert_null(c.frames[0].name);
	assert_string_equal(c.frames[0].file, "/src/main.go");
}

static void
values_that_end_early_leave_the_line_unknown(void **state)
{
	struct chain c;

	(void)state;
	make(GO_1_20, false);
	put32(TABLE + FUNCS + 0x200 + 4 + 20, 0x7fffffff);
	assert_int_equal(open_file(), 0);
	c = name(TEXT);
	assert_int_equal(c.n, 1);
	assert_string_equal(c.frames[0].name, "main.plain");
	assert_null(c.frames[0].file);
	assert_int_equal(c.frames[0].line, 0);
}

/* ---- rows */

static struct rows_writer rows;

static void
read_rows(void)
{
	make(GO_1_20, false);
	assert_int_equal(open_file(), 0);
	rows_writer_init(&rows);
	assert_int_equal(go_pclntab_rows(t.g, &rows, &t.why), FUNCTIONS);
	assert_true(rows.flags & ROWS_GO);
}

static void
assert_row(uint32_t func, uint32_t byte, enum row_rule rule, int cfa, uint8_t fp)
{
	uint32_t place = TEXT - BASE + func * FUNC_BYTES + byte;
	const struct row *row = NULL;

	for (size_t i = 0; i < rows.n; i++)
		if (rows.rows[i].place <= place && (!row || rows.rows[i].place >= row->place))
			row = &rows.rows[i];
	assert_non_null(row);
	assert_int_equal(row->rule, rule);
	if (rule == ROW_ROOT || rule == ROW_SIGNAL || rule == ROW_NONE)
		return;
	assert_int_equal(row->cfa, cfa);
	assert_int_equal(row->fp, fp);
}

static void
rows_follow_a_frame_made_by_a_push(void **state)
{
	(void)state;
	read_rows();
	assert_row(PLAIN, 0, ROW_SP, 1, ROW_FP_SAME);
	assert_row(PLAIN, 1, ROW_SP, 2, 2);
	assert_row(PLAIN, 20, ROW_SP, 4, 2);
	assert_row(PLAIN, 60, ROW_SP, 1, ROW_FP_SAME);
	rows_writer_fini(&rows);
}

static void
rows_follow_a_frame_made_by_a_subtraction(void **state)
{
	(void)state;
	read_rows();
	assert_row(OLD, 0, ROW_SP, 1, ROW_FP_SAME);
	assert_row(OLD, 4, ROW_SP, 4, ROW_FP_SAME); /* rbp is not saved yet */
	assert_row(OLD, 9, ROW_SP, 4, 2);
	rows_writer_fini(&rows);
}

static void
rows_know_where_stacks_are_switched_and_where_they_end(void **state)
{
	(void)state;
	read_rows();
	assert_row(GOEXIT, 1, ROW_ROOT, 0, 0);
	assert_row(MCALL, 30, ROW_ROOT, 0, 0);
	assert_row(SYSTEMSTACK, 0, ROW_SP, 1, ROW_FP_SAME);
	assert_row(SYSTEMSTACK, 1, ROW_SP, 2, 2);
	assert_row(SYSTEMSTACK, 4, ROW_SWITCH, 2, 2);
	assert_row(SIGRETURN, 0, ROW_SIGNAL, 0, 0);
	assert_row(MCALL, FUNC_BYTES - 1, ROW_SIGNAL, 0, 0); /* where a return address - 1 is looked up */
	assert_row(WRITES_SP, 8, ROW_NONE, 0, 0);
	assert_row(FUNCTIONS, 0, ROW_NONE, 0, 0);
	rows_writer_fini(&rows);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(a_function_has_its_name_file_line_and_start),
		TEST(inlined_calls_come_innermost_first),
		TEST(a_table_full_of_relocations_is_read_through_them),
		TEST(a_wrapper_is_left_out_where_it_called_something_inlined),
		TEST(a_wrapper_that_stands_alone_is_marked),
		TEST(outside_of_go_text_nothing_is_known),
		TEST(without_a_moduledata_the_elf_entry_tells_where_the_text_is),
		TEST(a_table_that_no_moduledata_points_to_is_passed_over_for_one_with),
		TEST(a_file_without_a_table_is_not_a_go_program),
		TEST(a_header_that_points_out_of_the_file_is_refused),
		TEST(a_ring_of_inlined_calls_ends),
		TEST(a_name_outside_of_the_file_is_unknown),
		TEST(values_that_end_early_leave_the_line_unknown),
		TEST(rows_follow_a_frame_made_by_a_push),
		TEST(rows_follow_a_frame_made_by_a_subtraction),
		TEST(rows_know_where_stacks_are_switched_and_where_they_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
