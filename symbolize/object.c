#include "config.h"

#include "symbolize/object.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <bfd.h>
#include <elf.h>

#include "symbolize/dynsym.h"

#define FILES_MAX 4
/* How far a search goes back for an enclosing symbol. */
#define BACK_MAX 256

struct symbol {
	uint64_t start, end;
	uint64_t reach; /* the largest end of this and all earlier ones */
	const char *name;
	bool global;
	bool sized;
};

/* Symbols sorted by start. */
struct symbols {
	struct symbol *at;
	size_t n, cap;
	bool sorted;
};

/* The bytes that libbfd reads from, and what it made of them. */
struct file {
	const unsigned char *bytes;
	size_t n;
	bfd *bfd;
};

struct object {
	const struct image *im;
	struct file files[FILES_MAX]; /* [0]: the object itself */
	size_t n_files;
	struct symbols functions; /* with a size */
	struct symbols labels;    /* without one, or without a type: assembly */
	struct symbols plt;
	bool plt_read;
	asymbol *synthetic; /* owned; its names are in the same block */
	asymbol **dynamic;  /* owned */
	char *link_name;    /* owned */
};

/* ---- libbfd over bytes in memory */

static void *
file_open(struct bfd *abfd, void *closure)
{
	(void)abfd;
	return closure;
}

static file_ptr
file_pread(struct bfd *abfd, void *stream, void *to, file_ptr n, file_ptr offset)
{
	const struct file *f = stream;

	(void)abfd;
	if (offset < 0 || n < 0 || (uint64_t)offset >= f->n)
		return 0;
	if ((uint64_t)n > f->n - (uint64_t)offset)
		n = (file_ptr)(f->n - (uint64_t)offset);
	memcpy(to, f->bytes + offset, (size_t)n);
	return n;
}

static int
file_close(struct bfd *abfd, void *stream)
{
	(void)abfd;
	(void)stream;
	return 0;
}

static int
file_stat(struct bfd *abfd, void *stream, struct stat *st)
{
	const struct file *f = stream;

	(void)abfd;
	memset(st, 0, sizeof(*st));
	st->st_mode = S_IFREG | 0444;
	st->st_size = (off_t)f->n;
	return 0;
}

/* Its messages hold names out of the file; what failed shows in what it returns. */
static void __attribute__((format(printf, 1, 0))) say_nothing(const char *fmt, va_list ap)
{
	(void)fmt;
	(void)ap;
}

/* f->bfd stays NULL where libbfd does not take the bytes for an ELF file. */
static void
file_init(struct file *f, const void *bytes, size_t n)
{
	static bool ready;

	if (!ready) {
		bfd_init();
		bfd_set_error_handler(say_nothing);
		ready = true;
	}
	f->bytes = bytes;
	f->n = n;
	/* By name: else libbfd tries all its formats on the bytes. */
	f->bfd = bfd_openr_iovec("object", "elf64-x86-64", file_open, f, file_pread, file_close, file_stat);
	if (f->bfd && !bfd_check_format(f->bfd, bfd_object)) {
		bfd_close(f->bfd);
		f->bfd = NULL;
	}
}

/* ---- the tables */

static int
symbols_add(struct symbols *s, struct symbol symbol)
{
	if (s->n == OBJECT_SYMBOLS_MAX)
		return 0;
	if (s->n == s->cap) {
		size_t cap = s->cap ? s->cap * 2 : 1024;
		struct symbol *at = realloc(s->at, cap * sizeof(*at));

		if (!at)
			return -ENOMEM;
		s->at = at;
		s->cap = cap;
	}
	s->at[s->n++] = symbol;
	s->sorted = false;
	return 0;
}

/* Of two names for one place: a global one, then one with fewer underscores before it, then the
 * shorter one. The vdso's own names come first, for they say where one is. */
static int
name_order(const struct symbol *a, const struct symbol *b)
{
	bool vdso_a = !strncmp(a->name, "__vdso_", 7), vdso_b = !strncmp(b->name, "__vdso_", 7);
	size_t under_a = strspn(a->name, "_"), under_b = strspn(b->name, "_");
	size_t len_a, len_b;

	if (vdso_a != vdso_b)
		return vdso_a ? -1 : 1;
	if (a->global != b->global)
		return a->global ? -1 : 1;
	if (under_a != under_b)
		return under_a < under_b ? -1 : 1;
	len_a = strlen(a->name);
	len_b = strlen(b->name);
	if (len_a != len_b)
		return len_a < len_b ? -1 : 1;
	return strcmp(a->name, b->name);
}

