#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <fcntl.h>
#include <unistd.h>

#include <cmocka.h>

#include "symbolize/go_labels.h"
#include "tests/unit/fake_memory.h"

#define HEAP       0xc000000000u
#define HEAP_BYTES (4u << 20)
#define BUCKET     272u

static struct {
	struct fake_memory fake;
	unsigned char *heap;
	uint32_t used;
	struct reading_writer *w;
	struct go_labels *l;
	struct reading r;
} t;

static uint64_t
put(const void *bytes, size_t n)
{
	uint64_t at = HEAP + t.used;

	memcpy(t.heap + t.used, bytes, n);
	t.used += ((uint32_t)n + 7) & ~7u;
	return at;
}

static void
set64(uint64_t at, uint64_t v)
{
	memcpy(t.heap + (at - HEAP), &v, 8);
}

static void
put_string(uint64_t at, const char *s)
{
	set64(at, put(s, strlen(s)));
	set64(at + 8, strlen(s));
}

static uint64_t
room(size_t n)
{
	uint64_t at = HEAP + t.used;

	t.used += ((uint32_t)n + 7) & ~7u;
	return at;
}

/* {ptr, len, cap} of n pairs: k0=v0, ... */
static uint64_t
make_slice(uint32_t n)
{
	uint64_t pairs = room(32 * n), head = room(24);

	for (uint32_t i = 0; i < n; i++) {
		char s[16];

		snprintf(s, sizeof(s), "k%u", n - 1 - i);
		put_string(pairs + 32 * i, s);
		s[0] = 'v';
		put_string(pairs + 32 * i + 16, s);
	}
	set64(head, pairs);
	set64(head + 8, n);
	set64(head + 16, n);
	return head;
}

static void
fill_cell(uint64_t bucket, uint32_t cell, uint8_t hash, const char *key, const char *value)
{
	t.heap[bucket - HEAP + cell] = hash;
	put_string(bucket + 8 + 16 * cell, key);
	put_string(bucket + 136 + 16 * cell, value);
}

/* What g.labels points to, and in *buckets 2^shift of them. */
static uint64_t
make_map(uint64_t count, uint8_t shift, uint64_t *buckets)
{
	uint64_t head = room(48), at = room(8);

	*buckets = room(BUCKET << (shift & 3));
	set64(head, count);
	t.heap[head - HEAP + 9] = shift;
	set64(head + 16, *buckets);
	set64(at, head);
	return at;
}

static void
start(bool is_slice)
{
	memset(t.heap, 0, HEAP_BYTES);
	t.used = 64;
	fake_memory_init(&t.fake);
	fake_memory_add(&t.fake, HEAP, t.heap, HEAP_BYTES);
	assert_int_equal(reading_writer_new(&t.w, READING_GOROUTINE), 0);
	assert_int_equal(go_labels_new(&t.l, &t.fake.mem, is_slice), 0);
}

static void
read_sets(const uint64_t *at, size_t n)
{
	int fd = memfd_create("r", MFD_ALLOW_SEALING | MFD_CLOEXEC);

	assert_int_equal(go_labels_read(t.l, at, n, t.w), 0);
	assert_int_equal(reading_writer_finish(t.w, fd, NULL), 0);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE), 0);
	assert_int_equal(reading_open(&t.r, fd, NULL), 0);
	close(fd);
}

/* "k0=v0 k1=v1 " */
static const char *
text(uint64_t at)
{
	static char buf[8192];
	uint32_t set = go_labels_set(t.l, at);
	size_t len = 0;

	assert_true(set < t.r.head->label_sets.n);
	buf[0] = '\0';
	for (uint32_t i = 0; i < t.r.label_sets[set].n; i++) {
		struct reading_label label = t.r.labels[t.r.label_sets[set].first + i];
		size_t k, v;
		const char *key = reading_string(&t.r, label.key, &k),
			   *value = reading_string(&t.r, label.value, &v);

		len += (size_t)snprintf(buf + len, sizeof(buf) - len, "%.*s=%.*s ", (int)k, key, (int)v,
					value);
	}
	return buf;
}

static int
set_up(void **state)
{
	(void)state;
	t.heap = calloc(1, HEAP_BYTES);
	return !t.heap;
}

static int
tear_down(void **state)
{
	(void)state;
	reading_close(&t.r);
	reading_writer_free(t.w);
	go_labels_free(t.l);
	free(t.heap);
	memset(&t, 0, sizeof(t));
	return 0;
}

/* ---- */

