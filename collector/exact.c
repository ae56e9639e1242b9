#include "config.h"

#include "collector/exact.h"

#include <stdlib.h>
#include <string.h>

#include "collector/node.h"
#include "collector/proc.h"
#include "collector/window.h"

/* ---- begin */

void
exact_begin(struct exact *x, const struct window *w)
{
	memset(x, 0, sizeof(*x));
	thread_times_init(&x->before);
	if (!w->sampler->event.is_clock)
		return;
	x->steal_before = proc_steal_ns();
	x->by_thread = w->sampler->mode == SAMPLER_PER_THREAD &&
		       thread_times_read(&x->before, w->node->pid, EXACT_THREADS_MAX) > 0;
}

void
exact_fini(struct exact *x)
{
	thread_times_fini(&x->before);
	free(x->rest);
	memset(x, 0, sizeof(*x));
}

/* ---- samples */

uint64_t
exact_part(uint64_t n, uint64_t k, uint64_t whole, uint64_t *carry)
{
	uint64_t sum = *carry + n * k;

	*carry = sum % whole;
	return sum / whole;
}

static void
exact_fill(struct window *w, uint64_t spares, uint64_t wanted)
{
	uint64_t k = wanted < spares ? wanted : spares, carry = spares / 2;

	for (uint32_t i = 0; i < w->n_counts && k; i++)
		w->counts[i].samples += exact_part(w->counts[i].spares, k, spares, &carry);
	w->exact.filled = k;
	w->samples += k;
}

static uint64_t
less_by(uint64_t count, uint64_t k, uint64_t whole)
{
	uint64_t carry = whole / 2;

	return count - exact_part(count, k, whole, &carry);
}

static void
exact_take_out(struct window *w, uint64_t samples, uint64_t k)
{
	uint64_t carry = samples / 2;

	for (uint32_t i = 0; i < w->n_counts; i++)
		w->counts[i].samples -= exact_part(w->counts[i].samples, k, samples, &carry);
	w->exact.taken_out = k;
	w->late = less_by(w->late, k, samples);
	w->guessed = less_by(w->guessed, k, samples);
	w->truncated = less_by(w->truncated, k, samples);
	w->samples -= k;
}

/* Returns the samples that are left. */
static uint64_t
exact_samples(struct window *w, uint64_t wanted, bool least)
{
	uint64_t samples = 0, spares = 0;

	for (uint32_t i = 0; i < w->n_counts; i++) {
		samples += w->counts[i].samples;
		spares += w->counts[i].spares;
	}
	/* What is missing may be the kernel's time: no user function's sample can stand for that. */
	if (samples < wanted && !w->sampler->event.attr.exclude_kernel)
		exact_fill(w, spares, wanted - samples);
	if (samples > wanted && !least)
		exact_take_out(w, samples, samples - wanted);
	return samples + w->exact.filled - w->exact.taken_out;
}

/* ---- the rest */

static void
exact_add_rest(struct exact *x, size_t cap, uint32_t tid, uint64_t ns)
{
	if (ns && x->n_rest < cap) {
		x->rest[x->n_rest++] = (struct exact_rest){ .tid = tid, .ns = ns };
		x->unsampled_ns += ns;
	}
}

/* What each living thread's own clock says beyond its samples. Returns the sum. */
static uint64_t
exact_misses(struct window *w, const struct thread_times *now, struct exact_rest *misses, size_t *n)
{
	uint64_t period = w->sampler->event.period, sum = 0;
	struct thread_times sampled;

	*n = 0;
	thread_times_init(&sampled);
	for (uint32_t i = 0; i < w->n_counts; i++)
		if (thread_times_add(&sampled, w->counts[i].tid, w->counts[i].samples * period) < 0)
			goto out;
	for (uint32_t i = 0; i < now->n; i++) {
		uint32_t tid = now->v[i].tid;
		uint64_t has = thread_times_get(&w->exact.before, tid) + thread_times_get(&sampled, tid);

		if (now->v[i].ns < has + EXACT_THREAD_MIN_NS)
			continue;
		misses[(*n)++] = (struct exact_rest){ .tid = tid, .ns = now->v[i].ns - has };
		sum += now->v[i].ns - has;
	}
out:
	thread_times_fini(&sampled);
	return sum;
}

/* The threads' parts may come to more than there is: others have samples too many. Then each gives in proportion. */
static void
exact_by_thread(struct window *w, uint64_t rest)
{
	struct exact *x = &w->exact;
	struct thread_times now;
	struct exact_rest *misses;
	uint64_t sum;
	size_t n;

	thread_times_init(&now);
	if (thread_times_read(&now, w->node->pid, EXACT_THREADS_MAX) > 0) {
		misses = calloc(now.n + 1, sizeof(*misses));
		sum = misses ? exact_misses(w, &now, misses, &n) : 0;
		for (size_t i = 0; sum && i < n; i++)
			exact_add_rest(x, n, misses[i].tid,
				       sum <= rest ? misses[i].ns : (uint64_t)((double)misses[i].ns / (double)sum * (double)rest));
		free(misses);
	}
	thread_times_fini(&now);
}

void
exact_settle(struct window *w, uint64_t cpu_ns, bool least)
{
	struct exact *x = &w->exact;
	uint64_t period = w->sampler->event.period, sampled;

	if (!w->sampler->event.is_clock || !period)
		return;
	x->steal_ns = proc_steal_ns() - x->steal_before;
	if (!cpu_ns || w->unscaled)
		return;
	sampled = exact_samples(w, cpu_ns / period, least) * period;
	if (cpu_ns <= sampled)
		return;
	x->rest = calloc(EXACT_THREADS_MAX + 1, sizeof(*x->rest));
	if (!x->rest)
		return;
	/* A window that went over to CPUs, or to another process, has no threads' clocks to compare with. */
	if (x->by_thread && w->sampler->mode == SAMPLER_PER_THREAD && w->node->pid && !w->cpu_ns)
		exact_by_thread(w, cpu_ns - sampled);
	if (cpu_ns - sampled > x->unsampled_ns)
		exact_add_rest(x, EXACT_THREADS_MAX + 1, 0, cpu_ns - sampled - x->unsampled_ns);
}
