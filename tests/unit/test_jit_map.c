#include "config.h"

#include "symbolize/jit_map.h"

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

static struct jit_map *
map_of(const char *text)
{
	struct jit_map *m;

	assert_int_equal(jit_map_new(&m), 0);
	assert_int_equal(jit_map_add(m, text, strlen(text)), 0);
	return m;
}

static const char *
name_at(const struct jit_map *m, uint64_t addr)
{
	uint32_t which;

	assert_int_equal(jit_map_find(m, &addr, 1, &which), 0);
	return which == JIT_MAP_NONE ? "none" : jit_map_name(m, which);
}

static void
an_address_inside_an_entry_has_its_name(void **state)
{
	struct jit_map *m = map_of("1000 10 first\n2000 8 second one\n0x3000 0x10 third\n");

	(void)state;
	assert_string_equal(name_at(m, 0x1000), "first");
	assert_string_equal(name_at(m, 0x100f), "first");
	assert_string_equal(name_at(m, 0x1010), "none");
	assert_string_equal(name_at(m, 0xfff), "none");
	assert_string_equal(name_at(m, 0x2007), "second one");
	assert_string_equal(name_at(m, 0x3001), "third");
	jit_map_free(m);
	jit_map_free(NULL);
}

static void
the_later_entry_wins(void **state)
{
	struct jit_map *m = map_of("1000 100 old\n1020 10 new\n1000 8 newest\nffffffffffffff00 ff end\n");
	const uint64_t addrs[] = { 0x1000, 0x1007, 0x1008, 0x1020, 0x1030, 0x2000, 0xffffffffffffff10 };
	static const char *const names[] = { "newest", "newest", "old", "new", "old", NULL, "end" };
	uint32_t which[7];

	(void)state;
	assert_int_equal(jit_map_find(m, addrs, 7, which), 0);
	for (int i = 0; i < 7; i++) {
		if (!names[i])
			assert_int_equal(which[i], JIT_MAP_NONE);
		else
			assert_string_equal(jit_map_name(m, which[i]), names[i]);
	}
	jit_map_free(m);
}

static void
lines_that_are_none_are_passed_over(void **state)
{
	struct jit_map *m = map_of("\n \nx\n1000\n1000 \n1000 10\n1000 10 \nzz 10 bad\n1000 zz bad\n"
				   "11111111111111111 10 too long\n1000 0 empty\n1000 10 good\n");

	(void)state;
	assert_string_equal(name_at(m, 0x1000), "good");
	assert_string_equal(name_at(m, 0x1111), "none");
	jit_map_free(m);
}

