#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/reading.h"
#include "symbolize/go_expand.h"
#include "tests/unit/go_maker.h"

#define BIAS 0x10000000u /* where the program was loaded */
#define MAX  64

enum { PLAIN, OUTER, WRAPPED, PANICS, RING, GOPANIC, FUNCTIONS };

static const struct go_made_func funcs[FUNCTIONS] = {
	[PLAIN] = { .name = "main.plain" },
	/* Bytes 64 to 127 are main.in2 in main.in1 in main.outer; 128 to 191 main.in1. */
	[OUTER] = { "main.outer", .inlined = { { -1, 64 }, { 1, 64 }, { 0, 64 }, { -1, 64 } },
		    .calls = { { "main.in1", 20, 0 }, { "main.in2", 160, 0 } } },
	/* main.leaf in the wrapper main.(*T).M in main.wrapped. */
	[WRAPPED] = { "main.wrapped", .inlined = { { -1, 32 }, { 1, 32 }, { 0, 32 }, { -1, 0xa0 } },
		      .calls = { { "main.(*T).M", 8, GO_MADE_WRAPPER }, { "main.leaf", 70, 0 } } },
	/* The same, but what the wrapper calls is one of the panics. */
	[PANICS] = { "main.panics", .inlined = { { -1, 32 }, { 1, 32 }, { 0, 32 }, { -1, 0xa0 } },
		     .calls = { { "main.(*T).M", 8, GO_MADE_WRAPPER }, { "runtime.gopanic", 70, 5 } } },
	[RING] = { "main.ring", .inlined = { { 0, 0x100 } }, .calls = { { "main.again", 8, 0 } } },
	[GOPANIC] = { "runtime.gopanic", .id = 5 },
};

static struct {
	struct go_made made;
	struct go_offsets at;
	struct go_node n;
} t;

static int
setup(void **state)
{
	(void)state;
	memset(&t, 0, sizeof(t));
	go_make(&t.made, funcs, FUNCTIONS, EM_X86_64);
	t.at.wrapper_func_id = GO_MADE_WRAPPER;
	t.n.module = t.made.m;
	t.n.at = &t.at;
	t.n.bias = BIAS;
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	go_expand_free(t.n.expand);
	return 0;
}

/* The return address of a call that ends there. */
static uint64_t
pc(uint32_t func, uint32_t offset)
{
	return GO_MADE_TEXT + func * GO_MADE_FUNC_BYTES + offset + BIAS;
}

#define IMPLIED(pc) ((pc) | READING_PC_IMPLIED)

static void
expect(const uint64_t *got, int n, const uint64_t *want, size_t n_want)
{
	assert_int_equal(n, n_want);
	for (size_t i = 0; i < n_want; i++)
		assert_int_equal(got[i], want[i]);
}

static void
implied_frames_of_a_logical_stack_are_told(void **state)
{
	uint64_t stack[] = { pc(OUTER, 100), pc(OUTER, 161), pc(OUTER, 21), pc(PLAIN, 30), pc(OUTER, 140),
			     pc(OUTER, 21),  pc(OUTER, 21),  0x1234,        pc(PLAIN, 7) };
	const uint64_t want[] = {
		pc(OUTER, 100), IMPLIED(pc(OUTER, 161)), IMPLIED(pc(OUTER, 21)), pc(PLAIN, 30),
		pc(OUTER, 140), IMPLIED(pc(OUTER, 21)),  pc(OUTER, 21),          0x1234,
		pc(PLAIN, 7)
	};

	(void)state;
	/* Twice: what was remembered is the same. */
	for (int i = 0; i < 2; i++) {
		assert_int_equal(go_expand_mark(&t.n, stack, 9), 0);
		expect(stack, 9, want, 9);
	}
}

static void
a_stack_that_is_cut_inside_of_inlined_calls_is_marked_as_far_as_it_goes(void **state)
{
	uint64_t stack[] = { pc(OUTER, 21), pc(PLAIN, 3), pc(OUTER, 100), pc(OUTER, 161) };
	const uint64_t want[] = { pc(OUTER, 21), pc(PLAIN, 3), pc(OUTER, 100), IMPLIED(pc(OUTER, 161)) };

	(void)state;
	assert_int_equal(go_expand_mark(&t.n, stack, 4), 0);
	expect(stack, 4, want, 4);
}

