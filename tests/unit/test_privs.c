#include "config.h"

#include <cap-ng.h>
#include <errno.h>
#include <grp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/privs.h"
#include "tests/unit/kid.h"

#define BIT(cap) ((uint64_t)1 << (cap))

static void
a_user_is_a_name_or_a_number(void **state)
{
	struct err why;
	uid_t uid = 1;
	gid_t gid = 1;

	(void)state;
	assert_int_equal(privs_user("root", &uid, &gid, &why), 0);
	assert_int_equal(uid, 0);
	assert_int_equal(gid, 0);
	assert_int_equal(privs_user("4242424", &uid, &gid, &why), 0);
	assert_int_equal(uid, 4242424);
	assert_int_equal(gid, 4242424);
}

static void
what_is_no_user_is_refused(void **state)
{
	static const char *const names[] = { "", "no-such-user-here", "0", "-1", " 5", "5x", "0x5", "4294967295",
					     "99999999999999999999999" };
	struct err why;
	uid_t uid;
	gid_t gid;

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (privs_user(names[i], &uid, &gid, &why) != -ENOENT)
			fail_msg("\"%s\" was taken", names[i]);
}

/* ---- limits; in a child, since they do not come back */

static int
raise_limits(void *arg)
{
	struct rlimit r = { 64, 128 };

	(void)arg;
	if (setrlimit(RLIMIT_NOFILE, &r) < 0)
		return 1;
	if (geteuid() == 0 && setresuid(KID_NOBODY, KID_NOBODY, KID_NOBODY) < 0)
		return 2;
	if (privs_limit(RLIMIT_NOFILE, 32) != 64) /* never lowered */
		return 3;
	if (privs_limit(RLIMIT_NOFILE, 100) != 100)
		return 4;
	if (privs_limit(RLIMIT_NOFILE, 1000) != 128) /* as far as the hard limit */
		return 5;
	return getrlimit(RLIMIT_NOFILE, &r) < 0 || r.rlim_cur != 128;
}

static int
raise_hard_limit(void *arg)
{
	struct rlimit r = { 64, 128 };

	(void)arg;
	if (setrlimit(RLIMIT_NOFILE, &r) < 0)
		return 1;
	if (privs_limit(RLIMIT_NOFILE, 1000) != 1000)
		return 2;
	if (privs_limit(RLIMIT_MEMLOCK, RLIM_INFINITY) != RLIM_INFINITY)
		return 3;
	return 0;
}

static void
a_limit_is_raised_as_far_as_it_may(void **state)
{
	(void)state;
	assert_int_equal(kid_run(raise_limits, NULL), 0);
}

static void
who_may_raises_the_hard_limit_too(void **state)
{
	(void)state;
	capng_get_caps_process();
	SKIP_UNLESS(capng_have_capability(CAPNG_EFFECTIVE, CAP_SYS_RESOURCE),
		    "no CAP_SYS_RESOURCE: hard limits stay as they are");
	assert_int_equal(kid_run(raise_hard_limit, NULL), 0);
}

/* ---- dropping */

static int
drop_and_look(void *arg)
{
	const uint64_t *keep = arg;
	uint64_t kept = ~(uint64_t)0;
	struct err why;
	uid_t r, e, s;
	gid_t gr, ge, gs;

	if (privs_drop("4242424", *keep, &kept, &why) < 0)
		return 1;
	if (kept != *keep)
		return 2;
	if (getresuid(&r, &e, &s) < 0 || r != 4242424 || e != 4242424 || s != 4242424)
		return 3;
	if (getresgid(&gr, &ge, &gs) < 0 || gr != 4242424 || ge != 4242424 || gs != 4242424)
		return 4;
	if (getgroups(0, NULL) != 0)
		return 5;
	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1 || prctl(PR_GET_DUMPABLE) != 0)
		return 6;
	capng_get_caps_process();
	for (unsigned int cap = 0; cap <= CAP_LAST_CAP; cap++) {
		bool wanted = *keep >> cap & 1;

		if (!!capng_have_capability(CAPNG_PERMITTED, cap) != wanted ||
		    !!capng_have_capability(CAPNG_EFFECTIVE, cap) != wanted ||
		    capng_have_capability(CAPNG_INHERITABLE, cap) || capng_have_capability(CAPNG_BOUNDING_SET, cap) ||
		    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, cap, 0, 0) == 1)
			return 7;
	}
	return setresuid(0, 0, 0) == 0 ? 8 : 0;
}

static void
root_becomes_the_user_with_the_named_capabilities_and_no_others(void **state)
{
	uint64_t keep[] = { 0, BIT(CAP_SYS_PTRACE), BIT(CAP_SYS_PTRACE) | BIT(CAP_DAC_READ_SEARCH) | BIT(CAP_SYSLOG) };

	(void)state;
	SKIP_UNLESS(geteuid() == 0, "not root: there is nothing to drop");
	capng_get_caps_process();
	SKIP_UNLESS(capng_have_capability(CAPNG_PERMITTED, CAP_SYS_PTRACE) &&
			    capng_have_capability(CAPNG_PERMITTED, CAP_SYSLOG),
		    "root without CAP_SYS_PTRACE or CAP_SYSLOG (a container?)");
	for (size_t i = 0; i < sizeof(keep) / sizeof(keep[0]); i++)
		assert_int_equal(kid_run(drop_and_look, &keep[i]), 0);
}

static int
drop_what_is_not_there(void *arg)
{
	uint64_t kept = 1;
	struct err why;

	(void)arg;
	if (geteuid() == 0 && setresuid(KID_NOBODY, KID_NOBODY, KID_NOBODY) < 0)
		return 1;
	/* The name does not matter to whoever is not root. */
	if (privs_drop("no-such-user-here", BIT(CAP_SYS_PTRACE), &kept, &why) < 0)
		return 2;
	if (kept != 0 || prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
		return 3;
	return 0;
}

static void
who_is_not_root_keeps_the_user_and_learns_what_is_missing(void **state)
{
	(void)state;
	assert_int_equal(kid_run(drop_what_is_not_there, NULL), 0);
}

static void
root_does_not_stay_root(void **state)
{
	uint64_t kept;
	struct err why;

	(void)state;
	SKIP_UNLESS(geteuid() == 0, "not root: there is nothing to drop");
	assert_int_equal(privs_drop("root", 0, &kept, &why), -EINVAL);
	assert_non_null(strstr(why.text, "root"));
	assert_int_equal(privs_drop("no-such-user-here", 0, &kept, &why), -ENOENT);
	assert_int_equal(geteuid(), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_user_is_a_name_or_a_number),
		cmocka_unit_test(what_is_no_user_is_refused),
		cmocka_unit_test(a_limit_is_raised_as_far_as_it_may),
		cmocka_unit_test(who_may_raises_the_hard_limit_too),
		cmocka_unit_test(root_becomes_the_user_with_the_named_capabilities_and_no_others),
		cmocka_unit_test(who_is_not_root_keeps_the_user_and_learns_what_is_missing),
		cmocka_unit_test(root_does_not_stay_root),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
