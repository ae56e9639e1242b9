#include "config.h"

#include <string.h>

#include "collector/guess.h"
#include "collector/unwind_memory.h"
#include "collector/unwind_walk.h"

/*
 * Code that runs on another stack than its frame's (ROW_SWITCH): Go's
 * systemstack, asmcgocall and the like. The frame pointer leads back.
 *
 *   the goroutine's stack                            the thread's stack
 *
 *   caller's frame: saved fp ◄──┐ fp, where the      frame of what was called
 *          ...                  │ code has no frame  return address into the code
 *   argument: what to call      │
 *   return address              │
 *   saved fp ───────────────────┘ ◄ fp, where it has one (Go 1.21)
 */

#define BELOW_MAX 512                   /* words below fp that are looked at: 4 KB of caller's frame */
#define CODE_MAX ((uint64_t)1 << 20)    /* bytes of code that the function called there may have */
#define NO_CALLEE (CODE_MAX - 1)

/* Is this a return address whose own row says that its function's frame begins at cfa? */
static bool
returns_into(struct walk *w, uint64_t slot, uint64_t ret, uint64_t cfa)
{
	const struct unwind_map *map = walk_find_map(w, ret - 1);
	const struct row *row;

	if (!map)
		return false;
	row = &walk_look_up(w, map, ret - 1)->row;
	return row->rule == ROW_SP && slot + 8 + 8 * (uint64_t)(int64_t)row->cfa == cfa &&
	       guess_behind_call(w->from, ret);
}

/*
 * How far behind the entry of the function that was to be called is the frame
 * that we came from? The function is the first argument, above the return
 * address: C code, or Go's closure, whose first word is the code.
 */
static uint64_t
behind_entry(struct walk *w, uint64_t slot)
{
	uint64_t callee, fn = 0, code = 0;

	if (w->at.exact || w->out->n < 2)
		return slot == w->at.sp ? 0 : NO_CALLEE;
	callee = w->out->frames[w->out->n - 2].addr;
	if (!unwind_word(&w->memory, slot + 8, &fn))
		return UINT64_MAX;
	if (!unwind_word(&w->memory, fn, &code) || callee - code > callee - fn)
		code = fn;
	return callee - code;
}

/*
 * The return address of code without a frame: below the frame that fp points
 * at, by that frame's size. Old words there may look like one, too (another
 * function that the same one called before); what was called tells them apart.
 */
static bool
find_below_fp(struct walk *w, uint64_t *slot)
{
	uint64_t best = CODE_MAX, ret;

	for (uint64_t at = w->at.fp - 8; w->at.fp - at <= 8 * BELOW_MAX; at -= 8) {
		uint64_t far;

		if (!unwind_word(&w->memory, at, &ret))
			break;
		if (!returns_into(w, at, ret, w->at.fp + 16))
			continue;
		far = behind_entry(w, at);
		if (far < best) {
			best = far;
			*slot = at;
		}
	}
	return best < CODE_MAX;
}

/* ---- what the kernel saw by frame pointers */

/* Where in the chain are we? Behind the return address at hand; 0: nowhere. */
static size_t
chain_behind(const struct walk *w)
{
	const struct unwind_sample *s = w->memory.sample;

	if (!s->chain || w->at.exact)
		return 0;
	for (size_t i = 1; i + 1 < s->n_chain; i++)
		if (s->chain[i] == w->at.ip)
			return i + 1;
	return 0;
}

/* Does the chain reach a root from there? */
static bool
chain_is_rooted(struct walk *w, size_t i)
{
	const struct unwind_sample *s = w->memory.sample;

	for (; i < s->n_chain; i++) {
		const struct unwind_map *map = walk_find_map(w, s->chain[i] - 1);

		if (!map)
			return false;
		if (walk_look_up(w, map, s->chain[i] - 1)->row.rule == ROW_ROOT)
			return true;
	}
	return false;
}

static bool
chain_add(struct walk *w, uint64_t addr)
{
	struct unwind_result *out = w->out;
	const struct unwind_map *map = walk_find_map(w, addr);

	if (!map || out->n == UNWIND_FRAMES_MAX)
		return false;
	out->frames[out->n++] = (struct unwind_frame){ .map = map->id, .addr = addr };
	return true;
}

/* Where the call in front of ret goes, where it is a direct one; else 0. */
static uint64_t
called_from(struct walk *w, uint64_t ret)
{
	unsigned char code[5];
	int32_t distance;

	if (w->from->read(w->from->ctx, ret - sizeof(code), code, sizeof(code)) != sizeof(code) || code[0] != 0xe8)
		return 0;
	memcpy(&distance, code + 1, sizeof(distance));
	return ret + (uint64_t)(int64_t)distance;
}

/* Code without a frame hides its caller from the chain. The stack may still tell where in it we are;
 * the caller's own caller tells its entry, which is enough for its name. */
static void
chain_add_hidden(struct walk *w, uint64_t ret)
{
	uint64_t entry = called_from(w, ret), slot = 0, addr = 0;

	if (w->at.fp_known && w->at.fp % 8 == 0 && find_below_fp(w, &slot) &&
	    unwind_word(&w->memory, slot, &addr) && (!entry || addr - 1 - entry < CODE_MAX))
		chain_add(w, addr - 1);
	else if (entry)
		chain_add(w, entry);
}

/* Go on along the chain, to its root. It was taken at the sample's instant; the words of the other
 * stack, read now, may be of a later one. */
static bool
chain_follow(struct walk *w, bool framed)
{
	const struct unwind_sample *s = w->memory.sample;
	size_t i = chain_behind(w);

	if (!i || !chain_is_rooted(w, i))
		return false;
	if (!framed)
		chain_add_hidden(w, s->chain[i]);
	for (; i < s->n_chain; i++) {
		const struct unwind_map *map = walk_find_map(w, s->chain[i] - 1);

		if (!chain_add(w, s->chain[i] - 1) || !map ||
		    walk_look_up(w, map, s->chain[i] - 1)->row.rule == ROW_ROOT)
			break;
	}
	return true;
}

enum unwind_end
walk_leave_switch(struct walk *w, const struct row *row)
{
	struct walk_at *at = &w->at;
	uint64_t fp = at->fp, slot = fp + 8, ret = 0;
	bool framed = row->cfa != 0; /* the cache that row is in will be used */

	if (w->switches++ == WALK_SWITCHES_MAX)
		return UNWIND_LOOP;
	if (chain_follow(w, framed))
		return w->out->n == UNWIND_FRAMES_MAX ? UNWIND_DEPTH : UNWIND_ROOT;
	if (!at->fp_known || fp % 8)
		return UNWIND_NO_RULE;
	if (fp == 0)
		return UNWIND_ROOT;
	if ((framed || !find_below_fp(w, &slot)) && !unwind_word(&w->memory, fp, &at->fp))
		return UNWIND_MEMORY;
	if (!unwind_word(&w->memory, slot, &ret))
		return UNWIND_MEMORY;
	/* Not walk_up(): the other stack may be anywhere. The number of frames bounds the walk. */
	at->sp = slot + 8;
	at->ip = ret;
	at->exact = w->regs_known = false;
	return WALK_ON;
}
