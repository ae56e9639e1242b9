#include "config.h"

#include "collector/unwind.h"

#include <string.h>

#include "collector/call_insn.h"
#include "collector/guess.h"
#include "collector/unwind_memory.h"

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

#define GUESSES_OPEN_MAX 8  /* open at a time; where there are more, the oldest are settled */
#define GUESS_TRIES_MAX 64  /* candidates followed for one stack */
#define LEAF_CODE_BYTES 16
#define UCONTEXT_REGS 40    /* offset of the registers in the kernel's struct ucontext, x86-64 */

/* Goes on where every step is fine. */
#define WALK_ON ((enum unwind_end)-1)

/* One frame's registers, as far as they are known. */
struct at {
	uint64_t ip, sp, fp;
	bool exact;   /* ip is where execution stands, not a return address */
	bool fp_known;
	bool fp_doubtful; /* behind a guess: nobody knows what the assembly did to it */
};

struct open_guess {
	struct guess guess;
	struct at at;          /* of the frame without a rule */
	size_t n;              /* frames up to that one */
	uint64_t slot, ret;    /* the candidate in use */
	unsigned int fp_tried; /* ways tried to have this candidate's frame pointer */
	bool late;
};

struct walk {
	const struct unwind_source *from;
	struct unwind_result *out;
	const struct unwind_map *map; /* of the frame at hand */
	struct at at;
	bool regs_known;              /* reg[] is the frame's */
	uint64_t reg[UNWIND_REGS];
	struct unwind_cached spare;   /* where there is no cache */
	bool failed;                  /* without a guess the walk ended as in `plain` */
	struct unwind_result plain;
	bool fp_used;                 /* a doubtful frame pointer led to a frame */
	unsigned int opened, n_open; /* the last n_open of those opened are open */
	unsigned int tries;
	struct open_guess open[GUESSES_OPEN_MAX]; /* the i-th at i % GUESSES_OPEN_MAX */
	struct unwind_memory memory;
};

/* The kernel's order in struct sigcontext_64 (asm/sigcontext.h), by DWARF number. */
static const uint8_t sigcontext_order[UNWIND_REGS] = {
	8, 9, 10, 11, 12, 13, 14, 15, 5, 4, 6, 3, 1, 0, 2, 7, 16,
};

/* The address that tells the function: a call may be its last instruction. */
static uint64_t
lookup_address(const struct at *at)
{
	return at->exact ? at->ip : at->ip - 1;
}

static const struct unwind_map *
find_map(struct walk *w, uint64_t addr)
{
	if (w->map && addr >= w->map->start && addr < w->map->end)
		return w->map;
	return w->from->map(w->from->ctx, addr);
}

static uint64_t
place_of(const struct unwind_map *map, uint64_t addr)
{
	return map->pgoff + (addr - map->start);
}

/* Bits of unwind_cached.known: a question's answer is known, and it is yes. */
enum {
	KNOWN_ROW = 1,             /* of rows, not of their absence */
	ASKED_CALL = 2, IS_CALL = 4, /* the address ends a call instruction */
	ASKED_FP = 8, IS_FP = 16,    /* the code from the address on sets up frame pointers */
	ASKED_SIGNAL = 32, IS_SIGNAL = 64, /* behind the address is a signal trampoline */
};

