#include "config.h"

#include "symbolize/dwarf_lines.h"

#include <dwarf.h>
#include <errno.h>
#include <stdlib.h>

/* ---- the header: files and directories ---- */

#define FORMATS_MAX 16 /* fields of a version 5 entry; the standard knows five */

struct entry_format {
	uint64_t what; /* DW_LNCT_* */
	uint64_t form; /* DW_FORM_* */
};

/* Append, growing by doubling. `n` is the number in use. */
static int
file_add(struct dwarf_lines_file **files, size_t *n, const char *name, uint64_t dir)
{
	if (*n >= DWARF_LINES_FILES_MAX)
		return -EBADMSG;
	if ((*n & (*n - 1)) == 0) {
		size_t cap = *n ? 2 * *n : 1;
		struct dwarf_lines_file *grown = realloc(*files, cap * sizeof(**files));

		if (!grown)
			return -ENOMEM;
		*files = grown;
	}
	(*files)[*n] = (struct dwarf_lines_file){name, dir > UINT32_MAX ? UINT32_MAX : (uint32_t)dir};
	(*n)++;
	return 0;
}

/* Versions 2-4: a list of directories, then one of files, each ended by an empty name. */
static int
header_names_old(struct dwarf_lines *l, struct dwarf_cur *c)
{
	const char *name;
	uint64_t dir;
	int r = 0;

	while (r == 0 && (name = dwarf_cur_string(c)) && *name)
		r = file_add(&l->dirs, &l->n_dirs, name, 0);
	while (r == 0 && (name = dwarf_cur_string(c)) && *name) {
		dir = dwarf_cur_uleb(c);
		dwarf_cur_uleb(c); /* time */
		dwarf_cur_uleb(c); /* length */
		r = file_add(&l->files, &l->n_files, name, dir);
	}
	return r;
}

static const char *
indexed_string(const struct dwarf_lines *l, uint64_t index)
{
	struct dwarf_cur c;
	uint64_t offset;

	if (index > l->in.str_offsets.size)
		return NULL;
	c = dwarf_cur_of(dwarf_span_from(l->in.str_offsets, index * l->offset_bytes));
	offset = dwarf_cur_fixed(&c, l->offset_bytes);
	return c.bad ? NULL : dwarf_span_string(l->in.str, offset);
}

/* How a form's bytes are laid out, for the forms a version 5 entry may have (DWARF 5, 6.2.4.1). */
static const struct {
	uint8_t form;
	enum { FIXED, OFFSET, ULEB, INLINE, BLOCK, BLOCK_ULEB } how;
	uint8_t bytes; /* of the value, or of the block's length */
} form_table[] = {
	/* clang-format off */
	{ DW_FORM_string, INLINE, 0 },   { DW_FORM_line_strp, OFFSET, 0 },   { DW_FORM_strp, OFFSET, 0 },
	{ DW_FORM_strp_sup, OFFSET, 0 }, { DW_FORM_sec_offset, OFFSET, 0 },  { DW_FORM_strx, ULEB, 0 },
	{ DW_FORM_strx1, FIXED, 1 },     { DW_FORM_strx2, FIXED, 2 },        { DW_FORM_strx3, FIXED, 3 },
	{ DW_FORM_strx4, FIXED, 4 },     { DW_FORM_data1, FIXED, 1 },        { DW_FORM_data2, FIXED, 2 },
	{ DW_FORM_data4, FIXED, 4 },     { DW_FORM_data8, FIXED, 8 },        { DW_FORM_udata, ULEB, 0 },
	{ DW_FORM_sdata, ULEB, 0 },      { DW_FORM_flag, FIXED, 1 },         { DW_FORM_data16, BLOCK, 0 },
	{ DW_FORM_block1, BLOCK, 1 },    { DW_FORM_block2, BLOCK, 2 },       { DW_FORM_block4, BLOCK, 4 },
	{ DW_FORM_block, BLOCK_ULEB, 0 },
	/* clang-format on */
};

