#include "config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "fcgi/go_rules.h"
#include "fcgi/go_text.h"
#include "tests/unit/reading_maker.h"

#define IMPLIED  READING_PC_IMPLIED
#define EXACT    READING_PC_EXACT
#define LEFT_OUT READING_PC_LEFT_OUT

static struct maker m;
static struct buf text;

static int
setup(void **state)
{
	(void)state;
	buf_init(&text, 1u << 20);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	maker_fini(&m);
	buf_fini(&text);
	return 0;
}

/* Another one in the same test. */
static void
again(void)
{
	teardown(NULL);
	setup(NULL);
}

static const char *
write_text(const char *name, bool dump)
{
	struct go_text t;
	struct sink to;

	assert_int_equal(go_text_init(&t, &m.p, &m.r, &m.g, name, dump), 0);
	sink_init(&to, sink_into_buf, &text);
	go_text_write(&t, &to);
	assert_int_equal(sink_flush(&to), 0);
	buf_u8(&text, 0);
	assert_int_equal(buf_error(&text), 0);
	go_text_fini(&t);
	return (const char *)text.data;
}

static void
bucket(uint32_t stack, int64_t a, int64_t b, int64_t c, int64_t d)
{
	const struct reading_bucket is = { .stack = stack, .values = { a, b, c, d } };

	assert_true(reading_writer_bucket(m.w, &is) >= 0);
}

static struct reading_goroutine *
goroutine(uint64_t goid, uint32_t stack, const char *state)
{
	static struct reading_goroutine g;

	memset(&g, 0, sizeof(g));
	g.goid = goid;
	g.stack = stack;
	g.state = maker_string(&m, state);
	return &g;
}

static void
add(const struct reading_goroutine *g)
{
	assert_true(reading_writer_goroutine(m.w, g) >= 0);
}

/* ---- heap */

static void
a_heap_text_has_a_head_and_rows_of_most_in_use_first(void **state)
{
	(void)state;
	maker_init(&m, READING_HEAP, 21);
	reading_writer_head(m.w)->rate = 524288;
	reading_writer_head(m.w)->num_gc = 3;
	bucket(STACK(&m, 0x401010, 0x402020), 4, 64, 3, 48);
	bucket(STACK(&m, 0x402020), 2, 4096, 0, 0);
	maker_open(&m);
	maker_name(&m, 0x40100f, 0x401000, "main.aVeryLongName", 3, 0);
	maker_name(&m, 0x40201f, 0x402000, "main.f", 44, 0);
	assert_string_equal(write_text("heap", false), "heap profile: 3: 4112 [6: 4160] @ heap/1048576\n"
						       "2: 4096 [2: 4096] @ 0x402020\n"
						       "#\t0x40201f\tmain.f+0x1f\t/src/a.go:44\n"
						       "\n"
						       "1: 16 [4: 64] @ 0x401010 0x402020\n"
						       "#\t0x40100f\tmain.aVeryLongName+0xf\t/src/a.go:3\n"
						       "#\t0x40201f\tmain.f+0x1f\t\t/src/a.go:44\n"
						       "\n"
						       "\n# runtime.MemStats\n# NumGC = 3\n");
}

static void
since_go_1_20_the_head_never_has_equal_halves(void **state)
{
	static const struct {
		uint32_t minor;
		const char *text;
	} cases[] = { { 19, "heap profile: 1: 8 [1: 8] @ heap/2\n" },
		      { 20, "heap profile: 1: 8 [1: 9] @ heap/2\n" } };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		maker_init(&m, READING_HEAP, cases[i].minor);
		reading_writer_head(m.w)->rate = 1;
		bucket(STACK(&m, 0x401010), 1, 8, 0, 0);
		maker_open(&m);
		assert_memory_equal(write_text("heap", false), cases[i].text, strlen(cases[i].text));
		if (i == 0)
			again();
	}
}

static void
a_heap_that_is_not_profiled_is_a_head(void **state)
{
	(void)state;
	maker_init(&m, READING_HEAP, 26);
	reading_writer_head(m.w)->rate = 0;
	bucket(STACK(&m, 0x401010), 1, 8, 0, 0);
	maker_open(&m);
	assert_string_equal(write_text("heap", false), "heap profile: 0: 0 [0: 1] @ heap/0\n");
}

