#include "config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/reading.h"
#include "symbolize/go_bucket.h"
#include "symbolize/go_expand.h"
#include "symbolize/go_roots.h"
#include "symbolize/go_threads.h"
#include "tests/unit/fake_memory.h"
#include "tests/unit/go_maker.h"

#define BIAS   0x10000000u
#define VARS   0x500000u /* link-time: 8 KB of variables, of which the second page is noptrbss */
#define HEAP   0xc000000000u
#define MEMREC 512u

enum {
	ALLOCMCACHE,
	PROFILEALLOC,
	MALLOCGC,
	SCHEDINIT,
	MALLOC2,
	STKBUCKET,
	ALLGADD,
	MCOMMONINIT,
	MAIN,
	WORK,
	FUNCTIONS
};

static const struct go_made_func funcs[FUNCTIONS] = {
	[ALLOCMCACHE] = { .name = "runtime.allocmcache" },
	[PROFILEALLOC] = { .name = "runtime.profilealloc" },
	[MALLOCGC] = { .name = "runtime.mallocgcTinySC2" },
	[SCHEDINIT] = { .name = "runtime.schedinit" },
	[MALLOC2] = { .name = "runtime.mallocgcLarge" },
	[STKBUCKET] = { .name = "runtime.stkbucket" },
	[ALLGADD] = { .name = "runtime.allgadd" },
	[MCOMMONINIT] = { .name = "runtime.mcommoninit" },
	[MAIN] = { .name = "runtime.main" },
	[WORK] = { .name = "main.work" },
};

/* The variables, at link time. */
enum {
	MBUCKETS = VARS + 0x100,
	ALLGS = VARS + 0x200,
	ALLM = VARS + 0x300,
	OTHER = VARS + 0x400,
	RATE = VARS + 0x1000,
	MCACHE0 = VARS + 0x1100,
};

static struct {
	struct fake_memory f;
	unsigned char text[FUNCTIONS * GO_MADE_FUNC_BYTES];
	unsigned char file[GO_MADE_BYTES + FUNCTIONS * GO_MADE_FUNC_BYTES];
	uint32_t code[FUNCTIONS]; /* bytes of each function in use */
	unsigned char vars[0x2000], heap[0x8000];
	struct go_made made;
	struct go_node n;
} t;

static void
put64(uint64_t addr, uint64_t v)
{
	memcpy(addr >= HEAP ? t.heap + (addr - HEAP) : t.vars + (addr - BIAS - VARS), &v, sizeof(v));
}

static void
put32(uint64_t addr, uint32_t v)
{
	memcpy(t.heap + (addr - HEAP), &v, sizeof(v));
}

/* An instruction: its bytes up to the displacement, the variable it names, an immediate behind it. */
static void
use(uint32_t func, const char *op, size_t n, uint64_t variable, unsigned int tail)
{
	uint32_t at = func * GO_MADE_FUNC_BYTES + t.code[func];
	int32_t disp = (int32_t)(variable - (GO_MADE_TEXT + at + n + 4 + tail));

	memcpy(t.text + at, op, n);
	memcpy(t.text + at + n, &disp, sizeof(disp));
	t.code[func] += (uint32_t)n + 4 + tail;
}

#define LOAD8(func, variable)      use(func, "\x90\x48\x8b\x0d", 4, variable, 0)
#define LEA(func, variable)        use(func, "\x90\x4c\x8d\x05", 4, variable, 0)
#define STORE8_IMM(func, variable) use(func, "\x48\xc7\x05", 3, variable, 4)

static void
write_code(void)
{
	LOAD8(ALLOCMCACHE, RATE);
	LOAD8(PROFILEALLOC, RATE);
	LOAD8(PROFILEALLOC, MCACHE0);
	LOAD8(MALLOCGC, MCACHE0);
	LOAD8(MALLOC2, MCACHE0);
	LOAD8(MALLOC2, RATE);
	STORE8_IMM(SCHEDINIT, RATE);
	use(SCHEDINIT, "\x48\xc7\x05", 3, MCACHE0, 4);
	LEA(STKBUCKET, OTHER);
	LEA(STKBUCKET, MBUCKETS);
	LOAD8(ALLGADD, OTHER);
	LOAD8(ALLGADD, ALLGS);
	LOAD8(ALLGADD, ALLGS + 8);
	LOAD8(MCOMMONINIT, OTHER);
	LEA(MCOMMONINIT, ALLM);
}

