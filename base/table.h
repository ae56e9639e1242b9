/*
 * table.h - a hash table from a key to a small number.
 *
 * The table holds only (hash, value) pairs; the keys stay where the caller
 * keeps them (an array indexed by the value, usually). The caller says whether
 * a candidate is the one by a function. Open addressing, no deletion: a user
 * that forgets entries builds the table anew.
 */
#ifndef PPD_BASE_TABLE_H
#define PPD_BASE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TABLE_NONE UINT32_MAX /* not a value; what table_find returns for "absent" */

struct table_slot {
	uint64_t hash;
	uint32_t value; /* TABLE_NONE: free */
};

struct table {
	struct table_slot *slots; /* owned */
	uint32_t mask;            /* number of slots - 1, or 0 with slots == NULL */
	uint32_t used;
};

/* Does the entry `value` have the key that `key` points at? */
typedef bool table_same(const void *ctx, uint32_t value, const void *key);

void table_init(struct table *t);
void table_fini(struct table *t);
/* Forget all entries, keep the memory. */
void table_clear(struct table *t);
uint32_t table_find(const struct table *t, uint64_t hash, table_same *same, const void *ctx,
		    const void *key);
/* The caller has looked and found nothing. Returns 0 or -ENOMEM. */
int table_add(struct table *t, uint64_t hash, uint32_t value);

/* A hash of bytes, seeded once per process so that a node cannot choose collisions. */
uint64_t hash_bytes(const void *bytes, size_t n);
/* The same for one or two words. */
uint64_t hash_u64(uint64_t a, uint64_t b);

#endif
