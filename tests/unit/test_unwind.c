#include "config.h"

#include "collector/unwind.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "collector/call_insn.h"

/*
 * A process made by hand: a program with rows, one without, JIT code, and a
 * stack. A sample copies a part of the stack; reads give what is there "now".
 */
#define PROGRAM    UINT64_C(0x400000) /* rows */
#define ASSEMBLY   UINT64_C(0x500000) /* mapped, with rows, but for 0x500000-0x501fff */
#define JIT        UINT64_C(0x600000)
#define GO         UINT64_C(0x700000)
#define MAP_SIZE   0x10000
#define STACK      UINT64_C(0x7fff00000000)
#define STACK_SIZE 0x40000

enum { MAIN_ROOT = 0x100, ROWS_PER_MAP = 64 };

static struct {
	struct unwind_map map;
	struct rows_head head;
	struct row row[ROWS_PER_MAP];
	int32_t wide[2];
	struct rows rows;
	unsigned char code[MAP_SIZE];
} maps[4];

static unsigned char stack[STACK_SIZE]; /* now */
static unsigned char copy[STACK_SIZE];  /* the sample's */
static struct unwind_sample sample;
static struct unwind_result got;
static unsigned int reads;
static struct unwind_cache cache;

static const struct unwind_map *
source_map(void *ctx, uint64_t addr)
{
	(void)ctx;
	for (size_t i = 0; i < 4; i++)
		if (addr >= maps[i].map.start && addr < maps[i].map.end)
			return &maps[i].map;
	return NULL;
}

static size_t
read_from(const unsigned char *bytes, uint64_t start, size_t size, uint64_t addr, void *to, size_t n)
{
	if (addr < start || addr - start >= size)
		return 0;
	if (n > size - (addr - start))
		n = size - (size_t)(addr - start);
	memcpy(to, bytes + (addr - start), n);
	return n;
}

static size_t
source_read(void *ctx, uint64_t addr, void *to, size_t n)
{
	size_t done = read_from(stack, STACK, STACK_SIZE, addr, to, n);

	(void)ctx;
	reads++;
	for (size_t i = 0; i < 4 && !done; i++)
		done = read_from(maps[i].code, maps[i].map.start, MAP_SIZE, addr, to, n);
	return done;
}

static size_t
map_of(uint64_t addr)
{
	return addr >= GO ? 3 : addr >= JIT ? 2 : addr >= ASSEMBLY ? 1 : 0;
}

/* From addr on. In the order of addresses. */
static void
row(uint64_t addr, enum row_rule rule, int cfa, uint8_t fp)
{
	size_t i = map_of(addr);
	uint64_t place = addr - maps[i].map.start + maps[i].map.pgoff;

	maps[i].row[maps[i].head.n_rows++] = (struct row){
		.place = (uint32_t)place, .cfa = (int16_t)cfa, .rule = (uint8_t)rule, .fp = fp
	};
}

static void
code(uint64_t addr, const char *bytes, size_t n)
{
	size_t i = map_of(addr);

	memcpy(maps[i].code + (addr - maps[i].map.start), bytes, n);
}

#define CODE(addr, bytes) code(addr, bytes, sizeof(bytes) - 1)

/* A direct call that returns to `ret`. */
static uint64_t
call(uint64_t ret, uint64_t function)
{
	int32_t rel = (int32_t)(function - ret);
	char insn[5] = { (char)0xe8 };

	memcpy(insn + 1, &rel, 4);
	code(ret - 5, insn, 5);
	return ret;
}

static void
word(uint64_t addr, uint64_t value)
{
	memcpy(stack + (addr - STACK), &value, sizeof(value));
}

static int
fresh(void **state)
{
	static const uint64_t starts[] = { PROGRAM, ASSEMBLY, JIT, GO };

	(void)state;
	memset(maps, 0, sizeof(maps));
	memset(stack, 0, sizeof(stack));
	memset(&sample, 0, sizeof(sample));
	memset(&cache, 0, sizeof(cache));
	reads = 0;
	for (size_t i = 0; i < 4; i++) {
		maps[i].map = (struct unwind_map){
			.id = (uint32_t)i + 1,
			.start = starts[i],
			.end = starts[i] + MAP_SIZE,
			.pgoff = 0x1000 * i,
		};
		maps[i].rows =
			(struct rows){ .head = &maps[i].head, .row = maps[i].row, .wide = maps[i].wide };
		maps[i].head.n_wide = 2;
		maps[i].map.rows = &maps[i].rows;
	}
	maps[2].map.rows = NULL;
	maps[2].map.jit = true;
	maps[3].head.flags = ROWS_GO;
	sample.reg[UNWIND_SP] = STACK + 0x100;
	row(PROGRAM, ROW_ROOT, 0, 0); /* _start: 0x400000-0x400fff */
	return 0;
}

/* Copy n bytes from sp up, and unwind. */
static void
unwind(size_t n)
{
	const struct unwind_source from = { .map = source_map, .read = source_read, .cache = &cache };
	uint64_t at = sample.reg[UNWIND_SP] - STACK;

	if (n) {
		memcpy(copy, stack + at, n);
		sample.stack = copy;
		sample.stack_bytes = n;
	}
	unwind_stack(&from, &sample, &got);
}

static void
expect_frames(enum unwind_end end, const uint64_t *addr, size_t n)
{
	for (size_t i = 0; i < n || i < got.n; i++)
		if (i >= n || i >= got.n || got.frames[i].addr != addr[i] ||
		    got.frames[i].map != map_of(addr[i]) + 1)
			fail_msg("frame %zu is 0x%lx, expected 0x%lx", i,
				 i < got.n ? (long)got.frames[i].addr : 0L, i < n ? (long)addr[i] : 0L);
	assert_int_equal(got.end, end);
}

