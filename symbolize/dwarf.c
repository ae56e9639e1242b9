#include "config.h"

#include "symbolize/dwarf.h"

#include <dwarf.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "symbolize/dwarf_attrs.h"
#include "symbolize/dwarf_funcs.h"
#include "symbolize/dwarf_inlines.h"
#include "symbolize/dwarf_lines.h"
#include "symbolize/dwarf_sections.h"
#include "symbolize/dwarf_split.h"
#include "symbolize/dwarf_units.h"

#define ORIGINS_MAX 16                          /* DIEs that a name is followed through */
#define SPLITS_MAX 512                          /* split files open at a time */
#define FUNCS_TOTAL_MAX ((size_t)1 << 22)       /* function ranges kept: 64 MB */
#define READ_KEEP ((uint64_t)8 << 20)           /* bytes read before their pages are given back */
#define CALLS_MAX ((size_t)256 << 20)           /* bytes of calls of one unit */

struct dwarf_reader {
	struct dwarf_sections sections;
	struct dwarf_sections alt;     /* of .gnu_debugaltlink; made of nothing when there is none */
	struct dwarf_sections package; /* a .dwp, once one has come */
	struct dwarf_units units;
	struct dwarf_files files;
	size_t splits;                 /* split files open */
	size_t funcs;                  /* function ranges kept */
	uint64_t read;                 /* bytes read (about) whose pages are still here */
};

/* What naming the addresses of one unit needs. */
struct job {
	struct dwarf_reader *d;
	struct dwarf_unit *unit;
	struct dwarf_tree *tree;       /* where the unit's functions are */
	struct arena *a;               /* for answers */
	struct arena calls;            /* for dwarf_call */
	size_t n;                      /* addresses */
	struct chain **chains;         /* n of them, borrowed */
	uint64_t *addrs;               /* theirs */
	struct dwarf_call **leaf;      /* the innermost call at each; NULL: no function */
	struct dwarf_lines_row *rows;
	struct dwarf_lines lines;
	const char **paths;            /* by file number; NULL: not made yet */
	size_t n_paths;
};

/* ---- opening ---- */

/* libdw would look for the file itself if it had none: it is always given one. */
static int
alt_open(struct dwarf_reader *d)
{
	static const unsigned char nothing[16];
	struct dwarf_span spans[DWARF_SECTIONS] = { [DWARF_INFO] = { nothing, sizeof(nothing) } };
	struct dwarf_span id;
	const char *name;
	int fd, r;

	if (!dwarf_sections_altlink(&d->sections, &name, &id))
		return 0;
	fd = d->files.open ? d->files.open(d->files.ctx, WIRE_FILE_ALTLINK, name, strlen(name)) : -ENOENT;
	if (fd >= 0) {
		r = dwarf_sections_open(&d->alt, fd, false, NULL);
		close(fd);
		if (r == 0 && (!d->alt.dw || !dwarf_sections_has_build_id(&d->alt, id)))
			dwarf_sections_close(&d->alt);
	}
	r = d->alt.dw ? 0 : dwarf_sections_make(&d->alt, spans, NULL);
	if (r == 0)
		dwarf_setalt(d->sections.dw, d->alt.dw);
	return r;
}

int
dwarf_open(struct dwarf_reader **out, int fd, const struct dwarf_files *files, struct err *why)
{
	struct dwarf_reader *d = calloc(1, sizeof(*d));
	int r;

	if (!d)
		return err_set(why, -ENOMEM, "dwarf: no memory");
	if (files)
		d->files = *files;
	r = dwarf_sections_open(&d->sections, fd, false, why);
	if (r == 0 && !d->sections.dw)
		r = err_set(why, -ENOENT, "dwarf: a package of split units has no addresses");
	if (r == 0 && (r = alt_open(d)) < 0)
		err_set(why, r, "dwarf: .gnu_debugaltlink");
	if (r == 0)
		r = dwarf_units_read(&d->units, &d->sections, &d->alt, why);
	if (r < 0) {
		dwarf_free(d);
		return r;
	}
	*out = d;
	return 0;
}

