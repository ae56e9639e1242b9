#include "config.h"

#include "base/table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define SLOTS_FIRST 64

void
table_init(struct table *t)
{
	memset(t, 0, sizeof(*t));
}

void
table_fini(struct table *t)
{
	free(t->slots);
	table_init(t);
}

void
table_clear(struct table *t)
{
	if (t->slots)
		memset(t->slots, 0xff, ((size_t)t->mask + 1) * sizeof(*t->slots));
	t->used = 0;
}

uint32_t
table_find(const struct table *t, uint64_t hash, table_same *same, const void *ctx, const void *key)
{
	if (!t->slots)
		return TABLE_NONE;
	for (uint32_t i = (uint32_t)hash & t->mask;; i = (i + 1) & t->mask) {
		const struct table_slot *s = &t->slots[i];

		if (s->value == TABLE_NONE)
			return TABLE_NONE;
		if (s->hash == hash && same(ctx, s->value, key))
			return s->value;
	}
}

static void
table_put(struct table_slot *slots, uint32_t mask, uint64_t hash, uint32_t value)
{
	uint32_t i = (uint32_t)hash & mask;

	while (slots[i].value != TABLE_NONE)
		i = (i + 1) & mask;
	slots[i].hash = hash;
	slots[i].value = value;
}

static int
table_double(struct table *t)
{
	uint32_t n = t->slots ? (t->mask + 1) * 2 : SLOTS_FIRST;
	struct table_slot *slots = malloc(n * sizeof(*slots));

	if (!slots)
		return -ENOMEM;
	memset(slots, 0xff, n * sizeof(*slots));
	for (uint32_t i = 0; t->slots && i <= t->mask; i++)
		if (t->slots[i].value != TABLE_NONE)
			table_put(slots, n - 1, t->slots[i].hash, t->slots[i].value);
	free(t->slots);
	t->slots = slots;
	t->mask = n - 1;
	return 0;
}

int
table_add(struct table *t, uint64_t hash, uint32_t value)
{
	/* Kept at most half full, so that a run of taken slots stays short. */
	if (!t->slots || t->used * 2 > t->mask) {
		int r = table_double(t);

		if (r < 0)
			return r;
	}
	table_put(t->slots, t->mask, hash, value);
	t->used++;
	return 0;
}

static uint64_t
hash_seed(void)
{
	static uint64_t seed;

	/* Threads that race here each write a good seed; only the first use matters,
	 * and every program hashes once before it starts its threads. */
	if (!seed && getrandom(&seed, sizeof(seed), GRND_NONBLOCK) != sizeof(seed))
		seed = 0x9e3779b97f4a7c15u;
	return seed;
}

static uint64_t
hash_mix(uint64_t h)
{
	h ^= h >> 32;
	h *= 0xd6e8feb86659fd93u;
	h ^= h >> 32;
	h *= 0xd6e8feb86659fd93u;
	h ^= h >> 32;
	return h;
}

uint64_t
hash_bytes(const void *bytes, size_t n)
{
	const unsigned char *p = bytes;
	uint64_t h = hash_seed() ^ n;

	for (; n >= 8; n -= 8, p += 8) {
		uint64_t w;

		memcpy(&w, p, sizeof(w));
		h = hash_mix(h ^ w) * 0x9e3779b97f4a7c15u;
	}
	if (n) {
		uint64_t w = 0;

		memcpy(&w, p, n);
		h = hash_mix(h ^ w) * 0x9e3779b97f4a7c15u;
	}
	return hash_mix(h);
}

uint64_t
hash_u64(uint64_t a, uint64_t b)
{
	return hash_mix(hash_mix(a ^ hash_seed()) * 0x9e3779b97f4a7c15u ^ b);
}
