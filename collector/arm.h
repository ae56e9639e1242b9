/*
 * arm.h - a Go node's block or mutex rate, set for a while.
 *
 *   asked ──► READING ──► SETTING ──► SET ──── the last user leaves ──► UNSETTING ──► gone
 *             the symbolizer's        the guardian writes               the guardian puts back
 *             child finds the rate
 *
 * Only where the configuration allows it. The child that read the node's memory may have been taken
 * over by it: what it says is checked, and can at the worst have one zero of the program's own data changed for
 * a while: the word must be in the executable's writable mapping, and hold a 0.
 */
#ifndef PPD_COLLECTOR_ARM_H
#define PPD_COLLECTOR_ARM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/reading.h"
#include "collector/link.h"
#include "collector/loop.h"
#include "collector/memories.h"
#include "collector/node.h"

#define ARM_RATE_MAX (1ull << 40)
#define ARM_TIME_NS 10000000000u /* until it is set, at the longest */

struct arm;

struct arms {
	struct loop *loop;         /* borrowed */
	struct link *link;         /* borrowed */
	struct memories *memories; /* borrowed */
	bool allowed;              /* the configuration's allow_arm */
	struct loop_fd guardian;   /* its socket, owned; -1: none */
	const char *run_dir;       /* borrowed; where records are */
	struct arm *first;         /* owned */
	struct loop_timer watch;
	/* Tell a user; no NULL: it is armed. Never called from inside arms_ask(); once for each that returned
	 * 0, and with a reason where it is over before the user left. The user may leave in it. */
	void (*told)(void *user, const struct refusal *no);
};

/* link->reading is taken. guardian: of guardian_start(), taken; -1: nothing is ever armed. */
void arms_start(struct arms *as, struct loop *loop, struct link *link, struct memories *memories, int guardian,
		const char *run_dir);
/* Everything is put back, though we do not wait for it. */
void arms_stop(struct arms *as);

/*
 * A user (known by its address, one at a time) wants this rate of a node that was found and refreshed.
 * Returns 1 where it is armed already, 0 where the user will be told, or -errno with *no filled in.
 */
int arms_ask(struct arms *as, struct node *n, uint8_t kind, uint64_t rate, void *user, struct refusal *no);
/* Also one that has not been told yet, or has asked for nothing. */
void arms_leave(struct arms *as, void *user);

#endif
