#include "config.h"

#include "symbolize/go_roots.h"

#include <errno.h>
#include <stdlib.h>

#include "symbolize/go_bucket.h"
#include "symbolize/go_func.h"
#include "symbolize/go_g.h"
#include "symbolize/go_scan.h"

#define SLICE_MAX (4u << 20) /* goroutines */
#define GS_LOOKED 16u        /* of them that are looked at */
#define MS_LOOKED 4u
#define TRIES     3 /* at lists that may be in change */

/* ---- votes */

static void
take_words(const struct go_node *n, const struct go_tally *t, struct go_words *w)
{
	for (w->n = 0; w->n < t->n && w->n < GO_WORDS_MAX; w->n++)
		w->at[w->n] = t->targets[w->n].vaddr + n->bias;
}

int
go_roots_vote(struct go_node *n)
{
	const struct {
		enum go_ballot ballot;
		uint64_t *root;
	} plain[] = {
		{ GO_BALLOT_MEM_RATE, &n->roots.mem_profile_rate },
		{ GO_BALLOT_BLOCK_RATE, &n->roots.block_rate },
		{ GO_BALLOT_MUTEX_RATE, &n->roots.mutex_fraction },
		{ GO_BALLOT_CYCLE, &n->roots.mprof_cycle },
		{ GO_BALLOT_CYCLE_CALLED, &n->roots.mprof_cycle },
		{ GO_BALLOT_GOMAXPROCS, &n->roots.gomaxprocs },
		{ GO_BALLOT_DEPTH, &n->roots.stack_depth },
	};
	struct go_tally *tallies = malloc(GO_BALLOTS * sizeof(*tallies));
	struct go_span data[GO_SPANS_MAX];

	if (!tallies)
		return -ENOMEM;
	n->roots = (struct go_roots){ .allgs = 0 };
	for (size_t i = 0; i < GO_SPANS_MAX; i++)
		data[i] = (struct go_span){ n->data[i].start - n->bias, n->data[i].end - n->bias };
	go_vote(&n->module, data, GO_SPANS_MAX, tallies, &n->cgo);
	for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++) {
		uint64_t at = go_vote_winner(plain[i].ballot, &tallies[plain[i].ballot]);

		if (at && !*plain[i].root)
			*plain[i].root = at + n->bias;
	}
	take_words(n, &tallies[GO_BALLOT_BUCKETS], &n->bucket_words);
	take_words(n, &tallies[GO_BALLOT_ALLGS], &n->allgs_words);
	take_words(n, &tallies[GO_BALLOT_ALLM], &n->allm_words);
	take_words(n, &tallies[GO_BALLOT_TICKS], &n->ticks_words);
	free(tallies);
	return 0;
}

/* ---- goroutines */

/* Does it start where a function does? */
static bool
starts_function(const struct go_node *n, uint64_t pc)
{
	struct go_func f;

	return pc && go_func_find(&n->module, go_node_link_pc(n, pc), &f) &&
	       f.entry == go_node_link_pc(n, pc);
}

/* Some g's, as go_g.h reads them. Returns how many start a function, -EBADMSG where one is none. */
static int
look_at_gs(struct go_node *n, const uint64_t *at, size_t k)
{
	unsigned char *bytes = malloc(n->at->g_size);
	int e = bytes ? 0 : -ENOMEM, good = 0;

	for (size_t i = 0; e == 0 && i < k; i++) {
		struct go_g g;

		e = at[i] == 0 || at[i] % 8 ? -EBADMSG : memory_read(n->mem, at[i], bytes, n->at->g_size);
		if (e == 0 && !go_g_decode(&g, n->at, at[i], bytes))
			e = -EBADMSG;
		good += e == 0 && starts_function(n, g.start_pc);
	}
	free(bytes);
	return e < 0 ? e : good;
}

int
go_roots_is_allgs(struct go_node *n, uint64_t addr, uint64_t *len)
{
	uint64_t slice[3], at[GS_LOOKED];
	size_t k;
	int e = memory_read(n->mem, addr, slice, sizeof(slice));

	if (e < 0)
		return e == -ESRCH ? e : 0;
	if (slice[0] == 0 || slice[0] % 8 || slice[1] == 0 || slice[1] > slice[2] || slice[1] > SLICE_MAX)
		return 0;
	k = slice[1] < GS_LOOKED ? (size_t)slice[1] : GS_LOOKED;
	e = memory_read(n->mem, slice[0], at, k * sizeof(at[0]));
	if (e == 0)
		e = look_at_gs(n, at, k);
	if (e < 0)
		return e == -ESRCH || e == -ENOMEM ? e : 0;
	*len = slice[1];
	return e > 0;
}

/* ---- threads */