/* By start; the worst name first, because a search looks from the end. */
static int
symbol_order(const void *va, const void *vb)
{
	const struct symbol *a = va, *b = vb;

	if (a->start != b->start)
		return a->start < b->start ? -1 : 1;
	return name_order(b, a);
}

static void
symbols_sort(struct symbols *s)
{
	uint64_t reach = 0;

	if (s->sorted)
		return;
	if (s->n)
		qsort(s->at, s->n, sizeof(*s->at), symbol_order);
	for (size_t i = 0; i < s->n; i++) {
		if (s->at[i].end > reach)
			reach = s->at[i].end;
		s->at[i].reach = reach;
	}
	s->sorted = true;
}

/* Index of the first symbol that starts after vaddr. */
static size_t
symbols_after(const struct symbols *s, uint64_t vaddr)
{
	size_t low = 0, high = s->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (s->at[mid].start <= vaddr)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* The innermost symbol that covers vaddr. */
static const struct symbol *
symbols_find(struct symbols *s, uint64_t vaddr)
{
	size_t i;

	symbols_sort(s);
	i = symbols_after(s, vaddr);
	for (size_t back = 0; i > 0 && back < BACK_MAX; back++) {
		i--;
		if (vaddr < s->at[i].end)
			return &s->at[i];
		if (s->at[i].reach <= vaddr)
			return NULL;
	}
	return NULL;
}

/* The executable segment that holds vaddr. */
static const struct image_segment *
code_segment(const struct image *im, uint64_t vaddr)
{
	for (size_t i = 0; i < im->n_segments; i++) {
		const struct image_segment *s = &im->segments[i];

		if (s->type == PT_LOAD && (s->flags & PF_X) && vaddr >= s->vaddr &&
		    vaddr - s->vaddr < s->memsz)
			return s;
	}
	return NULL;
}

/* limit: where its section or segment ends. */
static int
object_add(struct object *o, const char *name, uint64_t start, uint64_t size, uint64_t limit, bool function,
	   bool global)
{
	struct symbol s = { .start = start, .name = name, .global = global, .sized = size != 0 };
	const struct image_segment *seg = code_segment(o->im, start);

	if (!*name || !seg)
		return 0;
	if (limit <= start || limit > seg->vaddr + seg->memsz)
		limit = seg->vaddr + seg->memsz;
	if (size == 0) {
		s.end = limit - start < OBJECT_UNSIZED_MAX ? limit : start + OBJECT_UNSIZED_MAX;
		return symbols_add(&o->labels, s);
	}
	s.end = size < limit - start ? start + size : limit;
	return symbols_add(function ? &o->functions : &o->labels, s);
}

/* ---- where symbols come from */

static bool
is_code_type(unsigned int type)
{
	return type == STT_FUNC || type == STT_GNU_IFUNC || type == STT_NOTYPE;
}

/* A symbol table that was not spoiled has all functions that the dynamic one has, and more. */
static bool
has_dynamic(const struct object *o, const struct dynsym *d)
{
	size_t functions = 0;

	for (size_t i = 0; i < d->n; i++) {
		Elf64_Sym sym;

		memcpy(&sym, d->symbols + i * sizeof(sym), sizeof(sym));
		functions += ELF64_ST_TYPE(sym.st_info) == STT_FUNC && sym.st_shndx != SHN_UNDEF;
	}
	return o->functions.n > functions;
}

static int
add_dynamic(struct object *o)
{
	struct dynsym d;
	int r = 0;

	if (dynsym_open(&d, o->im) < 0 || has_dynamic(o, &d))
		return 0;
	for (size_t i = 0; r == 0 && i < d.n; i++) {
		Elf64_Sym sym;
		const char *name;
		unsigned int type;

		if (dynsym_get(&d, i, &sym, &name) < 0)
			continue;
		type = ELF64_ST_TYPE(sym.st_info);
		if (sym.st_shndx == SHN_UNDEF || sym.st_shndx == SHN_ABS || !is_code_type(type))
			continue;
		r = object_add(o, name, sym.st_value, sym.st_size, 0, type != STT_NOTYPE,
			       ELF64_ST_BIND(sym.st_info) != STB_LOCAL);
	}
	return r;
}

/* The bytes of the file's first SHT_SYMTAB, for the sizes. */
static const unsigned char *
raw_symtab(const struct file *f, size_t *n)
{
	Elf64_Ehdr eh;
	Elf64_Shdr sh;

	*n = 0;
	if (f->n < sizeof(eh))
		return NULL;
	memcpy(&eh, f->bytes, sizeof(eh));
	for (size_t i = 0; i < eh.e_shnum; i++) {
		uint64_t at = eh.e_shoff + i * sizeof(sh);

		if (at < eh.e_shoff || at > f->n || f->n - at < sizeof(sh))
			return NULL;
		memcpy(&sh, f->bytes + at, sizeof(sh));
		if (sh.sh_type != SHT_SYMTAB)
			continue;
		if (sh.sh_offset > f->n || sh.sh_size > f->n - sh.sh_offset)
			return NULL;
		*n = sh.sh_size / sizeof(Elf64_Sym);
		return f->bytes + sh.sh_offset;
	}
	return NULL;
}

/* st_size of libbfd's symbol i, which is the table's i + 1; 0 where the two do not agree. */
static uint64_t
raw_size(const unsigned char *raw, size_t raw_n, size_t i, uint64_t value)
{
	Elf64_Sym sym;

	if (i + 1 >= raw_n)
		return 0;
	memcpy(&sym, raw + (i + 1) * sizeof(sym), sizeof(sym));
	return sym.st_value == value ? sym.st_size : 0;
}

static int
add_table(struct object *o, const struct file *f)
{
	const flagword other = BSF_OBJECT | BSF_SECTION_SYM | BSF_FILE | BSF_THREAD_LOCAL | BSF_DEBUGGING |
			       BSF_RELC | BSF_SRELC;
	const unsigned char *raw;
	asymbol **table;
	size_t raw_n;
	long bytes, n;
	int r = 0;

	if (!f->bfd)
		return 0;
	bytes = bfd_get_symtab_upper_bound(f->bfd);
	if (bytes <= 0 || (size_t)bytes / sizeof(*table) > OBJECT_SYMBOLS_MAX)
		return 0;
	table = malloc((size_t)bytes);
	if (!table)
		return -ENOMEM;
	n = bfd_canonicalize_symtab(f->bfd, table);
	raw = raw_symtab(f, &raw_n);
	for (long i = 0; r == 0 && i < n; i++) {
		const asymbol *s = table[i];
		uint64_t start;

		if (!s->name || !s->section || bfd_is_und_section(s->section) || (s->flags & other))
			continue;
		start = s->value + s->section->vma;
		/* A symbol between sections, the end marks (_etext): they name no code. */
		if (bfd_is_abs_section(s->section))
			continue;
		r = object_add(o, s->name, start, raw_size(raw, raw_n, (size_t)i, start),
			       s->section->vma + s->section->size,
			       s->flags & (BSF_FUNCTION | BSF_GNU_INDIRECT_FUNCTION),
			       !(s->flags & BSF_LOCAL));
	}
	free(table);
	return r;
}

static const asection *
plt_section(const struct object *o, uint64_t vaddr)
{
	bfd *abfd = o->files[0].bfd;

	for (const asection *s = abfd ? abfd->sections : NULL; s; s = s->next)
		if (vaddr >= s->vma && vaddr - s->vma < s->size && (s->flags & SEC_CODE) &&
		    (!strncmp(s->name, ".plt", 4) || !strcmp(s->name, ".iplt")))
			return s;
	return NULL;
}

/* Read when an address in a PLT is first asked for: the whole dynamic table goes through libbfd. */
static void
add_plt(struct object *o)
{
	bfd *abfd = o->files[0].bfd;
	long bytes = bfd_get_dynamic_symtab_upper_bound(abfd), n;

	o->plt_read = true;
	if (bytes <= 0 || (size_t)bytes / sizeof(*o->dynamic) > OBJECT_SYMBOLS_MAX)
		return;
	o->dynamic = malloc((size_t)bytes);
	if (!o->dynamic)
		return;
	n = bfd_canonicalize_dynamic_symtab(abfd, o->dynamic);
	if (n <= 0)
		return;
	n = bfd_get_synthetic_symtab(abfd, 0, NULL, n, o->dynamic, &o->synthetic);
	for (long i = 0; i < n; i++) {
		const asymbol *s = &o->synthetic[i];
		uint64_t start = s->value + s->section->vma;

		/* An entry is 8 bytes (.plt.got) or 16. */
		symbols_add(&o->plt,
			    (struct symbol){
				    .start = start, .end = start + 16, .name = s->name, .sized = true });
	}
}

/* ---- the interface */

int
object_open(struct object **out, const struct image *im)
{
	struct object *o = calloc(1, sizeof(*o));
	int r;

	if (!o)
		return -ENOMEM;
	o->im = im;
	file_init(&o->files[o->n_files++], im->data, im->size);
	r = add_table(o, &o->files[0]);
	if (r == 0)
		r = add_dynamic(o);
	if (r < 0) {
		object_free(o);
		return r;
	}
	*out = o;
	return 0;
}

void
object_free(struct object *o)
{
	if (!o)
		return;
	free(o->functions.at);
	free(o->labels.at);
	free(o->plt.at);
	free(o->synthetic);
	free(o->dynamic);
	free(o->link_name);
	for (size_t i = 0; i < o->n_files; i++)
		if (o->files[i].bfd)
			bfd_close(o->files[i].bfd);
	free(o);
}

int
object_add_file(struct object *o, const void *bytes, size_t n, struct err *why)
{
	struct file *f;

	if (o->n_files == FILES_MAX)
		return err_set(why, -EFBIG, "more than %d files of one object", FILES_MAX);
	f = &o->files[o->n_files];
	file_init(f, bytes, n);
	if (!f->bfd)
		return err_set(why, -ENOEXEC, "libbfd: %s", bfd_errmsg(bfd_get_error()));
	o->n_files++;
	return add_table(o, f);
}

uint64_t
object_next(struct object *o, uint64_t vaddr)
{
	uint64_t next = UINT64_MAX;
	size_t i;

	symbols_sort(&o->functions);
	symbols_sort(&o->labels);
	i = symbols_after(&o->functions, vaddr);
	if (i < o->functions.n)
		next = o->functions.at[i].start;
	i = symbols_after(&o->labels, vaddr);
	if (i < o->labels.n && o->labels.at[i].start < next)
		next = o->labels.at[i].start;
	return next;
}

static int
give(const struct symbol *s, bool plt, struct object_symbol *out)
{
	out->name = s->name;
	out->start = s->start;
	out->end = s->end;
	out->sized = s->sized;
	out->plt = plt;
	return 0;
}

int
object_find(struct object *o, uint64_t vaddr, struct object_symbol *out)
{
	const struct symbol *s;

	if (plt_section(o, vaddr)) {
		if (!o->plt_read)
			add_plt(o);
		s = symbols_find(&o->plt, vaddr);
		if (s)
			return give(s, true, out);
	}
	s = symbols_find(&o->functions, vaddr);
	if (s)
		return give(s, false, out);
	s = symbols_find(&o->labels, vaddr);
	if (!s)
		return -ENOENT;
	give(s, false, out);
	/* A label holds up to whatever comes next. */
	if (!s->sized && object_next(o, s->start) < out->end)
		out->end = object_next(o, s->start);
	return vaddr < out->end ? 0 : -ENOENT;
}

int
object_debug_link(struct object *o, const char **name, uint32_t *crc)
{
	unsigned long sum;

	if (!o->files[0].bfd)
		return -ENOENT;
	free(o->link_name);
	o->link_name = bfd_get_debug_link_info(o->files[0].bfd, &sum);
	if (!o->link_name)
		return -ENOENT;
	*name = o->link_name;
	*crc = (uint32_t)sum;
	return 0;
}

int
object_section(struct object *o, const char *name, size_t max, void **bytes, size_t *n)
{
	bfd *abfd = o->files[0].bfd;
	asection *s = abfd ? bfd_get_section_by_name(abfd, name) : NULL;
	bfd_byte *copy = NULL;

	if (!s || !(s->flags & SEC_HAS_CONTENTS) || s->size == 0)
		return -ENOENT;
	if (s->size > max)
		return -EFBIG;
	if (!bfd_malloc_and_get_section(abfd, s, &copy)) {
		free(copy);
		return -ENOMEM;
	}
	*bytes = copy;
	*n = s->size;
	return 0;
}

size_t
object_build_id(const void *bytes, size_t n, unsigned char id[IMAGE_BUILD_ID_MAX])
{
	struct file f;
	size_t len = 0;

	file_init(&f, bytes, n);
	if (!f.bfd)
		return 0;
	if (f.bfd->build_id && f.bfd->build_id->size <= IMAGE_BUILD_ID_MAX) {
		len = f.bfd->build_id->size;
		memcpy(id, f.bfd->build_id->data, len);
	}
	bfd_close(f.bfd);
	return len;
}
