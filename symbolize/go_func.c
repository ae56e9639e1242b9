#include "config.h"

#include "symbolize/go_func.h"

#include <string.h>

#include "symbolize/go_pcvalue.h"

#define NO_OFFSET UINT32_MAX /* of a function in a hole, a file, a piece of funcdata */

/* Fields of _func that have not moved, behind its entry. */
enum { NAME = 0, PCSP = 12, PCFILE = 16, PCLN = 20, N_PCDATA = 24, UNIT = 28 };

/* Entry i of the function table: where the function starts, and where its _func is. */
static uint64_t
table_field(const struct go_module *m, uint64_t field)
{
	uint64_t at = m->funcs + field * m->layout->word;

	return m->layout->word == 8 ? go_module_u64(m, at) : go_module_u32(m, at);
}

static uint64_t
entry_of(const struct go_module *m, uint32_t i)
{
	return table_field(m, 2 * (uint64_t)i) + (m->layout->word == 8 ? 0 : m->text);
}

bool
go_func_get(const struct go_module *m, uint32_t i, struct go_func *f)
{
	const struct go_layout *l = m->layout;
	uint64_t off, at;

	if (i >= m->n_funcs)
		return false;
	off = table_field(m, 2 * (uint64_t)i + 1);
	at = m->funcs + off + l->word;
	if (off >= m->bytes || at > m->bytes || m->bytes - at < (uint64_t)l->ids + 4)
		return false;
	*f = (struct go_func){
		.entry = entry_of(m, i),
		.end = entry_of(m, i + 1),
		.name = go_module_u32(m, at + NAME),
		.pcsp = go_module_u32(m, at + PCSP),
		.pcfile = go_module_u32(m, at + PCFILE),
		.pcln = go_module_u32(m, at + PCLN),
		.unit = go_module_u32(m, at + UNIT),
		.start_line = l->start_line ? go_module_u32(m, at + l->start_line) : 0,
		.n_pcdata = go_module_u32(m, at + N_PCDATA),
		.n_funcdata = go_module_u8(m, at + l->ids + 3),
		.arrays = at + l->ids + 4,
		.id = go_module_u8(m, at + l->ids),
		.flag = go_module_u8(m, at + l->ids + 1),
	};
	return f->entry < f->end;
}

bool
go_func_find(const struct go_module *m, uint64_t pc, struct go_func *f)
{
	uint32_t low = 0, high = m->n_funcs;

	if (pc < m->min_pc || pc >= m->max_pc)
		return false;
	/* An unsorted table (a liar's) gives some function or none. */
	while (low < high) {
		uint32_t mid = low + (high - low) / 2;

		if (entry_of(m, mid) <= pc)
			low = mid + 1;
		else
			high = mid;
	}
	return low > 0 && go_func_get(m, low - 1, f) && pc >= f->entry && pc < f->end;
}

const char *
go_func_name(const struct go_module *m, uint32_t name, size_t *len)
{
	return go_module_string(m, m->names + name, len);
}

bool
go_func_is(const struct go_module *m, const struct go_func *f, const char *name)
{
	size_t n = strlen(name), len;
	const char *s = go_func_name(m, f->name, &len);

	return s && len == n && !memcmp(s, name, n);
}

uint32_t
go_func_pcdata(const struct go_module *m, const struct go_func *f, uint32_t which)
{
	return which < f->n_pcdata ? go_module_u32(m, f->arrays + 4 * (uint64_t)which) : 0;
}

uint64_t
go_func_data(const struct go_module *m, const struct go_func *f, uint32_t which)
{
	uint64_t at = f->arrays + 4 * (uint64_t)f->n_pcdata;
	uint32_t off;

	if (which >= f->n_funcdata)
		return 0;
	if (m->layout->word == 8) {
		at += (m->vaddr + at) & 4; /* pointers are aligned */
		return go_module_u64(m, at + 8 * (uint64_t)which);
	}
	at += 4 * (uint64_t)which;
	if (m->func_data == 0 || at >= m->bytes)
		return 0;
	off = go_module_u32(m, at);
	return off == NO_OFFSET ? 0 : m->func_data + off;
}

struct go_position
go_func_position(const struct go_module *m, const struct go_func *f, uint64_t pc)
{
	int32_t file = go_pcvalue_find(m, f, f->pcfile, pc);
	int32_t line = go_pcvalue_find(m, f, f->pcln, pc);
	struct go_position p = { .file = NULL };
	uint64_t at;
	uint32_t off;

	if (file < 0 || line < 0)
		return p;
	at = m->units + 4 * ((uint64_t)f->unit + (uint32_t)file);
	if (at >= m->bytes)
		return p;
	off = go_module_u32(m, at);
	p.file = off == NO_OFFSET ? NULL : go_module_string(m, m->files + off, &p.file_len);
	p.line = p.file ? (uint32_t)line : 0;
	return p;
}
