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
#include "base/wire.h"
#include "fcgi/comments.h"
#include "fcgi/intake.h"
#include "fcgi/profile.h"
#include "fcgi/text.h"

static struct profile p;
static struct buf b;
static struct err why;

static int
setup(void **state)
{
	(void)state;
	buf_init(&b, 1u << 20);
	return profile_init(&p);
}

static int
teardown(void **state)
{
	(void)state;
	profile_fini(&p);
	buf_fini(&b);
	return 0;
}

/* Take what is in `b` as a message, and empty it. */
static int
take(uint16_t type)
{
	int r = intake(&p, type, b.data, b.len, &why);

	buf_reset(&b);
	return r;
}

static void
put_text(const char *s)
{
	buf_str(&b, s, strlen(s));
}

static int
take_map(uint32_t id, uint64_t object, uint8_t kind, uint8_t flags, const char *path)
{
	buf_u16(&b, 1);
	buf_u32(&b, id);
	buf_u64(&b, object);
	buf_u8(&b, kind);
	buf_u8(&b, flags);
	buf_u64(&b, 0x400000);
	buf_u64(&b, 0x500000);
	buf_u64(&b, 0x1000);
	put_text(path);
	return take(WIRE_MAPS);
}

static void
put_stack(uint32_t id, uint16_t k, uint32_t map, uint64_t addr)
{
	buf_u32(&b, id);
	buf_u8(&b, 0);
	buf_u16(&b, k);
	for (uint16_t i = 0; i < k; i++) {
		buf_u32(&b, map);
		buf_u64(&b, addr + i);
	}
}

static int
take_stack(uint32_t id, uint16_t k, uint32_t map, uint64_t addr)
{
	buf_u16(&b, 1);
	put_stack(id, k, map, addr);
	return take(WIRE_STACKS);
}

static int
take_window(bool is_clock, const char *event, const char *unit)
{
	buf_u64(&b, 1);
	buf_u64(&b, 1);
	buf_u8(&b, is_clock);
	buf_u64(&b, is_clock ? 10000000 : 1);
	put_text(event);
	put_text(unit);
	return take(WIRE_WINDOW);
}

/* value: ten times as much */
static int
take_count(uint32_t stack, uint64_t samples)
{
	buf_u16(&b, 1);
	buf_u32(&b, stack);
	buf_u32(&b, 7);
	buf_u64(&b, samples);
	buf_u64(&b, samples * 10);
	return take(WIRE_COUNTS);
}

static void
answer(uint32_t place, uint64_t vaddr, const struct profile_line *line)
{
	const struct profile_answer_is is = {
		.vaddr = vaddr,
		.flags = WIRE_ANSWER_NAMED,
		.line = (uint32_t)profile_line_add(&p, line),
		.n_lines = 1,
	};

	profile_answer(&p, place, &is);
}

/* ---- the collector's messages */

static void
ids_are_looked_up_and_never_used_as_indices(void **state)
{
	(void)state;
	assert_int_equal(take_window(true, "task-clock", "nanoseconds"), 0);
	assert_int_equal(take_map(0xfffffffe, UINT64_MAX, WIRE_MAP_FILE, 0, "/bin/a"), 0);
	assert_int_equal(take_stack(0x80000001, 2, 0xfffffffe, 0x400010), 0);
	assert_int_equal(take_count(0x80000001, 3), 0);
	assert_int_equal(p.maps.n, 1);
	assert_int_equal(p.stacks.at[0].n, 2);
	assert_int_equal(p.samples.at[0].stack, 0);
	assert_int_equal(p.places.at[0].at, 0x400010 - 0x400000 + 0x1000);
	/* The same again would be a stack that is told twice. */
	assert_int_equal(take_stack(0x80000001, 2, 0xfffffffe, 0x400010), -EBADMSG);
}

static void
what_was_never_sent_cannot_be_mentioned(void **state)
{
	(void)state;
	assert_int_equal(take_stack(1, 1, 5, 0x400000), -EBADMSG);
	assert_int_equal(take_count(9, 1), -EBADMSG);
	assert_int_equal(take_map(UINT32_MAX, 1, WIRE_MAP_FILE, 0, "x"), -EBADMSG);
	assert_int_equal(take_map(3, 1, WIRE_MAP_PSEUDO + 1, 0, "x"), -EBADMSG);
	assert_int_equal(take(WIRE_REFUSED), -EBADMSG);
	assert_int_equal(take(60000), -EBADMSG);
	assert_non_null(strstr(why.text, "60000"));
}

