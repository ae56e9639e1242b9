#include "config.h"

#include "symbolize/go_module.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "symbolize/chain.h"
#include "symbolize/go_func.h"
#include "symbolize/go_moduledata.h"
#include "symbolize/go_reloc.h"

#define HEADER_BYTES 72
#define MOVED_MAX ((size_t)1 << 30) /* a table that must be copied (Go 1.16, 1.17, PIE) */
#define TRIES_MAX 256               /* headers that are looked at in one file */
#define PROBES 64                   /* functions that are looked at before a table is believed */

static const struct go_layout layouts[] = {
	{ .magic = 0xfffffffa, .word = 8, .offsets = 24, .ids = 32,
	  .call_bytes = 20, .call_id = 2, .call_name = 12, .call_parent = 16 },
	{ .magic = 0xfffffff0, .word = 4, .text_start = 24, .offsets = 32, .ids = 32,
	  .call_bytes = 20, .call_id = 2, .call_name = 12, .call_parent = 16 },
	{ .magic = 0xfffffff1, .word = 4, .text_start = 24, .offsets = 32, .start_line = 32, .ids = 36,
	  .call_bytes = 16, .call_id = 0, .call_name = 4, .call_parent = 8, .call_start = 12 },
};

#define LAYOUTS (sizeof(layouts) / sizeof(layouts[0]))

/* ---- numbers and strings of the table */

static const unsigned char *
bytes_at(const struct go_module *m, uint64_t at, size_t n)
{
	return at <= m->bytes && n <= m->bytes - at ? m->base + at : NULL;
}

uint8_t
go_module_u8(const struct go_module *m, uint64_t at)
{
	const unsigned char *p = bytes_at(m, at, 1);

	return p ? *p : 0;
}

uint32_t
go_module_u32(const struct go_module *m, uint64_t at)
{
	const unsigned char *p = bytes_at(m, at, 4);
	uint32_t v = 0;

	if (p)
		memcpy(&v, p, sizeof(v));
	return v;
}

uint64_t
go_module_u64(const struct go_module *m, uint64_t at)
{
	const unsigned char *p = bytes_at(m, at, 8);
	uint64_t v = 0;

	if (p)
		memcpy(&v, p, sizeof(v));
	return v;
}

const char *
go_module_string(const struct go_module *m, uint64_t at, size_t *len)
{
	size_t left = at < m->bytes ? m->bytes - at : 0;
	size_t max = left < CHAIN_STRING_MAX ? left : CHAIN_STRING_MAX;
	const char *s = (const char *)m->base + (left ? at : 0);

	*len = strnlen(s, max);
	return *len < left ? s : NULL;
}

/* ---- one header */

/* The first eight bytes: magic, two zeros, the shortest instruction, the size of a pointer. */
static uint64_t
first_word(const struct image *im, const struct go_layout *l)
{
	uint64_t quantum = im->machine == EM_AARCH64 ? 4 : 1;

	return UINT64_C(8) << 56 | quantum << 48 | l->magic;
}

static int
read_header(struct go_module *m, const struct image *im, uint64_t vaddr)
{
	uint64_t *const parts[] = { &m->names, &m->units, &m->files, &m->values, &m->funcs };
	uint64_t n;

	memset(m, 0, sizeof(*m));
	m->im = im;
	m->vaddr = vaddr;
	m->bytes = image_left(im, vaddr);
	m->base = image_at(im, vaddr, HEADER_BYTES);
	if (!m->base)
		return -ENOENT;
	for (size_t i = 0; i < LAYOUTS; i++)
		if (go_module_u64(m, 0) == first_word(im, &layouts[i]))
			m->layout = &layouts[i];
	n = go_module_u64(m, 8);
	if (!m->layout || n == 0 || n > GO_FUNCS_MAX)
		return -ENOENT;
	m->n_funcs = (uint32_t)n;
	m->quantum = go_module_u8(m, 6);
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		*parts[i] = go_module_u64(m, m->layout->offsets + 8 * i);
		if (*parts[i] < HEADER_BYTES - 8 || *parts[i] >= m->bytes)
			return -ENOENT;
	}
	if ((2 * n + 1) * m->layout->word > m->bytes - m->funcs)
		return -ENOENT;
	return 0;
}

