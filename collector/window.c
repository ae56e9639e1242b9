#include "config.h"

#include "collector/window.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/loop.h"
#include "collector/node.h"
#include "collector/objects.h"
#include "collector/outbox.h"
#include "collector/proc.h"

#define TID_MAX (1u << 22)

/* A count, and its part of the table that finds it. */
#define COUNT_BYTES (sizeof(struct window_count) + 2 * sizeof(struct table_slot))

/* ---- bitmaps of what was told */

static bool
bitmap_set(struct bitmap *b, uint32_t bit)
{
	size_t at = bit / 8;
	bool was;

	if (at >= b->bytes) {
		size_t bytes = (at + 1) * 2 + 64;
		unsigned char *more = realloc(b->bits, bytes);

		if (!more)
			return false;
		memset(more + b->bytes, 0, bytes - b->bytes);
		b->bits = more;
		b->bytes = bytes;
	}
	was = b->bits[at] >> bit % 8 & 1;
	b->bits[at] |= (unsigned char)(1u << bit % 8);
	return !was;
}

/* ---- life */

int
window_new(struct window **out, struct node *node, struct sampler *s, uint64_t id, uint64_t duration_ns,
	   size_t max_bytes, struct err *why)
{
	struct window *w = calloc(1, sizeof(*w));
	bool known;

	if (!w)
		return err_set(why, -ENOMEM, "no memory for a window");
	w->id = id;
	w->node = node;
	w->sampler = s;
	w->max_bytes = max_bytes;
	table_init(&w->count_ids);
	w->lost_before = sampler_lost(s, &known);
	w->throttled_before = s->throttled;
	w->cpu_before = proc_cpu_ns(node->pid);
	w->start_ns = loop_now();
	w->start_unix_ns = loop_unix_now();
	w->end_ns = w->start_ns + duration_ns;
	exact_begin(&w->exact, w);
	if (s->says[0])
		window_note(w, "%s", s->says);
	s->users++;
	*out = w;
	return 0;
}

void
window_free(struct window *w)
{
	if (!w)
		return;
	w->sampler->users--;
	w->node->window_bytes -= w->cap_counts * COUNT_BYTES;
	free(w->counts);
	table_fini(&w->count_ids);
	exact_fini(&w->exact);
	free(w->fresh);
	free(w->told_stacks.bits);
	free(w->told_maps.bits);
	for (size_t i = 0; i < w->n_notes; i++)
		free(w->notes[i]);
	free(w);
}

void
window_note(struct window *w, const char *fmt, ...)
{
	va_list ap;
	char *text;

	if (w->n_notes == WINDOW_NOTES_MAX)
		return;
	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	for (size_t i = 0; text && i < w->n_notes; i++) {
		if (!strcmp(w->notes[i], text)) {
			free(text);
			return;
		}
	}
	if (text)
		w->notes[w->n_notes++] = text;
}

/* ---- counting */

static bool
count_same(const void *ctx, uint32_t i, const void *key)
{
	const struct window_count *have = &((const struct window *)ctx)->counts[i], *k = key;

	return have->stack == k->stack && have->tid == k->tid;
}

static struct window_count *
window_entry(struct window *w, uint32_t stack, uint32_t tid)
{
	struct window_count key = { .stack = stack, .tid = tid };
	uint64_t hash = hash_u64(stack, tid);
	uint32_t i = table_find(&w->count_ids, hash, count_same, w, &key);

	if (i != TABLE_NONE)
		return &w->counts[i];
	if (w->n_counts == w->cap_counts) {
		uint32_t cap = w->cap_counts ? w->cap_counts * 2 : 256;
		size_t growth = (cap - w->cap_counts) * COUNT_BYTES;
		struct window_count *more;

		if (w->node->window_bytes + growth > w->max_bytes)
			return NULL;
		more = realloc(w->counts, cap * sizeof(*more));
		if (!more)
			return NULL;
		w->node->window_bytes += growth;
		w->counts = more;
		w->cap_counts = cap;
	}
	w->counts[w->n_counts] = key;
	if (table_add(&w->count_ids, hash, w->n_counts) < 0)
		return NULL;
	return &w->counts[w->n_counts++];
}

static void
window_fresh(struct window *w, uint32_t stack)
{
	if (!bitmap_set(&w->told_stacks, stack))
		return;
	if (w->n_fresh == w->cap_fresh) {
		size_t cap = w->cap_fresh ? w->cap_fresh * 2 : 64;
		uint32_t *more = realloc(w->fresh, cap * sizeof(*more));

		if (!more)
			return;
		w->fresh = more;
		w->cap_fresh = cap;
	}
	w->fresh[w->n_fresh++] = stack;
}

