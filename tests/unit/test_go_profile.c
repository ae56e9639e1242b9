#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "fcgi/go_hidden.h"
#include "fcgi/go_profile.h"
#include "fcgi/ids.h"
#include "tests/unit/reading_maker.h"

#define IMPLIED READING_PC_IMPLIED
#define EXACT   READING_PC_EXACT

static struct maker m, later;
static char shown[8192];
static uint32_t n_locations, n_functions; /* of what was shown last */

static int
teardown(void **state)
{
	(void)state;
	maker_fini(&m);
	if (later.w)
		maker_fini(&later);
	memset(&later, 0, sizeof(later));
	return 0;
}

static void
bucket(struct maker *to, uint32_t stack, int64_t a, int64_t b, int64_t c, int64_t d)
{
	const struct reading_bucket is = { .stack = stack,
					   .size = a ? (uint64_t)(b / a) : 0,
					   .values = { a, b, c, d } };

	assert_true(reading_writer_bucket(to->w, &is) >= 0);
}

static void
goroutine(uint32_t stack, uint32_t labels, uint32_t flags)
{
	const struct reading_goroutine is = { .goid = 1, .stack = stack, .labels = labels, .flags = flags };

	assert_true(reading_writer_goroutine(m.w, &is) >= 0);
}

static void
put_frame(const struct profile *p, struct buf *b, uint32_t loc)
{
	const struct profile_place *place = &p->places.at[p->locs.at[loc].place];

	for (uint32_t i = 0; i < place->n_lines; i++)
		buf_printf(b, "%s%s", i ? "," : "",
			   strings_get(&p->strings, p->lines.at[place->line + i].name));
	buf_printf(b, "@%llx ", (unsigned long long)p->locs.at[loc].addr);
}

static void
put_labels(const struct profile *p, struct buf *b, uint32_t set)
{
	for (uint32_t i = 0; set && i < p->label_sets.at[set].n; i++) {
		const struct profile_label *l = &p->labels.at[p->label_sets.at[set].first + i];

		if (l->str)
			buf_printf(b, " %s=%s", strings_get(&p->strings, l->key),
				   strings_get(&p->strings, l->str));
		else
			buf_printf(b, " %s=%lld", strings_get(&p->strings, l->key), (long long)l->num);
	}
}

/* The profile as a reader sees it: a line a sample, calls at one address with commas between them. */
static const char *
show(void)
{
	struct profile *p = &m.p;
	uint32_t made_up;
	struct ids ids;
	struct buf b;

	assert_int_equal(profile_finish(p, &made_up), 0);
	assert_int_equal(ids_init(&ids, p), 0);
	buf_init(&b, sizeof(shown) - 1);
	for (uint32_t i = 0; i < ids.n_samples; i++) {
		const struct profile_stack *stack = &p->stacks.at[ids.samples[i].stack];

		for (uint32_t k = 0; k < stack->n; k++)
			put_frame(p, &b, p->frames.at[stack->first + k]);
		for (uint32_t k = 0; k < p->n_types; k++)
			buf_printf(&b, "%s%lld", k ? "," : "", (long long)ids.values[i * p->n_types + k]);
		put_labels(p, &b, ids.samples[i].labels);
		buf_text(&b, "\n");
	}
	n_locations = ids.n_locations;
	n_functions = ids.n_functions;
	assert_int_equal(buf_error(&b), 0);
	memcpy(shown, b.len ? (const char *)b.data : "", b.len);
	shown[b.len] = '\0';
	buf_fini(&b);
	ids_fini(&ids);
	return shown;
}

static void
add_part(const struct maker *from, const uint32_t *hidden, enum go_part part)
{
	const struct go_samples samples = { .r = &from->r,
					    .g = &from->g,
					    .hidden = hidden,
					    .part = part,
					    .ticks_per_second = m.r.head->ticks_per_second };

	assert_int_equal(go_profile_add(&m.p, &samples), 0);
}

