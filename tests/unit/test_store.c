#include "config.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fcgi/store.h"

#define AGE_MS 60000

static struct refusal no;

static struct store *
store_of(uint32_t count, uint64_t bytes)
{
	const struct store_limits limits = { .count = count, .bytes = bytes, .age_ms = AGE_MS };
	struct store *s = store_new(&limits);

	assert_non_null(s);
	return s;
}

static struct kept *
begin(struct store *s, const char *node, uint64_t now_ms)
{
	struct store_is is = { .kind = "profile", .duration_ms = 10000, .begin_unix_ns = 5 };
	struct kept *k;

	strcpy(is.node, node);
	strcpy(is.event, "page-faults");
	assert_int_equal(store_begin(s, &is, now_ms, &k, &no), 0);
	return k;
}

/* A profile that takes so many bytes by its own account. */
static struct taken
taken_of(size_t bytes)
{
	struct taken t = { .p = malloc(sizeof(*t.p)), .filename = "profile" };

	assert_non_null(t.p);
	assert_int_equal(profile_init(t.p), 0);
	t.p->room.used = bytes;
	return t;
}

static void
done(struct store *s, struct kept *k, size_t bytes, uint64_t now_ms)
{
	struct taken t = taken_of(bytes);

	store_done(s, k, &t, now_ms);
}

static bool
is_there(struct store *s, const char *id, uint64_t now_ms, bool *gone)
{
	struct kept *k = store_get(s, "n", id, now_ms, gone);

	store_put(s, k);
	return k != NULL;
}

static void
id_of(struct store *s, const struct kept *k, char id[STORE_ID_MAX])
{
	struct store_is is;

	store_look(s, k, &is);
	memcpy(id, is.id, STORE_ID_MAX);
}

static void
a_capture_runs_is_done_and_is_found_by_its_id(void **state)
{
	struct store *s = store_of(4, 1000);
	struct kept *k = begin(s, "n", 100);
	struct store_is is;
	struct store_counts counts;
	bool gone;

	(void)state;
	store_progress(s, k, 7, 2);
	store_look(s, k, &is);
	assert_int_equal(is.state, STORE_RUNNING);
	assert_int_equal(is.samples, 7);
	assert_int_equal(is.lost, 2);
	assert_int_equal(is.begin_ms, 100);
	assert_int_equal(is.end_ms, 0);
	assert_string_equal(is.event, "page-faults");
	assert_int_equal(strlen(is.id), STORE_ID_MAX - 1);
	assert_false(store_wait(s, k, 0));
	done(s, k, 300, 200);

	k = store_get(s, "n", is.id, 201, &gone);
	assert_non_null(k);
	assert_true(store_wait(s, k, 0));
	store_look(s, k, &is);
	assert_int_equal(is.state, STORE_DONE);
	assert_int_equal(is.bytes, 300);
	assert_int_equal(is.end_ms, 200);
	assert_int_equal(is.expires_ms, 200 + AGE_MS);
	assert_non_null(store_profile(k));
	store_put(s, k);
	store_count(s, 202, &counts);
	assert_int_equal(counts.done, 1);
	assert_int_equal(counts.bytes, 300);
	/* Neither under another id, nor as another node's. */
	assert_false(is_there(s, "aaaaaaaaaaaaaaaaaaaa", 202, &gone));
	assert_false(gone);
	assert_false(is_there(s, "", 202, &gone));
	assert_null(store_get(s, "m", is.id, 202, &gone));
	assert_false(gone);
	store_free(s);
}

static void
ids_are_letters_and_all_different(void **state)
{
	struct store *s = store_of(STORE_COUNT_MAX, 1000);
	char ids[100][STORE_ID_MAX];

	(void)state;
	for (int i = 0; i < 100; i++) {
		struct kept *k = begin(s, "n", 1);

		id_of(s, k, ids[i]);
		assert_int_equal(strspn(ids[i], "abcdefghijklmnopqrstuvwxyz234567"), STORE_ID_MAX - 1);
		for (int j = 0; j < i; j++)
			assert_string_not_equal(ids[i], ids[j]);
		done(s, k, 1, 1);
	}
	store_free(s);
}

