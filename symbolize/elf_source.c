#include "config.h"

#include <elf.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "symbolize/debug_file.h"
#include "symbolize/demangle.h"
#include "symbolize/dynsym.h"
#include "symbolize/go_pclntab.h"
#include "symbolize/minidebug.h"
#include "symbolize/object.h"
#include "symbolize/source.h"
#include "symbolize/unwind_bounds.h"

/* Where the entry's function has no bounds. */
#define ENTRY_BYTES 64

/*
 * Who is asked, in order: Go's table for Go's own code; DWARF, the object's
 * own or its debug file's; symbols; and for a function that nobody names, the
 * bounds of its unwind entry.
 */
struct elf_names {
	int fd;                          /* borrowed */
	const struct dwarf_files *files; /* borrowed */
	const char *base;                /* the path's last part; in base_copy */
	char *base_copy;
	struct image im;
	bool is_elf;
	bool is_program; /* its entry is a program's _start */
	struct object *object;
	struct go_pclntab *go; /* NULL: not a Go binary */
	struct unwind_bounds *bounds;
	bool bounds_tried;
	struct dwarf_reader *dwarf;
	bool debug_tried; /* dwarf is what there is */
	struct debug_file debug;
	void *mini; /* unpacked .gnu_debugdata */
	char note[SOURCE_NOTE_MAX];
};

/* The first trouble is the one that is told. */
static void
set_note(struct elf_names *e, const char *what, const struct err *why)
{
	if (!e->note[0])
		snprintf(e->note, sizeof(e->note), "%.60s: %s: %.150s", e->base, what, why->text);
}

/* ---- opening */

static int
set_base(struct elf_names *e, const char *path)
{
	static const char deleted[] = " (deleted)";
	size_t n = strlen(path), tail = sizeof(deleted) - 1;
	const char *slash;

	e->base_copy = strdup(path);
	if (!e->base_copy)
		return -ENOMEM;
	if (n > tail && !strcmp(path + n - tail, deleted))
		e->base_copy[n - tail] = '\0';
	slash = strrchr(e->base_copy, '/');
	e->base = slash && slash[1] ? slash + 1 : e->base_copy;
	return 0;
}

/* Shared libraries have an entry too, but it is none of _start's (libc's prints its version). */
static bool
is_program(const struct image *im)
{
	struct dynsym d;

	if (!im->entry)
		return false;
	dynsym_open(&d, im);
	return im->type == ET_EXEC || d.pie || !image_segment(im, PT_INTERP);
}

static void elf_free(void *self);

static int
elf_open(void **self, const struct source_input *in)
{
	struct elf_names *e = calloc(1, sizeof(*e));
	struct err why;
	int r = -ENOMEM;

	if (!e)
		return -ENOMEM;
	e->fd = in->fd;
	e->files = in->files;
	debug_file_init(&e->debug);
	if (set_base(e, in->path) < 0)
		goto out;
	r = image_open(&e->im, in->fd, &why);
	e->is_elf = r == 0;
	if (r < 0) {
		set_note(e, "no names", &why);
		e->debug_tried = true;
	} else {
		e->is_program = is_program(&e->im);
		r = object_open(&e->object, &e->im);
		if (r < 0)
			goto out;
		r = go_pclntab_open(&e->go, &e->im, &why);
		if (r < 0 && r != -ENOENT)
			set_note(e, "its table of Go functions", &why);
	}
	r = 0;
	*self = e;
	e = NULL;
out:
	elf_free(e);
	return r;
}

static void
elf_free(void *self)
{
	struct elf_names *e = self;

	if (!e)
		return;
	dwarf_free(e->dwarf);
	debug_file_close(&e->debug);
	unwind_bounds_free(e->bounds);
	go_pclntab_free(e->go);
	object_free(e->object);
	free(e->mini);
	if (e->is_elf)
		image_close(&e->im);
	free(e->base_copy);
	free(e);
}

/* ---- names without a symbol */

static int
function_bounds(struct elf_names *e, uint64_t vaddr, uint64_t *start, uint64_t *end)
{
	struct err why;

	if (!e->bounds_tried && e->is_elf) {
		e->bounds_tried = true;
		if (unwind_bounds_open(&e->bounds, &e->im, &why) < 0)
			e->bounds = NULL;
	}
	return e->bounds ? unwind_bounds_find(e->bounds, vaddr, start, end) : -ENOENT;
}

/* Is vaddr in the function where a program begins? */
static bool
is_start(struct elf_names *e, uint64_t vaddr)
{
	uint64_t entry = e->im.entry, start, end;

	if (!e->is_program || vaddr < entry)
		return false;
	if (function_bounds(e, entry, &start, &end) == 0)
		return vaddr < end;
	end = object_next(e->object, entry);
	return vaddr < end && vaddr - entry < ENTRY_BYTES;
}

