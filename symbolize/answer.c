#include "config.h"

#include "symbolize/answer.h"

#include <errno.h>
#include <string.h>

#define FIXED_BYTES 26 /* place, vaddr, entry, flags, k */
#define FRAME_BYTES 14 /* line, start_line, three lengths */

static size_t
cut_length(const char *s)
{
	return strnlen(s, CHAIN_STRING_MAX);
}

static size_t
frame_bytes(const struct answer_frame *f)
{
	return FRAME_BYTES + cut_length(f->name) + cut_length(f->system_name) + cut_length(f->file);
}

int
answer_encode(struct buf *b, const struct answer *a)
{
	size_t bytes = FIXED_BYTES, before = b->len;
	uint32_t first = a->n;

	/* From the physical function inwards, as far as there is room: its one frame always fits. */
	while (first > 0 && a->n - first < CHAIN_MAX &&
	       bytes + frame_bytes(&a->frames[first - 1]) <= ANSWER_MAX)
		bytes += frame_bytes(&a->frames[--first]);
	buf_u64(b, a->place);
	buf_u64(b, a->vaddr);
	buf_u64(b, a->entry);
	buf_u8(b, a->flags);
	buf_u8(b, (uint8_t)(a->n - first));
	for (uint32_t i = first; i < a->n; i++) {
		const struct answer_frame *f = &a->frames[i];

		buf_u32(b, f->line);
		buf_u32(b, f->start_line);
		buf_str(b, f->name, cut_length(f->name));
		buf_str(b, f->system_name, cut_length(f->system_name));
		buf_str(b, f->file, cut_length(f->file));
	}
	return buf_error(b) ? buf_error(b) : (int)(b->len - before);
}

int
answer_head(struct cur *c, struct answer_head *out)
{
	const unsigned char *begin = c->p;
	unsigned int k;
	size_t n;

	out->place = cur_u64(c);
	out->vaddr = cur_u64(c);
	cur_u64(c);
	out->flags = cur_u8(c);
	k = cur_u8(c);
	if (k == 0 || k > CHAIN_MAX)
		return -EBADMSG;
	for (; k; k--) {
		cur_bytes(c, 8);
		for (int i = 0; i < 3; i++) {
			cur_str(c, &n);
			if (n > CHAIN_STRING_MAX)
				return -EBADMSG;
		}
	}
	if (cur_error(c) < 0)
		return -EBADMSG;
	out->bytes = begin;
	out->n = (size_t)(c->p - begin);
	return 0;
}
