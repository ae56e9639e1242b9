/*
 * memory.h - the memory of a node, through a passed /proc/PID/mem.
 *
 * Nothing is read that was not asked for, but for gaps between wanted bytes: and those only
 * inside pages that hold wanted bytes, or that /proc/PID/pagemap shows present, so that no
 * page comes into being because we looked at it. All addresses are the node's.
 *
 * Costs, of a process with seccomp's filter: 2.5 us a pread of some hundred bytes, 0.25 us
 * more for each KB. So many small reads are merged (memory_read_many), and what a list leads
 * to is read by blocks that are kept (memory_window.h).
 */
#ifndef PPD_SYMBOLIZE_MEMORY_H
#define PPD_SYMBOLIZE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

#define MEMORY_RANGES_MAX 65536
#define MEMORY_PAGE       4096u /* bytes; on a machine with larger ones, parts of a page */

#define MEMORY_READ  1u
#define MEMORY_WRITE 2u
#define MEMORY_EXEC  4u
#define MEMORY_FILE  8u /* has a file behind it */

struct memory_range {
	uint64_t start, end;
	uint64_t pgoff;    /* with a file */
	uint64_t dev, ino; /* dev: as /proc/PID/maps has it, major << 32 | minor; 0, 0: anonymous */
	uint32_t flags;    /* MEMORY_* */
};

struct memory {
	/* As pread(2): bytes, 0 or -errno. In tests a fake takes its place. */
	ssize_t (*pread)(void *ctx, void *to, size_t n, uint64_t addr);
	void *ctx;
	int mem_fd, maps_fd, pagemap_fd; /* borrowed; -1: none (a fake; no pagemap: nothing is bridged) */
	struct memory_range *ranges;     /* owned; ascending */
	size_t n_ranges;
	uint64_t calls, bytes; /* what was read so far, to be told */
};

/* The descriptors stay the caller's; m must not be moved afterwards. Reads the maps. Returns 0 or -errno
 * with the reason
 * (-ESRCH: the process has gone). */
int memory_open(struct memory *m, int mem_fd, int maps_fd, int pagemap_fd, struct err *why);
void memory_close(struct memory *m);
/* Read the maps again (the heap grows). Returns 0 or -errno. */
int memory_refresh(struct memory *m, struct err *why);

/* The range that holds an address, or NULL. */
const struct memory_range *memory_range(const struct memory *m, uint64_t addr);

/* Which of n pages from `addr` on (a multiple of MEMORY_PAGE) the node has touched: in RAM or
 * swapped out. Without a pagemap all are taken to be. Never fails: what it cannot tell is 0. */
void memory_touched(struct memory *m, uint64_t addr, size_t n, unsigned char *touched);

/* All n bytes, or -EFAULT; -ESRCH when the process has gone. */
int memory_read(struct memory *m, uint64_t addr, void *to, size_t n);
/* 0 where it cannot be read; *error collects. */
uint64_t memory_u64(struct memory *m, uint64_t addr, int *error);

struct memory_want {
	uint64_t addr;
	void *to;
	uint32_t n;
	int32_t error; /* set: 0, or -EFAULT: this one could not be read */
};
/* Many at once: sorted (the array is reordered) and merged into few calls. A hole is one want's
 * error. Returns 0, -ENOMEM, or -ESRCH when the process has gone. */
int memory_read_many(struct memory *m, struct memory_want *wants, size_t n);

#endif