void
window_count(struct window *w, uint32_t stack, uint32_t tid, uint64_t period, const struct trace *t)
{
	struct window_count *c = window_entry(w, stack, tid);

	w->samples++;
	w->late += t->flags & WIRE_STACK_LATE ? 1 : 0;
	w->guessed += t->flags & WIRE_STACK_GUESS ? 1 : 0;
	w->truncated += t->flags & WIRE_STACK_TRUNCATED ? 1 : 0;
	w->user_stacks += t->user;
	w->rooted += t->rooted;
	if (!c) {
		w->dropped++;
		return;
	}
	c->samples++;
	c->value += period;
	window_fresh(w, stack);
}

uint64_t
window_lost(const struct window *w)
{
	bool known;

	return sampler_lost(w->sampler, &known) - w->lost_before;
}

void
window_spare(struct window *w, uint32_t stack, uint32_t tid)
{
	struct window_count *c = window_entry(w, stack, tid);

	if (!c)
		return;
	c->spares++;
	window_fresh(w, stack); /* so that it has its names should it be needed */
}

/* ---- telling */

/* A list message being filled: u16 count, then items. */
struct list {
	struct window *w;
	uint16_t type;
	uint16_t n;
	int error;
	struct buf b;
};

static void
list_start(struct list *l, struct window *w, uint16_t type)
{
	l->w = w;
	l->type = type;
	l->n = 0;
	l->error = 0;
	buf_init(&l->b, WIRE_BODY_MAX);
	buf_u16(&l->b, 0);
}

static void
list_send(struct list *l)
{
	if (!l->error)
		l->error = buf_error(&l->b);
	if (l->n && !l->error) {
		l->b.data[0] = (unsigned char)(l->n & 0xff);
		l->b.data[1] = (unsigned char)(l->n >> 8);
		l->error = outbox_send(l->w->to, l->type, l->b.data, l->b.len, -1);
	}
	l->n = 0;
	buf_reset(&l->b);
	buf_u16(&l->b, 0);
}

/* Before an item of at most `bytes`: send what there is where it would not fit. */
static void
list_item(struct list *l, size_t bytes)
{
	if (l->b.len + bytes > WIRE_BODY_MAX || l->n == UINT16_MAX)
		list_send(l);
	l->n++;
}

static int
list_end(struct list *l)
{
	list_send(l);
	buf_fini(&l->b);
	return l->error;
}

static int
window_tell_maps(struct window *w)
{
	struct stacks *st = &w->node->stacks;
	struct list l;

	list_start(&l, w, WIRE_MAPS);
	for (size_t i = 0; i < w->n_fresh; i++) {
		const struct stack *s = &st->v[w->fresh[i]];

		for (uint32_t k = 0; k < s->n; k++) {
			uint32_t id = st->frames[s->first + k].map;
			const struct map *m = maps_get(&w->node->maps, id);

			if (!m || !bitmap_set(&w->told_maps, id))
				continue;
			list_item(&l, MAP_BYTES_MAX);
			map_encode(m, &l.b);
		}
	}
	return list_end(&l);
}

int
window_tell(struct window *w)
{
	struct stacks *st = &w->node->stacks;
	struct list l;
	int r;

	if (!w->n_fresh)
		return 0;
	r = window_tell_maps(w);
	if (r < 0)
		return r;
	list_start(&l, w, WIRE_STACKS);
	for (size_t i = 0; i < w->n_fresh; i++) {
		const struct stack *s = &st->v[w->fresh[i]];

		list_item(&l, 7 + 12 * (size_t)s->n);
		buf_u32(&l.b, w->fresh[i]);
		buf_u8(&l.b, (uint8_t)s->flags);
		buf_u16(&l.b, (uint16_t)s->n);
		for (uint32_t k = 0; k < s->n; k++) {
			buf_u32(&l.b, st->frames[s->first + k].map);
			buf_u64(&l.b, st->frames[s->first + k].addr);
		}
	}
	w->n_fresh = 0;
	return list_end(&l);
}

static void
list_thread(struct list *l, struct bitmap *told, uint32_t tid)
{
	struct node *n = l->w->node;
	const char *comm;

	/* 0: of no thread. The kernel's highest number is 2^22 (PID_MAX_LIMIT). */
	if (!tid || tid > TID_MAX || !bitmap_set(told, tid))
		return;
	comm = node_thread_name(n, tid);
	list_item(l, 64);
	buf_u32(&l->b, tid);
	buf_u32(&l->b, (uint32_t)(n->pid ? n->pid : n->exited_pid));
	buf_str(&l->b, comm, strlen(comm));
}

static int
window_tell_threads(struct window *w)
{
	struct list l;
	struct bitmap told = { NULL, 0 };

	list_start(&l, w, WIRE_THREADS);
	for (uint32_t i = 0; i < w->n_counts; i++)
		list_thread(&l, &told, w->counts[i].tid);
	for (size_t i = 0; i < w->exact.n_rest; i++)
		list_thread(&l, &told, w->exact.rest[i].tid);
	free(told.bits);
	return list_end(&l);
}

/* When it ended: in time, or now. */
static uint64_t
window_ended_ns(const struct window *w)
{
	uint64_t now = loop_now();

	return now < w->end_ns ? now : w->end_ns;
}