void
dwarf_free(struct dwarf_reader *d)
{
	if (!d)
		return;
	dwarf_units_free(&d->units);
	dwarf_sections_close(&d->package);
	dwarf_sections_close(&d->sections);
	dwarf_sections_close(&d->alt);
	free(d);
}

/* ---- split units ---- */

/* Ask for the unit's file under the path the compiler wrote, then as it is named relative to it. */
static int
split_ask(struct dwarf_reader *d, const char *dir, const char *name)
{
	char path[PATH_MAX];
	int fd = -ENOENT, n;

	if (!d->files.open)
		return -ENOENT;
	if (*name != '/' && dir) {
		n = snprintf(path, sizeof(path), "%s/%s", dir, name);
		if (n > 0 && (size_t)n < sizeof(path))
			fd = d->files.open(d->files.ctx, WIRE_FILE_DWO, path, (size_t)n);
	}
	return fd >= 0 ? fd : d->files.open(d->files.ctx, WIRE_FILE_DWO, name, strnlen(name, PATH_MAX));
}

static void
split_open(struct dwarf_reader *d, struct dwarf_unit *unit)
{
	struct dwarf_attrs attrs;
	uint64_t id = unit->tree.dwo_id;
	const char *name;
	int fd, r = -ENOENT;

	unit->split_tried = true;
	dwarf_attrs_read(&unit->tree.root, &attrs);
	name = dwarf_attrs_string(&attrs, DWARF_DWO_NAME, &d->sections, unit->tree.str_offsets, &d->alt);
	if (unit->tree.ranges.version < 5 && !dwarf_attrs_number(&attrs, DWARF_GNU_DWO_ID, &d->sections, &id))
		return;
	if (d->package.span[DWARF_CU_INDEX].size)
		r = dwarf_split_open(&unit->split, &d->package, -1, id, NULL);
	if (r < 0 && name) {
		fd = split_ask(d, unit->comp_dir, name);
		if (fd >= 0) {
			r = dwarf_split_open(&unit->split, &d->package, fd, id, NULL);
			close(fd);
		}
	}
	if (r == 0) {
		dwarf_tree_bind_split(&unit->split->tree, &unit->tree, &attrs);
		d->splits++;
	}
}

/* ---- the functions of a unit ---- */

static void
unit_forget(struct dwarf_reader *d, struct dwarf_unit *unit)
{
	d->funcs -= unit->funcs.n;
	d->splits -= unit->split != NULL;
	dwarf_unit_forget(unit);
}

/* Keep what earlier calls left within bounds; simply all of it is forgotten when it is too much.
 * Names of split units are copied (call_string), so nobody holds on to them. */
static void
units_trim(struct dwarf_reader *d)
{
	if (d->splits < SPLITS_MAX && d->funcs < FUNCS_TOTAL_MAX)
		return;
	for (size_t i = 0; i < d->units.n; i++)
		unit_forget(d, &d->units.v[i]);
}

static int
unit_functions(struct dwarf_reader *d, struct dwarf_unit *unit, struct dwarf_tree *tree, bool deep)
{
	int r;

	if (unit->funcs_deep || (unit->funcs_read && !deep))
		return 0;
	d->funcs -= unit->funcs.n;
	r = dwarf_funcs_read(&unit->funcs, tree, deep);
	d->funcs += unit->funcs.n;
	unit->funcs_read = true;
	unit->funcs_deep = deep;
	return r;
}

/* The function of each address; func[i] stays NULL where there is none. */
static int
job_functions(struct job *j, const struct dwarf_func **func)
{
	bool missing = false;
	int r = unit_functions(j->d, j->unit, j->tree, false);

	for (int deep = 0; deep < 2 && r == 0; deep++) {
		missing = false;
		for (size_t i = 0; i < j->n; i++) {
			func[i] = dwarf_funcs_find(&j->unit->funcs, j->addrs[i]);
			missing |= !func[i];
		}
		if (!missing || j->unit->funcs_deep)
			break;
		r = unit_functions(j->d, j->unit, j->tree, true);
	}
	return r;
}

/* ---- inlined calls ---- */

