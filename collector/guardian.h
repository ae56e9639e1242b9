/*
 * guardian.h - the process that takes back what was written into a node's memory.
 *
 * Forked at the collector's start, and only where the configuration allows writing at all
 * (allow_arm). It has no capability, a jail in which nothing can be opened, and the descriptors of the
 * memories that it is given. It writes one aligned word, where a zero stands, and puts the zero back:
 * when it is told, or when the collector is no more; and only if what it wrote still stands there.
 *
 *   collector ── WIRE_GUARD_SET + /proc/PID/mem ──► guardian ── pwrite ──► the node's word
 *                                                      └──────► record in RUN_DIR/armed
 *
 * A record outlives them both: guardian_replay() does at the next start what the guardian could not.
 * Between its look and its write the node may have written itself: that is not noticed.
 */
#ifndef PPD_COLLECTOR_GUARDIAN_H
#define PPD_COLLECTOR_GUARDIAN_H

#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

#define GUARDIAN_SLOTS 128 /* words written at a time */

/* One word. The file holds GUARDIAN_SLOTS of them; those of zeros are free. */
struct guardian_record {
	uint64_t magic;
	uint64_t pid, start_ticks; /* whose memory */
	uint64_t address;
	uint64_t before, value; /* before: 0 */
};

#define GUARDIAN_MAGIC 0x314452414d524150u

/*
 * Start it. file: of guardian_open(), taken. user: who it is to be (privs_drop). Returns a non-blocking
 * socket to it, or -errno. SIGCHLD is ignored from here on.
 */
int guardian_start(int file, const char *user, struct err *why);

/*
 * Open RUN_DIR/armed for this guardian; first, put back what the records of an earlier one say: a word of
 * a process that still lives (pid and start time), that still has the written value. One whose guardian
 * is still at work is left to it. Where nothing is to be armed (`needed` false) the file goes.
 * Returns a descriptor, -ENOENT where it is not needed, or -errno.
 */
int guardian_open(const char *run_dir, int needed, struct err *why);

/* Compare and put back: returns 1 done, 0 nothing to do (another value stands there, or the memory is
 * gone), or -errno. */
int guardian_restore(int mem, const struct guardian_record *r);

#endif
