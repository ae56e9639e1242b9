#include "config.h"

#include "symbolize/answers.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "symbolize/answer.h"
#include "tests/unit/kid.h"

static struct answers *
cache(size_t bytes)
{
	struct answers *a;

	assert_int_equal(answers_new(&a, bytes), 0);
	return a;
}

static void
put(struct answers *a, uint64_t object, uint64_t place, bool final, const char *text)
{
	assert_int_equal(answers_put(a, object, place, final, text, strlen(text)), 0);
}

static bool
has(struct answers *a, uint64_t object, uint64_t place, bool final, const char *text)
{
	size_t n = 0;
	bool is_final = false;
	const void *got = answers_get(a, object, place, &n, &is_final);

	return got && is_final == final && n == strlen(text) && !memcmp(got, text, n);
}

static void
what_was_put_is_got(void **state)
{
	struct answers *a = cache(1 << 20);
	size_t n;
	bool final;

	(void)state;
	put(a, 1, 0x10, true, "one");
	put(a, 1, 0x20, false, "two");
	put(a, 2, 0x10, true, "three");
	assert_true(has(a, 1, 0x10, true, "one"));
	assert_true(has(a, 1, 0x20, false, "two"));
	assert_true(has(a, 2, 0x10, true, "three"));
	assert_null(answers_get(a, 2, 0x20, &n, &final));
	assert_null(answers_get(a, 3, 0x10, &n, &final));
	assert_int_equal(answers_count(a), 3);
	answers_free(a);
	answers_free(NULL);
}

static void
a_final_answer_replaces_a_quick_one(void **state)
{
	struct answers *a = cache(1 << 20);

	(void)state;
	put(a, 1, 0x10, false, "quick");
	put(a, 1, 0x10, true, "final and longer");
	assert_true(has(a, 1, 0x10, true, "final and longer"));
	assert_int_equal(answers_count(a), 1);
	answers_free(a);
}

static void
what_is_used_stays_and_the_rest_goes(void **state)
{
	struct answers *a = cache(1 << 18);
	char text[200];
	size_t n;
	bool final;

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	put(a, 1, 0, true, "used now and then");
	put(a, 1, 1, true, "never used again");
	for (uint64_t i = 2; i < 20000; i++) {
		put(a, 1, i, true, text);
		if (i % 100 == 0)
			assert_true(has(a, 1, 0, true, "used now and then"));
	}
	assert_null(answers_get(a, 1, 1, &n, &final));
	assert_true(has(a, 1, 19999, true, text));
	/* 20,000 answers of 200 bytes do not fit. */
	assert_true(answers_count(a) * 200 < 1 << 18);
	answers_free(a);
}

static void
an_answer_larger_than_the_cache_is_refused(void **state)
{
	struct answers *a = cache(1 << 16);
	static char big[1 << 16];
	size_t n;
	bool final;

	(void)state;
	assert_int_equal(answers_put(a, 1, 1, true, big, sizeof(big)), -EFBIG);
	assert_null(answers_get(a, 1, 1, &n, &final));
	put(a, 1, 2, true, "small");
	assert_true(has(a, 1, 2, true, "small"));
	answers_free(a);
}

static int
touch(void *arg)
{
	const volatile char *p = arg;

	signal(SIGSEGV, SIG_DFL); /* cmocka's handler would go on with the other tests */
	return *p;
}

static void
a_forked_child_has_none_of_the_answers(void **state)
{
	struct answers *a = cache(1 << 20);
	const void *got;
	size_t n;
	bool final;

	(void)state;
	put(a, 1, 1, true, "secret of another object");
	got = answers_get(a, 1, 1, &n, &final);
	assert_int_not_equal(kid_wait(kid_start(touch, (void *)(uintptr_t)got)), 's');
	answers_free(a);
}

/* ---- one answer */

