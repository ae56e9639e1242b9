#include "config.h"

#include "symbolize/dwarf_sections.h"

#include <elf.h>
#include <errno.h>
#include <gelf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#ifndef ELFCOMPRESS_ZSTD
#define ELFCOMPRESS_ZSTD 2 /* gABI of 2022 */
#endif

#define NAME_MAX_BYTES     32  /* of a section we know, ".dwo" included */
#define UNPACKED_RATIO_MAX 200 /* DWARF packs to a third or a tenth; a spoiled or wicked size does not */

static const char *const section_names[DWARF_SECTIONS] = {
	[DWARF_INFO] = ".debug_info",
	[DWARF_TYPES] = ".debug_types",
	[DWARF_ABBREV] = ".debug_abbrev",
	[DWARF_LINE] = ".debug_line",
	[DWARF_LINE_STR] = ".debug_line_str",
	[DWARF_STR] = ".debug_str",
	[DWARF_STR_OFFSETS] = ".debug_str_offsets",
	[DWARF_ADDR] = ".debug_addr",
	[DWARF_RANGES] = ".debug_ranges",
	[DWARF_RNGLISTS] = ".debug_rnglists",
	[DWARF_CU_INDEX] = ".debug_cu_index",
	[DWARF_ALTLINK] = ".gnu_debugaltlink",
	[DWARF_BUILD_ID] = ".note.gnu.build-id",
};

/* ---- finding sections ---- */

enum packing { PLAIN, GABI, GNU };

struct found {
	Elf_Scn *scn;
	enum packing packing;
};

/* Which of ours a section name means: .debug_x, .debug_x.dwo, .zdebug_x, .zdebug_x.dwo; or -1. */
static int
section_of(const char *name, enum packing *packing, bool *dwo)
{
	const char *base = name + 1;

	*packing = strncmp(name, ".zdebug_", 8) ? PLAIN : GNU;
	if (*packing == GNU)
		base++;
	for (int i = 0; *name == '.' && i < DWARF_SECTIONS; i++) {
		const char *known = section_names[i] + 1;
		size_t n = strlen(known);

		if (strncmp(base, known, n))
			continue;
		*dwo = !strcmp(base + n, ".dwo");
		if (!base[n] || *dwo)
			return i;
	}
	return -1;
}

/* Those that never have ".dwo" in their names. */
static bool
is_of_the_file(int section)
{
	return section == DWARF_CU_INDEX || section == DWARF_ALTLINK || section == DWARF_BUILD_ID;
}

/*
 * Find our sections, the split ones (.dwo) or the others; the first of a name counts. Returns
 * whether libdw has to be given an image of them: because some are compressed, or because the
 * file has both kinds (an object of -gsplit-dwarf=single) and libdw would take the others.
 */
static bool
sections_find(Elf *elf, struct found found[DWARF_SECTIONS], bool split)
{
	bool image = false;
	Elf_Scn *scn = NULL;
	size_t names;

	memset(found, 0, DWARF_SECTIONS * sizeof(*found));
	if (elf_getshdrstrndx(elf, &names) < 0)
		return false;
	while ((scn = elf_nextscn(elf, scn))) {
		enum packing packing;
		const char *name;
		GElf_Shdr sh;
		bool dwo;
		int i;

		if (!gelf_getshdr(scn, &sh) || sh.sh_type == SHT_NOBITS ||
		    !(name = elf_strptr(elf, names, sh.sh_name)))
			continue;
		i = section_of(name, &packing, &dwo);
		if (i >= 0 && dwo != split && !is_of_the_file(i)) {
			image |= split;
			continue;
		}
		if (i < 0 || found[i].scn)
			continue;
		if (sh.sh_flags & SHF_COMPRESSED)
			packing = GABI;
		found[i] = (struct found){scn, packing};
		image |= packing != PLAIN;
	}
	return image;
}

/* ---- unpacking ---- */

/* What is packed how, and how large it becomes. */
struct packed {
	const char *name;
	struct dwarf_span from;
	uint64_t size;   /* unpacked */
	uint32_t method; /* ELFCOMPRESS_*; 0: copy */
};

