#include "config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/wire.h"
#include "fcgi/ids.h"
#include "fcgi/merge.h"

#define BASE 0x7f0000000000u

static struct profile a, b, d;
static struct ids ids;

static int
setup(void **state)
{
	(void)state;
	assert_int_equal(profile_init(&a), 0);
	assert_int_equal(profile_init(&b), 0);
	assert_int_equal(profile_init(&d), 0);
	memset(&ids, 0, sizeof(ids));
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	ids_fini(&ids);
	profile_fini(&a);
	profile_fini(&b);
	profile_fini(&d);
	return 0;
}

/* ---- a profile of a library at `base` and of a JIT; numbers are the collector's, and differ */

static void
cpu(struct profile *p)
{
	assert_int_equal(profile_type_add(p, "samples", "count"), 0);
	assert_int_equal(profile_type_add(p, "cpu", "nanoseconds"), 1);
	assert_int_equal(profile_period_set(p, "cpu", "nanoseconds", 10000000), 0);
}

static void
map_add(struct profile *p, uint32_t id, uint64_t object, uint8_t kind, uint64_t start, const char *path)
{
	const struct profile_map_is is = { .id = id,
					   .object = object,
					   .kind = kind,
					   .start = start,
					   .end = start + 0x10000,
					   .pgoff = kind == WIRE_MAP_FILE ? 0x1000 : 0,
					   .path = path,
					   .path_n = strlen(path) };

	assert_true(profile_map_add(p, &is) >= 0);
}

static void
name(struct profile *p, uint64_t object, uint64_t at, const char *text)
{
	uint32_t string = strings_text(&p->strings, text);
	uint32_t file = strings_text(&p->strings, "x.c");
	const struct profile_answer_is is = {
		.vaddr = at,
		.flags = WIRE_ANSWER_NAMED,
		.line = (uint32_t)profile_line_add(p, &(struct profile_line){ string, string, file, 3, 1 }),
		.n_lines = 1,
	};

	profile_answer(p, profile_place_find(p, profile_object_find(p, object), at), &is);
}

/* A stack of one frame, and a sample of it. */
static void
sample(struct profile *p, uint32_t map, uint64_t addr, int64_t samples, uint32_t labels)
{
	const int64_t values[2] = { samples, samples * 10000000 };
	int64_t stack = profile_stack_add(p, 1000 + p->stacks.n, 0);

	assert_true(stack >= 0);
	assert_int_equal(profile_frame_add(p, map, addr), 0);
	assert_true(profile_sample_add(p, (uint32_t)stack, 7, labels, values) >= 0);
}

static void
finish(struct profile *p)
{
	uint32_t made_up;

	assert_int_equal(profile_finish(p, &made_up), 0);
	p->window.ended = true;
}

/* "hot" and "cold" of a library, so many samples each. */
static void
library(struct profile *p, uint32_t first_id, uint64_t base, int64_t hot, int64_t cold)
{
	cpu(p);
	/* Something else in front, so that numbers differ. */
	map_add(p, first_id + 5, first_id + 50, WIRE_MAP_PSEUDO, 0, "[truncated]");
	map_add(p, first_id, first_id + 100, WIRE_MAP_FILE, base, "/lib/libx.so");
	if (hot)
		sample(p, first_id, base + 0x10, hot, 0);
	if (cold)
		sample(p, first_id, base + 0x20, cold, 0);
	if (hot)
		name(p, first_id + 100, 0x1010, "hot");
	if (cold)
		name(p, first_id + 100, 0x1020, "cold");
	finish(p);
}

static void
difference(void)
{
	assert_int_equal(profile_difference(&d, &a, &b), 0);
	assert_int_equal(ids_init(&ids, &d), 0);
}

/* The value of the only sample whose leaf has this name; 0: there is none. */
static int64_t
value_of(const char *want)
{
	int64_t value = 0;

	for (uint32_t i = 0; i < ids.n_samples; i++) {
		const struct profile_stack *stack = &d.stacks.at[ids.samples[i].stack];
		const struct profile_loc *loc = &d.locs.at[d.frames.at[stack->first]];
		const struct profile_place *place = &d.places.at[loc->place];

		if (strcmp(strings_get(&d.strings, d.lines.at[place->line].name), want) != 0)
			continue;
		assert_int_equal(value, 0);
		value = ids.values[i * d.n_types];
	}
	return value;
}

