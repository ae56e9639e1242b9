/*
 * elf_maker.h - a small ELF file by hand: code of zeros, symbols, and what the tests then spoil.
 *
 * One segment, readable and executable, maps the whole file at ELF_BASE; .text is one page at
 * ELF_TEXT. The same symbols stand in .symtab and, if wanted, behind PT_DYNAMIC.
 */
#ifndef PPD_TESTS_UNIT_ELF_MAKER_H
#define PPD_TESTS_UNIT_ELF_MAKER_H

#include <elf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/buf.h"

#define ELF_BASE       0x400000u
#define ELF_TEXT       0x401000u
#define ELF_TEXT_BYTES 0x3000u

struct elf_symbol {
	const char *name;
	uint64_t value, size;
	unsigned char type, bind;
};

enum elf_hash { ELF_HASH_NONE, ELF_HASH_SYSV, ELF_HASH_GNU };

struct elf_spec {
	const struct elf_symbol *symbols;
	size_t n;
	bool symtab;        /* .symtab, with section headers */
	bool dynamic;       /* PT_DYNAMIC */
	enum elf_hash hash; /* how the dynamic symbols are counted */
	uint64_t entry;
	const char *build_id; /* a PT_NOTE; NULL: none */
	const char *link;     /* .gnu_debuglink; NULL: none */
	const void *extra;    /* .gnu_debugdata; NULL: none */
	size_t extra_n;
};

static inline void
elf_align(struct buf *b, size_t to)
{
	while (b->len % to)
		buf_u8(b, 0);
}

/* A table of symbols and its strings, each aligned; where they begin goes to at[0] and at[1]. */
static inline void
elf_symbols(struct buf *b, const struct elf_spec *spec, size_t at[2], size_t *strings_n)
{
	size_t name = 1;
	Elf64_Sym zero = { 0 };

	elf_align(b, 8);
	at[0] = b->len;
	buf_add(b, &zero, sizeof(zero));
	for (size_t i = 0; i < spec->n; i++) {
		const struct elf_symbol *s = &spec->symbols[i];
		Elf64_Sym sym = { .st_name = (uint32_t)name,
				  .st_info = ELF64_ST_INFO(s->bind, s->type),
				  .st_shndx = s->value ? 1 : SHN_UNDEF,
				  .st_value = s->value,
				  .st_size = s->size };

		buf_add(b, &sym, sizeof(sym));
		name += strlen(s->name) + 1;
	}
	at[1] = b->len;
	buf_u8(b, 0);
	for (size_t i = 0; i < spec->n; i++)
		buf_add(b, spec->symbols[i].name, strlen(spec->symbols[i].name) + 1);
	*strings_n = b->len - at[1];
}

static inline size_t
elf_hash_table(struct buf *b, const struct elf_spec *spec)
{
	size_t at;

	elf_align(b, 8);
	at = b->len;
	if (spec->hash == ELF_HASH_SYSV) {
		buf_u32(b, 1);
		buf_u32(b, (uint32_t)spec->n + 1);
		for (size_t i = 0; i < spec->n + 2; i++)
			buf_u32(b, 0);
	} else if (spec->hash == ELF_HASH_GNU) {
		buf_u32(b, 1); /* buckets */
		buf_u32(b, 1); /* first symbol */
		buf_u32(b, 1); /* bloom words */
		buf_u32(b, 0);
		buf_u64(b, 0);
		buf_u32(b, 1); /* the bucket: symbol 1 */
		for (size_t i = 0; i < spec->n; i++)
			buf_u32(b, i + 1 == spec->n);
	}
	return at;
}

static inline void
elf_dynamic(struct buf *b, const struct elf_spec *spec, Elf64_Phdr *ph)
{
	size_t at[2], strings_n, hash;
	Elf64_Dyn d[6];
	size_t n = 0;

	elf_symbols(b, spec, at, &strings_n);
	hash = elf_hash_table(b, spec);
	elf_align(b, 8);
	if (spec->hash != ELF_HASH_NONE) {
		d[n].d_tag = spec->hash == ELF_HASH_SYSV ? DT_HASH : DT_GNU_HASH;
		d[n++].d_un.d_ptr = ELF_BASE + hash;
	}
	d[n].d_tag = DT_SYMTAB;
	d[n++].d_un.d_ptr = ELF_BASE + at[0];
	d[n].d_tag = DT_STRTAB;
	d[n++].d_un.d_ptr = ELF_BASE + at[1];
	d[n].d_tag = DT_STRSZ;
	d[n++].d_un.d_val = strings_n;
	d[n].d_tag = DT_NULL;
	d[n++].d_un.d_val = 0;
	*ph = (Elf64_Phdr){ .p_type = PT_DYNAMIC,
			    .p_flags = PF_R,
			    .p_offset = b->len,
			    .p_vaddr = ELF_BASE + b->len,
			    .p_filesz = n * sizeof(*d),
			    .p_memsz = n * sizeof(*d),
			    .p_align = 8 };
	buf_add(b, d, n * sizeof(*d));
}

