#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/table.h"

#define KEYS 100000u

static bool
same_u64(const void *ctx, uint32_t value, const void *key)
{
	return ((const uint64_t *)ctx)[value] == *(const uint64_t *)key;
}

static uint32_t
find(const struct table *t, const uint64_t *keys, uint64_t key)
{
	return table_find(t, hash_u64(key, 0), same_u64, keys, &key);
}

static void
a_hundred_thousand_keys_are_all_found_again(void **state)
{
	uint64_t *keys = malloc(KEYS * sizeof(*keys));
	struct table t;

	(void)state;
	table_init(&t);
	for (uint32_t i = 0; i < KEYS; i++) {
		keys[i] = (uint64_t)i << 12; /* as page addresses are: the low bits say nothing */
		assert_int_equal(find(&t, keys, keys[i]), TABLE_NONE);
		assert_int_equal(table_add(&t, hash_u64(keys[i], 0), i), 0);
	}
	assert_int_equal(t.used, KEYS);
	assert_true(t.used * 2 <= t.mask + 1);
	for (uint32_t i = 0; i < KEYS; i++)
		if (find(&t, keys, keys[i]) != i)
			fail_msg("key %u", i);
	for (uint32_t i = 0; i < KEYS; i++)
		if (find(&t, keys, keys[i] + 1) != TABLE_NONE)
			fail_msg("%u was never added", i);
	table_fini(&t);
	free(keys);
}

static void
nothing_is_found_in_an_empty_table(void **state)
{
	const uint64_t keys[] = { 5 };
	struct table t;

	(void)state;
	table_init(&t);
	assert_int_equal(find(&t, keys, 5), TABLE_NONE);
	table_clear(&t);
	table_fini(&t);
	table_fini(&t);
}

static void
keys_with_one_hash_are_told_apart(void **state)
{
	uint64_t keys[500];
	struct table t;

	(void)state;
	table_init(&t);
	for (uint32_t i = 0; i < 500; i++) {
		keys[i] = i;
		assert_int_equal(table_add(&t, 42, i), 0);
	}
	for (uint64_t i = 0; i < 500; i++)
		assert_int_equal(table_find(&t, 42, same_u64, keys, &i), i);
	table_fini(&t);
}

static void
a_cleared_table_is_empty_and_of_use(void **state)
{
	const uint64_t keys[] = { 5, 6 };
	struct table t;

	(void)state;
	table_init(&t);
	table_add(&t, hash_u64(5, 0), 0);
	table_clear(&t);
	assert_int_equal(t.used, 0);
	assert_int_equal(find(&t, keys, 5), TABLE_NONE);
	assert_int_equal(table_add(&t, hash_u64(6, 0), 1), 0);
	assert_int_equal(find(&t, keys, 6), 1);
	table_fini(&t);
}

static void
a_hash_sees_every_byte_and_the_length(void **state)
{
	unsigned char bytes[40] = { 0 };
	uint64_t none = hash_bytes(bytes, sizeof(bytes));

	(void)state;
	assert_true(hash_bytes(bytes, sizeof(bytes)) == none);
	for (size_t i = 0; i < sizeof(bytes); i++) {
		bytes[i] = 1;
		if (hash_bytes(bytes, sizeof(bytes)) == none)
			fail_msg("byte %zu", i);
		bytes[i] = 0;
	}
	for (size_t n = 0; n < sizeof(bytes); n++)
		assert_true(hash_bytes(bytes, n) != hash_bytes(bytes, n + 1));
	assert_true(hash_u64(1, 2) != hash_u64(2, 1));
}

static void
hashes_of_neighbours_spread_over_the_low_bits(void **state)
{
	unsigned int in[64] = { 0 };

	(void)state;
	for (uint64_t i = 0; i < 6400; i++)
		in[hash_u64(i * 4096, 7) & 63]++;
	for (size_t i = 0; i < 64; i++) /* 100 expected, with a standard deviation of 10 */
		if (in[i] < 30 || in[i] > 200)
			fail_msg("bucket %zu has %u of 6400", i, in[i]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_hundred_thousand_keys_are_all_found_again),
		cmocka_unit_test(nothing_is_found_in_an_empty_table),
		cmocka_unit_test(keys_with_one_hash_are_told_apart),
		cmocka_unit_test(a_cleared_table_is_empty_and_of_use),
		cmocka_unit_test(a_hash_sees_every_byte_and_the_length),
		cmocka_unit_test(hashes_of_neighbours_spread_over_the_low_bits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
