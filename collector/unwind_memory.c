#include "config.h"

#include "collector/unwind_memory.h"

#include <string.h>

#define PAGE 4096

void
unwind_memory_init(struct unwind_memory *m, const struct unwind_source *from,
		   const struct unwind_sample *sample)
{
	uint64_t sp = sample->reg[UNWIND_SP];
	size_t n = sample->stack_bytes;

	/* Not memset: the chunk is large, and empty says enough. */
	m->from = from;
	m->sample = sample;
	m->anchor_bytes = n < UNWIND_MEMORY_ANCHOR ? n : UNWIND_MEMORY_ANCHOR;
	m->anchor = sp + n - m->anchor_bytes;
	m->checked = m->same = m->late = false;
	m->chunk_at = 0;
	m->chunk_bytes = 0;
}

bool
unwind_memory_in_copy(const struct unwind_memory *m, uint64_t addr, size_t bytes)
{
	uint64_t off = addr - m->sample->reg[UNWIND_SP];

	return off < m->sample->stack_bytes && m->sample->stack_bytes - off >= bytes;
}

void
unwind_memory_vouch(struct unwind_memory *m, uint64_t addr, size_t bytes)
{
	if (!unwind_memory_in_copy(m, addr, bytes))
		return;
	m->anchor = addr;
	m->anchor_bytes = bytes;
	m->checked = false;
}

/*
 * The kernel's copy stops at a page that the thread never used, in the middle
 * of a large array as a rule. Reading such a page makes it present (the
 * kernel maps its page of zeros), and the thread's next samples are whole.
 */
static void
touch_gap(struct unwind_memory *m, uint64_t addr)
{
	uint64_t page = (m->sample->reg[UNWIND_SP] + m->sample->stack_bytes) & ~(uint64_t)(PAGE - 1);
	unsigned char byte;

	if (addr <= page || addr - page > UNWIND_MEMORY_GAP)
		return;
	for (; page < addr; page += PAGE)
		m->from->read(m->from->ctx, page, &byte, 1);
}

static bool
anchor_holds(struct unwind_memory *m, uint64_t addr)
{
	unsigned char now[UNWIND_MEMORY_ANCHOR];

	if (m->checked)
		return m->same;
	m->checked = true;
	touch_gap(m, addr);
	m->same = m->anchor_bytes > 0 &&
		  m->from->read(m->from->ctx, m->anchor, now, m->anchor_bytes) == m->anchor_bytes &&
		  !memcmp(now, m->sample->stack + (m->anchor - m->sample->reg[UNWIND_SP]), m->anchor_bytes);
	return m->same;
}

/* Have a chunk that holds the word. */
static bool
load_chunk(struct unwind_memory *m, uint64_t addr)
{
	uint64_t at = addr & ~(uint64_t)(UNWIND_MEMORY_CHUNK - 1);

	if (addr - at > UNWIND_MEMORY_CHUNK - sizeof(uint64_t))
		at = addr;
	if (m->chunk_bytes > 0 && m->chunk_at == at)
		return true;
	m->chunk_at = at;
	m->chunk_bytes = m->from->read(m->from->ctx, at, m->chunk, sizeof(m->chunk));
	if (m->chunk_bytes > sizeof(m->chunk))
		m->chunk_bytes = 0;
	return m->chunk_bytes > 0;
}

bool
unwind_word(struct unwind_memory *m, uint64_t addr, uint64_t *word)
{
	uint64_t off = addr - m->sample->reg[UNWIND_SP];

	if (unwind_memory_in_copy(m, addr, sizeof(*word))) {
		memcpy(word, m->sample->stack + off, sizeof(*word));
		return true;
	}
	if (!anchor_holds(m, addr) || !load_chunk(m, addr))
		return false;
	off = addr - m->chunk_at;
	if (m->chunk_bytes < sizeof(*word) || off > m->chunk_bytes - sizeof(*word))
		return false;
	memcpy(word, m->chunk + off, sizeof(*word));
	m->late = true;
	return true;
}