#define EXPECT(end, ...)                                                                                   \
	do {                                                                                               \
		static const uint64_t addr_[] = { __VA_ARGS__ };                                           \
		expect_frames(end, addr_, sizeof(addr_) / sizeof(*addr_));                                 \
	} while (0)

#define IP       sample.reg[UNWIND_IP]
#define SP       sample.reg[UNWIND_SP]
#define FP       sample.reg[UNWIND_FP]
#define ROOT_RET (PROGRAM + MAIN_ROOT)

/* ---- rows */

static void
a_row_by_sp_leads_to_the_caller(void **state)
{
	(void)state;
	row(PROGRAM + 0x1000, ROW_SP, 3, ROW_FP_SAME);
	IP = PROGRAM + 0x1234;
	word(SP + 16, ROOT_RET);
	unwind(64);
	EXPECT(UNWIND_ROOT, PROGRAM + 0x1234, ROOT_RET - 1);
	assert_false(got.late || got.guessed);
	assert_int_equal(reads, 0);
}

static void
a_row_by_fp_leads_to_the_caller_and_its_fp(void **state)
{
	(void)state;
	row(PROGRAM + 0x1000, ROW_FP, 2, 2);
	IP = PROGRAM + 0x1000;
	FP = SP + 0x20;
	word(FP, SP + 0x50);
	word(FP + 8, PROGRAM + 0x1100);
	word(SP + 0x50 + 8, ROOT_RET);
	unwind(0x80);
	EXPECT(UNWIND_ROOT, PROGRAM + 0x1000, PROGRAM + 0x10ff, ROOT_RET - 1);
}

static void
a_call_may_be_the_last_instruction(void **state)
{
	(void)state;
	row(PROGRAM + 0x1000, ROW_SP, 1, 0);
	row(PROGRAM + 0x1100, ROW_SP, 2, 0); /* calls, never returns; ends at 0x1200 */
	row(PROGRAM + 0x1200, ROW_NONE, 0, 0);
	IP = PROGRAM + 0x1000;
	word(SP, PROGRAM + 0x1200);
	word(SP + 16, ROOT_RET);
	unwind(64);
	EXPECT(UNWIND_ROOT, PROGRAM + 0x1000, PROGRAM + 0x11ff, ROOT_RET - 1);
}

static void
a_leaf_at_a_functions_start_is_looked_up_as_it_is(void **state)
{
	(void)state;
	row(PROGRAM + 0x1000, ROW_SP, 9, 0);
	row(PROGRAM + 0x1100, ROW_SP, 1, 0);
	IP = PROGRAM + 0x1100;
	word(SP, ROOT_RET);
	unwind(0x80);
	EXPECT(UNWIND_ROOT, PROGRAM + 0x1100, ROOT_RET - 1);
}

static void
a_realigned_stack_is_left_through_its_saved_pointer(void **state)
{
	(void)state;
	row(PROGRAM + 0x1000, ROW_FP_DEREF, -2 * 16, ROW_FP_HERE);
	row(PROGRAM + 0x2000, ROW_FP, 2, 2);
	IP = PROGRAM + 0x1000;
	FP = SP + 0x40;
	word(FP, SP + 0xa0);      /* the caller's rbp */
	word(FP - 16, SP + 0x80); /* the CFA */
	word(SP + 0x78, PROGRAM + 0x2010);
	word(SP + 0xa8, ROOT_RET);
	unwind(0x100);
	EXPECT(UNWIND_ROOT, PROGRAM + 0x1000, PROGRAM + 0x200f, ROOT_RET - 1);
}

static void
assembly_that_keeps_the_old_sp_is_left_through_it(void **state)
{
	(void)state;
	row(PROGRAM + 0x1000, ROW_SP_DEREF, 3 * 16 + 1, ROW_FP_SAME);
	IP = PROGRAM + 0x1000;
	word(SP + 24, SP + 0x60);
	word(SP + 0x60, ROOT_RET);
	unwind(0x100);
	EXPECT(UNWIND_ROOT, PROGRAM + 0x1000, ROOT_RET - 1);
}

static void
other_registers_are_known_in_the_leaf_only(void **state)
{
	(void)state;
	row(PROGRAM + 0x1000, ROW_REG, 10 << 8 | 2, ROW_FP_SAME);
	row(PROGRAM + 0x2000, ROW_SP, 1, 0);
	IP = PROGRAM + 0x1000;
	sample.reg[10] = SP + 0x30;
	word(SP + 0x38, ROOT_RET);
	unwind(0x100);
	EXPECT(UNWIND_ROOT, PROGRAM + 0x1000, ROOT_RET - 1);

	IP = PROGRAM + 0x2000;
	word(SP, PROGRAM + 0x1010);
	word(SP + 0x38, 0);
	unwind(0x100);
	EXPECT(UNWIND_NO_RULE, PROGRAM + 0x2000, PROGRAM + 0x100f);
}

static void
a_negative_offset_from_a_register_is_one(void **state)
{
	(void)state;
	row(PROGRAM + 0x1000, ROW_REG, 4 << 8 | (uint8_t)-2, ROW_FP_SAME);
	IP = PROGRAM + 0x1000;
	sample.reg[4] = SP + 0x30;
	word(SP + 0x18, ROOT_RET);
	unwind(0x100);
	EXPECT(UNWIND_ROOT, PROGRAM + 0x1000, ROOT_RET - 1);
}

