#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/reading.h"
#include "symbolize/go_traceback.h"
#include "tests/unit/go_maker.h"

#define BIAS  0x10000000u /* where the program was loaded */
#define STACK 0xc000010000u
#define WORDS 8192

enum {
	GOEXIT,
	LEAF,
	MID,
	OUTER,
	PARK,
	WRAPPER,
	PANICWRAP,
	SIGPANIC,
	PREEMPT,
	CGOCALLBACK,
	ASM,
	NO_TABLE,
	RUNFINQ,
	ODD,
	INL_WRAPPER,
	RECURSE,
	QUIET,
	MAIN,
	FUNCTIONS
};

/* Bytes 0 to 15 of a function are its prologue. */
#define FRAME(n)                                                                                           \
	{                                                                                                  \
		{ 0, 16 },                                                                                 \
		{                                                                                          \
			n, 0xf0                                                                            \
		}                                                                                          \
	}
#define NO_FRAME                                                                                           \
	{                                                                                                  \
		{                                                                                          \
			0, 0x100                                                                           \
		}                                                                                          \
	}

static const struct go_made_func funcs[FUNCTIONS] = {
	[GOEXIT] = { "runtime.goexit", .flag = 1, .sp = { { 0, 0x100 } } },
	[LEAF] = { "main.leaf", .sp = FRAME(8) },
	[MID] = { "main.mid", .sp = FRAME(24) },
	/* From byte 64 on main.in2 in main.in1 in main.outer. */
	[OUTER] = { "main.outer", .sp = FRAME(40),
		    .inlined = { { -1, 64 }, { 1, 64 }, { 0, 64 }, { -1, 64 } },
		    .calls = { { "main.in1", 20, 0 }, { "main.in2", 160, 0 } } },
	[PARK] = { "runtime.gopark", .sp = FRAME(16) },
	[WRAPPER] = { "main.(*T).M", .id = GO_MADE_WRAPPER, .sp = FRAME(16) },
	[PANICWRAP] = { "runtime.panicwrap", .sp = FRAME(16) },
	[SIGPANIC] = { "runtime.sigpanic", .sp = FRAME(16) },
	[PREEMPT] = { "runtime.asyncPreempt", .sp = FRAME(128) },
	[CGOCALLBACK] = { "runtime.cgocallback", .flag = 2, .sp = FRAME(32) },
	[ASM] = { "internal/runtime/syscall.Syscall6", .flag = 2, .sp = FRAME(8) },
	[NO_TABLE] = { .name = "racecall" },
	[RUNFINQ] = { "runtime.runfinq", .sp = FRAME(8) },
	[ODD] = { "main.odd", .sp = { { 3, 0x100 } } },
	[INL_WRAPPER] = { "main.caller", .sp = FRAME(8), .inlined = { { -1, 32 }, { 0, 0xe0 } },
			  .calls = { { "main.(*T).N", 8, GO_MADE_WRAPPER } } },
	[RECURSE] = { "main.recurse", .sp = NO_FRAME },
	[QUIET] = { "runtime.quiet", .sp = NO_FRAME },
	[MAIN] = { "runtime.main", .sp = NO_FRAME },
};

static struct {
	struct go_made made;
	struct go_traceback *tb;
	uint64_t words[WORDS];
	size_t n; /* words pushed */
	struct go_trace out;
	uint64_t asked; /* by more(): the last */
	size_t at_once; /* bytes that more() gives */
} t;

static uint64_t
pc(uint32_t func, uint32_t off)
{
	return GO_MADE_TEXT + func * GO_MADE_FUNC_BYTES + off + BIAS;
}

/* Frames from the innermost out: words below the return address, then it. */
static void
push(uint32_t frame_bytes, uint64_t ret)
{
	for (uint32_t i = 0; i < frame_bytes / 8; i++)
		t.words[t.n++] = 0xdead;
	t.words[t.n++] = ret;
}

static void
start(uint32_t minor, uint16_t machine)
{
	go_traceback_free(t.tb);
	t.n = 0;
	t.asked = 0;
	go_make(&t.made, funcs, FUNCTIONS, machine);
	assert_int_equal(go_traceback_new(&t.tb, &t.made.m, BIAS, minor, GO_MADE_WRAPPER), 0);
}

static struct go_stack
stack(void)
{
	return (struct go_stack){ .lo = STACK,
				  .hi = STACK + t.n * 8,
				  .bytes = (unsigned char *)t.words,
				  .at = STACK,
				  .n = t.n * 8 };
}

static void
walk(struct go_start from)
{
	struct go_stack w = stack();

	from.sp = STACK;
	assert_int_equal(go_traceback_walk(t.tb, &w, &from, &t.out), 0);
}

