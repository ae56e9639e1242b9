#include "config.h"

#include "symbolize/image.h"

#include <elf.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

static void
image_note(struct image *im, const struct image_segment *s)
{
	const unsigned char *p = im->data + s->offset;
	size_t left = s->filesz;

	while (left >= sizeof(Elf64_Nhdr)) {
		Elf64_Nhdr n;
		size_t name, desc;

		memcpy(&n, p, sizeof(n));
		name = ((size_t)n.n_namesz + 3) & ~(size_t)3;
		desc = ((size_t)n.n_descsz + 3) & ~(size_t)3;
		if (name > left - sizeof(n) || desc > left - sizeof(n) - name)
			return;
		if (n.n_type == NT_GNU_BUILD_ID && n.n_namesz == 4 && n.n_descsz > 0 &&
		    n.n_descsz <= IMAGE_BUILD_ID_MAX && !memcmp(p + sizeof(n), "GNU", 4)) {
			memcpy(im->build_id, p + sizeof(n) + name, n.n_descsz);
			im->build_id_len = n.n_descsz;
			return;
		}
		p += sizeof(n) + name + desc;
		left -= sizeof(n) + name + desc;
	}
}

static void
image_segments(struct image *im, const Elf64_Ehdr *eh)
{
	for (size_t i = 0; i < eh->e_phnum && im->n_segments < IMAGE_SEGMENTS_MAX; i++) {
		uint64_t at = eh->e_phoff + i * sizeof(Elf64_Phdr);
		struct image_segment *s = &im->segments[im->n_segments];
		Elf64_Phdr ph;

		if (at < eh->e_phoff || at > im->size || im->size - at < sizeof(ph))
			return;
		memcpy(&ph, im->data + at, sizeof(ph));
		if (ph.p_offset > im->size || ph.p_vaddr > UINT64_MAX - ph.p_memsz)
			continue;
		s->type = ph.p_type;
		s->flags = ph.p_flags;
		s->offset = ph.p_offset;
		s->vaddr = ph.p_vaddr;
		s->filesz = ph.p_filesz < im->size - ph.p_offset ? ph.p_filesz : im->size - ph.p_offset;
		s->memsz = ph.p_memsz;
		im->n_segments++;
		if (s->type == PT_NOTE && !im->build_id_len)
			image_note(im, s);
	}
}

int
image_open(struct image *im, int fd, struct err *why)
{
	struct stat st;
	Elf64_Ehdr eh;
	void *at;

	memset(im, 0, sizeof(*im));
	if (fstat(fd, &st) < 0)
		return err_sys(why, -errno, "elf: fstat");
	if ((uint64_t)st.st_size < sizeof(eh))
		return err_set(why, -ENOEXEC, "elf: only %lld bytes", (long long)st.st_size);
	at = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (at == MAP_FAILED)
		return err_sys(why, -errno, "elf: mmap");
	im->data = at;
	im->size = (size_t)st.st_size;
	memcpy(&eh, im->data, sizeof(eh));
	if (memcmp(eh.e_ident, ELFMAG, SELFMAG) || eh.e_ident[EI_CLASS] != ELFCLASS64 ||
	    eh.e_ident[EI_DATA] != ELFDATA2LSB || eh.e_phentsize != sizeof(Elf64_Phdr)) {
		image_close(im);
		return err_set(why, -ENOEXEC, "elf: not a 64-bit little-endian ELF file");
	}
	im->type = eh.e_type;
	im->machine = eh.e_machine;
	im->entry = eh.e_entry;
	image_segments(im, &eh);
	return 0;
}

void
image_close(struct image *im)
{
	if (im->data)
		munmap((void *)(uintptr_t)im->data, im->size);
	memset(im, 0, sizeof(*im));
}

size_t
image_left(const struct image *im, uint64_t vaddr)
{
	for (size_t i = 0; i < im->n_segments; i++) {
		const struct image_segment *s = &im->segments[i];

		if (s->type == PT_LOAD && vaddr >= s->vaddr && vaddr - s->vaddr < s->filesz)
			return s->filesz - (vaddr - s->vaddr);
	}
	return 0;
}

const void *
image_at(const struct image *im, uint64_t vaddr, size_t n)
{
	for (size_t i = 0; i < im->n_segments; i++) {
		const struct image_segment *s = &im->segments[i];

		if (s->type == PT_LOAD && vaddr >= s->vaddr && vaddr - s->vaddr < s->filesz &&
		    n <= s->filesz - (vaddr - s->vaddr))
			return im->data + s->offset + (vaddr - s->vaddr);
	}
	return NULL;
}

int
image_vaddr(const struct image *im, uint64_t place, uint64_t *vaddr)
{
	int r = -ENOENT;

	for (size_t i = 0; i < im->n_segments; i++) {
		const struct image_segment *s = &im->segments[i];

		if (s->type != PT_LOAD || place < s->offset || place - s->offset >= s->filesz)
			continue;
		if (r == 0 && !(s->flags & PF_X))
			continue;
		*vaddr = s->vaddr + (place - s->offset);
		r = 0;
		if (s->flags & PF_X)
			break;
	}
	return r;
}

int
image_place(const struct image *im, uint64_t vaddr, uint64_t *place)
{
	for (size_t i = 0; i < im->n_segments; i++) {
		const struct image_segment *s = &im->segments[i];

		if (s->type == PT_LOAD && vaddr >= s->vaddr && vaddr - s->vaddr < s->filesz) {
			*place = s->offset + (vaddr - s->vaddr);
			return 0;
		}
	}
	return -ENOENT;
}

const struct image_segment *
image_segment(const struct image *im, uint32_t type)
{
	for (size_t i = 0; i < im->n_segments; i++)
		if (im->segments[i].type == type)
			return &im->segments[i];
	return NULL;
}