/* Go 1.16 and 1.17 have addresses in the table: a position-independent program's are relocated. */
static int
move_table(struct go_module *m, const struct go_reloc *r, uint64_t end, struct err *why)
{
	size_t n = m->bytes;

	if (m->layout->word != 8 || r->n == 0)
		return 0;
	if (end > m->vaddr && end - m->vaddr < n)
		n = end - m->vaddr;
	if (n > MOVED_MAX)
		return err_set(why, -EFBIG, "go: a function table of %zu bytes must be copied", n);
	m->moved = malloc(n);
	if (!m->moved)
		return err_set(why, -ENOMEM, "go: no memory for %zu bytes of function table", n);
	memcpy(m->moved, m->base, n);
	go_reloc_apply(r, m->vaddr, m->moved, n);
	m->base = m->moved;
	m->bytes = n;
	return 0;
}

static bool
in_text(const struct image *im, uint64_t vaddr)
{
	for (size_t i = 0; i < im->n_segments; i++) {
		const struct image_segment *s = &im->segments[i];

		if (s->type == PT_LOAD && (s->flags & PF_X) && vaddr >= s->vaddr && vaddr - s->vaddr < s->memsz)
			return true;
	}
	return false;
}

/* The text's address where no moduledata is found: the header's word, or what the ELF entry says,
 * which is one function's in a program that Go itself linked. */
static uint64_t
text_without_record(struct go_module *m, const struct go_reloc *r)
{
	static const char *const entries[] = { "_rt0_amd64_linux", "_rt0_arm64_linux" };
	uint64_t text = 0;
	struct go_func f;

	if (m->layout->word == 8)
		return 0;
	text = go_module_u64(m, m->layout->text_start);
	go_reloc_apply(r, m->vaddr + m->layout->text_start, (unsigned char *)&text, sizeof(text));
	if (text && in_text(m->im, text))
		return text;
	m->text = 0;
	for (uint32_t i = 0; i < m->n_funcs; i++)
		for (size_t k = 0; k < 2; k++)
			if (go_func_get(m, i, &f) && go_func_is(m, &f, entries[k]))
				return m->im->entry - f.entry;
	return 0;
}

static void
set_bounds(struct go_module *m)
{
	uint64_t last = m->funcs + 2 * (uint64_t)m->n_funcs * m->layout->word;

	if (m->layout->word == 8) {
		m->min_pc = go_module_u64(m, m->funcs);
		m->max_pc = go_module_u64(m, last);
	} else {
		m->min_pc = m->text + go_module_u32(m, m->funcs);
		m->max_pc = m->text + go_module_u32(m, last);
	}
}

/* A look at some functions: in order, inside the text, with names. */
static bool
makes_sense(const struct go_module *m)
{
	uint32_t step = m->n_funcs / PROBES + 1, good = 0, all = 0;

	if (m->min_pc >= m->max_pc || !in_text(m->im, m->min_pc))
		return false;
	for (uint32_t i = 0; i < m->n_funcs; i += step) {
		struct go_func f;
		size_t len;

		all++;
		if (go_func_get(m, i, &f) && f.entry >= m->min_pc && f.end <= m->max_pc &&
		    go_func_name(m, f.name, &len) && len > 0)
			good++;
	}
	return good > all / 2;
}

/* A table at this address. Returns 0, -ENOENT where there is none, or -errno. */
static int
open_at(struct go_module *m, const struct image *im, const struct go_reloc *r, uint64_t vaddr,
	struct err *why)
{
	struct go_moduledata d = { .text = 0 };
	int e = read_header(m, im, vaddr);

	if (e < 0)
		return e;
	m->proved = go_moduledata_find(&d, m, r) == 0;
	e = move_table(m, r, d.table_end, why);
	if (e < 0)
		return e;
	m->text = m->proved ? d.text : text_without_record(m, r);
	set_bounds(m);
	if (!makes_sense(m)) {
		go_module_close(m);
		return -ENOENT;
	}
	if (m->proved)
		go_moduledata_func_data(&d, m);
	return 0;
}

/* ---- looking for the header */

/* Section names of Go programs; the table has one of the first two, unless a C compiler linked
 * the program and put it into .data.rel.ro. */
static const char *const section_names[] = { ".gopclntab", ".data.rel.ro.gopclntab", ".go.buildinfo",
					     ".note.go.buildid" };

