/*
 * target.h - which process a node is, as the configuration says it.
 *
 * A pid, name:redis-server, exe:/usr/bin/x, pidfile:/run/x.pid, unit:x.service,
 * cgroup:/path. Only the configuration names processes; no client can.
 */
#ifndef PPD_COLLECTOR_TARGET_H
#define PPD_COLLECTOR_TARGET_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"

#define TARGET_MATCHES_MAX 8 /* listed when several match */

enum target_kind { TARGET_PID, TARGET_NAME, TARGET_EXE, TARGET_PIDFILE, TARGET_UNIT, TARGET_CGROUP };

struct target {
	enum target_kind kind;
	const char *value; /* behind the colon; borrowed from the configuration */
	pid_t pid;         /* TARGET_PID */
};

/* Returns 0, or -EINVAL with the reason. `text` must outlive the target. */
int target_parse(struct target *t, const char *text, struct err *why);

/*
 * Look for it in /proc. Returns its pid; -ESRCH: no such process now; -ENOTUNIQ: several match,
 * and *why lists them; other -errno. Zombies and kernel threads do not count.
 */
pid_t target_find(const struct target *t, struct err *why);

/* Can a process that took the place of a dead one be the same node? (Not when it is a pid.) */
bool target_follows(const struct target *t);

#endif
