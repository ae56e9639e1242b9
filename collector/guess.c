#include "config.h"

#include "collector/guess.h"

#include <string.h>

#include "collector/call_insn.h"

#define USER_TOP (UINT64_C(1) << 47) /* of the address space, but for five-level paging */
#define CODE_CHUNK 4096
#define FUNCTION_MAX 65536 /* from a function's start to where we are, in code whose gaps say nothing */
#define TAIL_CODE  1024 /* of a function, looked at for a tail call */

/* Code that lives by frame pointers has a prologue in so many bytes. V8's builtins: one in 900;
 * x265's assembly, where only functions that realign the stack have one: in 1,700,000. */
#define PROLOGUE_EVERY 8192

#define LOWEST 4096 /* no program has its first page */

/* A function that is called by name is not much longer than this, as assembly goes; and so many
 * words of its frame may lie between the return address and an old one. */
#define TIGHT_CODE  512
#define TIGHT_WORDS 32

/* Does a call to `where` lead to the code that we are in? Assembly jumps backwards too. */
static bool
leads_here(const struct guess *g, uint64_t where)
{
	if (g->covered || g->jit)
		return where <= g->ip && where >= g->low && g->ip - where < FUNCTION_MAX;
	return where >= g->low && where < g->high;
}

static bool
slot_leads_here(const struct guess *g, const struct unwind_source *from, uint64_t slot)
{
	uint64_t where;

	return from->read(from->ctx, slot, &where, sizeof(where)) == sizeof(where) && leads_here(g, where);
}

/* A direct call may go to a PLT stub, which jumps on. */
static bool
stub_leads_here(const struct guess *g, const struct unwind_source *from, uint64_t stub)
{
	unsigned char code[CALL_STUB_MAX];
	size_t n = from->read(from->ctx, stub, code, sizeof(code));
	uint64_t slot = n <= sizeof(code) ? call_stub_slot(code, n, stub) : 0;

	if (!slot)
		return false;
	/* The lazy binder itself stands in between: the slot will name somebody else. */
	return g->covered || slot_leads_here(g, from, slot);
}

/* Does its row say that the function's frame is gone there, as before a return? */
static bool
frame_is_gone(const struct unwind_map *map, uint64_t addr)
{
	uint64_t end;
	const struct row *row = rows_find(map->rows, map->pgoff + (addr - map->start), &end);

	return row && row->rule == ROW_SP && row->cfa == 1;
}

/* Or to a function with a table, whose last act is a jump to where we are: a tail call. */
static bool
tail_leads_here(const struct guess *g, const struct unwind_source *from, const struct unwind_map *map,
		uint64_t function)
{
	unsigned char code[TAIL_CODE];
	uint64_t where = 0;
	size_t n, i = 0;

	if (!map->rows || !frame_is_gone(map, function))
		return false;
	n = map->end - function < sizeof(code) ? (size_t)(map->end - function) : sizeof(code);
	n = from->read(from->ctx, function, code, n);
	for (; n <= sizeof(code); i++) {
		enum call_insn jump = call_next_jump(code, n, function, &i, &where);

		if (jump == CALL_NONE)
			break;
		if ((jump == CALL_ANYWHERE || leads_here(g, where)) && frame_is_gone(map, function + i))
			return true;
	}
	return false;
}

static bool
direct_leads_here(const struct guess *g, const struct unwind_source *from, uint64_t where)
{
	const struct unwind_map *map;

	if (leads_here(g, where))
		return true;
	map = from->map(from->ctx, where);
	return map && (stub_leads_here(g, from, where) || tail_leads_here(g, from, map, where));
}

bool
guess_plausible(const struct guess *g, const struct unwind_source *from, uint64_t ret)
{
	unsigned char code[CALL_INSN_MAX];
	uint64_t where;

	if (from->read(from->ctx, ret - sizeof(code), code, sizeof(code)) != sizeof(code))
		return false;
	if (call_insn_direct(code, ret, &where) == CALL_DIRECT &&
	    direct_leads_here(g, from, where))
		return true;
	switch (call_insn_indirect(code, ret, &where)) {
	case CALL_SLOT:
		return slot_leads_here(g, from, where);
	case CALL_ANYWHERE:
		return true;
	default:
		return false;
	}
}

bool
guess_behind_call(const struct unwind_source *from, uint64_t ret)
{
	unsigned char code[CALL_INSN_MAX];
	uint64_t where;

	return from->read(from->ctx, ret - sizeof(code), code, sizeof(code)) == sizeof(code) &&
	       (call_insn_direct(code, ret, &where) != CALL_NONE ||
		call_insn_indirect(code, ret, &where) != CALL_NONE);
}

/* Code, or the end of the chain. */
static bool
is_return_address(const struct unwind_source *from, uint64_t ret)
{
	return ret == 0 || (ret >= LOWEST && ret < USER_TOP && from->map(from->ctx, ret - 1));
}

static bool
is_link(uint64_t fp, uint64_t next)
{
	return next > fp && next % 8 == 0 && next - fp < GUESS_FRAME_MAX;
}