static void
add(const uint32_t *hidden)
{
	assert_int_equal(go_profile_begin(&m.p, &m.r, NULL), 0);
	add_part(&m, hidden, GO_PART_WHOLE);
}

/* ---- heap */

static void
heap_samples_are_scaled_as_in_gos_own_tests(void **state)
{
	int64_t to[2];

	(void)state;
	go_profile_scale(4, 4096, 524288, to);
	assert_int_equal(to[0], 2050);
	assert_int_equal(to[1], 2099200);
	go_profile_scale(3, 3072, 524288, to);
	assert_int_equal(to[0], 1537);
	assert_int_equal(to[1], 1574400);
	go_profile_scale(1, 524288, 524288, to);
	assert_int_equal(to[0], 1);
	assert_int_equal(to[1], 829411);
	go_profile_scale(5, 5000, 1, to);
	assert_int_equal(to[0], 5);
	assert_int_equal(to[1], 5000);
	go_profile_scale(0, 5000, 512, to);
	assert_int_equal(to[0] | to[1], 0);
	go_profile_scale(INT64_MAX, INT64_MAX, INT64_MAX, to);
	go_profile_scale(-1, 5, 512, to);
}

static void
a_heap_bucket_is_a_sample_of_four_values_with_its_size(void **state)
{
	(void)state;
	maker_init(&m, READING_HEAP, 21);
	reading_writer_head(m.w)->rate = 524288;
	bucket(&m, STACK(&m, 0x401010, 0x402020), 4, 4096, 1, 1024);
	bucket(&m, STACK(&m, 0x402020), 0, 0, 0, 0);
	maker_open(&m);
	maker_name(&m, 0x40100f, 0x401000, "main.leaf", 3, 0);
	maker_name(&m, 0x40201f, 0x402000, "main.root", 4, 0);
	add(NULL);
	assert_int_equal(m.p.n_types, 4);
	assert_int_equal(m.p.period, 524288);
	assert_string_equal(show(),
			    "main.leaf@40100f main.root@40201f 2050,2099200,1537,1574400 bytes=1024\n"
			    "main.root@40201f 0,0,0,0\n");
}

static void
since_go_1_27_the_size_is_told_of_any_bucket(void **state)
{
	struct reading_bucket empty = { .size = 48 };

	(void)state;
	maker_init(&m, READING_HEAP, 27);
	reading_writer_head(m.w)->rate = 1;
	empty.stack = STACK(&m, 0x401010);
	assert_true(reading_writer_bucket(m.w, &empty) >= 0);
	maker_open(&m);
	maker_name(&m, 0x40100f, 0x401000, "main.leaf", 3, 0);
	add(NULL);
	assert_string_equal(show(), "main.leaf@40100f 0,0,0,0 bytes=48\n");
}

static void
a_rate_that_was_not_found_is_gos_default_and_a_rate_of_nothing_no_sample(void **state)
{
	(void)state;
	maker_init(&m, READING_HEAP, 21);
	bucket(&m, STACK(&m, 0x401010), 4, 4096, 1, 1024);
	maker_open(&m);
	assert_int_equal(go_profile_heap_rate(&m.r), 524288);
	assert_int_equal(go_profile_buckets(&m.r), 1);
	maker_fini(&m);

	maker_init(&m, READING_HEAP, 21);
	reading_writer_head(m.w)->rate = 0;
	bucket(&m, STACK(&m, 0x401010), 4, 4096, 1, 1024);
	maker_open(&m);
	add(NULL);
	assert_true(m.p.period > 0);
	assert_string_equal(show(), "");
}

static void
what_readers_show_first_is_said_for_allocs(void **state)
{
	(void)state;
	maker_init(&m, READING_HEAP, 21);
	maker_open(&m);
	assert_int_equal(go_profile_begin(&m.p, &m.r, "alloc_space"), 0);
	assert_int_equal(m.p.default_type, 1);
}

/* ---- the runtime's functions at the leaf */

