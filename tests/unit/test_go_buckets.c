#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/reading.h"
#include "symbolize/go_bucket.h"
#include "symbolize/go_buckets.h"
#include "symbolize/go_expand.h"
#include "tests/unit/fake_memory.h"
#include "tests/unit/go_maker.h"

#define VARS  0x500000u     /* where the runtime's variables are */
#define CHUNK 0x7000000000u /* where its buckets are */
#define BYTES 0x10000u
#define HEADS VARS        /* mbuckets, bbuckets, xbuckets */
#define RATES (VARS + 64) /* of the three */
#define CYCLE (VARS + 128)
#define PROCS (VARS + 136)
#define DEPTH (VARS + 144)
#define TICKS (VARS + 152)
#define PC(n) (GO_MADE_TEXT + (n))

enum { PLAIN, OUTER, FUNCTIONS };

static const struct go_made_func funcs[FUNCTIONS] = {
	[PLAIN] = { .name = "main.plain" },
	[OUTER] = { "main.outer", .inlined = { { -1, 64 }, { 0, 64 }, { -1, 128 } },
		    .calls = { { "main.in", 20, 0 } } },
};

static struct {
	struct fake_memory f;
	unsigned char vars[512], chunk[BYTES];
	uint64_t used; /* of the chunk */
	struct go_made made;
	struct go_node n;
	struct reading r;
	struct err why;
	int changes; /* by before() */
	uint64_t change_at;
} t;

static void
put(uint64_t addr, const void *v, size_t n)
{
	unsigned char *to = addr >= CHUNK ? t.chunk + (addr - CHUNK) : t.vars + (addr - VARS);

	memcpy(to, v, n);
}

static void
put64(uint64_t addr, uint64_t v)
{
	put(addr, &v, sizeof(v));
}

static uint64_t
get64(uint64_t addr)
{
	uint64_t v;

	memcpy(&v, addr >= CHUNK ? t.chunk + (addr - CHUNK) : t.vars + (addr - VARS), sizeof(v));
	return v;
}

static uint64_t
hash_of(const uint64_t *pcs, size_t n, uint64_t size)
{
	uint64_t h = 0;

	for (size_t i = 0; i < n; i++) {
		h += pcs[i];
		h += h << 10;
		h ^= h >> 6;
	}
	h += size;
	h += h << 10;
	h ^= h >> 6;
	h += h << 3;
	return h ^ h >> 11;
}

/* A new bucket at the head of its list. Returns where its record is. */
static uint64_t
add(enum go_bucket_type type, uint64_t size, const uint64_t *pcs, size_t n, size_t record)
{
	uint64_t at = CHUNK + t.used, list = HEADS + 8 * (type - 1);
	const struct go_bucket b = { 0, get64(list), type, hash_of(pcs, n, size), size, n };

	put(at, &b, sizeof(b));
	put(at + GO_BUCKET_HEAD, pcs, n * sizeof(*pcs));
	t.used += GO_BUCKET_HEAD + n * sizeof(*pcs) + record;
	put64(list, at);
	return at + GO_BUCKET_HEAD + n * sizeof(*pcs);
}

/* A cycle of a record: Go 1.27 has no bytes. */
static void
put_cycle(uint64_t record, int which, uint64_t allocs, uint64_t frees, uint64_t size)
{
	uint64_t v[4] = { allocs, frees, allocs * size, frees * size };

	put(record + (uint64_t)which * t.n.at->mem_cycle_size, v, t.n.at->mem_cycle_size);
}

static void
put_waits(uint64_t record, double count, int64_t cycles)
{
	put(record, &count, sizeof(count));
	put(record + 8, &cycles, sizeof(cycles));
}

