#include "config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "collector/ring.h"

#define SIZE 131072u /* a record of the largest size fits, and wraps */

static struct perf_event_mmap_page meta;
static struct ring ring;

static int
ring_start(void **state)
{
	(void)state;
	memset(&meta, 0, sizeof(meta));
	/* Exactly as long as it says, so that a sanitizer sees a read past it. */
	ring = (struct ring){ .meta = &meta, .data = malloc(SIZE), .size = SIZE, .wrap = malloc(RING_RECORD_MAX) };
	memset((void *)(uintptr_t)ring.data, 0xee, SIZE);
	return ring.data && ring.wrap ? 0 : -1;
}

static int
ring_end(void **state)
{
	(void)state;
	free((void *)(uintptr_t)ring.data);
	free(ring.wrap);
	return 0;
}

/* Write as the kernel does: `bytes` at the head, round the end where they do not fit. */
static void
put(const void *bytes, size_t n)
{
	unsigned char *data = (unsigned char *)(uintptr_t)ring.data;

	for (size_t i = 0; i < n; i++)
		data[(meta.data_head + i) % SIZE] = ((const unsigned char *)bytes)[i];
	meta.data_head += n;
}

/* A record of `size` bytes whose body counts upwards from `first`. */
static void
put_record(uint16_t size, unsigned char first)
{
	unsigned char *bytes = malloc(size);
	struct perf_event_header h = { .type = PERF_RECORD_SAMPLE, .size = size };

	memcpy(bytes, &h, sizeof(h));
	for (size_t i = sizeof(h); i < size; i++)
		bytes[i] = (unsigned char)(first + i);
	put(bytes, size);
	free(bytes);
}

static void
expect_record(uint16_t size, unsigned char first)
{
	const struct perf_event_header *h = NULL;

	assert_int_equal(ring_peek(&ring, &h), 1);
	assert_int_equal(h->size, size);
	for (size_t i = sizeof(*h); i < size; i++)
		if (((const unsigned char *)h)[i] != (unsigned char)(first + i))
			fail_msg("byte %zu of a record of %u", i, size);
	ring_advance(&ring, h);
}

/* Move both ends to `at`, as after that many bytes. */
static void
move_to(uint64_t at)
{
	meta.data_head = meta.data_tail = ring.tail = at;
}

static void
an_empty_ring_has_no_record(void **state)
{
	const struct perf_event_header *h;

	(void)state;
	assert_int_equal(ring_peek(&ring, &h), 0);
	move_to(12345 * 8);
	assert_int_equal(ring_peek(&ring, &h), 0);
}

static void
records_come_in_their_order_and_give_their_space_back(void **state)
{
	const struct perf_event_header *h;

	(void)state;
	put_record(16, 1);
	put_record(8, 2);
	put_record(1000, 3);
	expect_record(16, 1);
	assert_int_equal(meta.data_tail, 16);
	assert_int_equal(ring_peek(&ring, &h), 1); /* a look takes nothing */
	assert_int_equal(meta.data_tail, 16);
	expect_record(8, 2);
	expect_record(1000, 3);
	assert_int_equal(meta.data_tail, 1024);
	assert_int_equal(ring_peek(&ring, &h), 0);
}

static void
a_record_that_wraps_comes_back_whole(void **state)
{
	(void)state;
	for (unsigned int before = 8; before <= 1024; before += 8) {
		move_to(5 * (uint64_t)SIZE - before);
		put_record(1032, (unsigned char)before);
		put_record(8, 0);
		expect_record(1032, (unsigned char)before);
		expect_record(8, 0);
	}
}

static void
the_largest_record_wraps_too(void **state)
{
	(void)state;
	move_to(SIZE - 8);
	put_record(65528, 7);
	expect_record(65528, 7);
}

static void
a_record_that_ends_at_the_end_does_not_wrap(void **state)
{
	const struct perf_event_header *h;

	(void)state;
	move_to(SIZE - 64);
	put_record(64, 3);
	put_record(16, 4);
	assert_int_equal(ring_peek(&ring, &h), 1);
	assert_ptr_equal(h, ring.data + SIZE - 64);
	expect_record(64, 3);
	assert_int_equal(ring_peek(&ring, &h), 1);
	assert_ptr_equal(h, ring.data);
}

/* An impossible record: it is refused, and all that was written is skipped. */
static void
refused(uint16_t size, size_t written)
{
	struct perf_event_header h = { .size = size };
	const struct perf_event_header *got;
	unsigned char *bytes = calloc(1, written);

	memcpy(bytes, &h, sizeof(h));
	put(bytes, written);
	free(bytes);
	assert_int_equal(ring_peek(&ring, &got), -EBADMSG);
	assert_int_equal(ring.tail, meta.data_head);
	assert_int_equal(meta.data_tail, meta.data_head);
	assert_int_equal(ring_peek(&ring, &got), 0);
	put_record(24, 9);
	expect_record(24, 9);
}

static void
a_record_of_size_zero_is_refused(void **state)
{
	(void)state;
	refused(0, 8);
}

static void
a_record_smaller_than_its_header_is_refused(void **state)
{
	(void)state;
	refused(7, 8);
}

static void
a_record_larger_than_what_was_written_is_refused(void **state)
{
	(void)state;
	refused(24, 16);
	refused(65528, 65520);
	move_to(3 * (uint64_t)SIZE - 8);
	refused(24, 16);
}

static void
a_record_of_an_odd_size_is_refused(void **state)
{
	(void)state;
	/* Else the next header would be read from beyond the ring. */
	move_to(SIZE - 16);
	refused(12, 16);
	refused(65535, 65536);
}

static void
a_skip_forgets_what_was_written(void **state)
{
	const struct perf_event_header *h;

	(void)state;
	put_record(16, 1);
	put_record(16, 2);
	ring_skip(&ring);
	assert_int_equal(ring_peek(&ring, &h), 0);
	assert_int_equal(meta.data_tail, 32);
}

static void
what_is_no_perf_event_has_no_ring(void **state)
{
	struct ring r;
	struct err why;

	(void)state;
	assert_true(ring_open(&r, -1, 65536, &why) < 0);
	assert_null(r.meta);
	assert_null(r.wrap);
	ring_close(&r);
	ring_close(&r);
}

#define WITH_RING(f) cmocka_unit_test_setup_teardown(f, ring_start, ring_end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_RING(an_empty_ring_has_no_record),
		WITH_RING(records_come_in_their_order_and_give_their_space_back),
		WITH_RING(a_record_that_wraps_comes_back_whole),
		WITH_RING(the_largest_record_wraps_too),
		WITH_RING(a_record_that_ends_at_the_end_does_not_wrap),
		WITH_RING(a_record_of_size_zero_is_refused),
		WITH_RING(a_record_smaller_than_its_header_is_refused),
		WITH_RING(a_record_larger_than_what_was_written_is_refused),
		WITH_RING(a_record_of_an_odd_size_is_refused),
		WITH_RING(a_skip_forgets_what_was_written),
		cmocka_unit_test(what_is_no_perf_event_has_no_ring),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
