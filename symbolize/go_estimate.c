#include "config.h"

#include "symbolize/go_estimate.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/table.h"
#include "symbolize/go_allgs.h"
#include "symbolize/go_parked.h"

#define PERIOD_MIN_NS  10000000 /* between looks */
#define COST           50       /* looks may cost one of so many parts of the time */
#define COST_MIN       400      /* but one of so many they may, though the first ones cost all the rest */
#define REASONS        256
#define ROUND          32   /* looks in which each goroutine is looked at */
#define ROUND_MIN      2048 /* goroutines that are looked at each time, if no more are there */
#define STILL_MAX      50   /* looks after which a goroutine is no active one */
#define SITES          6    /* where one goroutine waits; there may be more, which are counted only */
#define WRAPPERS_SINCE 23   /* Go's block profile lists them */

/* Where a goroutine was seen to be stopped. */
struct site {
	uint32_t stack; /* or OTHER_SITE and more: for a reason that block profiles do not count */
	uint32_t place; /* of pc and sp: whoever stands there again has this stack */
	uint32_t over;  /* waits there that were seen, and were over later */
};
#define OTHER_SITE 0xffff0000u
#define NO_STACK   UINT32_MAX

/* A goroutine, as it was when last looked at. */
struct seen {
	uint64_t goid;   /* 0: never */
	int64_t last_ns; /* when that was */
	uint64_t ns;     /* of its wait so far */
	uint32_t stack;  /* of that; NO_STACK: it waits for something else, or runs */
	uint32_t stops;  /* waits that were over */
	uint8_t seq;
	bool waits;      /* as block profiles count it */
	bool is_active;  /* in the list of those that are looked at each time */
	uint8_t still;   /* looks since something happened */
	uint8_t n_sites; /* SITES + 1: too many to be kept */
	struct site sites[SITES];
};

struct sum {
	double n;
	uint64_t ns;
};

/* By stack. */
struct sums {
	struct sum *at; /* owned */
	size_t n;
};

struct job {
	struct go_node *n;
	struct reading_writer *w;
	struct go_traceback *t; /* owned */
	struct go_parked_reader *parked;
	struct go_stacks stacks;
	uint64_t *addrs; /* owned; of this look */
	size_t n_addrs;
	struct seen *seen;   /* owned; of the records of the same order: the list only grows */
	size_t n_seen, next; /* next: whose turn it is, of those that are not active */
	uint32_t *active;    /* owned; records; has room for all */
	size_t n_active;
	struct sums over, open;
	bool counts[REASONS]; /* is it a wait that block profiles count? */
	uint32_t looks;
	int64_t last_look_ns;
	uint64_t random;
	struct go_parked got[GO_PARKED_MAX], read[GO_PARKED_MAX];
	uint32_t which[GO_PARKED_MAX], fresh[GO_PARKED_MAX];
	uint64_t which_addrs[GO_PARKED_MAX], fresh_addrs[GO_PARKED_MAX];
};

/* ---- sums */

static int
add(struct sums *s, uint32_t stack, double n, uint64_t ns)
{
	if (stack >= s->n) {
		size_t more = stack + 256;
		struct sum *at = realloc(s->at, more * sizeof(*at));

		if (!at)
			return -ENOMEM;
		memset(at + s->n, 0, (more - s->n) * sizeof(*at));
		s->at = at;
		s->n = more;
	}
	s->at[stack].n += n;
	s->at[stack].ns += ns;
	return 0;
}

static int
put_sums(struct job *j, const struct sums *s, uint32_t labels)
{
	for (size_t i = 0; i < s->n; i++) {
		struct reading_bucket b = {
			.stack = (uint32_t)i,
			.labels = labels,
			.values = { (int64_t)(s->at[i].n + 0.5), (int64_t)s->at[i].ns },
		};
		int64_t e = b.values[0] || b.values[1] ? reading_writer_bucket(j->w, &b) : 0;

		if (e < 0)
			return (int)e;
	}
	return 0;
}

/* ---- one goroutine */

/* What runtime/chan.go, select.go and sema.go call blockevent() for. */
static void
learn_reasons(struct job *j)
{
	static const char *const counted[] = {
		"chan receive",
		"chan send",
		"select",
		"semacquire",
		"sync.Cond.Wait",
		"sync.Mutex.Lock",
		"sync.RWMutex.RLock",
		"sync.RWMutex.Lock",
		"sync.WaitGroup.Wait",
		"chan receive (durable)",
		"chan send (durable)",
		"select (durable)",
		"sync.WaitGroup.Wait (durable)",
		"chan receive (synctest)",
		"chan send (synctest)",
		"select (synctest)",
	};
	const char *const *names = j->n->at->wait_reasons;

	for (size_t i = 0; i < REASONS && names[i]; i++)
		for (size_t k = 0; k < sizeof(counted) / sizeof(counted[0]); k++)
			j->counts[i] |= !strcmp(names[i], counted[k]);
}