static void
make_node(uint32_t minor)
{
	memset(&t, 0, sizeof(t));
	fake_memory_init(&t.f);
	fake_memory_add(&t.f, VARS, t.vars, sizeof(t.vars));
	fake_memory_is_file(&t.f);
	fake_memory_add(&t.f, CHUNK, t.chunk, sizeof(t.chunk));
	go_make(&t.made, funcs, FUNCTIONS, EM_X86_64);
	t.n.mem = &t.f.mem;
	t.n.module = t.made.m;
	t.n.minor = minor;
	t.n.at = go_offsets_find(minor);
	strcpy(t.n.version, "go1.x");
	for (uint64_t i = 0; i < 3; i++)
		t.n.roots.buckets[i] = HEADS + 8 * i;
	t.n.roots.mem_profile_rate = RATES;
	t.n.roots.block_rate = RATES + 8;
	t.n.roots.mutex_fraction = RATES + 16;
	t.n.roots.mprof_cycle = CYCLE;
	t.n.roots.gomaxprocs = PROCS;
	t.n.roots.stack_depth = DEPTH;
	put64(RATES, 512 * 1024);
	put64(RATES + 8, 1);
	put64(RATES + 16, 5);
	put64(CYCLE, 7 << 1);
	put64(PROCS, 4);
	put64(DEPTH, 128);
}

static int
setup(void **state)
{
	(void)state;
	make_node(24);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	if (t.r.head)
		reading_close(&t.r);
	go_expand_free(t.n.expand);
	return 0;
}

static int
read_it(enum reading_kind kind)
{
	struct reading_writer *w;
	int fd = memfd_create("reading", MFD_CLOEXEC | MFD_ALLOW_SEALING), e;

	if (t.r.head)
		reading_close(&t.r);
	memset(&t.r, 0, sizeof(t.r));
	assert_int_equal(reading_writer_new(&w, kind), 0);
	e = go_buckets_read(&t.n, kind, w, &t.why);
	if (e == 0) {
		assert_int_equal(reading_writer_finish(w, fd, &t.why), 0);
		fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
		assert_int_equal(reading_open(&t.r, fd, &t.why), 0);
	}
	reading_writer_free(w);
	close(fd);
	return e;
}

static void
expect_row(uint64_t i, int64_t a, int64_t b, int64_t c, int64_t d)
{
	const int64_t *v = t.r.buckets[i].values;

	assert_int_equal(v[0], a);
	assert_int_equal(v[1], b);
	assert_int_equal(v[2], c);
	assert_int_equal(v[3], d);
}

static const uint64_t stack_a[] = { PC(10), PC(20), PC(30) }, stack_b[] = { PC(11) },
		      stack_c[] = { PC(12), PC(13) };

static void
the_heap_s_head_says_rate_collections_and_processors(void **state)
{
	(void)state;
	add(GO_BUCKET_MEM, 16, stack_a, 3, 128);
	assert_int_equal(read_it(READING_HEAP), 0);
	assert_int_equal(t.r.head->rate, 512 * 1024);
	assert_int_equal(t.r.head->rate_address, RATES);
	assert_int_equal(t.r.head->num_gc, 7);
	assert_int_equal(t.r.head->gomaxprocs, 4);
	assert_int_equal(t.r.head->buckets.n, 1);
	assert_int_equal(t.r.head->notes.n, 0);
}

static void
what_is_published_and_what_is_being_published_are_added(void **state)
{
	uint64_t a = add(GO_BUCKET_MEM, 16, stack_a, 3, 128), b = add(GO_BUCKET_MEM, 32, stack_b, 1, 128);

	(void)state;
	put_cycle(a, 0, 10, 4, 16);
	put_cycle(a, 1, 100, 0, 16);
	put_cycle(a, 2, 3, 1, 16); /* 7 % 3 = 1: the second of the three to come */
	put_cycle(a, 3, 1000, 0, 16);
	assert_int_equal(read_it(READING_HEAP), 0);
	assert_int_equal(t.r.head->buckets.n, 2);
	/* The newest is the first. */
	assert_int_equal(t.r.buckets[0].size, 32);
	expect_row(0, 0, 0, 0, 0);
	assert_int_equal(t.r.buckets[1].size, 16);
	expect_row(1, 13, 13 * 16, 5, 5 * 16);
	put_cycle(b, 0, 1, 1, 32);
	assert_int_equal(read_it(READING_HEAP), 0);
	expect_row(0, 1, 32, 1, 32);
}