static void
numbers_that_are_too_large_are_wrong_numbers(void **state)
{
	(void)state;
	maker_init(&m, READING_HEAP, 21);
	reading_writer_head(m.w)->rate = INT64_MAX;
	bucket(STACK(&m, 0x401010), INT64_MAX, INT64_MAX, INT64_MIN, INT64_MIN);
	bucket(STACK(&m, 0x402020), INT64_MAX, INT64_MIN, 1, 1);
	maker_open(&m);
	assert_memory_equal(write_text("heap", false), "heap profile: ", strlen("heap profile: "));
}

static void
leaves_of_the_runtime_have_no_line_if_others_have(void **state)
{
	(void)state;
	maker_init(&m, READING_HEAP, 24);
	reading_writer_head(m.w)->rate = 1;
	bucket(STACK(&m, 0x401010, 0x401020, 0x402020, 0x401030, 0x403030), 9, 99, 0, 0);
	bucket(STACK(&m, 0x401010, 0x403030), 1, 8, 0, 0);
	maker_open(&m);
	maker_name(&m, 0x40100f, 0x401000, "runtime.mallocgc", 1, 0);
	maker_name(&m, 0x40101f, 0x401000, "internal/runtime/maps.NewMap", 2, 0);
	maker_name(&m, 0x40201f, 0x402000, "main.f", 3, 0);
	maker_name(&m, 0x40102f, 0x401000, "runtime.main", 4, 0);
	maker_name(&m, 0x40302f, 0x403000, "runtime.goexit", 5, WIRE_ANSWER_HIDDEN);
	assert_string_equal(write_text("heap", false),
			    "heap profile: 10: 107 [10: 108] @ heap/2\n"
			    "9: 99 [9: 99] @ 0x401010 0x401020 0x402020 0x401030 0x403030\n"
			    "#\t0x40201f\tmain.f+0x1f\t\t/src/a.go:3\n"
			    "#\t0x40102f\truntime.main+0x2f\t/src/a.go:4\n"
			    "\n"
			    "1: 8 [1: 8] @ 0x401010 0x403030\n"
			    "#\t0x40100f\truntime.mallocgc+0xf\t/src/a.go:1\n"
			    "\n");
}

static void
what_is_no_function_has_no_line_and_a_stack_without_any_says_so(void **state)
{
	(void)state;
	maker_init(&m, READING_HEAP, 21);
	reading_writer_head(m.w)->rate = 1;
	bucket(STACK(&m, 0x401010, 0x7f0000001000), 2, 16, 0, 0);
	bucket(STACK(&m, 0x7f0000001000), 1, 8, 0, 0);
	maker_open(&m);
	maker_name(&m, 0x40100f, 0x401000, "main.f", 1, 0);
	assert_non_null(strstr(write_text("heap", false), "2: 16 [2: 16] @ 0x401010 0x7f0000001000\n"
							  "#\t0x40100f\tmain.f+0xf\t/src/a.go:1\n\n"
							  "1: 8 [1: 8] @ 0x7f0000001000\n"
							  "#\t0x0\n\n"));
}

static void
columns_are_as_wide_as_their_characters_not_their_bytes(void **state)
{
	(void)state;
	maker_init(&m, READING_BLOCK, 21);
	reading_writer_head(m.w)->ticks_per_second = 1e9;
	bucket(STACK(&m, 0x401010, 0x402020), 1, 8, 0, 0);
	maker_open(&m);
	maker_name(&m, 0x40100f, 0x401000, "main.\xc3\xa9\xc3\xa9", 1, 0);
	maker_name(&m, 0x40201f, 0x402000, "main.abcdefg", 2, 0);
	/* Eleven characters and seventeen: 16 and 24 columns. */
	assert_non_null(strstr(write_text("block", false),
			       "#\t0x40100f\tmain.\xc3\xa9\xc3\xa9+0xf\t\t/src/a.go:1\n"
			       "#\t0x40201f\tmain.abcdefg+0x1f\t/src/a.go:2\n"));
}

/* ---- block and mutex */

