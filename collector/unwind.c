#include "config.h"

#include "collector/unwind.h"

#include <string.h>

#include "collector/unwind_memory.h"
#include "collector/unwind_walk.h"

/*
 * The walk, frame by frame:
 *
 *   find the mapping ─► add the frame ─► row? ─► its rule ──────────┐
 *         ▲                              no                         │
 *         │                              ├─ frame pointers (JIT) ───┤
 *         │                              └─ open a guess ───────────┤
 *         └─────────────── the caller's ip, sp, fp ◄────────────────┘
 *
 * A guess stays open: when the walk fails further up, it goes back to the last
 * one and takes its next candidate.
 */

#define UCONTEXT_REGS 40 /* offset of the registers in the kernel's struct ucontext, x86-64 */

/* The kernel's order in struct sigcontext_64 (asm/sigcontext.h), by DWARF number. */
static const uint8_t sigcontext_order[UNWIND_REGS] = {
	8, 9, 10, 11, 12, 13, 14, 15, 5, 4, 6, 3, 1, 0, 2, 7, 16,
};

uint64_t
walk_address(const struct walk_at *at)
{
	return at->exact ? at->ip : at->ip - 1;
}

const struct unwind_map *
walk_find_map(struct walk *w, uint64_t addr)
{
	if (w->map && addr >= w->map->start && addr < w->map->end)
		return w->map;
	return w->from->map(w->from->ctx, addr);
}

uint64_t
walk_place(const struct unwind_map *map, uint64_t addr)
{
	return map->pgoff + (addr - map->start);
}

struct unwind_cached *
walk_look_up(struct walk *w, const struct unwind_map *map, uint64_t addr)
{
	struct unwind_cache *cache = w->from->cache;
	size_t slot = (addr ^ addr >> 10) & (UNWIND_CACHE_ENTRIES - 1);
	struct unwind_cached *c = cache ? &cache->entry[slot] : &w->spare;
	const struct row *row = NULL;
	uint64_t end;

	if (c->addr != addr || c->map != map->id || !cache)
		*c = (struct unwind_cached){ .addr = addr, .map = map->id };
	if (!(c->known & KNOWN_ROW) && map->rows) {
		row = rows_find(map->rows, walk_place(map, addr), &end);
		c->known |= KNOWN_ROW;
		if (row)
			c->row = *row;
	}
	return c;
}

static bool
wide_offset(const struct walk *w, int16_t cfa, uint64_t *bytes)
{
	const struct rows *rows = w->map->rows;
	uint16_t i = (uint16_t)cfa;

	if (i >= rows->head->n_wide)
		return false;
	*bytes = (uint64_t)(int64_t)rows->wide[i];
	return true;
}

static uint64_t
words(int n)
{
	return (uint64_t)(int64_t)n * 8;
}

/* The canonical frame address by a row. WALK_ON, or why not. */
static enum unwind_end
row_cfa(struct walk *w, const struct row *row, uint64_t *cfa)
{
	const struct walk_at *at = &w->at;
	bool by_fp = row->rule == ROW_FP || row->rule == ROW_FP_WIDE || row->rule == ROW_FP_DEREF;
	uint64_t base = by_fp ? at->fp : at->sp, bytes = 0;
	int reg = row->cfa >> 8;

	if (by_fp && !at->fp_known)
		return UNWIND_NO_RULE;
	if (by_fp && at->fp_doubtful)
		w->fp_used = true;
	switch (row->rule) {
	case ROW_SP:
	case ROW_FP:
		*cfa = base + words(row->cfa);
		return WALK_ON;
	case ROW_SP_WIDE:
	case ROW_FP_WIDE:
		if (!wide_offset(w, row->cfa, &bytes))
			return UNWIND_NO_RULE;
		*cfa = base + bytes;
		return WALK_ON;
	case ROW_SP_DEREF:
	case ROW_FP_DEREF:
		if (!unwind_word(&w->memory, base + words(row->cfa >> 4), cfa))
			return UNWIND_MEMORY;
		*cfa += words(row->cfa & 15);
		return WALK_ON;
	case ROW_REG:
		if (!w->regs_known || reg < 0 || reg >= UNWIND_REGS)
			return UNWIND_NO_RULE;
		*cfa = w->reg[reg] + words((int8_t)row->cfa);
		return WALK_ON;
	case ROW_PLT:
		*cfa = base + ((int)(at->ip & 15) >= row->cfa ? 16 : 8);
		return WALK_ON;
	default:
		return UNWIND_NO_RULE;
	}
}

