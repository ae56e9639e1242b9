#include "config.h"

#include "collector/unwind_walk.h"

#include <string.h>

#include "collector/call_insn.h"
#include "collector/guess.h"
#include "collector/unwind_memory.h"

/*
 * Frames that no row tells how to leave. By how sure it is:
 *
 *   a signal trampoline,
 *   a thread's beginning  known by their instructions
 *   Go, most JITs         frame pointers are the rule
 *   other code            by frame pointers where the code around sets them up,
 *                         with a guess open in case that leads nowhere
 *   assembly              a guess: the nearest word that can be its return address
 */

#define CODE_BYTES 16 /* of a leaf or a trampoline, looked at */

/*
 * In the leaf the frame may not stand yet, or no more: before the push of the
 * frame pointer, between it and the move, at the return.
 */
static bool
leave_leaf_edge(struct walk *w)
{
	static const struct {
		unsigned char code[4], n, words;
	} edges[] = {
		{ { 0x55 }, 1, 0 },                   /* push %rbp */
		{ { 0xf3, 0x0f, 0x1e, 0xfa }, 4, 0 }, /* endbr64 */
		{ { 0x48, 0x89, 0xe5 }, 3, 1 },       /* mov %rsp, %rbp */
		{ { 0x48, 0x8b, 0xec }, 3, 1 },
		{ { 0xc3 }, 1, 0 },                   /* ret */
		{ { 0xc2 }, 1, 0 },                   /* ret $n */
	};
	unsigned char code[CODE_BYTES];
	size_t n = w->from->read(w->from->ctx, w->at.ip, code, sizeof(code));
	uint64_t ret, fp;

	for (size_t i = 0; i < sizeof(edges) / sizeof(*edges); i++) {
		uint64_t slot = w->at.sp + 8 * (uint64_t)edges[i].words;

		if (n < edges[i].n || memcmp(code, edges[i].code, edges[i].n))
			continue;
		if (!unwind_word(&w->memory, slot, &ret) || !w->from->map(w->from->ctx, ret - 1))
			return false;
		if (edges[i].words == 1 && unwind_word(&w->memory, w->at.sp, &fp))
			w->at.fp = fp;
		return walk_up(w, slot + 8, ret) == WALK_ON;
	}
	return false;
}

/* Does a call instruction end before ret, in that map? */
static bool
behind_call(struct walk *w, const struct unwind_map *map, uint64_t ret)
{
	struct unwind_cached *c = walk_look_up(w, map, ret - 1);

	if (!(c->known & ASKED_CALL))
		c->known |= ASKED_CALL | (guess_behind_call(w->from, ret) ? IS_CALL : 0);
	return c->known & IS_CALL;
}

/*
 * A frame that the frame pointer links to the next: *fp is the caller's, above
 * it the return address. Certain: the code is known to keep this up to the
 * chain's end.
 */
static enum unwind_end
leave_by_fp(struct walk *w, bool certain)
{
	const struct unwind_map *map;
	struct walk_at *at = &w->at;
	uint64_t fp = at->fp, next, ret;

	if (!at->fp_known)
		return UNWIND_NO_RULE;
	if (at->exact && leave_leaf_edge(w))
		return WALK_ON;
	if (fp == 0)
		return certain ? UNWIND_ROOT : UNWIND_NO_RULE;
	if (fp < at->sp || fp % 8)
		return UNWIND_NO_RULE;
	if (!unwind_word(&w->memory, fp, &next) || !unwind_word(&w->memory, fp + 8, &ret))
		return UNWIND_MEMORY;
	if (ret == 0 && certain)
		return walk_chain_end(w, fp + 8);
	map = walk_find_map(w, ret - 1);
	if (!map || !(behind_call(w, map, ret) || (certain && guess_is_frame(&w->memory, next))))
		return UNWIND_NO_RULE;
	at->fp = next;
	unwind_memory_vouch(&w->memory, fp + 8, 8);
	return walk_up(w, fp + 16, ret);
}

