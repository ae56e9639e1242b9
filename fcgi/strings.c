#include "config.h"

#include "fcgi/strings.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "fcgi/text.h"

/* What one entry costs in a table that is a quarter full at worst: four slots. */
#define ENTRY_BYTES (4 * sizeof(struct table_slot))
#define BYTES_FIRST 4096

struct strings_key {
	const char *bytes;
	size_t n;
};

int
strings_init(struct strings *s, struct room *room)
{
	memset(s, 0, sizeof(*s));
	s->room = room;
	table_init(&s->index);
	return strings_add(s, "", 0) == 0 ? 0 : -ENOMEM;
}

void
strings_fini(struct strings *s)
{
	table_fini(&s->index);
	free(s->bytes);
	free(s->starts.at);
	memset(s, 0, sizeof(*s));
}

static bool
strings_same(const void *ctx, uint32_t value, const void *key)
{
	const struct strings *s = ctx;
	const struct strings_key *k = key;
	size_t start = s->starts.at[value];
	size_t next = value + 1 < s->starts.n ? s->starts.at[value + 1] : s->used;

	return next - start - 1 == k->n && !memcmp(s->bytes + start, k->bytes, k->n);
}

static int
strings_bytes(struct strings *s, size_t n)
{
	size_t cap = s->cap ? s->cap : BYTES_FIRST;
	char *bytes;

	while (cap - s->used < n)
		cap *= 2;
	/* starts are 32 bits wide */
	if (cap > UINT32_MAX || room_take(s->room, cap - s->cap) < 0)
		return -ENOMEM;
	bytes = cap == s->cap ? s->bytes : realloc(s->bytes, cap);
	if (!bytes)
		return -ENOMEM;
	s->bytes = bytes;
	s->cap = cap;
	return 0;
}

static uint32_t
strings_keep(struct strings *s, const struct strings_key *k, uint64_t hash)
{
	uint32_t *start;

	if (strings_bytes(s, k->n + 1) < 0 || room_take(s->room, ENTRY_BYTES) < 0)
		return STRINGS_NONE;
	start = LIST_ADD(s->room, &s->starts);
	if (!start)
		return STRINGS_NONE;
	if (table_add(&s->index, hash, s->starts.n - 1) < 0) {
		s->starts.n--;
		return STRINGS_NONE;
	}
	*start = (uint32_t)s->used;
	memcpy(s->bytes + s->used, k->bytes, k->n);
	s->bytes[s->used + k->n] = '\0';
	s->used += k->n + 1;
	return s->starts.n - 1;
}

static uint32_t
strings_clean(struct strings *s, const struct strings_key *k)
{
	uint64_t hash = hash_bytes(k->bytes, k->n);
	uint32_t which = table_find(&s->index, hash, strings_same, s, k);

	return which != TABLE_NONE ? which : strings_keep(s, k, hash);
}

uint32_t
strings_add(struct strings *s, const char *bytes, size_t n)
{
	struct strings_key k = { bytes, text_cut(bytes, n, STRINGS_LENGTH_MAX) };
	struct buf clean;
	uint32_t which = STRINGS_NONE;

	if (text_is_clean(k.bytes, k.n))
		return strings_clean(s, &k);
	buf_init(&clean, 4 * STRINGS_LENGTH_MAX);
	text_clean(&clean, k.bytes, k.n);
	if (!buf_error(&clean)) {
		k.bytes = (const char *)clean.data;
		k.n = text_cut(k.bytes, clean.len, STRINGS_LENGTH_MAX);
		which = strings_clean(s, &k);
	}
	buf_fini(&clean);
	return which;
}

uint32_t
strings_text(struct strings *s, const char *text)
{
	return strings_add(s, text, strlen(text));
}

uint32_t
strings_printf(struct strings *s, const char *fmt, ...)
{
	char line[STRINGS_LENGTH_MAX];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (n < 0)
		return STRINGS_NONE;
	return strings_add(s, line, (size_t)n < sizeof(line) ? (size_t)n : sizeof(line) - 1);
}

const char *
strings_get(const struct strings *s, uint32_t which)
{
	return s->bytes + s->starts.at[which];
}