struct by_function {
	uint32_t die;   /* of the function */
	uint32_t index; /* of the address in the job */
	const struct dwarf_func *func;
};

static int
by_function_compare(const void *a, const void *b)
{
	const struct by_function *x = a, *y = b;

	if (x->die != y->die)
		return x->die < y->die ? -1 : 1;
	return x->index < y->index ? -1 : x->index > y->index;
}

/* Enter one function for all its addresses, which may lie in several of its ranges. */
static int
function_calls(struct job *j, const struct by_function *sorted, size_t n, uint64_t *addrs,
	       struct dwarf_call **leaf)
{
	Dwarf_Die die;
	int r;

	if (!dwarf_func_die(sorted->func, j->tree, &die))
		return 0;
	for (size_t i = 0; i < n; i++)
		addrs[i] = j->addrs[sorted[i].index];
	r = dwarf_inlines_find(j->tree, &die, addrs, n, leaf, &j->calls);
	for (size_t i = 0; i < n && r == 0; i++)
		j->leaf[sorted[i].index] = leaf[i];
	return r;
}

static int
job_calls(struct job *j)
{
	const struct dwarf_func **func = calloc(j->n, sizeof(*func));
	struct by_function *sorted = calloc(j->n, sizeof(*sorted));
	struct dwarf_call **leaf = calloc(j->n, sizeof(*leaf));
	uint64_t *addrs = calloc(j->n, sizeof(*addrs));
	size_t n = 0, end;
	int r = -ENOMEM;

	if (!func || !sorted || !leaf || !addrs)
		goto out;
	r = job_functions(j, func);
	if (r < 0)
		goto out;
	for (size_t i = 0; i < j->n; i++)
		if (func[i])
			sorted[n++] = (struct by_function){ func[i]->die, (uint32_t)i, func[i] };
	qsort(sorted, n, sizeof(*sorted), by_function_compare);
	for (size_t i = 0; i < n && r == 0; i = end) {
		for (end = i + 1; end < n && sorted[end].die == sorted[i].die; end++)
			;
		r = function_calls(j, &sorted[i], end - i, addrs, leaf);
	}
out:
	free(addrs);
	free(leaf);
	free(sorted);
	free(func);
	return r;
}

/* ---- names ---- */

/* What a DIE's strings are read with: the file and the unit that it stands in. */
static bool
die_place(const struct job *j, Dwarf_Die *die, const struct dwarf_sections **s, struct dwarf_span *str_offsets)
{
	const struct dwarf_unit *unit;
	Dwarf *dw;

	if (die->cu == j->tree->root.cu) {
		*s = j->tree->s;
		*str_offsets = j->tree->str_offsets;
		return true;
	}
	dw = dwarf_cu_getdwarf(die->cu);
	*str_offsets = (struct dwarf_span){ NULL, 0 };
	*s = dw == j->tree->s->dw ? j->tree->s : &j->d->alt;
	if (dw == j->d->sections.dw) {
		unit = dwarf_units_at(&j->d->units, dwarf_dieoffset(die) - dwarf_cuoffset(die));
		if (unit)
			*str_offsets = unit->tree.str_offsets;
	} else if (dw == j->tree->s->dw) {
		*str_offsets = j->tree->str_offsets; /* a file of several split units shares them */
	}
	return dw == (*s)->dw;
}

/* A string that lives long enough, and is not too long. */
static const char *
call_string(const struct job *j, const char *string)
{
	size_t n = string ? strnlen(string, CHAIN_STRING_MAX) : 0;

	if (!string || (n < CHAIN_STRING_MAX && j->tree->s == &j->d->sections))
		return string;
	return arena_copy(j->a, string, n < CHAIN_STRING_MAX ? n : CHAIN_STRING_MAX - 1);
}

/* The linkage name or else the name, and the line of the declaration, wherever on the way from
 * the DIE over its origin and specification they stand. */
