/*
 * go_fake_node.h - a running Go program for unit tests: functions of go_maker.h, goroutines in a fake
 * memory.
 */
#ifndef PPD_TESTS_GO_FAKE_NODE_H
#define PPD_TESTS_GO_FAKE_NODE_H

#include <stdio.h>
#include <stdlib.h>

#include "symbolize/go_g.h"
#include "symbolize/go_node.h"
#include "tests/unit/fake_memory.h"
#include "tests/unit/go_maker.h"

#define FAKE_DATA         0x800000u     /* the program's variables: the slice allgs */
#define FAKE_HEAP         0xc000000000u /* records of goroutines and threads, allgs' list */
#define FAKE_STACKS       0xc100000000u
#define FAKE_HEAP_BYTES   (1u << 18)
#define FAKE_STACKS_BYTES (1u << 18)
#define FAKE_STACK        0x2000u /* bytes of each */
#define FAKE_BIAS         0x10000000u

enum {
	FAKE_GOEXIT,
	FAKE_GOPARK,
	FAKE_WORK,
	FAKE_CREATE,
	FAKE_RUNFINQ,
	FAKE_BGSWEEP,
	FAKE_CLEANUPS,
	FAKE_SYSTEMSTACK,
	FAKE_SIGTRAMP,
	FAKE_SPIN,
	FAKE_CHANRECV,
	FAKE_CHANRECV1,
	FAKE_FUNCTIONS
};

#define FAKE_FRAME(n)                                                                                      \
	{                                                                                                  \
		{ 0, 16 },                                                                                 \
		{                                                                                          \
			n, 0xf0                                                                            \
		}                                                                                          \
	}
static const struct go_made_func fake_functions[FAKE_FUNCTIONS] = {
	[FAKE_GOEXIT] = { "runtime.goexit", .flag = 1, .sp = { { 0, 0x100 } } },
	[FAKE_GOPARK] = { "runtime.gopark", .sp = FAKE_FRAME(16) },
	[FAKE_WORK] = { "main.work", .sp = FAKE_FRAME(24) },
	[FAKE_CREATE] = { "main.create", .sp = FAKE_FRAME(8) },
	[FAKE_RUNFINQ] = { "runtime.runfinq", .sp = FAKE_FRAME(8) },
	[FAKE_BGSWEEP] = { "runtime.bgsweep", .sp = FAKE_FRAME(8) },
	[FAKE_CLEANUPS] = { "runtime.runCleanups", .sp = FAKE_FRAME(8) },
	[FAKE_SYSTEMSTACK] = { "runtime.systemstack_switch", .sp = FAKE_FRAME(8) },
	[FAKE_SIGTRAMP] = { "runtime.sigtramp", .flag = 1, .sp = FAKE_FRAME(32) },
	[FAKE_SPIN] = { "main.spin", .sp = FAKE_FRAME(8) },
	[FAKE_CHANRECV] = { "runtime.chanrecv", .sp = FAKE_FRAME(32) },
	[FAKE_CHANRECV1] = { "runtime.chanrecv1", .sp = FAKE_FRAME(8) },
};

struct go_fake_node {
	struct go_made made;
	struct fake_memory fake;
	struct go_node n;
	unsigned char data[64];
	unsigned char *heap, *stacks; /* owned */
	uint64_t heap_used;
	uint32_t n_stacks;
	uint64_t list; /* of goroutines */
	uint64_t count;
};

static inline unsigned char *
go_fake_at(struct go_fake_node *f, uint64_t addr)
{
	return addr >= FAKE_STACKS ? f->stacks + (addr - FAKE_STACKS) : f->heap + (addr - FAKE_HEAP);
}

static inline void
go_fake_put(struct go_fake_node *f, uint64_t addr, uint64_t v)
{
	memcpy(go_fake_at(f, addr), &v, 8);
}

static inline uint64_t
go_fake_room(struct go_fake_node *f, uint64_t n)
{
	uint64_t at = FAKE_HEAP + f->heap_used;

	f->heap_used += (n + 15) & ~(uint64_t)15;
	return at;
}

static inline uint64_t
go_fake_pc(uint32_t function, uint32_t off)
{
	return GO_MADE_TEXT + function * GO_MADE_FUNC_BYTES + off + FAKE_BIAS;
}

/* allgs: {list, count, capacity}. */
static inline void
go_fake_set_list(struct go_fake_node *f)
{
	uint64_t slice[3] = { f->list, f->count, 4096 };

	memcpy(f->data, slice, sizeof(slice));
}

