#include "config.h"

#include "collector/guess.h"

#include <string.h>

#include "collector/call_insn.h"

#define USER_TOP (UINT64_C(1) << 47) /* of the address space, but for five-level paging */
#define CODE_CHUNK 4096
#define LOWEST 4096 /* no program has its first page */

/* Does a call to `where` lead to the code that we are in? */
static bool
leads_here(const struct guess *g, uint64_t where)
{
	return where >= g->low && where <= g->ip;
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
	size_t n;
	uint64_t slot;

	if (!from->map(from->ctx, stub))
		return false;
	n = from->read(from->ctx, stub, code, sizeof(code));
	slot = n <= sizeof(code) ? call_stub_slot(code, n, stub) : 0;
	if (!slot)
		return false;
	/* The lazy binder itself stands in between: the slot will name somebody else. */
	return g->covered || slot_leads_here(g, from, slot);
}

bool
guess_plausible(const struct guess *g, const struct unwind_source *from, uint64_t ret)
{
	unsigned char code[CALL_INSN_MAX];
	uint64_t where;

	if (from->read(from->ctx, ret - sizeof(code), code, sizeof(code)) != sizeof(code))
		return false;
	if (call_insn_direct(code, ret, &where) == CALL_DIRECT &&
	    (leads_here(g, where) || stub_leads_here(g, from, where)))
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

bool
guess_next(struct guess *g, struct unwind_memory *m, uint64_t *slot, uint64_t *ret)
{
	while (g->words < GUESS_WORDS_MAX && unwind_word(m, g->next, ret)) {
		*slot = g->next;
		g->next += sizeof(uint64_t);
		g->words++;
		if (*ret < LOWEST || *ret >= USER_TOP)
			continue;
		if (m->from->map(m->from->ctx, *ret - 1) && guess_plausible(g, m->from, *ret))
			return true;
	}
	return false;
}

bool
guess_frame_pointers(const struct unwind_source *from, uint64_t low, uint64_t high)
{
	static const unsigned char load[] = { 0x55, 0x48, 0x8b, 0xec };  /* push %rbp; mov %rsp, %rbp, in */
	static const unsigned char store[] = { 0x55, 0x48, 0x89, 0xe5 }; /* either of its encodings */
	unsigned char code[CODE_CHUNK];

	for (uint64_t at = low; at < high && at - low < GUESS_BLOCK; at += sizeof(code)) {
		size_t n = high - at < sizeof(code) ? (size_t)(high - at) : sizeof(code);

		n = from->read(from->ctx, at, code, n);
		if (n > sizeof(code))
			return false;
		if (memmem(code, n, load, sizeof(load)) || memmem(code, n, store, sizeof(store)))
			return true;
	}
	return false;
}