static void
call_describe(const struct job *j, struct dwarf_call *call)
{
	const char *linkage = NULL, *name = NULL;
	struct dwarf_attrs attrs;
	Dwarf_Die die = call->die, next;
	uint64_t line = 0;

	call->described = true;
	for (int left = ORIGINS_MAX; left && !(linkage && line); left--) {
		struct dwarf_span str_offsets;
		const struct dwarf_sections *s;
		enum dwarf_attr to;

		if (!die_place(j, &die, &s, &str_offsets))
			break;
		dwarf_attrs_read(&die, &attrs);
		if (!linkage)
			linkage = dwarf_attrs_string(&attrs, DWARF_LINKAGE_NAME, s, str_offsets, &j->d->alt);
		if (!name)
			name = dwarf_attrs_string(&attrs, DWARF_NAME, s, str_offsets, &j->d->alt);
		if (!line && !dwarf_attrs_number(&attrs, DWARF_DECL_LINE, s, &line))
			line = 0;
		to = dwarf_attrs_has(&attrs, DWARF_ORIGIN) ? DWARF_ORIGIN : DWARF_SPECIFICATION;
		if (!dwarf_attrs_has(&attrs, to) || attrs.v[to].form == DW_FORM_ref_sig8 ||
		    !dwarf_formref_die(&attrs.v[to], &next))
			break;
		die = next;
	}
	call->name = call_string(j, linkage && *linkage ? linkage : name);
	if (call->name && !*call->name)
		call->name = NULL;
	call->start_line = (uint32_t)line;
}

/* ---- lines and files ---- */

static void
job_lines(struct job *j)
{
	struct dwarf_lines_in in = {
		.line = j->d->sections.span[DWARF_LINE],
		.line_str = j->d->sections.span[DWARF_LINE_STR],
		.str = j->d->sections.span[DWARF_STR],
		.str_offsets = j->unit->tree.str_offsets,
		.offset = j->unit->lines,
	};

	if (j->unit->lines == DWARF_NO_LINES || dwarf_lines_open(&j->lines, &in) < 0 ||
	    dwarf_lines_find(&j->lines, j->addrs, j->rows, j->n) < 0)
		return;
	j->paths = calloc(j->lines.n_files + 1, sizeof(*j->paths));
	j->n_paths = j->paths ? j->lines.n_files + 1 : 0;
}

static const char *
file_path(struct job *j, uint32_t file)
{
	char path[CHAIN_STRING_MAX];
	size_t n;

	if (file >= j->n_paths)
		return NULL;
	if (!j->paths[file]) {
		n = dwarf_lines_path(&j->lines, file, j->unit->comp_dir, path, sizeof(path));
		if (n)
			j->paths[file] = arena_copy(j->a, path, n);
	}
	return j->paths[file];
}

/* ---- answers ---- */

/* An address between functions: only its line is known. */
static int
answer_line(struct job *j, struct chain *chain, const struct dwarf_lines_row *row)
{
	if (!row->high)
		return 0;
	chain->frames = arena_get(j->a, sizeof(*chain->frames));
	if (!chain->frames)
		return -ENOMEM;
	chain->n = 1;
	chain->frames[0].file = file_path(j, row->file);
	chain->frames[0].line = row->line;
	chain->flags = row->line ? WIRE_ANSWER_LINES : 0;
	return 0;
}

static int
answer(struct job *j, struct chain *chain, struct dwarf_call *leaf, const struct dwarf_lines_row *row)
{
	const char *file = row->high ? file_path(j, row->file) : NULL;
	uint32_t line = row->high ? row->line : 0, n = 0, cut;
	struct frame *frame;

	for (struct dwarf_call *call = leaf; call; call = call->outer)
		n++;
	cut = n > CHAIN_MAX ? n - CHAIN_MAX : 0;
	frame = arena_get(j->a, (n - cut) * sizeof(*frame));
	if (!frame)
		return -ENOMEM;
	chain->frames = frame;
	chain->n = n - cut;
	chain->flags = WIRE_ANSWER_FINAL | WIRE_ANSWER_INLINES | (line ? WIRE_ANSWER_LINES : 0);
	for (struct dwarf_call *call = leaf; call; call = call->outer) {
		if (cut) {
			cut--;
		} else {
			if (!call->described)
				call_describe(j, call);
			*frame++ = (struct frame){ call->name, file, line, call->start_line };
		}
		if (!call->outer && call->name)
			chain->flags |= WIRE_ANSWER_NAMED;
		file = call->outer ? file_path(j, call->call_file) : NULL;
		line = call->call_line;
	}
	if (!(chain->flags & WIRE_ANSWER_NAMED))
		chain->flags &= ~WIRE_ANSWER_FINAL;
	return 0;
}