#define expect(...) expect_pcs((const uint64_t[]){ __VA_ARGS__ }, sizeof((uint64_t[]){ __VA_ARGS__ }) / 8)

static void
expect_pcs(const uint64_t *pcs, size_t n)
{
	for (size_t i = 0; i < n && i < t.out.n; i++)
		assert_int_equal(t.out.pcs[i], pcs[i]);
	assert_int_equal(t.out.n, n);
}

/* ---- */

static void
a_parked_goroutine_is_listed_from_gopark_to_goexit(void **state)
{
	(void)state;
	start(23, EM_X86_64);
	push(16, pc(LEAF, 40));
	push(8, pc(MID, 50));
	push(24, pc(GOEXIT, 1));
	push(0, 0);
	walk((struct go_start){ .pc = pc(PARK, 60) });
	expect(pc(PARK, 60), pc(LEAF, 40), pc(MID, 50), pc(GOEXIT, 1));
	assert_true(t.out.is_whole);
	assert_true(t.out.has_user);
	assert_int_equal(t.out.top, GO_ROLE_PARKED);
}

static void
inlined_calls_come_with_the_pcs_that_the_runtime_keeps(void **state)
{
	(void)state;
	start(23, EM_X86_64);
	push(8, pc(OUTER, 65)); /* the byte before belongs to main.in2 */
	push(40, pc(GOEXIT, 1));
	walk((struct go_start){ .pc = pc(LEAF, 40) });
	expect(pc(LEAF, 40), pc(OUTER, 65), pc(OUTER, 161) | READING_PC_IMPLIED,
	       pc(OUTER, 21) | READING_PC_IMPLIED, pc(GOEXIT, 1));
}

static void
a_goroutine_that_has_not_begun_stands_at_its_entry(void **state)
{
	(void)state;
	start(23, EM_X86_64);
	push(0, pc(GOEXIT, 1));
	walk((struct go_start){ .pc = pc(MID, 0) });
	expect(pc(MID, 0) | READING_PC_EXACT, pc(GOEXIT, 1));
	assert_true(t.out.is_whole);
}

static void
the_caller_of_a_signal_s_call_was_stopped_at_its_pc(void **state)
{
	(void)state;
	start(23, EM_X86_64);
	push(16, pc(LEAF, 40));
	push(8, pc(GOEXIT, 1));
	walk((struct go_start){ .pc = pc(SIGPANIC, 60) });
	expect(pc(SIGPANIC, 60), pc(LEAF, 40) | READING_PC_EXACT, pc(GOEXIT, 1));
}

static void
until_go_1_20_a_preempted_call_s_pc_is_taken_for_a_return_address(void **state)
{
	static const uint64_t exact[] = { 0, READING_PC_EXACT };

	(void)state;
	for (uint32_t i = 0; i < 2; i++) {
		start(20 + i, EM_X86_64);
		push(128, pc(LEAF, 40));
		push(8, pc(GOEXIT, 1));
		walk((struct go_start){ .pc = pc(PREEMPT, 60) });
		expect(pc(PREEMPT, 60), pc(LEAF, 40) | exact[i], pc(GOEXIT, 1));
	}
}

static void
wrappers_are_left_out_unless_they_panic(void **state)
{
	(void)state;
	start(23, EM_X86_64);
	push(8, pc(WRAPPER, 40));
	push(16, pc(MID, 50));
	push(24, pc(GOEXIT, 1));
	walk((struct go_start){ .pc = pc(LEAF, 40) });
	expect(pc(LEAF, 40), pc(MID, 50), pc(GOEXIT, 1));
	start(23, EM_X86_64);
	push(16, pc(WRAPPER, 40));
	push(16, pc(MID, 50));
	push(24, pc(GOEXIT, 1));
	walk((struct go_start){ .pc = pc(PANICWRAP, 40) });
	expect(pc(PANICWRAP, 40), pc(WRAPPER, 40), pc(MID, 50), pc(GOEXIT, 1));
}

static void
the_caller_of_an_inlined_wrapper_is_nobody_s_implied_frame(void **state)
{
	(void)state;
	start(23, EM_X86_64);
	push(8, pc(INL_WRAPPER, 40));
	push(8, pc(GOEXIT, 1));
	walk((struct go_start){ .pc = pc(LEAF, 40) });
	expect(pc(LEAF, 40), pc(INL_WRAPPER, 9), pc(GOEXIT, 1));
}