static void
an_answer_comes_back_as_it_was(void **state)
{
	struct answer_frame frames[] = {
		{ "inner", "_Z5innerv", "/a.c", 3, 1 },
		{ "outer", "outer", "", 0, 0 },
	};
	const struct answer a = {
		.place = 0x1234, .vaddr = 0x401234, .flags = 7, .n = 2, .frames = frames
	};
	struct answer_head head;
	struct buf b;
	struct cur c;
	int r;

	(void)state;
	buf_init(&b, WIRE_BODY_MAX);
	r = answer_encode(&b, &a);
	assert_int_equal(r, b.len);
	buf_u8(&b, 0xff); /* the next one's first byte */
	cur_init(&c, b.data, b.len);
	assert_int_equal(answer_head(&c, &head), 0);
	assert_int_equal(head.place, 0x1234);
	assert_int_equal(head.vaddr, 0x401234);
	assert_int_equal(head.flags, 7);
	assert_ptr_equal(head.bytes, b.data);
	assert_int_equal(head.n, b.len - 1);
	assert_int_equal(cur_left(&c), 1);
	/* Cut anywhere it is none. */
	for (size_t n = 0; n < b.len - 1; n++) {
		cur_init(&c, b.data, n);
		assert_int_equal(answer_head(&c, &head), -EBADMSG);
	}
	buf_fini(&b);
}

static void
an_answer_too_large_loses_its_inner_frames(void **state)
{
	static struct answer_frame frames[CHAIN_MAX];
	static char name[5000];
	const struct answer a = { .n = CHAIN_MAX, .frames = frames };
	struct answer_head head;
	struct buf b;
	struct cur c;

	(void)state;
	memset(name, 'n', sizeof(name) - 1);
	for (size_t i = 0; i < CHAIN_MAX; i++)
		frames[i] = (struct answer_frame){ name, name, "", (uint32_t)i, 0 };
	frames[CHAIN_MAX - 1].name = "physical";
	buf_init(&b, WIRE_BODY_MAX);
	assert_in_range(answer_encode(&b, &a), ANSWER_MAX - 3 * CHAIN_STRING_MAX, ANSWER_MAX);
	cur_init(&c, b.data, b.len);
	assert_int_equal(answer_head(&c, &head), 0);
	assert_int_equal(head.n, b.len);
	/* The last frame's name is where it should be: before its system name and file. */
	assert_memory_equal(b.data + b.len - 2 - CHAIN_STRING_MAX - 2 - 8, "physical", 8);
	buf_fini(&b);
}

static void
an_answer_without_frames_or_with_too_long_a_name_is_refused(void **state)
{
	struct answer_head head;
	struct buf b;
	struct cur c;
	static char name[CHAIN_STRING_MAX + 1];

	(void)state;
	buf_init(&b, WIRE_BODY_MAX);
	buf_u64(&b, 1);
	buf_u64(&b, 1);
	buf_u8(&b, 1);
	buf_u8(&b, 0);
	cur_init(&c, b.data, b.len);
	assert_int_equal(answer_head(&c, &head), -EBADMSG);
	b.data[b.len - 1] = 1;
	buf_u64(&b, 0);
	buf_str(&b, name, sizeof(name));
	buf_str(&b, "", 0);
	buf_str(&b, "", 0);
	cur_init(&c, b.data, b.len);
	assert_int_equal(answer_head(&c, &head), -EBADMSG);
	buf_fini(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_put_is_got),
		cmocka_unit_test(a_final_answer_replaces_a_quick_one),
		cmocka_unit_test(what_is_used_stays_and_the_rest_goes),
		cmocka_unit_test(an_answer_larger_than_the_cache_is_refused),
		cmocka_unit_test(a_forked_child_has_none_of_the_answers),
		cmocka_unit_test(an_answer_comes_back_as_it_was),
		cmocka_unit_test(an_answer_too_large_loses_its_inner_frames),
		cmocka_unit_test(an_answer_without_frames_or_with_too_long_a_name_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
