/*
 * go_traceback.h - the calls on a goroutine's stack, as the runtime itself lists them.
 *
 * Go's own tables give the size of each frame at each instruction, so that a walk needs only
 * the words of the stack that hold return addresses (runtime/traceback.go: unwinder and
 * tracebackPCs; before Go 1.21 gentraceback). What a pc means is remembered: a hundred thousand goroutines
 * stand at a few hundred pcs.
 */
#ifndef PPD_SYMBOLIZE_GO_TRACEBACK_H
#define PPD_SYMBOLIZE_GO_TRACEBACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "symbolize/go_module.h"

#define GO_TRACE_PCS_MAX 1024 /* kept of one stack: half at each end */

/* One stack, of whose words some are at hand. */
struct go_stack {
	uint64_t lo, hi;            /* the stack's ends */
	const unsigned char *bytes; /* borrowed; those from `at` on */
	uint64_t at;
	size_t n;
	/* Make the word at addr, which is in [lo, hi), one of those at hand. Returns 0 or -errno.
	 * NULL: there are no others. */
	int (*more)(struct go_stack *w, uint64_t addr);
	void *ctx;
};

/* Where a walk begins; run-time addresses. */
struct go_start {
	uint64_t pc, sp;
	uint64_t lr;     /* arm64: the link register; 0: on the stack */
	bool is_trap;    /* pc is an instruction that was stopped at, not a return address */
	bool is_syscall; /* pc and sp are g.syscallpc and g.syscallsp */
};

/* What a function is to the runtime. */
enum go_role {
	GO_ROLE_USER,
	GO_ROLE_SYSTEM,    /* runtime.something */
	GO_ROLE_CALLBACKS, /* calls users' functions: finalizers, cleanups */
	GO_ROLE_PARKED,    /* runtime.gopark: waits */
	GO_ROLE_HANDLER,   /* what the kernel calls for a signal */
	GO_ROLE_UNKNOWN,   /* no function of the program */
};

struct go_trace {
	/* Innermost first; run-time, with READING_PC_* bits (base/reading.h). */
	uint64_t pcs[GO_TRACE_PCS_MAX];
	uint32_t n;
	enum go_role top; /* of the innermost function */
	bool is_whole;    /* ended where goroutines begin */
	bool has_user;    /* some function is not the runtime's */
	uint32_t n_waits; /* innermost frames that Go's block profile leaves out: how a wait is made */
	uint64_t handled; /* the walk ended at a signal's handler: where the frame of that ends; else 0 */
};

struct go_traceback;

/* The module stays the caller's and must live as long. wrapper_id: the version's funcID of wrappers.
 * Returns 0 or -ENOMEM. */
int go_traceback_new(struct go_traceback **out, const struct go_module *m, uint64_t bias, uint32_t minor,
		     uint8_t wrapper_id);
void go_traceback_free(struct go_traceback *t);

/* From now on wrappers are listed, too, as the runtime's block and mutex profiles do since Go 1.23: their
 * stacks are those of frame pointers. */
void go_traceback_list_wrappers(struct go_traceback *t);

/* Walk a stack. *out holds what could be walked, if only a part of it. Returns 0, or -ENOMEM. */
int go_traceback_walk(struct go_traceback *t, struct go_stack *w, const struct go_start *from,
		      struct go_trace *out);

/* What the function at pc is to the runtime. (Of goroutines' first functions: as isSystemGoroutine of
 * runtime/traceback.go has it.) */
enum go_role go_traceback_role(struct go_traceback *t, uint64_t pc);

#endif
