#include "config.h"

#include <elf.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "symbolize/go_offsets.h"
#include "symbolize/go_version.h"

#define TEXT 0x400000u
#define DATA 0x500000u
#define HALF 0x1000u

/* A file of two segments: text, then data. */
static struct {
	unsigned char bytes[2 * HALF];
	struct image im;
	char version[GO_VERSION_MAX];
} t;

static int
setup(void **state)
{
	(void)state;
	memset(&t, 0, sizeof(t));
	t.im = (struct image){
		.data = t.bytes, .size = sizeof(t.bytes), .machine = EM_X86_64, .n_segments = 2
	};
	t.im.segments[0] = (struct image_segment){ PT_LOAD, PF_R | PF_X, 0, TEXT, HALF, HALF };
	t.im.segments[1] = (struct image_segment){ PT_LOAD, PF_R | PF_W, HALF, DATA, HALF, HALF };
	return 0;
}

/* A record as Go 1.18 and later have it. */
static void
put_record(size_t at, const char *version)
{
	size_t n = strlen(version);

	memcpy(t.bytes + at, "\xff Go buildinf:\x08\x02", 16);
	t.bytes[at + 32] = (unsigned char)n;
	memcpy(t.bytes + at + 33, version, n);
}

static int
read_version(void)
{
	return go_version_read(&t.im, 18, GO_MINOR_NEWER, t.version);
}

static void
a_record_gives_the_version(void **state)
{
	(void)state;
	put_record(HALF, "go1.21.13");
	assert_int_equal(read_version(), 0);
	assert_string_equal(t.version, "go1.21.13");
}

static void
no_record_no_version(void **state)
{
	(void)state;
	assert_int_equal(read_version(), -ENOENT);
	assert_string_equal(t.version, "");
	put_record(HALF + 8, "go1.21.13"); /* not aligned */
	assert_int_equal(read_version(), -ENOENT);
}

static void
data_come_before_text(void **state)
{
	(void)state;
	put_record(0x100, "go1.25.1"); /* a constant of the program */
	put_record(HALF + 0x40, "go1.21.13");
	assert_int_equal(read_version(), 0);
	assert_string_equal(t.version, "go1.21.13");
}

static void
a_record_in_the_text_is_found_too(void **state)
{
	(void)state;
	put_record(0x100, "go1.25.1");
	assert_int_equal(read_version(), 0);
	assert_string_equal(t.version, "go1.25.1");
}

static void
a_version_that_the_function_table_does_not_allow_is_another_program_s(void **state)
{
	(void)state;
	put_record(HALF + 0x40, "go1.17.3");
	put_record(HALF + 0x100, "go1.22.1");
	assert_int_equal(read_version(), 0);
	assert_string_equal(t.version, "go1.22.1");
}

static void
an_old_record_holds_addresses(void **state)
{
	const uint64_t words[2] = { DATA + 0x200, DATA + 0x210 }, string[2] = { TEXT + 0x80, 6 };

	(void)state;
	memcpy(t.bytes + HALF, "\xff Go buildinf:\x08\x00", 16);
	memcpy(t.bytes + HALF + 16, words, sizeof(words));
	memcpy(t.bytes + HALF + 0x200, string, sizeof(string));
	memcpy(t.bytes + 0x80, "go1.16", 6);
	assert_int_equal(go_version_read(&t.im, 16, 17, t.version), 0);
	assert_string_equal(t.version, "go1.16");
	memset(t.bytes + HALF + 16, 0xff, 8);
	assert_int_equal(go_version_read(&t.im, 16, 17, t.version), -ENOENT);
}

static void
a_version_is_printable_and_short(void **state)
{
	char text[120];

	(void)state;
	memset(text, 'x', sizeof(text));
	text[119] = '\0';
	memcpy(text, "go1.20\n\x80", 8);
	put_record(HALF, text);
	assert_int_equal(read_version(), 0);
	assert_int_equal(strlen(t.version), GO_VERSION_MAX - 1);
	assert_memory_equal(t.version, "go1.20  xx", 10);
}

static void
a_record_at_the_end_of_its_segment_is_cut(void **state)
{
	(void)state;
	put_record(2 * HALF - 48, "go1.20");
	t.bytes[2 * HALF - 48 + 32] = 100;
	assert_int_equal(read_version(), -ENOENT);
	t.im.segments[1].filesz = HALF - 48 + 32;
	t.im.segments[0].filesz = 0;
	assert_int_equal(read_version(), -ENOENT);
}

static void
minors_are_read(void **state)
{
	static const struct {
		const char *version;
		uint32_t minor;
	} versions[] = {
		{ "go1.21.13", 21 },
		{ "go1.18", 18 },
		{ "go1.24rc2", 24 },
		{ "go1.22.12 X:nocoverageredesign", 22 },
		{ "devel go1.28-4f5a6b7 Tue", 28 },
		{ "go2.0", GO_MINOR_NEWER },
		{ "go1.99999999", GO_MINOR_NEWER },
		{ "go1.23.4-fips", 23 },
		{ "", 0 },
		{ "go", 0 },
		{ "devel +4f5a6b7", 0 },
		{ "go1", 0 },
		{ "go1.x", 0 },
		{ "unknown", 0 },
		{ "mygo go1.20", 20 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++)
		assert_int_equal(go_version_minor(versions[i].version), versions[i].minor);
}

/* ---- the table of offsets */

static void
every_version_since_1_18_has_a_column(void **state)
{
	const struct go_offsets *newest = go_offsets_newest();

	(void)state;
	assert_null(go_offsets_find(GO_OLDEST - 1));
	assert_null(go_offsets_find(newest->minor + 1));
	assert_true(newest->minor >= 27);
	for (uint32_t minor = GO_OLDEST; minor <= newest->minor; minor++) {
		const struct go_offsets *o = go_offsets_find(minor);

		assert_non_null(o);
		assert_int_equal(o->minor, minor);
		assert_true(o->g_status < o->g_size && o->g_goid < o->g_size && o->g_labels < o->g_size);
		assert_int_equal(o->m_g0, 0);
		assert_int_equal(o->mem_record_size, 4 * o->mem_cycle_size);
		assert_string_equal(o->wait_reasons[0], "");
		assert_string_equal(o->wait_reasons[1], "GC assist marking");
		assert_int_equal(o->g_parent_goid == GO_ABSENT, minor < 21);
		assert_int_equal(o->labels_slice, minor >= 24);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_record_gives_the_version, setup),
		cmocka_unit_test_setup(no_record_no_version, setup),
		cmocka_unit_test_setup(data_come_before_text, setup),
		cmocka_unit_test_setup(a_record_in_the_text_is_found_too, setup),
		cmocka_unit_test_setup(
			a_version_that_the_function_table_does_not_allow_is_another_program_s, setup),
		cmocka_unit_test_setup(an_old_record_holds_addresses, setup),
		cmocka_unit_test_setup(a_version_is_printable_and_short, setup),
		cmocka_unit_test_setup(a_record_at_the_end_of_its_segment_is_cut, setup),
		cmocka_unit_test(minors_are_read),
		cmocka_unit_test(every_version_since_1_18_has_a_column),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