static bool
unpack_zlib(struct dwarf_span from, unsigned char *to, size_t size)
{
	z_stream z = {.next_in = (unsigned char *)(uintptr_t)from.data, .next_out = to};
	size_t in_left = from.size, out_left = size;
	int r;

	if (inflateInit(&z) != Z_OK)
		return false;
	do { /* avail_* are 32 bits wide */
		z.avail_in = in_left > UINT32_MAX ? UINT32_MAX : (uInt)in_left;
		z.avail_out = out_left > UINT32_MAX ? UINT32_MAX : (uInt)out_left;
		in_left -= z.avail_in;
		out_left -= z.avail_out;
		r = inflate(&z, Z_NO_FLUSH);
		in_left += z.avail_in;
		out_left += z.avail_out;
	} while (r == Z_OK && in_left && out_left);
	inflateEnd(&z);
	return out_left == 0;
}

/* Returns false when it does not unpack to just what it should. */
static bool
unpack(const struct packed *p, unsigned char *to)
{
	switch (p->method) {
	case 0:
		memcpy(to, p->from.data, p->size);
		return true;
	case ELFCOMPRESS_ZLIB:
		return unpack_zlib(p->from, to, p->size);
	case ELFCOMPRESS_ZSTD:
		return ZSTD_decompress(to, p->size, p->from.data, p->from.size) == p->size;
	default:
		return false;
	}
}

/* What a section's bytes say of their packing. Returns false when they cannot be read. */
static bool
packed_from(const struct found *f, struct packed *p)
{
	Elf_Data *d = elf_rawdata(f->scn, NULL);
	Elf64_Chdr ch;

	if (!d || !d->d_buf)
		return false;
	p->from = (struct dwarf_span){d->d_buf, d->d_size};
	p->size = d->d_size;
	p->method = 0;
	if (f->packing == GABI) {
		if (d->d_size < sizeof(ch))
			return false;
		memcpy(&ch, d->d_buf, sizeof(ch));
		p->from = dwarf_span_from(p->from, sizeof(ch));
		p->size = ch.ch_size;
		p->method = ch.ch_type;
	} else if (f->packing == GNU && d->d_size >= 12 && !memcmp(d->d_buf, "ZLIB", 4)) {
		const unsigned char *big = (const unsigned char *)d->d_buf + 4;

		p->size = 0;
		for (int i = 0; i < 8; i++)
			p->size = p->size << 8 | big[i];
		p->from = dwarf_span_from(p->from, 12);
		p->method = ELFCOMPRESS_ZLIB;
	} else {
		return true;
	}
	return (p->method == ELFCOMPRESS_ZLIB || p->method == ELFCOMPRESS_ZSTD) &&
	       p->size <= DWARF_UNPACKED_MAX && p->size / UNPACKED_RATIO_MAX <= p->from.size + 4096;
}

/* ---- an ELF image of our own ---- */

struct layout {
	uint64_t offset[DWARF_SECTIONS];
	uint64_t names, headers, end; /* offsets */
};

static int
image_layout(const struct packed p[DWARF_SECTIONS], struct layout *at)
{
	uint64_t end = sizeof(Elf64_Ehdr), sum = 0;

	for (int i = 0; i < DWARF_SECTIONS; i++) {
		if (!p[i].name)
			continue;
		if (p[i].size > DWARF_UNPACKED_MAX - sum)
			return -EFBIG;
		sum += p[i].size;
		at->offset[i] = end;
		end += (p[i].size + 7) & ~(uint64_t)7;
	}
	at->names = end;
	at->headers = end + (DWARF_SECTIONS + 2) * NAME_MAX_BYTES;
	at->end = at->headers + (DWARF_SECTIONS + 2) * sizeof(Elf64_Shdr);
	return 0;
}

/* Header, sections, their names in slots of NAME_MAX_BYTES, section headers (index 0 unused,
 * then the names, then ours). */
