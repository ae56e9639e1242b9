/*
 * go_vote.h - where the runtime's variables are, by the functions that use them.
 *
 * Names of functions are in every Go program, stripped or not. A function's instructions name
 * a variable relative to themselves; which of them mean it is told by how they use it
 * (a load of 8 bytes, a comparison with zero), and by several functions that agree. Nothing is
 * disassembled: any byte that looks like the end of such an instruction counts, and
 * what is found by chance has one vote.
 */
#ifndef PPD_SYMBOLIZE_GO_VOTE_H
#define PPD_SYMBOLIZE_GO_VOTE_H

#include <stddef.h>
#include <stdint.h>

#include "symbolize/go_module.h"

enum go_ballot {
	GO_BALLOT_MEM_RATE,     /* runtime.MemProfileRate */
	GO_BALLOT_BLOCK_RATE,   /* runtime.blockprofilerate */
	GO_BALLOT_MUTEX_RATE,   /* runtime.mutexprofilerate */
	GO_BALLOT_CYCLE,        /* runtime.mProfCycle (mProf.cycle in Go 1.18) */
	GO_BALLOT_CYCLE_CALLED, /* the same, where nothing is inlined */
	GO_BALLOT_GOMAXPROCS,   /* runtime.gomaxprocs */
	GO_BALLOT_DEPTH,        /* runtime.debug.profstackdepth, since Go 1.23 */
	GO_BALLOT_BUCKETS,      /* candidates: mbuckets, bbuckets, xbuckets are among them */
	GO_BALLOT_ALLGS,        /* candidates */
	GO_BALLOT_ALLM,         /* candidates */
	GO_BALLOT_TICKS,        /* candidates for runtime.ticks.val */
	GO_BALLOTS
};

#define GO_TARGETS_MAX 256 /* of one ballot */

struct go_target {
	uint64_t vaddr;  /* link-time */
	uint32_t voters; /* a bit for each of the ballot's functions */
};

struct go_tally {
	struct go_target targets[GO_TARGETS_MAX];
	size_t n;
};

struct go_span {
	uint64_t start, end;
};

/* Count the votes of a module's functions for addresses inside `data` (link-time spans).
 * tallies: GO_BALLOTS of them. *cgo: there is code of package runtime/cgo. */
void go_vote(const struct go_module *m, const struct go_span *data, size_t n_data, struct go_tally *tallies,
	     bool *cgo);

/* The target that the ballot has agreed on (link-time), or 0: too few votes, or two with as many. */
uint64_t go_vote_winner(enum go_ballot ballot, const struct go_tally *t);

#endif
