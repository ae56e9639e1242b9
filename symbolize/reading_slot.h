/*
 * reading_slot.h - a jailed child that reads a node's memory, and the question it works on.
 *
 * It stays for the next question of its memory, unless it was started for one only. Where threads
 * are it asks the collector, through here.
 */
#ifndef PPD_SYMBOLIZE_READING_SLOT_H
#define PPD_SYMBOLIZE_READING_SLOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/wire.h"
#include "symbolize/reader.h"

#define READING_SLOT_REGS_NS 1000000000u /* how long the collector may take to tell where threads are */
#define READING_SLOT_REGS_BYTES (64u << 20) /* of its answer */

struct service;
struct client;
struct reading_ask;
struct regs_message;

/* A memory that the collector has handed over. */
struct known_memory {
	struct known_memory *next;
	uint64_t id;          /* the collector's number */
	uint64_t object;      /* the executable's */
	struct client *owner; /* who handed it over */
	int fds[WIRE_MEMORY_PARTS]; /* owned; -1: not yet */
	struct reading_slot *slot;  /* its child; NULL: none now */
};

/* One reading, for all who asked before it began. */
struct reading_job {
	struct reading_job *next;
	struct known_memory *memory;
	uint8_t kind; /* enum reading_kind */
	uint32_t duration_ms;
	struct reading_ask *asks; /* owned */
	struct reading_slot *slot; /* whose child works on it; NULL: it waits */
	uint32_t ticket;
	int memfd; /* owned; -1 */
};

struct reading_slot {
	struct reader reader;
	struct known_memory *memory; /* NULL: dropped, or it was to read once */
	struct reading_job *job;     /* the open question; NULL: none, or nobody waits for it */
	bool once;                   /* for an estimate: ends with it */
	uint32_t regs_ticket;        /* ours, of threads asked for; 0: none */
	uint32_t regs_child_ticket;
	uint64_t regs_until_ns;
	uint32_t regs_asks;          /* for this job */
	struct regs_message *regs_first, **regs_last; /* for the child, which is slow to read */
	size_t regs_bytes;
};

void reading_slot_init(struct reading_slot *slot);
/* Its child was reaped, or there is none: free what it had. */
void reading_slot_clear(struct reading_slot *slot);

/* A free one of n; NULL where there is none yet: the child that has been idle for longest makes room. */
struct reading_slot *reading_slot_find(struct reading_slot *slots, size_t n);

/* Start a child for the job's memory. Returns 0 or -errno. */
int reading_slot_start(struct service *s, struct reading_slot *slot, const struct reading_job *j, struct err *why);

/* Ask its child, which is idle. Returns 0, or -errno: the job has not begun. Where only the sending fails
 * the child dies, and the job with it. */
int reading_slot_ask(struct service *s, struct reading_slot *slot, struct reading_job *j, struct err *why);

/* Nobody needs the child any more; the slot is free when it is reaped. */
void reading_slot_release(struct reading_slot *slot);

/* ---- where threads are: asked by the child, answered by the collector */

/* WIRE_REGS_ASK of the child. -EBADMSG: kill it. */
int reading_slot_regs_ask(struct service *s, struct reading_slot *slot, const struct wire_msg *m);
/* Pass on what a WIRE_REGS has behind its ticket; `bytes` NULL: that nothing more is known. */
void reading_slot_regs_tell(struct reading_slot *slot, const void *bytes, size_t n);
/* Its socket takes something again. */
void reading_slot_pump(struct reading_slot *slot);

#endif