static void
contentions_have_their_cycles_and_all_functions(void **state)
{
	(void)state;
	maker_init(&m, READING_MUTEX, 19);
	reading_writer_head(m.w)->ticks_per_second = 2100000123.7;
	reading_writer_head(m.w)->rate = 5;
	bucket(STACK(&m, 0x401010), 2, 1000, 0, 0);
	bucket(STACK(&m, 0x402020, 0x403030), 1, 2000, 0, 0);
	maker_open(&m);
	maker_name(&m, 0x40100f, 0x401000, "sync.(*Mutex).Unlock", 1, 0);
	maker_name(&m, 0x40201f, 0x402000, "runtime.unlock", 2, 0);
	maker_name(&m, 0x40302f, 0x403000, "runtime.goexit", 2, WIRE_ANSWER_HIDDEN);
	assert_string_equal(write_text("mutex", false),
			    "--- mutex:\n"
			    "cycles/second=2100000123\n"
			    "sampling period=5\n"
			    "2000 1 @ 0x402020 0x403030\n"
			    "#\t0x40201f\truntime.unlock+0x1f\t/src/a.go:2\n"
			    "\n"
			    "1000 2 @ 0x401010\n"
			    "#\t0x40100f\tsync.(*Mutex).Unlock+0xf\t/src/a.go:1\n"
			    "\n");
}

static void
an_empty_block_profile_is_a_head_and_one_without_a_clock_counts_nanoseconds(void **state)
{
	(void)state;
	maker_init(&m, READING_BLOCK, 21);
	maker_open(&m);
	assert_string_equal(write_text("block", false), "--- contention:\ncycles/second=1000000000\n");
	again();
	maker_init(&m, READING_BLOCK_ESTIMATE, 21);
	reading_writer_head(m.w)->ticks_per_second = 2e9;
	maker_open(&m);
	assert_string_equal(write_text("block", false), "--- contention:\ncycles/second=1000000000\n");
}

/* ---- counts */

static void
goroutines_stand_in_the_order_of_their_counts_then_of_their_texts(void **state)
{
	(void)state;
	maker_init(&m, READING_GOROUTINE, 21);
	add(goroutine(1, STACK(&m, 0x4f), "running"));
	add(goroutine(2, STACK(&m, 0x401), "running"));
	add(goroutine(3, STACK(&m, 0x401, 0x1), "running"));
	add(goroutine(4, STACK(&m, 0x4f0), "running"));
	add(goroutine(5, STACK(&m, 0x9), "running"));
	add(goroutine(6, STACK(&m, 0x9), "running"));
	maker_open(&m);
	assert_string_equal(write_text("goroutine", false), "goroutine profile: total 6\n"
							    "2 @ 0x9\n#\t0x0\n\n"
							    "1 @ 0x401\n#\t0x0\n\n"
							    "1 @ 0x401 0x1\n#\t0x0\n\n"
							    "1 @ 0x4f\n#\t0x0\n\n"
							    "1 @ 0x4f0\n#\t0x0\n\n");
}

static void
labels_stand_below_their_row_quoted_and_sorted(void **state)
{
	struct reading_goroutine *g;

	(void)state;
	maker_init(&m, READING_GOROUTINE, 21);
	g = goroutine(1, STACK(&m, 0x401010), "running");
	g->labels = LABELS(&m, "z", "\xc3\xa9 \"x\"\n", "a", "\x01\xff");
	add(g);
	add(goroutine(2, STACK(&m, 0x401010), "running"));
	maker_open(&m);
	maker_name(&m, 0x40100f, 0x401000, "main.(*box[go.shape.int]).f", 1, 0);
	assert_string_equal(write_text("goroutine", false),
			    "goroutine profile: total 2\n"
			    "1 @ 0x401010\n"
			    "#\t0x40100f\tmain.(*box[...]).f+0xf\t/src/a.go:1\n"
			    "\n"
			    "1 @ 0x401010\n"
			    "# labels: {\"a\":\"\\x01\\xff\", \"z\":\"\xc3\xa9 \\\"x\\\"\\n\"}\n"
			    "#\t0x40100f\tmain.(*box[...]).f+0xf\t/src/a.go:1\n"
			    "\n");
}

static void
a_goroutine_without_a_stack_has_an_address_for_readers(void **state)
{
	(void)state;
	maker_init(&m, READING_GOROUTINE, 21);
	add(goroutine(1, maker_stack(&m, (const uint64_t[]){ 0 }), "running"));
	maker_open(&m);
	assert_string_equal(write_text("goroutine", false),
			    "goroutine profile: total 1\n1 @ 0x0\n#\t0x0\n\n");
}

