#include "config.h"

#include "symbolize/reading_writer.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

/* Write it, and open what was written. */
static void
read_back(struct reading_writer *w, struct reading *r)
{
	int fd = memfd_create("reading", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	struct err why = { 0 };

	assert_int_equal(reading_writer_finish(w, fd, &why), 0);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, SEALS), 0);
	if (reading_open(r, fd, &why) < 0)
		fail_msg("%s", why.text);
	close(fd);
}

static void
what_was_put_in_comes_out(void **state)
{
	static const uint64_t pcs[] = { 0x401001, 0x402002 | READING_PC_IMPLIED };
	struct reading_bucket b = { .size = 64, .values = { 1, 64, -1, 0 } };
	struct reading_goroutine g = { .goid = 7, .flags = READING_G_RUNNING, .tid = 4711 };
	struct reading_label label;
	struct reading_writer *w;
	struct reading r;
	const char *text;
	size_t n;

	(void)state;
	assert_int_equal(reading_writer_new(&w, READING_GOROUTINE), 0);
	reading_writer_head(w)->version = (uint32_t)reading_writer_string(w, "go1.27.3", 8);
	label.key = (uint32_t)reading_writer_string(w, "key", 3);
	label.value = (uint32_t)reading_writer_string(w, "a\0b", 3);
	b.stack = g.stack = (uint32_t)reading_writer_stack(w, pcs, 2);
	g.labels = (uint32_t)reading_writer_labels(w, &label, 1);
	g.state = (uint32_t)reading_writer_string(w, "running", 7);
	assert_int_equal(reading_writer_bucket(w, &b), 0);
	assert_int_equal(reading_writer_goroutine(w, &g), 0);
	assert_int_equal(reading_writer_note(w, "%d of %s", 3, "them"), 0);
	read_back(w, &r);
	reading_writer_free(w);

	assert_int_equal(r.head->kind, READING_GOROUTINE);
	assert_true(r.head->rate == -1);
	assert_int_equal(r.head->buckets.n, 1);
	assert_memory_equal(r.buckets, &b, sizeof(b));
	assert_memory_equal(r.goroutines, &g, sizeof(g));
	assert_int_equal(r.stacks[g.stack].n, 2);
	assert_memory_equal(r.pcs + r.stacks[g.stack].first, pcs, sizeof(pcs));
	assert_int_equal(r.label_sets[g.labels].n, 1);
	text = reading_string(&r, r.labels[r.label_sets[g.labels].first].value, &n);
	assert_int_equal(n, 3);
	assert_memory_equal(text, "a\0b", 3);
	text = reading_string(&r, r.notes[0], &n);
	assert_int_equal(n, 9);
	assert_memory_equal(text, "3 of them", n);
	reading_close(&r);
}

static void
equal_things_are_kept_once(void **state)
{
	static const uint64_t pcs[] = { 1, 2, 3 };
	struct reading_label two[2];
	struct reading_writer *w;
	int64_t a, b;

	(void)state;
	assert_int_equal(reading_writer_new(&w, READING_HEAP), 0);
	a = reading_writer_stack(w, pcs, 3);
	assert_true(a >= 0);
	assert_int_not_equal(reading_writer_stack(w, pcs, 2), a);
	assert_int_not_equal(reading_writer_stack(w, pcs + 1, 2), a);
	assert_int_equal(reading_writer_stack(w, pcs, 3), a);
	b = reading_writer_stack(w, NULL, 0);
	assert_int_equal(reading_writer_stack(w, pcs, 0), b);
	assert_int_equal(reading_writer_string(w, "", 0), 0);
	a = reading_writer_string(w, "chan receive", 12);
	assert_true(a > 0);
	assert_int_equal(reading_writer_string(w, "chan receive", 12), a);
	assert_int_equal(reading_writer_labels(w, NULL, 0), 0);
	two[0] = two[1] = (struct reading_label){ (uint32_t)a, 0 };
	b = reading_writer_labels(w, two, 2);
	assert_int_equal(reading_writer_labels(w, two, 2), b);
	assert_int_not_equal(reading_writer_labels(w, two, 1), b);
	reading_writer_free(w);
}