/* Ask, name all that stands at [from, to), and go on until it is known. */
static void
resolve(struct go_hidden *h, const char *at_return)
{
	assert_int_equal(go_hidden_init(h, &m.p, &m.r), 0);
	for (int turn = 0; turn < 8 && go_hidden_turn(h, &m.p, &m.r, &m.g) > 0; turn++)
		for (uint32_t i = 0; i < m.p.places.n; i++)
			if (!m.p.places.at[i].n_lines)
				maker_name(&m, m.p.places.at[i].at - MAKER_PGOFF + MAKER_START, 0x401000,
					   at_return, 1, 0);
	go_hidden_end(h, &m.r);
}

static void
functions_of_the_runtime_are_left_out_at_the_leaf_only(void **state)
{
	struct go_hidden h;

	(void)state;
	maker_init(&m, READING_HEAP, 21);
	reading_writer_head(m.w)->rate = 1;
	bucket(&m, STACK(&m, 0x401010, 0x401020, 0x402020, 0x401030), 1, 8, 0, 0);
	bucket(&m, STACK(&m, 0x401010, 0x401020), 2, 16, 0, 0);
	maker_open(&m);
	maker_name(&m, 0x40100f, 0x401000, "runtime.mallocgc", 1, 0);
	maker_name(&m, 0x40101f, 0x401000, "runtime.newobject", 2, 0);
	maker_name(&m, 0x40201f, 0x402000, "main.f", 3, 0);
	maker_name(&m, 0x40102f, 0x401000, "runtime.main", 4, 0);
	assert_int_equal(go_hidden_init(&h, &m.p, &m.r), 0);
	assert_true(go_hidden_turn(&h, &m.p, &m.r, &m.g) > 0);
	/* What stands at the return addresses decides. */
	maker_name(&m, 0x401010, 0x401000, "runtime.mallocgc", 1, 0);
	maker_name(&m, 0x401020, 0x401000, "runtime.newobject", 1, 0);
	maker_name(&m, 0x402020, 0x402000, "main.f", 1, 0);
	assert_int_equal(go_hidden_turn(&h, &m.p, &m.r, &m.g), 0);
	go_hidden_end(&h, &m.r);
	assert_int_equal(h.n[0], 2);
	assert_int_equal(h.n[1], 0); /* there is nothing else */
	add(h.n);
	go_hidden_fini(&h);
	assert_string_equal(show(), "main.f@40201f runtime.main@40102f 1,8,1,8 bytes=8\n"
				    "runtime.mallocgc@40100f runtime.newobject@40101f 2,16,2,16 bytes=8\n");
}

static void
a_function_is_left_out_where_the_runtimes_inlined_code_goes_on_behind_its_call(void **state)
{
	struct go_hidden h;

	(void)state;
	maker_init(&m, READING_HEAP, 21);
	reading_writer_head(m.w)->rate = 1;
	bucket(&m, STACK(&m, 0x402020, 0x403030), 1, 8, 0, 0);
	maker_open(&m);
	maker_name(&m, 0x40201f, 0x402000, "main.f", 3, 0);
	maker_name(&m, 0x40302f, 0x403000, "main.g", 3, 0);
	assert_int_equal(go_hidden_init(&h, &m.p, &m.r), 0);
	assert_true(go_hidden_turn(&h, &m.p, &m.r, &m.g) > 0);
	maker_name(&m, 0x402020, 0x402000, "runtime.KeepAlive", 1, 0);
	assert_true(go_hidden_turn(&h, &m.p, &m.r, &m.g) > 0);
	maker_name(&m, 0x403030, 0x403000, "main.g", 1, 0);
	assert_int_equal(go_hidden_turn(&h, &m.p, &m.r, &m.g), 0);
	go_hidden_end(&h, &m.r);
	assert_int_equal(h.n[0], 1);
	go_hidden_fini(&h);
}

