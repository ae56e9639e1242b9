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

#define READINGS_CHILDREN 16      /* at a time; of those that do nothing the longest idle one goes */
#define READINGS_ESTIMATES 8      /* of them, at the most */
#define READINGS_MEMORIES_MAX 128
#define READINGS_ASKS_MAX 4096    /* that wait, of all clients */
#define READINGS_REGS_NS 1000000000u /* how long the collector may take to tell where threads are */
#define READINGS_REGS_BYTES (64u << 20) /* of its answer */

struct service;
struct client;
struct known_memory;
struct reading_job;
struct regs_message;

struct reading_slot {
	struct reader reader;
	struct known_memory *memory; /* NULL: dropped, or it was to read once */
	struct reading_job *job;     /* the open question; NULL: none, or nobody waits for it */
	bool once;                   /* for an estimate: ends with it */
	uint32_t regs_ticket;        /* ours, of threads asked for; 0: none */
	uint32_t regs_child_ticket;
	uint64_t regs_until_ns;
	struct regs_message *regs_first, **regs_last; /* for the child, which is slow to read */
	size_t regs_bytes;
};

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
/* Its socket takes something again. */
void readings_pump(struct reading_slot *slot);

/* A child was reaped; why: as in "its reader WHY". */
void readings_died(struct service *s, struct reader *r, const char *why);

/* Time limits, and children for those that wait. Called once a turn. */
void readings_schedule(struct service *s);

/* The client goes, with the memories that it handed over and the questions that it asked. */
void readings_forget_client(struct service *s, const struct client *c);

#endif
