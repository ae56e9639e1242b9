/*
 * memory.h - a node's memory, asked for at the collector and read by the symbolizer.
 *
 *   collector:  WIRE_MEMORY_ASK  → WIRE_MAPS, WIRE_MEMORY_IS; known as long as the connection stands
 *   symbolizer: WIRE_READ_ASK    → WIRE_READING, with a file (base/reading.h)
 *   collector:  WIRE_ARM_ASK     → WIRE_ARMED; armed as long as that connection stands
 */
#ifndef PPD_FCGI_MEMORY_H
#define PPD_FCGI_MEMORY_H

#include <stdint.h>

#include "base/reading.h"
#include "base/wire.h"
#include "fcgi/intake.h"
#include "fcgi/profile.h"
#include "fcgi/wait.h"

struct memory_asked {
	struct wait *wait;  /* borrowed */
	struct wire_msg *m; /* owned */
	int collector;      /* its connection; -1: none */
	int armed;          /* the one that arms; -1: none */
	uint64_t memory;    /* the collector's number */
	uint32_t ticket;    /* of the last reading */
};

/*
 * Ask for the memory of a node (the collector's number for it); the maps of its executable go into
 * p. Returns 0, or -errno with *no set (-ECONNABORTED: the client has gone); memory_end() in both
 * cases.
 */
int memory_ask(struct memory_asked *a, struct wait *w, uint16_t node, struct profile *p,
	       struct refusal *no);

/*
 * Read it. duration_ms: of READING_BLOCK_ESTIMATE, else 0. Returns 0 with an open reading of that
 * kind (reading_close()), or -errno with *no set: the symbolizer's own sentence where it gave one.
 */
int memory_read(struct memory_asked *a, enum reading_kind kind, uint32_t duration_ms, struct reading *out,
		struct refusal *no);

/* Have the node record all (READING_BLOCK or _MUTEX), until memory_end(). As memory_ask(). */
int memory_arm(struct memory_asked *a, uint16_t node, enum reading_kind kind, struct refusal *no);

/* Wait, while the collector holds the memory, and has it armed. As wait_until(). */
int memory_wait(struct memory_asked *a, uint64_t deadline_ms, struct refusal *no);

void memory_end(struct memory_asked *a);

#endif