static void
an_implied_call_is_a_location_where_what_it_is_implied_by_is_left_out(void **state)
{
	struct go_hidden h;

	(void)state;
	maker_init(&m, READING_HEAP, 21);
	reading_writer_head(m.w)->rate = 1;
	bucket(&m, STACK(&m, 0x402020, 0x402011 | IMPLIED, 0x403030), 1, 8, 0, 0);
	maker_open(&m);
	maker_name(&m, 0x40201f, 0x402000, "runtime.inlined", 3, 0);
	maker_name(&m, 0x40201f, 0x402000, "main.f", 9, 0);
	maker_name(&m, 0x402010, 0x402000, "main.f", 9, 0);
	maker_name(&m, 0x40302f, 0x403000, "main.g", 3, 0);
	assert_int_equal(go_hidden_init(&h, &m.p, &m.r), 0);
	assert_true(go_hidden_turn(&h, &m.p, &m.r, &m.g) > 0);
	maker_name(&m, 0x402020, 0x402000, "runtime.inlined", 3, 0);
	maker_name(&m, 0x402011, 0x402000, "main.f", 3, 0);
	assert_int_equal(go_hidden_turn(&h, &m.p, &m.r, &m.g), 0);
	go_hidden_end(&h, &m.r);
	add(h.n);
	go_hidden_fini(&h);
	assert_string_equal(show(), "main.f@402010 main.g@40302f 1,8,1,8 bytes=8\n");
}

static void
without_names_nothing_is_left_out(void **state)
{
	struct go_hidden h;

	(void)state;
	maker_init(&m, READING_HEAP, 21);
	bucket(&m, STACK(&m, 0x401010, 0x900000), 1, 8, 0, 0);
	maker_open(&m);
	resolve(&h, "runtime.x");
	assert_int_equal(h.n[0], 1); /* 0x900000 lies nowhere */
	go_hidden_fini(&h);
	assert_int_equal(go_hidden_init(&h, &m.p, &m.r), 0);
	go_hidden_end(&h, &m.r);
	assert_int_equal(h.n[0], 0);
	go_hidden_fini(&h);
}

/* ---- calls at one place */

static void
implied_pcs_are_lines_and_no_locations(void **state)
{
	(void)state;
	maker_init(&m, READING_BLOCK, 23);
	bucket(&m, STACK(&m, 0x402020, 0x402011 | IMPLIED, 0x403030), 1, 8, 0, 0);
	maker_open(&m);
	maker_name(&m, 0x40201f, 0x402000, "sync.inner", 3, 0);
	maker_name(&m, 0x40201f, 0x402000, "main.f", 9, 0);
	maker_name(&m, 0x402010, 0x402000, "main.f", 9, 0);
	maker_name(&m, 0x40302f, 0x403000, "main.g", 3, 0);
	add(NULL);
	assert_string_equal(show(), "sync.inner,main.f@40201f main.g@40302f 1,8\n");
}

static void
a_call_that_go_leaves_out_is_no_line_either(void **state)
{
	(void)state;
	maker_init(&m, READING_GOROUTINE, 18);
	goroutine(STACK(&m, 0x402020, 0x402011 | IMPLIED, 0x403030), 0, 0);
	maker_open(&m);
	maker_name(&m, 0x40201f, 0x402000, "main.byValue.wait", 3, 0);
	maker_name(&m, 0x40201f, 0x402000, "main.(*embedded).wait", 1, 0);
	maker_name(&m, 0x40201f, 0x402000, "main.f", 9, 0);
	maker_name(&m, 0x402010, 0x402000, "main.f", 9, 0);
	maker_name(&m, 0x40302f, 0x403000, "main.g", 3, 0);
	add(NULL);
	assert_string_equal(show(), "main.byValue.wait,main.f@40201f main.g@40302f 1\n");
}

static void
a_stack_that_is_cut_inside_of_inlined_calls_is_made_whole(void **state)
{
	(void)state;
	maker_init(&m, READING_BLOCK, 21);
	bucket(&m, STACK(&m, 0x403030, 0x402020), 1, 8, 0, 0);
	maker_open(&m);
	maker_name(&m, 0x40302f, 0x403000, "main.g", 3, 0);
	maker_name(&m, 0x40201f, 0x402000, "main.inner", 3, 0);
	maker_name(&m, 0x40201f, 0x402000, "main.f", 9, 0);
	add(NULL);
	assert_string_equal(show(), "main.g@40302f main.inner,main.f@40201f 1,8\n");
}