/* Code behind the tables in one file. */
static void
make_image(void)
{
	go_make(&t.made, funcs, FUNCTIONS, EM_X86_64);
	memcpy(t.file, t.made.bytes, GO_MADE_BYTES);
	memcpy(t.file + GO_MADE_BYTES, t.text, sizeof(t.text));
	t.made.im.data = t.file;
	t.made.im.size = sizeof(t.file);
	t.made.im.segments[1] = (struct image_segment){ PT_LOAD,      PF_R | PF_X,    GO_MADE_BYTES,
							GO_MADE_TEXT, sizeof(t.text), sizeof(t.text) };
	t.made.im.n_segments = 2;
}

#define G(i) (HEAP + 0x1000 + (i)*MEMREC)
#define M(i) (HEAP + 0x3000 + (i)*2 * MEMREC)

/* Four goroutines and two threads, a bucket. */
static void
fill_heap(void)
{
	const struct go_offsets *at = t.n.at;
	const uint64_t pc = GO_MADE_TEXT + BIAS + 5;
	struct go_bucket b = { .type = GO_BUCKET_MEM, .size = 16, .n_pcs = 1 };
	uint64_t h = pc;

	for (uint64_t i = 0; i < 4; i++) {
		put64(HEAP + 8 * i, G(i));
		put64(G(i) + at->g_stack_lo, HEAP + 0x6000);
		put64(G(i) + at->g_stack_hi, HEAP + 0x7000);
		put64(G(i) + at->g_goid, i + 1);
		put32(G(i) + at->g_status, 4);
		put64(G(i) + at->g_startpc, GO_MADE_TEXT + BIAS + (i ? WORK : MAIN) * GO_MADE_FUNC_BYTES);
	}
	put64(ALLGS + BIAS, HEAP);
	put64(ALLGS + BIAS + 8, 4);
	put64(ALLGS + BIAS + 16, 16);
	for (uint64_t i = 0; i < 2; i++) {
		put64(M(i) + at->m_g0, G(8 + i));
		put64(G(8 + i) + at->g_m, M(i));
		put64(M(i) + at->m_alllink, i == 0 ? M(1) : 0);
		put64(M(i) + at->m_procid, 1000 + i);
	}
	put64(M(1) + at->m_createstack, pc);
	put64(ALLM + BIAS, M(0));
	h += h << 10;
	h ^= h >> 6;
	h += 16;
	h += h << 10;
	h ^= h >> 6;
	h += h << 3;
	b.hash = h ^ h >> 11;
	memcpy(t.heap + 0x5000, &b, sizeof(b));
	put64(HEAP + 0x5000 + GO_BUCKET_HEAD, pc);
	put64(MBUCKETS + BIAS, HEAP + 0x5000);
	put64(OTHER + BIAS, HEAP + 0x40);
}

static int
setup(void **state)
{
	(void)state;
	memset(&t, 0, sizeof(t));
	t.n.minor = 24;
	t.n.at = go_offsets_find(24);
	t.n.bias = BIAS;
	t.n.data[GO_SPAN_BSS] = (struct go_span){ VARS + BIAS, VARS + BIAS + 0x1000 };
	t.n.data[GO_SPAN_NOPTRBSS] = (struct go_span){ VARS + BIAS + 0x1000, VARS + BIAS + 0x2000 };
	strcpy(t.n.version, "go1.24.1");
	fake_memory_init(&t.f);
	fake_memory_add(&t.f, VARS + BIAS, t.vars, sizeof(t.vars));
	fake_memory_is_file(&t.f);
	fake_memory_add(&t.f, HEAP, t.heap, sizeof(t.heap));
	t.n.mem = &t.f.mem;
	write_code();
	make_image();
	t.n.module = t.made.m;
	fill_heap();
	assert_int_equal(go_roots_vote(&t.n), 0);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	go_expand_free(t.n.expand);
	return 0;
}