/* "[object]+0xSTART": all addresses of one function have one name. */
static const char *
made_up(struct elf_names *e, uint64_t vaddr, struct arena *arena)
{
	bool bracketed = e->base[0] == '[';
	uint64_t start = vaddr, end;
	size_t n = strlen(e->base) + 32;
	char *name = arena_get(arena, n);

	if (!name)
		return NULL;
	/* In what is no ELF file there are no functions to be told apart. */
	if (!e->is_elf) {
		snprintf(name, n, bracketed ? "%s" : "[%s]", e->base);
		return name;
	}
	function_bounds(e, vaddr, &start, &end);
	snprintf(name, n, bracketed ? "%s+0x%llx" : "[%s]+0x%llx", e->base, (unsigned long long)start);
	return name;
}

/* The symbol that holds vaddr. One without a size does not reach into another function's unwind entry. */
static bool
find_symbol(struct elf_names *e, uint64_t vaddr, struct object_symbol *s)
{
	uint64_t start, end;

	if (!e->object || object_find(e->object, vaddr, s) < 0)
		return false;
	return s->sized || function_bounds(e, vaddr, &start, &end) < 0 || start <= s->start;
}

/* ---- answers */

static int
frames_init(struct answer *a, uint32_t n, struct arena *arena)
{
	a->frames = arena_get(arena, n * sizeof(*a->frames));
	a->n = n;
	return a->frames ? 0 : -ENOMEM;
}

/* The physical function, after what DWARF calls it (NULL: nothing). Sets WIRE_ANSWER_NAMED. */
static int
name_function(struct elf_names *e, struct answer *a, struct answer_frame *f, const char *dwarf_name,
	      struct arena *arena)
{
	struct object_symbol s;
	bool symbol = find_symbol(e, a->vaddr, &s);
	const char *source = dwarf_name;

	/* A source name has lost its classes and namespaces; a mangled symbol still has them. */
	if (symbol && (!source || (!demangle_is_mangled(source) && demangle_is_mangled(s.name))))
		source = s.name;
	if (!source && is_start(e, a->vaddr))
		source = "_start";
	if (symbol)
		a->entry = s.start;
	if (source) {
		a->flags |= WIRE_ANSWER_NAMED;
		f->name = demangle_short(arena, source);
		f->system_name = source;
		/* The symbol says which clone it is; where code is shared it may be another function's. */
		if (symbol && source != s.name && !strcmp(demangle_short(arena, s.name), f->name))
			f->system_name = s.name;
		return 0;
	}
	f->name = f->system_name = made_up(e, a->vaddr, arena);
	return f->name ? 0 : -ENOMEM;
}

/* From the symbol tables alone. */
static int
answer_symbol(struct elf_names *e, struct answer *a, struct arena *arena)
{
	int r = frames_init(a, 1, arena);

	if (r == 0)
		r = name_function(e, a, a->frames, NULL, arena);
	if (r == 0)
		a->frames[0].file = "";
	return r;
}

/* Frames as a chain has them; `go`: names are Go's own and stay as they are. */
static int
answer_chain(struct elf_names *e, struct answer *a, const struct chain *c, bool go, struct arena *arena)
{
	int r = frames_init(a, c->n, arena);

	a->flags |= (uint8_t)(c->flags &
			      (WIRE_ANSWER_LINES | WIRE_ANSWER_INLINES | WIRE_ANSWER_HIDDEN));
	for (uint32_t i = 0; r == 0 && i < c->n; i++) {
		struct answer_frame *f = &a->frames[i];
		const char *name = c->frames[i].name;

		f->file = c->frames[i].file ? c->frames[i].file : "";
		f->line = c->frames[i].line;
		f->start_line = c->frames[i].start_line;
		if (f->line)
			a->flags |= WIRE_ANSWER_LINES;
		if (i + 1 == c->n && !(go && name)) {
			r = name_function(e, a, f, name, arena);
			continue;
		}
		if (!name)
			name = "(inlined)";
		f->name = go ? name : demangle_short(arena, name);
		f->system_name = name;
	}
	if (go)
		a->flags |= WIRE_ANSWER_NAMED;
	return r;
}

static int
answer_go(struct elf_names *e, struct answer *a, struct arena *arena)
{
	struct chain c = { .vaddr = a->vaddr };
	int r;

	if (!e->go || !go_pclntab_covers(e->go, a->vaddr))
		return 0;
	r = go_pclntab_name(e->go, &c, arena);
	if (r < 0 || c.n == 0)
		return r;
	a->entry = c.entry;
	r = answer_chain(e, a, &c, true, arena);
	a->flags |= WIRE_ANSWER_INLINES | WIRE_ANSWER_FINAL;
	return r < 0 ? r : 1;
}