/* One field of an entry. Returns false when its form is unknown: nothing behind it can be read. */
static bool
entry_field(const struct dwarf_lines *l, struct dwarf_cur *c, uint64_t form, uint64_t *value,
	    const char **text)
{
	size_t i = 0;

	*value = 0;
	*text = NULL;
	while (i < sizeof(form_table) / sizeof(form_table[0]) && form_table[i].form != form)
		i++;
	if (i == sizeof(form_table) / sizeof(form_table[0]))
		return false;
	switch (form_table[i].how) {
	case INLINE:
		*text = dwarf_cur_string(c);
		break;
	case OFFSET:
		*value = dwarf_cur_fixed(c, l->offset_bytes);
		break;
	case FIXED:
		*value = dwarf_cur_fixed(c, form_table[i].bytes);
		break;
	case ULEB:
		*value = dwarf_cur_uleb(c);
		break;
	case BLOCK:
		dwarf_cur_take(c, form == DW_FORM_data16 ? 16 : dwarf_cur_fixed(c, form_table[i].bytes));
		break;
	case BLOCK_ULEB:
		dwarf_cur_take(c, dwarf_cur_uleb(c));
		break;
	}
	if (form == DW_FORM_line_strp)
		*text = dwarf_span_string(l->in.line_str, *value);
	else if (form == DW_FORM_strp)
		*text = dwarf_span_string(l->in.str, *value);
	else if (form == DW_FORM_strx || (form >= DW_FORM_strx1 && form <= DW_FORM_strx4))
		*text = indexed_string(l, *value);
	return !c->bad;
}

/* Version 5: a description of an entry's fields, then the entries. */
static int
header_names_new(struct dwarf_lines *l, struct dwarf_cur *c, struct dwarf_lines_file **files, size_t *n)
{
	struct entry_format format[FORMATS_MAX];
	size_t n_format = dwarf_cur_u8(c);
	uint64_t count;
	int r = 0;

	if (n_format > FORMATS_MAX)
		return -EBADMSG;
	for (size_t i = 0; i < n_format; i++) {
		format[i].what = dwarf_cur_uleb(c);
		format[i].form = dwarf_cur_uleb(c);
	}
	count = dwarf_cur_uleb(c);
	/* An entry of no fields takes no bytes: nothing but this would end a large count. */
	if (c->bad || (count && !n_format) || count > dwarf_cur_left(c))
		return -EBADMSG;
	while (count-- && r == 0) {
		const char *name = NULL, *text;
		uint64_t dir = 0, value;

		for (size_t i = 0; i < n_format; i++) {
			if (!entry_field(l, c, format[i].form, &value, &text))
				return -EBADMSG;
			if (format[i].what == DW_LNCT_path)
				name = text;
			else if (format[i].what == DW_LNCT_directory_index)
				dir = value;
		}
		r = file_add(files, n, name, dir);
	}
	return r;
}

int
dwarf_lines_open(struct dwarf_lines *l, const struct dwarf_lines_in *in)
{
	struct dwarf_cur c = dwarf_cur_of(dwarf_span_from(in->line, in->offset));
	uint64_t length, header;
	struct dwarf_cur names;
	int r;

	memset(l, 0, sizeof(*l));
	l->in = *in;
	length = dwarf_cur_length(&c, &l->offset_bytes);
	if (length < dwarf_cur_left(&c))
		c.end = c.p + length;
	l->version = (uint16_t)dwarf_cur_fixed(&c, 2);
	if (c.bad || l->version < 2 || l->version > 5)
		return -EBADMSG;
	if (l->version >= 5)
		dwarf_cur_take(&c, 2); /* sizes of address and segment: DW_LNE_set_address says its own */
	header = dwarf_cur_fixed(&c, l->offset_bytes);
	if (c.bad || header > dwarf_cur_left(&c))
		return -EBADMSG;
	names = (struct dwarf_cur){c.p, c.p + header, false};
	l->program = (struct dwarf_span){c.p + header, dwarf_cur_left(&c) - header};
	l->min_inst = dwarf_cur_u8(&names);
	l->max_ops = l->version >= 4 ? dwarf_cur_u8(&names) : 1;
	dwarf_cur_u8(&names); /* default_is_stmt: of no use to us */
	l->line_base = (int8_t)dwarf_cur_u8(&names);
	l->line_range = dwarf_cur_u8(&names);
	l->opcode_base = dwarf_cur_u8(&names);
	l->opcode_lengths = dwarf_cur_take(&names, l->opcode_base ? l->opcode_base - 1u : 0);
	if (names.bad || !l->opcode_base)
		return -EBADMSG;
	if (!l->max_ops)
		l->max_ops = 1;

	if (l->version < 5)
		r = header_names_old(l, &names);
	else if ((r = header_names_new(l, &names, &l->dirs, &l->n_dirs)) == 0)
		r = header_names_new(l, &names, &l->files, &l->n_files);
	/* Names that cannot be read leave the lines readable. */
	if (r == -ENOMEM)
		dwarf_lines_close(l);
	return r == -ENOMEM ? r : 0;
}

