#include "config.h"

#include "symbolize/kallsyms.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const char text[] = "ffffffff81000000 T _stext\n"
			   "ffffffff81000000 T start\n"
			   "ffffffff81000100 t local_one\n"
			   "ffffffff81000100 T global_one\n"
			   "ffffffff81000200 W weak_one\n"
			   "ffffffff81000300 D some_data\n"
			   "ffffffff81000400 t  odd\n"
			   "nonsense\n"
			   "ffffffff81000500\n"
			   "\n"
			   "ffffffffc0000000 t mod_init\t[ext4]\n"
			   "ffffffffc0000100 t mod_work\t[ext4]\n"
			   "ffffffffc0000080 t out_of_order\t[ext4]";

static struct kallsyms *
parsed(const char *from, size_t n)
{
	struct kallsyms *k;
	struct err why;

	assert_int_equal(kallsyms_parse(&k, from, n, &why), 0);
	return k;
}

static const char *
name_at(const struct kallsyms *k, uint64_t addr)
{
	const char *name, *module;

	return kallsyms_find(k, addr, &name, &module) == 0 ? name : "none";
}

static void
a_function_reaches_to_the_next_symbol(void **state)
{
	struct kallsyms *k = parsed(text, sizeof(text) - 1);

	(void)state;
	assert_string_equal(name_at(k, 0xffffffff80ffffff), "none");
	assert_string_equal(name_at(k, 0xffffffff81000000), "start");
	assert_string_equal(name_at(k, 0xffffffff810000ff), "start");
	assert_string_equal(name_at(k, 0xffffffff81000100), "global_one");
	assert_string_equal(name_at(k, 0xffffffff810002ff), "weak_one");
	assert_string_equal(name_at(k, 0xffffffff81000300), "none");
	assert_string_equal(name_at(k, 0xffffffffc0000090), "out_of_order");
	assert_string_equal(name_at(k, 0), "none");
	kallsyms_free(k);
}

static void
the_last_function_does_not_reach_for_ever(void **state)
{
	struct kallsyms *k = parsed(text, sizeof(text) - 1);

	(void)state;
	assert_string_equal(name_at(k, 0xffffffffc0000100 + KALLSYMS_REACH - 1), "mod_work");
	assert_string_equal(name_at(k, 0xffffffffc0000100 + KALLSYMS_REACH), "none");
	assert_string_equal(name_at(k, UINT64_MAX), "none");
	kallsyms_free(k);
}

static void
the_module_is_told(void **state)
{
	struct kallsyms *k = parsed(text, sizeof(text) - 1);
	const char *name, *module;

	(void)state;
	assert_int_equal(kallsyms_find(k, 0xffffffffc0000001, &name, &module), 0);
	assert_string_equal(name, "mod_init");
	assert_string_equal(module, "ext4");
	assert_int_equal(kallsyms_find(k, 0xffffffff81000001, &name, &module), 0);
	assert_string_equal(module, "");
	kallsyms_free(k);
}

static void
zeros_are_no_addresses(void **state)
{
	static const char zeros[] = "0000000000000000 T start\n0000000000000000 t other\n";
	struct kallsyms *k;
	struct err why;

	(void)state;
	assert_int_equal(kallsyms_parse(&k, zeros, sizeof(zeros) - 1, &why), -ENOENT);
	assert_non_null(strstr(why.text, "CAP_SYSLOG"));
	assert_int_equal(kallsyms_parse(&k, "", 0, &why), -ENOENT);
	kallsyms_free(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_function_reaches_to_the_next_symbol),
		cmocka_unit_test(the_last_function_does_not_reach_for_ever),
		cmocka_unit_test(the_module_is_told),
		cmocka_unit_test(zeros_are_no_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
