#include "config.h"

#include "symbolize/go_version.h"

#include <elf.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define RECORD_BYTES 32 /* magic, size of a pointer, flags; behind them a string, or two pointers */
#define RECORD_ALIGN 16
#define FLAG_INLINE  2  /* since Go 1.18: a length as a varint, and the text */
#define TRIES_MAX    64 /* records that are looked at in one file */

static const unsigned char magic[14] = "\xff Go buildinf:";

static void
copy_clean(char out[GO_VERSION_MAX], const unsigned char *s, size_t n)
{
	if (n > GO_VERSION_MAX - 1)
		n = GO_VERSION_MAX - 1;
	for (size_t i = 0; i < n; i++)
		out[i] = s[i] > 0x20 && s[i] < 0x7f ? (char)s[i] : ' ';
	out[n] = '\0';
}

/* Up to Go 1.17: the address of a Go string, which is an address and a length. In a file that is
 * position-independent these are zeros, and the version stays unknown. */
static bool
read_pointers(const struct image *im, const unsigned char *rec, char out[GO_VERSION_MAX])
{
	uint64_t at, str[2];
	const void *p;

	memcpy(&at, rec + 16, sizeof(at));
	p = image_at(im, at, sizeof(str));
	if (!p)
		return false;
	memcpy(str, p, sizeof(str));
	p = str[1] > 0 && str[1] < GO_VERSION_MAX ? image_at(im, str[0], str[1]) : NULL;
	if (p)
		copy_clean(out, p, str[1]);
	return p != NULL;
}

static bool
read_record(const struct image *im, const unsigned char *rec, size_t left, char out[GO_VERSION_MAX])
{
	size_t n;

	if (!(rec[15] & FLAG_INLINE))
		return read_pointers(im, rec, out);
	/* No version is as long as a varint of two bytes. */
	n = left > RECORD_BYTES ? rec[RECORD_BYTES] : 0;
	if (n == 0 || n > 127 || left - RECORD_BYTES - 1 < n)
		return false;
	copy_clean(out, rec + RECORD_BYTES + 1, n);
	return true;
}

struct search {
	uint32_t min, max;
	unsigned int tries;
};

static bool
search_segment(const struct image *im, const struct image_segment *s, struct search *how, char *out)
{
	const unsigned char *from = im->data + s->offset, *p = from, *end = from + s->filesz;

	while (how->tries < TRIES_MAX && (p = memmem(p, (size_t)(end - p), magic, sizeof(magic)))) {
		uint64_t vaddr = s->vaddr + (uint64_t)(p - from);
		uint32_t minor;

		how->tries++;
		if (vaddr % RECORD_ALIGN == 0 && end - p >= RECORD_BYTES &&
		    read_record(im, p, (size_t)(end - p), out)) {
			minor = go_version_minor(out);
			if (minor == 0 || (minor >= how->min && minor <= how->max))
				return true;
		}
		p++;
	}
	return false;
}

int
go_version_read(const struct image *im, uint32_t min, uint32_t max, char out[GO_VERSION_MAX])
{
	struct search how = { .min = min, .max = max };

	/* Linkers put it at the head of the data; a program's own constants stand before that. */
	for (int writable = 1; writable >= 0; writable--)
		for (size_t i = 0; i < im->n_segments; i++) {
			const struct image_segment *s = &im->segments[i];

			if (s->type == PT_LOAD && !!(s->flags & PF_W) == writable &&
			    search_segment(im, s, &how, out))
				return 0;
		}
	out[0] = '\0';
	return -ENOENT;
}

uint32_t
go_version_minor(const char *version)
{
	const char *p = strstr(version, "go");
	unsigned long major, minor;
	char *end;

	while (p && !(p[2] >= '1' && p[2] <= '9'))
		p = strstr(p + 1, "go");
	if (!p)
		return 0;
	major = strtoul(p + 2, &end, 10);
	if (major > 1)
		return GO_MINOR_NEWER;
	if (*end != '.' || end[1] < '0' || end[1] > '9')
		return 0;
	minor = strtoul(end + 1, NULL, 10);
	return minor < GO_MINOR_NEWER ? (uint32_t)minor : GO_MINOR_NEWER;
}
