#include "config.h"

#include "symbolize/reading_writer.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/table.h"

#define NOTE_MAX 512 /* bytes */

/* The arrays of a reading. */
enum list {
	PCS,
	STACKS,
	BUCKETS,
	GOROUTINES,
	LABEL_SETS,
	LABELS,
	STRINGS,
	STRING_BYTES,
	NOTES,
	LISTS
};

static const struct {
	size_t size; /* of an element */
	size_t span; /* in the head */
} lists[LISTS] = {
	[PCS] = { sizeof(uint64_t), offsetof(struct reading_head, pcs) },
	[STACKS] = { sizeof(struct reading_stack), offsetof(struct reading_head, stacks) },
	[BUCKETS] = { sizeof(struct reading_bucket), offsetof(struct reading_head, buckets) },
	[GOROUTINES] = { sizeof(struct reading_goroutine), offsetof(struct reading_head, goroutines) },
	[LABEL_SETS] = { sizeof(struct reading_label_set), offsetof(struct reading_head, label_sets) },
	[LABELS] = { sizeof(struct reading_label), offsetof(struct reading_head, labels) },
	[STRINGS] = { sizeof(struct reading_string), offsetof(struct reading_head, strings) },
	[STRING_BYTES] = { 1, offsetof(struct reading_head, string_bytes) },
	[NOTES] = { sizeof(uint32_t), offsetof(struct reading_head, notes) },
};

struct reading_writer {
	struct reading_head head;
	struct {
		unsigned char *data; /* owned */
		size_t n, cap;       /* elements */
	} at[LISTS];
	uint64_t bytes; /* of the file, so far; with what the alignment of the lists takes at the most */
	struct table stacks, label_sets, strings;
};

/* Room for n more elements at the end of a list, which are counted; NULL with *e set. */
static void *
list_grow(struct reading_writer *w, enum list l, size_t n, int *e)
{
	size_t size = lists[l].size, cap = w->at[l].cap, need;
	unsigned char *data;

	*e = -EFBIG;
	if (n > READING_BYTES_MAX / size || w->bytes + n * size > READING_BYTES_MAX)
		return NULL;
	need = w->at[l].n + n;
	if (need > cap) {
		cap = cap * 2 > need ? cap * 2 : need + 64;
		data = realloc(w->at[l].data, cap * size);
		*e = -ENOMEM;
		if (!data)
			return NULL;
		w->at[l].data = data;
		w->at[l].cap = cap;
	}
	data = w->at[l].data + w->at[l].n * size;
	w->at[l].n = need;
	w->bytes += n * size;
	*e = 0;
	return data;
}

/* Forget the last n. */
static void
list_shrink(struct reading_writer *w, enum list l, size_t n)
{
	w->at[l].n -= n;
	w->bytes -= n * lists[l].size;
}

static int64_t
list_add(struct reading_writer *w, enum list l, const void *element)
{
	int e;
	void *to = list_grow(w, l, 1, &e);

	if (!to)
		return e;
	memcpy(to, element, lists[l].size);
	return (int64_t)w->at[l].n - 1;
}

/* ---- runs: stacks, label sets and strings are all a part of a list, each kept once */

struct run {
	uint32_t first, n; /* as struct reading_stack, _label_set and _string have it */
};

struct run_key {
	enum list runs, of;
	const void *elements;
	size_t n;
};

static bool
run_same(const void *ctx, uint32_t i, const void *key)
{
	const struct reading_writer *w = ctx;
	const struct run_key *k = key;
	size_t size = lists[k->of].size;
	struct run run;

	memcpy(&run, w->at[k->runs].data + i * sizeof(run), sizeof(run));
	return run.n == k->n && (k->n == 0 || !memcmp(w->at[k->of].data + run.first * size, k->elements, k->n * size));
}

static int64_t
run_add(struct reading_writer *w, struct table *known, const struct run_key *k)
{
	struct run run = { (uint32_t)w->at[k->of].n, (uint32_t)k->n };
	uint64_t hash = hash_bytes(k->elements, k->n * lists[k->of].size);
	uint32_t i = table_find(known, hash, run_same, w, k);
	int64_t at;
	void *to;
	int e;

	if (i != TABLE_NONE)
		return i;
	to = k->n ? list_grow(w, k->of, k->n, &e) : NULL;
	if (!to && k->n)
		return e;
	if (to)
		memcpy(to, k->elements, k->n * lists[k->of].size);
	at = list_add(w, k->runs, &run);
	if (at < 0) {
		list_shrink(w, k->of, k->n);
		return at;
	}
	e = table_add(known, hash, (uint32_t)at);
	if (e == 0)
		return at;
	list_shrink(w, k->runs, 1);
	list_shrink(w, k->of, k->n);
	return e;
}