static inline void
elf_note(struct buf *b, const char *id, Elf64_Phdr *ph)
{
	size_t at;

	elf_align(b, 4);
	at = b->len;
	buf_u32(b, 4);
	buf_u32(b, (uint32_t)strlen(id));
	buf_u32(b, NT_GNU_BUILD_ID);
	buf_add(b, "GNU", 4);
	buf_text(b, id);
	elf_align(b, 4);
	*ph = (Elf64_Phdr){ .p_type = PT_NOTE,
			    .p_flags = PF_R,
			    .p_offset = at,
			    .p_vaddr = ELF_BASE + at,
			    .p_filesz = b->len - at,
			    .p_memsz = b->len - at,
			    .p_align = 4 };
}

/* Section headers: null, .text, then what there is, .shstrtab last. */
struct elf_sections {
	Elf64_Shdr at[8];
	size_t n;
	char names[256];
	size_t names_n;
};

static inline Elf64_Shdr *
elf_section(struct elf_sections *s, const char *name, uint32_t type, uint64_t offset, uint64_t size)
{
	Elf64_Shdr *h = &s->at[s->n++];

	memset(h, 0, sizeof(*h));
	h->sh_name = (uint32_t)s->names_n;
	memcpy(s->names + s->names_n, name, strlen(name) + 1);
	s->names_n += strlen(name) + 1;
	h->sh_type = type;
	h->sh_offset = offset;
	h->sh_size = size;
	h->sh_addralign = 1;
	return h;
}

static inline void
elf_symtab_sections(struct buf *b, const struct elf_spec *spec, struct elf_sections *s)
{
	size_t at[2], strings_n;
	Elf64_Shdr *h;

	elf_symbols(b, spec, at, &strings_n);
	h = elf_section(s, ".symtab", SHT_SYMTAB, at[0], at[1] - at[0]);
	h->sh_entsize = sizeof(Elf64_Sym);
	h->sh_link = (uint32_t)s->n;
	h->sh_info = 1;
	h->sh_addralign = 8;
	elf_section(s, ".strtab", SHT_STRTAB, at[1], strings_n);
}

static inline void
elf_write_sections(struct buf *b, const struct elf_spec *spec, Elf64_Ehdr *eh)
{
	struct elf_sections s = { .n = 0 };
	Elf64_Shdr *h;
	size_t at;

	elf_section(&s, "", SHT_NULL, 0, 0);
	h = elf_section(&s, ".text", SHT_PROGBITS, ELF_TEXT - ELF_BASE, ELF_TEXT_BYTES);
	h->sh_flags = SHF_ALLOC | SHF_EXECINSTR;
	h->sh_addr = ELF_TEXT;
	elf_symtab_sections(b, spec, &s);
	if (spec->link) {
		elf_align(b, 4);
		at = b->len;
		buf_add(b, spec->link, strlen(spec->link) + 1);
		elf_align(b, 4);
		buf_u32(b, 0x12345678);
		elf_section(&s, ".gnu_debuglink", SHT_PROGBITS, at, b->len - at);
	}
	if (spec->extra) {
		elf_section(&s, ".gnu_debugdata", SHT_PROGBITS, b->len, spec->extra_n);
		buf_add(b, spec->extra, spec->extra_n);
	}
	h = elf_section(&s, ".shstrtab", SHT_STRTAB, b->len, 0);
	h->sh_size = s.names_n;
	buf_add(b, s.names, s.names_n);
	elf_align(b, 8);
	eh->e_shoff = b->len;
	eh->e_shnum = (uint16_t)s.n;
	eh->e_shstrndx = (uint16_t)(s.n - 1);
	buf_add(b, s.at, s.n * sizeof(s.at[0]));
}

/* Append the file to an empty buffer. */
static inline void
elf_make(struct buf *b, const struct elf_spec *spec)
{
	Elf64_Ehdr eh = { .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
			  .e_type = ET_EXEC,
			  .e_machine = EM_X86_64,
			  .e_version = 1,
			  .e_entry = spec->entry,
			  .e_phoff = sizeof(eh),
			  .e_ehsize = sizeof(eh),
			  .e_phentsize = sizeof(Elf64_Phdr),
			  .e_phnum = 1,
			  .e_shentsize = sizeof(Elf64_Shdr) };
	Elf64_Phdr ph[3] = {
		{ .p_type = PT_LOAD, .p_flags = PF_R | PF_X, .p_vaddr = ELF_BASE, .p_align = 4096 }
	};

	buf_add(b, &eh, sizeof(eh));
	buf_add(b, ph, sizeof(ph));
	while (b->len < ELF_TEXT - ELF_BASE + ELF_TEXT_BYTES)
		buf_u8(b, 0);
	if (spec->dynamic)
		elf_dynamic(b, spec, &ph[eh.e_phnum++]);
	if (spec->build_id)
		elf_note(b, spec->build_id, &ph[eh.e_phnum++]);
	if (spec->symtab)
		elf_write_sections(b, spec, &eh);
	ph[0].p_filesz = ph[0].p_memsz = b->len;
	memcpy(b->data, &eh, sizeof(eh));
	memcpy(b->data + sizeof(eh), ph, sizeof(ph));
}

/* The bytes as a file without a name. */
static inline int
elf_fd(const struct buf *b)
{
	int fd = memfd_create("elf", MFD_CLOEXEC);

	if (fd >= 0 && write(fd, b->data, b->len) != (ssize_t)b->len)
		abort();
	return fd;
}

#endif
