#include "config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "symbolize/memory.h"
#include "symbolize/memory_window.h"
#include "tests/unit/fake_memory.h"

#define LOW   0x10000u
#define HIGH  0x40000u
#define PAGES 32

static struct {
	struct fake_memory f;
	unsigned char low[PAGES * MEMORY_PAGE], high[4 * MEMORY_PAGE];
} t;

static int
setup(void **state)
{
	(void)state;
	fake_memory_init(&t.f);
	for (size_t i = 0; i < sizeof(t.low); i++)
		t.low[i] = (unsigned char)(i * 7 + i / 256);
	memset(t.high, 0xab, sizeof(t.high));
	fake_memory_add(&t.f, LOW, t.low, sizeof(t.low));
	fake_memory_add(&t.f, HIGH, t.high, sizeof(t.high));
	return 0;
}

static int
file_of(const void *bytes, size_t n, off_t at)
{
	int fd = memfd_create("file", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, bytes, n, at), n);
	return fd;
}

static void
maps_are_read(void **state)
{
	static const char maps[] =
		"00400000-00401000 r-xp 00002000 08:01 77                         /bin/x y\n"
		"nonsense\n"
		"00500000-00600000 rw-p 00000000 00:00 0 \n"
		"00550000-00580000 rw-p 00000000 00:00 0                          [overlaps]\n"
		"7ffc00000000-7ffc00021000 rw-p 00000000 00:00 0                  [stack]\n";
	int fd = file_of(maps, sizeof(maps) - 1, 0);
	struct memory m;
	struct err why;

	(void)state;
	assert_int_equal(memory_open(&m, -1, fd, -1, &why), 0);
	assert_int_equal(m.n_ranges, 3);
	assert_int_equal(m.ranges[0].flags, MEMORY_READ | MEMORY_EXEC | MEMORY_FILE);
	assert_int_equal(m.ranges[0].pgoff, 0x2000);
	assert_int_equal(m.ranges[0].dev, UINT64_C(8) << 32 | 1);
	assert_int_equal(m.ranges[0].ino, 77);
	assert_int_equal(m.ranges[1].flags, MEMORY_READ | MEMORY_WRITE);
	assert_ptr_equal(memory_range(&m, 0x5fffff), &m.ranges[1]);
	assert_null(memory_range(&m, 0x600000));
	assert_null(memory_range(&m, 0));
	assert_null(memory_range(&m, UINT64_MAX));
	memory_close(&m);
	close(fd);
}

static void
a_process_without_maps_has_gone(void **state)
{
	int fd = file_of("", 0, 0);
	struct memory m;
	struct err why = { .text = "" };

	(void)state;
	assert_int_equal(memory_open(&m, -1, fd, -1, &why), -ESRCH);
	assert_non_null(strstr(why.text, "gone"));
	memory_close(&m);
	close(fd);
}

static void
a_process_with_very_many_mappings_is_refused(void **state)
{
	int fd = memfd_create("maps", MFD_CLOEXEC), n;
	struct memory m;
	struct err why;
	FILE *f = fdopen(fd, "w");

	(void)state;
	for (n = 0; n <= MEMORY_RANGES_MAX; n++)
		fprintf(f, "%x000-%x001 rw-p 00000000 00:00 0 \n", 2 * n + 1, 2 * n + 1);
	fflush(f);
	assert_int_equal(memory_open(&m, -1, fd, -1, &why), -E2BIG);
	memory_close(&m);
	fclose(f);
}

static void
a_line_without_end_is_refused(void **state)
{
	char *line = malloc(200000);
	struct memory m;
	struct err why;
	int fd;

	(void)state;
	memset(line, 'x', 200000);
	fd = file_of(line, 200000, 0);
	assert_int_equal(memory_open(&m, -1, fd, -1, &why), -EBADMSG);
	memory_close(&m);
	close(fd);
	free(line);
}

