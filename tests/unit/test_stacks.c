#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "collector/stacks.h"

static struct stacks s;

static int
start(void **state)
{
	(void)state;
	stacks_init(&s, 1u << 20);
	return 0;
}

static int
end(void **state)
{
	(void)state;
	stacks_fini(&s);
	return 0;
}

static void
a_stack_seen_again_is_the_same_one(void **state)
{
	const struct stack_frame a[] = { { 0x10, 1, 0 }, { 0x20, 2, 0 } };

	(void)state;
	assert_int_equal(stacks_add(&s, a, 2, 0), 0);
	assert_int_equal(stacks_add(&s, a, 2, 0), 0);
	assert_int_equal(s.n, 1);
	assert_int_equal(s.n_frames, 2);
}

static void
stacks_differ_by_address_map_depth_and_what_is_said_of_them(void **state)
{
	const struct stack_frame a[] = { { 0x10, 1, 0 }, { 0x20, 2, 0 } };
	const struct stack_frame other_address[] = { { 0x10, 1, 0 }, { 0x21, 2, 0 } };
	const struct stack_frame other_map[] = { { 0x10, 1, 0 }, { 0x20, 3, 0 } };

	(void)state;
	assert_int_equal(stacks_add(&s, a, 2, 0), 0);
	assert_int_equal(stacks_add(&s, a, 1, 0), 1);
	assert_int_equal(stacks_add(&s, other_address, 2, 0), 2);
	assert_int_equal(stacks_add(&s, other_map, 2, 0), 3);
	assert_int_equal(stacks_add(&s, a, 2, 1), 4);
	assert_int_equal(stacks_add(&s, a, 2, 1), 4);
	assert_int_equal(s.v[4].flags, 1);
	assert_memory_equal(&s.frames[s.v[2].first], other_address, sizeof(other_address));
}

static void
a_full_table_takes_no_more_and_still_knows_what_it_has(void **state)
{
	struct stack_frame f[100] = { 0 };
	uint32_t last = 0, id;

	(void)state;
	for (uint32_t i = 0; i < 100000; i++) {
		f[0].addr = i;
		id = stacks_add(&s, f, 100, 0);
		if (id == TABLE_NONE)
			break;
		assert_int_equal(id, i);
		last = i;
	}
	assert_in_range(last, 50, 1000);
	assert_true(s.cap_frames * sizeof(*s.frames) + s.cap * sizeof(*s.v) <= 1u << 20);
	for (uint32_t i = 0; i <= last; i++) {
		f[0].addr = i;
		assert_int_equal(stacks_add(&s, f, 100, 0), i);
	}
}

static void
many_small_stacks_fill_it_too(void **state)
{
	struct stack_frame f = { 0 };
	uint32_t n = 0;

	(void)state;
	while (stacks_add(&s, &f, 1, 0) != TABLE_NONE && n < 1000000) {
		f.addr = ++n;
	}
	assert_in_range(n, 1000, 100000);
	/* The hash table counts as well. */
	assert_true(s.cap_frames * sizeof(*s.frames) + s.cap * sizeof(*s.v) +
			    ((size_t)s.ids.mask + 1) * sizeof(struct table_slot) <= 2u << 20);
}

static void
after_a_reset_it_begins_anew(void **state)
{
	const struct stack_frame a[] = { { 0x10, 1, 0 }, { 0x20, 2, 0 } };

	(void)state;
	stacks_add(&s, a, 1, 0);
	stacks_add(&s, a, 2, 0);
	stacks_reset(&s);
	assert_int_equal(s.n, 0);
	assert_int_equal(stacks_add(&s, a, 2, 0), 0);
	assert_int_equal(s.max_bytes, 1u << 20);
}

#define WITH_STACKS(f) cmocka_unit_test_setup_teardown(f, start, end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_STACKS(a_stack_seen_again_is_the_same_one),
		WITH_STACKS(stacks_differ_by_address_map_depth_and_what_is_said_of_them),
		WITH_STACKS(a_full_table_takes_no_more_and_still_knows_what_it_has),
		WITH_STACKS(many_small_stacks_fill_it_too),
		WITH_STACKS(after_a_reset_it_begins_anew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
