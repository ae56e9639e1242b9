/*
 * unwind_walk.h - one walk up a stack: what unwind.c, unwind_rowless.c and unwind_switch.c share.
 */
#ifndef PPD_COLLECTOR_UNWIND_WALK_H
#define PPD_COLLECTOR_UNWIND_WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/guess.h"
#include "collector/unwind.h"
#include "collector/unwind_memory.h"

/* Of a step that was fine; else a step says how the walk ends. */
#define WALK_ON ((enum unwind_end)-1)

#define WALK_GUESSES_MAX 8 /* open at a time; where there are more, the oldest are settled */
#define WALK_SWITCHES_MAX 16 /* of one stack; Go and C calling each other make some */
#define WALK_TRIES_MAX 64  /* candidates that led nowhere, for one stack */

/* Words looked at for guesses; code costs more than a word (guess.h). One stack may use the most,
 * but in the long run it is WALK_BUDGET_EACH: 0.1 ms. FFmpeg's need 100-500. */
#define WALK_BUDGET 16384
#define WALK_BUDGET_EACH 1024

#define WALK_ROWS_MIN 3 /* frames by rows after a guess that make it stand without a root */

/* One frame's registers, as far as they are known. */
struct walk_at {
	uint64_t ip, sp, fp;
	bool exact;   /* ip is where execution stands, not a return address */
	bool fp_known;
	bool fp_doubtful; /* behind a guess: nobody knows what the assembly did to it */
};

struct walk_guess {
	struct guess guess;
	struct walk_at at;          /* of the frame without a rule */
	size_t n;              /* frames up to that one */
	uint64_t slot, ret;    /* the candidate in use */
	unsigned int fp_tried; /* ways tried to have this candidate's frame pointer */
	bool then_fp;          /* after the candidates, the frame pointer */
	bool late;
};

struct walk {
	const struct unwind_source *from;
	struct unwind_result *out;
	const struct unwind_map *map; /* of the frame at hand */
	struct walk_at at;
	bool regs_known;              /* reg[] is the frame's */
	uint64_t reg[UNWIND_REGS];
	struct unwind_cached spare;   /* where there is no cache */
	bool failed;                  /* the walk has ended before; `best` is how */
	struct unwind_result best;    /* the walk without guesses, or a guess that came far */
	size_t first;                 /* frames up to the first guess */
	bool fp_used;                 /* a doubtful frame pointer led to a frame */
	unsigned int opened, n_open;  /* the last n_open of those opened are open */
	unsigned int tries;
	unsigned int switches;        /* changes of stack so far */
	unsigned int given, budget;   /* for guesses; what is left of it */
	struct walk_guess open[WALK_GUESSES_MAX]; /* the i-th at i % WALK_GUESSES_MAX */
	struct unwind_memory memory;
};

/* Bits of unwind_cached.known: a question's answer is known, and it is yes. */
enum {
	KNOWN_ROW = 1,             /* of rows, not of their absence */
	ASKED_CALL = 2, IS_CALL = 4, /* the address ends a call instruction */
	ASKED_FP = 8, IS_FP = 16,    /* the code from the address on sets up frame pointers */
	ASKED_CODE = 32, IS_SIGNAL = 64, IS_EXIT = 128, /* what is behind the address: a signal
	                                                 * trampoline, the end of a thread */
	FP_ASK_AGAIN = 1 << 8, /* counts up from here: how often a "no" was given for code that grows */
	FP_ASK_MAX = 256,
};

/* ---- unwind.c */

/* What is known of an address: its row is there, ROW_NONE where no row covers it. Valid until
 * the next call. */
struct unwind_cached *walk_look_up(struct walk *w, const struct unwind_map *map, uint64_t addr);
const struct unwind_map *walk_find_map(struct walk *w, uint64_t addr);
/* The address that tells the function: a call may be its last instruction. */
uint64_t walk_address(const struct walk_at *at);
uint64_t walk_place(const struct unwind_map *map, uint64_t addr);

/* On to the caller: its frame begins at cfa, its return address is `ret`. */
enum unwind_end walk_up(struct walk *w, uint64_t cfa, uint64_t ret);
/* The return address in `slot` is zero. */
enum unwind_end walk_chain_end(const struct walk *w, uint64_t slot);
/* On to what a signal interrupted: sp points at the kernel's ucontext. */
enum unwind_end walk_leave_signal(struct walk *w);

/* ---- unwind_switch.c */

/* On to the caller of code that runs on another stack than its frame's (ROW_SWITCH). */
enum unwind_end walk_leave_switch(struct walk *w, const struct row *row);

/* ---- unwind_rowless.c */

/* The frame at hand has no row, or one that needs what is not known. c is what walk_look_up()
 * said of it. UNWIND_NO_RULE: a guess is open, perhaps. */
enum unwind_end walk_leave_rowless(struct walk *w, struct unwind_cached *c);
/* The caller of a leaf that is in no mapping. */
enum unwind_end walk_leave_nowhere(struct walk *w);
/* Go back to the last open guess that has another candidate, and go on from that. */
bool walk_guess_again(struct walk *w);

#endif
