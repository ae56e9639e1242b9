#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/reading.h"

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

/* A small reading, every array of it in use. */
struct file {
	struct reading_head head;
	uint64_t pcs[4];
	struct reading_stack stacks[3];
	struct reading_bucket buckets[2];
	struct reading_goroutine goroutines[1];
	struct reading_label_set label_sets[2];
	struct reading_label labels[1];
	struct reading_string strings[4];
	char string_bytes[24];
	uint32_t notes[2];
};

#define SPAN(field) { offsetof(struct file, field), sizeof(good.field) / sizeof(good.field[0]) }

static const struct file good = {
	.head = { .magic = READING_MAGIC, .kind = READING_HEAP, .bytes = sizeof(struct file), .rate = 524288,
		  .go_minor = 21, .version = 1, .pcs = SPAN(pcs), .stacks = SPAN(stacks), .buckets = SPAN(buckets),
		  .goroutines = SPAN(goroutines), .label_sets = SPAN(label_sets), .labels = SPAN(labels),
		  .strings = SPAN(strings), .string_bytes = { offsetof(struct file, string_bytes), 21 },
		  .notes = SPAN(notes) },
	.pcs = { 0x401000, 0x402000, 0x403000 | READING_PC_EXACT, 0x404000 },
	.stacks = { { 0, 3 }, { 3, 0 }, { 3, 1 } },
	.buckets = { { .stack = 0, .size = 48, .values = { 1, 48, 0, 0 } }, { .stack = 2, .labels = 1 } },
	.goroutines = { { .goid = 1, .stack = 2, .labels = 1, .state = 3 } },
	.label_sets = { { 0, 0 }, { 0, 1 } },
	.labels = { { 2, 3 } },
	.strings = { { 0, 0 }, { 0, 9 }, { 9, 4 }, { 13, 8 } },
	.string_bytes = "go1.21.13namechan send",
	.notes = { 0, 3 },
};

static int
file_of(const void *bytes, size_t n, int seals)
{
	int fd = memfd_create("reading", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, n), n);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
	return fd;
}

static void
refused(const struct file *f, size_t n, int seals)
{
	int fd = file_of(f, n, seals);
	struct reading r;
	struct err why = { 0 };

	assert_int_equal(reading_open(&r, fd, &why), -EBADMSG);
	assert_string_not_equal(why.text, "");
	assert_null(r.head);
	reading_close(&r);
	close(fd);
}

/* The same file with one field changed. */
#define REFUSED_WITH(field, value)               \
	do {                                     \
		struct file f_ = good;           \
                                                 \
		f_.field = (value);              \
		refused(&f_, sizeof(f_), SEALS); \
	} while (0)

static void
a_sealed_and_whole_reading_is_taken(void **state)
{
	int fd = file_of(&good, sizeof(good), SEALS);
	const char *text;
	struct reading r;
	struct err why;
	size_t n;

	(void)state;
	assert_int_equal(reading_open(&r, fd, &why), 0);
	close(fd); /* the mapping does not need it */
	assert_int_equal(r.head->go_minor, 21);
	assert_memory_equal(r.pcs, good.pcs, sizeof(good.pcs));
	assert_memory_equal(r.buckets, good.buckets, sizeof(good.buckets));
	assert_memory_equal(r.goroutines, good.goroutines, sizeof(good.goroutines));
	text = reading_string(&r, r.head->version, &n);
	assert_int_equal(n, 9);
	assert_memory_equal(text, "go1.21.13", n);
	text = reading_string(&r, r.labels[0].value, &n);
	assert_memory_equal(text, "chan sen", n);
	reading_close(&r);
	assert_null(r.head);
	reading_close(&r);
}

static void
a_file_that_its_writer_could_still_change_is_refused(void **state)
{
	(void)state;
	refused(&good, sizeof(good), 0);
	refused(&good, sizeof(good), F_SEAL_SHRINK | F_SEAL_GROW);
	refused(&good, sizeof(good), F_SEAL_SHRINK | F_SEAL_WRITE);
	refused(&good, sizeof(good), F_SEAL_GROW | F_SEAL_WRITE);
}

