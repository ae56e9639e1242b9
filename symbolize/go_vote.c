#include "config.h"

#include "symbolize/go_vote.h"

#include <elf.h>
#include <string.h>

#include "symbolize/go_func.h"

#define FUNC_BYTES_MAX (1u << 16) /* of a function that is looked at; selectgo has 5 KB */
#define VOTERS_MAX     8

/* How an instruction uses the variable. */
enum {
	LOAD4 = 1,
	LOAD8 = 2,
	COMPARE4 = 4,
	COMPARE8 = 8,
	STORE8 = 16,
	ADDRESS = 32,
};

/*
 * Who votes for what. need: so many voters must agree; must: a bit for each of whom one has to be among
 * them. A '*' at the end stands for the rest of a name; all of its functions are one voter.
 */
static const struct {
	unsigned int width, need, must;
	struct {
		const char *func;
		unsigned int uses;
	} voters[VOTERS_MAX];
} ballots[GO_BALLOTS] = {
	/* mcache0 is loaded by most of these too, but not where an mcache is made, nor where its next sample is
	 * chosen (which allocmcache calls where nothing is inlined: -gcflags=-l). */
	[GO_BALLOT_MEM_RATE] = { 8, 3, 1 | 2, {
		{ "runtime.allocmcache", LOAD8 },
		{ "runtime.nextSample", LOAD8 },
		{ "runtime.profilealloc", LOAD8 },
		{ "runtime.mallocgc*", LOAD8 },
		{ "runtime.parsedebugvars", STORE8 }, /* before Go 1.21 */
		{ "runtime.parsegodebug", STORE8 },
		{ "runtime.schedinit", STORE8 },
		{ "runtime/pprof.writeHeapInternal", LOAD8 } } },
	[GO_BALLOT_BLOCK_RATE] = { 8, 3, 0, {
		{ "runtime.chanrecv", LOAD8 | COMPARE8 },
		{ "runtime.chansend", LOAD8 | COMPARE8 },
		{ "runtime.selectgo", LOAD8 | COMPARE8 },
		{ "runtime.semacquire1", LOAD8 | COMPARE8 },
		{ "sync.runtime_notifyListWait", LOAD8 | COMPARE8 },
		{ "runtime.blockevent", LOAD8 | COMPARE8 } } },
	/* semacquire1 looks at both rates; the others only at this one. */
	[GO_BALLOT_MUTEX_RATE] = { 8, 2, 1, {
		{ "runtime.semacquire1", LOAD8 | COMPARE8 },
		{ "sync.event", LOAD8 }, /* mutexevent by its other name */
		{ "runtime.mutexevent", LOAD8 },
		{ "runtime.unlock2", LOAD8 },
		{ "runtime.(*lockTimer).begin", LOAD8 },
		{ "runtime.(*mLockProfile).store*", LOAD8 },
		{ "runtime/pprof.writeProfileInternal", LOAD8 } } },
	[GO_BALLOT_CYCLE] = { 4, 3, 0, {
		{ "runtime.mProf_Malloc", LOAD4 },
		{ "runtime.mProf_Free", LOAD4 },
		{ "runtime.mProf_PostSweep", LOAD4 },
		{ "runtime.mProf_Flush", LOAD4 | ADDRESS },
		{ "runtime.mProf_FlushLocked", LOAD4 }, /* Go 1.18 */
		{ "runtime.gcMarkTermination", LOAD4 | ADDRESS } } },
	/* Its methods are given its address. That of a lock is as frequent, but not where the cycle is turned. */
	[GO_BALLOT_CYCLE_CALLED] = { 4, 3, 1, {
		{ "runtime.mProf_NextCycle", ADDRESS },
		{ "runtime.mProf_Malloc", ADDRESS },
		{ "runtime.mProf_Free", ADDRESS },
		{ "runtime.mProf_PostSweep", ADDRESS },
		{ "runtime.mProf_Flush", ADDRESS } } },
	[GO_BALLOT_GOMAXPROCS] = { 4, 4, 0, {
		{ "runtime.flushallmcaches", LOAD4 },
		{ "runtime.handoffp", LOAD4 },
		{ "runtime.procresize", LOAD4 },
		{ "runtime.stopTheWorldWithSema", LOAD4 },
		{ "runtime.globrunqget*", LOAD4 },
		{ "runtime.gcMarkDone", LOAD4 },
		{ "runtime.sysmon", LOAD4 } } },
	[GO_BALLOT_DEPTH] = { 4, 3, 1, {
		{ "runtime.mProf_Malloc", LOAD4 },
		{ "runtime.saveblockevent", COMPARE4 },
		{ "runtime.saveg", LOAD4 },
		{ "runtime.mcommoninit", LOAD4 },
		{ "runtime.(*mLockProfile).captureStack", COMPARE4 },
		{ "runtime.(*mLockProfile).store*", LOAD4 } } },
	[GO_BALLOT_BUCKETS] = { 8, 1, 0, { { "runtime.stkbucket", LOAD8 | ADDRESS } } },
	[GO_BALLOT_ALLGS] = { 8, 1, 0, {
		{ "runtime.allgadd", LOAD8 },
		{ "runtime.forEachG", LOAD8 },
		{ "runtime.gcMarkRootPrepare", LOAD8 },
		{ "runtime.gcPrepareMarkRoots", LOAD8 } } },
	[GO_BALLOT_ALLM] = { 8, 1, 0, {
		{ "runtime.mcommoninit", LOAD8 | ADDRESS },
		{ "runtime.mexit", LOAD8 | ADDRESS },
		{ "runtime.schedtrace", LOAD8 } } },
	[GO_BALLOT_TICKS] = { 8, 1, 0, {
		{ "runtime.ticksPerSecond", LOAD8 | ADDRESS },
		{ "runtime.tickspersecond", LOAD8 | ADDRESS } } }, /* before Go 1.22 */
};

