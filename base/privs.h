/*
 * privs.h - become nobody in particular: users, capabilities, limits.
 *
 * A process of ours may be started as root (quickstart) or already as its user
 * with ambient capabilities (systemd). Either way it ends with its own uid, the
 * capabilities it names and no others, and no_new_privs (capabilities(7)).
 */
#ifndef PPD_BASE_PRIVS_H
#define PPD_BASE_PRIVS_H

#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

/* A user by name or decimal number, and its group (for a number without a passwd entry: the
 * same number). Returns 0, or -ENOENT with the reason. */
int privs_user(const char *name, uid_t *uid, gid_t *gid, struct err *why);

/* Raise a soft limit to the hard one, and where we may, both to `want`. RLIMIT_*.
 * Returns what is now in force. Never fails. */
uint64_t privs_limit(int resource, uint64_t want);

/*
 * Drop everything: become `user` (only where we are root; else the user stays as it is), keep of
 * the capabilities we have those in `keep` (a mask of 1 << CAP_*), set no_new_privs, non-dumpable.
 * *kept: what was there to keep. Returns 0, or -errno with the reason; after a failure: exit.
 */
int privs_drop(const char *user, uint64_t keep, uint64_t *kept, struct err *why);

#endif
