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
#include "symbolize/image.h"
#include "symbolize/memory.h"

#define GO_VERSION_MAX 64
#define GO_SPANS_MAX 4

struct go_span {
	uint64_t start, end; /* run-time addresses */
};

/* Addresses of the runtime's variables, run-time; 0: not found. */
struct go_roots {
	uint64_t buckets[3];     /* mbuckets, bbuckets, xbuckets; 0 also where the list is still empty */
	uint64_t allgs;          /* the slice */
	uint64_t allm;
	uint64_t mem_profile_rate, block_rate, mutex_fraction; /* plain integers, found by votes */
	uint64_t mprof_cycle;
	uint64_t wait_reasons;   /* array of strings; 0: the column's own list is used */
	uint64_t gomaxprocs;
};

struct go_node {
	struct memory *mem;          /* borrowed */
	const struct image *im;      /* borrowed: the executable */
	struct go_module module;     /* owned */
	const struct go_offsets *at; /* the version's column */
	char version[GO_VERSION_MAX]; /* "go1.21.13", cleaned to printable ASCII */
	uint32_t minor;
	bool guessed;                /* newer than any column: the newest is tried, and must prove itself */
	bool cgo;
	uint64_t bias;               /* run-time address - link-time address */
	struct go_span data[GO_SPANS_MAX]; /* noptrdata, data, bss, noptrbss */
	struct go_roots roots;
};

/*
 * Returns 0, or -errno with a sentence for the user: -ENOENT not a Go program, -ENOTSUP a Go that
 * is too old, too new (names the version) or not 64-bit, -ESRCH gone.
 */
int go_node_open(struct go_node *n, struct memory *mem, const struct image *im, struct err *why);
void go_node_close(struct go_node *n);

/* Find roots that were not there when last looked for (a list's first bucket comes late). */
int go_node_look(struct go_node *n, struct err *why);

/* Between run-time pcs and the module's link-time addresses. */
static inline uint64_t
go_node_link_pc(const struct go_node *n, uint64_t pc)
{
	return pc - n->bias;
}

#endif