static void
many_different_stacks_are_all_told_apart(void **state)
{
	struct reading_writer *w;
	struct reading r;
	uint64_t pcs[3];

	(void)state;
	assert_int_equal(reading_writer_new(&w, READING_HEAP), 0);
	for (int round = 0; round < 2; round++)
		for (uint64_t i = 0; i < 20000; i++) {
			pcs[0] = i % 10;
			pcs[1] = i / 10 % 100;
			pcs[2] = i;
			assert_int_equal(reading_writer_stack(w, pcs, 3), i);
		}
	read_back(w, &r);
	assert_int_equal(r.head->stacks.n, 20000);
	assert_int_equal(r.pcs[r.stacks[19999].first + 2], 19999);
	reading_close(&r);
	reading_writer_free(w);
}

static void
what_is_too_long_is_cut(void **state)
{
	uint64_t *pcs = calloc(READING_STACK_MAX + 1, sizeof(*pcs));
	char *text = calloc(1, READING_STRING_MAX + 1);
	struct reading_writer *w;
	struct reading r;

	(void)state;
	assert_int_equal(reading_writer_new(&w, READING_HEAP), 0);
	assert_int_equal(reading_writer_stack(w, pcs, READING_STACK_MAX + 1), 0);
	assert_int_equal(reading_writer_string(w, text, READING_STRING_MAX + 1), 1);
	read_back(w, &r);
	assert_int_equal(r.stacks[0].n, READING_STACK_MAX);
	assert_int_equal(r.strings[1].n, READING_STRING_MAX);
	reading_close(&r);
	reading_writer_free(w);
	free(pcs);
	free(text);
}

static void
a_reading_that_would_be_too_large_fails(void **state)
{
	static uint64_t pcs[READING_STACK_MAX];
	struct reading_writer *w;
	int64_t i, n = 0;

	(void)state;
	assert_int_equal(reading_writer_new(&w, READING_HEAP), 0);
	do {
		pcs[0]++;
		i = reading_writer_stack(w, pcs, READING_STACK_MAX);
		n += i >= 0;
	} while (i >= 0);
	assert_int_equal(i, -EFBIG);
	assert_int_equal(n, (READING_BYTES_MAX - sizeof(struct reading_head)) / (sizeof(pcs) + 8));
	assert_int_equal(reading_writer_stack(w, pcs, READING_STACK_MAX), -EFBIG);
	/* What has been there is there still. */
	pcs[0] = 1;
	assert_int_equal(reading_writer_stack(w, pcs, READING_STACK_MAX), 0);
	reading_writer_free(w);
}

static void
an_empty_reading_is_one(void **state)
{
	struct reading_writer *w;
	struct reading r;

	(void)state;
	assert_int_equal(reading_writer_new(&w, READING_MUTEX), 0);
	read_back(w, &r);
	assert_int_equal(r.head->buckets.n, 0);
	assert_int_equal(r.head->strings.n, 1);
	reading_close(&r);
	reading_writer_free(w);
	reading_writer_free(NULL);
}

static void
a_file_that_cannot_be_written_is_an_error(void **state)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	struct reading_writer *w;
	struct err why = { 0 };

	(void)state;
	assert_int_equal(reading_writer_new(&w, READING_HEAP), 0);
	assert_int_equal(reading_writer_finish(w, fd, &why), -EBADF);
	assert_non_null(strstr(why.text, "reading"));
	reading_writer_free(w);
	close(fd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_put_in_comes_out),
		cmocka_unit_test(equal_things_are_kept_once),
		cmocka_unit_test(many_different_stacks_are_all_told_apart),
		cmocka_unit_test(what_is_too_long_is_cut),
		cmocka_unit_test(a_reading_that_would_be_too_large_fails),
		cmocka_unit_test(an_empty_reading_is_one),
		cmocka_unit_test(a_file_that_cannot_be_written_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