static void
threads_are_shown_as_gos_arrays_of_them(void **state)
{
	const char *shown;

	(void)state;
	maker_init(&m, READING_THREADCREATE, 22);
	bucket(maker_stack(&m, (const uint64_t[]){ 0 }), 1, 0, 0, 0);
	maker_open(&m);
	assert_string_equal(write_text("threadcreate", false),
			    "threadcreate profile: total 1\n1 @\n#\t0x0\n\n");
	again();
	maker_init(&m, READING_THREADCREATE, 23);
	bucket(STACK(&m, 0x401010), 1, 0, 0, 0);
	maker_open(&m);
	maker_name(&m, 0x40100f, 0x401000, "runtime.allocm", 1, 0);
	shown = write_text("threadcreate", false);
	assert_non_null(strstr(shown, "\n1 @ 0x401010 0x0 0x0 0x0 "));
	assert_non_null(strstr(shown, " 0x0\n#\t0x40100f\truntime.allocm+0xf\t/src/a.go:1\n\n"));
	assert_int_equal(strchr(strstr(shown, "@"), '\n') - strstr(shown, "@"), 1 + 9 + 31 * 4);
}

/* ---- one by one */

static void
a_goroutines_head_tells_what_it_does_and_for_how_long(void **state)
{
	struct reading_goroutine *g;

	(void)state;
	maker_init(&m, READING_GOROUTINE, 25);
	g = goroutine(7, STACK(&m, 0x401010), "chan receive");
	g->wait_ns = 179999999999u;
	g->flags = READING_G_LOCKED;
	g->bubble = 3;
	g->labels = LABELS(&m, "k", "v");
	g->parent = 1;
	g->creator_pc = 0x402020;
	add(g);
	add(goroutine(8, STACK(&m, 0x401010), "sel\nect"));
	g = goroutine(9, STACK(&m, 0x401010), "GC worker (idle)");
	g->flags = READING_G_SYSTEM;
	add(g);
	maker_open(&m);
	maker_name(&m, 0x40100f, 0x401000, "main.f", 1, 0);
	maker_name(&m, 0x40201f, 0x402000, "main.inlined", 4, 0);
	maker_name(&m, 0x40201f, 0x402000, "main.creator", 5, 0);
	assert_string_equal(write_text("goroutine", true),
			    "goroutine 7 [chan receive, 2 minutes, locked to thread, synctest bubble 3]:\n"
			    "main.f(...)\n"
			    "\t/src/a.go:1 +0x10\n"
			    "created by main.creator in goroutine 1\n"
			    "\t/src/a.go:4 +0x20\n"
			    "\n"
			    "goroutine 8 [select]:\n"
			    "main.f(...)\n"
			    "\t/src/a.go:1 +0x10\n");
}

static void
since_go_1_27_the_head_has_the_labels(void **state)
{
	struct reading_goroutine *g;

	(void)state;
	maker_init(&m, READING_GOROUTINE, 27);
	g = goroutine(7, STACK(&m, 0x401010), "select");
	g->labels = LABELS(&m, "path", "/a.b_c", "two words", "\xc3\xa9\"\x7f");
	add(g);
	maker_open(&m);
	maker_name(&m, 0x40100f, 0x401000, "main.f", 1, 0);
	assert_non_null(strstr(
		write_text("goroutine", true),
		"goroutine 7 [select] {path: /a.b_c, \"two words\": \"\\u00e9\\\"\\x7f\"}:\nmain.f"));
}

static void
inlined_calls_have_no_offset_and_the_one_around_them_that_of_the_return_address(void **state)
{
	(void)state;
	maker_init(&m, READING_GOROUTINE, 21);
	add(goroutine(1, STACK(&m, 0x402020, 0x402009 | IMPLIED, 0x403000 | EXACT), "sleep"));
	maker_open(&m);
	maker_name(&m, 0x40201f, 0x402000, "main.inner", 1, 0);
	maker_name(&m, 0x40201f, 0x402000, "main.outer", 2, 0);
	maker_name(&m, 0x402008, 0x402000, "main.outer", 2, 0);
	maker_name(&m, 0x403000, 0x403000, "main.begins", 3, 0);
	assert_string_equal(write_text("goroutine", true), "goroutine 1 [sleep]:\n"
							   "main.inner(...)\n\t/src/a.go:1\n"
							   "main.outer(...)\n\t/src/a.go:2 +0x20\n"
							   "main.begins(...)\n\t/src/a.go:3\n");
}