static void
job_fini(struct job *j)
{
	free(j->addrs);
	free(j->leaf);
	free(j->rows);
	free(j->paths);
	dwarf_lines_close(&j->lines);
	arena_fini(&j->calls);
}

static void
pages_release(struct dwarf_reader *d, uint64_t keep)
{
	if (d->read <= keep)
		return;
	dwarf_sections_release(&d->sections);
	dwarf_sections_release(&d->alt);
	dwarf_sections_release(&d->package);
	d->read = 0;
}

/* Name the addresses of one unit. */
static int
unit_name(struct dwarf_reader *d, struct dwarf_unit *unit, struct chain **chains, size_t n, struct arena *a)
{
	struct job j = { .d = d, .unit = unit, .chains = chains, .n = n, .a = a };
	int r = -ENOMEM;

	arena_init(&j.calls, CALLS_MAX);
	if (unit->skeleton && !unit->split_tried)
		split_open(d, unit);
	j.tree = unit->split ? &unit->split->tree : &unit->tree;
	dwarf_tree_work(j.tree);
	j.addrs = calloc(n, sizeof(*j.addrs));
	j.leaf = calloc(n, sizeof(struct dwarf_call *));
	j.rows = calloc(n, sizeof(*j.rows));
	if (!j.addrs || !j.leaf || !j.rows)
		goto out;
	for (size_t i = 0; i < n; i++)
		j.addrs[i] = chains[i]->vaddr;
	job_calls(&j); /* what it leaves without a function still has a line */
	job_lines(&j);
	r = 0;
	for (size_t i = 0; i < n && r == 0; i++)
		r = j.leaf[i] ? answer(&j, chains[i], j.leaf[i], &j.rows[i])
			      : answer_line(&j, chains[i], &j.rows[i]);
	d->read += j.tree->bytes + j.lines.program.size;
	pages_release(d, READ_KEEP);
out:
	job_fini(&j);
	return r;
}

struct by_unit {
	size_t unit;
	struct chain *chain;
};

static int
by_unit_compare(const void *a, const void *b)
{
	const struct by_unit *x = a, *y = b;

	if (x->unit != y->unit)
		return x->unit < y->unit ? -1 : 1;
	return x->chain < y->chain ? -1 : x->chain > y->chain;
}

int
dwarf_name(struct dwarf_reader *d, struct chain *chains, size_t n, struct arena *a, struct err *why)
{
	struct by_unit *sorted = calloc(n ? n : 1, sizeof(*sorted));
	struct chain **of_unit = calloc(n ? n : 1, sizeof(struct chain *));
	size_t known = 0, end;
	int r = 0;

	if (!sorted || !of_unit) {
		r = err_set(why, -ENOMEM, "dwarf: no memory for %zu addresses", n);
		goto out;
	}
	for (size_t i = 0; i < n; i++) {
		size_t unit = dwarf_units_find(&d->units, chains[i].vaddr);

		chains[i].frames = NULL;
		chains[i].n = 0;
		chains[i].flags = 0;
		if (unit != SIZE_MAX)
			sorted[known++] = (struct by_unit){ unit, &chains[i] };
	}
	qsort(sorted, known, sizeof(*sorted), by_unit_compare);
	for (size_t i = 0; i < known && r == 0; i = end) {
		for (end = i; end < known && sorted[end].unit == sorted[i].unit; end++)
			of_unit[end - i] = sorted[end].chain;
		units_trim(d);
		r = unit_name(d, &d->units.v[sorted[i].unit], of_unit, end - i, a);
	}
	pages_release(d, 0);
	if (r < 0)
		err_set(why, r, "dwarf: no memory for the answers");
out:
	free(of_unit);
	free(sorted);
	return r;
}