/* The caller's frame pointer. One that can't be had stops the walk only where it is needed. */
static void
row_fp(struct walk *w, const struct row *row, uint64_t cfa)
{
	struct walk_at *at = &w->at;

	switch (row->fp) {
	case ROW_FP_SAME:
		break;
	case ROW_FP_LOST:
		at->fp_known = false;
		break;
	case ROW_FP_HERE:
		at->fp_known = at->fp_known && unwind_word(&w->memory, at->fp, &at->fp);
		break;
	default:
		at->fp_known = unwind_word(&w->memory, cfa - words(row->fp), &at->fp);
		at->fp_doubtful = false;
	}
}

enum unwind_end
walk_up(struct walk *w, uint64_t cfa, uint64_t ret)
{
	if (cfa <= w->at.sp)
		return UNWIND_LOOP;
	w->at.sp = cfa;
	w->at.ip = ret;
	w->at.exact = false;
	w->regs_known = false;
	return WALK_ON;
}

/* A return address of zero is how stacks are begun; a late one may be a page that nobody used. */
enum unwind_end
walk_chain_end(const struct walk *w, uint64_t slot)
{
	return unwind_memory_in_copy(&w->memory, slot, 8) ? UNWIND_ROOT : UNWIND_MEMORY;
}

/* The kernel put all registers on the stack when it delivered the signal. */
enum unwind_end
walk_leave_signal(struct walk *w)
{
	uint64_t from = w->at.sp + UCONTEXT_REGS, reg[UNWIND_REGS];

	for (size_t i = 0; i < UNWIND_REGS; i++)
		if (!unwind_word(&w->memory, from + 8 * i, &reg[sigcontext_order[i]]))
			return UNWIND_MEMORY;
	memcpy(w->reg, reg, sizeof(reg));
	/* The handler may run on a stack of its own: what it interrupted vouches for the other. */
	unwind_memory_vouch(&w->memory, from + sizeof(reg) - 16, 16);
	w->at = (struct walk_at){
		.ip = reg[UNWIND_IP], .sp = reg[UNWIND_SP], .fp = reg[UNWIND_FP], .exact = true, .fp_known = true,
	};
	w->regs_known = true;
	return WALK_ON;
}

static enum unwind_end
leave_by_row(struct walk *w, const struct row *row)
{
	uint64_t cfa = 0, ret = 0;
	enum unwind_end end;

	if (row->rule == ROW_ROOT)
		return UNWIND_ROOT;
	if (row->rule == ROW_SIGNAL)
		return walk_leave_signal(w);
	if (row->rule == ROW_SWITCH)
		return walk_leave_switch(w, row);
	end = row_cfa(w, row, &cfa);
	if (end != WALK_ON)
		return end;
	if (cfa < w->at.sp + 8)
		return UNWIND_LOOP;
	if (!unwind_word(&w->memory, cfa - 8, &ret))
		return UNWIND_MEMORY;
	if (ret == 0)
		return walk_chain_end(w, cfa - 8);
	row_fp(w, row, cfa);
	/* With the frame pointer saved below it, a return address vouches for the stack that this points to. */
	unwind_memory_vouch(&w->memory, cfa - (row->fp == 2 ? 16 : 8), row->fp == 2 ? 16 : 8);
	return walk_up(w, cfa, ret);
}