static void
append(int fd, const char *text)
{
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

static void
a_map_that_grows_is_read_on(void **state)
{
	int fd = memfd_create("perf-1.map", 0);
	struct jit_map *m;
	struct err why;

	(void)state;
	assert_int_equal(jit_map_new(&m), 0);
	append(fd, "1000 10 one\n2000 10 tw");
	assert_int_equal(jit_map_read(m, fd, &why), 0);
	assert_string_equal(name_at(m, 0x1000), "one");
	assert_string_equal(name_at(m, 0x2000), "none");
	append(fd, "o\n1000 10 one again\n");
	assert_int_equal(jit_map_read(m, fd, &why), 0);
	assert_string_equal(name_at(m, 0x2000), "two");
	assert_string_equal(name_at(m, 0x1000), "one again");
	assert_int_equal(jit_map_read(m, fd, &why), 0);
	assert_string_equal(name_at(m, 0x2000), "two");
	/* Begun anew. */
	assert_int_equal(ftruncate(fd, 0), 0);
	lseek(fd, 0, SEEK_SET);
	append(fd, "3000 10 x\n");
	assert_int_equal(jit_map_read(m, fd, &why), 0);
	assert_string_equal(name_at(m, 0x3000), "x");
	assert_string_equal(name_at(m, 0x2000), "none");
	jit_map_free(m);
	close(fd);
}

static void
a_line_of_megabytes_stops_nothing(void **state)
{
	int fd = memfd_create("perf-1.map", 0);
	char *text = malloc(3 << 20);
	struct jit_map *m;
	struct err why;

	(void)state;
	memset(text, 'x', 3 << 20);
	text[(3 << 20) - 1] = '\n';
	assert_int_equal(jit_map_new(&m), 0);
	assert_int_equal(write(fd, text, 3 << 20), 3 << 20);
	append(fd, "1000 10 after\n");
	assert_int_equal(jit_map_read(m, fd, &why), 0);
	assert_string_equal(name_at(m, 0x1000), "after");
	jit_map_free(m);
	free(text);
	close(fd);
}

static void
an_entry_over_everything_costs_no_more_than_another(void **state)
{
	struct jit_map *m;
	uint64_t addrs[1000];
	uint32_t which[1000];

	(void)state;
	assert_int_equal(jit_map_new(&m), 0);
	for (int i = 0; i < 100000; i++)
		assert_int_equal(jit_map_add(m, "0 ffffffffffffffff all\n", 23), 0);
	for (uint64_t i = 0; i < 1000; i++)
		addrs[i] = i;
	/* 100 million steps, were each entry to look at each address. */
	assert_int_equal(jit_map_find(m, addrs, 1000, which), 0);
	assert_int_equal(which[999], 99999);
	jit_map_free(m);
}

static bool
is(struct jit_text t, const char *s)
{
	return t.n == strlen(s) && (t.n == 0 || !memcmp(t.at, s, t.n));
}

static void
names_are_taken_apart_as_their_runtime_wrote_them(void **state)
{
	static const struct {
		const char *text, *name, *system_name, *file;
		uint32_t line;
	} cases[] = {
		{ "JS:*hot /tmp/x.js:10:5", "hot", "JS:*hot", "/tmp/x.js", 10 },
		{ "JS:~hot /tmp/x.js:10:5", "hot", "JS:~hot", "/tmp/x.js", 10 },
		{ "JS:^get v node:internal/x:2:35", "get v", "JS:^get v", "node:internal/x", 2 },
		{ "JS:+'f file:///a b.mjs:1:1", "f", "JS:+'f", "file:///a b.mjs", 1 },
		{ "JS:~ /tmp/x.js:1:1", "(anonymous)", "JS:~", "/tmp/x.js", 1 },
		{ "LazyCompile:*f /x.js:7", "f", "LazyCompile:*f", "/x.js", 7 },
		{ "JS:*f", "f", "JS:*f", "", 0 },
		{ "JS:*f x.js:99999999999:1", "f", "JS:*f", "x.js:99999999999", 1 },
		{ "JS:", "JS:", "JS:", "", 0 },
		{ "JS:*", "JS:*", "JS:*", "", 0 },
		{ "JS:f /x.js:1:1", "JS:f /x.js:1:1", "JS:f /x.js:1:1", "", 0 },
		{ "py::run:/a.py", "run", "py::run:/a.py", "/a.py", 0 },
		{ "py::<module>:/a.py", "<module>", "py::<module>:/a.py", "/a.py", 0 },
		{ "py::", "py::", "py::", "", 0 },
		{ "Ljava/lang/String;::hashCode", "Ljava/lang/String;::hashCode",
		  "Ljava/lang/String;::hashCode", "", 0 },
		{ "Builtin:ArrayMap", "Builtin:ArrayMap", "Builtin:ArrayMap", "", 0 },
		{ "", "", "", "", 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct jit_name n;

		jit_name_parse(cases[i].text, &n);
		if (!is(n.name, cases[i].name) || !is(n.system_name, cases[i].system_name) ||
		    !is(n.file, cases[i].file) || n.line != cases[i].line)
			fail_msg("\"%s\": \"%.*s\" \"%.*s\" \"%.*s\" %u", cases[i].text, (int)n.name.n,
				 n.name.at, (int)n.system_name.n, n.system_name.at, (int)n.file.n,
				 n.file.at ? n.file.at : "", n.line);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_address_inside_an_entry_has_its_name),
		cmocka_unit_test(the_later_entry_wins),
		cmocka_unit_test(lines_that_are_none_are_passed_over),
		cmocka_unit_test(a_map_that_grows_is_read_on),
		cmocka_unit_test(a_line_of_megabytes_stops_nothing),
		cmocka_unit_test(an_entry_over_everything_costs_no_more_than_another),
		cmocka_unit_test(names_are_taken_apart_as_their_runtime_wrote_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
