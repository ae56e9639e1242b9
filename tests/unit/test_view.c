#include "config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "fcgi/tree.h"
#include "fcgi/view.h"
#include "tests/unit/profile_maker.h"

static struct view_wish wish;
static struct view v;
static struct ids ids;
static struct buf scratch;
static struct tree t;
static struct err why;

static int
setup(void **state)
{
	(void)state;
	memset(&wish, 0, sizeof(wish));
	memset(&v, 0, sizeof(v));
	memset(&ids, 0, sizeof(ids));
	memset(&t, 0, sizeof(t));
	buf_init(&scratch, 0);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	tree_fini(&t);
	view_fini(&v);
	ids_fini(&ids);
	maker_fini();
	buf_fini(&scratch);
	return 0;
}

static void
look(enum frames_group group, enum view_order order)
{
	uint32_t type;

	maker_finish();
	assert_int_equal(ids_init(&ids, &maker.p), 0);
	assert_int_equal(view_check(&maker.p, &wish, &type, &why), 0);
	assert_int_equal(view_init(&v, &maker.p, &ids, &wish, group, order), 0);
	assert_int_equal(v.type, type);
}

/* "main;work" */
static const char *
row(uint32_t i)
{
	static char text[4096];

	*text = '\0';
	for (uint32_t k = 0; k < view_depth(&v.rows[i]); k++) {
		if (k)
			strcat(text, ";");
		strcat(text, frames_label(&v.frames, view_frame(&v, &v.rows[i], k), &scratch));
	}
	return text;
}

/* ---- frames */

static void
inlined_calls_are_frames_of_their_own(void **state)
{
	(void)state;
	maker_init("cpu/nanoseconds", NULL);
	maker_sample("main;a>b>c;d", 1, (int64_t)5);
	look(FRAMES_FUNCTION, VIEW_SORTED);
	assert_string_equal(row(0), "main;a;b;c;d");
	assert_int_equal(v.depth, 5);
}

static void
a_function_is_one_frame_at_all_its_lines(void **state)
{
	(void)state;
	maker_init("cpu/nanoseconds", NULL);
	maker_sample("main@m.c:1;work@/src/w.c:10", 1, (int64_t)5);
	maker_sample("main@m.c:1;work@/src/w.c:20", 1, (int64_t)6);
	maker_sample("main@m.c:2;work@/other/w.c:10", 1, (int64_t)7);
	look(FRAMES_FUNCTION, VIEW_SORTED);
	assert_int_equal(v.frames.n, 2);
	assert_int_equal(v.n_rows, 1);
	assert_int_equal(view_value(&v, 0, 0), 18);
}

