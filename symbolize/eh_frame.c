#include "config.h"

#include "symbolize/eh_frame.h"

#include <elf.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* Of the encodings' low and high half (LSB 5.0 core, tables 10-5 and 10-6). */
enum {
	PE_ABSPTR = 0x00, PE_ULEB = 0x01, PE_U2 = 0x02, PE_U4 = 0x03, PE_U8 = 0x04,
	PE_SLEB = 0x09, PE_S2 = 0x0a, PE_S4 = 0x0b, PE_S8 = 0x0c,
	PE_PCREL = 0x10, PE_ALIGNED = 0x50, PE_INDIRECT = 0x80,
};

#define AUGMENTATION_MAX 16 /* "zPLR", "zRS": four letters in practice */
#define ENTRIES_MAX (4 << 20) /* a browser has one million */

uint64_t
eh_uleb(struct cur *c)
{
	uint64_t v = 0;

	for (unsigned int shift = 0; shift < 70; shift += 7) {
		uint8_t b = cur_u8(c);

		if (shift < 64)
			v |= (uint64_t)(b & 0x7f) << shift;
		if (!(b & 0x80))
			return v;
	}
	c->bad = true;
	return 0;
}

int64_t
eh_sleb(struct cur *c)
{
	uint64_t v = 0;

	for (unsigned int shift = 0; shift < 70; shift += 7) {
		uint8_t b = cur_u8(c);

		if (shift < 64)
			v |= (uint64_t)(b & 0x7f) << shift;
		if (b & 0x80)
			continue;
		if ((b & 0x40) && shift + 7 < 64)
			v |= UINT64_MAX << (shift + 7);
		return (int64_t)v;
	}
	c->bad = true;
	return 0;
}

static uint64_t
read_value(struct cur *c, uint8_t form)
{
	switch (form) {
	case PE_ABSPTR:
	case PE_U8:
	case PE_S8:
		return cur_u64(c);
	case PE_ULEB:
		return eh_uleb(c);
	case PE_SLEB:
		return (uint64_t)eh_sleb(c);
	case PE_U2:
		return cur_u16(c);
	case PE_S2:
		return (uint64_t)(int64_t)(int16_t)cur_u16(c);
	case PE_U4:
		return cur_u32(c);
	case PE_S4:
		return (uint64_t)(int64_t)(int32_t)cur_u32(c);
	default:
		c->bad = true;
		return 0;
	}
}

uint64_t
eh_frame_address(const struct eh_frame *f, struct cur *c, uint8_t encoding)
{
	uint64_t here = f->vaddr + (uint64_t)(c->p - f->data), v;

	if (encoding == EH_PE_OMIT)
		return 0;
	if (encoding == PE_ALIGNED) {
		cur_bytes(c, (size_t)(-here & 7));
		return cur_u64(c);
	}
	v = read_value(c, encoding & 0x0f);
	switch (encoding & 0x70) {
	case 0:
		break;
	case PE_PCREL:
		v += here;
		break;
	default:
		/* Relative to text, data or the function: no x86-64 tool makes these here. */
		c->bad = true;
	}
	/* An indirect address is filled in by the dynamic linker: the file does not have it.
	 * Only personality routines are stored so, and those we skip. */
	return v;
}

/* .eh_frame_hdr: version, three encodings, then the address of .eh_frame. */
static int
find_section(const struct image *im, const struct image_segment *hdr, uint64_t *vaddr)
{
	size_t left = hdr->filesz;
	const unsigned char *data = image_at(im, hdr->vaddr, left);
	struct cur c;
	uint8_t encoding;

	if (!data || left < 4 || data[0] != 1 || data[1] == EH_PE_OMIT)
		return -EBADMSG;
	encoding = data[1];
	cur_init(&c, data, left);
	cur_bytes(&c, 4);
	*vaddr = read_value(&c, encoding & 0x0f);
	switch (encoding & 0xf0) {
	case 0:
		break;
	case PE_PCREL:
		*vaddr += hdr->vaddr + 4;
		break;
	case 0x30: /* relative to .eh_frame_hdr */
		*vaddr += hdr->vaddr;
		break;
	default:
		return -EBADMSG;
	}
	return cur_error(&c);
}

/* A section header by its index; false where the file has not all of it. */
static bool
section_header(const struct image *im, const Elf64_Ehdr *eh, size_t i, Elf64_Shdr *sh)
{
	uint64_t at = eh->e_shoff + i * sizeof(*sh);

	if (i >= eh->e_shnum || at < eh->e_shoff || at > im->size || im->size - at < sizeof(*sh))
		return false;
	memcpy(sh, im->data + at, sizeof(*sh));
	return true;
}