static void
a_number_is_found_by_the_functions_that_load_it(void **state)
{
	(void)state;
	assert_int_equal(t.n.roots.mem_profile_rate, RATE + BIAS);
	assert_int_equal(t.n.roots.block_rate, 0);
	assert_false(t.n.cgo);
}

static void
too_few_votes_are_none(void **state)
{
	(void)state;
	/* Only two are left: of three that are needed. */
	memset(t.file + GO_MADE_BYTES + MALLOC2 * GO_MADE_FUNC_BYTES, 0, GO_MADE_FUNC_BYTES);
	memset(t.file + GO_MADE_BYTES + SCHEDINIT * GO_MADE_FUNC_BYTES, 0, GO_MADE_FUNC_BYTES);
	assert_int_equal(go_roots_vote(&t.n), 0);
	assert_int_equal(t.n.roots.mem_profile_rate, 0);
}

static void
without_the_voter_that_must_agree_there_is_no_winner(void **state)
{
	(void)state;
	memset(t.file + GO_MADE_BYTES + ALLOCMCACHE * GO_MADE_FUNC_BYTES, 0, GO_MADE_FUNC_BYTES);
	assert_int_equal(go_roots_vote(&t.n), 0);
	assert_int_equal(t.n.roots.mem_profile_rate, 0);
}

static void
what_is_outside_of_the_variables_has_no_vote(void **state)
{
	(void)state;
	t.n.data[GO_SPAN_NOPTRBSS].start += 0x800;
	assert_int_equal(go_roots_vote(&t.n), 0);
	assert_int_equal(t.n.roots.mem_profile_rate, 0);
}

static void
lists_are_found_among_what_functions_propose(void **state)
{
	(void)state;
	assert_int_equal(go_roots_look(&t.n), 0);
	assert_int_equal(t.n.roots.buckets[0], MBUCKETS + BIAS);
	assert_int_equal(t.n.roots.buckets[1], 0);
	assert_int_equal(t.n.roots.allgs, ALLGS + BIAS);
	assert_int_equal(t.n.roots.allm, ALLM + BIAS);
	/* Nothing was looked through: three pages hold all of it. */
	assert_true(t.f.mem.bytes < 8192);
}

static void
lists_are_found_where_no_function_is_known(void **state)
{
	(void)state;
	t.n.bucket_words.n = t.n.allgs_words.n = t.n.allm_words.n = 0;
	assert_int_equal(go_roots_look(&t.n), 0);
	assert_int_equal(t.n.roots.buckets[0], MBUCKETS + BIAS);
	assert_int_equal(t.n.roots.allgs, ALLGS + BIAS);
	assert_int_equal(t.n.roots.allm, ALLM + BIAS);
}

static void
a_list_that_comes_late_is_found_then(void **state)
{
	(void)state;
	put64(MBUCKETS + BIAS, 0);
	assert_int_equal(go_roots_look(&t.n), 0);
	assert_int_equal(t.n.roots.buckets[0], 0);
	put64(MBUCKETS + BIAS, HEAP + 0x5000);
	assert_int_equal(go_roots_look(&t.n), 0);
	assert_int_equal(t.n.roots.buckets[0], MBUCKETS + BIAS);
}

static void
a_slice_of_what_are_no_goroutines_is_none(void **state)
{
	const struct go_offsets *at = t.n.at;
	const struct {
		uint64_t addr, value;
	} spoiled[] = {
		{ ALLGS + BIAS, 0 },
		{ ALLGS + BIAS, HEAP + 4 },
		{ ALLGS + BIAS + 8, 0 },
		{ ALLGS + BIAS + 8, 17 }, /* more than it holds */
		{ ALLGS + BIAS + 8, UINT64_MAX },
		{ HEAP + 8, 0 },
		{ HEAP + 8, 0xdead0000 },
		{ G(1) + at->g_status, 77 },
		{ G(1) + at->g_stack_hi, 16 },
	};
	uint64_t len;

	(void)state;
	assert_int_equal(go_roots_is_allgs(&t.n, ALLGS + BIAS, &len), 1);
	assert_int_equal(len, 4);
	for (size_t i = 0; i < sizeof(spoiled) / sizeof(spoiled[0]); i++) {
		unsigned char vars[sizeof(t.vars)], heap[sizeof(t.heap)];

		memcpy(vars, t.vars, sizeof(vars));
		memcpy(heap, t.heap, sizeof(heap));
		put64(spoiled[i].addr, spoiled[i].value);
		assert_int_equal(go_roots_is_allgs(&t.n, ALLGS + BIAS, &len), 0);
		memcpy(t.vars, vars, sizeof(vars));
		memcpy(t.heap, heap, sizeof(heap));
	}
	for (uint64_t i = 0; i < 4; i++)
		put64(G(i) + at->g_startpc, 0x1234);
	assert_int_equal(go_roots_is_allgs(&t.n, ALLGS + BIAS, &len), 0);
	t.f.gone = true;
	assert_int_equal(go_roots_is_allgs(&t.n, ALLGS + BIAS, &len), -ESRCH);
	assert_int_equal(go_roots_look(&t.n), -ESRCH);
}