/* Back to the frame that the guess is about. */
static void
go_back(struct walk *w, const struct walk_guess *o)
{
	w->at = o->at;
	w->map = NULL;
	w->regs_known = false;
	w->fp_used = false;
	w->out->n = o->n;
}

/* Go on from the open guess's candidate. */
static void
take_candidate(struct walk *w, struct walk_guess *o)
{
	/* Where the caller's frame pointer may be: kept in the register, or pushed right below the
	 * return address, or one further down (rbx goes first). HotSpot always pushes it. */
	static const uint8_t kept_first[] = { 0, 2, 1 }, pushed_first[] = { 1, 0, 2 };
	unsigned int down = (o->guess.jit ? pushed_first : kept_first)[o->fp_tried];

	go_back(w, o);
	w->at.sp = o->slot + 8;
	w->at.ip = o->ret;
	w->at.exact = false;
	w->at.fp_doubtful = true;
	if (down > 0)
		w->at.fp_known = unwind_word(&w->memory, o->slot - 8 * (uint64_t)down, &w->at.fp);
	w->out->guessed = true;
}

/* Another way to go on from the frame of this guess. */
static bool
next_candidate(struct walk *w, struct walk_guess *o)
{
	bool fp_used = w->fp_used;

	w->memory.late = o->late;
	if (o->slot && ++w->tries > WALK_TRIES_MAX)
		return false;
	if (fp_used && o->slot && o->fp_tried < 2) {
		o->fp_tried++;
		take_candidate(w, o);
		return true;
	}
	o->fp_tried = 0;
	if (guess_next(&o->guess, &w->memory, &w->budget, &o->slot, &o->ret)) {
		take_candidate(w, o);
		return true;
	}
	if (!o->then_fp)
		return false;
	o->then_fp = false;
	go_back(w, o);
	w->map = walk_find_map(w, walk_address(&w->at));
	return w->map && leave_by_fp(w, true) == WALK_ON;
}

/* The last open guess's next candidate; a guess without one is closed. */
bool
walk_guess_again(struct walk *w)
{
	while (w->n_open > 0) {
		if (next_candidate(w, &w->open[(w->opened - 1) % WALK_GUESSES_MAX]))
			return true;
		w->fp_used = false;
		w->opened--;
		w->n_open--;
	}
	return false;
}

static struct walk_guess *
open_guess(struct walk *w, const struct guess *g)
{
	struct walk_guess *o = &w->open[w->opened++ % WALK_GUESSES_MAX];

	if (w->n_open < WALK_GUESSES_MAX)
		w->n_open++;
	*o = (struct walk_guess){ .guess = *g, .at = w->at, .n = w->out->n, .late = w->memory.late };
	w->fp_used = false;
	return o;
}

/* The code around the frame's address that no row covers. */
static struct guess
gap_around(const struct walk *w, uint64_t addr, bool covered)
{
	const struct unwind_map *map = w->map;
	struct guess g = {
		.ip = w->at.ip,
		.low = map->start,
		.high = map->end,
		.next = w->at.sp,
		.end = UINT64_MAX,
		.jit = map->jit,
		.covered = covered,
		.leaf = w->at.exact,
	};
	const struct row *row;
	uint64_t end;

	if (!map->rows)
		return g;
	row = rows_find(map->rows, walk_place(map, addr), &end);
	if (row && row->place > map->pgoff)
		g.low = map->start + (row->place - map->pgoff);
	if (row && end - map->pgoff < map->end - map->start)
		g.high = map->start + (end - map->pgoff);
	if (covered) /* a row's start is not its function's */
		g.low = map->start;
	return g;
}

/* What the code that is returned to says by itself: IS_SIGNAL (a trampoline without a table, as
 * musl's) or IS_EXIT (where a thread began, musl's again), or 0. */
