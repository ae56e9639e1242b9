/*
 * record.h - perf records as plain structs.
 *
 * perf_event_open(2), "Overflow handling" onwards: the layout of a record
 * follows from the attribute bits that event.c sets, and only those layouts are
 * known here. Pure functions over bytes.
 */
#ifndef PPD_COLLECTOR_RECORD_H
#define PPD_COLLECTOR_RECORD_H

#include <linux/perf_event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/unwind.h"

/* What every event of ours samples, and in this order (the kernel's order of fields). Steered ones leave
 * the period out: with it the kernel samples every occurrence of a software event, with period 1. */
#define RECORD_SAMPLE_TYPE                                                                  \
	(PERF_SAMPLE_IP | PERF_SAMPLE_TID | PERF_SAMPLE_TIME | PERF_SAMPLE_CPU |            \
	 PERF_SAMPLE_PERIOD | PERF_SAMPLE_CALLCHAIN | PERF_SAMPLE_REGS_USER |               \
	 PERF_SAMPLE_STACK_USER)
/* x86-64: ax bx cx dx si di bp sp ip, r8-r15 (asm/perf_regs.h). */
#define RECORD_REGS_MASK 0xff01ffu

#define RECORD_KERNEL_MAX 128 /* kernel frames kept (sysctl perf_event_max_stack is 127) */

struct record_sample {
	uint64_t ip;
	uint32_t pid, tid;
	uint64_t time_ns;     /* CLOCK_MONOTONIC */
	uint32_t cpu;
	uint64_t period;      /* 0: not in the record, the event has a fixed one */
	bool is_spare;        /* not of the record, but drawn: it only fills what others leave of the clock */
	bool in_kernel;       /* taken in kernel mode */
	bool has_user;        /* user registers are there (not for kernel threads) */
	uint64_t kernel[RECORD_KERNEL_MAX]; /* leaf first, callers already minus 1 */
	size_t n_kernel;
	struct unwind_sample user; /* its stack and chain are borrowed from the record */
};

struct record_mmap {
	uint32_t pid, tid;
	uint64_t start, len, pgoff;
	uint32_t major, minor;
	uint64_t ino;
	uint32_t prot;
	const char *path; /* borrowed; NUL-terminated */
};

struct record_task { /* fork and exit */
	uint32_t pid, ppid, tid, ptid;
	uint64_t time_ns;
};

struct record_comm {
	uint32_t pid, tid;
	bool exec;
	const char *comm; /* borrowed; NUL-terminated */
};

/* Each returns 0, or -EBADMSG when the record is shorter than what it must hold.
 * sample_type: the event's, RECORD_SAMPLE_TYPE with or without PERF_SAMPLE_PERIOD. */
int record_sample(const struct perf_event_header *h, uint64_t sample_type, struct record_sample *s);
int record_mmap2(const struct perf_event_header *h, struct record_mmap *m);
int record_task(const struct perf_event_header *h, struct record_task *t);
int record_comm(const struct perf_event_header *h, struct record_comm *c);

#endif