static enum unwind_end
leave_frame(struct walk *w)
{
	struct unwind_cached *c = walk_look_up(w, w->map, walk_address(&w->at));
	enum unwind_end end = UNWIND_NO_RULE;

	if (c->row.rule != ROW_NONE)
		end = leave_by_row(w, &c->row);
	return end == UNWIND_NO_RULE ? walk_leave_rowless(w, c) : end;
}

static enum unwind_end
add_frame(struct walk *w)
{
	struct unwind_result *out = w->out;
	uint64_t addr = walk_address(&w->at);

	if (out->n == UNWIND_FRAMES_MAX)
		return UNWIND_DEPTH;
	w->map = walk_find_map(w, addr);
	if (!w->map)
		return out->n == 0 && w->at.exact ? walk_leave_nowhere(w) : UNWIND_NO_MAP;
	out->frames[out->n++] = (struct unwind_frame){ .map = w->map->id, .addr = addr };
	return leave_frame(w);
}

/* What this stack may spend on guesses: credit grows with each stack, up to a limit. */
static unsigned int
walk_budget(struct unwind_cache *cache)
{
	if (!cache)
		return WALK_BUDGET;
	cache->guess_debt -= cache->guess_debt < WALK_BUDGET_EACH ? cache->guess_debt : WALK_BUDGET_EACH;
	return cache->guess_debt < WALK_BUDGET ? WALK_BUDGET - cache->guess_debt : 0;
}

static void
walk_init(struct walk *w, const struct unwind_source *from, const struct unwind_sample *sample,
	  struct unwind_result *out)
{
	w->from = from;
	w->out = out;
	w->map = NULL;
	w->at = (struct walk_at){
		.ip = sample->reg[UNWIND_IP],
		.sp = sample->reg[UNWIND_SP],
		.fp = sample->reg[UNWIND_FP],
		.exact = true,
		.fp_known = true,
	};
	w->regs_known = true;
	memcpy(w->reg, sample->reg, sizeof(w->reg));
	w->fp_used = false;
	w->opened = w->n_open = w->tries = 0;
	w->switches = 0;
	w->given = w->budget = walk_budget(from->cache);
	w->failed = false;
	unwind_memory_init(&w->memory, from, sample);
}

static void
copy_result(struct unwind_result *to, const struct unwind_result *from)
{
	memcpy(to->frames, from->frames, sizeof(*to->frames) * from->n);
	to->n = from->n;
	to->end = from->end;
	to->guessed = from->guessed;
	to->late = from->late;
}

/*
 * What remains when no root is found: the walk without guesses, or the guess
 * that came farthest by rows until these ended in code without any (a libc
 * without tables, as musl's) or the stack could not be had. Other ends speak
 * against the guess.
 */
static void
keep_best(struct walk *w)
{
	struct unwind_result *out = w->out;
	bool stands = out->end == UNWIND_NO_RULE || out->end == UNWIND_MEMORY;

	out->late = w->memory.late;
	if (!w->failed)
		w->first = out->n;
	if (!w->failed || (stands && out->n >= w->first + WALK_ROWS_MIN && out->n > w->best.n))
		copy_result(&w->best, out);
	w->failed = true;
}

/* The walk has ended. Is there something else to try? */
static bool
try_again(struct walk *w)
{
	struct unwind_result *out = w->out;

	if (out->end == UNWIND_ROOT || out->end == UNWIND_DEPTH || (w->n_open == 0 && !w->failed))
		return false;
	if (!out->guessed && out->end == UNWIND_MEMORY) /* that speaks for no other way */
		return false;
	keep_best(w);
	if (walk_guess_again(w))
		return true;
	copy_result(out, &w->best);
	w->memory.late = out->late;
	return false;
}

void
unwind_stack(const struct unwind_source *from, const struct unwind_sample *sample, struct unwind_result *out)
{
	struct walk w;

	out->n = 0;
	out->guessed = false;
	walk_init(&w, from, sample, out);
	do {
		do
			out->end = add_frame(&w);
		while (out->end == WALK_ON);
	} while (try_again(&w));
	out->late = w.memory.late;
	if (from->cache)
		from->cache->guess_debt += w.given - w.budget;
}
