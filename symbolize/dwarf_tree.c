#include "config.h"

#include "symbolize/dwarf_tree.h"

#include <dwarf.h>
#include <string.h>

#include "symbolize/chain.h"

/* More attributes than any compiler writes (it is 20-40). Those of the second kind take no bytes
 * in the DIE: a byte of .debug_info could otherwise cost a million steps. */
#define ABBREV_ATTRS_MAX 256
#define ABBREV_EMPTY_MAX 24

/* All units' abbreviations together, each time they are read; a spoiled file can have every unit
 * use one huge table. */
#define ABBREVS_WORK_MAX ((uint64_t)512 << 20)

/* Spoiled units that are passed over before the rest is believed to be no units either. */
#define PASSED_OVER_MAX 65536

/* ---- units ---- */

struct header {
	uint64_t next;               /* offset of the next unit */
	uint64_t version_at, die_at; /* offsets */
	uint64_t abbrevs;
	uint64_t dwo_id;
	uint16_t version;
	uint8_t type, address_bytes, offset_bytes;
};

/* DWARF 5, 7.5.1. Returns whether the header is sound; h->next is set whenever there is one. */
static bool
header_read(struct dwarf_span info, uint64_t at, struct header *h)
{
	struct dwarf_cur c = dwarf_cur_of(dwarf_span_from(info, at));
	uint64_t length = dwarf_cur_length(&c, &h->offset_bytes);

	h->version_at = (uint64_t)(c.p - info.data);
	h->next = length > dwarf_cur_left(&c) ? info.size : h->version_at + length;
	h->version = (uint16_t)dwarf_cur_fixed(&c, 2);
	h->type = DW_UT_compile;
	h->dwo_id = 0;
	if (h->version < 5) {
		h->abbrevs = dwarf_cur_fixed(&c, h->offset_bytes);
		h->address_bytes = dwarf_cur_u8(&c);
	} else {
		h->type = dwarf_cur_u8(&c);
		h->address_bytes = dwarf_cur_u8(&c);
		h->abbrevs = dwarf_cur_fixed(&c, h->offset_bytes);
		if (h->type == DW_UT_skeleton || h->type == DW_UT_split_compile)
			h->dwo_id = dwarf_cur_fixed(&c, 8);
		else if (h->type == DW_UT_type || h->type == DW_UT_split_type)
			dwarf_cur_take(&c, 8u + h->offset_bytes);
	}
	h->die_at = (uint64_t)(c.p - info.data);
	return !c.bad && h->version >= 2 && h->version <= 5 && h->type >= DW_UT_compile &&
	       h->type <= DW_UT_split_type && (h->address_bytes == 8 || h->address_bytes == 4) &&
	       h->die_at < h->next;
}

/* One abbreviation's attributes. Returns false when they are spoiled or too many. */
static bool
abbrev_check(struct dwarf_cur *c)
{
	unsigned int attrs = 0, empty = 0;
	uint64_t code, form;

	do {
		code = dwarf_cur_uleb(c);
		form = dwarf_cur_uleb(c);
		if (form == DW_FORM_implicit_const)
			dwarf_cur_sleb(c);
		empty += form == DW_FORM_implicit_const || form == DW_FORM_flag_present;
	} while (!c->bad && (code || form) && ++attrs <= ABBREV_ATTRS_MAX && empty <= ABBREV_EMPTY_MAX);
	return !c->bad && !code && !form;
}

static bool
abbrevs_check(struct dwarf_trees *all, uint64_t offset)
{
	struct dwarf_span span = dwarf_span_from(all->s->span[DWARF_ABBREV], offset);
	struct dwarf_cur c = dwarf_cur_of(span);

	if (offset != all->abbrevs || !all->abbrevs_bytes) {
		all->abbrevs = offset;
		all->abbrevs_bytes = 0;
		while (dwarf_cur_uleb(&c)) {
			dwarf_cur_uleb(&c); /* tag */
			dwarf_cur_u8(&c);   /* has children */
			if (!abbrev_check(&c))
				return false;
		}
		if (c.bad)
			return false;
		all->abbrevs_bytes = span.size - dwarf_cur_left(&c);
	}
	all->abbrevs_work += all->abbrevs_bytes;
	return all->abbrevs_work < ABBREVS_WORK_MAX;
}

/* libdw makes units known in the file's order, and fails once at each that it does not like. */
static bool
unit_die(struct dwarf_trees *all, uint64_t at, Dwarf_Die *die)
{
	for (unsigned int tries = all->passed_over + 1; tries; tries--)
		if (dwarf_offdie(all->s->dw, at, die))
			return true;
	return false;
}

/* Give a unit a version that libdw passes over without reading on. The mapping is private. */
static void
unit_pass_over(struct dwarf_trees *all, const struct header *h)
{
	struct dwarf_span info = all->s->span[DWARF_INFO];

	all->passed_over++;
	if (h->version_at + 2 <= info.size)
		memset((unsigned char *)(uintptr_t)info.data + h->version_at, 0, 2);
}

bool
dwarf_trees_next(struct dwarf_trees *all, struct dwarf_tree *t)
{
	struct dwarf_span info = all->s->span[DWARF_INFO];
	struct header h;

	while (all->next < info.size && all->passed_over < PASSED_OVER_MAX) {
		uint64_t at = all->next;

		if (!header_read(info, at, &h) || !abbrevs_check(all, h.abbrevs)) {
			if (h.next <= at)
				return false;
			all->next = h.next;
			unit_pass_over(all, &h);
			continue;
		}
		all->next = h.next;
		memset(t, 0, sizeof(*t));
		if (!unit_die(all, h.die_at, &t->root))
			continue;
		t->s = all->s;
		t->end = info.data + h.next;
		t->start = at;
		t->bytes = h.next - at;
		t->type = h.type;
		t->dwo_id = h.dwo_id;
		t->ranges.version = h.version;
		t->ranges.address_bytes = h.address_bytes;
		t->ranges.offset_bytes = h.offset_bytes;
		dwarf_tree_work(t, 0);
		return true;
	}
	return false;
}