static void
a_message_cut_anywhere_is_refused(void **state)
{
	struct buf whole;

	(void)state;
	assert_int_equal(take_map(1, 1, WIRE_MAP_FILE, 0, "/bin/a"), 0);
	buf_init(&whole, 4096);
	buf_u16(&b, 2);
	put_stack(10, 3, 1, 0x400000);
	put_stack(11, 1, 1, 0x400040);
	buf_add(&whole, b.data, b.len);
	for (size_t n = 0; n < whole.len; n++) {
		profile_fini(&p);
		assert_int_equal(profile_init(&p), 0);
		buf_reset(&b);
		assert_int_equal(take_map(1, 1, WIRE_MAP_FILE, 0, "/bin/a"), 0);
		assert_int_equal(intake(&p, WIRE_STACKS, whole.data, n, &why), -EBADMSG);
	}
	/* And one that goes on after its end. */
	buf_u8(&whole, 0);
	profile_fini(&p);
	assert_int_equal(profile_init(&p), 0);
	assert_int_equal(take_map(1, 1, WIRE_MAP_FILE, 0, "/bin/a"), 0);
	assert_int_equal(intake(&p, WIRE_STACKS, whole.data, whole.len, &why), -EBADMSG);
	buf_fini(&whole);
}

static void
a_stack_deeper_than_the_maximum_is_refused(void **state)
{
	(void)state;
	assert_int_equal(take_map(1, 1, WIRE_MAP_FILE, 0, "/bin/a"), 0);
	assert_int_equal(take_stack(1, PROFILE_STACK_MAX, 1, 0x400000), 0);
	assert_int_equal(take_stack(2, PROFILE_STACK_MAX + 1, 1, 0x400000), -EBADMSG);
}

static void
more_than_the_memory_allows_is_refused(void **state)
{
	int r = 0;

	(void)state;
	assert_int_equal(take_map(1, 1, WIRE_MAP_FILE, 0, "/bin/a"), 0);
	for (uint32_t id = 0; id < 100000 && r == 0; id++)
		r = take_stack(id, 1000, 1, (uint64_t)id * 1000);
	assert_int_equal(r, -ENOMEM);
	assert_true(p.room.used <= PROFILE_MEMORY_MAX);
	assert_non_null(strstr(why.text, "64 MB"));
}

static void
a_thread_has_its_last_name(void **state)
{
	(void)state;
	buf_u16(&b, 2);
	for (int i = 0; i < 2; i++) {
		buf_u32(&b, 7);
		buf_u32(&b, 7);
		put_text(i ? "after exec" : "before");
	}
	assert_int_equal(take(WIRE_THREADS), 0);
	assert_string_equal(strings_get(&p.strings, profile_thread_name(&p, 7)), "after exec");
	assert_int_equal(profile_thread_name(&p, 8), 0);
}

static void
counts_of_nothing_are_left_out(void **state)
{
	(void)state;
	assert_int_equal(take_window(true, "task-clock", "nanoseconds"), 0);
	assert_int_equal(take_map(1, 1, WIRE_MAP_FILE, 0, "/bin/a"), 0);
	assert_int_equal(take_stack(1, 1, 1, 0x400000), 0);
	assert_int_equal(take_count(1, 0), 0);
	assert_int_equal(p.samples.n, 0);
}

static void
a_window_says_what_its_counts_are(void **state)
{
	(void)state;
	assert_int_equal(take_map(1, 1, WIRE_MAP_FILE, 0, "/bin/a"), 0);
	assert_int_equal(take_stack(1, 1, 1, 0x400000), 0);
	assert_int_equal(take_count(1, 3), -EBADMSG);
	assert_int_equal(take_window(false, "page-faults", ""), 0);
	assert_int_equal(take_count(1, 3), 0);
	assert_string_equal(strings_get(&p.strings, p.types[1].type), "page-faults");
	assert_string_equal(strings_get(&p.strings, p.types[1].unit), "count");
	assert_int_equal(p.values.at[1], 30);
	/* Twice would make the values wider in the middle. */
	assert_int_equal(take_window(true, "task-clock", "nanoseconds"), -EBADMSG);
}

