#include "config.h"

#include "base/privs.h"

#include <cap-ng.h>
#include <errno.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

int
privs_user(const char *name, uid_t *uid, gid_t *gid, struct err *why)
{
	const struct passwd *pw;
	unsigned long n;
	char *end;

	errno = 0;
	pw = getpwnam(name);
	if (pw) {
		*uid = pw->pw_uid;
		*gid = pw->pw_gid;
		return 0;
	}
	n = strtoul(name, &end, 10);
	if (*name < '0' || *name > '9' || *end || n == 0 || n > 0xfffffffeUL)
		return err_set(why, -ENOENT, "user \"%s\": no such user, and not a number", name);
	*uid = (uid_t)n;
	*gid = (gid_t)n;
	return 0;
}

uint64_t
privs_limit(int resource, uint64_t want)
{
	struct rlimit have, raised;

	if (getrlimit((__rlimit_resource_t)resource, &have) < 0)
		return 0;
	if (have.rlim_cur >= want)
		return have.rlim_cur;
	raised.rlim_cur = want;
	raised.rlim_max = have.rlim_max > want ? have.rlim_max : want;
	if (setrlimit((__rlimit_resource_t)resource, &raised) == 0)
		return want;
	raised.rlim_cur = raised.rlim_max = have.rlim_max;
	if (setrlimit((__rlimit_resource_t)resource, &raised) == 0)
		return raised.rlim_cur;
	return have.rlim_cur;
}

int
privs_drop(const char *user, uint64_t keep, uint64_t *kept, struct err *why)
{
	bool root = geteuid() == 0;
	uid_t uid = geteuid();
	gid_t gid = getegid();
	int r;

	if (root) {
		r = privs_user(user, &uid, &gid, why);
		if (r < 0)
			return r;
		if (uid == 0)
			return err_set(why, -EINVAL, "user \"%s\" is root; pprofd runs as users of its own", user);
	}
	capng_get_caps_process();
	*kept = 0;
	for (unsigned int cap = 0; cap <= 63 && cap <= (unsigned int)CAP_LAST_CAP; cap++)
		if ((keep >> cap & 1) && capng_have_capability(CAPNG_PERMITTED, cap))
			*kept |= (uint64_t)1 << cap;
	capng_clear(CAPNG_SELECT_BOTH);
	for (unsigned int cap = 0; cap <= (unsigned int)CAP_LAST_CAP; cap++)
		if (*kept >> cap & 1)
			capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, cap);
	if (root)
		r = capng_change_id((int)uid, (int)gid, CAPNG_DROP_SUPP_GRP | CAPNG_CLEAR_BOUNDING);
	else
		r = capng_apply(CAPNG_SELECT_CAPS);
	if (r != 0)
		return err_set(why, -EPERM, "becoming user %u with the capabilities kept: step %d failed (capng(3))",
			       (unsigned int)uid, r);
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return err_sys(why, -errno, "clearing ambient capabilities");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_sys(why, -errno, "no_new_privs");
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	return 0;
}