static void
list_count(struct list *l, uint32_t stack, uint32_t tid, uint64_t samples, uint64_t value)
{
	list_item(l, 24);
	buf_u32(&l->b, stack);
	buf_u32(&l->b, tid);
	buf_u64(&l->b, samples);
	buf_u64(&l->b, value);
}

static int
window_tell_counts(struct window *w)
{
	const struct event *ev = &w->sampler->event;
	struct list l;

	list_start(&l, w, WIRE_COUNTS);
	for (uint32_t i = 0; i < w->n_counts; i++) {
		const struct window_count *c = &w->counts[i];

		list_count(&l, c->stack, c->tid, c->samples, ev->is_clock ? c->samples * ev->period : c->value);
	}
	for (size_t i = 0; i < w->exact.n_rest; i++)
		list_count(&l, w->rest_stack, w->exact.rest[i].tid, 0, w->exact.rest[i].ns);
	return list_end(&l);
}

static int
window_tell_notes(struct window *w)
{
	struct buf b;
	int r = 0;

	if (w->dropped)
		window_note(w, "%llu samples were not kept: the window's memory is full (memory_mb in pprofd.conf)",
			    (unsigned long long)w->dropped);
	buf_init(&b, WIRE_BODY_MAX);
	for (size_t i = 0; i < w->n_notes && r == 0; i++) {
		buf_reset(&b);
		buf_str(&b, w->notes[i], strlen(w->notes[i]));
		r = outbox_send(w->to, WIRE_NOTE, b.data, b.len, -1);
	}
	buf_fini(&b);
	return r;
}

static int
window_tell_exact(struct window *w)
{
	const struct exact *x = &w->exact;
	struct buf b;
	int r;

	if (!w->sampler->event.is_clock)
		return 0;
	buf_init(&b, WIRE_BODY_MAX);
	buf_u64(&b, x->unsampled_ns);
	buf_u64(&b, x->taken_out);
	buf_u64(&b, x->filled);
	buf_u64(&b, x->steal_ns);
	buf_u8(&b, !w->unscaled);
	r = buf_error(&b);
	if (r == 0)
		r = outbox_send(w->to, WIRE_EXACT, b.data, b.len, -1);
	buf_fini(&b);
	return r;
}

static int
window_tell_end(struct window *w, enum wire_end reason)
{
	struct buf b;
	bool known;
	int r;

	buf_init(&b, WIRE_BODY_MAX);
	buf_u64(&b, window_ended_ns(w) - w->start_ns);
	buf_u64(&b, w->samples);
	buf_u64(&b, sampler_lost(w->sampler, &known) - w->lost_before);
	buf_u64(&b, w->sampler->throttled - w->throttled_before);
	buf_u64(&b, w->late);
	buf_u64(&b, w->guessed);
	buf_u64(&b, w->truncated);
	buf_u64(&b, w->rooted);
	buf_u64(&b, w->user_stacks);
	buf_u64(&b, w->cpu_ns);
	buf_u8(&b, (uint8_t)reason);
	r = buf_error(&b);
	if (r == 0)
		r = outbox_send(w->to, WIRE_WINDOW_END, b.data, b.len, -1);
	buf_fini(&b);
	return r;
}

/* ---- the end */

/* What the process's CPU clock advanced in the window; those of processes that are gone stand there already. */
static void
window_settle(struct window *w)
{
	struct stack_frame f = { .addr = 0 };
	uint64_t cpu = node_clock(w->node, window_ended_ns(w)), gone = w->cpu_ns;

	cpu = cpu > w->cpu_before ? cpu - w->cpu_before : 0;
	exact_settle(w, gone + cpu, w->cpu_least);
	w->cpu_ns = gone + cpu;
	if (!w->exact.n_rest)
		return;
	if (w->sampler->event.attr.exclude_kernel)
		window_note(w, "time in the kernel is not sampled: it is part of [unsampled]");
	f.map = maps_pseudo(&w->node->maps, "[unsampled]");
	w->rest_stack = f.map == TABLE_NONE ? TABLE_NONE : stacks_add(&w->node->stacks, &f, 1, 0);
	if (w->rest_stack == TABLE_NONE)
		w->rest_stack = 0; /* that of a full table */
	window_fresh(w, w->rest_stack);
}

int
window_finish(struct window *w, enum wire_end reason)
{
	int r;

	if (!(w->sampler->event.attr.read_format & PERF_FORMAT_LOST))
		window_note(w, "lost samples are unknown: this kernel does not count them (Linux 6.0 does)");
	if (w->sampler->event.attr.exclude_kernel && w->node->want_kernel)
		window_note(w, "no kernel frames: the collector lacks CAP_PERFMON");
	window_settle(w);
	r = window_tell(w);
	if (r == 0)
		r = window_tell_threads(w);
	if (r == 0)
		r = window_tell_counts(w);
	if (r == 0)
		r = window_tell_notes(w);
	if (r == 0)
		r = window_tell_exact(w);
	if (r == 0)
		r = window_tell_end(w, reason);
	return r;
}