static inline void
go_fake_init(struct go_fake_node *f, uint32_t minor)
{
	memset(f, 0, sizeof(*f));
	f->heap = calloc(1, FAKE_HEAP_BYTES);
	f->stacks = calloc(1, FAKE_STACKS_BYTES);
	if (!f->heap || !f->stacks)
		abort();
	go_make(&f->made, fake_functions, FAKE_FUNCTIONS, EM_X86_64);
	fake_memory_init(&f->fake);
	fake_memory_add(&f->fake, FAKE_DATA, f->data, sizeof(f->data));
	fake_memory_add(&f->fake, FAKE_HEAP, f->heap, FAKE_HEAP_BYTES);
	fake_memory_add(&f->fake, FAKE_STACKS, f->stacks, FAKE_STACKS_BYTES);
	f->n = (struct go_node){
		.mem = &f->fake.mem,
		.im = &f->made.im,
		.module = f->made.m,
		.at = go_offsets_find(minor),
		.minor = minor,
		.bias = FAKE_BIAS,
		.roots = { .allgs = FAKE_DATA },
	};
	snprintf(f->n.version, sizeof(f->n.version), "go1.%u.0", minor);
	f->list = go_fake_room(f, 4096 * 8);
	go_fake_set_list(f);
}

static inline void
go_fake_fini(struct go_fake_node *f)
{
	free(f->heap);
	free(f->stacks);
}

static inline void
go_fake_set(struct go_fake_node *f, uint64_t record, uint16_t at, uint64_t v)
{
	go_fake_put(f, record + at, v);
}

/* The highest addresses of a new stack. */
static inline uint64_t
go_fake_stack(struct go_fake_node *f)
{
	return FAKE_STACKS + (uint64_t)++f->n_stacks * FAKE_STACK;
}

/* Push a frame, from the outermost one in: where its caller goes on, and its own bytes below. */
static inline uint64_t
go_fake_push(struct go_fake_node *f, uint64_t sp, uint64_t ret, uint32_t bytes)
{
	go_fake_put(f, sp - 8, ret);
	return sp - 8 - bytes;
}

/* A goroutine that began with a function, without frames: hi is its stack's end. */
static inline uint64_t
go_fake_g(struct go_fake_node *f, uint64_t goid, uint32_t status, uint32_t start, uint64_t *hi)
{
	const struct go_offsets *at = f->n.at;
	uint64_t g = go_fake_room(f, at->g_size);

	*hi = go_fake_stack(f);
	go_fake_set(f, g, at->g_stack_lo, *hi - FAKE_STACK);
	go_fake_set(f, g, at->g_stack_hi, *hi);
	memcpy(go_fake_at(f, g + at->g_status), &status, 4);
	go_fake_set(f, g, at->g_goid, goid);
	go_fake_set(f, g, at->g_startpc, go_fake_pc(start, 0));
	go_fake_set(f, g, at->g_gopc, go_fake_pc(FAKE_CREATE, 40));
	if (at->g_parent_goid != GO_ABSENT)
		go_fake_set(f, g, at->g_parent_goid, 1);
	go_fake_put(f, f->list + 8 * f->count++, g);
	go_fake_set_list(f);
	return g;
}

static inline uint8_t
go_fake_reason(const struct go_fake_node *f, const char *name)
{
	for (uint8_t i = 0; f->n.at->wait_reasons[i]; i++)
		if (!strcmp(f->n.at->wait_reasons[i], name))
			return i;
	abort();
}

/* It waits in gopark, which `start` called. */
static inline uint64_t
go_fake_parked(struct go_fake_node *f, uint64_t goid, uint32_t start, const char *reason)
{
	const struct go_offsets *at = f->n.at;
	uint64_t hi, g = go_fake_g(f, goid, GO_G_WAITING, start, &hi), sp;

	sp = go_fake_push(f, hi, go_fake_pc(FAKE_GOEXIT, 1), start == FAKE_WORK ? 24 : 8);
	sp = go_fake_push(f, sp, go_fake_pc(start, 60), 16);
	go_fake_set(f, g, at->g_sched_pc, go_fake_pc(FAKE_GOPARK, 50));
	go_fake_set(f, g, at->g_sched_sp, sp);
	*go_fake_at(f, g + at->g_waitreason) = go_fake_reason(f, reason);
	return g;
}

/* A thread that runs g: g.m and m.curg, a stack of its own and one for its signals. */
static inline uint64_t
go_fake_m(struct go_fake_node *f, uint64_t g, uint64_t tid, uint64_t *own_hi, uint64_t *signal_hi)
{
	const struct go_offsets *at = f->n.at;
	uint64_t m = go_fake_room(f, 2048), g0 = go_fake_room(f, at->g_size),
		 gsignal = go_fake_room(f, at->g_size);

	*own_hi = go_fake_stack(f);
	*signal_hi = go_fake_stack(f);
	go_fake_set(f, g0, at->g_stack_lo, *own_hi - FAKE_STACK);
	go_fake_set(f, g0, at->g_stack_hi, *own_hi);
	go_fake_set(f, gsignal, at->g_stack_lo, *signal_hi - FAKE_STACK);
	go_fake_set(f, gsignal, at->g_stack_hi, *signal_hi);
	go_fake_set(f, m, at->m_g0, g0);
	go_fake_set(f, m, at->m_gsignal, gsignal);
	go_fake_set(f, m, at->m_procid, tid);
	go_fake_set(f, m, at->m_curg, g);
	go_fake_set(f, g, at->g_m, m);
	return m;
}

#endif