struct sections {
	bool sane;      /* the file has a section table that may be believed */
	bool go;        /* it names a section that only Go programs have */
	uint64_t table; /* address of the function table's section; 0: unknown */
};

static void
look_at_section(struct sections *s, const struct image *im, const Elf64_Shdr *names, const Elf64_Shdr *sh)
{
	for (size_t i = 0; i < sizeof(section_names) / sizeof(section_names[0]); i++) {
		size_t n = strlen(section_names[i]) + 1;

		if (sh->sh_name >= names->sh_size || names->sh_size - sh->sh_name < n ||
		    memcmp(im->data + names->sh_offset + sh->sh_name, section_names[i], n) != 0)
			continue;
		s->go = true;
		if (i < 2)
			s->table = sh->sh_addr;
	}
}

static struct sections
read_sections(const struct image *im)
{
	struct sections s = { .table = 0 };
	Elf64_Shdr names, sh;
	Elf64_Ehdr eh;

	if (im->size < sizeof(eh))
		return s;
	memcpy(&eh, im->data, sizeof(eh));
	if (eh.e_shentsize != sizeof(sh) || eh.e_shstrndx >= eh.e_shnum || eh.e_shoff > im->size ||
	    (im->size - eh.e_shoff) / sizeof(sh) < eh.e_shnum)
		return s;
	memcpy(&names, im->data + eh.e_shoff + eh.e_shstrndx * sizeof(sh), sizeof(names));
	if (names.sh_type != SHT_STRTAB || names.sh_offset > im->size ||
	    names.sh_size > im->size - names.sh_offset)
		return s;
	s.sane = true;
	for (size_t i = 0; i < eh.e_shnum; i++) {
		memcpy(&sh, im->data + eh.e_shoff + i * sizeof(sh), sizeof(sh));
		look_at_section(&s, im, &names, &sh);
	}
	return s;
}

/* Take a table that a moduledata points to; remember the first one without in *spare: a program
 * may carry another Go program among its data. Returns 1 when the search is over. */
static int
try_header(struct go_module *m, struct go_module *spare, const struct image *im, const struct go_reloc *r,
	   uint64_t vaddr, struct err *why)
{
	int e = open_at(m, im, r, vaddr, why);

	if (e == -ENOENT)
		return 0;
	if (e < 0)
		return e;
	if (m->proved)
		return 1;
	if (!spare->base)
		*spare = *m;
	else
		go_module_close(m);
	return 0;
}

static int
search(struct go_module *m, struct go_module *spare, const struct image *im, const struct go_reloc *r,
       struct err *why)
{
	unsigned int tries = 0;

	for (size_t i = 0; i < im->n_segments; i++) {
		const struct image_segment *s = &im->segments[i];

		if (s->type != PT_LOAD)
			continue;
		for (uint64_t at = -s->vaddr & 7; at < s->filesz && s->filesz - at >= HEADER_BYTES; at += 8) {
			uint64_t word;
			int e = 0;

			memcpy(&word, im->data + s->offset + at, sizeof(word));
			for (size_t k = 0; k < LAYOUTS; k++)
				if (word == first_word(im, &layouts[k]))
					e = ++tries > TRIES_MAX ? -ENOENT
								: try_header(m, spare, im, r, s->vaddr + at, why);
			if (e != 0)
				return e;
		}
	}
	return 0;
}

int
go_module_open(struct go_module *m, const struct image *im, struct err *why)
{
	struct go_module spare = { .base = NULL };
	struct sections s = read_sections(im);
	struct go_reloc r;
	int e = 0;

	memset(m, 0, sizeof(*m));
	if (im->machine != EM_X86_64 && im->machine != EM_AARCH64)
		return -ENOENT;
	/* A look through all data is for files that lost their section table, or whose table
	 * got another name. */
	if (s.sane && !s.go)
		return -ENOENT;
	go_reloc_init(&r, im);
	if (s.table)
		e = try_header(m, &spare, im, &r, s.table, why);
	if (e == 0)
		e = search(m, &spare, im, &r, why);
	if (e > 0) {
		go_module_close(&spare);
		return 0;
	}
	*m = spare;
	if (spare.base)
		return 0;
	return e == 0 || e == -ENOENT ? err_set(why, -ENOENT, "go: no function table") : e;
}

void
go_module_close(struct go_module *m)
{
	free(m->moved);
	memset(m, 0, sizeof(*m));
}
