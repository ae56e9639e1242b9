#include "config.h"

#include "symbolize/dynsym.h"

#include <errno.h>
#include <string.h>

/* What the linker's hash tables may claim. */
#define SYMBOLS_MAX (16u << 20)

struct tags {
	uint64_t symtab, strtab, strsz, hash, gnu_hash, flags_1;
};

static void
read_tags(const struct image *im, struct tags *t)
{
	const struct image_segment *s = image_segment(im, PT_DYNAMIC);

	memset(t, 0, sizeof(*t));
	if (!s)
		return;
	for (uint64_t at = 0; at + sizeof(Elf64_Dyn) <= s->filesz; at += sizeof(Elf64_Dyn)) {
		Elf64_Dyn d;

		memcpy(&d, im->data + s->offset + at, sizeof(d));
		switch (d.d_tag) {
		case DT_NULL:
			return;
		case DT_SYMTAB:
			t->symtab = d.d_un.d_ptr;
			break;
		case DT_STRTAB:
			t->strtab = d.d_un.d_ptr;
			break;
		case DT_STRSZ:
			t->strsz = d.d_un.d_val;
			break;
		case DT_HASH:
			t->hash = d.d_un.d_ptr;
			break;
		case DT_GNU_HASH:
			t->gnu_hash = d.d_un.d_ptr;
			break;
		case DT_FLAGS_1:
			t->flags_1 = d.d_un.d_val;
			break;
		}
	}
}

static uint32_t
word_at(const unsigned char *p, uint64_t i)
{
	uint32_t w;

	memcpy(&w, p + i * sizeof(w), sizeof(w));
	return w;
}

/* DT_HASH: nbucket, nchain, ...; a chain entry for each symbol. */
static size_t
count_hash(const struct image *im, uint64_t vaddr)
{
	const unsigned char *p = image_at(im, vaddr, 8);

	return p ? word_at(p, 1) : 0;
}

/* DT_GNU_HASH: nbuckets, first symbol, bloom words, shift; the bloom filter, the buckets, then a
 * word for each symbol from the first, whose lowest bit ends a chain. */
static size_t
count_gnu_hash(const struct image *im, uint64_t vaddr)
{
	size_t words = image_left(im, vaddr) / 4;
	const unsigned char *p = image_at(im, vaddr, words * 4);
	uint64_t buckets, first, bloom, chains;
	uint32_t last = 0;

	if (!p || words < 4)
		return 0;
	buckets = word_at(p, 0);
	first = word_at(p, 1);
	bloom = 4 + 2 * (uint64_t)word_at(p, 2);
	chains = bloom + buckets;
	if (chains > words)
		return 0;
	for (uint64_t i = bloom; i < chains; i++)
		if (word_at(p, i) > last)
			last = word_at(p, i);
	if (last < first)
		return first;
	while (last - first < words - chains && !(word_at(p, chains + last - first) & 1))
		last++;
	return (size_t)last + 1;
}

int
dynsym_open(struct dynsym *d, const struct image *im)
{
	struct tags t;
	size_t n, room;

	read_tags(im, &t);
	memset(d, 0, sizeof(*d));
	d->pie = t.flags_1 & DF_1_PIE;
	if (!t.symtab || !t.strtab)
		return -ENOENT;
	n = t.hash ? count_hash(im, t.hash) : 0;
	if (!n && t.gnu_hash)
		n = count_gnu_hash(im, t.gnu_hash);
	/* Without either, the strings usually follow the symbols. */
	if (!n && t.strtab > t.symtab)
		n = (t.strtab - t.symtab) / sizeof(Elf64_Sym);
	room = image_left(im, t.symtab) / sizeof(Elf64_Sym);
	if (n > room)
		n = room;
	if (n > SYMBOLS_MAX)
		n = SYMBOLS_MAX;
	room = image_left(im, t.strtab);
	d->strings_n = t.strsz && t.strsz < room ? t.strsz : room;
	d->strings = image_at(im, t.strtab, d->strings_n);
	d->symbols = image_at(im, t.symtab, n * sizeof(Elf64_Sym));
	if (!n || !d->strings_n || !d->strings || !d->symbols)
		return -ENOENT;
	d->n = n;
	return 0;
}

int
dynsym_get(const struct dynsym *d, size_t i, Elf64_Sym *sym, const char **name)
{
	memcpy(sym, d->symbols + i * sizeof(*sym), sizeof(*sym));
	if (sym->st_name >= d->strings_n ||
	    !memchr(d->strings + sym->st_name, '\0', d->strings_n - sym->st_name))
		return -EBADMSG;
	*name = d->strings + sym->st_name;
	return 0;
}