static void
wide_frames_are_left(void **state)
{
	(void)state;
	maps[0].wide[1] = 0x8010;
	row(PROGRAM + 0x1000, ROW_SP_WIDE, 1, ROW_FP_SAME);
	row(PROGRAM + 0x2000, ROW_FP_WIDE, 1, ROW_FP_SAME);
	row(PROGRAM + 0x3000, ROW_SP_WIDE, 2, ROW_FP_SAME); /* no such entry */
	IP = PROGRAM + 0x1000;
	word(SP + 0x8008, PROGRAM + 0x2010);
	FP = SP + 0x8000;
	word(SP + 0x10008, PROGRAM + 0x3010);
	unwind(0x18000);
	EXPECT(UNWIND_NO_RULE, PROGRAM + 0x1000, PROGRAM + 0x200f, PROGRAM + 0x300f);
}

static void
a_plt_entry_pushes_on_its_way(void **state)
{
	(void)state;
	row(PROGRAM + 0x1000, ROW_PLT, 11, ROW_FP_SAME);
	IP = PROGRAM + 0x1020;
	word(SP, ROOT_RET);
	unwind(64);
	EXPECT(UNWIND_ROOT, PROGRAM + 0x1020, ROOT_RET - 1);
	IP = PROGRAM + 0x102b;
	word(SP, 5);
	word(SP + 8, ROOT_RET);
	unwind(64);
	EXPECT(UNWIND_ROOT, PROGRAM + 0x102b, ROOT_RET - 1);
}

static void
a_lost_fp_stops_only_those_who_need_it(void **state)
{
	(void)state;
	row(PROGRAM + 0x1000, ROW_SP, 1, ROW_FP_LOST);
	row(PROGRAM + 0x2000, ROW_SP, 1, ROW_FP_SAME);
	row(PROGRAM + 0x3000, ROW_FP, 2, 2);
	IP = PROGRAM + 0x1000;
	FP = SP + 0x20;
	word(SP, PROGRAM + 0x2010);
	word(SP + 8, PROGRAM + 0x3010);
	unwind(0x100);
	EXPECT(UNWIND_NO_RULE, PROGRAM + 0x1000, PROGRAM + 0x200f, PROGRAM + 0x300f);
}

/* ---- ends */

static void
a_return_address_of_zero_ends_the_stack(void **state)
{
	(void)state;
	row(PROGRAM + 0x1000, ROW_SP, 1, 0);
	IP = PROGRAM + 0x1000;
	unwind(64);
	EXPECT(UNWIND_ROOT, PROGRAM + 0x1000);
}

static void
a_return_address_outside_every_mapping_is_told(void **state)
{
	(void)state;
	row(PROGRAM + 0x1000, ROW_SP, 1, 0);
	IP = PROGRAM + 0x1000;
	word(SP, 0x123456);
	unwind(64);
	EXPECT(UNWIND_NO_MAP, PROGRAM + 0x1000);
}

static void
a_leaf_outside_every_mapping_gives_no_frame(void **state)
{
	(void)state;
	IP = 0x10;
	unwind(64);
	assert_int_equal(got.n, 0);
	assert_int_equal(got.end, UNWIND_NO_MAP);
}

static void
a_call_to_nowhere_names_its_caller(void **state)
{
	(void)state;
	row(PROGRAM + 0x1000, ROW_SP, 2, 0);
	CODE(PROGRAM + 0x1010 - 2, "\xff\xd0");
	IP = 0;
	word(SP, PROGRAM + 0x1010);
	word(SP + 16, ROOT_RET);
	unwind(64);
	EXPECT(UNWIND_ROOT, PROGRAM + 0x100f, ROOT_RET - 1);
}

static void
a_stack_that_does_not_move_up_is_a_loop(void **state)
{
	(void)state;
	row(PROGRAM + 0x1000, ROW_SP, 0, 0);
	IP = PROGRAM + 0x1000;
	unwind(64);
	EXPECT(UNWIND_LOOP, PROGRAM + 0x1000);
}

static void
the_512th_frame_is_the_last(void **state)
{
	(void)state;
	row(PROGRAM + 0x1000, ROW_SP, 2, 0);
	IP = PROGRAM + 0x1000;
	for (uint64_t a = SP; a < STACK + 0x8000; a += 16)
		word(a + 8, PROGRAM + 0x1010);
	unwind(0x7000);
	assert_int_equal(got.n, UNWIND_FRAMES_MAX);
	assert_int_equal(got.end, UNWIND_DEPTH);
	assert_int_equal(got.frames[UNWIND_FRAMES_MAX - 1].addr, PROGRAM + 0x100f);
	/* exactly as many are not too many */
	word(SP + 16 * (UNWIND_FRAMES_MAX - 2) + 8, ROOT_RET);
	unwind(0x7000);
	assert_int_equal(got.n, UNWIND_FRAMES_MAX);
	assert_int_equal(got.end, UNWIND_ROOT);
}

/* ---- signals */

static void
signal_frame(uint64_t at, uint64_t ip, uint64_t sp, uint64_t fp)
{
	word(at + 40 + 8 * 16, ip);
	word(at + 40 + 8 * 15, sp);
	word(at + 40 + 8 * 10, fp);
}