static void
image_fill(unsigned char *image, const struct packed p[DWARF_SECTIONS], const struct layout *at,
	   const char *suffix)
{
	Elf64_Shdr *sh = (Elf64_Shdr *)(void *)(image + at->headers);
	Elf64_Ehdr eh = {
		.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
		.e_type = ET_EXEC,
		.e_version = EV_CURRENT,
		.e_shoff = at->headers,
		.e_ehsize = sizeof(eh),
		.e_shentsize = sizeof(Elf64_Shdr),
		.e_shnum = 2,
		.e_shstrndx = 1,
	};

	sh[1] = (Elf64_Shdr){
		.sh_type = SHT_STRTAB, .sh_offset = at->names, .sh_size = at->headers - at->names};
	for (int i = 0; i < DWARF_SECTIONS; i++) {
		char *name = (char *)image + at->names + (size_t)eh.e_shnum * NAME_MAX_BYTES;

		if (!p[i].name || !p[i].size)
			continue;
		stpcpy(stpcpy(name, p[i].name), is_of_the_file(i) ? "" : suffix);
		if (!unpack(&p[i], image + at->offset[i]))
			continue; /* as if it were not there */
		sh[eh.e_shnum++] = (Elf64_Shdr){
			.sh_name = (uint32_t)((size_t)(name - (char *)image) - at->names),
			.sh_type = SHT_PROGBITS,
			.sh_offset = at->offset[i],
			.sh_size = p[i].size,
			.sh_addralign = 8,
		};
	}
	memcpy(image, &eh, sizeof(eh));
}

static int
image_make(struct dwarf_sections *s, const struct packed p[DWARF_SECTIONS], const char *suffix,
	   struct err *why)
{
	struct layout at = {.end = 0};

	if (image_layout(p, &at) < 0)
		return err_set(why, -EFBIG, "dwarf: sections of more than %llu MB",
			       (unsigned long long)DWARF_UNPACKED_MAX >> 20);
	s->image = mmap(NULL, at.end, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (s->image == MAP_FAILED) {
		s->image = NULL;
		return err_sys(why, -errno, "dwarf: memory for sections of %llu bytes",
			       (unsigned long long)at.end);
	}
	s->image_size = at.end;
	image_fill(s->image, p, &at, suffix);
	return 0;
}

/* ---- opening ---- */

static int
sections_begin(struct dwarf_sections *s, void *bytes, size_t n, struct err *why)
{
	elf_end(s->elf);
	s->elf = elf_memory(bytes, n);
	if (!s->elf || elf_kind(s->elf) != ELF_K_ELF || gelf_getclass(s->elf) != ELFCLASS64)
		return err_set(why, -ENOEXEC, "dwarf: not a 64-bit ELF file");
	return 0;
}

/* Leave libdw and our spans with the same bytes. */
static int
sections_ready(struct dwarf_sections *s, bool split, struct err *why)
{
	struct found found[DWARF_SECTIONS];

	sections_find(s->elf, found, split);
	for (int i = 0; i < DWARF_SECTIONS; i++) {
		Elf_Data *d = found[i].scn ? elf_getdata(found[i].scn, NULL) : NULL;

		if (d && d->d_buf && d->d_size)
			s->span[i] = (struct dwarf_span){d->d_buf, d->d_size};
	}
	if (!s->span[DWARF_INFO].size)
		return err_set(why, -ENOENT, "dwarf: no .debug_info");
	if (s->span[DWARF_CU_INDEX].size)
		return 0;
	s->dw = dwarf_begin_elf(s->elf, DWARF_C_READ, NULL);
	if (!s->dw)
		return err_set(why, -EBADMSG, "dwarf: %s", dwarf_errmsg(-1));
	return 0;
}

static int
sections_unpack(struct dwarf_sections *s, const struct found *found, bool split, struct err *why)
{
	struct packed p[DWARF_SECTIONS] = {0};
	int r;

	for (int i = 0; i < DWARF_SECTIONS; i++)
		if (found[i].scn && packed_from(&found[i], &p[i]))
			p[i].name = section_names[i];
	r = image_make(s, p, split ? ".dwo" : "", why);
	if (r == 0)
		r = sections_begin(s, s->image, s->image_size, why);
	if (r == 0) {
		munmap(s->map, s->map_size);
		s->map = NULL;
	}
	return r;
}

int
dwarf_sections_open(struct dwarf_sections *s, int fd, bool split, struct err *why)
{
	struct found found[DWARF_SECTIONS];
	struct stat st;
	int r;

	memset(s, 0, sizeof(*s));
	elf_version(EV_CURRENT);
	if (fstat(fd, &st) < 0)
		return err_sys(why, -errno, "dwarf: fstat");
	if (st.st_size < (off_t)sizeof(Elf64_Ehdr))
		return err_set(why, -ENOEXEC, "dwarf: only %lld bytes", (long long)st.st_size);
	s->map_size = (size_t)st.st_size;
	/* Writable, for libelf may put its own idea of a section's bytes in place; the file is safe. */
	s->map = mmap(NULL, s->map_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, fd, 0);
	if (s->map == MAP_FAILED) {
		s->map = NULL;
		return err_sys(why, -errno, "dwarf: mmap");
	}
	r = sections_begin(s, s->map, s->map_size, why);
	if (r == 0 && sections_find(s->elf, found, split))
		r = sections_unpack(s, found, split, why);
	if (r == 0)
		r = sections_ready(s, split, why);
	if (r < 0)
		dwarf_sections_close(s);
	return r;
}

int
dwarf_sections_make(struct dwarf_sections *s, const struct dwarf_span *spans, struct err *why)
{
	struct packed p[DWARF_SECTIONS] = {0};
	int r;

	memset(s, 0, sizeof(*s));
	elf_version(EV_CURRENT);
	for (int i = 0; i < DWARF_SECTIONS; i++)
		if (spans[i].size)
			p[i] = (struct packed){section_names[i], spans[i], spans[i].size, 0};
	r = image_make(s, p, ".dwo", why);
	if (r == 0)
		r = sections_begin(s, s->image, s->image_size, why);
	if (r == 0)
		r = sections_ready(s, true, why);
	if (r < 0)
		dwarf_sections_close(s);
	return r;
}

void
dwarf_sections_close(struct dwarf_sections *s)
{
	dwarf_end(s->dw);
	elf_end(s->elf);
	if (s->map)
		munmap(s->map, s->map_size);
	if (s->image)
		munmap(s->image, s->image_size);
	memset(s, 0, sizeof(*s));
}

void
dwarf_sections_release(const struct dwarf_sections *s)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), map = (uintptr_t)s->map;

	/* Only sections, and only in the file: libelf keeps notes elsewhere, and an image has no
	 * file to come back from. */
	for (int i = 0; s->map && i < DWARF_SECTIONS; i++) {
		uintptr_t from = (uintptr_t)s->span[i].data, end = from + s->span[i].size;

		if (from < map || end > map + s->map_size)
			continue;
		from = (from + page - 1) & ~(page - 1);
		end &= ~(page - 1);
		if (from < end)
			madvise((void *)from, end - from, MADV_DONTNEED);
	}
}

