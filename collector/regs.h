/*
 * regs.h - where threads of a node are: for a reader of its memory, which must not stop them.
 *
 * A thread that is off the CPU has its stack pointer and pc in /proc/PID/task/TID/syscall
 * (proc(5)); for one that is on it a sample is taken, with registers and a copy of its stack from
 * the same instant. Both come through the event loop: an answer is told in parts, as they are
 * there, and after REGS_TIME_NS what is not known is told as such.
 */
#ifndef PPD_COLLECTOR_REGS_H
#define PPD_COLLECTOR_REGS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "collector/event.h"
#include "collector/loop.h"

#define REGS_TIME_NS 45000000u /* the asker is told within 50 ms */
#define REGS_THREADS_MAX 4096  /* in one question */
#define REGS_EVENTS_MAX 256    /* samples waited for at a time; each has 68 KB of locked memory */
#define REGS_STACK_BYTES 32768
#define REGS_HZ 1000

struct regs_question;

struct regs {
	struct loop *loop;               /* borrowed */
	struct regs_question *questions; /* owned */
	size_t n_events;
	struct event event;
	/* Send this body of a WIRE_REGS; questions may not be asked or ended in it. */
	void (*send)(void *ctx, const struct buf *body);
	void *ctx;
};

/* send and ctx are the caller's to set. */
void regs_init(struct regs *rs, struct loop *loop);
/* End all questions without an answer. */
void regs_fini(struct regs *rs);

/* Where are these threads of a process? Those that are not its own are told as gone. */
void regs_ask(struct regs *rs, uint32_t ticket, pid_t pid, const uint32_t *tids, size_t n);

/* The text of /proc/PID/task/TID/syscall. Returns 1 and where it is; 0: it is on the CPU, or about to
 * be; -EBADMSG. */
int regs_parse(const char *text, uint64_t *sp, uint64_t *pc);

#endif