static void
a_thread_s_g0_belongs_to_it(void **state)
{
	(void)state;
	assert_int_equal(go_roots_is_allm(&t.n, ALLM + BIAS), 1);
	put64(G(9) + t.n.at->g_m, M(0));
	assert_int_equal(go_roots_is_allm(&t.n, ALLM + BIAS), 0);
	put64(ALLM + BIAS, 0);
	assert_int_equal(go_roots_is_allm(&t.n, ALLM + BIAS), 0);
}

/* ---- threadcreate, of the same node */

static int
read_threads(struct reading_head **head)
{
	static struct reading_head copy;
	struct reading_writer *w;
	struct err why;
	int e;

	assert_int_equal(reading_writer_new(&w, READING_THREADCREATE), 0);
	e = go_threads_read(&t.n, w, &why);
	copy = *reading_writer_head(w);
	*head = &copy;
	if (e == 0) {
		/* The next bucket's index tells how many there are, and the next stack's. */
		struct reading_bucket b = { .stack = 0 };
		uint64_t pc = 99;

		copy.skipped = (uint64_t)reading_writer_bucket(w, &b);
		copy.unread = (uint64_t)reading_writer_stack(w, &pc, 1);
	}
	reading_writer_free(w);
	return e;
}

static void
each_thread_is_a_bucket(void **state)
{
	struct reading_head *h;

	(void)state;
	assert_int_equal(go_roots_look(&t.n), 0);
	assert_int_equal(read_threads(&h), 0);
	assert_int_equal(h->skipped, 2);
	assert_int_equal(h->unread, 2); /* one without a stack, one with */
}

static void
threads_that_make_no_sense_are_refused(void **state)
{
	struct reading_head *h;

	(void)state;
	assert_int_equal(go_roots_look(&t.n), 0);
	put64(M(1) + t.n.at->m_alllink, M(0)); /* a ring */
	assert_int_equal(read_threads(&h), -EBADMSG);
	put64(M(1) + t.n.at->m_alllink, 0xdead0000);
	assert_int_equal(read_threads(&h), -EBADMSG);
	t.n.roots.allm = 0;
	assert_int_equal(read_threads(&h), -ENOTSUP);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_number_is_found_by_the_functions_that_load_it, setup,
						teardown),
		cmocka_unit_test_setup_teardown(too_few_votes_are_none, setup, teardown),
		cmocka_unit_test_setup_teardown(without_the_voter_that_must_agree_there_is_no_winner, setup,
						teardown),
		cmocka_unit_test_setup_teardown(what_is_outside_of_the_variables_has_no_vote, setup,
						teardown),
		cmocka_unit_test_setup_teardown(lists_are_found_among_what_functions_propose, setup,
						teardown),
		cmocka_unit_test_setup_teardown(lists_are_found_where_no_function_is_known, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_list_that_comes_late_is_found_then, setup, teardown),
		cmocka_unit_test_setup_teardown(a_slice_of_what_are_no_goroutines_is_none, setup, teardown),
		cmocka_unit_test_setup_teardown(a_thread_s_g0_belongs_to_it, setup, teardown),
		cmocka_unit_test_setup_teardown(each_thread_is_a_bucket, setup, teardown),
		cmocka_unit_test_setup_teardown(threads_that_make_no_sense_are_refused, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
