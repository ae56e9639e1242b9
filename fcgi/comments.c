#include "config.h"

#include "fcgi/comments.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/wire.h"

static double
percent(uint64_t part, uint64_t whole)
{
	return whole ? 100.0 * (double)part / (double)whole : 0.0;
}

static int
comment_event(struct profile *p, const struct comments_node *node)
{
	const struct profile_window *w = &p->window;
	const char *event = strings_get(&p->strings, w->event);

	if (w->is_clock && w->period)
		return profile_commentf(
			p, "pprofd " PACKAGE_VERSION ": %s at %.6g Hz of CPU time; node %s, pid %u, %s",
			event, 1e9 / (double)w->period, node->name, node->pid, node->exe);
	return profile_commentf(
		p, "pprofd " PACKAGE_VERSION ": %s, each sample weighted by its count; node %s, pid %u, %s",
		event, node->name, node->pid, node->exe);
}

static int
comment_counts(struct profile *p)
{
	const struct profile_window *w = &p->window;
	const struct {
		const char *name;
		uint64_t count, of;
	} counts[] = {
		{ "samples", w->samples, 0 },
		{ "lost", w->lost, w->samples + w->lost },
		{ "throttled", w->throttled, 0 },
		{ "late", w->late, w->samples },
		{ "guessed", w->guessed, w->samples },
		{ "truncated", w->truncated, w->samples },
		{ "stacks that reach their root", w->rooted, w->user_stacks },
	};
	int r = 0;

	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]) && r == 0; i++) {
		if (counts[i].of)
			r = profile_commentf(p, "%s: %llu (%.2f %%)", counts[i].name,
					     (unsigned long long)counts[i].count,
					     percent(counts[i].count, counts[i].of));
		else
			r = profile_commentf(p, "%s: %llu", counts[i].name,
					     (unsigned long long)counts[i].count);
	}
	return r;
}

double
comments_unnamed_percent(const struct profile *p)
{
	uint64_t frames = 0, unnamed = 0;

	for (uint32_t i = 0; i < p->samples.n; i++) {
		const struct profile_sample *s = &p->samples.at[i];
		const struct profile_stack *stack = &p->stacks.at[s->stack];
		uint64_t samples = (uint64_t)p->values.at[(size_t)i * p->n_types];

		for (uint32_t k = 0; k < stack->n; k++) {
			const struct profile_loc *loc = &p->locs.at[p->frames.at[stack->first + k]];

			frames += samples;
			if (!(p->places.at[loc->place].flags & WIRE_ANSWER_NAMED))
				unnamed += samples;
		}
	}
	return percent(unnamed, frames);
}

static int
comment_names(struct profile *p, uint32_t made_up)
{
	int r = profile_commentf(p, "frames without a symbol: %.2f %%", comments_unnamed_percent(p));

	if (r == 0 && made_up)
		r = profile_commentf(p, "addresses for which no name came in time: %u", made_up);
	return r;
}

/* Samples, exact time, and the difference. */
static int
comment_clock(struct profile *p)
{
	const struct profile_window *w = &p->window;
	double clock = (double)w->cpu_ns / 1e9, sampled = (double)w->samples * (double)w->period / 1e9;
	double share = w->cpu_ns ? 100.0 * (clock - sampled) / clock : 0.0;

	if (!w->is_clock || !w->cpu_ns)
		return 0;
	if (!w->is_exact)
		return profile_commentf(p, "CPU clock: %.3f s, of which sampled %.3f s", clock, sampled);
	if (!w->is_scaled)
		return profile_commentf(p, "CPU clock: %.3f s, of which sampled %.3f s; the difference, %.3f s (%.2f %%), is "
					"left out (scale=off)", clock, sampled, clock - sampled, share);
	return profile_commentf(p, "CPU clock: %.3f s, of which sampled %.3f s; the difference, %.3f s (%.2f %%), is "
				"[unsampled]", clock, sampled, clock - sampled, share);
}

static int
comment_exact(struct profile *p)
{
	const struct profile_window *w = &p->window;
	int r = 0;

	if (w->filled)
		r = profile_commentf(p, "spare samples that took the place of missing ones: %llu",
				     (unsigned long long)w->filled);
	if (r == 0 && w->taken_out)
		r = profile_commentf(p, "samples beyond the CPU clock (stolen time, interrupts, chance), taken out evenly: "
				     "%llu of %llu", (unsigned long long)w->taken_out,
				     (unsigned long long)(w->samples + w->taken_out));
	if (r == 0 && w->steal_ns)
		r = profile_commentf(p, "steal: the hypervisor took %.2f s from the machine's CPUs meanwhile",
				     (double)w->steal_ns / 1e9);
	return r;
}

static int
comment_end(struct profile *p)
{
	static const char *const reasons[] = {
		[WIRE_END_TIME] = NULL,
		[WIRE_END_EXIT] = "the node exited",
		[WIRE_END_STOPPED] = "the collector was stopped",
	};
	const struct profile_window *w = &p->window;

	if (w->reason >= sizeof(reasons) / sizeof(reasons[0]) || !reasons[w->reason])
		return 0;
	return profile_commentf(p, "ended after %.3f s: %s", (double)w->duration_ns / 1e9,
				reasons[w->reason]);
}

/* Move the comments from `first` on to the front. */
static int
comments_turn(struct profile *p, uint32_t first)
{
	uint32_t n = p->comments.n - first;
	uint32_t *front = malloc((n ? n : 1) * sizeof(*front));

	if (!front)
		return -ENOMEM;
	memcpy(front, p->comments.at + first, n * sizeof(*front));
	memmove(p->comments.at + n, p->comments.at, first * sizeof(*front));
	memcpy(p->comments.at, front, n * sizeof(*front));
	free(front);
	return 0;
}

int
comments_add(struct profile *p, const struct comments_node *node, uint32_t made_up)
{
	uint32_t notes = p->comments.n;
	int r;

	r = comment_event(p, node);
	if (r == 0)
		r = comment_end(p);
	if (r == 0)
		r = comment_counts(p);
	if (r == 0)
		r = comment_clock(p);
	if (r == 0)
		r = comment_exact(p);
	if (r == 0)
		r = comment_names(p, made_up);
	return r < 0 ? r : comments_turn(p, notes);
}
