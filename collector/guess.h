/*
 * guess.h - return addresses where no table tells them.
 *
 * Hand-written assembly often comes without unwind tables. Its caller's return
 * address is on the stack all the same, and it points behind a call
 * instruction; where that call goes can often be told, and must then be the
 * code that we are in, or a function that jumps on to it as its last act (at the
 * leaf's sp any call will do). The candidates come in the order of the stack,
 * the nearest first, but for one: a call by name whose target is just before
 * where we are goes ahead of old words of calls through pointers below it. Whether one is right shows when the walk goes on from it.
 */
#ifndef PPD_COLLECTOR_GUESS_H
#define PPD_COLLECTOR_GUESS_H

#include <stdbool.h>
#include <stdint.h>

#include "collector/unwind.h"
#include "collector/unwind_memory.h"

#define GUESS_WORDS_MAX 4096 /* of the stack, looked at for one frame: 32 KB */
#define GUESS_FRAME_MAX (1u << 20) /* bytes: a frame of JIT code is not larger */
#define GUESS_CODE_MAX 256   /* of them, those whose code was looked at */

/* What things cost, in words looked at: reading code takes calls into the kernel. */
#define GUESS_CODE_COST 16
#define GUESS_BLOCK_COST 256

struct guess {
	uint64_t ip;          /* the code without tables */
	uint64_t low, high;   /* bounds of what no row covers there */
	bool covered;         /* there is a row, but it needs a register that is not known */
	bool leaf;            /* nothing was called from there */
	bool jit;             /* made by a JIT, which may return to where nothing called from */
	uint64_t next;        /* address of the word to look at next */
	uint64_t end;         /* not this word, nor any behind it */
	uint64_t tight;       /* slot that was taken out of turn; 0: none */
	unsigned int words, code; /* looked at so far */
};

/* The next word that may be the return address into the caller. *budget goes down with the
 * work done, over all guesses of a stack. False: no more. */
bool guess_next(struct guess *g, struct unwind_memory *m, unsigned int *budget, uint64_t *slot, uint64_t *ret);

/* Is there a frame at fp: a link to a frame further up, and a return address? */
bool guess_is_frame(struct unwind_memory *m, uint64_t fp);

/* Is ret behind a call instruction that can have led to g->ip? */
bool guess_plausible(const struct guess *g, const struct unwind_source *from, uint64_t ret);

/* Is ret behind any call instruction? */
bool guess_behind_call(const struct unwind_source *from, uint64_t ret);

/* Do the functions in [low, high) set up frame pointers? One GUESS_BLOCK at most is looked at. */
#define GUESS_BLOCK 65536 /* hand-written functions (V8's builtins) can be tens of KB long */
bool guess_frame_pointers(const struct unwind_source *from, uint64_t low, uint64_t high);

#endif
