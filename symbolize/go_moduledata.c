#include "config.h"

#include "symbolize/go_moduledata.h"

#include <elf.h>
#include <errno.h>
#include <string.h>

#include "symbolize/go_func.h"
#include "symbolize/go_inltree.h"

#define CANDIDATES_MAX 64 /* words that hold the header's address; one is usual */
#define TREES_MIN 64      /* inline trees that are looked at, where there are so many, ... */
#define CALLS_MAX 32      /* ... and entries of each */

/* Words of the record; these have not moved since Go 1.16. */
enum {
	HEADER, NAMES, UNITS = 4, FILES = 7, VALUES = 10, TABLE = 13, TABLE_LEN, FTAB = 16, FTAB_LEN,
	MIN_PC = 20, MAX_PC, TEXT, ETEXT, FIRST_MOVED
};

/* Where gofunc was: Go 1.18-1.19, 1.20-1.26, 1.27. */
static const uint8_t func_data_known[] = { 38, 40, 43 };

static void
read_words(struct go_moduledata *d, const struct go_module *m, const struct go_reloc *r, uint64_t vaddr)
{
	size_t n = image_left(m->im, vaddr);
	const void *from;

	memset(d, 0, sizeof(*d));
	d->vaddr = vaddr;
	if (n > sizeof(d->word))
		n = sizeof(d->word);
	from = image_at(m->im, vaddr, n);
	if (!from)
		return;
	memcpy(d->word, from, n);
	go_reloc_apply(r, vaddr, (unsigned char *)d->word, n);
}

static int
is_record(struct go_moduledata *d, const struct go_module *m)
{
	const uint64_t *w = d->word;

	if (w[HEADER] != m->vaddr || w[NAMES] != m->vaddr + m->names || w[UNITS] != m->vaddr + m->units ||
	    w[FILES] != m->vaddr + m->files || w[VALUES] != m->vaddr + m->values ||
	    w[TABLE] != m->vaddr + m->funcs || w[FTAB] != m->vaddr + m->funcs ||
	    w[FTAB_LEN] != (uint64_t)m->n_funcs + 1)
		return 0;
	if (w[TEXT] > w[MIN_PC] || w[MIN_PC] >= w[MAX_PC] || w[TABLE_LEN] > m->bytes - m->funcs)
		return 0;
	d->text = w[TEXT];
	d->table_end = w[TABLE] + w[TABLE_LEN];
	return 1;
}

/* The header's address as a word of the file: not position-independent, or relocated by DT_RELR. */
static int
find_word(struct go_moduledata *d, const struct go_module *m, const struct go_reloc *r)
{
	unsigned int tried = 0;

	for (size_t i = 0; i < m->im->n_segments; i++) {
		const struct image_segment *s = &m->im->segments[i];
		uint64_t skip = -s->vaddr & 7;

		if (s->type != PT_LOAD || (s->flags & PF_X))
			continue;
		for (uint64_t at = skip; at < s->filesz && s->filesz - at >= 8; at += 8) {
			uint64_t word;

			memcpy(&word, m->im->data + s->offset + at, sizeof(word));
			if (word != m->vaddr)
				continue;
			read_words(d, m, r, s->vaddr + at);
			if (is_record(d, m))
				return 0;
			if (++tried >= CANDIDATES_MAX)
				return -ENOENT;
		}
	}
	return -ENOENT;
}

int
go_moduledata_find(struct go_moduledata *d, const struct go_module *m, const struct go_reloc *r)
{
	uint64_t at[CANDIDATES_MAX];
	size_t n = go_reloc_find(r, m->vaddr, at, CANDIDATES_MAX);

	for (size_t i = 0; i < n; i++) {
		read_words(d, m, r, at[i]);
		if (is_record(d, m))
			return 0;
	}
	return find_word(d, m, r);
}

/* Do the functions' inline trees make sense with this base? 1: yes, 0: no, -1: nothing is inlined. */
static int
trees_fit(struct go_module *m, uint64_t base)
{
	uint32_t good = 0, bad = 0, trees = 0;

	m->func_data = base;
	for (uint32_t i = 0; i < m->n_funcs && trees < TREES_MIN; i++) {
		struct go_inltree t;
		struct go_func f;

		if (!go_func_get(m, i, &f))
			continue;
		go_inltree_init(&t, m, &f);
		if (!t.index)
			continue;
		trees++;
		go_inltree_check(&t, CALLS_MAX, &good, &bad);
	}
	m->func_data = 0;
	if (trees == 0)
		return -1;
	return good > 0 && bad <= good / 16;
}

void
go_moduledata_func_data(const struct go_moduledata *d, struct go_module *m)
{
	uint64_t tried[GO_MODULEDATA_WORDS + sizeof(func_data_known)];
	size_t n = 0;

	m->func_data = 0;
	if (m->layout->word == 8)
		return;
	for (size_t i = 0; i < sizeof(func_data_known); i++)
		tried[n++] = d->word[func_data_known[i]];
	for (size_t i = FIRST_MOVED; i < GO_MODULEDATA_WORDS; i++)
		tried[n++] = d->word[i];
	for (size_t i = 0; i < n; i++) {
		int fit = tried[i] && image_left(m->im, tried[i]) ? trees_fit(m, tried[i]) : 0;

		if (fit > 0)
			m->func_data = tried[i];
		if (fit != 0)
			return;
	}
}
