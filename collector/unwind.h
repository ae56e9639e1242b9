/*
 * unwind.h - from registers and a copy of the stack to a list of frames.
 *
 * The input is what one perf sample carries: the user registers and the first
 * bytes of the stack, as the kernel copied them (perf_event_open(2),
 * PERF_SAMPLE_REGS_USER, PERF_SAMPLE_STACK_USER). Rules come from rows
 * (base/rows.h); where none covers an address, frame pointers and then a
 * guessed return address are tried. Pure: no file, no system call; memory that
 * the copy lacks, and the code bytes before a return address, come through
 * functions, so that stored samples replay without a process.
 */
#ifndef PPD_COLLECTOR_UNWIND_H
#define PPD_COLLECTOR_UNWIND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/rows.h"

#define UNWIND_FRAMES_MAX 512 /* user frames of a stack; deeper ones are cut at the root side */

/* x86-64 registers by DWARF number (psABI, figure 3.36): rax rdx rcx rbx rsi rdi rbp rsp r8-r15 rip */
enum { UNWIND_FP = 6, UNWIND_SP = 7, UNWIND_IP = 16, UNWIND_REGS = 17 };

/* One executable mapping of the node, as the unwinder needs it. */
struct unwind_map {
	uint32_t id;             /* what the frame will say */
	uint64_t start, end;     /* the node's addresses */
	uint64_t pgoff;          /* offset in the file of `start` */
	const struct rows *rows; /* NULL: none (JIT, unknown, spoiled) */
	bool jit;                /* executable memory without a file: frame pointers are the rule */
};

struct unwind_frame {
	uint32_t map;  /* unwind_map.id */
	uint64_t addr; /* the leaf's address; a caller's return address - 1; the interrupted
	                * instruction's own address below a signal frame */
};

/*
 * What was found out about addresses met before: their row, and what the code
 * there is like. All zeros to begin with. Belongs to one node, and to one thread
 * at a time. An entry holds for (unwind_map.id, address): clear it when ids begin
 * anew.
 */
#define UNWIND_CACHE_ENTRIES 1024 /* a power of two */

struct unwind_cached {
	uint64_t addr; /* 0: free */
	uint32_t map;
	uint32_t known; /* the unwinder's own bits */
	struct row row;
};

struct unwind_cache {
	struct unwind_cached entry[UNWIND_CACHE_ENTRIES];
	uint32_t guess_debt; /* guesses cost work: where they lead nowhere all the time, few are made */
};

struct unwind_source {
	void *ctx;
	struct unwind_cache *cache; /* NULL: none */
	/* The mapping that holds addr, or NULL. The result is valid during unwind_stack(). */
	const struct unwind_map *(*map)(void *ctx, uint64_t addr);
	/* Read n bytes of the node's memory now (after the sample was taken). Returns n or less. */
	size_t (*read)(void *ctx, uint64_t addr, void *to, size_t n);
};

struct unwind_sample {
	uint64_t reg[UNWIND_REGS];  /* by DWARF number */
	const unsigned char *stack; /* what the kernel copied from reg[UNWIND_SP] up */
	size_t stack_bytes;         /* its dynamic size */
	const uint64_t *chain;      /* the user addresses that the kernel found by frame pointers at the
	                             * sample's instant: the leaf, then return addresses; NULL: not asked
	                             * for. Used only where it can say what the copy of the stack cannot:
	                             * code that runs on another stack than its caller's (ROW_SWITCH) */
	size_t n_chain;
};

/* How the walk ended. */
enum unwind_end {
	UNWIND_ROOT,    /* a row says that there is no caller, or the frame-pointer chain's known end */
	UNWIND_DEPTH,   /* UNWIND_FRAMES_MAX reached */
	UNWIND_NO_MAP,  /* a return address outside every mapping */
	UNWIND_NO_RULE, /* no row, no frame pointer, no plausible guess */
	UNWIND_MEMORY,  /* a word of the stack could not be had, or is no longer the sample's */
	UNWIND_LOOP,    /* the stack pointer did not move up */
};

struct unwind_result {
	struct unwind_frame frames[UNWIND_FRAMES_MAX]; /* leaf first */
	size_t n;
	enum unwind_end end;
	bool guessed; /* a frame was found by guessing */
	bool late;    /* words were read after the sample */
};

/*
 * Walk one stack. Always gives at least the leaf when its address is in a
 * mapping. Never fails: how far it came is in *out.
 */
void unwind_stack(const struct unwind_source *from, const struct unwind_sample *sample,
		  struct unwind_result *out);

#endif