/* ---- what is in them ---- */

bool
dwarf_sections_altlink(const struct dwarf_sections *s, const char **name, struct dwarf_span *id)
{
	struct dwarf_cur c = dwarf_cur_of(s->span[DWARF_ALTLINK]);

	*name = dwarf_cur_string(&c);
	*id = (struct dwarf_span){c.p, dwarf_cur_left(&c)};
	return *name && **name;
}

bool
dwarf_sections_has_build_id(const struct dwarf_sections *s, struct dwarf_span id)
{
	struct dwarf_cur c = dwarf_cur_of(s->span[DWARF_BUILD_ID]);
	uint64_t name_bytes = dwarf_cur_fixed(&c, 4);
	uint64_t id_bytes = dwarf_cur_fixed(&c, 4);
	const unsigned char *bytes;

	dwarf_cur_fixed(&c, 4); /* type: the section has one note only */
	dwarf_cur_take(&c, (name_bytes + 3) & ~(uint64_t)3);
	bytes = dwarf_cur_take(&c, id_bytes);
	return bytes && id_bytes == id.size && !memcmp(bytes, id.data, id.size);
}

const char *
dwarf_sections_string(const struct dwarf_sections *s, const char *string)
{
	static const enum dwarf_section places[] = {DWARF_STR, DWARF_INFO, DWARF_LINE_STR};
	uintptr_t at = (uintptr_t)string;

	for (size_t i = 0; string && i < sizeof(places) / sizeof(places[0]); i++) {
		struct dwarf_span span = s->span[places[i]];
		uintptr_t from = (uintptr_t)span.data;

		if (span.data && at >= from && at - from < span.size)
			return dwarf_span_string(span, at - from);
	}
	return NULL;
}