static int
elf_quick(void *self, struct answer *a, size_t n, struct arena *arena)
{
	struct elf_names *e = self;
	int unfinished = 0;

	for (size_t i = 0; i < n; i++) {
		int r;

		a[i].vaddr = a[i].place;
		a[i].flags = 0;
		/* What no segment holds nobody names. */
		if (!e->is_elf || image_vaddr(&e->im, a[i].place, &a[i].vaddr) < 0)
			a[i].flags = WIRE_ANSWER_FINAL;
		r = answer_go(e, &a[i], arena);
		if (r == 0)
			r = answer_symbol(e, &a[i], arena);
		if (r < 0)
			return r;
		if (e->debug_tried && !e->dwarf)
			a[i].flags |= WIRE_ANSWER_FINAL;
		unfinished += !(a[i].flags & WIRE_ANSWER_FINAL);
	}
	return unfinished;
}

/* ---- debug information */

static void
add_minidebug(struct elf_names *e)
{
	struct err why;
	void *packed;
	size_t packed_n, n;

	if (object_section(e->object, ".gnu_debugdata", MINIDEBUG_PACKED_MAX, &packed, &packed_n) < 0)
		return;
	if (minidebug_unpack(packed, packed_n, MINIDEBUG_MAX, &e->mini, &n, &why) < 0 ||
	    object_add_file(e->object, e->mini, n, &why) < 0)
		set_note(e, "symbols are missing", &why);
	free(packed);
}

/* Once: the object's own DWARF, else its debug file's, whose symbols are added too. */
static void
open_debug(struct elf_names *e)
{
	struct err why;
	int r;

	e->debug_tried = true;
	r = dwarf_open(&e->dwarf, e->fd, e->files, &why);
	if (r == 0)
		return;
	if (r != -ENOENT)
		set_note(e, "lines are missing", &why);
	r = debug_file_open(&e->debug, &e->im, e->object, e->files, &why);
	if (r < 0) {
		if (r != -ENOENT)
			set_note(e, "lines are missing", &why);
		add_minidebug(e);
		return;
	}
	if (object_add_file(e->object, e->debug.bytes, e->debug.n, &why) < 0)
		set_note(e, "symbols of its debug file are missing", &why);
	r = dwarf_open(&e->dwarf, e->debug.fd, e->files, &why);
	if (r < 0 && r != -ENOENT)
		set_note(e, "lines are missing", &why);
}

static int
chain_order(const void *va, const void *vb)
{
	const struct chain *a = va, *b = vb;

	return a->vaddr < b->vaddr ? -1 : a->vaddr > b->vaddr;
}

/* The chains of all answers that are not final, sorted; *n: how many. */
static struct chain *
chains_of(const struct answer *a, size_t n_answers, size_t *n, struct arena *arena)
{
	struct chain *c = arena_get(arena, n_answers * sizeof(*c));

	*n = 0;
	for (size_t i = 0; c && i < n_answers; i++)
		if (!(a[i].flags & WIRE_ANSWER_FINAL))
			c[(*n)++].vaddr = a[i].vaddr;
	if (*n)
		qsort(c, *n, sizeof(*c), chain_order);
	return c;
}

static int
elf_full(void *self, struct answer *a, size_t n, struct arena *arena)
{
	struct elf_names *e = self;
	struct chain *chains;
	struct err why;
	size_t n_chains;
	int r = 0;

	if (!e->debug_tried)
		open_debug(e);
	chains = chains_of(a, n, &n_chains, arena);
	if (!chains)
		return -ENOMEM;
	if (e->dwarf && n_chains && dwarf_name(e->dwarf, chains, n_chains, arena, &why) < 0)
		set_note(e, "lines are missing", &why);
	for (size_t i = 0; r >= 0 && i < n; i++) {
		struct chain key = { .vaddr = a[i].vaddr };
		const struct chain *c;

		if (a[i].flags & WIRE_ANSWER_FINAL)
			continue;
		c = bsearch(&key, chains, n_chains, sizeof(key), chain_order);
		a[i].flags = 0;
		r = c && c->n ? answer_chain(e, &a[i], c, false, arena) : answer_symbol(e, &a[i], arena);
		a[i].flags |= WIRE_ANSWER_FINAL;
		if (c && c->n)
			a[i].flags |= WIRE_ANSWER_INLINES;
	}
	return r;
}

static void
elf_info(const void *self, struct source_info *out)
{
	const struct elf_names *e = self;

	memset(out, 0, sizeof(*out));
	if (e->is_elf) {
		if (e->im.type == ET_DYN)
			out->flags |= WIRE_OBJECT_PIE;
		if (e->im.type == ET_EXEC)
			out->flags |= WIRE_OBJECT_EXEC;
		memcpy(out->build_id, e->im.build_id, e->im.build_id_len);
		out->build_id_len = e->im.build_id_len;
	}
	if (e->dwarf)
		out->flags |= WIRE_OBJECT_DEBUG;
	if (e->go)
		out->flags |= WIRE_OBJECT_GO;
	memcpy(out->note, e->note, sizeof(out->note));
}

const struct source elf_source = {
	.open = elf_open,
	.quick = elf_quick,
	.full = elf_full,
	.info = elf_info,
	.free = elf_free,
};