bool
guess_is_frame(struct unwind_memory *m, uint64_t fp)
{
	uint64_t next, ret;

	return unwind_word(m, fp, &next) && (next == 0 || is_link(fp, next)) && unwind_word(m, fp + 8, &ret) &&
	       is_return_address(m->from, ret);
}

/* Does the row say that this is where the process or a thread begins? */
static bool
is_root(const struct unwind_source *from, uint64_t addr)
{
	const struct unwind_map *map = from->map(from->ctx, addr);
	const struct row *row;
	uint64_t end;

	row = map && map->rows ? rows_find(map->rows, map->pgoff + (addr - map->start), &end) : NULL;
	return row && row->rule == ROW_ROOT;
}

static bool
is_candidate(struct guess *g, struct unwind_memory *m, uint64_t slot, uint64_t ret)
{
	bool at_sp = g->leaf && g->words == 1;
	uint64_t fp;

	if (guess_plausible(g, m->from, ret))
		return true;
	if ((at_sp || is_root(m->from, ret - 1)) && guess_behind_call(m->from, ret))
		return true;
	/* HotSpot's interpreter makes up return addresses; the caller's frame pointer is next to it. */
	return g->jit && unwind_word(m, slot - 8, &fp) && is_link(slot - 8, fp) && guess_is_frame(m, fp);
}

/* Is ret behind a call by name to just before where we are? */
static bool
is_tight(const struct guess *g, const struct unwind_source *from, uint64_t ret)
{
	unsigned char code[CALL_INSN_MAX];
	uint64_t where;

	return from->read(from->ctx, ret - sizeof(code), code, sizeof(code)) == sizeof(code) &&
	       call_insn_direct(code, ret, &where) == CALL_DIRECT && where >= g->low && where <= g->ip &&
	       g->ip - where < TIGHT_CODE;
}

/* The candidate in `slot` is through a pointer, which may have gone anywhere: is there a better one
 * close behind it? Then that is given first, once. */
static void
prefer_tight(struct guess *g, struct unwind_memory *m, unsigned int *budget, uint64_t *slot, uint64_t *ret)
{
	uint64_t at = *slot + sizeof(uint64_t), word;

	if (g->tight || g->jit || is_tight(g, m->from, *ret))
		return;
	for (unsigned int i = 0; i < TIGHT_WORDS && at < g->end && *budget > GUESS_CODE_COST; i++, at += sizeof(word)) {
		if (!unwind_word(m, at, &word))
			return;
		(*budget)--;
		if (word == 0 || !is_return_address(m->from, word))
			continue;
		*budget -= GUESS_CODE_COST;
		if (!is_tight(g, m->from, word))
			continue;
		g->tight = at;
		g->next = *slot; /* whose turn comes next */
		g->words--;
		*slot = at;
		*ret = word;
		return;
	}
}

bool
guess_next(struct guess *g, struct unwind_memory *m, unsigned int *budget, uint64_t *slot, uint64_t *ret)
{
	while (g->words < GUESS_WORDS_MAX && *budget > 0 && g->next < g->end && unwind_word(m, g->next, ret)) {
		*slot = g->next;
		g->next += sizeof(uint64_t);
		g->words++;
		(*budget)--;
		if (*ret == 0 || *slot == g->tight || !is_return_address(m->from, *ret))
			continue;
		if (++g->code > GUESS_CODE_MAX || *budget < GUESS_CODE_COST)
			break;
		*budget -= GUESS_CODE_COST;
		if (!is_candidate(g, m, *slot, *ret))
			continue;
		prefer_tight(g, m, budget, slot, ret);
		return true;
	}
	return false;
}

/* push %rbp; mov %rsp, %rbp (either encoding). *bytes: how much of it is code at all. */
static size_t
count_prologues(const unsigned char *code, size_t n, size_t *bytes)
{
	static const unsigned char load[] = { 0x55, 0x48, 0x8b, 0xec }, store[] = { 0x55, 0x48, 0x89, 0xe5 };
	size_t count = 0;

	for (size_t i = 0; i < n; i++) {
		*bytes += code[i] != 0;
		count += code[i] == load[0] && n - i >= sizeof(load) &&
			 (!memcmp(code + i, load, sizeof(load)) || !memcmp(code + i, store, sizeof(store)));
	}
	return count;
}

bool
guess_frame_pointers(const struct unwind_source *from, uint64_t low, uint64_t high)
{
	unsigned char code[CODE_CHUNK];
	size_t count = 0, bytes = 0;

	if (high - low > GUESS_BLOCK)
		high = low + GUESS_BLOCK;
	while (low < high) {
		size_t n = high - low < sizeof(code) ? (size_t)(high - low) : sizeof(code);
		size_t got = from->read(from->ctx, low, code, n);

		if (got > n || got == 0)
			break;
		count += count_prologues(code, got, &bytes);
		low += got;
	}
	return count > bytes / PROLOGUE_EVERY;
}
