#include "config.h"

#include <linux/capability.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "collector/limits.h"

#define BIT(cap) ((uint64_t)1 << (cap))

static void
the_collector_keeps_these_capabilities_and_no_others(void **state)
{
	(void)state;
	assert_true(limits_capabilities() == (BIT(CAP_PERFMON) | BIT(CAP_SYS_PTRACE) | BIT(CAP_DAC_READ_SEARCH) |
					      BIT(CAP_CHECKPOINT_RESTORE) | BIT(CAP_SYSLOG) | BIT(CAP_BPF)));
}

static void
each_one_that_is_missing_is_named_with_what_to_grant(void **state)
{
	static const struct {
		unsigned int cap;
		const char *name;
	} cases[] = {
		{ CAP_PERFMON, "PERFMON" },
		{ CAP_SYS_PTRACE, "SYS_PTRACE" },
		{ CAP_DAC_READ_SEARCH, "DAC_READ_SEARCH" },
		{ CAP_CHECKPOINT_RESTORE, "CHECKPOINT_RESTORE" },
		{ CAP_SYSLOG, "SYSLOG" },
		{ CAP_BPF, "BPF" },
	};
	const char *out[16];

	(void)state;
	assert_int_equal(limits_missing(limits_capabilities(), out, 16), 0);
	assert_int_equal(limits_missing(0, out, 16), 6);
	assert_int_equal(limits_missing(0, out, 2), 2);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(limits_missing(limits_capabilities() & ~BIT(cases[i].cap), out, 16), 1);
		assert_non_null(strstr(out[0], cases[i].name));
		assert_non_null(strstr(out[0], "AmbientCapabilities=CAP_"));
		assert_non_null(strstr(out[0], "--cap-add="));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_collector_keeps_these_capabilities_and_no_others),
		cmocka_unit_test(each_one_that_is_missing_is_named_with_what_to_grant),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