static void
the_runtimes_functions_are_shown_where_go_shows_them(void **state)
{
	static const struct {
		uint32_t minor;
		const char *methods, *cleanups;
	} cases[] = {
		{ 22, "", "" },
		{ 23, "runtime.(*Func).Entry(...)\n\t/src/a.go:4 +0x40\n", "" },
		{ 25, "runtime.(*Func).Entry(...)\n\t/src/a.go:4 +0x40\n",
		  "runtime.runCleanups(...)\n\t/src/a.go:6 +0x60\n" },
	};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		char want[512];

		maker_init(&m, READING_GOROUTINE, cases[i].minor);
		add(goroutine(1, STACK(&m, 0x401010, 0x401020, 0x401030, 0x401040, 0x401050, 0x401060),
			      "sleep"));
		maker_open(&m);
		maker_name(&m, 0x40100f, 0x401000, "runtime.gopanic", 1, 0);
		maker_name(&m, 0x40101f, 0x401000, "runtime.Gosched", 2, 0);
		maker_name(&m, 0x40102f, 0x401000, "runtime.gopanic", 3, 0);
		maker_name(&m, 0x40103f, 0x401000, "runtime.(*Func).Entry", 4, 0);
		maker_name(&m, 0x40104f, 0x401000, "nodot", 5, 0);
		maker_name(&m, 0x40105f, 0x401000, "runtime.runCleanups", 6, 0);
		snprintf(want, sizeof(want),
			 "goroutine 1 [sleep]:\nruntime.Gosched(...)\n\t/src/a.go:2 +0x20\n"
			 "panic(...)\n\t/src/a.go:3 +0x30\n%s%s",
			 cases[i].methods, cases[i].cleanups);
		assert_string_equal(write_text("goroutine", true), want);
		if (i < 2)
			again();
	}
}

static void
where_there_is_nothing_else_all_are_shown(void **state)
{
	struct reading_goroutine *g;

	(void)state;
	maker_init(&m, READING_GOROUTINE, 21);
	g = goroutine(5, STACK(&m, 0x401010, 0x401020), "sleep");
	g->creator_pc = 0x401030;
	add(g);
	g = goroutine(1, STACK(&m, 0x402010), "sleep");
	g->creator_pc = 0x402010;
	add(g);
	maker_open(&m);
	maker_name(&m, 0x40100f, 0x401000, "runtime.gopark", 1, 0);
	maker_name(&m, 0x40101f, 0x401000, "runtime.goexit", 2, WIRE_ANSWER_HIDDEN);
	maker_name(&m, 0x40102f, 0x401000, "runtime.main", 3, 0);
	maker_name(&m, 0x40200f, 0x402000, "main.main", 4, 0);
	assert_string_equal(write_text("goroutine", true), "goroutine 5 [sleep]:\n"
							   "runtime.gopark(...)\n\t/src/a.go:1 +0x10\n"
							   "runtime.goexit(...)\n\t/src/a.go:2 +0x20\n"
							   "\n"
							   "goroutine 1 [sleep]:\n"
							   "main.main(...)\n\t/src/a.go:4 +0x10\n");
}

/* A stack of n calls of main.f, of which some may be missing in the middle. */
static void
add_deep(uint32_t n, uint64_t missing)
{
	uint64_t pcs[300] = { 0 };

	for (uint32_t i = 0; i < n; i++)
		pcs[i] = 0x401010;
	if (missing)
		pcs[n / 2] = LEFT_OUT | missing;
	add(goroutine(1, maker_stack(&m, pcs), "sleep"));
	maker_open(&m);
	maker_name(&m, 0x40100f, 0x401000, "main.f", 1, 0);
}

static unsigned int
calls(const char *s, const char *until)
{
	unsigned int n = 0;

	for (const char *at = s; (at = strstr(at, "main.f(")) && at < until; at++)
		n++;
	return n;
}

static void
of_a_deep_stack_both_ends_are_shown(void **state)
{
	const char *shown, *elided;

	(void)state;
	maker_init(&m, READING_GOROUTINE, 21);
	add_deep(100, 0);
	shown = write_text("goroutine", true);
	assert_null(strstr(shown, "elided"));
	assert_int_equal(calls(shown, shown + strlen(shown)), 100);
	again();
	maker_init(&m, READING_GOROUTINE, 21);
	add_deep(201, 1000);
	shown = write_text("goroutine", true);
	elided = strstr(shown, "...1100 frames elided...\n");
	assert_non_null(elided);
	assert_int_equal(calls(shown, elided), 50);
	assert_int_equal(calls(elided, shown + strlen(shown)), 50);
}

