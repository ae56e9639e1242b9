/*
 * Rows as a child that was taken over may write them: refused, or looked up and followed without a
 * bad access. Input: registers sp and fp as offsets into the stack (u16 each), the stack's size in
 * words (u8), the stack, the rows' file.
 */
#include "config.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/rows.h"
#include "collector/unwind.h"

#define CODE 0x400000u
#define CODE_BYTES 0x100000u
#define STACK 0x7ffff0000000u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct source {
	struct unwind_map map;
	const uint8_t *data;
	size_t size;
};

static const struct unwind_map *
find_map(void *ctx, uint64_t addr)
{
	const struct source *s = ctx;

	return addr >= s->map.start && addr < s->map.end ? &s->map : NULL;
}

/* The process's memory: the input, over and over. */
static size_t
read_memory(void *ctx, uint64_t addr, void *to, size_t n)
{
	const struct source *s = ctx;

	for (size_t i = 0; i < n; i++)
		((uint8_t *)to)[i] = s->data[(addr + i) % s->size];
	return n;
}

static void
follow(const struct rows *rows, const uint8_t *data, size_t size, size_t words)
{
	struct source s = { { .start = CODE, .end = CODE + CODE_BYTES, .rows = rows }, data, size };
	struct unwind_source from = { .ctx = &s, .map = find_map, .read = read_memory };
	struct unwind_sample sample = { .stack_bytes = words * 8 };
	static struct unwind_cache cache;
	static struct unwind_result out;
	unsigned char *stack = malloc(words * 8 + 1);
	uint16_t sp, fp;

	if (!stack)
		return;
	memcpy(&sp, data, 2);
	memcpy(&fp, data + 2, 2);
	memcpy(stack, data + 5, words * 8);
	sample.stack = stack;
	for (size_t i = 0; i < UNWIND_REGS; i++)
		sample.reg[i] = STACK + sp + 8 * i;
	sample.reg[UNWIND_SP] = STACK;
	sample.reg[UNWIND_FP] = STACK + fp;
	sample.reg[UNWIND_IP] = CODE + (sp * 16u) % CODE_BYTES;
	/* First with nothing remembered, then with what was found out about the code. */
	memset(&cache, 0, sizeof(cache));
	for (int i = 0; i < 3; i++) {
		unwind_stack(&from, &sample, &out);
		if (out.n > UNWIND_FRAMES_MAX || out.end > UNWIND_LOOP)
			abort();
		for (size_t k = 0; k < out.n; k++)
			if (!find_map(&s, out.frames[k].addr))
				abort();
		from.cache = &cache;
	}
	free(stack);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t words = size > 4 ? data[4] : 0, head = 5 + words * 8;
	struct rows rows;
	uint64_t end;
	int fd;

	if (size < head)
		return 0;
	fd = memfd_create("rows", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0 || write(fd, data + head, size - head) != (ssize_t)(size - head) ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
		abort();
	if (rows_open(&rows, fd, NULL) == 0) {
		for (uint64_t place = 0; place < CODE_BYTES; place += 4099)
			if (rows_find(&rows, place, &end) && end == 0)
				abort();
		follow(&rows, data, size, words);
		rows_close(&rows);
	}
	close(fd);
	return 0;
}