static void
words_that_make_no_sense_are_no_calls(void **state)
{
	(void)state;
	maker_init(&m, READING_BLOCK, 23);
	bucket(&m, STACK(&m, 0x402020, READING_PC_LEFT_OUT | IMPLIED | 3, 0x403030), 1, 8, 0, 0);
	bucket(&m, STACK(&m, IMPLIED, IMPLIED | 0x403030), 1, INT64_MIN, 0, 0);
	maker_open(&m);
	maker_name(&m, 0x40201f, 0x402000, "sync.inner", 3, 0);
	maker_name(&m, 0x40201f, 0x402000, "main.f", 9, 0);
	maker_name(&m, 0x40201f, 0x402000, "main.g", 9, 0);
	maker_name(&m, 0x40302f, 0x403000, "main.h", 3, 0);
	add(NULL);
	assert_string_equal(show(), "sync.inner,main.f,main.g@40201f main.h@40302f 1,8\n"
				    "[unknown]@0 1,-9223372036854775808\n");
}

static void
goexit_is_left_out_and_wrappers_are_not(void **state)
{
	(void)state;
	maker_init(&m, READING_BLOCK, 26);
	bucket(&m, STACK(&m, 0x401010, 0x402020, 0x403030), 1, 8, 0, 0);
	maker_open(&m);
	maker_name(&m, 0x40100f, 0x401000, "main.f", 3, 0);
	maker_name(&m, 0x40201f, 0x402000, "main.f.gowrap1", 3, WIRE_ANSWER_HIDDEN);
	maker_name(&m, 0x40302f, 0x403000, "runtime.goexit", 3, WIRE_ANSWER_HIDDEN);
	add(NULL);
	assert_string_equal(show(), "main.f@40100f main.f.gowrap1@40201f 1,8\n");
}

static void
an_exact_pc_is_looked_up_where_it_is(void **state)
{
	(void)state;
	assert_int_equal(go_places_address(0x401000 | EXACT), 0x401000);
	assert_int_equal(go_places_pc(0x401000 | EXACT), 0x401001);
	assert_int_equal(go_places_address(0x401000 | IMPLIED), 0x400fff);
	maker_init(&m, READING_GOROUTINE, 21);
	goroutine(STACK(&m, 0x401000 | EXACT), 0, 0);
	maker_open(&m);
	maker_name(&m, 0x401000, 0x401000, "main.begins", 3, 0);
	add(NULL);
	assert_string_equal(show(), "main.begins@401000 1\n");
}

static void
a_pc_that_lies_nowhere_and_a_stack_of_none_have_a_name_too(void **state)
{
	(void)state;
	maker_init(&m, READING_GOROUTINE, 21);
	goroutine(STACK(&m, 0x7f0000001000, 0x401010), 0, 0);
	goroutine(STACK(&m, 0x401010, READING_PC_LEFT_OUT | 7, 0x401010), 0, 0);
	goroutine(maker_stack(&m, (const uint64_t[]){ 0 }), 0, READING_G_UNREAD);
	maker_open(&m);
	maker_name(&m, 0x40100f, 0x401000, "main.f", 3, 0);
	add(NULL);
	assert_non_null(strstr(show(), "[unknown]@7f0000000fff main.f@40100f 1\n"));
	assert_non_null(strstr(shown, "main.f@40100f main.f@40100f 1\n"));
	assert_non_null(strstr(shown, "[unknown]@0 1\n"));
}

/* ---- block and mutex */

