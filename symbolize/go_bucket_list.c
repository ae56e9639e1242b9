#include "config.h"

#include "symbolize/go_bucket_list.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "symbolize/memory_window.h"

#define AT_ONCE    8192u /* records that are read together */
#define RECORD_MAX 256u  /* bytes; it has 128, and 64 from Go 1.27 on */
#define CYCLES     3     /* future ones of a record */
#define CHECK_MIN  3     /* buckets from which on they say something together */
#define NEAR_BYTES 1024  /* between two buckets: those of one chunk */
#define ALLOCS_MAX (UINT64_C(1) << 48)

/* ---- the walk */

static int
grow(void **at, size_t *cap, size_t need, size_t size)
{
	size_t more = *cap ? 2 * *cap : 1024;
	void *to;

	if (need <= *cap)
		return 0;
	if (more < need)
		more = need;
	to = realloc(*at, more * size);
	if (!to)
		return -ENOMEM;
	*at = to;
	*cap = more;
	return 0;
}

/* The bucket at addr goes to the end of the list. */
static int
add_bucket(struct go_bucket_list *l, struct memory_window *w, uint64_t addr, enum go_bucket_type type,
	   struct go_bucket *b)
{
	int e = addr % 8 ? -EBADMSG : memory_window_read(w, addr, b, sizeof(*b));

	if (e == 0 && (b->type != (uint64_t)type || !go_bucket_makes_sense(b)))
		e = -EBADMSG;
	if (e < 0)
		return e;
	if (l->n == GO_BUCKETS_MAX || l->n_pcs + b->n_pcs > GO_BUCKETS_PCS_MAX)
		return -EFBIG;
	if (grow((void **)&l->at, &l->cap, l->n + 1, sizeof(*l->at)) < 0 ||
	    grow((void **)&l->pcs, &l->cap_pcs, l->n_pcs + b->n_pcs, sizeof(*l->pcs)) < 0)
		return -ENOMEM;
	e = memory_window_read(w, addr + GO_BUCKET_HEAD, l->pcs + l->n_pcs, b->n_pcs * sizeof(*l->pcs));
	if (e == 0 && !go_bucket_proves(b, l->pcs + l->n_pcs))
		e = -EBADMSG;
	if (e < 0)
		return e;
	l->at[l->n++] = (struct go_bucket_entry){
		.record = addr + GO_BUCKET_HEAD + b->n_pcs * sizeof(*l->pcs),
		.size = b->size,
		.first = (uint32_t)l->n_pcs,
		.n_pcs = (uint32_t)b->n_pcs,
	};
	l->n_pcs += b->n_pcs;
	return 0;
}

int
go_bucket_list_read(struct go_bucket_list *l, struct go_node *n, uint64_t root, enum go_bucket_type type,
		    struct err *why)
{
	struct memory_window *w = memory_window_new(n->mem);
	struct go_bucket b = { .allnext = 0 };
	int e = 0;

	memset(l, 0, sizeof(*l));
	if (!w)
		return -ENOMEM;
	for (uint64_t addr = memory_u64(n->mem, root, &e); e == 0 && addr != 0; addr = b.allnext)
		e = add_bucket(l, w, addr, type, &b);
	memory_window_free(w);
	if (e == -EBADMSG || e == -EFAULT)
		return err_set(why, -EBADMSG, "built by %s: bucket %zu of its list makes no sense",
			       n->version, l->n + 1);
	return e == -EFBIG ? err_set(why, e, "more than %u buckets", GO_BUCKETS_MAX) : e;
}

void
go_bucket_list_fini(struct go_bucket_list *l)
{
	free(l->at);
	free(l->pcs);
	memset(l, 0, sizeof(*l));
}

/* ---- counts */

/* Read the records of buckets [first, first + k), each to records + i * bytes. */
static int
read_records(const struct go_bucket_list *l, struct go_node *n, size_t first, size_t k, size_t bytes,
	     unsigned char *records, struct memory_want *wants)
{
	int e;

	for (size_t i = 0; i < k; i++)
		wants[i] = (struct memory_want){ l->at[first + i].record, records + i * bytes,
						 (uint32_t)bytes, 0 };
	e = memory_read_many(n->mem, wants, k);
	for (size_t i = 0; e == 0 && i < k; i++)
		e = wants[i].error;
	return e;
}

/* Call `take` with each record, in the list's order. */
static int
each_record(const struct go_bucket_list *l, struct go_node *n, size_t bytes,
	    void (*take)(void *ctx, size_t i, const unsigned char *record), void *ctx)
{
	unsigned char *records = malloc(AT_ONCE * bytes);
	struct memory_want *wants = malloc(AT_ONCE * sizeof(*wants));
	int e = records && wants ? 0 : -ENOMEM;

	for (size_t first = 0; e == 0 && first < l->n; first += AT_ONCE) {
		size_t k = l->n - first < AT_ONCE ? l->n - first : AT_ONCE;

		e = read_records(l, n, first, k, bytes, records, wants);
		for (size_t i = 0; e == 0 && i < k; i++)
			take(ctx, first + i, records + i * bytes);
	}
	free(records);
	free(wants);
	return e;
}

