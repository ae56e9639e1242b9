#include "config.h"

#include "symbolize/go_buckets.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "symbolize/go_bucket.h"
#include "symbolize/go_bucket_list.h"
#include "symbolize/go_expand.h"
#include "symbolize/go_node.h"

#define ROUNDS_MAX     6                  /* looks at the counts, until two are the same */
#define RATE_MAX       (INT64_C(1) << 40) /* more is no rate, but something else */
#define TICKS_DIFFER   0.01               /* of the runtime's own measure from ours */
#define GOMAXPROCS_MAX (1u << 16)

struct reader {
	struct go_node *n;
	enum reading_kind kind;
	struct reading_writer *w;
	struct go_bucket_list list;
	struct go_counts *counts, *before; /* one for each bucket; owned */
	uint64_t *pcs;                     /* a stack, as it is written; owned */
	size_t depth;                      /* pcs that it may have */
};

/* ---- the head */

static const struct {
	size_t root; /* of the rate, in struct go_roots */
	enum go_bucket_type type;
	const char *rate, *off; /* what it is called; said where it is 0 */
} kinds[] = {
	[READING_HEAP] = { offsetof(struct go_roots, mem_profile_rate), GO_BUCKET_MEM, "runtime.MemProfileRate",
			   "heap profiling is off in this program: its runtime.MemProfileRate is 0. Go's linker "
			   "sets that where nothing refers to runtime.MemProfile; a program that imports "
			   "runtime/pprof or net/http/pprof has heap profiles" },
	[READING_BLOCK] = { offsetof(struct go_roots, block_rate), GO_BUCKET_BLOCK, "the block profile's rate",
			    "block profiling is off in this program: it has not called "
			    "runtime.SetBlockProfileRate" },
	[READING_MUTEX] = { offsetof(struct go_roots, mutex_fraction), GO_BUCKET_MUTEX,
			    "the mutex profile's fraction",
			    "mutex profiling is off in this program: it has not called "
			    "runtime.SetMutexProfileFraction" },
};

static int
set_rate(struct reader *r)
{
	struct reading_head *h = reading_writer_head(r->w);
	uint64_t at;
	int64_t rate;
	int e;

	memcpy(&at, (const char *)&r->n->roots + kinds[r->kind].root, sizeof(at));
	h->rate = -1;
	if (at) {
		e = memory_read(r->n->mem, at, &rate, sizeof(rate));
		if (e < 0)
			return e;
		if (rate >= 0 && rate < RATE_MAX) {
			h->rate = rate;
			h->rate_address = at;
		}
	}
	if (h->rate < 0)
		return reading_writer_note(r->w, "%s was not found in this program, built by %s",
					   kinds[r->kind].rate, r->n->version);
	return h->rate == 0 ? reading_writer_note(r->w, "%s", kinds[r->kind].off) : 0;
}

/* The runtime's own measure of its ticks, once something has asked it for one. */
static double
runtime_ticks(struct go_node *n)
{
	double ours = n->ticks_words.n ? ticks_per_second(&n->opened) : 0;

	for (size_t i = 0; i < n->ticks_words.n; i++) {
		int error = 0;
		double v = (double)(int64_t)memory_u64(n->mem, n->ticks_words.at[i], &error);

		if (!error && v > ours * (1 - TICKS_DIFFER) && v < ours * (1 + TICKS_DIFFER))
			return v;
	}
	return 0;
}

/* The cycle, and how often it has turned: mProf_NextCycle() is called by each garbage collection. */
static uint32_t
read_cycle(struct go_node *n)
{
	uint32_t v = go_node_u32(n, n->roots.mprof_cycle);

	return n->minor == 18 ? v : v >> 1;
}

static int
fill_head(struct reader *r)
{
	struct reading_head *h = reading_writer_head(r->w);
	uint32_t procs = go_node_u32(r->n, r->n->roots.gomaxprocs);

	h->gomaxprocs = procs <= GOMAXPROCS_MAX ? procs : 0;
	h->num_gc = read_cycle(r->n);
	if (r->kind != READING_HEAP)
		h->ticks_per_second = runtime_ticks(r->n);
	return set_rate(r);
}

/* ---- counts, of one moment */

static bool
is_same(const struct go_counts *a, const struct go_counts *b, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (a[i].v[0] != b[i].v[0] || a[i].v[1] != b[i].v[1])
			return false;
	return true;
}

