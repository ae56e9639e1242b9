#include "config.h"

#include "fcgi/intake.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/wire.h"
#include "fcgi/text.h"

#define NOTES_MAX 64 /* lines of comment that a collector may add */

static int64_t
saturate(uint64_t v)
{
	return v > INT64_MAX ? INT64_MAX : (int64_t)v;
}

static uint64_t
times(uint64_t a, uint64_t b)
{
	uint64_t product;

	return __builtin_mul_overflow(a, b, &product) ? UINT64_MAX : product;
}

/* The sample types that Go's own profile has, or those of any other event. */
static int
intake_types(struct profile *p)
{
	const struct profile_window *w = &p->window;
	char type[128], unit[64];

	/* Strings move when others are added. */
	snprintf(type, sizeof(type), "%s", w->is_clock ? "cpu" : strings_get(&p->strings, w->event));
	snprintf(unit, sizeof(unit), "%s",
		 w->is_clock ? "nanoseconds"
		 : w->unit   ? strings_get(&p->strings, w->unit)
			     : "count");
	if (p->n_types)
		return -EBADMSG;
	if (profile_type_add(p, "samples", "count") < 0 || profile_type_add(p, type, unit) < 0)
		return -ENOMEM;
	return profile_period_set(p, type, unit, saturate(w->period));
}

static int
intake_window(struct profile *p, struct cur *c)
{
	struct profile_window *w = &p->window;
	const char *s;
	size_t n;

	w->number = cur_u64(c);
	w->start_unix_ns = cur_u64(c);
	w->is_clock = cur_u8(c) != 0;
	w->period = cur_u64(c);
	s = cur_str(c, &n);
	w->event = strings_add(&p->strings, s, n);
	s = cur_str(c, &n);
	w->unit = strings_add(&p->strings, s, n);
	return w->event == STRINGS_NONE || w->unit == STRINGS_NONE ? -ENOMEM : intake_types(p);
}

static int
intake_maps(struct profile *p, struct cur *c)
{
	for (uint16_t n = cur_u16(c); n && !c->bad; n--) {
		struct profile_map_is is;
		int64_t r;

		is.id = cur_u32(c);
		is.object = cur_u64(c);
		is.kind = cur_u8(c);
		is.flags = cur_u8(c);
		is.start = cur_u64(c);
		is.end = cur_u64(c);
		is.pgoff = cur_u64(c);
		is.path = cur_str(c, &is.path_n);
		if (c->bad || is.id == UINT32_MAX || is.kind > WIRE_MAP_PSEUDO)
			return -EBADMSG;
		r = profile_map_add(p, &is);
		if (r < 0)
			return (int)r;
	}
	return 0;
}

static int
intake_stack(struct profile *p, struct cur *c)
{
	uint32_t id = cur_u32(c);
	uint8_t flags = cur_u8(c);
	uint16_t k = cur_u16(c);
	int64_t r;

	if (c->bad || k > PROFILE_STACK_MAX || profile_stack_find(p, id) >= 0)
		return -EBADMSG;
	r = profile_stack_add(p, id, flags);
	for (; k && r >= 0; k--) {
		uint32_t map = cur_u32(c);
		uint64_t addr = cur_u64(c);

		if (c->bad)
			return -EBADMSG;
		r = profile_frame_add(p, map, addr);
	}
	return r == -ENOENT ? -EBADMSG : r < 0 ? (int)r : 0;
}

static int
intake_stacks(struct profile *p, struct cur *c)
{
	int r = 0;

	for (uint16_t n = cur_u16(c); n && r == 0; n--)
		r = intake_stack(p, c);
	return r;
}

static int
intake_threads(struct profile *p, struct cur *c)
{
	for (uint16_t n = cur_u16(c); n && !c->bad; n--) {
		uint32_t tid = cur_u32(c);
		const char *name;
		size_t len;
		int64_t r;

		cur_u32(c); /* its process: all are the node's */
		name = cur_str(c, &len);
		r = c->bad ? -EBADMSG : profile_thread_set(p, tid, name, len);
		if (r < 0)
			return (int)r;
	}
	return 0;
}

