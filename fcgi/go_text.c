#include "config.h"

#include "fcgi/go_text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fcgi/go_dump.h"
#include "fcgi/go_lines.h"
#include "fcgi/go_profile.h"
#include "fcgi/go_quote.h"
#include "fcgi/go_rules.h"

/* Pcs that a thread's stack is shown with (m.createstack of runtime2.go). */
#define THREAD_PCS 32
/* Bytes of a label set's text: of longer ones the rest is left out. */
#define LABELS_TEXT_MAX 65536

bool
go_text_over(struct sink *to)
{
	if (to->total > GO_TEXT_BYTES_MAX && !sink_error(to)) {
		sink_text(to, "\n...the rest is left out: more than 4 GB\n");
		sink_flush(to);
		to->error = -EFBIG;
	}
	return sink_error(to) != 0;
}

/* ---- what records have in common */

static void
put_pcs(const struct go_text *t, struct sink *to, uint32_t stack, uint32_t n)
{
	const uint64_t *pcs = t->r->pcs + t->r->stacks[stack].first;

	sink_text(to, "@");
	for (uint32_t i = 0; i < n; i++) {
		if (pcs[i] & READING_PC_LEFT_OUT)
			continue;
		sink_text(to, " ");
		sink_hex(to, go_places_pc(pcs[i]));
	}
}

static void
put_frames(const struct go_text *t, struct sink *to, uint32_t stack, uint32_t n, bool all)
{
	go_lines_write(to, t->p, t->g->locs + t->r->stacks[stack].first, n, all, t->rules);
}

static void
put_quoted(const struct go_text *t, struct sink *to, uint32_t string)
{
	size_t n;
	const char *s = reading_string(t->r, string, &n);

	go_quote(to, s, n);
}

/* ---- heap */

static int64_t
in_use_bytes(const struct reading_bucket *b)
{
	return (int64_t)((uint64_t)b->values[1] - (uint64_t)b->values[3]);
}

static int64_t
in_use_objects(const struct reading_bucket *b)
{
	return (int64_t)((uint64_t)b->values[0] - (uint64_t)b->values[2]);
}

/* Most in use first, as readers want it: until Go 1.22 it was so, since then it is the reverse. */
static int
compare_in_use(const void *a, const void *b, void *reading)
{
	uint32_t ia = *(const uint32_t *)a, ib = *(const uint32_t *)b;
	const struct reading *r = reading;
	int64_t va = in_use_bytes(&r->buckets[ia]), vb = in_use_bytes(&r->buckets[ib]);

	if (va != vb)
		return va < vb ? 1 : -1;
	return (ia > ib) - (ia < ib);
}

static int
heap_order(struct go_text *t)
{
	size_t n = (size_t)go_profile_buckets(t->r);

	t->order = malloc(n * sizeof(*t->order) + 1);
	if (!t->order)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		t->order[i] = (uint32_t)i;
	qsort_r(t->order, n, sizeof(*t->order), compare_in_use, (void *)(uintptr_t)t->r);
	return 0;
}

static void
put_heap_values(struct sink *to, const struct reading_bucket *b, int64_t allocated)
{
	sink_int(to, in_use_objects(b));
	sink_text(to, ": ");
	sink_int(to, in_use_bytes(b));
	sink_text(to, " [");
	sink_int(to, b->values[0]);
	sink_text(to, ": ");
	sink_int(to, allocated);
	sink_text(to, "] ");
}

static void
write_heap_head(const struct go_text *t, struct sink *to)
{
	struct reading_bucket sum = { 0 };
	int64_t allocated;

	for (uint64_t i = 0; i < go_profile_buckets(t->r); i++)
		for (int k = 0; k < 4; k++)
			sum.values[k] =
				(int64_t)((uint64_t)sum.values[k] + (uint64_t)t->r->buckets[i].values[k]);
	allocated = sum.values[1];
	/* Readers take a head of equal halves for one that knows only what is in use. */
	if (in_use_bytes(&sum) == allocated && (t->rules & GO_HEAP_NEVER_EQUAL) && allocated < INT64_MAX)
		allocated++;
	sink_text(to, "heap profile: ");
	put_heap_values(to, &sum, allocated);
	sink_text(to, "@ heap/");
	sink_int(to, (int64_t)(2 * (uint64_t)go_profile_heap_rate(t->r)));
	sink_text(to, "\n");
}

static void
write_heap(const struct go_text *t, struct sink *to)
{
	write_heap_head(t, to);
	for (uint64_t i = 0; i < go_profile_buckets(t->r) && !go_text_over(to); i++) {
		const struct reading_bucket *b = &t->r->buckets[t->order[i]];
		uint32_t n = t->r->stacks[b->stack].n;

		put_heap_values(to, b, b->values[1]);
		put_pcs(t, to, b->stack, n);
		sink_text(to, "\n");
		put_frames(t, to, b->stack, n, false);
	}
	if (t->r->head->num_gc)
		sink_printf(to, "\n# runtime.MemStats\n# NumGC = %u\n", t->r->head->num_gc);
}

