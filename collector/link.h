/*
 * link.h - the collector's connection to the symbolizer.
 *
 * Hands objects and nodes' memories over, asks for unwind rows, opens the debug
 * files that the symbolizer's children ask for, and tells them where threads are.
 * When the symbolizer goes away the link connects again, and hands everything
 * over anew.
 */
#ifndef PPD_COLLECTOR_LINK_H
#define PPD_COLLECTOR_LINK_H

#include <stdbool.h>
#include <stdint.h>

#include "collector/loop.h"
#include "collector/memories.h"
#include "collector/objects.h"
#include "collector/outbox.h"
#include "collector/regs.h"

struct link {
	struct loop *loop;        /* borrowed */
	struct objects *objects;  /* borrowed */
	struct memories *memories; /* borrowed; NULL: none are handed over */
	struct regs regs;
	const char *path;         /* of symbolizer.sock; borrowed */
	const char *debug_dir;    /* borrowed */
	struct loop_fd socket;
	struct outbox outbox;
	struct loop_timer retry;
	bool said_absent;         /* logged once, not twice a second */
	/* Rows of some object became ready, or will never come. */
	void (*rows_changed)(void *ctx);
	void *ctx;
	/* A reading that was asked for with link_read(); status 200: fd is its file (borrowed), else text is
	 * the reason. ticket 0: all that were asked for, since the symbolizer went away. */
	void (*reading)(void *ctx, uint32_t ticket, uint16_t status, const char *text, int fd);
	void *reading_ctx;
	uint32_t read_ticket;     /* the last one given out */
};

/* Starts connecting; added and dropped of objects and memories are taken. */
void link_start(struct link *l, struct loop *loop, struct objects *objects, struct memories *memories,
		const char *path, const char *debug_dir);
void link_stop(struct link *l);

/* Ask for a reading (base/reading.h) of a memory that was handed over. Returns its ticket, or 0: the
 * symbolizer is not there. */
uint32_t link_read(struct link *l, uint64_t memory, uint8_t kind);

#endif