static void
a_slice_of_pairs_comes_sorted(void **state)
{
	uint64_t at[4];

	(void)state;
	start(true);
	at[0] = make_slice(3);
	at[1] = 0;
	at[2] = make_slice(1);
	at[3] = make_slice(0);
	read_sets(at, 4);
	assert_string_equal(text(at[0]), "k0=v0 k1=v1 k2=v2 ");
	assert_string_equal(text(at[2]), "k0=v0 ");
	assert_string_equal(text(at[3]), "");
	assert_string_equal(text(0), "");
	assert_string_equal(text(0x1234), "");
	assert_int_equal(go_labels_unread(t.l), 0);
}

static void
equal_sets_of_many_goroutines_are_one_and_take_few_reads(void **state)
{
	static uint64_t at[2000];

	(void)state;
	start(true);
	for (size_t i = 0; i < 2000; i++)
		at[i] = make_slice(2);
	read_sets(at, 2000);
	for (size_t i = 1; i < 2000; i++)
		assert_int_equal(go_labels_set(t.l, at[i]), go_labels_set(t.l, at[0]));
	assert_string_equal(text(at[1999]), "k0=v0 k1=v1 ");
	assert_true(t.fake.reads < 200);
}

static void
a_map_of_one_bucket_is_read(void **state)
{
	uint64_t b, at;

	(void)state;
	start(false);
	at = make_map(2, 0, &b);
	fill_cell(b, 0, 5, "user", "7");
	fill_cell(b, 1, 1, "gone", "x"); /* emptyOne */
	fill_cell(b, 5, 200, "handler", "/api");
	read_sets(&at, 1);
	assert_string_equal(text(at), "handler=/api user=7 ");
}

static void
a_map_that_overflows_and_one_that_grows_are_read_whole(void **state)
{
	uint64_t b, old, over, at;

	(void)state;
	start(false);
	at = make_map(4, 1, &b);
	old = room(BUCKET);
	over = room(BUCKET);
	fill_cell(b, 7, 9, "a", "1");
	fill_cell(b + BUCKET, 0, 9, "b", "2");
	set64(b + BUCKET + 264, over);
	fill_cell(over, 3, 9, "c", "3");
	/* Not moved yet; and one that was. */
	fill_cell(old, 0, 9, "d", "4");
	fill_cell(old, 1, 2, "a", "1");
	set64(b - 8 - 24, old); /* the word behind hmap.buckets; see make_map */
	assert_int_equal(b, at + 8);
	read_sets(&at, 1);
	assert_string_equal(text(at), "a=1 b=2 c=3 d=4 ");
}

static void
no_map_and_an_empty_one_have_no_labels(void **state)
{
	uint64_t b, at[2];

	(void)state;
	start(false);
	at[0] = room(8);
	at[1] = make_map(0, 0, &b);
	read_sets(at, 2);
	assert_string_equal(text(at[0]), "");
	assert_string_equal(text(at[1]), "");
	assert_int_equal(go_labels_unread(t.l), 0);
}

static void
what_makes_no_sense_is_counted_and_does_no_harm_to_others(void **state)
{
	uint64_t b, at[7];

	(void)state;
	start(false);
	at[0] = 0x50;                  /* nothing there */
	at[1] = make_map(5000, 0, &b); /* too many */
	at[2] = make_map(3, 40, &b);   /* impossible */
	at[3] = make_map(1, 0, &b);    /* overflows into itself */
	set64(b + 264, b);
	at[4] = make_map(1, 0, &b); /* a string that is not there */
	fill_cell(b, 0, 9, "a", "1");
	set64(b + 8, 0x1000);
	at[5] = make_map(1, 0, &b); /* a string that is too long */
	fill_cell(b, 0, 9, "a", "1");
	set64(b + 16, 1 << 20);
	at[6] = make_map(1, 0, &b);
	fill_cell(b, 0, 9, "good", "yes");
	read_sets(at, 7);
	for (size_t i = 0; i < 6; i++)
		assert_string_equal(text(at[i]), "");
	assert_string_equal(text(at[6]), "good=yes ");
	assert_int_equal(go_labels_unread(t.l), 6);
}

static void
slices_that_make_no_sense_are_counted(void **state)
{
	uint64_t at[4];

	(void)state;
	start(true);
	at[0] = make_slice(2);
	set64(at[0] + 8, 1 << 20);
	at[1] = make_slice(2);
	set64(at[1], 0x10);
	at[2] = 0x10;
	at[3] = make_slice(2);
	read_sets(at, 4);
	assert_int_equal(go_labels_unread(t.l), 3);
	assert_string_equal(text(at[3]), "k0=v0 k1=v1 ");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_slice_of_pairs_comes_sorted, set_up, tear_down),
		cmocka_unit_test_setup_teardown(equal_sets_of_many_goroutines_are_one_and_take_few_reads,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_map_of_one_bucket_is_read, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_map_that_overflows_and_one_that_grows_are_read_whole,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(no_map_and_an_empty_one_have_no_labels, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_makes_no_sense_is_counted_and_does_no_harm_to_others,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(slices_that_make_no_sense_are_counted, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