/* An m: its g0 says that it belongs to it. */
static int
is_m(struct go_node *n, uint64_t m)
{
	int error = 0;
	uint64_t g0 = memory_u64(n->mem, m + n->at->m_g0, &error), back = 0;

	if (!error && g0 && g0 % 8 == 0)
		back = memory_u64(n->mem, g0 + n->at->g_m, &error);
	if (error == -ESRCH)
		return error;
	return !error && back == m;
}

int
go_roots_is_allm(struct go_node *n, uint64_t addr)
{
	int error = 0, e = 1;
	uint64_t m = memory_u64(n->mem, addr, &error);

	if (!error && (m == 0 || m % 8))
		return 0;
	for (size_t i = 0; !error && e > 0 && m && i < MS_LOOKED; i++) {
		e = is_m(n, m);
		m = memory_u64(n->mem, m + n->at->m_alllink, &error);
	}
	if (error == -ESRCH)
		return error;
	return error ? 0 : e;
}

/* ---- lists: proposed, or looked for */

static int
note_bucket(struct go_node *n, uint64_t word_at, uint64_t bucket)
{
	int type = go_bucket_look(n->mem, bucket);

	if (type > 0 && !n->roots.buckets[type - 1])
		n->roots.buckets[type - 1] = word_at;
	return type < 0 ? type : 0;
}

static int
note_allgs(struct go_node *n, uint64_t addr, uint64_t *longest)
{
	uint64_t len = 0;
	int e = go_roots_is_allgs(n, addr, &len);

	if (e > 0 && len > *longest) {
		*longest = len;
		n->roots.allgs = addr;
	}
	return e < 0 ? e : 0;
}

static int
note_allm(struct go_node *n, uint64_t addr)
{
	int e = go_roots_is_allm(n, addr);

	if (e > 0 && !n->roots.allm)
		n->roots.allm = addr;
	return e < 0 ? e : 0;
}

struct look {
	struct go_node *n;
	bool buckets, allgs, allm;
	uint64_t longest;
};

static bool
may_be_slice(const struct go_node *n, const uint64_t *w)
{
	return w[1] > 0 && w[1] <= w[2] && w[1] <= SLICE_MAX && go_scan_is_heap(n, w[0]);
}

/* The first m of a program is a variable of its own. */
static bool
may_be_m(const struct go_node *n, uint64_t v)
{
	for (size_t i = 0; i < GO_SPANS_MAX; i++)
		if (v >= n->data[i].start && v < n->data[i].end)
			return v % 8 == 0;
	return go_scan_is_heap(n, v);
}

static int
look_at_words(void *ctx, uint64_t addr, const uint64_t *words, size_t n_words)
{
	struct look *l = ctx;
	int e = 0;

	for (size_t i = 0; e == 0 && i < n_words; i++) {
		uint64_t at = addr + i * sizeof(words[0]);

		if (words[i] == 0)
			continue;
		if (l->buckets && go_scan_is_heap(l->n, words[i]))
			e = note_bucket(l->n, at, words[i]);
		if (e == 0 && l->allgs && i + 2 < n_words && may_be_slice(l->n, words + i))
			e = note_allgs(l->n, at, &l->longest);
		if (e == 0 && l->allm && !l->n->roots.allm && may_be_m(l->n, words[i]))
			e = note_allm(l->n, at);
	}
	return e;
}

static int
look_for_buckets(struct go_node *n)
{
	int e = 0;

	for (size_t i = 0; e == 0 && i < n->bucket_words.n; i++) {
		int error = 0;
		uint64_t bucket = memory_u64(n->mem, n->bucket_words.at[i], &error);

		e = error ? error : note_bucket(n, n->bucket_words.at[i], bucket);
		if (e != -ESRCH)
			e = 0;
	}
	return e;
}

/* The lists of goroutines and threads, where functions propose them. */
static int
look_at_proposed(struct go_node *n, struct look *l)
{
	int e = 0;

	for (size_t i = 0; e == 0 && i < n->allgs_words.n; i++)
		e = note_allgs(n, n->allgs_words.at[i], &l->longest);
	for (size_t i = 0; e == 0 && i < n->allm_words.n && !n->roots.allm; i++)
		e = note_allm(n, n->allm_words.at[i]);
	return e;
}

int
go_roots_look(struct go_node *n)
{
	struct look l = { .n = n, .buckets = n->bucket_words.n == 0 };
	int e;

	for (size_t i = 0; i < 3; i++)
		n->roots.buckets[i] = 0;
	n->roots.allgs = n->roots.allm = 0;
	e = look_for_buckets(n);
	/* One that is just being made longer may look like none. */
	for (int i = 0; e == 0 && i < TRIES && (!n->roots.allgs || !n->roots.allm); i++)
		e = look_at_proposed(n, &l);
	l.allgs = !n->roots.allgs;
	l.allm = !n->roots.allm;
	if (e == 0 && (l.buckets || l.allgs || l.allm))
		e = go_scan(n, look_at_words, &l);
	return e;
}