static void
a_profile_minus_itself_is_nothing(void **state)
{
	(void)state;
	library(&a, 1, BASE, 50, 3);
	library(&b, 1, BASE, 50, 3);
	difference();
	assert_int_equal(ids.n_samples, 0);
	assert_true(d.delta);
	assert_int_equal(d.n_types, 2);
	assert_int_equal(d.period, 10000000);
}

static void
a_library_that_was_mapped_elsewhere_is_the_same_one(void **state)
{
	(void)state;
	library(&a, 1, BASE, 50, 3);
	library(&b, 700, BASE + 0x5550000, 20, 3);
	difference();
	assert_int_equal(ids.n_samples, 1);
	assert_int_equal(value_of("hot"), 30);
	assert_int_equal(d.objects.n, 1);
	assert_int_equal(d.places.n, 2);
	assert_int_equal(d.locs.at[0].addr, BASE + 0x10);
	assert_int_equal(d.values.at[1], 500000000);
}

static void
what_only_one_of_them_has_is_more_or_less(void **state)
{
	(void)state;
	library(&a, 1, BASE, 50, 0);
	library(&b, 9, BASE, 0, 8);
	difference();
	assert_int_equal(value_of("hot"), 50);
	assert_int_equal(value_of("cold"), -8);
	assert_string_equal(strings_get(&d.strings, d.objects.at[0].build_id), "");
}

static void
files_of_the_same_path_with_other_build_ids_are_others(void **state)
{
	(void)state;
	library(&a, 1, BASE, 50, 0);
	library(&b, 1, BASE, 20, 0);
	assert_int_equal(profile_object_is(&a, 0, WIRE_OBJECT_PIE, "\xaa", 1), 0);
	assert_int_equal(profile_object_is(&b, 0, WIRE_OBJECT_PIE, "\xbb", 1), 0);
	difference();
	assert_int_equal(d.objects.n, 2);
	assert_int_equal(ids.n_samples, 2);
}

static void
a_name_that_only_one_knows_counts_for_both(void **state)
{
	(void)state;
	cpu(&b);
	map_add(&b, 3, 4, WIRE_MAP_FILE, BASE, "/lib/libx.so");
	sample(&b, 3, BASE + 0x10, 20, 0);
	finish(&b); /* made up: "[libx.so]+0x1010" */
	library(&a, 1, BASE, 50, 0);
	difference();
	assert_int_equal(value_of("hot"), 30);
	profile_fini(&d);
	ids_fini(&ids);
	/* And the other way round. */
	assert_int_equal(profile_init(&d), 0);
	assert_int_equal(profile_difference(&d, &b, &a), 0);
	assert_int_equal(ids_init(&ids, &d), 0);
	assert_int_equal(value_of("hot"), -30);
}

static void
memory_that_a_jit_used_again_is_other_code(void **state)
{
	struct profile *const both[] = { &a, &b };

	(void)state;
	for (int i = 0; i < 2; i++) {
		cpu(both[i]);
		map_add(both[i], 1, 2, WIRE_MAP_JIT, 0x30000, "//anon");
		sample(both[i], 1, 0x30010, 10 + i, 0);
		sample(both[i], 1, 0x30020, 5, 0);
		sample(both[i], 1, 0x30030, 5, 0);
		name(both[i], 2, 0x30010, i ? "js:new" : "js:old");
		name(both[i], 2, 0x30020, "js:same");
		name(both[i], 2, 0x30030, i ? "js:new2" : "js:old2");
		finish(both[i]);
	}
	difference();
	assert_int_equal(value_of("js:old"), 10);
	assert_int_equal(value_of("js:new"), -11);
	assert_int_equal(value_of("js:old2"), 5);
	assert_int_equal(value_of("js:new2"), -5);
	assert_int_equal(ids.n_samples, 4);
	assert_int_equal(d.objects.n, 2);
}

static void
kernel_and_marks_are_the_same_in_both(void **state)
{
	struct profile *const both[] = { &a, &b };

	(void)state;
	for (int i = 0; i < 2; i++) {
		cpu(both[i]);
		if (i)
			map_add(both[i], 77, 78, WIRE_MAP_FILE, BASE, "/lib/liby.so");
		map_add(both[i], 1, 2, WIRE_MAP_KERNEL, 0xffffffff80000000u, "[kernel.kallsyms]");
		map_add(both[i], 2, 0, WIRE_MAP_PSEUDO, 0, "[unknown]");
		sample(both[i], 1, 0xffffffff80000010u, 10, 0);
		sample(both[i], 2, 0, 10 - i, 0);
		name(both[i], 2, 0xffffffff80000010u, "ksys_read");
		finish(both[i]);
	}
	difference();
	assert_int_equal(ids.n_samples, 1);
	assert_int_equal(value_of("[unknown]"), 1);
}