static void
cycles_are_nanoseconds_and_the_longest_comes_first(void **state)
{
	(void)state;
	maker_init(&m, READING_BLOCK, 21);
	reading_writer_head(m.w)->ticks_per_second = 2e9;
	bucket(&m, STACK(&m, 0x401010), 1, 1000, 0, 0);
	bucket(&m, STACK(&m, 0x402020), 2, 5001, 0, 0);
	maker_open(&m);
	maker_name(&m, 0x40100f, 0x401000, "main.short", 3, 0);
	maker_name(&m, 0x40201f, 0x402000, "main.long", 3, 0);
	add(NULL);
	assert_string_equal(show(), "main.long@40201f 2,2500\nmain.short@40100f 1,500\n");
}

static void
the_mutexes_of_old_versions_are_multiplied_by_the_fraction(void **state)
{
	static const struct {
		uint32_t minor;
		const char *shown;
	} cases[] = { { 19, "main.f@40100f 10,5000\n" }, { 20, "main.f@40100f 2,1000\n" } };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		maker_init(&m, READING_MUTEX, cases[i].minor);
		reading_writer_head(m.w)->rate = 5;
		reading_writer_head(m.w)->ticks_per_second = 1e9;
		bucket(&m, STACK(&m, 0x401010), 2, 1000, 0, 0);
		maker_open(&m);
		maker_name(&m, 0x40100f, 0x401000, "main.f", 3, 0);
		add(NULL);
		assert_string_equal(show(), cases[i].shown);
		if (i == 0)
			maker_fini(&m);
	}
}

static void
an_estimates_buckets_have_their_labels(void **state)
{
	struct reading_bucket still = { .values = { 1, 500 } };

	(void)state;
	maker_init(&m, READING_BLOCK_ESTIMATE, 21);
	reading_writer_head(m.w)->ticks_per_second = 2e9;
	still.stack = STACK(&m, 0x401010);
	bucket(&m, still.stack, 3, 900, 0, 0);
	still.labels = LABELS(&m, "status", "still-blocked");
	assert_true(reading_writer_bucket(m.w, &still) >= 0);
	maker_open(&m);
	maker_name(&m, 0x40100f, 0x401000, "main.f", 3, 0);
	add(NULL);
	assert_string_equal(show(), "main.f@40100f 3,900\nmain.f@40100f 1,500 status=still-blocked\n");
}

/* ---- goroutines */

static void
goroutines_are_counted_by_stack_and_labels_and_the_runtimes_own_are_not(void **state)
{
	uint32_t f, g, kv, vk;

	(void)state;
	maker_init(&m, READING_GOROUTINE, 21);
	f = STACK(&m, 0x401010);
	g = STACK(&m, 0x402020);
	kv = LABELS(&m, "k", "v", "a", "b");
	vk = LABELS(&m, "a", "b", "k", "v");
	goroutine(g, 0, 0);
	goroutine(f, 0, 0);
	goroutine(f, kv, 0);
	goroutine(f, vk, 0);
	goroutine(f, 0, READING_G_SYSTEM);
	goroutine(f, 0, 0);
	goroutine(f, 0, 0);
	maker_open(&m);
	maker_name(&m, 0x40100f, 0x401000, "main.f", 3, 0);
	maker_name(&m, 0x40201f, 0x402000, "main.g", 3, 0);
	add(NULL);
	assert_string_equal(show(), "main.f@40100f 3\nmain.f@40100f 2 a=b k=v\nmain.g@40201f 1\n");
}

static void
of_a_deep_stack_the_profile_has_what_gos_has(void **state)
{
	static const struct {
		uint32_t minor, n;
	} cases[] = { { 22, 32 }, { 23, 128 } };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		uint64_t pcs[201] = { 0 };

		maker_init(&m, READING_GOROUTINE, cases[i].minor);
		for (int k = 0; k < 200; k++)
			pcs[k] = 0x401000 + 16u * (uint64_t)(k + 1);
		goroutine(maker_stack(&m, pcs), 0, 0);
		pcs[199] = 0x402020; /* differs where nobody looks */
		goroutine(maker_stack(&m, pcs), 0, 0);
		maker_open(&m);
		add(NULL);
		assert_int_equal(m.p.samples.n, 1);
		assert_int_equal(m.p.values.at[0], 2);
		assert_int_equal(m.p.stacks.at[0].n, cases[i].n);
		if (i == 0)
			maker_fini(&m);
	}
}

