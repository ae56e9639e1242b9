/*
 * readings.h - questions about nodes' memories, from the asking to the answer.
 *
 * The collector hands a memory over as three descriptors (mem, maps, pagemap) and the number of
 * the executable's object; a jailed child reads it, and stays as long as the memory is known, so
 * that what it has found out need not be found again. Of each kind of reading one runs at a time,
 * and one waits: who asks before it begins is served by it. Estimates look for a while: each has a
 * child of its own.
 *
 *   asked ──► waits ──► runs ──► sealed, handed to all who asked
 *                        └─────► child died, took too long, memory dropped: a sentence to all
 */
#ifndef PPD_SYMBOLIZE_READINGS_H
#define PPD_SYMBOLIZE_READINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/wire.h"
#include "symbolize/reader.h"
#include "symbolize/reading_slot.h"

#define READINGS_CHILDREN 16      /* at a time; of those that do nothing the longest idle one goes */
#define READINGS_ESTIMATES 8      /* of them, at the most */
#define READINGS_MEMORIES_MAX 128
#define READINGS_ASKS_MAX 4096    /* that wait, of all clients */

struct service;
struct client;

struct readings {
	struct known_memory *memories; /* owned */
	size_t n_memories;
	struct reading_job *jobs; /* owned; oldest first */
	size_t n_asks;
	uint32_t ticket;
	struct reading_slot slots[READINGS_CHILDREN];
};

void readings_init(struct readings *rs);
void readings_fini(struct readings *rs);

/* WIRE_MEMORY, WIRE_MEMORY_DROP, WIRE_REGS and WIRE_READ_ASK of clients. Each returns 0, or -EBADMSG:
 * drop the client. */
int readings_memory(struct service *s, struct client *c, struct wire_msg *m);
int readings_memory_drop(struct service *s, struct client *c, struct wire_msg *m);
int readings_regs(struct service *s, struct client *c, struct wire_msg *m);
int readings_ask(struct service *s, struct client *c, struct wire_msg *m);

/* WIRE_READING and WIRE_REGS_ASK of a child. -EBADMSG: kill it. */
int readings_child_said(struct service *s, struct reader *r, const struct wire_msg *m);

/* A child was reaped; why: as in "its reader WHY". */
void readings_died(struct service *s, struct reader *r, const char *why);

/* Time limits, and children for those that wait. Called once a turn. */
void readings_schedule(struct service *s);

/* The client goes, with the memories that it handed over and the questions that it asked. */
void readings_forget_client(struct service *s, const struct client *c);

#endif