static void
code_that_writes_the_stack_pointer_ends_a_walk_but_for_system_calls_and_callbacks(void **state)
{
	(void)state;
	for (int syscall = 0; syscall < 2; syscall++) {
		start(23, EM_X86_64);
		push(8, pc(CGOCALLBACK, 40));
		push(32, pc(GOEXIT, 1));
		walk((struct go_start){ .pc = pc(ASM, 40), .is_syscall = syscall });
		if (syscall)
			expect(pc(ASM, 40), pc(CGOCALLBACK, 40), pc(GOEXIT, 1));
		else
			expect(pc(ASM, 40));
		assert_int_equal(t.out.is_whole, syscall);
	}
	/* Not the innermost: it ends here whatever it was. */
	start(23, EM_X86_64);
	push(8, pc(ASM, 40));
	push(8, pc(GOEXIT, 1));
	walk((struct go_start){ .pc = pc(LEAF, 40), .is_syscall = true });
	expect(pc(LEAF, 40), pc(ASM, 40));
}

static void
what_leads_nowhere_is_not_whole(void **state)
{
	static const struct {
		uint32_t func, frame;
		uint64_t ret;
		uint32_t n;
	} cases[] = {
		{ LEAF, 8, 0, 1 },      /* no return address */
		{ LEAF, 8, 0x1234, 1 }, /* not in the program */
		{ LEAF, 0, 0, 1 },      /* the stack ends before */
		{ NO_TABLE, 0, 0, 0 },  /* nothing is known of the function */
		{ ODD, 8, 0, 0 },       /* no size of a frame */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		start(23, EM_X86_64);
		push(cases[i].frame, cases[i].ret);
		walk((struct go_start){ .pc = pc(cases[i].func, 40) });
		assert_int_equal(t.out.n, cases[i].n);
		assert_false(t.out.is_whole);
	}
}

static void
a_call_of_a_nil_function_begins_at_its_caller(void **state)
{
	(void)state;
	start(23, EM_X86_64);
	push(0, pc(LEAF, 40));
	push(8, pc(GOEXIT, 1));
	walk((struct go_start){ .pc = 0 });
	expect(pc(LEAF, 40), pc(GOEXIT, 1));
}

static int
give_more(struct go_stack *w, uint64_t addr)
{
	size_t left = (size_t)(w->hi - addr);

	t.asked = addr;
	w->at = addr;
	w->bytes = (unsigned char *)t.words + (addr - STACK);
	w->n = left < t.at_once ? left : t.at_once;
	return 0;
}

static void
a_very_deep_stack_keeps_its_ends_and_counts_what_is_missing(void **state)
{
	struct go_stack w;
	uint32_t lost;

	(void)state;
	start(23, EM_X86_64);
	push(8, pc(RECURSE, 40));
	for (int i = 0; i < 4999; i++)
		push(0, i % 10 == 9 ? pc(QUIET, 30) : pc(RECURSE, 40));
	push(0, pc(MID, 50));
	push(24, pc(GOEXIT, 1));
	/* Not all of it is at hand at once. */
	w = stack();
	w.n = 0;
	w.more = give_more;
	t.at_once = 256;
	assert_int_equal(
		go_traceback_walk(t.tb, &w, &(struct go_start){ .pc = pc(LEAF, 40), .sp = STACK }, &t.out),
		0);
	assert_true(t.out.is_whole);
	assert_int_equal(t.out.n, GO_TRACE_PCS_MAX);
	assert_int_equal(t.out.pcs[0], pc(LEAF, 40));
	assert_int_equal(t.out.pcs[GO_TRACE_PCS_MAX - 1], pc(GOEXIT, 1));
	assert_int_equal(t.out.pcs[GO_TRACE_PCS_MAX - 2], pc(MID, 50));
	assert_int_equal(t.out.pcs[GO_TRACE_PCS_MAX - 3], pc(RECURSE, 40));
	lost = 5003 - (GO_TRACE_PCS_MAX - 1);
	/* One in ten is the runtime's, which its texts do not show. */
	assert_true(t.out.pcs[512] & READING_PC_LEFT_OUT);
	assert_in_range(READING_PC(t.out.pcs[512]), lost * 9 / 10 - 1, lost * 9 / 10 + 1);
	for (uint32_t i = 513; i < GO_TRACE_PCS_MAX - 2; i++)
		assert_true(t.out.pcs[i] == pc(RECURSE, 40) || t.out.pcs[i] == pc(QUIET, 30));
}

