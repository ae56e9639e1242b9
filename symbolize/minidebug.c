#include "config.h"

#include "symbolize/minidebug.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

#include <lzma.h>

/* The dictionary of `xz -9` is 64 MB. */
#define DECODER_BYTES (128u << 20)
#define ROOM_FIRST    65536

static int
grow(unsigned char **bytes, size_t *cap, size_t max)
{
	size_t more = *cap ? *cap * 2 : ROOM_FIRST;
	unsigned char *p;

	if (*cap >= max)
		return -EFBIG;
	if (more > max)
		more = max;
	p = realloc(*bytes, more);
	if (!p)
		return -ENOMEM;
	*bytes = p;
	*cap = more;
	return 0;
}

int
minidebug_unpack(const void *packed, size_t packed_n, size_t max, void **bytes, size_t *n, struct err *why)
{
	lzma_stream s = LZMA_STREAM_INIT;
	unsigned char *out = NULL;
	size_t cap = 0;
	lzma_ret z;
	int r = 0;

	if (lzma_stream_decoder(&s, DECODER_BYTES, 0) != LZMA_OK)
		return err_set(why, -ENOMEM, ".gnu_debugdata: no xz decoder");
	s.next_in = packed;
	s.avail_in = packed_n;
	do {
		if (s.avail_out == 0) {
			size_t had = cap;

			r = grow(&out, &cap, max);
			if (r < 0)
				break;
			s.next_out = out + had;
			s.avail_out = cap - had;
		}
		z = lzma_code(&s, LZMA_FINISH);
	} while (z == LZMA_OK);
	if (r == 0 && z != LZMA_STREAM_END)
		r = z == LZMA_MEM_ERROR || z == LZMA_MEMLIMIT_ERROR ? -ENOMEM : -EBADMSG;
	if (r == 0) {
		*bytes = out;
		*n = s.total_out;
		out = NULL;
	}
	lzma_end(&s);
	free(out);
	return r < 0 ? err_sys(why, r, ".gnu_debugdata: xz (at most %zu bytes)", max) : 0;
}