/*
 * Published counts change where a garbage collection ends, and those of waits at any time. A row of which
 * one number is new and the other old is told by a second look; a node that never stops gets the last.
 */
static int
take_counts(struct reader *r)
{
	bool heap = r->kind == READING_HEAP, has_cycle = r->n->roots.mprof_cycle != 0;
	uint32_t was = 0;
	int e = 0;

	for (int round = 0; e == 0 && round < ROUNDS_MAX; round++) {
		struct go_counts *swap = r->before;
		uint32_t cycle = heap && has_cycle ? read_cycle(r->n) : 0, after = cycle;

		r->before = r->counts;
		r->counts = swap;
		if (heap)
			e = go_bucket_list_heap_counts(&r->list, r->n, has_cycle ? (int)(cycle % 3) : -1,
						       r->counts);
		else
			e = go_bucket_list_wait_counts(&r->list, r->n, r->counts);
		if (e == 0 && heap && has_cycle)
			after = read_cycle(r->n);
		if (round > 0 && was == cycle && cycle == after && is_same(r->before, r->counts, r->list.n))
			break;
		was = after;
	}
	return e;
}

/* ---- rows */

static int64_t
write_stack(struct reader *r, const struct go_bucket_entry *b)
{
	const uint64_t *pcs = r->list.pcs + b->first;
	int n = (int)b->n_pcs;

	if (r->kind != READING_HEAP && r->n->minor >= 23) {
		n = go_expand_stack(r->n, pcs, b->n_pcs, r->pcs, r->depth);
	} else {
		memcpy(r->pcs, pcs, b->n_pcs * sizeof(*pcs));
		if (go_expand_mark(r->n, r->pcs, b->n_pcs) < 0)
			n = -ENOMEM;
	}
	return n < 0 ? n : reading_writer_stack(r->w, r->pcs, (size_t)n);
}

static int64_t
write_row(struct reader *r, size_t i)
{
	const struct go_bucket_entry *b = &r->list.at[i];
	const struct go_counts *c = &r->counts[i];
	struct reading_bucket row = { .size = b->size };
	int64_t stack = write_stack(r, b);

	if (stack < 0)
		return stack;
	row.stack = (uint32_t)stack;
	if (r->kind == READING_HEAP) {
		row.values[0] = (int64_t)c->v[0];
		row.values[1] = (int64_t)(c->v[0] * b->size);
		row.values[2] = (int64_t)c->v[1];
		row.values[3] = (int64_t)(c->v[1] * b->size);
	} else {
		row.values[0] = go_bucket_contentions(c, r->kind == READING_BLOCK);
		row.values[1] = (int64_t)c->v[1];
	}
	return reading_writer_bucket(r->w, &row);
}

static int
read_rows(struct reader *r, struct err *why)
{
	int e;

	r->depth = go_node_stack_depth(r->n);
	if (r->depth < GO_BUCKET_PCS_MAX)
		r->depth = r->kind != READING_HEAP && r->n->minor >= 23 ? r->depth : GO_BUCKET_PCS_MAX;
	r->pcs = malloc(GO_BUCKET_PCS_MAX * sizeof(*r->pcs));
	r->counts = calloc(r->list.n + 1, sizeof(*r->counts));
	r->before = calloc(r->list.n + 1, sizeof(*r->before));
	if (!r->pcs || !r->counts || !r->before)
		return -ENOMEM;
	e = take_counts(r);
	if (e == 0 && r->kind == READING_HEAP)
		e = go_bucket_list_check(&r->list, r->n, r->counts, why);
	for (size_t i = 0; e == 0 && i < r->list.n; i++) {
		int64_t row = write_row(r, i);

		e = row < 0 ? (int)row : 0;
	}
	return e;
}

int
go_buckets_read(struct go_node *n, enum reading_kind kind, struct reading_writer *w, struct err *why)
{
	struct reader r = { .n = n, .kind = kind, .w = w };
	uint64_t root = n->roots.buckets[kinds[kind].type - 1];
	int e = fill_head(&r);

	if (e == 0 && root)
		e = go_bucket_list_read(&r.list, n, root, kinds[kind].type, why);
	if (e == 0)
		e = read_rows(&r, why);
	go_bucket_list_fini(&r.list);
	free(r.counts);
	free(r.before);
	free(r.pcs);
	return e;
}