static void
on_arm64_the_return_address_is_in_the_link_register_or_below_the_frame(void **state)
{
	(void)state;
	start(23, EM_AARCH64);
	/* A leaf without a frame: lr. Its caller's frame begins with its own return address. */
	t.words[0] = pc(GOEXIT, 4);
	t.n = 3;
	walk((struct go_start){ .pc = pc(RECURSE, 40), .lr = pc(MID, 50) });
	expect(pc(RECURSE, 40), pc(MID, 50), pc(GOEXIT, 4));
	assert_true(t.out.is_whole);
	/* A parked one: its frame is there, lr is old. */
	start(23, EM_AARCH64);
	t.words[0] = pc(MID, 50);
	t.words[2] = pc(GOEXIT, 4);
	t.n = 5;
	walk((struct go_start){ .pc = pc(PARK, 60), .lr = 0x77 });
	expect(pc(PARK, 60), pc(MID, 50), pc(GOEXIT, 4));
}

static void
on_arm64_a_signal_s_call_saved_the_link_register_first(void **state)
{
	(void)state;
	start(23, EM_AARCH64);
	t.words[0] = pc(RECURSE, 40); /* sigpanic's frame of 16 bytes */
	t.words[2] = pc(MID, 50);     /* what lr was in main.recurse, which has no frame; 16 bytes */
	t.words[4] = pc(GOEXIT, 4);
	t.n = 7;
	walk((struct go_start){ .pc = pc(SIGPANIC, 60) });
	expect(pc(SIGPANIC, 60), pc(RECURSE, 40) | READING_PC_EXACT, pc(MID, 50), pc(GOEXIT, 4));
}

static void
on_arm64_a_walk_that_stands_still_ends(void **state)
{
	(void)state;
	start(23, EM_AARCH64);
	t.words[0] = pc(RECURSE, 40);
	t.n = 2;
	walk((struct go_start){ .pc = pc(QUIET, 40) });
	assert_true(t.out.n < 8);
	assert_false(t.out.is_whole);
}

static void
the_runtime_s_own_goroutines_are_known_by_where_they_began(void **state)
{
	(void)state;
	start(23, EM_X86_64);
	assert_int_equal(go_traceback_role(t.tb, pc(QUIET, 0)), GO_ROLE_SYSTEM);
	assert_int_equal(go_traceback_role(t.tb, pc(MAIN, 0)), GO_ROLE_USER);
	assert_int_equal(go_traceback_role(t.tb, pc(RUNFINQ, 0)), GO_ROLE_CALLBACKS);
	assert_int_equal(go_traceback_role(t.tb, pc(MID, 0)), GO_ROLE_USER);
	assert_int_equal(go_traceback_role(t.tb, 0), GO_ROLE_UNKNOWN);
	assert_int_equal(go_traceback_role(t.tb, 0x1234), GO_ROLE_UNKNOWN);
}

static void
a_stack_of_runtime_functions_has_no_user(void **state)
{
	(void)state;
	start(23, EM_X86_64);
	push(16, pc(RUNFINQ, 40));
	push(8, pc(GOEXIT, 1));
	walk((struct go_start){ .pc = pc(PARK, 60) });
	assert_int_equal(t.out.n, 3);
	assert_true(t.out.is_whole);
	assert_false(t.out.has_user);
}

static int
stop(void **state)
{
	(void)state;
	go_traceback_free(t.tb);
	t.tb = NULL;
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_parked_goroutine_is_listed_from_gopark_to_goexit),
		cmocka_unit_test(inlined_calls_come_with_the_pcs_that_the_runtime_keeps),
		cmocka_unit_test(a_goroutine_that_has_not_begun_stands_at_its_entry),
		cmocka_unit_test(the_caller_of_a_signal_s_call_was_stopped_at_its_pc),
		cmocka_unit_test(until_go_1_20_a_preempted_call_s_pc_is_taken_for_a_return_address),
		cmocka_unit_test(wrappers_are_left_out_unless_they_panic),
		cmocka_unit_test(the_caller_of_an_inlined_wrapper_is_nobody_s_implied_frame),
		cmocka_unit_test(
			code_that_writes_the_stack_pointer_ends_a_walk_but_for_system_calls_and_callbacks),
		cmocka_unit_test(what_leads_nowhere_is_not_whole),
		cmocka_unit_test(a_call_of_a_nil_function_begins_at_its_caller),
		cmocka_unit_test(a_very_deep_stack_keeps_its_ends_and_counts_what_is_missing),
		cmocka_unit_test(on_arm64_the_return_address_is_in_the_link_register_or_below_the_frame),
		cmocka_unit_test(on_arm64_a_signal_s_call_saved_the_link_register_first),
		cmocka_unit_test(on_arm64_a_walk_that_stands_still_ends),
		cmocka_unit_test(the_runtime_s_own_goroutines_are_known_by_where_they_began),
		cmocka_unit_test(a_stack_of_runtime_functions_has_no_user),
	};

	return cmocka_run_group_tests(tests, NULL, stop);
}
