#include "config.h"

#include "fcgi/go_comments.h"

#include <string.h>

#include "fcgi/go_profile.h"

#define NOTES_MAX 32
#define NOTE_MAX  500 /* bytes */

/* How to get something where a rate is 0. */
static const char heap_off[] =
	"runtime.MemProfileRate is 0. The linker switches it off where nothing refers to "
	"runtime.MemProfile: to get data, build the program with an import of runtime/pprof or "
	"net/http/pprof";
static const char block_off[] =
	"the rate is 0: to get data, call runtime.SetBlockProfileRate(1) in the program; or ask for "
	"block?estimate=1&seconds=10, which needs nothing of it, or for block?arm=1&seconds=10, where the "
	"configuration allows it";
static const char mutex_off[] = "the fraction is 0: to get data, call runtime.SetMutexProfileFraction(1) "
				"in the program, or ask for "
				"mutex?arm=1&seconds=10, where the configuration allows it";

static const char *const switched_off[READING_KINDS] = {
	[READING_HEAP] = heap_off,
	[READING_BLOCK] = block_off,
	[READING_MUTEX] = mutex_off,
};

static int
comment_what(struct profile *p, const struct go_comments *c)
{
	const struct reading *r = c->reading;
	size_t n;
	const char *version = reading_string(r, r->head->version, &n);

	return profile_commentf(
		p, "pprofd " PACKAGE_VERSION ": %s of a Go program, %.*s; node %s, pid %u, %s", c->name,
		(int)(n < 64 ? n : 64), version, c->node->name, c->node->pid, c->node->exe);
}

static int
comment_how(struct profile *p, const struct go_comments *c)
{
	double ms = (double)c->reading->head->took_ns / 1e6;
	int r;

	if (c->look_ms)
		return profile_commentf(
			p,
			"an estimate: for %.3g s goroutines that wait were looked at again and again. "
			"Waits shorter than the time between two looks are counted by chance; "
			"status=still-blocked: the wait was not over at the end, Go would not count it",
			c->look_ms / 1e3);
	r = profile_commentf(p, "read in %.1f ms, in the program's memory, without stopping it", ms);
	if (r == 0 && c->is_delta)
		r = profile_commentf(
			p, "the difference between two readings%s",
			c->sums_only ? "; what is no sum over the program's life is as at the end" : "");
	if (r == 0 && c->armed)
		r = profile_commentf(p, "the rate was 0, and was set to 1 while this was recorded");
	return r;
}

static int
comment_goroutines(struct profile *p, const struct reading_head *h)
{
	int r;

	if (h->kind != READING_GOROUTINE && h->kind != READING_LEAK)
		return 0;
	r = profile_commentf(p, "goroutines of the runtime, left out: %llu",
			     (unsigned long long)h->skipped);
	if (r == 0 && h->unread)
		r = profile_commentf(p, "goroutines that ran, whose stacks could not be read: %llu",
				     (unsigned long long)h->unread);
	if (r == 0 && h->kind == READING_LEAK)
		r = profile_commentf(p,
				     "leaks are those that the runtime has found so far: it looks for them "
				     "when somebody asks it inside the program, which cannot be done from "
				     "outside");
	return r;
}

static int
comment_rate(struct profile *p, const struct reading_head *h)
{
	if (h->rate == 0 && switched_off[h->kind])
		return profile_comment(p, switched_off[h->kind], strlen(switched_off[h->kind]));
	if (h->rate < 0 && h->kind == READING_HEAP)
		return profile_commentf(
			p, "runtime.MemProfileRate was not found; %d, Go's default, is assumed",
			GO_HEAP_RATE_DEFAULT);
	if (h->rate < 0 && h->kind == READING_MUTEX)
		return profile_commentf(p, "the mutex profile's fraction was not found; 1 is assumed");
	return 0;
}

static int
comment_clock(struct profile *p, const struct reading_head *h)
{
	if ((h->kind != READING_BLOCK && h->kind != READING_MUTEX) || h->ticks_per_second > 0 ||
	    !h->buckets.n)
		return 0;
	return profile_commentf(p,
				"how fast the program's clock ticks is not known: delay is in its ticks");
}

static int
comment_gc(struct profile *p, const struct go_comments *c)
{
	if (!c->gc || c->reading->head->kind != READING_HEAP)
		return 0;
	return profile_commentf(
		p, "gc=1: a collection cannot be started from outside; this is as of the end of "
		   "the last one that the program made");
}

static int
comment_notes(struct profile *p, const struct reading *r)
{
	int e = 0;

	for (uint64_t i = 0; i < r->head->notes.n && i < NOTES_MAX && e == 0; i++) {
		size_t n;
		const char *note = reading_string(r, r->notes[i], &n);

		e = profile_comment(p, note, n < NOTE_MAX ? n : NOTE_MAX);
	}
	return e;
}

int
go_comments_add(struct profile *p, const struct go_comments *c)
{
	const struct reading_head *h = c->reading->head;
	int r = comment_what(p, c);

	if (r == 0)
		r = comment_how(p, c);
	if (r == 0)
		r = comment_notes(p, c->reading);
	if (r == 0)
		r = comment_rate(p, h);
	if (r == 0)
		r = comment_gc(p, c);
	if (r == 0)
		r = comment_goroutines(p, h);
	if (r == 0)
		r = comment_clock(p, h);
	if (r == 0 && c->made_up)
		r = profile_commentf(p, "addresses for which no name came in time: %u", c->made_up);
	return r;
}