/* ---- differences */

/* Two readings of one heap bucket and one that comes later, in one profile. */
static void
add_two(enum go_part part)
{
	maker_init(&m, READING_HEAP, 21);
	reading_writer_head(m.w)->rate = 1;
	bucket(&m, STACK(&m, 0x401010), 10, 100, 2, 20);
	bucket(&m, STACK(&m, 0x402020), 5, 50, 5, 50);
	maker_open(&m);
	maker_init(&later, READING_HEAP, 21);
	reading_writer_head(later.w)->rate = 1;
	bucket(&later, STACK(&later, 0x401010), 14, 140, 10, 100);
	bucket(&later, STACK(&later, 0x402020), 5, 50, 5, 50);
	maker_open(&later);
	/* The later reading's pcs in the first one's profile. */
	go_places_fini(&later.g);
	assert_int_equal(go_places_init(&later.g, &m.p, &later.r, false), 0);
	maker_name(&m, 0x40100f, 0x401000, "main.f", 3, 0);
	maker_name(&m, 0x40201f, 0x402000, "main.g", 3, 0);
	m.p.delta = true;
	assert_int_equal(go_profile_begin(&m.p, &later.r, NULL), 0);
	add_part(&m, NULL, part);
	add_part(&later, NULL, GO_PART_WHOLE);
}

static void
a_difference_has_what_changed(void **state)
{
	(void)state;
	add_two(GO_PART_BEFORE);
	assert_string_equal(show(), "main.f@40100f 4,40,-4,-40 bytes=10\n");
	assert_int_equal(n_locations, 1);
	assert_int_equal(n_functions, 1);
}

static void
of_a_difference_of_sums_what_is_in_use_is_that_of_the_end(void **state)
{
	(void)state;
	add_two(GO_PART_BEFORE_SUMS);
	assert_string_equal(show(), "main.f@40100f 4,40,4,40 bytes=10\n");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(heap_samples_are_scaled_as_in_gos_own_tests),
#define TEST(name) cmocka_unit_test_setup_teardown(name, NULL, teardown)
		TEST(a_heap_bucket_is_a_sample_of_four_values_with_its_size),
		TEST(since_go_1_27_the_size_is_told_of_any_bucket),
		TEST(a_rate_that_was_not_found_is_gos_default_and_a_rate_of_nothing_no_sample),
		TEST(what_readers_show_first_is_said_for_allocs),
		TEST(functions_of_the_runtime_are_left_out_at_the_leaf_only),
		TEST(a_function_is_left_out_where_the_runtimes_inlined_code_goes_on_behind_its_call),
		TEST(an_implied_call_is_a_location_where_what_it_is_implied_by_is_left_out),
		TEST(without_names_nothing_is_left_out),
		TEST(implied_pcs_are_lines_and_no_locations),
		TEST(a_call_that_go_leaves_out_is_no_line_either),
		TEST(a_stack_that_is_cut_inside_of_inlined_calls_is_made_whole),
		TEST(words_that_make_no_sense_are_no_calls),
		TEST(goexit_is_left_out_and_wrappers_are_not),
		TEST(an_exact_pc_is_looked_up_where_it_is),
		TEST(a_pc_that_lies_nowhere_and_a_stack_of_none_have_a_name_too),
		TEST(cycles_are_nanoseconds_and_the_longest_comes_first),
		TEST(the_mutexes_of_old_versions_are_multiplied_by_the_fraction),
		TEST(an_estimates_buckets_have_their_labels),
		TEST(goroutines_are_counted_by_stack_and_labels_and_the_runtimes_own_are_not),
		TEST(of_a_deep_stack_the_profile_has_what_gos_has),
		TEST(a_difference_has_what_changed),
		TEST(of_a_difference_of_sums_what_is_in_use_is_that_of_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
