/*
 * go_g.h - one goroutine's record (struct g of runtime/runtime2.go), by its version's layout.
 *
 * The runtime writes it while it is read: its fields may be of two moments, and a record is used again by
 * another goroutine. Whoever needs to be sure reads it twice (go_g_is_same).
 */
#ifndef PPD_SYMBOLIZE_GO_G_H
#define PPD_SYMBOLIZE_GO_G_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "symbolize/go_offsets.h"
#include "symbolize/memory.h"

#define GO_G_STATE_MAX 96 /* bytes, with the NUL */

enum {
	GO_G_IDLE,
	GO_G_RUNNABLE,
	GO_G_RUNNING,
	GO_G_SYSCALL,
	GO_G_WAITING,
	GO_G_DEAD = 6,
	GO_G_COPYSTACK = 8,
	GO_G_PREEMPTED,
	GO_G_LEAKED,    /* Go 1.26 and later */
	GO_G_DEADEXTRA, /* so too: of callbacks from C, not in use */
	GO_G_STATUSES
};

struct go_g {
	uint64_t at;     /* its address; 0: it makes no sense */
	uint64_t lo, hi; /* its stack */
	uint64_t pc, sp, lr, syscall_pc, syscall_sp;
	uint64_t m, goid, parent, creator_pc, start_pc, labels, locked_m, bubble;
	int64_t wait_since;
	uint8_t status, reason;
	uint8_t seq; /* counts how often it stopped running */
	bool runs_cleanups;
};

/* From the g_size bytes of the record. False, and at 0, where they are none. */
bool go_g_decode(struct go_g *g, const struct go_offsets *at, uint64_t addr, const unsigned char *bytes);
/* Many at once. bytes: n * g_size; wants: n. Returns 0 or -errno. */
int go_g_read(struct go_g *gs, const struct go_offsets *at, struct memory *m, const uint64_t *addrs,
	      size_t n, unsigned char *bytes, struct memory_want *wants);

bool go_g_is_alive(const struct go_g *g);
bool go_g_is_running(const struct go_g *g);
bool go_g_is_same(const struct go_g *a, const struct go_g *b);

/* The runtime's words for what it does. Returns the length. */
size_t go_g_state(const struct go_g *g, const struct go_offsets *at, char text[GO_G_STATE_MAX]);

#endif