static void
what_a_signal_interrupted_is_found_with_all_registers(void **state)
{
	(void)state;
	row(PROGRAM + 0x1000, ROW_SP, 2, 0);     /* the handler */
	row(PROGRAM + 0x1fff, ROW_SIGNAL, 0, 0); /* the trampoline, from the byte in front of it */
	row(PROGRAM + 0x2010, ROW_SP, 1, 0);
	row(PROGRAM + 0x3000, ROW_REG, 12 << 8, 0);
	IP = PROGRAM + 0x1000;
	word(SP + 8, PROGRAM + 0x2000);
	signal_frame(SP + 16, PROGRAM + 0x3000, SP + 0x300, 0);
	word(SP + 16 + 40 + 8 * 4, SP + 0x340); /* r12 */
	word(SP + 0x338, ROOT_RET);
	unwind(0x400);
	/* the interrupted address is its own, not a return address */
	EXPECT(UNWIND_ROOT, PROGRAM + 0x1000, PROGRAM + 0x1fff, PROGRAM + 0x3000, ROOT_RET - 1);
}

static void
a_trampoline_without_a_row_is_known_by_its_code(void **state)
{
	(void)state;
	row(PROGRAM + 0x1000, ROW_SP, 1, 0);
	row(PROGRAM + 0x2000, ROW_NONE, 0, 0);
	row(PROGRAM + 0x3000, ROW_SP, 1, 0);
	CODE(PROGRAM + 0x2100, "\x48\xc7\xc0\x0f\x00\x00\x00\x0f\x05");
	IP = PROGRAM + 0x1000;
	word(SP, PROGRAM + 0x2100);
	signal_frame(SP + 8, PROGRAM + 0x3000, SP + 0x300, 0);
	word(SP + 0x300, ROOT_RET);
	unwind(0x400);
	EXPECT(UNWIND_ROOT, PROGRAM + 0x1000, PROGRAM + 0x20ff, PROGRAM + 0x3000, ROOT_RET - 1);
	assert_false(got.guessed);
}

static void
a_handler_on_its_own_stack_leads_to_the_other(void **state)
{
	uint64_t other = STACK + 0x20000;

	(void)state;
	row(PROGRAM + 0x1000, ROW_SP, 1, 0);
	row(PROGRAM + 0x1fff, ROW_SIGNAL, 0, 0);
	row(PROGRAM + 0x3000, ROW_SP, 1, 0);
	IP = PROGRAM + 0x1000;
	word(SP, PROGRAM + 0x2000);
	signal_frame(SP + 8, PROGRAM + 0x3000, other, 0);
	word(other, ROOT_RET);
	unwind(0x400);
	EXPECT(UNWIND_ROOT, PROGRAM + 0x1000, PROGRAM + 0x1fff, PROGRAM + 0x3000, ROOT_RET - 1);
	assert_true(got.late);
	/* another signal since: the other stack may be anything now */
	signal_frame(SP + 8, PROGRAM + 0x3000, other + 64, 0);
	unwind(0);
	EXPECT(UNWIND_MEMORY, PROGRAM + 0x1000, PROGRAM + 0x1fff, PROGRAM + 0x3000);
}

/* ---- late words */

static void
two_frames_with_a_gap(void)
{
	row(PROGRAM + 0x1000, ROW_SP, 1, 0);
	row(PROGRAM + 0x2000, ROW_SP, 0x800, 0); /* 16 KB */
	IP = PROGRAM + 0x1000;
	word(SP, PROGRAM + 0x2010);
	word(SP + 0x4000, ROOT_RET);
}

static void
a_word_beyond_the_copy_is_read_late(void **state)
{
	(void)state;
	two_frames_with_a_gap();
	unwind(0x400);
	EXPECT(UNWIND_ROOT, PROGRAM + 0x1000, PROGRAM + 0x200f, ROOT_RET - 1);
	assert_true(got.late);
	/* the anchor, the pages of the gap (to be whole the next time), the word */
	assert_in_range(reads, 3, 8);
}

static void
a_late_word_counts_only_while_the_frames_below_stand(void **state)
{
	(void)state;
	two_frames_with_a_gap();
	unwind(0x400);
	word(SP, PROGRAM + 0x2018); /* the caller has called somebody else since */
	unwind(0);
	EXPECT(UNWIND_MEMORY, PROGRAM + 0x1000, PROGRAM + 0x200f);
	assert_false(got.late);
}

static void
without_a_copy_nothing_vouches(void **state)
{
	(void)state;
	two_frames_with_a_gap();
	unwind(0);
	EXPECT(UNWIND_MEMORY, PROGRAM + 0x1000);
}

static void
memory_that_is_gone_ends_the_walk(void **state)
{
	(void)state;
	row(PROGRAM + 0x1000, ROW_SP, 0x7fff, 0); /* 256 KB: past the stack's end */
	IP = PROGRAM + 0x1000;
	SP += 0x8000;
	unwind(0x400);
	EXPECT(UNWIND_MEMORY, PROGRAM + 0x1000);
}

static void
a_late_zero_is_no_root(void **state)
{
	(void)state;
	two_frames_with_a_gap();
	word(SP + 0x4000, 0);
	unwind(0x400);
	EXPECT(UNWIND_MEMORY, PROGRAM + 0x1000, PROGRAM + 0x200f);
}

/* ---- frame pointers */

#define PROLOGUE "\x55\x48\x89\xe5"

static void
jit_code(void)
{
	for (uint64_t a = JIT; a < JIT + MAP_SIZE; a += 0x400)
		code(a, PROLOGUE, 4);
	call(JIT + 0x110, JIT + 0x400);
	row(PROGRAM + 0x1000, ROW_SP, 1, 0);
	call(PROGRAM + 0x1010, JIT);
}