static void
before_the_first_collection_all_is_added(void **state)
{
	uint64_t a = add(GO_BUCKET_MEM, 16, stack_a, 3, 128);

	(void)state;
	put64(CYCLE, 0);
	put_cycle(a, 3, 1000, 0, 16); /* cycle 2 */
	put_cycle(a, 2, 7, 3, 16);
	assert_int_equal(read_it(READING_HEAP), 0);
	expect_row(0, 1007, 1007 * 16, 3, 48);
	assert_int_equal(t.r.head->num_gc, 0);
}

static void
go_1_27_counts_no_bytes(void **state)
{
	uint64_t a;

	(void)state;
	make_node(27);
	a = add(GO_BUCKET_MEM, 48, stack_a, 3, 64);
	put_cycle(a, 0, 10, 4, 48);
	put_cycle(a, 2, 3, 1, 48);
	assert_int_equal(read_it(READING_HEAP), 0);
	expect_row(0, 13, 13 * 48, 5, 5 * 48);
}

static void
in_go_1_18_the_cycle_stands_alone(void **state)
{
	uint64_t a;

	(void)state;
	make_node(18);
	a = add(GO_BUCKET_MEM, 16, stack_a, 3, 128);
	put64(CYCLE, 2 | UINT64_C(1) << 32);
	put_cycle(a, 0, 1, 0, 16);
	put_cycle(a, 3, 5, 0, 16);
	assert_int_equal(read_it(READING_HEAP), 0);
	expect_row(0, 6, 96, 0, 0);
	assert_int_equal(t.r.head->num_gc, 2);
}

static void
without_the_cycle_only_what_is_published_is_told(void **state)
{
	uint64_t a = add(GO_BUCKET_MEM, 16, stack_a, 3, 128);

	(void)state;
	t.n.roots.mprof_cycle = 0;
	put_cycle(a, 0, 10, 4, 16);
	put_cycle(a, 2, 3, 1, 16);
	assert_int_equal(read_it(READING_HEAP), 0);
	expect_row(0, 10, 160, 4, 64);
}

/* The first two reads of the record find a collection's end half done: added, and not yet taken away. */
static void
flush(struct fake_memory *f)
{
	if (f->asked < CHUNK || f->asked != t.change_at)
		return;
	t.changes++;
	if (t.changes == 1)
		put_cycle(t.change_at, 0, 13, 4, 16);
	else if (t.changes == 2)
		put_cycle(t.change_at, 2, 0, 0, 16);
}

static void
counts_that_were_in_change_are_read_again(void **state)
{
	uint64_t a = add(GO_BUCKET_MEM, 16, stack_a, 3, 128);

	(void)state;
	put_cycle(a, 0, 10, 4, 16);
	put_cycle(a, 2, 3, 0, 16);
	t.change_at = a;
	t.f.before = flush;
	assert_int_equal(read_it(READING_HEAP), 0);
	assert_true(t.changes >= 3);
	expect_row(0, 13, 13 * 16, 4, 64);
}

static void
turn(struct fake_memory *f)
{
	if (f->asked == CYCLE)
		put64(CYCLE, get64(CYCLE) + 2);
}

static void
a_cycle_that_never_stops_turning_ends_all_the_same(void **state)
{
	uint64_t a = add(GO_BUCKET_MEM, 16, stack_a, 3, 128);

	(void)state;
	put_cycle(a, 0, 10, 4, 16);
	t.f.before = turn;
	assert_int_equal(read_it(READING_HEAP), 0);
	expect_row(0, 10, 160, 4, 64);
}

static void
waits_are_given_as_stored(void **state)
{
	uint64_t a = add(GO_BUCKET_BLOCK, 0, stack_a, 3, 16), b = add(GO_BUCKET_BLOCK, 0, stack_b, 1, 16),
		 x = add(GO_BUCKET_MUTEX, 0, stack_c, 2, 16), bad;

	(void)state;
	put_waits(a, 12.9, 34567);
	put_waits(b, 0.3, 5);
	put_waits(x, 0.3, 6);
	assert_int_equal(read_it(READING_BLOCK), 0);
	assert_int_equal(t.r.head->rate, 1);
	assert_int_equal(t.r.head->buckets.n, 2);
	expect_row(0, 1, 5, 0, 0);
	expect_row(1, 12, 34567, 0, 0);
	assert_int_equal(read_it(READING_MUTEX), 0);
	assert_int_equal(t.r.head->rate, 5);
	expect_row(0, 0, 6, 0, 0);
	bad = UINT64_MAX; /* no number */
	put(x, &bad, 8);
	assert_int_equal(read_it(READING_MUTEX), 0);
	expect_row(0, 0, 6, 0, 0);
}