void
dwarf_lines_close(struct dwarf_lines *l)
{
	free(l->dirs);
	free(l->files);
	memset(l, 0, sizeof(*l));
}

/* ---- the program ---- */

/*
 * Rows come in growing addresses between a sequence's first row and its DW_LNE_end_sequence.
 * `next` walks over the asked addresses alongside: those in [previous row, this row) belong to
 * the previous row. They count only when the sequence has ended well, so they wait in `held`.
 */
struct held {
	uint32_t file, line;
};

struct run {
	struct dwarf_cur c;
	const uint64_t *addrs;
	struct dwarf_lines_row *rows;
	struct held *held;
	size_t n;
	size_t budget; /* of addresses put in held: overlapping sequences of a spoiled program */

	/* the state machine's registers (6.2.2) */
	uint64_t address;
	uint32_t op_index;
	uint32_t file, line;

	/* the sequence being read */
	bool open;          /* a row was seen */
	bool broken;        /* its addresses went backwards */
	uint64_t low;       /* its first row's address */
	uint64_t last;      /* address of the previous row */
	struct held before; /* the previous row */
	size_t first, next; /* addrs[first, next) are in held */
	uint64_t next_addr; /* addrs[next], or UINT64_MAX */
};

/* What a special opcode (6.2.5.1) does, worked out once. */
struct special {
	uint8_t operations;
	int16_t line;
};

static void
registers_reset(struct run *r)
{
	r->address = 0;
	r->op_index = 0;
	r->file = 1;
	r->line = 1;
	r->open = false;
	r->broken = false;
}

static void
next_set(struct run *r, size_t next)
{
	r->next = next;
	r->next_addr = next < r->n ? r->addrs[next] : UINT64_MAX;
}

static void
sequence_begin(struct run *r)
{
	r->open = true;
	r->low = r->address;
	r->first = dwarf_first_from(r->addrs, r->n, r->address);
	next_set(r, r->first);
}

/* The asked addresses below this row are the previous row's. */
static void
sequence_cover(struct run *r)
{
	while (r->next < r->n && r->addrs[r->next] < r->address && r->budget) {
		r->held[r->next] = r->before;
		r->budget--;
		next_set(r, r->next + 1);
	}
}

static inline void
row_add(struct run *r)
{
	if (!r->open)
		sequence_begin(r);
	else if (r->address < r->last)
		r->broken = true;
	else if (r->next_addr < r->address && !r->broken)
		sequence_cover(r);
	r->last = r->address;
	r->before = (struct held){r->file, r->line};
}

static void
sequence_end(struct run *r)
{
	row_add(r);
	/* Dropped functions were relocated to 0, or to -1 or -2 (lld). */
	if (r->low && r->low < r->address && r->low < UINT64_MAX - 1) {
		for (size_t i = r->first; i < r->next; i++) {
			struct dwarf_lines_row *row = &r->rows[i];

			if (!row->high || r->address < row->high)
				*row = (struct dwarf_lines_row){r->address, r->held[i].file,
								r->held[i].line};
		}
	}
	registers_reset(r);
}

static inline void
advance(struct run *r, const struct dwarf_lines *l, uint64_t operations)
{
	if (l->max_ops == 1) {
		r->address += operations * l->min_inst;
		return;
	}
	operations += r->op_index;
	r->address += operations / l->max_ops * l->min_inst;
	r->op_index = (uint32_t)(operations % l->max_ops);
}

static int
extended(struct run *r, struct dwarf_lines *l)
{
	uint64_t length = dwarf_cur_uleb(&r->c);
	struct dwarf_cur c = {r->c.p, r->c.p, false};
	const char *name;

	if (!dwarf_cur_take(&r->c, length))
		return 0;
	c.end = r->c.p;
	switch (dwarf_cur_u8(&c)) {
	case DW_LNE_end_sequence:
		sequence_end(r);
		break;
	case DW_LNE_set_address:
		if (dwarf_cur_left(&c) == 4 || dwarf_cur_left(&c) == 8)
			r->address = dwarf_cur_fixed(&c, (unsigned int)dwarf_cur_left(&c));
		r->op_index = 0;
		break;
	case DW_LNE_define_file:
		name = dwarf_cur_string(&c);
		if (name && file_add(&l->files, &l->n_files, name, dwarf_cur_uleb(&c)) == -ENOMEM)
			return -ENOMEM;
		break;
	}
	return 0;
}