static void
jit_frames_are_linked_by_frame_pointers(void **state)
{
	(void)state;
	jit_code();
	IP = JIT + 0x480;
	FP = SP + 0x20;
	word(FP, SP + 0x50);
	word(FP + 8, JIT + 0x110);
	word(SP + 0x50, 0x1234);
	word(SP + 0x58, PROGRAM + 0x1010);
	word(SP + 0x60, ROOT_RET);
	unwind(0x80);
	EXPECT(UNWIND_ROOT, JIT + 0x480, JIT + 0x10f, PROGRAM + 0x100f, ROOT_RET - 1);
	assert_false(got.guessed);
}

static void
the_known_ends_of_a_frame_pointer_chain_are_roots(void **state)
{
	(void)state;
	jit_code();
	IP = JIT + 0x480;
	FP = SP + 0x20;
	unwind(0x80);
	EXPECT(UNWIND_ROOT, JIT + 0x480);
	FP = 0;
	unwind(0x80);
	EXPECT(UNWIND_ROOT, JIT + 0x480);
}

static void
a_leaf_whose_frame_does_not_stand_yet_keeps_its_caller(void **state)
{
	static const struct {
		const char *code;
		uint64_t ip, words;
	} edges[] = {
		{ PROLOGUE, 0, 0 },
		{ PROLOGUE, 1, 1 },
		{ "\xc3", 0, 0 },
		{ "\xf3\x0f\x1e\xfa" PROLOGUE, 0, 0 },
	};

	for (size_t i = 0; i < sizeof(edges) / sizeof(*edges); i++) {
		fresh(state);
		jit_code();
		code(JIT + 0x800, edges[i].code, strlen(edges[i].code));
		IP = JIT + 0x800 + edges[i].ip;
		FP = SP + 0x50;
		word(SP, SP + 0x50); /* pushed, where it was */
		word(SP + 8 * edges[i].words, JIT + 0x110);
		word(SP + 0x58, PROGRAM + 0x1010);
		word(SP + 0x60, ROOT_RET);
		unwind(0x80);
		assert_int_equal(got.end, UNWIND_ROOT);
		assert_int_equal(got.n, 4);
		assert_int_equal(got.frames[1].addr, JIT + 0x10f);
	}
}

static void
go_code_without_rows_is_linked_by_frame_pointers(void **state)
{
	(void)state;
	row(GO, ROW_NONE, 0, 0);
	row(GO + 0x1000, ROW_ROOT, 0, 0);
	call(GO + 0x1010, GO);
	IP = GO + 0x100;
	FP = SP + 0x20;
	word(FP + 8, GO + 0x1010);
	unwind(0x80);
	EXPECT(UNWIND_ROOT, GO + 0x100, GO + 0x100f);
	assert_false(got.guessed);
}

static void
a_program_of_frame_pointers_without_tables_needs_no_guess(void **state)
{
	(void)state;
	row(ASSEMBLY, ROW_NONE, 0, 0);
	row(ASSEMBLY + 0x2000, ROW_SP, 1, 0);
	for (uint64_t a = ASSEMBLY; a < ASSEMBLY + 0x2000; a += 0x200)
		code(a, PROLOGUE, 4);
	row(PROGRAM + 0x1000, ROW_SP, 1, 0);
	call(PROGRAM + 0x1010, ASSEMBLY + 0x200);
	CODE(PROGRAM + 0x1020 - 2, "\xff\xd0");
	IP = ASSEMBLY + 0x280;
	FP = SP + 0x20;
	word(SP + 8, PROGRAM + 0x1020); /* nearer, but old */
	word(FP + 8, PROGRAM + 0x1010);
	word(FP + 16, ROOT_RET);
	unwind(0x80);
	EXPECT(UNWIND_ROOT, ASSEMBLY + 0x280, PROGRAM + 0x100f, ROOT_RET - 1);
	assert_false(got.guessed);
}

/* ---- guesses */

/* A caller with rows in PROGRAM + 0x1000 (its frame: one word), assembly without at ASSEMBLY. */
static void
assembly_code(void)
{
	row(ASSEMBLY, ROW_NONE, 0, 0);
	row(ASSEMBLY + 0x2000, ROW_SP, 1, 0);
	row(PROGRAM + 0x1000, ROW_SP, 2, 0);
	row(PROGRAM + 0x2000, ROW_SP, 2, 0);
	IP = ASSEMBLY + 0x180;
	FP = 0x5555;
}

static void
assembly_is_left_by_the_nearest_word_behind_a_call_to_it(void **state)
{
	(void)state;
	assembly_code();
	word(SP, PROGRAM + 0x1100);                             /* code, but behind no call */
	word(SP + 8, call(PROGRAM + 0x1200, PROGRAM + 0x2004)); /* a call to somebody else */
	word(SP + 16, call(PROGRAM + 0x1300, ASSEMBLY + 0x100));
	word(SP + 16 + 16, ROOT_RET);
	unwind(0x100);
	EXPECT(UNWIND_ROOT, ASSEMBLY + 0x180, PROGRAM + 0x12ff, ROOT_RET - 1);
	assert_true(got.guessed);
}

static void
a_guess_that_leads_nowhere_gives_way_to_the_next(void **state)
{
	(void)state;
	assembly_code();
	CODE(PROGRAM + 0x1200 - 3, "\xff\x53\x18");
	word(SP + 8, PROGRAM + 0x1200); /* old: its caller would be 0x99 */
	word(SP + 24, 0x99);
	word(SP + 32, call(PROGRAM + 0x1300, ASSEMBLY + 0x100));
	word(SP + 48, ROOT_RET);
	unwind(0x100);
	EXPECT(UNWIND_ROOT, ASSEMBLY + 0x180, PROGRAM + 0x12ff, ROOT_RET - 1);
	assert_true(got.guessed);
}