static void
what_can_not_be_read_is_a_fault_and_the_end_is_the_process_s(void **state)
{
	unsigned char b[16];
	int error = 0;

	(void)state;
	assert_int_equal(memory_read(&t.f.mem, LOW + 3, b, 16), 0);
	assert_memory_equal(b, t.low + 3, 16);
	assert_int_equal(memory_read(&t.f.mem, LOW + sizeof(t.low) - 8, b, 16), -EFAULT);
	assert_int_equal(memory_read(&t.f.mem, 8, b, 16), -EFAULT);
	assert_int_equal(memory_read(&t.f.mem, UINT64_MAX - 4, b, 16), -EFAULT);
	assert_int_equal(memory_u64(&t.f.mem, HIGH, &error), UINT64_C(0xabababababababab));
	assert_int_equal(error, 0);
	assert_int_equal(memory_u64(&t.f.mem, 8, &error), 0);
	assert_int_equal(error, -EFAULT);
	t.f.gone = true;
	assert_int_equal(memory_read(&t.f.mem, LOW, b, 16), -ESRCH);
}

static void
many_reads_become_few(void **state)
{
	struct memory_want w[100];
	unsigned char b[100][8];

	(void)state;
	for (size_t i = 0; i < 100; i++) {
		size_t k = i * 37 % 100; /* in no order */

		w[i] = (struct memory_want){ LOW + 400 * k, b[k], 8, -1 };
	}
	assert_int_equal(memory_read_many(&t.f.mem, w, 100), 0);
	assert_int_equal(t.f.mem.calls, 1);
	for (size_t i = 0; i < 100; i++) {
		assert_int_equal(w[i].error, 0);
		assert_memory_equal(b[i], t.low + 400 * i, 8);
	}
}

static void
a_page_that_holds_nothing_wanted_is_not_read(void **state)
{
	unsigned char b[3][8];
	struct memory_want w[] = {
		{ LOW + 2 * MEMORY_PAGE, b[0], 8, -1 },
		{ LOW + 4 * MEMORY_PAGE - 8, b[1], 8, -1 }, /* the next page: bridged */
		{ LOW + 5 * MEMORY_PAGE + 8, b[2], 8, -1 }, /* not the one behind it */
	};

	(void)state;
	assert_int_equal(memory_read_many(&t.f.mem, w, 3), 0);
	assert_memory_equal(b[2], t.low + 5 * MEMORY_PAGE + 8, 8);
	assert_int_equal(t.f.n_pages, 3);
	assert_int_equal(t.f.pages[0], LOW / MEMORY_PAGE + 2);
	assert_int_equal(t.f.pages[1], LOW / MEMORY_PAGE + 3);
	assert_int_equal(t.f.pages[2], LOW / MEMORY_PAGE + 5);
}

static void
a_hole_is_one_want_s_error(void **state)
{
	unsigned char b[5][64], big[400 * 1024];
	struct memory_want w[] = {
		{ LOW + sizeof(t.low) - 64, b[0], 64, -1 },
		{ LOW + sizeof(t.low) - 32, b[1], 64, -1 }, /* leaves the region */
		{ LOW + sizeof(t.low) + 8, b[2], 8, -1 },   /* behind it */
		{ HIGH, b[3], 64, -1 },
		{ 0, b[4], 64, -1 },
		{ UINT64_MAX - 3, b[4], 64, -1 },
		{ LOW, big, sizeof(big), -1 }, /* larger than calls are made, and than the region */
	};

	(void)state;
	assert_int_equal(memory_read_many(&t.f.mem, w, 7), 0);
	for (size_t i = 0; i < 7; i++)
		assert_int_equal(w[i].error, w[i].to == b[0] || w[i].to == b[3] ? 0 : -EFAULT);
	assert_memory_equal(b[0], t.low + sizeof(t.low) - 64, 64);
	t.f.gone = true;
	assert_int_equal(memory_read_many(&t.f.mem, w, 7), -ESRCH);
	assert_int_equal(memory_read_many(&t.f.mem, w, 0), 0);
}

static void
wants_may_overlap(void **state)
{
	unsigned char b[3][300];
	struct memory_want w[] = {
		{ LOW + 100, b[0], 300, -1 },
		{ LOW + 100, b[1], 50, -1 },
		{ LOW + 350, b[2], 300, -1 },
	};

	(void)state;
	assert_int_equal(memory_read_many(&t.f.mem, w, 3), 0);
	assert_int_equal(t.f.mem.calls, 1);
	assert_memory_equal(b[0], t.low + 100, 300);
	assert_memory_equal(b[1], t.low + 100, 50);
	assert_memory_equal(b[2], t.low + 350, 300);
}