/* Until it runs again it waits, though it may be woken: the runtime measures so, too. */
static bool
waits(struct job *j, const struct go_g *g)
{
	if (!g->at || !j->counts[g->reason])
		return false;
	return g->status == GO_G_WAITING ||
	       (g->status == GO_G_RUNNABLE && go_traceback_role(j->t, g->pc) == GO_ROLE_PARKED);
}

static uint32_t
place_of(const struct go_g *g)
{
	return (uint32_t)(hash_u64(g->pc, g->sp) >> 32);
}

static struct site *
find_site(struct seen *s, uint32_t stack, uint32_t place)
{
	for (uint8_t i = 0; i < s->n_sites && i < SITES; i++)
		if (s->sites[i].stack == stack)
			return &s->sites[i];
	if (s->n_sites >= SITES) {
		s->n_sites = SITES + 1;
		return NULL;
	}
	s->sites[s->n_sites] = (struct site){ .stack = stack, .place = place };
	return &s->sites[s->n_sites++];
}

/* The stack of a goroutine that waits where it did before; or NO_STACK. */
static uint32_t
known_stack(const struct seen *s, const struct go_g *g)
{
	for (uint8_t i = 0; s->goid == g->goid && i < s->n_sites && i < SITES; i++)
		if (s->sites[i].stack < OTHER_SITE && s->sites[i].place == place_of(g))
			return s->sites[i].stack;
	return NO_STACK;
}

/* A goroutine has ended, or the window has: its waits to the places where it was seen. */
static int
share_out(struct job *j, const struct seen *s)
{
	int e = 0;

	for (uint8_t i = 0; e == 0 && i < s->n_sites && i < SITES; i++) {
		const struct site *at = &s->sites[i];
		double n = (double)s->stops / s->n_sites;

		if (at->stack < OTHER_SITE)
			e = add(&j->over, at->stack, n > at->over ? n : at->over, 0);
	}
	return e;
}

/* The wait at hand is over, since some moment after the look before. */
static int
end_wait(struct job *j, struct seen *s, int64_t now_ns)
{
	struct site *at = find_site(s, s->stack, 0);

	if (at)
		at->over++;
	return add(&j->over, s->stack, at ? 0 : 1, s->ns + (uint64_t)(now_ns - s->last_ns) / 2);
}

/* Something has happened since it was last seen: say what. stack: where it waits now; NO_STACK: it does
 * not. */
static int
settle(struct job *j, struct seen *s, const struct go_g *g, uint32_t stack, int64_t now_ns)
{
	bool same = g->at && s->goid == g->goid;
	bool is_news = s->goid != 0;
	/* A goroutine that is new has begun since this record was looked at. */
	uint64_t half = s->last_ns ? (uint64_t)(now_ns - s->last_ns) / 2 : 0;
	int e = s->waits ? end_wait(j, s, now_ns) : 0;

	if (e == 0 && !same) {
		/* The wait at hand was over, whether it was seen to be or not. */
		s->stops += s->waits;
		e = share_out(j, s);
		*s = (struct seen){ .is_active = s->is_active };
	} else {
		s->stops += (uint8_t)(g->seq - s->seq);
	}
	s->goid = g->at && go_g_is_alive(g) ? g->goid : 0;
	s->last_ns = now_ns;
	s->ns = half;
	s->stack = stack;
	s->seq = g->seq;
	s->waits = stack != NO_STACK;
	if (s->waits)
		find_site(s, stack, place_of(g));
	else if (s->goid && !go_g_is_running(g))
		find_site(s, OTHER_SITE | (uint32_t)g->status << 8 | g->reason, 0);
	s->still = 0;
	if (s->goid && is_news && !s->is_active) {
		s->is_active = true;
		j->active[j->n_active++] = (uint32_t)(s - j->seen);
	}
	return e;
}

/* ---- a look */

/* Stacks of those that wait where they were not seen before. */
static int
read_fresh(struct job *j, size_t n, int64_t now_ns)
{
	int e = go_parked_read(j->parked, j->fresh_addrs, n, j->read);

	for (size_t i = 0; e == 0 && i < n; i++) {
		const struct go_parked *p = &j->read[i];
		bool good = p->what == GO_PARKED_SURE || p->what == GO_PARKED_UNSURE;

		e = settle(j, &j->seen[j->fresh[i]], &p->g, good && waits(j, &p->g) ? p->stack : NO_STACK,
			   now_ns);
	}
	return e;
}