static void
without_a_guess_that_leads_to_the_root_the_leaf_stands_alone(void **state)
{
	(void)state;
	assembly_code();
	word(SP + 8, call(PROGRAM + 0x1300, ASSEMBLY + 0x100));
	word(SP + 24, 0x99);
	unwind(0x100);
	EXPECT(UNWIND_NO_RULE, ASSEMBLY + 0x180);
	assert_false(got.guessed);
}

static void
a_guess_may_need_another_below_it(void **state)
{
	(void)state;
	assembly_code();
	/* assembly calls assembly; an old word in between looks good until its caller is asked for */
	word(SP, call(ASSEMBLY + 0x1010, ASSEMBLY + 0x100));
	CODE(PROGRAM + 0x1200 - 2, "\xff\xd3");
	word(SP + 16, PROGRAM + 0x1200);
	word(SP + 32, 0x99);
	word(SP + 40, call(PROGRAM + 0x1300, ASSEMBLY + 0x1000));
	word(SP + 56, ROOT_RET);
	unwind(0x100);
	EXPECT(UNWIND_ROOT, ASSEMBLY + 0x180, ASSEMBLY + 0x100f, PROGRAM + 0x12ff, ROOT_RET - 1);
}

static void
a_call_through_the_plt_leads_to_assembly(void **state)
{
	uint64_t slot = PROGRAM + 0x8000, stub = PROGRAM + 0x3000, where = ASSEMBLY + 0x100;
	int32_t rel = (int32_t)(slot - (stub + 4 + 6));

	(void)state;
	assembly_code();
	CODE(stub, "\xf3\x0f\x1e\xfa\xff\x25");
	code(stub + 6, (const char *)&rel, 4);
	code(slot, (const char *)&where, 8);
	word(SP + 8, call(PROGRAM + 0x1300, stub));
	word(SP + 24, ROOT_RET);
	unwind(0x100);
	EXPECT(UNWIND_ROOT, ASSEMBLY + 0x180, PROGRAM + 0x12ff, ROOT_RET - 1);
	/* the slot of another function: another stub */
	where = PROGRAM + 0x2000;
	code(slot, (const char *)&where, 8);
	unwind(0x100);
	EXPECT(UNWIND_NO_RULE, ASSEMBLY + 0x180);
}

static void
a_call_through_a_slot_leads_to_what_it_holds(void **state)
{
	uint64_t slot = PROGRAM + 0x8000, where = ASSEMBLY + 0x100;
	int32_t rel = (int32_t)(slot - (PROGRAM + 0x1300));

	(void)state;
	assembly_code();
	CODE(PROGRAM + 0x1300 - 6, "\xff\x15");
	code(PROGRAM + 0x1300 - 4, (const char *)&rel, 4);
	code(slot, (const char *)&where, 8);
	word(SP + 8, PROGRAM + 0x1300);
	word(SP + 24, ROOT_RET);
	unwind(0x100);
	EXPECT(UNWIND_ROOT, ASSEMBLY + 0x180, PROGRAM + 0x12ff, ROOT_RET - 1);
}

static void
a_tail_call_leads_to_assembly(void **state)
{
	(void)state;
	assembly_code();
	row(PROGRAM + 0x3000, ROW_SP, 1, 0); /* its frame is gone at the jump */
	CODE(PROGRAM + 0x3010, "\xff\x60\x18");
	word(SP + 8, call(PROGRAM + 0x1300, PROGRAM + 0x3000));
	word(SP + 24, ROOT_RET);
	unwind(0x100);
	EXPECT(UNWIND_ROOT, ASSEMBLY + 0x180, PROGRAM + 0x12ff, ROOT_RET - 1);
}

static void
a_frame_pointer_pushed_by_assembly_is_found(void **state)
{
	(void)state;
	assembly_code();
	row(PROGRAM + 0x3000, ROW_FP, 2, 2);
	word(SP + 8, SP + 0x40); /* push %rbp */
	word(SP + 16, 7);        /* push %rbx, before */
	word(SP + 24, call(PROGRAM + 0x3300, ASSEMBLY + 0x100));
	word(SP + 0x48, ROOT_RET);
	unwind(0x100);
	EXPECT(UNWIND_ROOT, ASSEMBLY + 0x180, PROGRAM + 0x32ff, ROOT_RET - 1);
}

static void
the_process_begins_where_a_row_says_so(void **state)
{
	(void)state;
	assembly_code();
	/* _start calls a function that jumps on into code without tables: nothing ties it to us */
	word(SP + 8, call(ROOT_RET, PROGRAM + 0x5000));
	row(PROGRAM + 0x5000, ROW_NONE, 0, 0);
	unwind(0x100);
	EXPECT(UNWIND_ROOT, ASSEMBLY + 0x180, ROOT_RET - 1);
}

static void
a_thread_begins_where_it_will_end(void **state)
{
	(void)state;
	assembly_code();
	CODE(ASSEMBLY + 0x1010 - 3, "\x41\xff\xd1\x89\xc7\x31\xc0\xb0\x3c\x0f\x05"); /* musl's __clone */
	word(SP + 8, ASSEMBLY + 0x1010);
	unwind(0x100);
	EXPECT(UNWIND_ROOT, ASSEMBLY + 0x180, ASSEMBLY + 0x100f);
}

