/*
 * go_node.h - a running Go program: its version's layout, and where its runtime keeps its records.
 *
 * The executable gives the version and the function table (go_module.h); the memory gives
 * the rest. No symbol is needed: a list is known by its own shape (a bucket by the runtime's own
 * hash of it), a plain number by the functions that load it. What was found stays good for the
 * life of the process, and is checked again at each use.
 */
#ifndef PPD_SYMBOLIZE_GO_NODE_H
#define PPD_SYMBOLIZE_GO_NODE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "symbolize/go_module.h"
#include "symbolize/go_offsets.h"
#include "symbolize/go_version.h"
#include "symbolize/go_vote.h"
#include "symbolize/image.h"
#include "symbolize/memory.h"
#include "symbolize/ticks.h"

enum { GO_SPAN_NOPTRDATA, GO_SPAN_DATA, GO_SPAN_BSS, GO_SPAN_NOPTRBSS, GO_SPANS_MAX };

#define GO_WORDS_MAX 32 /* candidates that are kept of one ballot (go_vote.h) */

/* Words one of which is what is wanted, run-time. */
struct go_words {
	uint64_t at[GO_WORDS_MAX];
	size_t n;
};

/* Addresses of the runtime's variables, run-time; 0: not found. */
struct go_roots {
	uint64_t buckets[3]; /* mbuckets, bbuckets, xbuckets; 0 also where the list is still empty */
	uint64_t allgs;      /* the slice */
	uint64_t allm;
	uint64_t mem_profile_rate, block_rate, mutex_fraction; /* 8 bytes each, found by votes */
	uint64_t mprof_cycle; /* 4 bytes; in Go 1.18 the cycle, later twice the cycle and a flag */
	uint64_t gomaxprocs;  /* 4 bytes */
	uint64_t stack_depth; /* debug.profstackdepth, 4 bytes; since Go 1.23 */
};

struct go_node {
	struct memory *mem;           /* borrowed */
	const struct image *im;       /* borrowed: the executable */
	struct go_module module;      /* owned */
	const struct go_offsets *at;  /* the version's column */
	char version[GO_VERSION_MAX]; /* "go1.21.13", cleaned to printable ASCII */
	uint32_t minor;
	bool guessed; /* newer than any column: the newest is tried, and must prove itself */
	bool cgo;
	uint64_t bias;                     /* run-time address - link-time address */
	struct go_span data[GO_SPANS_MAX]; /* by GO_SPAN_*; run-time */
	struct go_roots roots;
	struct go_words bucket_words, allgs_words, allm_words, ticks_words;
	struct ticks opened;
	struct go_expand *expand; /* owned; go_expand.h makes it when it is needed */
};

/*
 * Returns 0, or -errno with a sentence for the user: -ENOENT not a Go program, -ENOTSUP a Go that
 * is too old, too new (names the version) or not 64-bit, -ESRCH gone.
 */
int go_node_open(struct go_node *n, struct memory *mem, const struct image *im, struct err *why);
void go_node_close(struct go_node *n);

/* Find roots that were not there when last looked for (a list's first bucket comes late). Returns 0
 * or -errno (-ESRCH: gone): that nothing was found is no error. */
int go_node_look(struct go_node *n, struct err *why);

/* How many frames the runtime puts into a profile's stack: 32, and from Go 1.23 on 128, or what
 * GODEBUG=profstackdepth says. */
uint32_t go_node_stack_depth(struct go_node *n);

/* A number of 4 bytes at a root; 0 where the root is not known, or cannot be read. */
uint32_t go_node_u32(struct go_node *n, uint64_t root);

/* Set and return -ENOTSUP, with a sentence that names the version: `what` (plural) of a version that is not
 * known has not the newest column's form. */
int go_node_not_known(const struct go_node *n, const char *what, struct err *why);

/* Between run-time pcs and the module's link-time addresses. */
static inline uint64_t
go_node_link_pc(const struct go_node *n, uint64_t pc)
{
	return pc - n->bias;
}

#endif
