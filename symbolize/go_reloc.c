#include "config.h"

#include "symbolize/go_reloc.h"

#include <elf.h>
#include <string.h>

void
go_reloc_init(struct go_reloc *r, const struct image *im)
{
	const struct image_segment *s = image_segment(im, PT_DYNAMIC);
	uint64_t vaddr = 0, bytes = 0;
	size_t left;

	memset(r, 0, sizeof(*r));
	r->relative = im->machine == EM_AARCH64 ? R_AARCH64_RELATIVE : R_X86_64_RELATIVE;
	if (!s)
		return;
	for (size_t at = 0; s->filesz - at >= sizeof(Elf64_Dyn); at += sizeof(Elf64_Dyn)) {
		Elf64_Dyn d;

		memcpy(&d, im->data + s->offset + at, sizeof(d));
		if (d.d_tag == DT_NULL)
			break;
		if (d.d_tag == DT_RELA)
			vaddr = d.d_un.d_ptr;
		else if (d.d_tag == DT_RELASZ)
			bytes = d.d_un.d_val;
	}
	left = image_left(im, vaddr);
	if (bytes > left)
		bytes = left;
	r->n = bytes / sizeof(Elf64_Rela);
	r->rela = r->n ? image_at(im, vaddr, r->n * sizeof(Elf64_Rela)) : NULL;
	if (!r->rela)
		r->n = 0;
}

/* Entry i, when it is one of ours. */
static int
go_reloc_get(const struct go_reloc *r, size_t i, Elf64_Rela *e)
{
	memcpy(e, r->rela + i * sizeof(*e), sizeof(*e));
	return ELF64_R_TYPE(e->r_info) == r->relative;
}

size_t
go_reloc_apply(const struct go_reloc *r, uint64_t vaddr, unsigned char *bytes, size_t n)
{
	size_t put = 0;

	for (size_t i = 0; i < r->n; i++) {
		Elf64_Rela e;

		if (!go_reloc_get(r, i, &e) || e.r_offset < vaddr || e.r_offset - vaddr > n ||
		    n - (e.r_offset - vaddr) < sizeof(uint64_t))
			continue;
		memcpy(bytes + (e.r_offset - vaddr), &e.r_addend, sizeof(e.r_addend));
		put++;
	}
	return put;
}

size_t
go_reloc_find(const struct go_reloc *r, uint64_t value, uint64_t *at, size_t max)
{
	size_t n = 0;

	for (size_t i = 0; i < r->n && n < max; i++) {
		Elf64_Rela e;

		if (go_reloc_get(r, i, &e) && (uint64_t)e.r_addend == value)
			at[n++] = e.r_offset;
	}
	return n;
}