static void
a_guess_that_came_far_by_rows_stands(void **state)
{
	(void)state;
	assembly_code();
	row(PROGRAM + 0x7000, ROW_NONE, 0, 0);
	word(SP + 8, call(PROGRAM + 0x1300, ASSEMBLY + 0x100));
	word(SP + 24, PROGRAM + 0x1410);
	word(SP + 40, PROGRAM + 0x1510);
	word(SP + 56, PROGRAM + 0x7010); /* a libc without tables */
	unwind(0x100);
	EXPECT(UNWIND_NO_RULE, ASSEMBLY + 0x180, PROGRAM + 0x12ff, PROGRAM + 0x140f, PROGRAM + 0x150f,
	       PROGRAM + 0x700f);
	assert_true(got.guessed);
}

static void
guesses_that_lead_nowhere_become_rare(void **state)
{
	unsigned int before;

	(void)state;
	assembly_code();
	call(PROGRAM + 0x1300, ASSEMBLY + 0x100);
	for (uint64_t a = SP; a < STACK + 0x8000; a += 8)
		word(a, PROGRAM + 0x1300); /* odd frames: none has a root */
	unwind(0x4000);
	before = reads;
	for (int i = 0; i < 100; i++)
		unwind(0x4000);
	assert_true(reads - before < 100 * 200);
}

static void
work_for_guesses_has_an_end(void **state)
{
	(void)state;
	assembly_code();
	call(PROGRAM + 0x1300, ASSEMBLY + 0x100);
	for (uint64_t a = SP; a < STACK + STACK_SIZE; a += 8)
		word(a, PROGRAM + 0x1300); /* each a candidate, with 500 frames behind it */
	unwind(0x30000);
	assert_true(got.n > 0);
	assert_true(reads < 20000);
}

static void
a_hostile_table_gives_wrong_frames_and_nothing_else(void **state)
{
	uint32_t seed = 1;

	(void)state;
	for (int round = 0; round < 2000; round++) {
		fresh(NULL);
		for (size_t i = 0; i < 4; i++) {
			maps[i].head.n_rows = ROWS_PER_MAP;
			for (size_t j = 0; j < sizeof(maps[i].row); j++)
				((unsigned char *)maps[i].row)[j] =
					(unsigned char)((seed = seed * 1103515245 + 12345) >> 16);
			for (size_t j = 0; j < ROWS_PER_MAP; j++) {
				maps[i].row[j].rule %= ROW_RULES + 2;
				maps[i].row[j].place %= MAP_SIZE;
			}
		}
		for (uint64_t a = STACK; a < STACK + 0x2000; a += 8) {
			seed = seed * 1103515245 + 12345;
			word(a, seed & 0x10000 ? PROGRAM + (seed >> 8) % 0x400000
					       : STACK + (seed >> 8) % STACK_SIZE);
		}
		for (size_t i = 0; i < UNWIND_REGS; i++)
			sample.reg[i] = STACK + (seed = seed * 1103515245 + 12345) % 0x1000;
		IP = PROGRAM + seed % 0x400000;
		unwind(0x800);
		assert_true(got.n <= UNWIND_FRAMES_MAX);
	}
}

static void
the_cache_forgets_what_had_no_rows_yet(void **state)
{
	(void)state;
	row(PROGRAM + 0x1000, ROW_SP, 1, 0);
	IP = PROGRAM + 0x1000;
	word(SP, ROOT_RET);
	maps[0].map.rows = NULL;
	unwind(64);
	EXPECT(UNWIND_NO_RULE, PROGRAM + 0x1000);
	maps[0].map.rows = &maps[0].rows;
	unwind(64);
	EXPECT(UNWIND_ROOT, PROGRAM + 0x1000, ROOT_RET - 1);
}

/* ---- call instructions */