/* .eh_frame by its section header. */
static int
find_by_name(const struct image *im, uint64_t *vaddr)
{
	static const char name[] = ".eh_frame";
	Elf64_Shdr names, sh;
	Elf64_Ehdr eh;

	if (im->size < sizeof(eh))
		return -ENOENT;
	memcpy(&eh, im->data, sizeof(eh));
	if (eh.e_shentsize != sizeof(sh) || !section_header(im, &eh, eh.e_shstrndx, &names) ||
	    names.sh_offset > im->size || names.sh_size > im->size - names.sh_offset)
		return -ENOENT;
	for (size_t i = 0; section_header(im, &eh, i, &sh); i++) {
		if (sh.sh_name > names.sh_size || names.sh_size - sh.sh_name < sizeof(name) ||
		    memcmp(im->data + names.sh_offset + sh.sh_name, name, sizeof(name)) ||
		    !(sh.sh_flags & SHF_ALLOC))
			continue;
		*vaddr = sh.sh_addr;
		return 0;
	}
	return -ENOENT;
}

int
eh_frame_open(struct eh_frame *f, const struct image *im, struct err *why)
{
	const struct image_segment *hdr = image_segment(im, PT_GNU_EH_FRAME);

	memset(f, 0, sizeof(*f));
	f->cie_at = SIZE_MAX;
	if (!hdr && find_by_name(im, &f->vaddr) < 0)
		return err_set(why, -ENOENT, "unwind: no PT_GNU_EH_FRAME, no .eh_frame");
	if (hdr && find_section(im, hdr, &f->vaddr) < 0)
		return err_set(why, -EBADMSG, "unwind: .eh_frame_hdr at 0x%llx is spoiled (LSB 10.6.2)",
			       (unsigned long long)hdr->vaddr);
	f->bytes = image_left(im, f->vaddr);
	f->data = f->bytes ? image_at(im, f->vaddr, f->bytes) : NULL;
	if (!f->data)
		return err_set(why, -EBADMSG, "unwind: .eh_frame at 0x%llx is not in the file",
			       (unsigned long long)f->vaddr);
	return 0;
}

/* The letters after 'z' say what its augmentation data holds (LSB 5.0 core, 10.6.1.1.1). */
static void
read_augmentation(const struct eh_frame *f, struct cur *c, const char *letters, size_t n,
		  struct eh_cie *cie)
{
	uint64_t length = eh_uleb(c);
	const unsigned char *data = c->p;
	struct cur d;

	cie->sized = true;
	if (!cur_bytes(c, length))
		return;
	cur_init(&d, data, length);
	for (size_t i = 1; i < n; i++) {
		switch (letters[i]) {
		case 'R':
			cie->encoding = cur_u8(&d);
			break;
		case 'P': {
			uint8_t encoding = cur_u8(&d);

			eh_frame_address(f, &d, encoding & (uint8_t)~PE_INDIRECT);
			break;
		}
		case 'L':
			cur_u8(&d);
			break;
		case 'S':
			cie->signal = true;
			break;
		case 'B': /* arm64: return addresses are signed with the B key */
		case 'G': /* arm64: memory tagging */
			break;
		default:
			c->bad = true;
		}
	}
	if (cur_error(&d) < 0)
		c->bad = true;
}

/* The content of an entry: its length is read here, its bounds are checked. */
static int
entry_body(const struct eh_frame *f, size_t at, struct cur *body)
{
	struct cur c;
	uint64_t length;

	cur_init(&c, f->data + at, f->bytes - at);
	length = cur_u32(&c);
	if (length == UINT32_MAX)
		length = cur_u64(&c);
	if (cur_error(&c) < 0 || length > cur_left(&c))
		return -EBADMSG;
	cur_init(body, c.p, (size_t)length);
	return 0;
}