static void
equal_labels_are_one_set(void **state)
{
	struct profile_label l[2] = { { .key = 1, .str = 2 }, { .key = 3, .num = 4 } };
	int64_t both, one;

	(void)state;
	assert_int_equal(profile_labels_add(&p, l, 0), 0);
	both = profile_labels_add(&p, l, 2);
	one = profile_labels_add(&p, l, 1);
	assert_true(both > 0 && one > 0 && both != one);
	assert_int_equal(profile_labels_add(&p, l, 2), both);
	l[1].num = 5;
	assert_int_not_equal(profile_labels_add(&p, l, 2), both);
}

static void
a_refusal_without_a_status_of_an_error_is_503(void **state)
{
	struct refusal no;

	(void)state;
	buf_u16(&b, 400);
	buf_u16(&b, 3);
	put_text("no such event; near: cycles");
	refusal_decode(&no, b.data, b.len);
	assert_int_equal(no.status, 400);
	assert_int_equal(no.retry_after_s, 3);
	assert_string_equal(no.text, "no such event; near: cycles");
	refusal_decode(&no, b.data, b.len - 1);
	assert_int_equal(no.status, 503);
	b.data[0] = 200;
	b.data[1] = 0;
	refusal_decode(&no, b.data, b.len);
	assert_int_equal(no.status, 503);
}

/* ---- names and the end */

static void
every_place_has_a_line_at_the_end_and_every_stack_a_frame(void **state)
{
	struct profile_line line = { 0 };
	uint32_t made_up, place;

	(void)state;
	assert_int_equal(take_map(1, 5, WIRE_MAP_FILE, WIRE_MAP_MAIN, "/bin/a (deleted)"), 0);
	assert_int_equal(take_map(2, 6, WIRE_MAP_KERNEL, 0, "[kernel.kallsyms]"), 0);
	assert_int_equal(take_map(3, 0, WIRE_MAP_PSEUDO, 0, "[mark]"), 0);
	assert_int_equal(take_stack(1, 2, 1, 0x400000), 0);
	assert_int_equal(take_stack(2, 1, 2, 0xffffffff81000000u), 0);
	assert_int_equal(take_stack(3, 1, 3, 0), 0);
	assert_int_equal(take_stack(4, 0, 0, 0), 0);

	line.name = strings_text(&p.strings, "known");
	place = profile_place_find(&p, profile_object_find(&p, 5), 0x1000);
	assert_int_not_equal(place, PROFILE_NONE);
	answer(place, 0x2000, &line);
	assert_int_equal(profile_finish(&p, &made_up), 0);

	assert_int_equal(made_up, 2);
	for (uint32_t i = 0; i < p.locs.n; i++)
		assert_int_equal(p.places.at[p.locs.at[i].place].n_lines, 1);
	for (uint32_t i = 0; i < p.stacks.n; i++)
		assert_true(p.stacks.at[i].n >= 1);
	/* The second place of the object stands as far from its file offset as the first. */
	place = profile_place_find(&p, profile_object_find(&p, 5), 0x1001);
	assert_int_equal(p.places.at[place].vaddr, 0x2001);
	assert_string_equal(strings_get(&p.strings, p.lines.at[p.places.at[place].line].name),
			    "[a]+0x2001");
	place = profile_place_find(&p, profile_object_find(&p, 6), 0xffffffff81000000u);
	assert_string_equal(strings_get(&p.strings, p.lines.at[p.places.at[place].line].name),
			    "[kernel.kallsyms]+0xffffffff81000000");
	assert_true(p.maps.at[0].link_time);
	assert_string_equal(strings_get(&p.strings, p.maps.at[0].path), "/bin/a");
}

static void
a_program_at_fixed_addresses_keeps_its_row(void **state)
{
	struct profile_line line = { 0 };
	uint32_t made_up;

	(void)state;
	assert_int_equal(take_map(1, 5, WIRE_MAP_FILE, WIRE_MAP_MAIN, "/bin/a"), 0);
	assert_int_equal(take_stack(1, 1, 1, 0x400000), 0);
	answer(0, 0x400000, &line);
	assert_int_equal(profile_finish(&p, &made_up), 0);
	assert_false(p.maps.at[0].link_time);
}