static void
calls_are_known_by_their_last_bytes(void **state)
{
	static const struct {
		unsigned char before[CALL_INSN_MAX];
		enum call_insn direct, indirect;
	} forms[] = {
		{ { 0x90, 0x90, 0xe8, 0x10, 0, 0, 0 }, CALL_DIRECT, CALL_NONE },
		{ { 0x90, 0x90, 0x90, 0x90, 0x90, 0xff, 0xd0 }, CALL_NONE, CALL_ANYWHERE }, /* *%rax */
		{ { 0x90, 0x90, 0x90, 0x90, 0x41, 0xff, 0xd4 }, CALL_NONE, CALL_ANYWHERE }, /* *%r12 */
		{ { 0x90, 0x90, 0x90, 0x90, 0x90, 0xff, 0x10 }, CALL_NONE, CALL_ANYWHERE }, /* *(%rax) */
		{ { 0x90, 0x90, 0x90, 0x90, 0xff, 0x50, 0x18 }, CALL_NONE, CALL_ANYWHERE }, /* *24(%rax) */
		{ { 0x90, 0x90, 0x90, 0x90, 0xff, 0x14, 0xc8 },
		  CALL_NONE,
		  CALL_ANYWHERE }, /* *(%rax,%rcx,8) */
		{ { 0x90, 0x90, 0x90, 0xff, 0x54, 0x24, 0x08 }, CALL_NONE, CALL_ANYWHERE }, /* *8(%rsp) */
		{ { 0x90, 0xff, 0x93, 0xf8, 0x01, 0, 0 }, CALL_NONE, CALL_ANYWHERE },       /* *504(%rbx) */
		{ { 0xff, 0x94, 0xcb, 0xd8, 0x0e, 0, 0 },
		  CALL_NONE,
		  CALL_ANYWHERE }, /* *3800(%rbx,%rcx,8) */
		{ { 0xff, 0x14, 0x25, 0x00, 0x10, 0, 0 }, CALL_NONE, CALL_ANYWHERE },   /* *0x1000 */
		{ { 0x90, 0xff, 0x15, 0x20, 0, 0, 0 }, CALL_NONE, CALL_SLOT },          /* *32(%rip) */
		{ { 0x90, 0x90, 0x90, 0x90, 0x90, 0xff, 0xe0 }, CALL_NONE, CALL_NONE }, /* jmp *%rax */
		{ { 0x90, 0x90, 0x90, 0x90, 0x90, 0xff, 0x50 }, CALL_NONE, CALL_NONE }, /* cut off */
		{ { 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90 }, CALL_NONE, CALL_NONE },
	};
	uint64_t where = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++) {
		assert_int_equal(call_insn_direct(forms[i].before, 0x1000, &where), forms[i].direct);
		if (forms[i].direct == CALL_DIRECT)
			assert_int_equal(where, 0x1010);
		assert_int_equal(call_insn_indirect(forms[i].before, 0x1000, &where), forms[i].indirect);
		if (forms[i].indirect == CALL_SLOT)
			assert_int_equal(where, 0x1020);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_row_by_sp_leads_to_the_caller, fresh),
		cmocka_unit_test_setup(a_row_by_fp_leads_to_the_caller_and_its_fp, fresh),
		cmocka_unit_test_setup(a_call_may_be_the_last_instruction, fresh),
		cmocka_unit_test_setup(a_leaf_at_a_functions_start_is_looked_up_as_it_is, fresh),
		cmocka_unit_test_setup(a_realigned_stack_is_left_through_its_saved_pointer, fresh),
		cmocka_unit_test_setup(assembly_that_keeps_the_old_sp_is_left_through_it, fresh),
		cmocka_unit_test_setup(other_registers_are_known_in_the_leaf_only, fresh),
		cmocka_unit_test_setup(a_negative_offset_from_a_register_is_one, fresh),
		cmocka_unit_test_setup(wide_frames_are_left, fresh),
		cmocka_unit_test_setup(a_plt_entry_pushes_on_its_way, fresh),
		cmocka_unit_test_setup(a_lost_fp_stops_only_those_who_need_it, fresh),
		cmocka_unit_test_setup(a_return_address_of_zero_ends_the_stack, fresh),
		cmocka_unit_test_setup(a_return_address_outside_every_mapping_is_told, fresh),
		cmocka_unit_test_setup(a_leaf_outside_every_mapping_gives_no_frame, fresh),
		cmocka_unit_test_setup(a_call_to_nowhere_names_its_caller, fresh),
		cmocka_unit_test_setup(a_stack_that_does_not_move_up_is_a_loop, fresh),
		cmocka_unit_test_setup(the_512th_frame_is_the_last, fresh),
		cmocka_unit_test_setup(what_a_signal_interrupted_is_found_with_all_registers, fresh),
		cmocka_unit_test_setup(a_trampoline_without_a_row_is_known_by_its_code, fresh),
		cmocka_unit_test_setup(a_handler_on_its_own_stack_leads_to_the_other, fresh),
		cmocka_unit_test_setup(a_word_beyond_the_copy_is_read_late, fresh),
		cmocka_unit_test_setup(a_late_word_counts_only_while_the_frames_below_stand, fresh),
		cmocka_unit_test_setup(without_a_copy_nothing_vouches, fresh),
		cmocka_unit_test_setup(memory_that_is_gone_ends_the_walk, fresh),
		cmocka_unit_test_setup(a_late_zero_is_no_root, fresh),
		cmocka_unit_test_setup(jit_frames_are_linked_by_frame_pointers, fresh),
		cmocka_unit_test_setup(the_known_ends_of_a_frame_pointer_chain_are_roots, fresh),
		cmocka_unit_test_setup(a_leaf_whose_frame_does_not_stand_yet_keeps_its_caller, fresh),
		cmocka_unit_test_setup(go_code_without_rows_is_linked_by_frame_pointers, fresh),
		cmocka_unit_test_setup(a_program_of_frame_pointers_without_tables_needs_no_guess, fresh),
		cmocka_unit_test_setup(assembly_is_left_by_the_nearest_word_behind_a_call_to_it, fresh),
		cmocka_unit_test_setup(a_guess_that_leads_nowhere_gives_way_to_the_next, fresh),
		cmocka_unit_test_setup(without_a_guess_that_leads_to_the_root_the_leaf_stands_alone, fresh),
		cmocka_unit_test_setup(a_guess_may_need_another_below_it, fresh),
		cmocka_unit_test_setup(a_call_through_the_plt_leads_to_assembly, fresh),
		cmocka_unit_test_setup(a_call_through_a_slot_leads_to_what_it_holds, fresh),
		cmocka_unit_test_setup(a_tail_call_leads_to_assembly, fresh),
		cmocka_unit_test_setup(a_frame_pointer_pushed_by_assembly_is_found, fresh),
		cmocka_unit_test_setup(the_process_begins_where_a_row_says_so, fresh),
		cmocka_unit_test_setup(a_thread_begins_where_it_will_end, fresh),
		cmocka_unit_test_setup(a_guess_that_came_far_by_rows_stands, fresh),
		cmocka_unit_test_setup(guesses_that_lead_nowhere_become_rare, fresh),
		cmocka_unit_test_setup(work_for_guesses_has_an_end, fresh),
		cmocka_unit_test_setup(a_hostile_table_gives_wrong_frames_and_nothing_else, fresh),
		cmocka_unit_test_setup(the_cache_forgets_what_had_no_rows_yet, fresh),
		cmocka_unit_test_setup(calls_are_known_by_their_last_bytes, fresh),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
