#include "config.h"

#include "fcgi/store.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "fcgi/text.h"

#define FORGOTTEN_MAX 1024 /* ids that are still known to have been ones */
#define RETRY_S       5

struct kept {
	struct store_is is;  /* under the store's lock until it is no longer RUNNING, then constant */
	struct profile *p;   /* owned; NULL unless DONE */
	uint32_t holds;      /* of the store's list, and of whoever has it */
};

struct store {
	struct store_limits limits;
	pthread_mutex_t lock; /* of what follows */
	pthread_cond_t ended; /* one of them is no longer RUNNING */
	struct kept *items[STORE_COUNT_MAX]; /* the newest first */
	uint32_t n, running, watched;
	uint64_t bytes;
	/* A ring of those that went last. */
	char forgotten[FORGOTTEN_MAX][STORE_ID_MAX];
	uint32_t next_forgotten;
};

struct store *
store_new(const struct store_limits *limits)
{
	struct store *s = calloc(1, sizeof(*s));
	pthread_condattr_t clock;

	if (!s)
		return NULL;
	s->limits = *limits;
	if (s->limits.count > STORE_COUNT_MAX)
		s->limits.count = STORE_COUNT_MAX;
	pthread_mutex_init(&s->lock, NULL);
	pthread_condattr_init(&clock);
	pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
	pthread_cond_init(&s->ended, &clock);
	pthread_condattr_destroy(&clock);
	return s;
}

/* ---- below the lock */

static void
kept_release(struct kept *k)
{
	if (--k->holds)
		return;
	take_free(k->p);
	free(k);
}

static void
store_forget(struct store *s, uint32_t i)
{
	struct kept *k = s->items[i];

	memcpy(s->forgotten[s->next_forgotten], k->is.id, STORE_ID_MAX);
	s->next_forgotten = (s->next_forgotten + 1) % FORGOTTEN_MAX;
	s->bytes -= k->is.bytes;
	memmove(&s->items[i], &s->items[i + 1], (s->n - i - 1) * sizeof(*s->items));
	s->n--;
	kept_release(k);
}

/* The oldest that does not run. Was there one? */
static bool
store_forget_oldest(struct store *s)
{
	for (uint32_t i = s->n; i-- > 0;) {
		if (s->items[i]->is.state == STORE_RUNNING)
			continue;
		store_forget(s, i);
		return true;
	}
	return false;
}

static void
store_sweep(struct store *s, uint64_t now_ms)
{
	for (uint32_t i = s->n; i-- > 0;)
		if (s->items[i]->is.state != STORE_RUNNING && now_ms >= s->items[i]->is.expires_ms)
			store_forget(s, i);
}

static void
store_end(struct store *s, struct kept *k, enum store_state state, uint64_t now_ms)
{
	k->is.state = state;
	k->is.end_ms = now_ms;
	k->is.expires_ms = now_ms + s->limits.age_ms;
	s->running--;
	pthread_cond_broadcast(&s->ended);
}

static void
kept_say(struct kept *k, int status, const char *why)
{
	k->is.status = status;
	memcpy(k->is.why, why, text_cut(why, strlen(why), sizeof(k->is.why) - 1));
}

void
store_free(struct store *s)
{
	if (!s)
		return;
	while (s->n) {
		struct kept *k = s->items[--s->n];

		kept_release(k);
	}
	pthread_cond_destroy(&s->ended);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

/* ---- a capture's life */

static int
kept_name(struct kept *k)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz234567";
	unsigned char chance[STORE_ID_MAX - 1];

	if (getrandom(chance, sizeof(chance), 0) != (ssize_t)sizeof(chance))
		return -EIO;
	for (size_t i = 0; i < sizeof(chance); i++)
		k->is.id[i] = letters[chance[i] % 32];
	return 0;
}

static struct kept *
kept_new(const struct store_is *is, uint64_t now_ms)
{
	struct kept *k = calloc(1, sizeof(*k));

	if (!k || kept_name(k) < 0) {
		free(k);
		return NULL;
	}
	memcpy(k->is.node, is->node, sizeof(k->is.node));
	memcpy(k->is.event, is->event, sizeof(k->is.event));
	k->is.kind = is->kind;
	k->is.hz = is->hz;
	k->is.duration_ms = is->duration_ms;
	k->is.counts = is->counts;
	k->is.begin_unix_ns = is->begin_unix_ns;
	k->is.begin_ms = now_ms;
	k->holds = 2;
	return k;
}

/* Seconds until one of the running ones should be over. */
static int
store_soonest(const struct store *s, uint64_t now_ms)
{
	uint64_t soonest = UINT64_MAX;

	for (uint32_t i = 0; i < s->n; i++) {
		const struct store_is *is = &s->items[i]->is;
		uint64_t end = is->begin_ms + is->duration_ms;

		if (is->state == STORE_RUNNING && end < soonest)
			soonest = end;
	}
	return soonest == UINT64_MAX || soonest <= now_ms ? RETRY_S : (int)((soonest - now_ms) / 1000) + 1;
}

static int
store_place(struct store *s, uint64_t now_ms, struct refusal *no)
{
	store_sweep(s, now_ms);
	if (!s->limits.count) {
		refusal_set(no, 403, 0, "no captures are kept here (captures = 0 in pprofd.conf)");
		return -EPERM;
	}
	if (s->running >= STORE_RUNNING_MAX || (s->n >= s->limits.count && !store_forget_oldest(s))) {
		refusal_set(no, 503, store_soonest(s, now_ms), "%u captures are running, which is the limit",
			    s->running);
		return -EBUSY;
	}
	return 0;
}