/* The header of a table that an index counts in: where a unit does not say, it begins behind it. */
static uint64_t
default_base(const struct dwarf_tree *t, unsigned int header_bytes)
{
	return t->ranges.version < 5 ? 0 : (t->ranges.offset_bytes == 8 ? 12u : 4u) + header_bytes;
}

void
dwarf_tree_bind(struct dwarf_tree *t, const struct dwarf_attrs *own)
{
	uint64_t base;

	t->ranges.lists = t->s->span[t->ranges.version < 5 ? DWARF_RANGES : DWARF_RNGLISTS];
	if (t->ranges.version >= 5 &&
	    !dwarf_attrs_number(own, DWARF_RNGLISTS_BASE, t->s, &t->ranges.lists_base))
		t->ranges.lists_base = default_base(t, 8);
	if (!dwarf_attrs_number(own, DWARF_ADDR_BASE, t->s, &base))
		base = default_base(t, 4);
	t->ranges.addr = dwarf_span_from(t->s->span[DWARF_ADDR], base);
	if (!dwarf_attrs_number(own, DWARF_STR_OFFSETS_BASE, t->s, &base))
		base = default_base(t, 4);
	t->str_offsets = dwarf_span_from(t->s->span[DWARF_STR_OFFSETS], base);
	if (!dwarf_attrs_low(own, t->s, &t->ranges, &t->ranges.low))
		t->ranges.low = 0;
}

void
dwarf_tree_bind_split(struct dwarf_tree *t, const struct dwarf_tree *skeleton,
		      const struct dwarf_attrs *skeleton_own)
{
	struct dwarf_attrs none = {0};

	dwarf_tree_bind(t, &none);
	t->ranges.addr = skeleton->ranges.addr;
	t->ranges.low = skeleton->ranges.low;
	if (t->ranges.version >= 5)
		return;
	t->ranges.lists = skeleton->s->span[DWARF_RANGES];
	if (!dwarf_attrs_number(skeleton_own, DWARF_GNU_RANGES_BASE, skeleton->s, &t->ranges.lists_base))
		t->ranges.lists_base = 0;
}

void
dwarf_tree_work(struct dwarf_tree *t, size_t addresses)
{
	t->work = 32 * t->bytes + 2 * CHAIN_MAX * (uint64_t)addresses + ((uint64_t)1 << 20);
}

/* ---- walking ---- */

struct walk {
	struct dwarf_tree *t;
	dwarf_visit *visit;
	void *ctx;
	bool over; /* the unit ended within a list, or cannot be read on: no level has more */
};

static void
work_spend(struct dwarf_tree *t, uint64_t n)
{
	t->work -= n < t->work ? n : t->work;
}

/*
 * Step to a DIE's sibling. `children_end`: the null entry behind its children, if they were read:
 * then nothing has to be skipped (clang writes no DW_AT_sibling, and skipping means reading).
 * Returns false at the list's end, *list_end then is its null entry (NULL: not known).
 */
static bool
sibling(struct walk *w, Dwarf_Die *die, const unsigned char *children_end, const unsigned char **list_end)
{
	const unsigned char *from = die->addr, *to;
	Dwarf_Die next = {.cu = die->cu};
	bool found = true;

	*list_end = NULL;
	if (children_end) {
		to = children_end + 1;
		next.addr = (void *)(uintptr_t)to;
	} else {
		/* Behind the last it returns 1 and leaves the address of the null entry, if there is one.
		 */
		int r = dwarf_siblingof(die, &next);

		to = r < 0 ? NULL : next.addr;
		found = r == 0;
	}
	if (!to || to <= from || to >= w->t->end || (!found && *to)) {
		w->over = true;
		return false;
	}
	work_spend(w->t, (uint64_t)(to - from));
	if (!*to) {
		*list_end = to;
		return false;
	}
	*die = next;
	return true;
}

/* Returns the null entry behind the children, NULL where it is not known. */
static const unsigned char *
walk(struct walk *w, Dwarf_Die *parent, unsigned int depth)
{
	const unsigned char *end = NULL;
	Dwarf_Die die;

	if (depth == DWARF_DEPTH_MAX || dwarf_child(parent, &die) != 0)
		return NULL;
	do {
		int tag = dwarf_tag(&die);

		end = NULL;
		if (w->visit(w->ctx, &die, tag, depth))
			end = walk(w, &die, depth + 1);
	} while (!w->over && w->t->work && sibling(w, &die, end, &end));
	return w->over || !w->t->work ? NULL : end;
}

void
dwarf_tree_walk(struct dwarf_tree *t, Dwarf_Die *from, dwarf_visit *visit, void *ctx)
{
	struct walk w = {.t = t, .visit = visit, .ctx = ctx};

	walk(&w, from, 0);
}

void
dwarf_tree_ranges(struct dwarf_tree *t, const struct dwarf_attrs *a, struct dwarf_range_list *to)
{
	to->n = 0;
	to->bytes = 0;
	dwarf_attrs_ranges(a, t->s, &t->ranges, to);
	work_spend(t, to->bytes);
}