static uint32_t
code_says(struct walk *w, struct unwind_cached *c)
{
	unsigned char code[CODE_BYTES];
	size_t n;

	if (w->at.exact)
		return 0;
	if (!(c->known & ASKED_CODE)) {
		n = w->from->read(w->from->ctx, w->at.ip, code, sizeof(code));
		c->known |= ASKED_CODE;
		if (n <= sizeof(code) && call_is_sigreturn(code, n))
			c->known |= IS_SIGNAL;
		else if (n <= sizeof(code) && call_is_exit(code, n))
			c->known |= IS_EXIT;
	}
	return c->known & (IS_SIGNAL | IS_EXIT);
}

static bool
is_go(const struct unwind_map *map)
{
	return map->rows && (map->rows->head->flags & ROWS_GO);
}

/* Do frame pointers link the frames of the code at hand? Asked once for each block of code, and
 * again at times for a JIT's, which grows. */
static bool
has_frame_pointers(struct walk *w, const struct guess *g)
{
	uint64_t low = w->at.ip & ~(uint64_t)(GUESS_BLOCK - 1), high = low + GUESS_BLOCK;
	struct unwind_cached *c;

	low = low < g->low ? g->low : low;
	high = high > g->high ? g->high : high;
	c = walk_look_up(w, w->map, low);
	if (w->map->jit && (c->known & (ASKED_FP | IS_FP)) == ASKED_FP) {
		c->known += FP_ASK_AGAIN;
		if (c->known / FP_ASK_AGAIN >= FP_ASK_MAX)
			c->known &= FP_ASK_AGAIN - 1 - ASKED_FP;
	}
	if (!(c->known & ASKED_FP) && w->budget >= GUESS_BLOCK_COST) {
		w->budget -= GUESS_BLOCK_COST;
		c->known |= ASKED_FP | (guess_frame_pointers(w->from, low, high) ? IS_FP : 0);
	}
	return c->known & IS_FP;
}

/*
 * JIT code. Where its functions set up frame pointers, these are the rule. Else
 * (HotSpot's compiled code) the frame pointer may still be an older frame's, or
 * no frame pointer at all: what looks like a return address below it comes first.
 */
static enum unwind_end
leave_jit(struct walk *w, struct guess *g)
{
	enum unwind_end end;

	if (has_frame_pointers(w, g)) {
		end = leave_by_fp(w, true);
		if (end == UNWIND_NO_RULE)
			open_guess(w, g);
		return end;
	}
	if (w->at.fp_known && w->at.fp >= w->at.sp && guess_is_frame(&w->memory, w->at.fp)) {
		g->end = w->at.fp;
		open_guess(w, g)->then_fp = true;
	} else {
		open_guess(w, g);
	}
	return UNWIND_NO_RULE;
}

enum unwind_end
walk_leave_rowless(struct walk *w, struct unwind_cached *c)
{
	bool covered = c->row.rule != ROW_NONE;
	struct guess g = gap_around(w, c->addr, covered);

	switch (covered ? 0 : code_says(w, c)) {
	case IS_SIGNAL:
		return walk_leave_signal(w);
	case IS_EXIT:
		return UNWIND_ROOT;
	default:
		break;
	}
	if (w->map->jit)
		return leave_jit(w, &g);
	if (!covered && is_go(w->map))
		return leave_by_fp(w, true);
	open_guess(w, &g);
	return !covered && has_frame_pointers(w, &g) ? leave_by_fp(w, false) : UNWIND_NO_RULE;
}

/* A call through a pointer to nowhere: the caller's address is the word at sp. */
enum unwind_end
walk_leave_nowhere(struct walk *w)
{
	struct guess g = { .ip = w->at.ip, .low = w->at.ip, .high = w->at.ip + 1 };
	uint64_t ret;

	if (!unwind_word(&w->memory, w->at.sp, &ret) || !w->from->map(w->from->ctx, ret - 1))
		return UNWIND_NO_MAP;
	return guess_plausible(&g, w->from, ret) ? walk_up(w, w->at.sp + 8, ret) : UNWIND_NO_MAP;
}

