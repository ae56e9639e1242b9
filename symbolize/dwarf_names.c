#include "config.h"

#include "symbolize/dwarf_names.h"

#include <dwarf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "symbolize/dwarf_attrs.h"
#include "symbolize/dwarf_funcs.h"
#include "symbolize/dwarf_inlines.h"
#include "symbolize/dwarf_lines.h"
#include "symbolize/dwarf_sections.h"

#define ORIGINS_MAX 16                  /* DIEs that a name is followed through */
#define CALLS_MAX   ((size_t)256 << 20) /* bytes of calls of one unit */

/* What naming the addresses of one unit needs. */
struct job {
	struct dwarf_reader *d;
	struct dwarf_unit *unit;
	struct dwarf_tree *tree;  /* where the unit's functions are */
	struct arena *a;          /* for answers */
	struct arena calls;       /* for dwarf_call */
	size_t n;                 /* addresses */
	struct chain **chains;    /* n of them, borrowed */
	uint64_t *addrs;          /* theirs */
	struct dwarf_call **leaf; /* the innermost call at each; NULL: no function */
	struct dwarf_lines_row *rows;
	struct dwarf_lines lines;
	const char **paths; /* by file number; NULL: not made yet */
	size_t n_paths;
};

/* ---- the functions of a unit ---- */

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
			sorted[n++] = (struct by_function){func[i]->die, (uint32_t)i, func[i]};
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
die_place(const struct job *j, Dwarf_Die *die, const struct dwarf_sections **s,
	  struct dwarf_span *str_offsets)
{
	const struct dwarf_unit *unit;
	Dwarf *dw;

	if (die->cu == j->tree->root.cu) {
		*s = j->tree->s;
		*str_offsets = j->tree->str_offsets;
		return true;
	}
	dw = dwarf_cu_getdwarf(die->cu);
	*str_offsets = (struct dwarf_span){NULL, 0};
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
			linkage =
				dwarf_attrs_string(&attrs, DWARF_LINKAGE_NAME, s, str_offsets, &j->d->alt);
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
			*frame++ = (struct frame){call->name, file, line, call->start_line};
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

int
dwarf_names_of_unit(struct dwarf_reader *d, struct dwarf_unit *unit, struct chain **chains, size_t n,
		    struct arena *a)
{
	struct job j = {.d = d, .unit = unit, .chains = chains, .n = n, .a = a};
	int r = -ENOMEM;

	arena_init(&j.calls, CALLS_MAX);
	j.tree = unit->split ? &unit->split->tree : &unit->tree;
	dwarf_tree_work(j.tree, n);
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
out:
	job_fini(&j);
	return r;
}