/* What is known of an address: its row is there, ROW_NONE where no row covers it. */
static struct unwind_cached *
look_up(struct walk *w, const struct unwind_map *map, uint64_t addr)
{
	struct unwind_cache *cache = w->from->cache;
	struct unwind_cached *c = cache ? &cache->entry[(addr ^ addr >> 10) & (UNWIND_CACHE_ENTRIES - 1)] : &w->spare;
	const struct row *row = NULL;
	uint64_t end;

	if (c->addr != addr || c->map != map->id || !cache)
		*c = (struct unwind_cached){ .addr = addr, .map = map->id };
	if (!(c->known & KNOWN_ROW) && map->rows) {
		row = rows_find(map->rows, place_of(map, addr), &end);
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
	const struct at *at = &w->at;
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
	struct at *at = &w->at;

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

/* On to the caller: its frame begins at cfa, its return address is `ret`. */
static enum unwind_end
go_up(struct walk *w, uint64_t cfa, uint64_t ret)
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
static enum unwind_end
chain_end(const struct walk *w, uint64_t slot)
{
	return unwind_memory_in_copy(&w->memory, slot, 8) ? UNWIND_ROOT : UNWIND_MEMORY;
}

/* The kernel put all registers on the stack when it delivered the signal. */
static enum unwind_end
leave_signal(struct walk *w)
{
	uint64_t from = w->at.sp + UCONTEXT_REGS, reg[UNWIND_REGS];

	for (size_t i = 0; i < UNWIND_REGS; i++)
		if (!unwind_word(&w->memory, from + 8 * i, &reg[sigcontext_order[i]]))
			return UNWIND_MEMORY;
	memcpy(w->reg, reg, sizeof(reg));
	/* The handler may run on a stack of its own: what it interrupted vouches for the other. */
	unwind_memory_vouch(&w->memory, from + sizeof(reg) - 16, 16);
	w->at = (struct at){
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
		return leave_signal(w);
	end = row_cfa(w, row, &cfa);
	if (end != WALK_ON)
		return end;
	if (cfa < w->at.sp + 8)
		return UNWIND_LOOP;
	if (!unwind_word(&w->memory, cfa - 8, &ret))
		return UNWIND_MEMORY;
	if (ret == 0)
		return chain_end(w, cfa - 8);
	row_fp(w, row, cfa);
	unwind_memory_vouch(&w->memory, cfa - 8, 8);
	return go_up(w, cfa, ret);
}

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
	unsigned char code[LEAF_CODE_BYTES];
	size_t n = w->from->read(w->from->ctx, w->at.ip, code, sizeof(code));
	uint64_t ret, fp;

	for (size_t i = 0; i < sizeof(edges) / sizeof(*edges); i++) {
		uint64_t slot = w->at.sp + words(edges[i].words);

		if (n < edges[i].n || memcmp(code, edges[i].code, edges[i].n))
			continue;
		if (!unwind_word(&w->memory, slot, &ret) || !w->from->map(w->from->ctx, ret - 1))
			return false;
		if (edges[i].words == 1 && unwind_word(&w->memory, w->at.sp, &fp))
			w->at.fp = fp;
		return go_up(w, slot + 8, ret) == WALK_ON;
	}
	return false;
}

/* Does a call instruction end before ret, in that map? */
static bool
behind_call(struct walk *w, const struct unwind_map *map, uint64_t ret)
{
	struct unwind_cached *c = look_up(w, map, ret - 1);

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
	struct at *at = &w->at;
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
		return chain_end(w, fp + 8);
	map = find_map(w, ret - 1);
	if (!map || !behind_call(w, map, ret))
		return UNWIND_NO_RULE;
	at->fp = next;
	unwind_memory_vouch(&w->memory, fp + 8, 8);
	return go_up(w, fp + 16, ret);
}

/* Take the state of the open guess's candidate. */
static void
take_candidate(struct walk *w, struct open_guess *o)
{
	static const uint8_t saved_below[] = { 0, 2, 1 };
	unsigned int back = saved_below[o->fp_tried];

	w->at = o->at;
	w->at.sp = o->slot + 8;
	w->at.ip = o->ret;
	w->at.exact = false;
	w->at.fp_doubtful = true;
	if (back > 0)
		w->at.fp_known = unwind_word(&w->memory, o->slot - words((int)back), &w->at.fp);
	w->regs_known = false;
	w->fp_used = false;
	w->map = NULL;
	w->out->n = o->n;
	w->out->guessed = true;
}

/* The last open guess's next candidate; a guess without one is closed. */
static bool
guess_again(struct walk *w)
{
	while (w->n_open > 0) {
		struct open_guess *o = &w->open[(w->opened - 1) % GUESSES_OPEN_MAX];

		w->memory.late = o->late;
		if (++w->tries > GUESS_TRIES_MAX)
			return false;
		/* Assembly pushes rbp first, or rbx and then rbp. */
		if (w->fp_used && o->slot && o->fp_tried < 2) {
			o->fp_tried++;
			take_candidate(w, o);
			return true;
		}
		w->fp_used = false;
		o->fp_tried = 0;
		if (guess_next(&o->guess, &w->memory, &o->slot, &o->ret)) {
			take_candidate(w, o);
			return true;
		}
		w->opened--;
		w->n_open--;
	}
	return false;
}

static void
open_guess(struct walk *w, const struct guess *g)
{
	struct open_guess *o;

	o = &w->open[w->opened++ % GUESSES_OPEN_MAX];
	if (w->n_open < GUESSES_OPEN_MAX)
		w->n_open++;
	*o = (struct open_guess){ .guess = *g, .at = w->at, .n = w->out->n, .late = w->memory.late };
	w->fp_used = false;
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
		.covered = covered,
		.leaf = w->at.exact,
	};
	const struct row *row;
	uint64_t end;

	if (!map->rows)
		return g;
	row = rows_find(map->rows, place_of(map, addr), &end);
	if (row && row->place > map->pgoff)
		g.low = map->start + (row->place - map->pgoff);
	if (row && end - map->pgoff < map->end - map->start)
		g.high = map->start + (end - map->pgoff);
	if (covered) /* a row's start is not its function's */
		g.low = map->start;
	return g;
}

/* Is the code at hand a signal trampoline without a table (musl's, for one)? */
static bool
at_sigreturn(struct walk *w, struct unwind_cached *c)
{
	unsigned char code[LEAF_CODE_BYTES];
	size_t n;

	if (w->at.exact)
		return false;
	if (!(c->known & ASKED_SIGNAL)) {
		n = w->from->read(w->from->ctx, w->at.ip, code, sizeof(code));
		c->known |= ASKED_SIGNAL | (n <= sizeof(code) && call_is_sigreturn(code, n) ? IS_SIGNAL : 0);
	}
	return c->known & IS_SIGNAL;
}

/* Is it the rule of the code at hand that frame pointers link its frames? */
static bool
runs_on_frame_pointers(const struct unwind_map *map)
{
	return map->jit || (map->rows && (map->rows->head->flags & ROWS_GO));
}

/* Does it look so? Asked once for each block of code. */
static bool
has_frame_pointers(struct walk *w, const struct guess *g)
{
	uint64_t low = w->at.ip & ~(uint64_t)(GUESS_BLOCK - 1), high = low + GUESS_BLOCK;
	const struct unwind_map *map = w->map;
	struct unwind_cached *c;

	low = low < g->low ? g->low : low;
	high = high > g->high ? g->high : high;
	c = look_up(w, map, low);
	if (!(c->known & ASKED_FP))
		c->known |= ASKED_FP | (guess_frame_pointers(w->from, low, high) ? IS_FP : 0);
	return c->known & IS_FP;
}

static enum unwind_end
leave_without_row(struct walk *w, struct unwind_cached *c)
{
	bool covered = c->row.rule != ROW_NONE, certain = runs_on_frame_pointers(w->map);
	struct guess g = gap_around(w, c->addr, covered);
	enum unwind_end end = UNWIND_NO_RULE;

	if (!covered && at_sigreturn(w, c))
		return leave_signal(w);
	if (!covered && certain)
		end = leave_by_fp(w, true);
	if (end != UNWIND_NO_RULE)
		return end;
	open_guess(w, &g);
	return !covered && has_frame_pointers(w, &g) ? leave_by_fp(w, false) : UNWIND_NO_RULE;
}

static enum unwind_end
leave_frame(struct walk *w)
{
	struct unwind_cached *c = look_up(w, w->map, lookup_address(&w->at));
	enum unwind_end end = UNWIND_NO_RULE;

	if (c->row.rule != ROW_NONE)
		end = leave_by_row(w, &c->row);
	return end == UNWIND_NO_RULE ? leave_without_row(w, c) : end;
}

/* A call through a pointer to nowhere: the caller's address is the word at sp. */
static enum unwind_end
leave_nowhere(struct walk *w)
{
	struct guess g = { .ip = w->at.ip, .low = w->at.ip, .high = w->at.ip + 1 };
	uint64_t ret;

	if (!unwind_word(&w->memory, w->at.sp, &ret) || !w->from->map(w->from->ctx, ret - 1))
		return UNWIND_NO_MAP;
	return guess_plausible(&g, w->from, ret) ? go_up(w, w->at.sp + 8, ret) : UNWIND_NO_MAP;
}

static enum unwind_end
add_frame(struct walk *w)
{
	struct unwind_result *out = w->out;
	uint64_t addr = lookup_address(&w->at);

	w->map = find_map(w, addr);
	if (!w->map)
		return out->n == 0 && w->at.exact ? leave_nowhere(w) : UNWIND_NO_MAP;
	out->frames[out->n++] = (struct unwind_frame){ .map = w->map->id, .addr = addr };
	return out->n == UNWIND_FRAMES_MAX ? UNWIND_DEPTH : leave_frame(w);
}

static void
walk_init(struct walk *w, const struct unwind_source *from, const struct unwind_sample *sample,
	  struct unwind_result *out)
{
	w->from = from;
	w->out = out;
	w->map = NULL;
	w->at = (struct at){
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
 * The walk has ended. Is there something else to try? If nothing leads to a
 * root, the walk without guesses is what remains.
 */
static bool
try_again(struct walk *w)
{
	struct unwind_result *out = w->out;

	if (out->end == UNWIND_ROOT || out->end == UNWIND_DEPTH || w->n_open + w->failed == 0)
		return false;
	if (!out->guessed && out->end == UNWIND_MEMORY) /* that speaks for no other way */
		return false;
	if (!w->failed) {
		w->failed = true;
		out->late = w->memory.late;
		copy_result(&w->plain, out);
	}
	if (guess_again(w))
		return true;
	copy_result(out, &w->plain);
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
}