int64_t
reading_writer_string(struct reading_writer *w, const void *bytes, size_t n)
{
	struct run_key key = { STRINGS, STRING_BYTES, bytes, n < READING_STRING_MAX ? n : READING_STRING_MAX };

	return run_add(w, &w->strings, &key);
}

int64_t
reading_writer_stack(struct reading_writer *w, const uint64_t *pcs, size_t n)
{
	struct run_key key = { STACKS, PCS, pcs, n < READING_STACK_MAX ? n : READING_STACK_MAX };

	return run_add(w, &w->stacks, &key);
}

int64_t
reading_writer_labels(struct reading_writer *w, const struct reading_label *labels, size_t n)
{
	struct run_key key = { LABEL_SETS, LABELS, labels, n < READING_LABELS_MAX ? n : READING_LABELS_MAX };

	return run_add(w, &w->label_sets, &key);
}

/* ---- the rest */

int64_t
reading_writer_bucket(struct reading_writer *w, const struct reading_bucket *b)
{
	return list_add(w, BUCKETS, b);
}

int64_t
reading_writer_goroutine(struct reading_writer *w, const struct reading_goroutine *g)
{
	return list_add(w, GOROUTINES, g);
}

int
reading_writer_note(struct reading_writer *w, const char *fmt, ...)
{
	char text[NOTE_MAX];
	int64_t string;
	uint32_t note;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (n < 0)
		return -EINVAL;
	string = reading_writer_string(w, text, strlen(text));
	if (string < 0)
		return (int)string;
	note = (uint32_t)string;
	string = list_add(w, NOTES, &note);
	return string < 0 ? (int)string : 0;
}

struct reading_head *
reading_writer_head(struct reading_writer *w)
{
	return &w->head;
}

int
reading_writer_new(struct reading_writer **out, enum reading_kind kind)
{
	struct reading_writer *w = calloc(1, sizeof(*w));

	if (!w)
		return -ENOMEM;
	w->head.magic = READING_MAGIC;
	w->head.kind = (uint32_t)kind;
	w->head.rate = -1;
	w->bytes = sizeof(w->head) + LISTS * 8;
	table_init(&w->stacks);
	table_init(&w->label_sets);
	table_init(&w->strings);
	/* String 0 and set 0 are empty. */
	if (reading_writer_string(w, "", 0) != 0 || reading_writer_labels(w, NULL, 0) != 0) {
		reading_writer_free(w);
		return -ENOMEM;
	}
	*out = w;
	return 0;
}

void
reading_writer_free(struct reading_writer *w)
{
	if (!w)
		return;
	for (size_t l = 0; l < LISTS; l++)
		free(w->at[l].data);
	table_fini(&w->stacks);
	table_fini(&w->label_sets);
	table_fini(&w->strings);
	free(w);
}

/* ---- the file */

static int
write_at(int fd, const void *bytes, size_t n, uint64_t at)
{
	const char *p = bytes;

	while (n > 0) {
		ssize_t done = pwrite(fd, p, n, (off_t)at);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return done < 0 ? -errno : -EIO;
		p += done;
		n -= (size_t)done;
		at += (uint64_t)done;
	}
	return 0;
}

static size_t
padding(uint64_t at)
{
	return (size_t)(-at & 7);
}

int
reading_writer_finish(struct reading_writer *w, int fd, struct err *why)
{
	static const char zeros[8];
	uint64_t at = sizeof(w->head);
	int e = 0;

	for (size_t l = 0; l < LISTS; l++) {
		struct reading_span span = { at, w->at[l].n };

		memcpy((char *)&w->head + lists[l].span, &span, sizeof(span));
		at += w->at[l].n * lists[l].size;
		at += padding(at);
	}
	w->head.bytes = at;
	for (size_t l = 0; e == 0 && l < LISTS; l++) {
		struct reading_span span;
		size_t n = w->at[l].n * lists[l].size;

		memcpy(&span, (char *)&w->head + lists[l].span, sizeof(span));
		e = write_at(fd, w->at[l].data, n, span.at);
		if (e == 0)
			e = write_at(fd, zeros, padding(span.at + n), span.at + n);
	}
	/* The head last: without it nothing is a reading. */
	if (e == 0)
		e = write_at(fd, &w->head, sizeof(w->head), 0);
	return e < 0 ? err_sys(why, e, "writing a reading of %llu bytes", (unsigned long long)at) : 0;
}