/* Look at the n records of j->which. */
static int
look_at(struct job *j, size_t n)
{
	int64_t now_ns = (int64_t)clock_ns(CLOCK_MONOTONIC);
	size_t fresh = 0;
	int e;

	for (size_t i = 0; i < n; i++)
		j->which_addrs[i] = j->addrs[j->which[i]];
	e = go_parked_look(j->parked, j->which_addrs, n, j->got);
	for (size_t i = 0; e == 0 && i < n; i++) {
		const struct go_g *g = &j->got[i].g;
		struct seen *s = &j->seen[j->which[i]];
		bool now = waits(j, g), same = s->goid == g->goid && s->seq == g->seq;
		uint32_t stack = now ? known_stack(s, g) : NO_STACK;

		if (same && now == s->waits) {
			s->ns += (uint64_t)(now_ns - s->last_ns);
			s->last_ns = now_ns;
			s->still += s->still < STILL_MAX;
		} else if (now && stack == NO_STACK) {
			j->fresh_addrs[fresh] = j->which_addrs[i];
			j->fresh[fresh++] = j->which[i];
		} else {
			e = settle(j, s, g, stack, now_ns);
		}
	}
	return e < 0 || fresh == 0 ? e : read_fresh(j, fresh, now_ns);
}

/* Those to whom something happened not long ago. */
static int
look_at_active(struct job *j)
{
	size_t n = j->n_active, left = 0;
	int e = 0;

	for (size_t from = 0; e == 0 && from < n; from += GO_PARKED_MAX) {
		size_t k = n - from < GO_PARKED_MAX ? n - from : GO_PARKED_MAX;

		memcpy(j->which, j->active + from, k * sizeof(j->which[0]));
		e = look_at(j, k);
	}
	for (size_t i = 0; i < n; i++) {
		struct seen *s = &j->seen[j->active[i]];

		s->is_active = s->goid && s->still < STILL_MAX;
		if (s->is_active)
			j->active[left++] = j->active[i];
	}
	j->n_active = left;
	return e;
}

/* n of the others, from where the last look ended. */
static int
look_at_next(struct job *j, size_t n)
{
	size_t k = 0;
	int e = 0;

	for (size_t i = 0; e == 0 && i < n; i++) {
		uint32_t which = (uint32_t)((j->next + i) % j->n_addrs);

		if (!j->seen[which].is_active)
			j->which[k++] = which;
		if (k == GO_PARKED_MAX || (i + 1 == n && k > 0)) {
			e = look_at(j, k);
			k = 0;
		}
	}
	j->next = (j->next + n) % j->n_addrs;
	return e;
}

static int
find_goroutines(struct job *j, struct err *why)
{
	int e = go_allgs_update(j->n, &j->addrs, &j->n_addrs, why);
	void *more;

	if (e < 0)
		return e;
	if (j->n_addrs > GO_ESTIMATE_GOROUTINES_MAX)
		return err_set(why, -E2BIG,
			       "an estimate looks at %u goroutines at the most; the node has had %zu",
			       GO_ESTIMATE_GOROUTINES_MAX, j->n_addrs);
	if (j->n_addrs == j->n_seen)
		return 0;
	more = realloc(j->seen, j->n_addrs * sizeof(*j->seen));
	j->seen = more ? more : j->seen;
	if (more)
		more = realloc(j->active, j->n_addrs * sizeof(*j->active));
	j->active = more ? more : j->active;
	if (!more)
		return -ENOMEM;
	for (size_t i = j->n_seen; i < j->n_addrs; i++)
		j->seen[i] = (struct seen){ .last_ns = j->last_look_ns };
	j->n_seen = j->n_addrs;
	return 0;
}

static int
look(struct job *j, bool at_all, struct err *why)
{
	int e = find_goroutines(j, why);
	size_t n;

	if (e < 0)
		return e;
	n = j->n_addrs / ROUND > ROUND_MIN ? j->n_addrs / ROUND : ROUND_MIN;
	if (at_all || n > j->n_addrs)
		n = j->n_addrs;
	e = look_at_active(j);
	if (e == 0)
		e = look_at_next(j, n);
	j->looks++;
	j->last_look_ns = (int64_t)clock_ns(CLOCK_MONOTONIC);
	return e;
}

/* ---- all of it */