static void
what_is_no_memfd_is_refused(void **state)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	struct reading r;

	(void)state;
	assert_int_equal(reading_open(&r, fd, NULL), -EBADMSG);
	assert_int_equal(reading_open(&r, -1, NULL), -EBADMSG);
	close(fd);
}

static void
a_file_of_another_size_than_its_header_says_is_refused(void **state)
{
	struct { struct file f; char more[8]; } longer = { .f = good };

	(void)state;
	refused(&good, 0, SEALS);
	refused(&good, sizeof(struct reading_head) - 1, SEALS);
	refused(&good, sizeof(good) - 8, SEALS);
	refused((struct file *)&longer, sizeof(longer), SEALS);
	REFUSED_WITH(head.bytes, sizeof(good) + 8);
}

static void
a_header_that_cannot_be_is_refused(void **state)
{
	(void)state;
	REFUSED_WITH(head.magic, READING_MAGIC + 1);
	REFUSED_WITH(head.kind, READING_KINDS);
	REFUSED_WITH(head.version, 4);
	REFUSED_WITH(head.ticks_per_second, -1);
	REFUSED_WITH(head.ticks_per_second, (double)NAN);
	REFUSED_WITH(head.ticks_per_second, (double)INFINITY);
}

static void
an_array_outside_the_file_is_refused(void **state)
{
	(void)state;
	REFUSED_WITH(head.pcs.at, 0);
	REFUSED_WITH(head.pcs.at, sizeof(struct reading_head) - 8);
	REFUSED_WITH(head.pcs.at, sizeof(struct reading_head) + 4);
	REFUSED_WITH(head.pcs.at, sizeof(good));
	REFUSED_WITH(head.pcs.at, sizeof(good) + 8);
	REFUSED_WITH(head.pcs.at, UINT64_MAX - 7);
	REFUSED_WITH(head.buckets.n, 1000000);
	REFUSED_WITH(head.buckets.n, UINT64_MAX / sizeof(struct reading_bucket) + 2);
	REFUSED_WITH(head.notes.n, 3);
	REFUSED_WITH(head.string_bytes.n, UINT64_MAX);
}

static void
runs_that_overlap_or_leave_gaps_are_refused(void **state)
{
	(void)state;
	REFUSED_WITH(stacks[1].first, 0);
	REFUSED_WITH(stacks[2].n, 2);
	REFUSED_WITH(stacks[2].n, UINT32_MAX);
	REFUSED_WITH(stacks[0].n, 2);
	REFUSED_WITH(head.stacks.n, 2);
	REFUSED_WITH(label_sets[1].first, 1);
	REFUSED_WITH(label_sets[0].n, 1);
	REFUSED_WITH(head.label_sets.n, 0);
	REFUSED_WITH(strings[0].n, 1);
	REFUSED_WITH(strings[3].n, 9);
	REFUSED_WITH(strings[3].first, UINT32_MAX);
	REFUSED_WITH(head.strings.n, 0);
	REFUSED_WITH(head.string_bytes.n, 20);
}

static void
a_number_that_names_nothing_is_refused(void **state)
{
	(void)state;
	REFUSED_WITH(buckets[1].stack, 3);
	REFUSED_WITH(buckets[1].labels, 2);
	REFUSED_WITH(goroutines[0].stack, UINT32_MAX);
	REFUSED_WITH(goroutines[0].labels, 2);
	REFUSED_WITH(goroutines[0].state, 4);
	REFUSED_WITH(labels[0].key, 4);
	REFUSED_WITH(labels[0].value, 4);
	REFUSED_WITH(notes[1], 4);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_sealed_and_whole_reading_is_taken),
		cmocka_unit_test(a_file_that_its_writer_could_still_change_is_refused),
		cmocka_unit_test(what_is_no_memfd_is_refused),
		cmocka_unit_test(a_file_of_another_size_than_its_header_says_is_refused),
		cmocka_unit_test(a_header_that_cannot_be_is_refused),
		cmocka_unit_test(an_array_outside_the_file_is_refused),
		cmocka_unit_test(runs_that_overlap_or_leave_gaps_are_refused),
		cmocka_unit_test(a_number_that_names_nothing_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