static int
read_cie(struct eh_frame *f, size_t at)
{
	struct eh_cie *cie = &f->cie;
	const char *letters;
	struct cur c;
	uint8_t version;
	size_t n;

	f->cie_at = SIZE_MAX;
	memset(cie, 0, sizeof(*cie));
	if (entry_body(f, at, &c) < 0 || cur_u32(&c) != 0)
		return -EBADMSG;
	version = cur_u8(&c);
	letters = (const char *)c.p;
	n = strnlen(letters, cur_left(&c) < AUGMENTATION_MAX ? cur_left(&c) : AUGMENTATION_MAX);
	if (!cur_bytes(&c, n + 1) || letters[n] != '\0')
		return -EBADMSG;
	if (version == 4) { /* address and segment selector sizes */
		if (cur_u8(&c) != 8 || cur_u8(&c) != 0)
			return -EBADMSG;
	} else if (version != 1 && version != 3) {
		return -EBADMSG;
	}
	if (n >= 2 && !memcmp(letters, "eh", 2)) { /* GCC 2: a pointer follows */
		cur_u64(&c);
		letters += 2;
		n -= 2;
	}
	cie->code_align = eh_uleb(&c);
	cie->data_align = eh_sleb(&c);
	cie->return_column = version == 1 ? cur_u8(&c) : eh_uleb(&c);
	if (n > 0 && letters[0] == 'z')
		read_augmentation(f, &c, letters, n, cie);
	else if (n > 0)
		return -EBADMSG;
	if (cur_error(&c) < 0)
		return -EBADMSG;
	cie->program = c;
	f->cie_at = at;
	return 0;
}

/* c stands behind the CIE pointer, which was at `field`. */
static int
read_fde(struct eh_frame *f, struct cur *c, size_t field, uint32_t back, struct eh_fde *fde)
{
	if (back > field)
		return -EBADMSG;
	if (f->cie_at != field - back && read_cie(f, field - back) < 0)
		return -EBADMSG;
	fde->cie = &f->cie;
	fde->cie_at = f->cie_at;
	fde->start = eh_frame_address(f, c, f->cie.encoding);
	fde->size = read_value(c, f->cie.encoding & 0x0f);
	if (f->cie.sized)
		cur_bytes(c, eh_uleb(c));
	if (cur_error(c) < 0 || fde->start == 0 || fde->size == 0 ||
	    fde->size > UINT64_MAX - fde->start)
		return -EBADMSG;
	fde->program = *c;
	return 0;
}

int
eh_frame_read(struct eh_frame *f, size_t at, struct eh_fde *fde)
{
	size_t field;
	struct cur c;
	uint32_t back;

	if (at > f->bytes || entry_body(f, at, &c) < 0)
		return -EBADMSG;
	field = (size_t)(c.p - f->data);
	back = cur_u32(&c);
	if (cur_error(&c) < 0 || back == 0)
		return -EBADMSG;
	return read_fde(f, &c, field, back, fde);
}

int
eh_frame_next(struct eh_frame *f, struct eh_fde *fde, size_t *at)
{
	struct cur c;

	while (f->bytes - f->at >= 4) {
		size_t here = f->at;

		if (entry_body(f, here, &c) < 0)
			return 0;
		if (cur_left(&c) == 0) /* the terminator */
			return 0;
		f->at = (size_t)(c.end - f->data);
		if (eh_frame_read(f, here, fde) < 0)
			continue;
		*at = here;
		return 1;
	}
	return 0;
}

static int
by_start(const void *a, const void *b)
{
	const struct eh_entry *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return x->at < y->at ? -1 : x->at > y->at;
}

/* Where two entries claim the same code, the later start wins, then the later entry. */
static int
cut_overlaps(struct eh_entry *e, size_t n)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++) {
		if (i + 1 < n && e[i].size > e[i + 1].start - e[i].start)
			e[i].size = e[i + 1].start - e[i].start;
		if (e[i].size > 0)
			e[kept++] = e[i];
	}
	return (int)kept;
}

int
eh_frame_entries(struct eh_frame *f, struct eh_entry **out, struct err *why)
{
	struct eh_entry *e = NULL;
	size_t n = 0, cap = 0, at;
	bool sorted = true;
	struct eh_fde fde;

	*out = NULL;
	f->at = 0;
	while (n < ENTRIES_MAX && eh_frame_next(f, &fde, &at)) {
		if (n == cap) {
			struct eh_entry *more;

			cap = cap ? 2 * cap : 1024;
			more = realloc(e, cap * sizeof(*e));
			if (!more) {
				free(e);
				return err_set(why, -ENOMEM, "unwind: %zu entries", cap);
			}
			e = more;
		}
		e[n] = (struct eh_entry){ .start = fde.start, .size = fde.size, .at = at };
		sorted = sorted && (n == 0 || e[n - 1].start < fde.start);
		n++;
	}
	if (!sorted)
		qsort(e, n, sizeof(*e), by_start);
	*out = e;
	return cut_overlaps(e, n);
}
