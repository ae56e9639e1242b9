/*
 * thread_regs.h - where threads are: from the kernel, through the collector.
 *
 * A thread that is off the CPU has a stack pointer and a pc in /proc/PID/task/TID/syscall; one that is
 * on it, in a sample that the collector takes for us, with a copy of its stack from that instant.
 */
#ifndef PPD_SYMBOLIZE_THREAD_REGS_H
#define PPD_SYMBOLIZE_THREAD_REGS_H

#include <stddef.h>
#include <stdint.h>

#include "base/wire.h"

struct thread_regs {
	uint32_t tid;
	uint8_t where;        /* enum thread_where */
	uint64_t pc, sp, fp;
	uint64_t age_ns;      /* of the sample, when it was sent */
	const unsigned char *stack; /* the bytes from sp on; the source's, until it is asked again */
	size_t stack_n;
};

/* Ask for n threads (tid is set), and have the rest filled in. Returns 0 or -errno: nothing is known. */
struct thread_regs_source {
	int (*ask)(void *ctx, struct thread_regs *threads, size_t n);
	void *ctx;
};

#endif