/* The time until the next look, of which the last cost so much. Not always the same: a node has beats of
 * its own. */
static int64_t
pause_ns(struct job *j, int64_t cost_ns, double share)
{
	int64_t period = (int64_t)((double)cost_ns / share);

	if (period < PERIOD_MIN_NS)
		period = PERIOD_MIN_NS;
	j->random = j->random * 6364136223846793005u + 1442695040888963407u;
	return period * 3 / 4 + (int64_t)((j->random >> 33) % ((uint64_t)period / 2));
}

static void
sleep_until(int64_t ns)
{
	struct timespec t = { ns / 1000000000, ns % 1000000000 };

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR)
		;
}

/* Two looks at all goroutines tell which ones are active; with the last, which is at all of them again,
 * they cost what they cost. The others share what is left. */
static int
look_for(struct job *j, int64_t duration_ns, struct err *why)
{
	int64_t end_ns = (int64_t)clock_ns(CLOCK_MONOTONIC) + duration_ns, next = 0, cost, began;
	double share;
	int e;

	began = (int64_t)clock_ns(CLOCK_THREAD_CPUTIME_ID);
	e = look(j, true, why);
	if (e == 0)
		e = look(j, true, why);
	cost = (int64_t)clock_ns(CLOCK_THREAD_CPUTIME_ID) - began;
	share = 1.0 / COST - 1.5 * (double)cost / (double)duration_ns;
	if (!(share >= 1.0 / COST_MIN))
		share = 1.0 / COST_MIN;
	cost = 0;
	while (e == 0 && next < end_ns) {
		next = (int64_t)clock_ns(CLOCK_MONOTONIC) + pause_ns(j, cost, share);
		sleep_until(next < end_ns ? next : end_ns);
		began = (int64_t)clock_ns(CLOCK_THREAD_CPUTIME_ID);
		e = look(j, next >= end_ns, why);
		cost = (int64_t)clock_ns(CLOCK_THREAD_CPUTIME_ID) - began;
	}
	return e;
}

static int
put_all(struct job *j)
{
	static const char key[] = "status", value[] = "still-blocked";
	int64_t k = reading_writer_string(j->w, key, sizeof(key) - 1);
	int64_t v = reading_writer_string(j->w, value, sizeof(value) - 1), set;
	struct reading_label label = { (uint32_t)k, (uint32_t)v };
	int e = 0;

	if (k < 0 || v < 0)
		return k < 0 ? (int)k : (int)v;
	set = reading_writer_labels(j->w, &label, 1);
	if (set < 0)
		return (int)set;
	for (size_t i = 0; e == 0 && i < j->n_seen; i++) {
		if (j->seen[i].waits)
			e = add(&j->open, j->seen[i].stack, 1, j->seen[i].ns);
		if (e == 0)
			e = share_out(j, &j->seen[i]);
	}
	if (e == 0)
		e = put_sums(j, &j->over, 0);
	if (e == 0)
		e = put_sums(j, &j->open, (uint32_t)set);
	return e < 0 ? e
		     : reading_writer_note(j->w, "an estimate: %u looks at %zu goroutines", j->looks,
					   j->n_addrs);
}

static int
open_job(struct job *j)
{
	int e = go_traceback_new(&j->t, &j->n->module, j->n->bias, j->n->minor, j->n->at->wrapper_func_id);

	go_stacks_init(&j->stacks, j->n->mem);
	if (e == 0)
		e = go_parked_new(&j->parked, j->n, j->t, &j->stacks, j->w);
	if (e < 0)
		return e;
	go_parked_trim(j->parked);
	if (j->n->minor >= WRAPPERS_SINCE)
		go_traceback_list_wrappers(j->t);
	learn_reasons(j);
	j->random = clock_ns(CLOCK_MONOTONIC);
	reading_writer_head(j->w)->ticks_per_second = 1e9;
	return 0;
}

static void
free_job(struct job *j)
{
	go_parked_free(j->parked);
	go_traceback_free(j->t);
	free(j->addrs);
	free(j->seen);
	free(j->active);
	free(j->over.at);
	free(j->open.at);
	free(j);
}

int
go_estimate_read(struct go_node *n, uint32_t duration_ms, struct reading_writer *w, struct err *why)
{
	struct job *j = calloc(1, sizeof(*j));
	int e;

	if (!j)
		return -ENOMEM;
	j->n = n;
	j->w = w;
	e = open_job(j);
	if (e == 0)
		e = look_for(j, (int64_t)duration_ms * 1000000, why);
	if (e == 0)
		e = put_all(j);
	free_job(j);
	return e;
}