static const struct reading_stack *
stack_of(uint64_t i)
{
	return &t.r.stacks[t.r.buckets[i].stack];
}

static void
stacks_of_waits_are_expanded_since_1_23(void **state)
{
	const uint64_t physical[] = { PC(0x100 + 80), PC(30) };

	(void)state;
	for (uint32_t minor = 22; minor <= 23; minor++) {
		const uint64_t *pcs;

		make_node(minor);
		add(GO_BUCKET_BLOCK, 0, physical, 2, 16);
		assert_int_equal(read_it(READING_BLOCK), 0);
		pcs = t.r.pcs + stack_of(0)->first;
		assert_int_equal(stack_of(0)->n, minor == 22 ? 2 : 3);
		assert_int_equal(pcs[0], physical[0]);
		if (minor == 23)
			assert_int_equal(pcs[1], PC(0x100 + 21) | READING_PC_IMPLIED);
		assert_int_equal(pcs[stack_of(0)->n - 1], physical[1]);
		reading_close(&t.r);
		go_expand_free(t.n.expand);
	}
	make_node(23);
	put64(DEPTH, 2);
	add(GO_BUCKET_BLOCK, 0, physical, 2, 16);
	assert_int_equal(read_it(READING_BLOCK), 0);
	assert_int_equal(stack_of(0)->n, 2);
}

static void
a_profile_that_is_switched_off_says_so(void **state)
{
	(void)state;
	put64(RATES, 0);
	put64(RATES + 8, 0);
	assert_int_equal(read_it(READING_HEAP), 0);
	assert_int_equal(t.r.head->rate, 0);
	assert_int_equal(t.r.head->buckets.n, 0);
	assert_int_equal(t.r.head->notes.n, 1);
	t.n.roots.buckets[1] = 0;
	assert_int_equal(read_it(READING_BLOCK), 0);
	assert_int_equal(t.r.head->rate, 0);
	assert_int_equal(t.r.head->notes.n, 1);
}

static void
a_rate_that_was_not_found_or_is_none_is_unknown(void **state)
{
	(void)state;
	put64(RATES, UINT64_MAX);
	assert_int_equal(read_it(READING_HEAP), 0);
	assert_int_equal(t.r.head->rate, -1);
	assert_int_equal(t.r.head->rate_address, 0);
	assert_int_equal(t.r.head->notes.n, 1);
	t.n.roots.mem_profile_rate = 0;
	assert_int_equal(read_it(READING_HEAP), 0);
	assert_int_equal(t.r.head->rate, -1);
}

static void
the_runtime_s_own_measure_of_its_ticks_is_taken(void **state)
{
	struct ticks since;
	uint64_t ours;

	(void)state;
	ticks_now(&t.n.opened);
	since = t.n.opened;
	ours = (uint64_t)ticks_per_second(&since);
	t.n.ticks_words.at[t.n.ticks_words.n++] = TICKS;
	t.n.ticks_words.at[t.n.ticks_words.n++] = TICKS + 8;
	put64(TICKS, 123456); /* something else */
	put64(TICKS + 8, ours + 7);
	assert_int_equal(read_it(READING_BLOCK), 0);
	assert_int_equal((uint64_t)t.r.head->ticks_per_second, ours + 7);
	put64(TICKS + 8, 0); /* not asked for yet */
	assert_int_equal(read_it(READING_MUTEX), 0);
	assert_int_equal((uint64_t)t.r.head->ticks_per_second, 0);
}