static void
until_go_1_20_only_its_beginning(void **state)
{
	const char *shown;

	(void)state;
	maker_init(&m, READING_GOROUTINE, 20);
	add_deep(201, 0);
	shown = write_text("goroutine", true);
	assert_int_equal(calls(shown, shown + strlen(shown)), 100);
	assert_string_equal(shown + strlen(shown) - strlen("...additional frames elided...\n"),
			    "...additional frames elided...\n");
}

static void
a_stack_that_could_not_be_read_is_told_in_gos_words(void **state)
{
	struct reading_goroutine *g;

	(void)state;
	maker_init(&m, READING_GOROUTINE, 21);
	g = goroutine(5, STACK(&m, 0x401000 | EXACT), "running");
	g->flags = READING_G_UNREAD;
	g->creator_pc = 0x402020;
	add(g);
	maker_open(&m);
	maker_name(&m, 0x40201f, 0x402000, "main.main", 4, 0);
	assert_string_equal(write_text("goroutine", true),
			    "goroutine 5 [running]:\n"
			    "\tgoroutine running on other thread; stack unavailable\n"
			    "created by main.main\n\t/src/a.go:4 +0x20\n");
}

/* ---- names */

static void
names_have_dots_for_their_types(void **state)
{
	static const struct {
		uint32_t minor;
		const char *name, *shown;
	} cases[] = {
		{ 20, "main.f[go.shape.int]", "main.f[go.shape.int]" },
		{ 21, "main.f[go.shape.int]", "main.f[...]" },
		{ 21, "main.f[a[b]].func1[c].x", "main.f[...].x" },
		{ 21, "main.f", "main.f" },
		{ 21, "main.f]x[", "main.f]x[" },
		{ 27, "main.f[a[b]]", "main.f[...]" },
		{ 27, "main.(*T[a]).m[b[c]].x", "main.(*T[...]).m[...].x" },
		{ 27, "main.T[a]]x[b]", "main.T[a]]x[b]" },
		{ 27, "main.T[[a]", "main.T[[a]" },
		{ 27, "[]", "[...]" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct go_name name;
		char shown[100] = "";

		go_rules_name(go_rules(cases[i].minor), cases[i].name, &name);
		for (size_t k = 0; k < name.n; k++)
			strncat(shown, name.part[k].at, name.part[k].n);
		assert_string_equal(shown, cases[i].shown);
	}
	maker_init(&m, READING_HEAP, 21);
	maker_open(&m);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(a_heap_text_has_a_head_and_rows_of_most_in_use_first),
		TEST(since_go_1_20_the_head_never_has_equal_halves),
		TEST(a_heap_that_is_not_profiled_is_a_head),
		TEST(numbers_that_are_too_large_are_wrong_numbers),
		TEST(leaves_of_the_runtime_have_no_line_if_others_have),
		TEST(what_is_no_function_has_no_line_and_a_stack_without_any_says_so),
		TEST(columns_are_as_wide_as_their_characters_not_their_bytes),
		TEST(contentions_have_their_cycles_and_all_functions),
		TEST(an_empty_block_profile_is_a_head_and_one_without_a_clock_counts_nanoseconds),
		TEST(goroutines_stand_in_the_order_of_their_counts_then_of_their_texts),
		TEST(labels_stand_below_their_row_quoted_and_sorted),
		TEST(a_goroutine_without_a_stack_has_an_address_for_readers),
		TEST(threads_are_shown_as_gos_arrays_of_them),
		TEST(a_goroutines_head_tells_what_it_does_and_for_how_long),
		TEST(since_go_1_27_the_head_has_the_labels),
		TEST(inlined_calls_have_no_offset_and_the_one_around_them_that_of_the_return_address),
		TEST(the_runtimes_functions_are_shown_where_go_shows_them),
		TEST(where_there_is_nothing_else_all_are_shown),
		TEST(of_a_deep_stack_both_ends_are_shown),
		TEST(until_go_1_20_only_its_beginning),
		TEST(a_stack_that_could_not_be_read_is_told_in_gos_words),
		TEST(names_have_dots_for_their_types),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
