#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/rows.h"

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

static const struct row three[] = {
	{ 0x1000, 1, ROW_SP, ROW_FP_SAME },
	{ 0x1001, 2, ROW_SP, 2 },
	{ 0x1004, 2, ROW_FP, 2 },
};
static const int32_t wides[] = { 70000, 80000 };

/* A memfd with a header, the three rows and the two wide values, cut or grown to `size`. */
static int
rows_file(const struct rows_head *head, off_t size, int seals)
{
	int fd = memfd_create("rows", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, head, sizeof(*head)), sizeof(*head));
	assert_int_equal(write(fd, three, sizeof(three)), sizeof(three));
	assert_int_equal(write(fd, wides, sizeof(wides)), sizeof(wides));
	if (size >= 0)
		assert_int_equal(ftruncate(fd, size), 0);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
	return fd;
}

static const struct rows_head good = { ROWS_MAGIC, ROWS_GO, 3, 2 };

static void
refused(const struct rows_head *head, off_t size, int seals)
{
	int fd = rows_file(head, size, seals);
	struct rows r;
	struct err why;

	assert_int_equal(rows_open(&r, fd, &why), -EBADMSG);
	assert_null(r.head);
	rows_close(&r);
	close(fd);
}

static void
rows_that_are_sealed_and_whole_are_taken(void **state)
{
	int fd = rows_file(&good, -1, SEALS);
	struct rows r;
	struct err why;

	(void)state;
	assert_int_equal(rows_open(&r, fd, &why), 0);
	close(fd); /* the mapping does not need it */
	assert_int_equal(r.head->n_rows, 3);
	assert_int_equal(r.head->flags, ROWS_GO);
	assert_memory_equal(r.row, three, sizeof(three));
	assert_memory_equal(r.wide, wides, sizeof(wides));
	rows_close(&r);
	assert_null(r.head);
	rows_close(&r);
}

static void
a_row_holds_up_to_the_next_one(void **state)
{
	int fd = rows_file(&good, -1, SEALS);
	uint64_t end = 0;
	struct rows r;
	struct err why;

	(void)state;
	assert_int_equal(rows_open(&r, fd, &why), 0);
	close(fd);
	assert_null(rows_find(&r, 0, &end));
	assert_null(rows_find(&r, 0xfff, &end));
	assert_ptr_equal(rows_find(&r, 0x1000, &end), &r.row[0]);
	assert_int_equal(end, 0x1001);
	assert_ptr_equal(rows_find(&r, 0x1001, &end), &r.row[1]);
	assert_ptr_equal(rows_find(&r, 0x1003, &end), &r.row[1]);
	assert_int_equal(end, 0x1004);
	assert_ptr_equal(rows_find(&r, 0x1004, &end), &r.row[2]);
	assert_ptr_equal(rows_find(&r, UINT64_MAX, &end), &r.row[2]);
	assert_true(end == UINT64_MAX);
	rows_close(&r);
}

static void
a_file_that_its_writer_could_still_change_is_refused(void **state)
{
	(void)state;
	refused(&good, -1, 0);
	refused(&good, -1, F_SEAL_SHRINK | F_SEAL_GROW);
	refused(&good, -1, F_SEAL_SHRINK | F_SEAL_WRITE);
	refused(&good, -1, F_SEAL_GROW | F_SEAL_WRITE);
}

static void
a_header_that_does_not_fit_its_file_is_refused(void **state)
{
	struct rows_head h = good;
	off_t whole = sizeof(h) + sizeof(three) + sizeof(wides);

	(void)state;
	h.magic++;
	refused(&h, -1, SEALS);
	h = good;
	h.n_rows = 4;
	refused(&h, -1, SEALS);
	h.n_rows = 2;
	refused(&h, -1, SEALS);
	h.n_rows = UINT32_MAX;
	refused(&h, -1, SEALS);
	h = good;
	h.n_wide = UINT32_MAX;
	refused(&h, -1, SEALS);
	refused(&good, whole - 1, SEALS);
	refused(&good, whole + 1, SEALS);
	refused(&good, sizeof(h) - 1, SEALS);
	refused(&good, 0, SEALS);
	refused(&good, (off_t)1 << 40, SEALS);
	/* Counts that fit the file but are past the maxima. */
	h = (struct rows_head){ ROWS_MAGIC, 0, ROWS_MAX + 1, 0 };
	refused(&h, (off_t)(sizeof(h) + ((uint64_t)ROWS_MAX + 1) * sizeof(struct row)), SEALS);
	h = (struct rows_head){ ROWS_MAGIC, 0, 0, ROWS_WIDE_MAX + 1 };
	refused(&h, (off_t)(sizeof(h) + ((uint64_t)ROWS_WIDE_MAX + 1) * sizeof(int32_t)), SEALS);
}

static void
what_is_no_memfd_is_refused(void **state)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC), pipe_fd[2];
	struct rows r;
	struct err why;

	(void)state;
	assert_int_equal(rows_open(&r, fd, &why), -EBADMSG);
	close(fd);
	assert_int_equal(pipe(pipe_fd), 0);
	assert_int_equal(rows_open(&r, pipe_fd[0], &why), -EBADMSG);
	close(pipe_fd[0]);
	close(pipe_fd[1]);
	assert_int_equal(rows_open(&r, -1, &why), -EBADMSG);
}

static void
no_rows_at_all_are_rows(void **state)
{
	const struct rows_head h = { ROWS_MAGIC, 0, 0, 0 };
	int fd = rows_file(&h, sizeof(h), SEALS);
	struct rows r;
	struct err why;
	uint64_t end;

	(void)state;
	assert_int_equal(rows_open(&r, fd, &why), 0);
	assert_null(rows_find(&r, 0, &end));
	assert_null(rows_find(&r, UINT64_MAX, &end));
	rows_close(&r);
	assert_null(rows_find(&r, 0, &end)); /* closed */
	close(fd);
}

static void
unsorted_rows_give_some_row_of_theirs_and_end(void **state)
{
	struct row liar[1000];
	struct rows_head head = { ROWS_MAGIC, 0, 1000, 0 };
	struct rows r = { .head = &head, .row = liar };
	uint32_t x = 1;

	(void)state;
	for (size_t i = 0; i < 1000; i++) {
		x = x * 1664525u + 1013904223u;
		liar[i] = (struct row){ .place = x };
	}
	for (size_t i = 0; i < 1000; i++) {
		uint64_t end;
		const struct row *row = rows_find(&r, liar[i].place, &end);

		assert_true(!row || (row >= liar && row < liar + 1000));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_that_are_sealed_and_whole_are_taken),
		cmocka_unit_test(a_row_holds_up_to_the_next_one),
		cmocka_unit_test(a_file_that_its_writer_could_still_change_is_refused),
		cmocka_unit_test(a_header_that_does_not_fit_its_file_is_refused),
		cmocka_unit_test(what_is_no_memfd_is_refused),
		cmocka_unit_test(no_rows_at_all_are_rows),
		cmocka_unit_test(unsorted_rows_give_some_row_of_theirs_and_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