/* ---- instructions of x86-64 that name memory relative to themselves (mod 0, r/m 5) */

struct use {
	unsigned int how;  /* 0: none of ours */
	unsigned int tail; /* bytes of an immediate behind the displacement */
};

/* p is at the modrm byte; at least two bytes stand before it. */
static struct use
decode(const unsigned char *p)
{
	bool wide = (p[-2] & 0xf8) == 0x48;
	unsigned int reg = p[0] >> 3 & 7;

	switch (p[-1]) {
	case 0x8b:
		return (struct use){ wide ? LOAD8 : LOAD4, 0 };
	case 0x63: /* sign-extended */
		return (struct use){ wide ? LOAD4 : 0, 0 };
	case 0x89:
		return (struct use){ wide ? STORE8 : 0, 0 };
	case 0x8d:
		return (struct use){ wide ? ADDRESS : 0, 0 };
	case 0x39:
	case 0x3b:
		return (struct use){ wide ? COMPARE8 : COMPARE4, 0 };
	case 0x83:
		return (struct use){ reg == 7 ? (wide ? COMPARE8 : COMPARE4) : 0, 1 };
	case 0x81:
		return (struct use){ reg == 7 ? (wide ? COMPARE8 : COMPARE4) : 0, 4 };
	case 0xc7:
		return (struct use){ reg == 0 && wide ? STORE8 : 0, 4 };
	default:
		return (struct use){ 0, 0 };
	}
}

/* ---- counting */

static void
add_vote(struct go_tally *t, uint64_t vaddr, uint32_t voter)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->targets[i].vaddr == vaddr) {
			t->targets[i].voters |= voter;
			return;
		}
	if (t->n < GO_TARGETS_MAX)
		t->targets[t->n++] = (struct go_target){ vaddr, voter };
}

static bool
in_data(const struct go_span *data, size_t n, uint64_t vaddr, unsigned int width)
{
	for (size_t i = 0; i < n; i++)
		if (vaddr >= data[i].start && vaddr < data[i].end && data[i].end - vaddr >= width)
			return true;
	return false;
}

struct count {
	const struct go_span *data;
	size_t n_data;
	struct go_tally *tally;
	unsigned int width, uses;
	uint32_t voter;
};

static void
count_function(const struct go_module *m, const struct go_func *f, const struct count *c)
{
	size_t n = f->end - f->entry < FUNC_BYTES_MAX ? (size_t)(f->end - f->entry) : FUNC_BYTES_MAX;
	const unsigned char *code = image_at(m->im, f->entry, n);

	for (size_t i = 2; code && i + 5 <= n; i++) {
		struct use u;
		int32_t disp;
		uint64_t target;

		if ((code[i] & 0xc7) != 5)
			continue;
		u = decode(code + i);
		if (!(u.how & c->uses))
			continue;
		memcpy(&disp, code + i + 1, sizeof(disp));
		target = f->entry + i + 5 + u.tail + (uint64_t)(int64_t)disp;
		if (target % c->width == 0 && in_data(c->data, c->n_data, target, c->width))
			add_vote(c->tally, target, c->voter);
	}
}

static bool
matches(const char *pattern, const char *name, size_t len)
{
	size_t n = strlen(pattern);

	if (pattern[n - 1] == '*')
		return len >= n - 1 && !memcmp(pattern, name, n - 1);
	return len == n && !memcmp(pattern, name, n);
}

static void
count_votes(const struct go_module *m, const struct go_func *f, const char *name, size_t len, struct count *c,
	    struct go_tally *tallies)
{
	for (size_t b = 0; b < GO_BALLOTS; b++)
		for (size_t v = 0; v < VOTERS_MAX && ballots[b].voters[v].func; v++) {
			if (!matches(ballots[b].voters[v].func, name, len))
				continue;
			c->tally = &tallies[b];
			c->width = ballots[b].width;
			c->uses = ballots[b].voters[v].uses;
			c->voter = 1u << v;
			count_function(m, f, c);
		}
}

void
go_vote(const struct go_module *m, const struct go_span *data, size_t n_data, struct go_tally *tallies, bool *cgo)
{
	static const char *const packages[] = { "runtime.*", "runtime/*", "sync.*", "crosscall2*" };
	struct count c = { .data = data, .n_data = n_data };

	memset(tallies, 0, GO_BALLOTS * sizeof(*tallies));
	*cgo = false;
	for (uint32_t i = 0; i < m->n_funcs; i++) {
		struct go_func f;
		const char *name;
		size_t len;
		bool ours = false;

		if (!go_func_get(m, i, &f))
			continue;
		name = go_func_name(m, f.name, &len);
		for (size_t k = 0; name && k < sizeof(packages) / sizeof(packages[0]); k++)
			ours |= matches(packages[k], name, len);
		if (!ours)
			continue;
		/* The package's own functions may all be C's; its way back from C is not. */
		*cgo |= matches("runtime/cgo.*", name, len) || matches("crosscall2*", name, len);
		if (m->im->machine == EM_X86_64)
			count_votes(m, &f, name, len, &c, tallies);
	}
}

uint64_t
go_vote_winner(enum go_ballot ballot, const struct go_tally *t)
{
	unsigned int best = 0;
	uint64_t winner = 0;

	for (size_t i = 0; i < t->n; i++) {
		uint32_t voters = t->targets[i].voters;
		unsigned int votes = (unsigned int)__builtin_popcount(voters);

		if (votes < ballots[ballot].need || votes < best ||
		    (ballots[ballot].must && !(voters & ballots[ballot].must)))
			continue;
		winner = votes > best ? t->targets[i].vaddr : 0;
		best = votes;
	}
	return winner;
}