static void
a_physical_stack_gets_its_implied_frames(void **state)
{
	const uint64_t stack[] = { pc(OUTER, 100), pc(PLAIN, 30), pc(OUTER, 140), pc(PLAIN, 7) };
	const uint64_t want[] = { pc(OUTER, 100), IMPLIED(pc(OUTER, 161)), IMPLIED(pc(OUTER, 21)),
				  pc(PLAIN, 30),  pc(OUTER, 140),          IMPLIED(pc(OUTER, 21)),
				  pc(PLAIN, 7) };
	uint64_t out[MAX];

	(void)state;
	expect(out, go_expand_stack(&t.n, stack, 4, out, MAX), want, 7);
	/* That of a logical one is itself. */
	for (size_t i = 0; i < 7; i++)
		out[i + 7] = READING_PC(want[i]);
	expect(out, go_expand_stack(&t.n, out + 7, 7, out, MAX), want, 7);
	expect(out, go_expand_stack(&t.n, stack, 4, out, 2), want, 2);
}

static void
the_last_frame_is_left_to_whoever_names_it(void **state)
{
	const uint64_t stack[] = { pc(PLAIN, 30), pc(OUTER, 100) };
	uint64_t out[MAX];

	(void)state;
	expect(out, go_expand_stack(&t.n, stack, 2, out, MAX), stack, 2);
}

static void
wrappers_are_left_out_but_for_panics(void **state)
{
	const uint64_t stack[] = { pc(WRAPPED, 40), pc(PANICS, 40), pc(PLAIN, 30) };
	const uint64_t want[] = { pc(WRAPPED, 40),         IMPLIED(pc(WRAPPED, 9)), pc(PANICS, 40),
				  IMPLIED(pc(PANICS, 71)), IMPLIED(pc(PANICS, 9)),  pc(PLAIN, 30) };
	uint64_t out[MAX], logical[6];

	(void)state;
	expect(out, go_expand_stack(&t.n, stack, 3, out, MAX), want, 6);
	for (size_t i = 0; i < 6; i++)
		logical[i] = READING_PC(want[i]);
	assert_int_equal(go_expand_mark(&t.n, logical, 6), 0);
	expect(logical, 6, want, 6);
}

static void
what_is_no_go_function_is_left_out_and_nothing_becomes_the_pc_1(void **state)
{
	const uint64_t stack[] = { UINT64_MAX, pc(PLAIN, 30), 0, 0x1234 }, want[] = { pc(PLAIN, 30) },
		       none[] = { 1 };
	uint64_t out[MAX];

	(void)state;
	expect(out, go_expand_stack(&t.n, stack, 4, out, MAX), want, 1);
	expect(out, go_expand_stack(&t.n, stack, 0, out, MAX), none, 1);
	expect(out, go_expand_stack(&t.n, stack + 2, 2, out, MAX), none, 1);
	expect(out, go_expand_stack(&t.n, stack, 0, out, 0), none, 0);
}

static void
the_entry_of_a_function_is_shown_as_the_byte_behind_it(void **state)
{
	const uint64_t stack[] = { pc(PLAIN, 0), pc(PLAIN, 30) }, want[] = { pc(PLAIN, 1), pc(PLAIN, 30) };
	uint64_t out[MAX];

	(void)state;
	expect(out, go_expand_stack(&t.n, stack, 2, out, MAX), want, 2);
}

static void
inlined_calls_that_are_a_ring_end(void **state)
{
	uint64_t stack[] = { pc(RING, 50), pc(RING, 60), pc(PLAIN, 30) }, out[MAX];

	(void)state;
	assert_int_equal(go_expand_stack(&t.n, stack, 3, out, MAX), MAX);
	assert_int_equal(go_expand_mark(&t.n, stack, 3), 0);
}

static void
any_number_of_pcs_is_looked_up(void **state)
{
	uint64_t stack[512];

	(void)state;
	for (uint32_t i = 0; i < 40000; i++) {
		for (uint32_t k = 0; k < 512; k++)
			stack[k] = i * 512 + k + 1;
		assert_int_equal(go_expand_mark(&t.n, stack, 512), 0);
		assert_int_equal(stack[511], i * 512 + 512);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(implied_frames_of_a_logical_stack_are_told, setup,
						teardown),
		cmocka_unit_test_setup_teardown(
			a_stack_that_is_cut_inside_of_inlined_calls_is_marked_as_far_as_it_goes, setup,
			teardown),
		cmocka_unit_test_setup_teardown(a_physical_stack_gets_its_implied_frames, setup, teardown),
		cmocka_unit_test_setup_teardown(the_last_frame_is_left_to_whoever_names_it, setup,
						teardown),
		cmocka_unit_test_setup_teardown(wrappers_are_left_out_but_for_panics, setup, teardown),
		cmocka_unit_test_setup_teardown(
			what_is_no_go_function_is_left_out_and_nothing_becomes_the_pc_1, setup, teardown),
		cmocka_unit_test_setup_teardown(the_entry_of_a_function_is_shown_as_the_byte_behind_it,
						setup, teardown),
		cmocka_unit_test_setup_teardown(inlined_calls_that_are_a_ring_end, setup, teardown),
		cmocka_unit_test_setup_teardown(any_number_of_pcs_is_looked_up, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