int
store_begin(struct store *s, const struct store_is *is, uint64_t now_ms, struct kept **out,
	    struct refusal *no)
{
	struct kept *k = kept_new(is, now_ms);
	int r;

	if (!k) {
		refusal_set(no, 503, RETRY_S, "out of memory");
		return -ENOMEM;
	}
	pthread_mutex_lock(&s->lock);
	r = store_place(s, now_ms, no);
	if (r == 0) {
		memmove(&s->items[1], &s->items[0], s->n * sizeof(*s->items));
		s->items[0] = k;
		s->n++;
		s->running++;
	}
	pthread_mutex_unlock(&s->lock);
	if (r < 0)
		free(k);
	else
		*out = k;
	return r;
}

void
store_progress(struct store *s, struct kept *k, uint64_t samples, uint64_t lost)
{
	pthread_mutex_lock(&s->lock);
	k->is.samples = samples;
	k->is.lost = lost;
	pthread_mutex_unlock(&s->lock);
}

void
store_done(struct store *s, struct kept *k, const struct taken *taken, uint64_t now_ms)
{
	uint64_t bytes = taken->p->room.used;

	pthread_mutex_lock(&s->lock);
	store_sweep(s, now_ms);
	while (bytes <= s->limits.bytes && s->bytes + bytes > s->limits.bytes && store_forget_oldest(s))
		;
	if (bytes > s->limits.bytes) {
		take_free(taken->p);
		kept_say(k, 503, "the profile is larger than all captures together may be (captures_mb in "
				 "pprofd.conf)");
		store_end(s, k, STORE_FAILED, now_ms);
	} else {
		k->p = taken->p;
		k->is.filename = taken->filename;
		k->is.bytes = bytes;
		s->bytes += bytes;
		if (k->p->window.ended) {
			k->is.samples = k->p->window.samples;
			k->is.lost = k->p->window.lost;
		}
		store_end(s, k, STORE_DONE, now_ms);
	}
	kept_release(k);
	pthread_mutex_unlock(&s->lock);
}

void
store_fail(struct store *s, struct kept *k, const struct refusal *no, uint64_t now_ms)
{
	pthread_mutex_lock(&s->lock);
	kept_say(k, no->status, no->text);
	store_end(s, k, STORE_FAILED, now_ms);
	kept_release(k);
	pthread_mutex_unlock(&s->lock);
}

/* ---- asking */

struct kept *
store_get(struct store *s, const char *node, const char *id, uint64_t now_ms, bool *gone)
{
	struct kept *found = NULL;

	*gone = false;
	if (strlen(id) != STORE_ID_MAX - 1)
		return NULL;
	pthread_mutex_lock(&s->lock);
	store_sweep(s, now_ms);
	for (uint32_t i = 0; i < s->n && !found; i++)
		if (!strcmp(s->items[i]->is.id, id) && !strcmp(s->items[i]->is.node, node))
			found = s->items[i];
	if (found)
		found->holds++;
	for (uint32_t i = 0; i < FORGOTTEN_MAX && !found && !*gone; i++)
		*gone = !strcmp(s->forgotten[i], id);
	pthread_mutex_unlock(&s->lock);
	return found;
}

void
store_put(struct store *s, struct kept *k)
{
	if (!k)
		return;
	pthread_mutex_lock(&s->lock);
	kept_release(k);
	pthread_mutex_unlock(&s->lock);
}

void
store_look(struct store *s, const struct kept *k, struct store_is *out)
{
	pthread_mutex_lock(&s->lock);
	*out = k->is;
	pthread_mutex_unlock(&s->lock);
}

const struct profile *
store_profile(const struct kept *k)
{
	return k->p;
}

bool
store_wait(struct store *s, const struct kept *k, uint64_t until_ms)
{
	const struct timespec until = { .tv_sec = (time_t)(until_ms / 1000),
					.tv_nsec = (long)(until_ms % 1000) * 1000000 };
	bool over;
	int r = 0;

	pthread_mutex_lock(&s->lock);
	while (k->is.state == STORE_RUNNING && r == 0)
		r = pthread_cond_timedwait(&s->ended, &s->lock, &until);
	over = k->is.state != STORE_RUNNING;
	pthread_mutex_unlock(&s->lock);
	return over;
}

bool
store_watch_begin(struct store *s)
{
	bool free_place;

	pthread_mutex_lock(&s->lock);
	free_place = s->watched < STORE_WATCHED_MAX;
	s->watched += free_place;
	pthread_mutex_unlock(&s->lock);
	return free_place;
}

void
store_watch_end(struct store *s)
{
	pthread_mutex_lock(&s->lock);
	s->watched--;
	pthread_mutex_unlock(&s->lock);
}

uint32_t
store_list(struct store *s, const char *node, uint64_t now_ms, struct store_is *out, uint32_t max)
{
	uint32_t n = 0;

	pthread_mutex_lock(&s->lock);
	store_sweep(s, now_ms);
	for (uint32_t i = 0; i < s->n && n < max; i++)
		if (!node || !strcmp(s->items[i]->is.node, node))
			out[n++] = s->items[i]->is;
	pthread_mutex_unlock(&s->lock);
	return n;
}

void
store_count(struct store *s, uint64_t now_ms, struct store_counts *out)
{
	memset(out, 0, sizeof(*out));
	pthread_mutex_lock(&s->lock);
	store_sweep(s, now_ms);
	for (uint32_t i = 0; i < s->n; i++) {
		enum store_state state = s->items[i]->is.state;

		out->running += state == STORE_RUNNING;
		out->done += state == STORE_DONE;
		out->failed += state == STORE_FAILED;
	}
	out->bytes = s->bytes;
	pthread_mutex_unlock(&s->lock);
}