static void
lines_and_addresses_are_told_apart_where_that_is_asked(void **state)
{
	static const struct {
		enum frames_group group;
		uint32_t frames, rows;
		const char *first;
	} cases[] = {
		{ FRAMES_LINE, 3, 2, "main m.c:1;work w.c:10" },
		{ FRAMES_ADDRESS, 4, 3, "main 0x1001;work 0x1002" },
		{ FRAMES_EXACT, 3, 2, "main;work" },
		{ FRAMES_FUNCTION, 2, 1, "main;work" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		setup(state);
		maker_init("cpu/nanoseconds", NULL);
		/* The same line at two addresses: the second name differs in what the maker knows it by. */
		maker_sample("main@m.c:1;work@/src/w.c:10", 1, (int64_t)5);
		maker_sample("main@m.c:1;work@/src/w.c:010", 1, (int64_t)6);
		maker_sample("main@m.c:1;work@/src/w.c:20", 1, (int64_t)7);
		look(cases[i].group, VIEW_SORTED);
		assert_int_equal(v.frames.n, cases[i].frames);
		assert_int_equal(v.n_rows, cases[i].rows);
		assert_string_equal(row(0), cases[i].first);
		teardown(state);
	}
	maker_init("cpu/nanoseconds", NULL);
}

static void
frames_are_in_alphabetical_order(void **state)
{
	(void)state;
	maker_init("cpu/nanoseconds", NULL);
	maker_sample("z;m;a", 1, (int64_t)1);
	maker_sample("z;b", 1, (int64_t)1);
	maker_sample("z", 1, (int64_t)1);
	look(FRAMES_FUNCTION, VIEW_SORTED);
	for (uint32_t i = 0; i + 1 < v.frames.n; i++)
		assert_true(strcmp(strings_get(&maker.p.strings, v.frames.at[i].name),
				   strings_get(&maker.p.strings, v.frames.at[i + 1].name)) < 0);
	assert_string_equal(row(0), "z");
	assert_string_equal(row(1), "z;b");
	assert_string_equal(row(2), "z;m;a");
}

static void
threads_are_the_roots_of_their_stacks(void **state)
{
	(void)state;
	maker_init("cpu/nanoseconds", NULL);
	maker_thread(7, "worker");
	maker_thread(8, "worker");
	maker_sample("main;a", 7, (int64_t)1);
	maker_sample("main;a", 8, (int64_t)2);
	maker_sample("main;a", 0, (int64_t)4);
	maker_sample("main;b", 9, (int64_t)8);
	look(FRAMES_THREAD, VIEW_SORTED);
	assert_int_equal(v.n_rows, 4);
	assert_string_equal(row(0), "[no thread];main;a");
	assert_string_equal(row(1), "thread [9];main;b");
	assert_string_equal(row(2), "worker [7];main;a");
	assert_string_equal(row(3), "worker [8];main;a");
}

static void
a_table_of_threads_has_no_functions(void **state)
{
	(void)state;
	maker_init("cpu/nanoseconds", NULL);
	maker_thread(7, "worker");
	maker_sample("main;a", 7, (int64_t)1);
	look(FRAMES_THREAD, VIEW_TABLE);
	assert_string_equal(row(0), "worker [7]");
}

static void
samples_keep_their_order_and_their_labels(void **state)
{
	(void)state;
	maker_init("cpu/nanoseconds", NULL);
	maker_sample("main;z", 7, (int64_t)1);
	maker_sample("main;a", 8, (int64_t)2);
	maker_sample("main;z", 8, (int64_t)4);
	look(FRAMES_EXACT, VIEW_SAMPLES);
	assert_int_equal(v.n_rows, 3);
	assert_string_equal(row(0), "main;z");
	assert_int_equal(ids.samples[v.rows[2].sample].tid, 8);
}

/* ---- which samples */

static void
focus_and_ignore_look_for_parts_of_names_and_files(void **state)
{
	static const struct {
		const char *focus, *ignore;
		int64_t shown;
	} cases[] = {
		{ "", "", 15 },      { "or", "", 5 },        { "work", "", 5 },   { "WORK", "", 0 },
		{ "/src/w", "", 5 }, { "inl", "", 2 },       { "", "inl", 13 },   { "main", "idle", 7 },
		{ "made", "", 15 },  { "", "/bin/made", 0 }, { "worker", "", 0 }, { ".*", "", 0 },
		{ "w\\xff", "", 8 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		setup(state);
		maker_init("cpu/nanoseconds", NULL);
		maker_thread(7, "worker");
		maker_sample("main;work@/src/w.c:1", 7, (int64_t)5);
		maker_sample("main;a>inlined", 7, (int64_t)2);
		maker_sample("main;idle;w\xff", 7, (int64_t)8);
		strcpy(wish.focus, cases[i].focus);
		strcpy(wish.ignore, cases[i].ignore);
		look(FRAMES_FUNCTION, VIEW_SORTED);
		assert_int_equal(v.total[0], 15);
		assert_int_equal(v.shown[0], cases[i].shown);
		teardown(state);
	}
	maker_init("cpu/nanoseconds", NULL);
}

static void
a_thread_can_be_focused_where_threads_are_shown(void **state)
{
	(void)state;
	maker_init("cpu/nanoseconds", NULL);
	maker_thread(7, "worker");
	maker_sample("main", 7, (int64_t)5);
	maker_sample("main", 8, (int64_t)2);
	strcpy(wish.focus, "worker");
	look(FRAMES_THREAD, VIEW_SORTED);
	assert_int_equal(v.shown[0], 5);
}

static void
a_type_is_chosen_by_name_and_one_that_there_is_not_names_them_all(void **state)
{
	uint32_t type;

	(void)state;
	maker_init("samples/count", "cpu/nanoseconds", "wall/nanoseconds", NULL);
	maker_sample("main", 1, (int64_t)1, (int64_t)2, (int64_t)3);
	maker.p.default_type = 1;
	maker_finish();
	assert_int_equal(view_check(&maker.p, &wish, &type, &why), 0);
	assert_int_equal(type, 1);
	strcpy(wish.sample_type, "wall");
	assert_int_equal(view_check(&maker.p, &wish, &type, &why), 0);
	assert_int_equal(type, 2);
	strcpy(wish.sample_type, "heap");
	assert_int_equal(view_check(&maker.p, &wish, &type, &why), -ENOENT);
	assert_non_null(strstr(why.text, "\"heap\"; it has samples, cpu, wall"));
	*wish.sample_type = '\0';
	maker.p.default_type = maker.p.n_types;
	assert_int_equal(view_check(&maker.p, &wish, &type, &why), 0);
	assert_int_equal(type, 2);
}

static void
only_the_heaviest_rows_stay_and_the_rest_is_told(void **state)
{
	(void)state;
	maker_init("samples/count", "cpu/nanoseconds", NULL);
	maker_sample("a", 1, (int64_t)10, (int64_t)1);
	maker_sample("b", 1, (int64_t)1, (int64_t)7);
	maker_sample("c", 1, (int64_t)1, (int64_t)7);
	maker_sample("d", 1, (int64_t)1, (int64_t)9);
	look(FRAMES_FUNCTION, VIEW_SORTED);
	assert_int_equal(view_trim(&v, 0, 2), 0);
	assert_int_equal(v.n_rows, 2);
	assert_string_equal(row(0), "b");
	assert_string_equal(row(1), "d");
	assert_int_equal(view_value(&v, 1, 1), 9);
	assert_int_equal(v.trimmed, 2);
	assert_int_equal(v.trimmed_values[0], 11);
	assert_int_equal(v.trimmed_values[1], 8);
	assert_int_equal(v.shown[1], 24);
	assert_int_equal(view_trim(&v, 8, 0), 0);
	assert_int_equal(v.n_rows, 1);
	assert_int_equal(view_trim(&v, 0, 5), 0);
	assert_int_equal(v.n_rows, 1);
}

static void
a_percentage_is_of_the_whole_profile(void **state)
{
	(void)state;
	maker_init("cpu/nanoseconds", NULL);
	maker_sample("a", 1, (int64_t)950);
	maker_sample("b", 1, (int64_t)50);
	strcpy(wish.focus, "b");
	look(FRAMES_FUNCTION, VIEW_SORTED);
	assert_int_equal(view_least(&v, 5), 50);
	assert_int_equal(view_least(&v, 0), 0);
	assert_int_equal(view_least(&v, 0.0001), 1);
	assert_int_equal(view_least(&v, 100), 1000);
}

static void
a_difference_has_sums_with_and_without_signs(void **state)
{
	(void)state;
	maker_init("cpu/nanoseconds", "even/count", NULL);
	maker.p.delta = true;
	maker_sample("main;a", 1, (int64_t)30, (int64_t)1);
	maker_sample("main;b", 1, (int64_t)-50, (int64_t)1);
	look(FRAMES_FUNCTION, VIEW_SORTED);
	assert_int_equal(v.total[0], -20);
	assert_int_equal(v.total_size[0], 80);
	assert_true(v.negative[0]);
	assert_false(v.negative[1]);
}

static void
the_smallest_number_has_a_size(void **state)
{
	(void)state;
	assert_true(view_size(INT64_MIN) == 9223372036854775808u);
	maker_init("cpu/nanoseconds", NULL);
}

static void
a_profile_without_samples_has_no_rows(void **state)
{
	struct tree_node node;

	(void)state;
	maker_init("cpu/nanoseconds", NULL);
	look(FRAMES_THREAD, VIEW_SORTED);
	assert_int_equal(v.n_rows, 0);
	assert_int_equal(view_trim(&v, 0, 10), 0);
	assert_int_equal(tree_init(&t, &v, 0), 0);
	tree_limit(&t, 0, 10);
	assert_true(tree_next(&t, &node));
	assert_int_equal(node.value, 0);
	assert_false(tree_next(&t, &node));
}

static void
what_needs_too_much_memory_is_refused(void **state)
{
	static char deep[120000];
	uint32_t type;

	(void)state;
	maker_init("cpu/nanoseconds", NULL);
	/* One location with 200 inlined calls, 1,000 times in a stack, in 300 stacks: 240 MB of frames. */
	for (int i = 0; i < 200; i++)
		strcat(deep, i ? ">f" : "f");
	maker_sample(deep, 1, (int64_t)1);
	for (int i = 0; i < 300; i++) {
		assert_true(profile_stack_add(&maker.p, ++maker.stacks, 0) >= 0);
		for (int k = 0; k < 1000; k++)
			assert_int_equal(profile_frame_put(&maker.p, 0), 0);
	}
	maker_finish();
	assert_int_equal(view_check(&maker.p, &wish, &type, &why), -EFBIG);
}

/* ---- the tree */

struct seen {
	uint32_t nodes, hidden, depth;
	int64_t self;
	uint64_t self_size;
};

/* Walk all of it. The sums hold at every node: a parent is its own and its children. */
static struct seen
walk(void)
{
	struct tree_node node, path[64];
	int64_t left[64];
	struct seen seen = { 0 };

	tree_begin(&t);
	while (tree_next(&t, &node)) {
		for (uint32_t k = seen.depth; seen.nodes && k >= node.depth; k--) {
			assert_int_equal(left[k], 0);
			if (!k)
				break;
		}
		assert_true(node.depth < 64);
		if (node.depth)
			left[node.depth - 1] -= node.value;
		left[node.depth] = node.value - node.self;
		path[node.depth] = node;
		if (node.depth)
			assert_true(node.size <= path[node.depth - 1].size);
		seen.depth = node.depth;
		seen.nodes++;
		seen.hidden += node.hidden;
		seen.self += node.self;
		seen.self_size += node.self_size;
	}
	return seen;
}

static void
forest(void)
{
	maker_init("cpu/nanoseconds", "other/count", NULL);
	maker_sample("main;a;x", 1, (int64_t)1, (int64_t)1);
	maker_sample("main;a;x", 2, (int64_t)2, (int64_t)1);
	maker_sample("main;a", 1, (int64_t)4, (int64_t)1);
	maker_sample("main;a;y", 1, (int64_t)8, (int64_t)1);
	maker_sample("main;b;x", 1, (int64_t)16, (int64_t)1);
	maker_sample("start", 1, (int64_t)32, (int64_t)1);
	maker_sample("start;nothing", 1, (int64_t)0, (int64_t)1);
	strcpy(wish.sample_type, "cpu");
}

static void
the_tree_is_walked_depth_first(void **state)
{
	static const struct {
		uint32_t depth;
		const char *name;
		int64_t value, self;
	} want[] = {
		{ 0, "total", 63, 0 }, { 1, "main", 31, 0 }, { 2, "a", 15, 4 },  { 3, "x", 3, 3 },
		{ 3, "y", 8, 8 },      { 2, "b", 16, 0 },    { 3, "x", 16, 16 }, { 1, "start", 32, 32 },
	};
	const size_t n = sizeof(want) / sizeof(want[0]);
	struct tree_node node;
	size_t i = 0;

	(void)state;
	forest();
	look(FRAMES_FUNCTION, VIEW_SORTED);
	assert_int_equal(tree_init(&t, &v, 0), 0);
	while (tree_next(&t, &node)) {
		assert_true(i < n);
		assert_int_equal(node.depth, want[i].depth);
		assert_string_equal(tree_label(&t, &node, &scratch), want[i].name);
		assert_int_equal(node.value, want[i].value);
		assert_int_equal(node.self, want[i].self);
		assert_int_equal(node.size, want[i].value);
		i++;
	}
	assert_int_equal(i, n);
	/* And again. */
	assert_int_equal(walk().nodes, n);
}

static void
small_nodes_stand_together_and_nothing_is_missing(void **state)
{
	struct tree_node node;
	bool found = false;

	(void)state;
	forest();
	look(FRAMES_FUNCTION, VIEW_SORTED);
	assert_int_equal(tree_init(&t, &v, 0), 0);
	tree_limit(&t, 9, 0);
	while (tree_next(&t, &node))
		if (node.hidden) {
			assert_false(found);
			found = true;
			assert_int_equal(node.hidden, 2);
			assert_int_equal(node.depth, 3);
			assert_int_equal(node.value, 11);
			assert_string_equal(tree_label(&t, &node, &scratch), "[2 not shown]");
		}
	assert_true(found);
	assert_int_equal(walk().self, 63);
}

static void
never_more_nodes_than_the_limit(void **state)
{
	(void)state;
	forest();
	look(FRAMES_FUNCTION, VIEW_SORTED);
	assert_int_equal(tree_init(&t, &v, 0), 0);
	for (uint32_t limit = 2; limit < 12; limit++) {
		struct seen seen;

		tree_limit(&t, 0, limit);
		seen = walk();
		assert_true(seen.nodes <= limit);
		assert_int_equal(seen.self, 63);
		assert_int_equal(seen.hidden > 0, limit < 8);
	}
}

static void
what_is_deeper_stands_as_one_node(void **state)
{
	struct seen seen;

	(void)state;
	forest();
	look(FRAMES_FUNCTION, VIEW_SORTED);
	assert_int_equal(tree_init(&t, &v, 1), 0);
	seen = walk();
	assert_int_equal(seen.nodes, 4);
	assert_int_equal(seen.hidden, 2);
	assert_int_equal(seen.self, 63);
}

static void
a_node_of_a_difference_has_both_sums(void **state)
{
	struct tree_node node;

	(void)state;
	maker_init("cpu/nanoseconds", NULL);
	maker.p.delta = true;
	maker_sample("main;a", 1, (int64_t)30);
	maker_sample("main;b", 1, (int64_t)-50);
	maker_sample("main", 1, (int64_t)-5);
	look(FRAMES_FUNCTION, VIEW_SORTED);
	assert_int_equal(tree_init(&t, &v, 0), 0);
	assert_true(tree_next(&t, &node));
	assert_int_equal(node.value, -25);
	assert_int_equal(node.size, 85);
	assert_true(tree_next(&t, &node));
	assert_int_equal(node.self, -5);
	assert_int_equal(node.self_size, 5);
	assert_int_equal(walk().self_size, 85);
}

/* Against sums that are made in another way: each prefix of each stack by its text. */
static void
many_random_stacks_have_the_sums_that_they_should(void **state)
{
	static char prefixes[4000][80];
	static int64_t sums[4000];
	uint32_t n = 0, x = 12345, nodes = 0;
	struct tree_node node;
	char path[64][16];

	(void)state;
	maker_init("cpu/nanoseconds", NULL);
	for (int i = 0; i < 600; i++) {
		char text[80] = "";
		uint32_t depth = 1 + (x >> 16) % 6;

		for (uint32_t k = 0; k < depth; k++) {
			uint32_t which = 0;

			x = x * 1103515245 + 12345;
			sprintf(text + strlen(text), "%sf%u", k ? ";" : "", (x >> 16) % 4);
			while (which < n && strcmp(prefixes[which], text) != 0)
				which++;
			if (which == n)
				strcpy(prefixes[n++], text);
			sums[which] += i;
		}
		maker_sample(text, 1, (int64_t)i);
	}
	look(FRAMES_FUNCTION, VIEW_SORTED);
	assert_int_equal(tree_init(&t, &v, 0), 0);
	assert_true(tree_next(&t, &node));
	while (tree_next(&t, &node)) {
		char text[80] = "";
		uint32_t which = 0;

		strcpy(path[node.depth - 1], tree_label(&t, &node, &scratch));
		for (uint32_t k = 0; k < node.depth; k++)
			sprintf(text + strlen(text), "%s%s", k ? ";" : "", path[k]);
		while (which < n && strcmp(prefixes[which], text) != 0)
			which++;
		assert_true(which < n);
		assert_int_equal(node.value, sums[which]);
		nodes++;
	}
	assert_int_equal(nodes, n);
	assert_int_equal(walk().self, v.total[0]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(inlined_calls_are_frames_of_their_own),
		TEST(a_function_is_one_frame_at_all_its_lines),
		TEST(lines_and_addresses_are_told_apart_where_that_is_asked),
		TEST(frames_are_in_alphabetical_order),
		TEST(threads_are_the_roots_of_their_stacks),
		TEST(a_table_of_threads_has_no_functions),
		TEST(samples_keep_their_order_and_their_labels),
		TEST(focus_and_ignore_look_for_parts_of_names_and_files),
		TEST(a_thread_can_be_focused_where_threads_are_shown),
		TEST(a_type_is_chosen_by_name_and_one_that_there_is_not_names_them_all),
		TEST(only_the_heaviest_rows_stay_and_the_rest_is_told),
		TEST(a_percentage_is_of_the_whole_profile),
		TEST(a_difference_has_sums_with_and_without_signs),
		TEST(the_smallest_number_has_a_size),
		TEST(a_profile_without_samples_has_no_rows),
		TEST(what_needs_too_much_memory_is_refused),
		TEST(the_tree_is_walked_depth_first),
		TEST(small_nodes_stand_together_and_nothing_is_missing),
		TEST(never_more_nodes_than_the_limit),
		TEST(what_is_deeper_stands_as_one_node),
		TEST(a_node_of_a_difference_has_both_sums),
		TEST(many_random_stacks_have_the_sums_that_they_should),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