/* Pages 1, 2 and 4 of LOW's first block are present, page 5 is swapped. */
static int
pagemap(void)
{
	uint64_t e[16] = { 0 };

	e[1] = e[2] = e[4] = UINT64_C(1) << 63;
	e[5] = UINT64_C(1) << 62;
	return file_of(e, sizeof(e), LOW / MEMORY_PAGE * 8);
}

static void
pages_that_the_node_has_touched_are_told(void **state)
{
	unsigned char touched[8];

	(void)state;
	t.f.mem.pagemap_fd = pagemap();
	memory_touched(&t.f.mem, LOW, 8, touched);
	assert_memory_equal(touched, "\0\1\1\0\1\1\0\0", 8);
	memory_touched(&t.f.mem, UINT64_MAX & ~UINT64_C(0xfff), 8, touched);
	assert_memory_equal(touched, "\0\0\0\0\0\0\0\0", 8);
	close(t.f.mem.pagemap_fd);
	t.f.mem.pagemap_fd = -1;
	memory_touched(&t.f.mem, LOW, 2, touched);
	assert_memory_equal(touched, "\1\1", 2);
}

static void
a_window_reads_by_blocks_but_no_untouched_page(void **state)
{
	struct memory_window *w = memory_window_new(&t.f.mem);
	unsigned char b[3 * MEMORY_PAGE];

	(void)state;
	t.f.mem.pagemap_fd = pagemap();
	assert_int_equal(memory_window_read(w, LOW + MEMORY_PAGE + 5, b, 64), 0);
	assert_memory_equal(b, t.low + MEMORY_PAGE + 5, 64);
	assert_int_equal(t.f.n_pages, 4);
	for (size_t i = 0; i < 4; i++)
		assert_int_not_equal(t.f.pages[i], LOW / MEMORY_PAGE + 3);
	/* What is asked for is read, touched or not. */
	assert_int_equal(memory_window_read(w, LOW + 2 * MEMORY_PAGE - 7, b, sizeof(b)), 0);
	assert_memory_equal(b, t.low + 2 * MEMORY_PAGE - 7, sizeof(b));
	assert_int_equal(t.f.n_pages, 5);
	close(t.f.mem.pagemap_fd);
	memory_window_free(w);
}

static void
a_window_keeps_what_it_read_until_it_is_told_to_forget(void **state)
{
	struct memory_window *w = memory_window_new(&t.f.mem);
	unsigned char b[8];

	(void)state;
	assert_int_equal(memory_window_read(w, LOW, b, 8), 0);
	t.low[0] ^= 1;
	assert_int_equal(memory_window_read(w, LOW, b, 8), 0);
	assert_int_not_equal(b[0], t.low[0]);
	memory_window_forget(w);
	assert_int_equal(memory_window_read(w, LOW, b, 8), 0);
	assert_int_equal(b[0], t.low[0]);
	assert_int_equal(memory_window_read(w, LOW + sizeof(t.low) - 4, b, 8), -EFAULT);
	assert_int_equal(memory_window_read(w, 8, b, 8), -EFAULT);
	assert_int_equal(memory_window_read(w, UINT64_MAX - 3, b, 8), -EFAULT);
	t.f.gone = true;
	assert_int_equal(memory_window_read(w, HIGH, b, 8), -ESRCH);
	memory_window_free(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(maps_are_read, setup),
		cmocka_unit_test_setup(a_process_without_maps_has_gone, setup),
		cmocka_unit_test_setup(a_process_with_very_many_mappings_is_refused, setup),
		cmocka_unit_test_setup(a_line_without_end_is_refused, setup),
		cmocka_unit_test_setup(what_can_not_be_read_is_a_fault_and_the_end_is_the_process_s, setup),
		cmocka_unit_test_setup(many_reads_become_few, setup),
		cmocka_unit_test_setup(a_page_that_holds_nothing_wanted_is_not_read, setup),
		cmocka_unit_test_setup(a_hole_is_one_want_s_error, setup),
		cmocka_unit_test_setup(wants_may_overlap, setup),
		cmocka_unit_test_setup(pages_that_the_node_has_touched_are_told, setup),
		cmocka_unit_test_setup(a_window_reads_by_blocks_but_no_untouched_page, setup),
		cmocka_unit_test_setup(a_window_keeps_what_it_read_until_it_is_told_to_forget, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