struct heap_take {
	size_t cycle_bytes;
	int cycle; /* -1: unknown; CYCLES: all */
	bool any;  /* something is published */
	struct go_counts *counts;
};

static void
take_heap(void *ctx, size_t i, const unsigned char *record)
{
	struct heap_take *t = ctx;
	uint64_t sum[2], more[2];

	memcpy(sum, record, sizeof(sum));
	for (int k = 0; k < CYCLES; k++) {
		if (k != t->cycle && t->cycle != CYCLES)
			continue;
		memcpy(more, record + (size_t)(k + 1) * t->cycle_bytes, sizeof(more));
		sum[0] += more[0];
		sum[1] += more[1];
	}
	t->any = t->any || sum[0] || sum[1];
	t->counts[i] = (struct go_counts){ { sum[0], sum[1] } };
}

int
go_bucket_list_heap_counts(const struct go_bucket_list *l, struct go_node *n, int cycle,
			   struct go_counts *counts)
{
	struct heap_take t = { .cycle_bytes = n->at->mem_cycle_size, .cycle = cycle, .counts = counts };
	size_t bytes = n->at->mem_record_size;
	int e;

	if (bytes > RECORD_MAX || bytes < (CYCLES + 1) * t.cycle_bytes)
		return -EINVAL;
	e = each_record(l, n, bytes, take_heap, &t);
	if (e < 0 || t.any)
		return e;
	t.cycle = CYCLES;
	return each_record(l, n, bytes, take_heap, &t);
}

static void
take_wait(void *ctx, size_t i, const unsigned char *record)
{
	struct go_counts *counts = ctx;

	memcpy(counts[i].v, record, sizeof(counts[i].v));
}

int
go_bucket_list_wait_counts(const struct go_bucket_list *l, struct go_node *n, struct go_counts *counts)
{
	return each_record(l, n, sizeof(counts->v), take_wait, counts);
}

int64_t
go_bucket_contentions(const struct go_counts *c, bool block)
{
	const double limit = 9.2e18; /* what an int64_t holds */
	int64_t count = 0;
	double v;

	memcpy(&v, &c->v[0], sizeof(v));
	if (v > -limit && v < limit)
		count = (int64_t)v;
	return block && count == 0 ? 1 : count;
}

/* ---- the form of records */

static int
by_record(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* The smallest distance from the beginning of one bucket's record to the next bucket; 0: no memory. */
static uint64_t
smallest_distance(const struct go_bucket_list *l)
{
	struct {
		uint64_t record, bucket;
	} *at = calloc(l->n, sizeof(*at));
	uint64_t best = UINT64_MAX;

	if (!at)
		return 0;
	for (size_t i = 0; i < l->n; i++) {
		at[i].record = l->at[i].record;
		at[i].bucket = l->at[i].record - GO_BUCKET_HEAD - l->at[i].n_pcs * sizeof(uint64_t);
	}
	qsort(at, l->n, sizeof(*at), by_record);
	for (size_t i = 1; i < l->n; i++)
		if (at[i].bucket - at[i - 1].record < best)
			best = at[i].bucket - at[i - 1].record;
	free(at);
	return best;
}

struct bytes_take {
	const struct go_bucket_list *l;
	size_t seen, wrong;
};

static void
take_bytes(void *ctx, size_t i, const unsigned char *record)
{
	struct bytes_take *t = ctx;
	uint64_t active[4]; /* allocs, frees, and the bytes of both */
	uint64_t size = t->l->at[i].size;

	memcpy(active, record, sizeof(active));
	t->seen += active[0] != 0;
	t->wrong += active[2] != active[0] * size || active[3] != active[1] * size;
}

int
go_bucket_list_check(const struct go_bucket_list *l, struct go_node *n, const struct go_counts *counts,
		     struct err *why)
{
	struct bytes_take bytes = { .l = l };
	uint64_t distance;
	size_t wrong = 0;
	int e = 0;

	if (l->n < CHECK_MIN)
		return 0;
	/* One that is just being written may be wrong, most are not. */
	for (size_t i = 0; i < l->n; i++)
		wrong += counts[i].v[0] < counts[i].v[1] || counts[i].v[0] > ALLOCS_MAX;
	if (n->at->mem_cycle_size >= sizeof(uint64_t[4]))
		e = each_record(l, n, n->at->mem_cycle_size, take_bytes, &bytes);
	if (e < 0)
		return e;
	distance = smallest_distance(l);
	if (distance == 0)
		return -ENOMEM;
	if (wrong > l->n / 4 || bytes.wrong > l->n / 4 || distance < n->at->mem_record_size ||
	    (n->guessed && distance > n->at->mem_record_size && distance < NEAR_BYTES))
		return go_node_not_known(n, "records of the heap profile", why);
	return 0;
}
