/*
 * go_maker.h - a Go program's tables by hand, for unit tests and fuzzers: functions with their frame sizes,
 * inlined calls and flags. Made for go_module's readers, not for its search: no ELF file.
 */
#ifndef PPD_TESTS_GO_MAKER_H
#define PPD_TESTS_GO_MAKER_H

#include <elf.h>
#include <stdint.h>
#include <string.h>

#include "symbolize/go_module.h"

#define GO_MADE_TEXT       0x401000u
#define GO_MADE_FUNC_BYTES 0x100u
#define GO_MADE_FUNCS_MAX  32u
#define GO_MADE_WRAPPER    23 /* funcID */
/* Where things are in the file, which begins at the table's header. */
#define GO_MADE_VADDR  0x600000u
#define GO_MADE_NAMES  0x100u
#define GO_MADE_VALUES 0x1000u
#define GO_MADE_TREES  0x2000u
#define GO_MADE_FUNCS  0x3000u
#define GO_MADE_BYTES  0x5000u

struct go_made_run {
	int32_t value;
	uint32_t bytes;
};

struct go_made_call {
	const char *callee;
	uint32_t parent; /* offset in the function */
	uint8_t id;
};

struct go_made_func {
	const char *name;
	uint8_t id, flag;
	struct go_made_run sp[6];      /* frame size by instruction; none: no table */
	struct go_made_run inlined[6]; /* index in `calls` by instruction */
	struct go_made_call calls[4];
};

struct go_made {
	unsigned char bytes[GO_MADE_BYTES];
	struct image im;
	struct go_layout layout;
	struct go_module m;
	uint32_t names, values, trees; /* used */
};

static inline void
go_made_put(struct go_made *g, uint32_t at, uint32_t v)
{
	memcpy(g->bytes + at, &v, sizeof(v));
}

static inline uint32_t
go_made_name(struct go_made *g, const char *name)
{
	uint32_t off = g->names;

	strcpy((char *)g->bytes + GO_MADE_NAMES + off, name);
	g->names += (uint32_t)strlen(name) + 1;
	return off;
}

static inline void
go_made_varint(struct go_made *g, uint32_t v)
{
	do {
		g->bytes[GO_MADE_VALUES + g->values++] = (unsigned char)(v > 0x7f ? v | 0x80 : v);
		v >>= 7;
	} while (v);
}

static inline uint32_t
go_made_runs(struct go_made *g, const struct go_made_run *runs, size_t max)
{
	uint32_t off = g->values;
	int32_t was = -1;

	if (runs[0].bytes == 0)
		return 0;
	for (size_t i = 0; i < max && runs[i].bytes; i++) {
		int32_t change = runs[i].value - was;

		go_made_varint(g, ((uint32_t)change << 1) ^ (uint32_t)(change >> 31));
		go_made_varint(g, runs[i].bytes);
		was = runs[i].value;
	}
	go_made_varint(g, 0);
	return off;
}

/* An inline tree: where it is among the funcdata, or UINT32_MAX. */
static inline uint32_t
go_made_tree(struct go_made *g, const struct go_made_func *f)
{
	uint32_t off = g->trees;

	if (!f->calls[0].callee)
		return UINT32_MAX;
	for (size_t i = 0; i < 4 && f->calls[i].callee; i++, g->trees += 16) {
		g->bytes[GO_MADE_TREES + g->trees] = f->calls[i].id;
		go_made_put(g, GO_MADE_TREES + g->trees + 4, go_made_name(g, f->calls[i].callee));
		go_made_put(g, GO_MADE_TREES + g->trees + 8, f->calls[i].parent);
	}
	return off;
}

static inline void
go_made_add(struct go_made *g, uint32_t i, const struct go_made_func *f)
{
	uint32_t rec = 0x200 + i * 0x60, e = GO_MADE_FUNCS + rec + 4;

	go_made_put(g, GO_MADE_FUNCS + 8 * i, i * GO_MADE_FUNC_BYTES);
	go_made_put(g, GO_MADE_FUNCS + 8 * i + 4, rec);
	go_made_put(g, e - 4, i * GO_MADE_FUNC_BYTES);
	go_made_put(g, e, go_made_name(g, f->name));
	go_made_put(g, e + 12, go_made_runs(g, f->sp, 6));
	go_made_put(g, e + 24, 3); /* pcdata tables */
	g->bytes[e + 36] = f->id;
	g->bytes[e + 37] = f->flag;
	g->bytes[e + 39] = 4; /* pieces of funcdata */
	go_made_put(g, e + 40 + 8, go_made_runs(g, f->inlined, 6));
	go_made_put(g, e + 52 + 12, go_made_tree(g, f));
}

/* The layout of Go 1.20 and later. g must stay where it is. */
static inline void
go_make(struct go_made *g, const struct go_made_func *funcs, uint32_t n, uint16_t machine)
{
	memset(g, 0, sizeof(*g));
	g->names = g->values = 1;
	for (uint32_t i = 0; i < n; i++)
		go_made_add(g, i, &funcs[i]);
	go_made_put(g, GO_MADE_FUNCS + 8 * n, n * GO_MADE_FUNC_BYTES);
	g->layout = (struct go_layout){
		.magic = 0xfffffff1,
		.word = 4,
		.start_line = 32,
		.ids = 36,
		.call_bytes = 16,
		.call_name = 4,
		.call_parent = 8,
		.call_start = 12,
	};
	g->im = (struct image){
		.data = g->bytes, .size = sizeof(g->bytes), .machine = machine, .n_segments = 1
	};
	g->im.segments[0] = (struct image_segment){
		.type = PT_LOAD,
		.vaddr = GO_MADE_VADDR,
		.filesz = sizeof(g->bytes),
		.memsz = sizeof(g->bytes),
	};
	g->m = (struct go_module){
		.im = &g->im,
		.layout = &g->layout,
		.base = g->bytes,
		.bytes = sizeof(g->bytes),
		.vaddr = GO_MADE_VADDR,
		.names = GO_MADE_NAMES,
		.values = GO_MADE_VALUES,
		.funcs = GO_MADE_FUNCS,
		.n_funcs = n,
		.quantum = 1,
		.text = GO_MADE_TEXT,
		.min_pc = GO_MADE_TEXT,
		.max_pc = GO_MADE_TEXT + n * GO_MADE_FUNC_BYTES,
		.func_data = GO_MADE_VADDR + GO_MADE_TREES,
		.proved = true,
	};
}

#endif