static uint32_t
label(struct profile *p, const char *key, const char *value)
{
	struct profile_label l = { strings_text(&p->strings, key), strings_text(&p->strings, value), 0, 0 };
	int64_t set = profile_labels_add(p, &l, 1);

	assert_true(set > 0);
	return (uint32_t)set;
}

static void
labels_are_told_apart_and_found_again(void **state)
{
	(void)state;
	cpu(&a);
	map_add(&a, 1, 2, WIRE_MAP_FILE, BASE, "/lib/libx.so");
	sample(&a, 1, BASE, 5, label(&a, "shard", "1"));
	sample(&a, 1, BASE, 6, label(&a, "shard", "2"));
	finish(&a);
	cpu(&b);
	map_add(&b, 1, 2, WIRE_MAP_FILE, BASE, "/lib/libx.so");
	label(&b, "other", "label");
	sample(&b, 1, BASE, 6, label(&b, "shard", "2"));
	sample(&b, 1, BASE, 1, label(&b, "shard", "1"));
	finish(&b);
	difference();
	assert_int_equal(ids.n_samples, 1);
	assert_int_equal(ids.values[0], 4);
}

static void
values_of_other_types_are_no_difference(void **state)
{
	(void)state;
	library(&a, 1, BASE, 50, 0);
	assert_int_equal(profile_type_add(&b, "samples", "count"), 0);
	assert_int_equal(profile_type_add(&b, "page-faults", "count"), 1);
	finish(&b);
	assert_int_equal(profile_difference(&d, &a, &b), -EINVAL);
	profile_fini(&d);
	assert_int_equal(profile_init(&d), 0);
	profile_type_add(&b, "third", "count");
	assert_int_equal(profile_difference(&d, &b, &a), -EINVAL);
}

static void
values_stay_at_the_largest_number_there_is(void **state)
{
	(void)state;
	library(&a, 1, BASE, INT64_MAX / 10000000, 0);
	library(&b, 1, BASE, INT64_MIN / 10000000, 0);
	a.values.at[0] = INT64_MAX;
	b.values.at[0] = INT64_MIN;
	difference();
	assert_int_equal(ids.values[0], INT64_MAX);
	assert_int_equal(profile_merge(&d, &a, INT64_MIN), 0);
	assert_int_equal(d.values.at[4], INT64_MIN);
}

static void
comments_tell_what_was_subtracted(void **state)
{
	(void)state;
	library(&a, 1, BASE, 2, 0);
	library(&b, 1, BASE, 1, 0);
	a.window.start_unix_ns = 1700000000000000000u;
	a.window.duration_ns = 1500000000u;
	profile_commentf(&b, "lost: 9");
	difference();
	assert_int_equal(d.comments.n, 4);
	assert_string_equal(strings_get(&d.strings, d.comments.at[1]),
			    "now: 1.500 s from 2023-11-14 22:13:20 UTC");
	assert_string_equal(strings_get(&d.strings, d.comments.at[2]), "base: an unknown time");
	assert_string_equal(strings_get(&d.strings, d.comments.at[3]), "base: lost: 9");
}

/* No memory at any moment is an error, and no crash. */
static void
a_difference_that_does_not_fit_is_an_error(void **state)
{
	int r = -ENOMEM;

	(void)state;
	library(&a, 1, BASE, 50, 3);
	library(&b, 900, BASE, 1, 1);
	for (size_t max = 2000; r == -ENOMEM; max += 64) {
		profile_fini(&d);
		assert_int_equal(profile_init(&d), 0);
		d.room.max = d.room.used + max;
		r = profile_difference(&d, &a, &b);
		assert_true(max < 1u << 20);
	}
	assert_int_equal(r, 0);
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_profile_minus_itself_is_nothing),
		TEST(a_library_that_was_mapped_elsewhere_is_the_same_one),
		TEST(what_only_one_of_them_has_is_more_or_less),
		TEST(files_of_the_same_path_with_other_build_ids_are_others),
		TEST(a_name_that_only_one_knows_counts_for_both),
		TEST(memory_that_a_jit_used_again_is_other_code),
		TEST(kernel_and_marks_are_the_same_in_both),
		TEST(labels_are_told_apart_and_found_again),
		TEST(values_of_other_types_are_no_difference),
		TEST(values_stay_at_the_largest_number_there_is),
		TEST(comments_tell_what_was_subtracted),
		TEST(a_difference_that_does_not_fit_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