static int
intake_counts(struct profile *p, struct cur *c)
{
	for (uint16_t n = cur_u16(c); n && !c->bad; n--) {
		int64_t stack = profile_stack_find(p, cur_u32(c)), r;
		uint32_t tid = cur_u32(c);
		uint64_t samples = cur_u64(c);
		uint64_t value = cur_u64(c);
		int64_t values[PROFILE_TYPES_MAX] = { 0 };

		if (c->bad || stack < 0 || p->n_types < 2)
			return -EBADMSG;
		/* Readers drop a sample of nothing, or stumble over it. */
		if (!samples && !value)
			continue;
		/* Go's rule for CPU time: samples times the period, exactly. Time without samples
		 * (which the collector knows from the CPU clock) stands for itself. */
		if (p->window.is_clock && samples)
			value = times(samples, p->window.period);
		values[0] = saturate(samples);
		values[1] = saturate(value);
		r = profile_sample_add(p, (uint32_t)stack, tid, 0, values);
		if (r < 0)
			return (int)r;
	}
	return 0;
}

static int
intake_note(struct profile *p, struct cur *c)
{
	size_t n;
	const char *text = cur_str(c, &n);

	if (!n || p->comments.n >= NOTES_MAX)
		return 0;
	return profile_comment(p, text, n);
}

static int
intake_exact(struct profile *p, struct cur *c)
{
	struct profile_window *w = &p->window;

	w->unsampled_ns = cur_u64(c);
	w->taken_out = cur_u64(c);
	w->filled = cur_u64(c);
	w->steal_ns = cur_u64(c);
	w->is_scaled = cur_u8(c) != 0;
	w->is_exact = true;
	return 0;
}

static int
intake_end(struct profile *p, struct cur *c)
{
	struct profile_window *w = &p->window;

	w->duration_ns = cur_u64(c);
	w->samples = cur_u64(c);
	w->lost = cur_u64(c);
	w->throttled = cur_u64(c);
	w->late = cur_u64(c);
	w->guessed = cur_u64(c);
	w->truncated = cur_u64(c);
	w->rooted = cur_u64(c);
	w->user_stacks = cur_u64(c);
	w->cpu_ns = cur_u64(c);
	w->reason = cur_u8(c);
	w->ended = true;
	return 0;
}

int
intake(struct profile *p, uint16_t type, const void *body, size_t len, struct err *why)
{
	static const struct {
		const char *name;
		int (*take)(struct profile *p, struct cur *c);
	} takes[WIRE_TYPES] = {
		[WIRE_WINDOW] = { "window", intake_window },
		[WIRE_MAPS] = { "maps", intake_maps },
		[WIRE_STACKS] = { "stacks", intake_stacks },
		[WIRE_THREADS] = { "threads", intake_threads },
		[WIRE_COUNTS] = { "counts", intake_counts },
		[WIRE_NOTE] = { "note", intake_note },
		[WIRE_EXACT] = { "exact time", intake_exact },
		[WIRE_WINDOW_END] = { "end of the window", intake_end },
	};
	struct cur c;
	int r;

	if (type >= WIRE_TYPES || !takes[type].take)
		return err_set(why, -EBADMSG, "a message of type %u that does not belong here", type);
	cur_init(&c, body, len);
	r = takes[type].take(p, &c);
	if (r == 0 && (cur_error(&c) < 0 || cur_left(&c)))
		r = -EBADMSG;
	if (r == -ENOMEM)
		return err_set(why, r, "more than %u MB of stacks and names", PROFILE_MEMORY_MAX >> 20);
	if (r < 0)
		return err_set(why, r, "a message (%s) that cannot be right", takes[type].name);
	return 0;
}

void
refusal_set(struct refusal *r, int status, int retry_after_s, const char *fmt, ...)
{
	va_list ap;

	r->status = status;
	r->retry_after_s = retry_after_s;
	va_start(ap, fmt);
	vsnprintf(r->text, sizeof(r->text), fmt, ap);
	va_end(ap);
}

void
refusal_take(struct refusal *r, int status, int retry_after_s, const char *text, size_t n)
{
	struct buf clean;

	if (status < 400 || status > 599) {
		refusal_set(r, 503, 0, "refused without a reason that can be read");
		return;
	}
	r->status = status;
	r->retry_after_s = retry_after_s;
	buf_init(&clean, 4 * WIRE_BODY_MAX);
	text_clean(&clean, text, n);
	snprintf(r->text, sizeof(r->text), "%.*s",
		 (int)text_cut((const char *)clean.data, clean.len, sizeof(r->text) - 1),
		 clean.len ? (const char *)clean.data : "");
	buf_fini(&clean);
}

void
refusal_decode(struct refusal *r, const void *body, size_t len)
{
	struct cur c;
	const char *text;
	int status, retry;
	size_t n;

	cur_init(&c, body, len);
	status = cur_u16(&c);
	retry = cur_u16(&c);
	text = cur_str(&c, &n);
	refusal_take(r, cur_error(&c) < 0 ? 0 : status, retry, text, n);
}