static void
a_bucket_that_does_not_prove_itself_is_refused(void **state)
{
	uint64_t a = add(GO_BUCKET_MEM, 16, stack_a, 3, 128);
	const uint64_t head = a - 24 - GO_BUCKET_HEAD;
	const struct {
		uint64_t at, value;
	} spoiled[] = {
		{ head + 8, CHUNK + 4 },              /* allnext: not aligned */
		{ head + 8, 0xdead0000 },             /* nowhere */
		{ head + 8, CHUNK + 0x8000 },         /* zeros */
		{ head + 16, GO_BUCKET_BLOCK },       /* of another list */
		{ head + 24, 99 },                    /* hash */
		{ head + 32, 17 },                    /* size */
		{ head + 40, GO_BUCKET_PCS_MAX + 1 }, /* pcs */
		{ head + 40, UINT64_MAX },
		{ a - 8, 1 }, /* a pc */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(spoiled) / sizeof(spoiled[0]); i++) {
		uint64_t was = get64(spoiled[i].at);

		put64(spoiled[i].at, spoiled[i].value);
		assert_int_equal(read_it(READING_HEAP), -EBADMSG);
		put64(spoiled[i].at, was);
	}
	assert_int_equal(read_it(READING_HEAP), 0);
	t.f.gone = true;
	assert_int_equal(read_it(READING_HEAP), -ESRCH);
}

static void
a_list_that_is_a_ring_ends(void **state)
{
	uint64_t a = add(GO_BUCKET_MEM, 16, stack_a, 3, 128);

	(void)state;
	put64(a - 24 - GO_BUCKET_HEAD + 8, a - 24 - GO_BUCKET_HEAD);
	assert_int_equal(read_it(READING_HEAP), -EFBIG);
}

static void
records_of_another_form_are_refused(void **state)
{
	(void)state;
	/* Of a version that has records of 64 bytes, taken for one that has 128. */
	for (int i = 0; i < 5; i++)
		put_cycle(add(GO_BUCKET_MEM, 16 + 8 * (uint64_t)i, stack_a, 3, 64), 0, 10, 4,
			  16 + 8 * (uint64_t)i);
	assert_int_equal(read_it(READING_HEAP), -ENOTSUP);
	/* The other way. */
	make_node(27);
	for (int i = 0; i < 5; i++)
		put_cycle(add(GO_BUCKET_MEM, 16 + 8 * (uint64_t)i, stack_a, 3, 128), 0, 10, 4, 0);
	t.n.guessed = true;
	assert_int_equal(read_it(READING_HEAP), -ENOTSUP);
	/* Bytes that are not the blocks' size times their number. */
	make_node(24);
	for (int i = 0; i < 5; i++)
		put_cycle(add(GO_BUCKET_MEM, 16 + 8 * (uint64_t)i, stack_a, 3, 128), 0, 10, 4, 7);
	assert_int_equal(read_it(READING_HEAP), -ENOTSUP);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_heap_s_head_says_rate_collections_and_processors, setup,
						teardown),
		cmocka_unit_test_setup_teardown(what_is_published_and_what_is_being_published_are_added,
						setup, teardown),
		cmocka_unit_test_setup_teardown(before_the_first_collection_all_is_added, setup, teardown),
		cmocka_unit_test_setup_teardown(go_1_27_counts_no_bytes, setup, teardown),
		cmocka_unit_test_setup_teardown(in_go_1_18_the_cycle_stands_alone, setup, teardown),
		cmocka_unit_test_setup_teardown(without_the_cycle_only_what_is_published_is_told, setup,
						teardown),
		cmocka_unit_test_setup_teardown(counts_that_were_in_change_are_read_again, setup, teardown),
		cmocka_unit_test_setup_teardown(a_cycle_that_never_stops_turning_ends_all_the_same, setup,
						teardown),
		cmocka_unit_test_setup_teardown(waits_are_given_as_stored, setup, teardown),
		cmocka_unit_test_setup_teardown(stacks_of_waits_are_expanded_since_1_23, setup, teardown),
		cmocka_unit_test_setup_teardown(a_profile_that_is_switched_off_says_so, setup, teardown),
		cmocka_unit_test_setup_teardown(a_rate_that_was_not_found_or_is_none_is_unknown, setup,
						teardown),
		cmocka_unit_test_setup_teardown(the_runtime_s_own_measure_of_its_ticks_is_taken, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_bucket_that_does_not_prove_itself_is_refused, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_list_that_is_a_ring_ends, setup, teardown),
		cmocka_unit_test_setup_teardown(records_of_another_form_are_refused, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