static void
comments_stand_in_front_of_notes(void **state)
{
	struct comments_node node = { "n", "/bin/a", 5 };

	(void)state;
	assert_int_equal(profile_commentf(&p, "a note\nof two lines"), 0);
	p.window.is_clock = true;
	p.window.period = 10000000;
	p.window.event = strings_text(&p.strings, "task-clock");
	p.window.lost = 1;
	p.window.samples = 3;
	assert_int_equal(comments_add(&p, &node, 0), 0);
	assert_non_null(strstr(strings_get(&p.strings, p.comments.at[0]), "task-clock at 100 Hz"));
	assert_string_equal(strings_get(&p.strings, p.comments.at[1]), "samples: 3");
	assert_string_equal(strings_get(&p.strings, p.comments.at[2]), "lost: 1 (25.00 %)");
	assert_string_equal(strings_get(&p.strings, p.comments.at[p.comments.n - 1]),
			    "a note\\x0aof two lines");
}

/* ---- strings */

static void
a_string_is_kept_once_and_cleaned(void **state)
{
	static const struct {
		const char *raw, *clean;
	} cases[] = {
		{ "plain", "plain" },
		{ "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80" },
		{ "a\tb\x7f", "a\\x09b\\x7f" },
		{ "\xc0\x80", "\\xc0\\x80" },                   /* a NUL in two bytes */
		{ "\xe0\x80\xaf", "\\xe0\\x80\\xaf" },          /* a longer form than needed */
		{ "\xed\xa0\x80", "\\xed\\xa0\\x80" },          /* a surrogate */
		{ "\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80" }, /* beyond U+10FFFF */
		{ "\xc2\x85", "\\xc2\\x85" },                   /* NEL, a C1 control */
		{ "cut \xe2\x82", "cut \\xe2\\x82" },
		{ "\xff\xfe", "\\xff\\xfe" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint32_t one = strings_text(&p.strings, cases[i].raw);

		assert_string_equal(strings_get(&p.strings, one), cases[i].clean);
		assert_int_equal(one, strings_text(&p.strings, cases[i].clean));
		assert_true(text_is_clean(cases[i].clean, strlen(cases[i].clean)));
	}
	assert_int_equal(strings_add(&p.strings, "", 0), 0);
	assert_string_equal(strings_get(&p.strings, strings_add(&p.strings, "a\0b", 3)), "a\\x00b");
}

static void
a_long_string_is_cut_between_characters(void **state)
{
	char s[STRINGS_LENGTH_MAX + 10];
	const char *kept;

	(void)state;
	memset(s, 'a', sizeof(s));
	memcpy(s + STRINGS_LENGTH_MAX - 1, "\xe2\x82\xac", 3);
	kept = strings_get(&p.strings, strings_add(&p.strings, s, sizeof(s)));
	assert_int_equal(strlen(kept), STRINGS_LENGTH_MAX - 1);
	assert_true(text_is_clean(kept, strlen(kept)));
}

static void
markup_is_escaped(void **state)
{
	(void)state;
	text_html(&b, "<a href='\"'>&\n\xff", 15);
	assert_int_equal(b.len, strlen("&lt;a href=&#39;&quot;&#39;&gt;&amp;\\x0a\\xff"));
	assert_memory_equal(b.data, "&lt;a href=&#39;&quot;&#39;&gt;&amp;\\x0a\\xff", b.len);
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(ids_are_looked_up_and_never_used_as_indices),
		TEST(what_was_never_sent_cannot_be_mentioned),
		TEST(a_message_cut_anywhere_is_refused),
		TEST(a_stack_deeper_than_the_maximum_is_refused),
		TEST(more_than_the_memory_allows_is_refused),
		TEST(a_thread_has_its_last_name),
		TEST(counts_of_nothing_are_left_out),
		TEST(a_window_says_what_its_counts_are),
		TEST(equal_labels_are_one_set),
		TEST(a_refusal_without_a_status_of_an_error_is_503),
		TEST(every_place_has_a_line_at_the_end_and_every_stack_a_frame),
		TEST(a_program_at_fixed_addresses_keeps_its_row),
		TEST(comments_stand_in_front_of_notes),
		TEST(a_string_is_kept_once_and_cleaned),
		TEST(a_long_string_is_cut_between_characters),
		TEST(markup_is_escaped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