static void
what_has_expired_was_there_and_is_no_more(void **state)
{
	struct store *s = store_of(4, 1000);
	struct kept *k = begin(s, "n", 100);
	struct store_counts counts;
	char id[STORE_ID_MAX];
	bool gone;

	(void)state;
	id_of(s, k, id);
	/* Not while it runs, however long that takes. */
	assert_true(is_there(s, id, 100 + 2 * AGE_MS, &gone));
	done(s, k, 300, 200);
	assert_true(is_there(s, id, 199 + AGE_MS, &gone));
	assert_false(is_there(s, id, 200 + AGE_MS, &gone));
	assert_true(gone);
	store_count(s, 200 + AGE_MS, &counts);
	assert_int_equal(counts.done, 0);
	assert_int_equal(counts.bytes, 0);
	store_free(s);
}

static void
the_oldest_goes_where_there_are_too_many(void **state)
{
	struct store *s = store_of(3, 1000);
	struct store_is list[8];
	char ids[4][STORE_ID_MAX];
	bool gone;

	(void)state;
	for (int i = 0; i < 4; i++) {
		struct kept *k = begin(s, "n", 1);

		id_of(s, k, ids[i]);
		done(s, k, 10, 1);
	}
	assert_false(is_there(s, ids[0], 1, &gone));
	assert_true(gone);
	assert_int_equal(store_list(s, NULL, 1, list, 8), 3);
	for (int i = 0; i < 3; i++)
		assert_string_equal(list[i].id, ids[3 - i]);
	assert_int_equal(store_list(s, "n", 1, list, 2), 2);
	assert_int_equal(store_list(s, "m", 1, list, 8), 0);
	store_free(s);
}

static void
older_ones_make_room_for_the_bytes_of_a_new_one(void **state)
{
	struct store *s = store_of(8, 1000);
	char ids[3][STORE_ID_MAX];
	struct store_counts counts;
	bool gone;

	(void)state;
	for (int i = 0; i < 3; i++) {
		struct kept *k = begin(s, "n", 1);

		id_of(s, k, ids[i]);
		done(s, k, i < 2 ? 400 : 900, 1);
	}
	assert_false(is_there(s, ids[0], 1, &gone));
	assert_false(is_there(s, ids[1], 1, &gone));
	assert_true(is_there(s, ids[2], 1, &gone));
	store_count(s, 1, &counts);
	assert_int_equal(counts.bytes, 900);
	store_free(s);
}

static void
one_that_is_larger_than_all_may_be_fails_and_takes_no_other_with_it(void **state)
{
	struct store *s = store_of(8, 1000);
	struct kept *k = begin(s, "n", 1);
	struct store_counts counts;
	struct store_is is;
	char id[STORE_ID_MAX];
	bool gone;

	(void)state;
	done(s, k, 400, 1);
	k = begin(s, "n", 1);
	id_of(s, k, id);
	done(s, k, 1001, 1);
	k = store_get(s, "n", id, 1, &gone);
	store_look(s, k, &is);
	assert_int_equal(is.state, STORE_FAILED);
	assert_int_equal(is.status, 503);
	assert_non_null(strstr(is.why, "captures_mb"));
	assert_null(store_profile(k));
	store_put(s, k);
	store_count(s, 1, &counts);
	assert_int_equal(counts.done, 1);
	assert_int_equal(counts.failed, 1);
	assert_int_equal(counts.bytes, 400);
	store_free(s);
}

static void
who_holds_a_capture_may_read_it_after_it_is_forgotten(void **state)
{
	struct store *s = store_of(1, 1000);
	struct kept *k = begin(s, "n", 1), *held;
	char id[STORE_ID_MAX];
	bool gone;

	(void)state;
	id_of(s, k, id);
	done(s, k, 400, 1);
	held = store_get(s, "n", id, 1, &gone);
	done(s, begin(s, "n", 2), 400, 2);
	assert_false(is_there(s, id, 2, &gone));
	assert_int_equal(store_profile(held)->room.used, 400);
	store_put(s, held);
	store_free(s);
}

static void
no_more_run_at_a_time_than_may_and_the_reason_says_when_to_come_back(void **state)
{
	struct store *s = store_of(STORE_COUNT_MAX, 1000);
	struct store_is is = { .kind = "profile", .duration_ms = 10000 };
	struct kept *running[STORE_RUNNING_MAX], *more;

	(void)state;
	for (int i = 0; i < STORE_RUNNING_MAX; i++)
		running[i] = begin(s, "n", 1000);
	assert_int_equal(store_begin(s, &is, 4500, &more, &no), -EBUSY);
	assert_int_equal(no.status, 503);
	assert_int_equal(no.retry_after_s, 7);
	refusal_set(&no, 503, 0, "the node exited");
	for (int i = 0; i < STORE_RUNNING_MAX; i++)
		store_fail(s, running[i], &no, 5000);
	store_fail(s, begin(s, "n", 5000), &no, 5000);
	store_free(s);
}

