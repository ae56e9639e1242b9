#include "config.h"

#include "fcgi/go_lines.h"

#include <string.h>

#include "base/wire.h"
#include "fcgi/go_rules.h"

#define TAB_WIDTH 8
#define TABS      "\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t"

void
go_lines_get(const struct profile *p, uint32_t loc, struct go_line *to)
{
	const struct profile_place *place;
	const struct profile_line *first;

	memset(to, 0, sizeof(*to));
	if (loc == GO_PLACES_NONE)
		return;
	to->address = p->locs.at[loc].addr;
	place = &p->places.at[p->locs.at[loc].place];
	if (place->object == PROFILE_NONE || !place->n_lines || !(place->flags & WIRE_ANSWER_NAMED))
		return;
	first = &p->lines.at[place->line];
	to->name = strings_get(&p->strings, first->name);
	to->physical = strings_get(&p->strings, first[place->n_lines - 1].name);
	to->file = strings_get(&p->strings, first->file);
	to->line = first->line;
	to->is_inlined = place->n_lines > 1;
	to->offset = place->entry && place->vaddr > place->entry ? place->vaddr - place->entry : 0;
}

void
go_lines_name(struct sink *to, const char *name, uint32_t rules)
{
	struct go_name parts;

	go_rules_name(rules, name, &parts);
	for (size_t i = 0; i < parts.n; i++)
		sink_add(to, parts.part[i].at, parts.part[i].n);
}

/* Characters, as the columns count them. */
static size_t
width(const char *s, size_t n)
{
	size_t characters = 0;

	for (size_t i = 0; i < n; i++)
		characters += ((unsigned char)s[i] & 0xc0) != 0x80;
	return characters;
}

static size_t
hex_width(uint64_t v)
{
	return 2 + (v ? (size_t)(67 - __builtin_clzll(v)) / 4 : 1);
}

/* The widest cells of lines that stand below each other. */
struct columns {
	uint32_t rules;
	size_t pc, function;
};

static size_t
function_width(const struct columns *c, const struct go_line *l)
{
	size_t n = 1 + hex_width(l->offset);
	struct go_name parts;

	go_rules_name(c->rules, l->name, &parts);
	for (size_t i = 0; i < parts.n; i++)
		n += width(parts.part[i].at, parts.part[i].n);
	return n;
}

static void
columns_take(struct columns *c, const struct go_line *l)
{
	size_t pc = hex_width(l->address), function = function_width(c, l);

	c->pc = pc > c->pc ? pc : c->pc;
	c->function = function > c->function ? function : c->function;
}

/* From a cell's end to the next column: one character at least, then to the next stop. */
static void
put_tabs(struct sink *to, size_t cell, size_t widest)
{
	size_t column = (widest + 1 + TAB_WIDTH - 1) / TAB_WIDTH * TAB_WIDTH;
	size_t tabs = (column - cell + TAB_WIDTH - 1) / TAB_WIDTH;

	for (; tabs > sizeof(TABS) - 1; tabs -= sizeof(TABS) - 1)
		sink_add(to, TABS, sizeof(TABS) - 1);
	sink_add(to, TABS, tabs);
}

static void
put_line(struct sink *to, const struct go_line *l, const struct columns *c)
{
	sink_add(to, "#\t", 2);
	sink_hex(to, l->address);
	put_tabs(to, hex_width(l->address), c->pc);
	go_lines_name(to, l->name, c->rules);
	sink_add(to, "+", 1);
	sink_hex(to, l->offset);
	put_tabs(to, function_width(c, l), c->function);
	sink_text(to, l->file);
	sink_add(to, ":", 1);
	sink_int(to, l->line);
	sink_add(to, "\n", 1);
}

static bool
is_goexit(const struct go_line *l)
{
	return !strcmp(l->name, "runtime.goexit");
}

/* Go's functions only: what is none (of a C library) has no line. Returns whether there are any. */
static bool
put_lines(struct sink *to, const struct profile *p, const uint32_t *locs, uint32_t n,
	  const struct columns *c)
{
	bool known = false;

	for (uint32_t i = 0; i < n; i++) {
		struct go_line l;

		go_lines_get(p, locs[i], &l);
		if (!l.name)
			continue;
		known = true;
		if (!is_goexit(&l))
			put_line(to, &l, c);
	}
	return known;
}

/* The first line that is shown, or n. */
static uint32_t
first_shown(const struct profile *p, const uint32_t *locs, uint32_t n, uint32_t rules)
{
	for (uint32_t i = 0; i < n; i++) {
		struct go_line l;

		go_lines_get(p, locs[i], &l);
		if (l.name && !go_rules_is_runtime(rules, l.name))
			return i;
	}
	return n;
}

void
go_lines_write(struct sink *to, const struct profile *p, const uint32_t *locs, uint32_t n, bool all,
	       uint32_t rules)
{
	uint32_t first = all ? 0 : first_shown(p, locs, n, rules);
	struct columns c = { .rules = rules };

	if (first == n)
		first = 0;
	for (uint32_t i = first; i < n; i++) {
		struct go_line l;

		go_lines_get(p, locs[i], &l);
		if (l.name && !is_goexit(&l))
			columns_take(&c, &l);
	}
	/* Go says so of a stack without any function. */
	if (!put_lines(to, p, locs + first, n - first, &c))
		sink_text(to, "#\t0x0\n");
	sink_add(to, "\n", 1);
}