/* ---- block and mutex */

static int
contention_order(struct go_text *t)
{
	t->order = go_profile_order(t->r);
	return t->order ? 0 : -ENOMEM;
}

static void
write_contentions(const struct go_text *t, struct sink *to)
{
	const struct reading_head *h = t->r->head;
	bool is_ns = h->kind == READING_BLOCK_ESTIMATE || !(h->ticks_per_second > 0);

	sink_printf(to, "--- %s:\ncycles/second=%lld\n", h->kind == READING_MUTEX ? "mutex" : "contention",
		    is_ns ? 1000000000ll : (long long)h->ticks_per_second);
	if (h->kind == READING_MUTEX)
		sink_printf(to, "sampling period=%lld\n", h->rate >= 0 ? (long long)h->rate : 1ll);
	for (uint64_t i = 0; i < h->buckets.n && !go_text_over(to); i++) {
		const struct reading_bucket *b = &t->r->buckets[t->order[i]];
		uint32_t n = t->r->stacks[b->stack].n;

		sink_int(to, b->values[1]);
		sink_text(to, " ");
		sink_int(to, b->values[0]);
		sink_text(to, " ");
		put_pcs(t, to, b->stack, n);
		sink_text(to, "\n");
		put_frames(t, to, b->stack, n, true);
	}
}

/* ---- goroutines and threads, counted */

static int
group(struct go_text *t)
{
	/* What is kept beside the profile is kept in its room. */
	return go_groups_init(&t->groups, &t->p->room, t->r, go_rules_stack_max(t->rules));
}

static void
put_labels(const struct go_text *t, struct sink *to, uint32_t set)
{
	const struct reading_label_set *is = &t->r->label_sets[set];
	uint64_t begin = to->total;

	sink_text(to, "# labels: {");
	for (uint32_t i = 0; i < is->n && to->total - begin < LABELS_TEXT_MAX; i++) {
		const struct reading_label *label = &t->groups.labels[is->first + i];

		if (i)
			sink_text(to, ", ");
		put_quoted(t, to, label->key);
		sink_text(to, ":");
		put_quoted(t, to, label->value);
	}
	sink_text(to, "}\n");
}

/* What stands behind the pcs: Go's array of a thread's is of a fixed size; and a goroutine without a
 * stack needs an address for `go tool pprof` to read the text. */
static void
put_no_pcs(const struct go_text *t, struct sink *to, uint32_t n)
{
	uint32_t wanted = 1;

	if (t->r->head->kind == READING_THREADCREATE)
		wanted = (t->rules & GO_THREADS_PADDED) ? THREAD_PCS : 0;
	for (; n < wanted; n++)
		sink_text(to, " 0x0");
}

static void
write_counts(const struct go_text *t, struct sink *to)
{
	sink_printf(to, "%s profile: total %llu\n", t->name, (unsigned long long)t->groups.total);
	for (uint32_t i = 0; i < t->groups.list.n && !go_text_over(to); i++) {
		const struct go_group *g = &t->groups.list.at[i];

		sink_int(to, g->count);
		sink_text(to, " ");
		put_pcs(t, to, g->stack, g->n_pcs);
		put_no_pcs(t, to, g->n_pcs);
		sink_text(to, "\n");
		if (t->r->label_sets[g->labels].n)
			put_labels(t, to, g->labels);
		put_frames(t, to, g->stack, g->n_pcs, false);
	}
}

/* ---- which */

static const struct {
	int (*prepare)(struct go_text *t);
	void (*write)(const struct go_text *t, struct sink *to);
} texts[READING_KINDS] = {
	[READING_HEAP] = { heap_order, write_heap },
	[READING_BLOCK] = { contention_order, write_contentions },
	[READING_MUTEX] = { contention_order, write_contentions },
	[READING_BLOCK_ESTIMATE] = { contention_order, write_contentions },
	[READING_GOROUTINE] = { group, write_counts },
	[READING_LEAK] = { group, write_counts },
	[READING_THREADCREATE] = { group, write_counts },
};

int
go_text_init(struct go_text *t, struct profile *p, const struct reading *r, const struct go_places *g,
	     const char *name, bool dump)
{
	*t = (struct go_text){
		.p = p, .r = r, .g = g, .name = name, .rules = go_rules(r->head->go_minor), .dump = dump
	};
	return dump ? 0 : texts[r->head->kind].prepare(t);
}

void
go_text_fini(struct go_text *t)
{
	go_groups_fini(&t->groups);
	free(t->order);
	memset(t, 0, sizeof(*t));
}

void
go_text_write(const struct go_text *t, struct sink *to)
{
	if (t->dump)
		go_dump_write(t, to);
	else
		texts[t->r->head->kind].write(t, to);
}
