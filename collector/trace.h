/*
 * trace.h - the frames of one sample: kernel, user, and what to say of them.
 */
#ifndef PPD_COLLECTOR_TRACE_H
#define PPD_COLLECTOR_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/maps.h"
#include "collector/record.h"
#include "collector/stacks.h"

#define TRACE_FRAMES_MAX (RECORD_KERNEL_MAX + UNWIND_FRAMES_MAX + 2)

struct trace {
	struct stack_frame frames[TRACE_FRAMES_MAX]; /* leaf first; at least one */
	uint32_t n;
	uint32_t flags;   /* WIRE_STACK_* */
	bool user;        /* there was a user stack */
	bool rooted;      /* and its root was reached */
	bool waiting;     /* an object's rows are still being made: better try again */
	bool lost_map;    /* an address is in no map that we know: better read them again */
	enum unwind_end end;
};

/* Never fails; a sample of which nothing is known has the one frame "[unknown]". */
void trace_sample(struct maps *maps, struct unwind_cache *cache, pid_t pid, const struct record_sample *s,
		  struct trace *t);

#endif