static void
a_running_one_makes_no_room_for_another(void **state)
{
	struct store *s = store_of(1, 1000);
	struct store_is is = { .kind = "profile", .duration_ms = 10000 };
	struct kept *k = begin(s, "n", 1), *more;

	(void)state;
	assert_int_equal(store_begin(s, &is, 1, &more, &no), -EBUSY);
	done(s, k, 1, 1);
	assert_int_equal(store_begin(s, &is, 1, &more, &no), 0);
	done(s, more, 1, 1);
	store_free(s);
}

static void
where_none_are_kept_none_begins(void **state)
{
	struct store *s = store_of(0, 1000);
	struct store_is is = { .kind = "profile" };
	struct kept *k;

	(void)state;
	assert_int_equal(store_begin(s, &is, 1, &k, &no), -EPERM);
	assert_int_equal(no.status, 403);
	store_free(s);
	store_free(NULL);
	store_put(NULL, NULL);
}

static void
a_long_reason_is_cut_between_two_letters(void **state)
{
	struct store *s = store_of(1, 1000);
	struct kept *k = begin(s, "n", 1);
	struct store_is is[1];

	(void)state;
	refusal_set(&no, 500, 0, "x");
	for (size_t i = 1; i + 2 < sizeof(no.text); i += 2)
		memcpy(no.text + i, "\xc3\xa9", 3);
	store_fail(s, k, &no, 1);
	store_list(s, NULL, 1, is, 1);
	assert_int_equal(strlen(is->why), STORE_WHY_MAX - 1);
	store_free(s);
}

static void
no_more_may_wait_than_there_is_place_for(void **state)
{
	struct store *s = store_of(1, 1000);

	(void)state;
	for (int i = 0; i < STORE_WATCHED_MAX; i++)
		assert_true(store_watch_begin(s));
	assert_false(store_watch_begin(s));
	store_watch_end(s);
	assert_true(store_watch_begin(s));
	store_free(s);
}

/* ---- threads */

struct waiter {
	struct store *s;
	char id[STORE_ID_MAX];
};

static void *
wait_and_read(void *arg)
{
	struct waiter *w = arg;
	bool gone;
	struct kept *k = store_get(w->s, "n", w->id, 1, &gone);
	size_t used = 0;

	if (k && store_wait(w->s, k, app_now_ms() + 60000))
		used = store_profile(k)->room.used;
	store_put(w->s, k);
	return (void *)used;
}

static void
all_who_wait_hear_of_the_end(void **state)
{
	struct store *s = store_of(4, 1000);
	struct kept *k = begin(s, "n", 1);
	struct waiter w = { .s = s };
	pthread_t threads[8];

	(void)state;
	id_of(s, k, w.id);
	for (int i = 0; i < 8; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, wait_and_read, &w), 0);
	for (int i = 0; i < 50; i++)
		store_progress(s, k, (uint64_t)i, 0);
	done(s, k, 77, 1);
	for (int i = 0; i < 8; i++) {
		void *used;

		pthread_join(threads[i], &used);
		assert_int_equal((size_t)used, 77);
	}
	store_free(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_capture_runs_is_done_and_is_found_by_its_id),
		cmocka_unit_test(ids_are_letters_and_all_different),
		cmocka_unit_test(what_has_expired_was_there_and_is_no_more),
		cmocka_unit_test(the_oldest_goes_where_there_are_too_many),
		cmocka_unit_test(older_ones_make_room_for_the_bytes_of_a_new_one),
		cmocka_unit_test(one_that_is_larger_than_all_may_be_fails_and_takes_no_other_with_it),
		cmocka_unit_test(who_holds_a_capture_may_read_it_after_it_is_forgotten),
		cmocka_unit_test(no_more_run_at_a_time_than_may_and_the_reason_says_when_to_come_back),
		cmocka_unit_test(a_running_one_makes_no_room_for_another),
		cmocka_unit_test(where_none_are_kept_none_begins),
		cmocka_unit_test(a_long_reason_is_cut_between_two_letters),
		cmocka_unit_test(no_more_may_wait_than_there_is_place_for),
		cmocka_unit_test(all_who_wait_hear_of_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
