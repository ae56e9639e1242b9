/*
 * limits.h - what the collector may not do, and the one thing that would change it.
 *
 * A profile without kernel frames, or names, is better than none; but the
 * person in front of it must learn why, and what to grant.
 */
#ifndef PPD_COLLECTOR_LIMITS_H
#define PPD_COLLECTOR_LIMITS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

/* The capabilities the collector keeps, as a mask of 1 << CAP_*. */
uint64_t limits_capabilities(void);

/* What it keeps besides where it may arm (arm.h). */
uint64_t limits_arm_capabilities(void);

/* One sentence for each capability in limits_capabilities() that `kept` lacks: what is missing in
 * the answers, and how to grant it. *out points at `max` static strings. Returns how many. */
size_t limits_missing(uint64_t kept, const char **out, size_t max);

/* A sentence for the -errno with which a process's memory could not be opened: what to grant, where
 * that is it. Returns error; -ENOENT (no such process now) as -ESRCH. */
int limits_explain_memory(int error, pid_t pid, struct err *why);
/* The same where it was to be written to. */
int limits_explain_arming(int error, pid_t pid, struct err *why);

#endif