static int
standard(struct run *r, struct dwarf_lines *l, uint8_t opcode)
{
	switch (opcode) {
	case 0:
		return extended(r, l);
	case DW_LNS_copy:
		row_add(r);
		break;
	case DW_LNS_advance_pc:
		advance(r, l, dwarf_cur_uleb(&r->c));
		break;
	case DW_LNS_advance_line:
		r->line += (uint32_t)dwarf_cur_sleb(&r->c);
		break;
	case DW_LNS_set_file:
		r->file = (uint32_t)dwarf_cur_uleb(&r->c);
		break;
	case DW_LNS_set_column:
	case DW_LNS_set_isa:
		dwarf_cur_uleb(&r->c);
		break;
	case DW_LNS_negate_stmt:
	case DW_LNS_set_basic_block:
	case DW_LNS_set_prologue_end:
	case DW_LNS_set_epilogue_begin:
		break;
	case DW_LNS_const_add_pc:
		advance(r, l, l->line_range ? (255u - l->opcode_base) / l->line_range : 0);
		break;
	case DW_LNS_fixed_advance_pc:
		r->address += dwarf_cur_fixed(&r->c, 2);
		r->op_index = 0;
		break;
	default: /* of a later version: its length is known */
		for (unsigned int i = l->opcode_lengths[opcode - 1]; i; i--)
			dwarf_cur_uleb(&r->c);
	}
	return 0;
}

int
dwarf_lines_find(struct dwarf_lines *l, const uint64_t *addrs, struct dwarf_lines_row *rows, size_t n)
{
	struct run run = {.c = dwarf_cur_of(l->program), .addrs = addrs, .rows = rows, .n = n};
	struct special special[256] = {0};
	int r = 0;

	memset(rows, 0, n * sizeof(*rows));
	if (!n)
		return 0;
	run.held = malloc(n * sizeof(*run.held));
	if (!run.held)
		return -ENOMEM;
	run.budget = 64 * n + 4096;
	for (unsigned int op = l->opcode_base; op < 256 && l->line_range; op++) {
		special[op].operations = (uint8_t)((op - l->opcode_base) / l->line_range);
		special[op].line = (int16_t)(l->line_base + (int)((op - l->opcode_base) % l->line_range));
	}
	registers_reset(&run);
	while (run.c.p != run.c.end && r == 0) {
		uint8_t opcode = *run.c.p++;

		if (opcode < l->opcode_base) {
			r = standard(&run, l, opcode);
			continue;
		}
		advance(&run, l, special[opcode].operations);
		run.line += (uint32_t)special[opcode].line;
		row_add(&run);
	}
	free(run.held);
	return r;
}

/* ---- names ---- */

static void
path_add(char *buf, size_t size, size_t *len, const char *part)
{
	size_t n = strlen(part);

	if (*len && buf[*len - 1] != '/' && *len + 1 < size)
		buf[(*len)++] = '/';
	if (n > size - 1 - *len)
		n = size - 1 - *len;
	memcpy(buf + *len, part, n);
	*len += n;
}

size_t
dwarf_lines_path(const struct dwarf_lines *l, uint32_t file, const char *comp_dir, char *buf, size_t size)
{
	uint32_t first = l->version >= 5 ? 0 : 1; /* before 5, file 0 is none and directory 0 comp_dir */
	const char *part[3] = {comp_dir, NULL, NULL};
	const struct dwarf_lines_file *f;
	size_t len = 0, from = 2;

	if (file < first || file - first >= l->n_files || !size)
		return 0;
	f = &l->files[file - first];
	if (!f->name || !*f->name)
		return 0;
	part[2] = f->name;
	if (f->dir >= first && f->dir - first < l->n_dirs)
		part[1] = l->dirs[f->dir - first].name;
	/* The last absolute part begins the path. */
	while (from > 0 && !(part[from] && part[from][0] == '/'))
		from--;
	for (; from < 3; from++)
		if (part[from] && *part[from])
			path_add(buf, size, &len, part[from]);
	buf[len] = '\0';
	return len;
}
