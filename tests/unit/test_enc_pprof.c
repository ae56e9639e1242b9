/*
 * The encoder's output is inflated and read by a small reader of protocol buffers that shares
 * nothing with it, and judged by google/pprof's rules (profile.CheckValid) and our promises.
 * Each rule is then broken on purpose, to see that the judge sees it.
 */
#include "config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <zlib.h>

#include "base/wire.h"
#include "fcgi/enc_pprof.h"
#include "fcgi/profile.h"
#include "fcgi/text.h"

#define MAX 256

/* ---- a reader */

struct bytes {
	const unsigned char *p, *end;
};

struct value_type {
	uint64_t type, unit;
};

struct label {
	uint64_t key, str, num;
};

struct sample {
	uint64_t locations[MAX], values[MAX];
	struct label labels[8];
	int n_locations, n_values, n_labels;
	bool packed;
};

struct mapping {
	uint64_t id, start, limit, offset, file, build_id, has[4];
};

struct location {
	uint64_t id, mapping, address, functions[MAX], lines[MAX];
	int n_lines;
};

struct function {
	uint64_t id, name, system_name, file, start_line;
};

static struct decoded {
	struct value_type types[8], period_type;
	struct sample samples[MAX];
	struct mapping mappings[MAX];
	struct location locations[MAX];
	struct function functions[MAX];
	char strings[MAX][512];
	uint64_t comments[MAX], time, duration, period, default_type;
	int n_types, n_samples, n_mappings, n_locations, n_functions, n_strings, n_comments;
} got;

static uint64_t
varint(struct bytes *b)
{
	uint64_t v = 0;

	for (int shift = 0; shift < 64; shift += 7) {
		assert_true(b->p < b->end);
		v |= (uint64_t)(*b->p & 0x7f) << shift;
		if (!(*b->p++ & 0x80))
			return v;
	}
	fail_msg("a varint of more than ten bytes");
	return 0;
}

/* The next field: its number, and its value or its bytes. */
static bool
field(struct bytes *b, unsigned int *number, uint64_t *value, struct bytes *inner)
{
	uint64_t key;

	if (b->p == b->end)
		return false;
	key = varint(b);
	*number = (unsigned int)(key >> 3);
	*value = 0;
	inner->p = inner->end = NULL;
	if ((key & 7) == 0) {
		*value = varint(b);
		return true;
	}
	assert_int_equal(key & 7, 2);
	*value = varint(b);
	assert_true(*value <= (uint64_t)(b->end - b->p));
	inner->p = b->p;
	inner->end = b->p += *value;
	return true;
}

/* A repeated number: packed or one by one. */
static void
numbers(uint64_t *to, int *n, uint64_t value, struct bytes inner)
{
	if (!inner.p) {
		to[(*n)++] = value;
		return;
	}
	while (inner.p < inner.end) {
		assert_true(*n < MAX);
		to[(*n)++] = varint(&inner);
	}
}

static void
read_flat(struct bytes b, uint64_t *to, unsigned int last)
{
	unsigned int f;
	uint64_t v;
	struct bytes inner;

	while (field(&b, &f, &v, &inner)) {
		assert_true(f >= 1 && f <= last && !inner.p);
		to[f - 1] = v;
	}
}

static void
read_sample(struct bytes b, struct sample *s)
{
	unsigned int f;
	uint64_t v;
	struct bytes inner;

	memset(s, 0, sizeof(*s));
	while (field(&b, &f, &v, &inner)) {
		if (f == 1) {
			s->packed |= inner.p != NULL;
			numbers(s->locations, &s->n_locations, v, inner);
		} else if (f == 2) {
			numbers(s->values, &s->n_values, v, inner);
		} else {
			assert_int_equal(f, 3);
			memset(&s->labels[s->n_labels], 0, sizeof(s->labels[0]));
			read_flat(inner, &s->labels[s->n_labels++].key, 3);
		}
	}
}

static void
read_location(struct bytes b, struct location *l)
{
	unsigned int f;
	uint64_t v;
	struct bytes inner;

	memset(l, 0, sizeof(*l));
	while (field(&b, &f, &v, &inner)) {
		uint64_t line[2] = { 0 };

		if (f == 4) {
			read_flat(inner, line, 2);
			l->functions[l->n_lines] = line[0];
			l->lines[l->n_lines++] = line[1];
			continue;
		}
		assert_true(f >= 1 && f <= 3);
		*(f == 1 ? &l->id : f == 2 ? &l->mapping : &l->address) = v;
	}
}

static void
read_string(struct bytes b)
{
	size_t n = (size_t)(b.end - b.p);

	assert_true(got.n_strings < MAX && n < sizeof(got.strings[0]));
	if (n)
		memcpy(got.strings[got.n_strings], b.p, n);
	got.strings[got.n_strings++][n] = '\0';
}

static void
read_profile(struct bytes b)
{
	unsigned int f;
	uint64_t v;
	struct bytes inner;

	memset(&got, 0, sizeof(got));
	while (field(&b, &f, &v, &inner)) {
		switch (f) {
		case 1:
			read_flat(inner, &got.types[got.n_types++].type, 2);
			break;
		case 2:
			read_sample(inner, &got.samples[got.n_samples++]);
			break;
		case 3:
			read_flat(inner, &got.mappings[got.n_mappings++].id, 10);
			break;
		case 4:
			read_location(inner, &got.locations[got.n_locations++]);
			break;
		case 5:
			read_flat(inner, &got.functions[got.n_functions++].id, 5);
			break;
		case 6:
			read_string(inner);
			break;
		case 9:
			got.time = v;
			break;
		case 10:
			got.duration = v;
			break;
		case 11:
			read_flat(inner, &got.period_type.type, 2);
			break;
		case 12:
			got.period = v;
			break;
		case 13:
			numbers(got.comments, &got.n_comments, v, inner);
			break;
		case 14:
			got.default_type = v;
			break;
		default:
			fail_msg("field %u", f);
		}
	}
}

/* ---- a judge */

static const struct mapping *
find_mapping(uint64_t id)
{
	for (int i = 0; i < got.n_mappings; i++)
		if (got.mappings[i].id == id)
			return &got.mappings[i];
	return NULL;
}

static const struct location *
find_location(uint64_t id)
{
	for (int i = 0; i < got.n_locations; i++)
		if (got.locations[i].id == id)
			return &got.locations[i];
	return NULL;
}

static const struct function *
find_function(uint64_t id)
{
	for (int i = 0; i < got.n_functions; i++)
		if (got.functions[i].id == id)
			return &got.functions[i];
	return NULL;
}

static const char *
judge_tables(void)
{
	for (int i = 0; i < got.n_mappings; i++)
		if (!got.mappings[i].id || find_mapping(got.mappings[i].id) != &got.mappings[i])
			return "mapping id";
	for (int i = 0; i < got.n_functions; i++)
		if (!got.functions[i].id || find_function(got.functions[i].id) != &got.functions[i])
			return "function id";
	for (int i = 0; i < got.n_locations; i++)
		if (!got.locations[i].id || find_location(got.locations[i].id) != &got.locations[i])
			return "location id";
	return NULL;
}

static const char *
judge_strings(void)
{
	const uint64_t n = (uint64_t)got.n_strings;

	if (!n || *got.strings[0])
		return "string 0";
	for (int i = 0; i < got.n_strings; i++) {
		if (!text_is_clean(got.strings[i], strlen(got.strings[i])))
			return "text";
		for (int k = 0; k < i; k++)
			if (!strcmp(got.strings[i], got.strings[k]))
				return "string twice";
	}
	for (int i = 0; i < got.n_functions; i++)
		if (!got.functions[i].name || got.functions[i].name >= n ||
		    got.functions[i].system_name >= n || got.functions[i].file >= n)
			return "function string";
	for (int i = 0; i < got.n_mappings; i++)
		if (!got.mappings[i].file || got.mappings[i].file >= n || got.mappings[i].build_id >= n)
			return "mapping string";
	for (int i = 0; i < got.n_comments; i++)
		if (got.comments[i] >= n)
			return "comment string";
	return NULL;
}

static const char *
judge_location(const struct location *l)
{
	const struct mapping *m = find_mapping(l->mapping);
	bool anywhere = m && !m->start && !m->limit && !m->offset;

	if (!m)
		return "location without mapping";
	if (!anywhere && (l->address < m->start || l->address >= m->limit))
		return "address outside of mapping";
	if (!l->n_lines)
		return "location without line";
	for (int i = 0; i < l->n_lines; i++)
		if (!find_function(l->functions[i]))
			return "line without function";
	for (int i = 0; i < 4; i++)
		if (m->has[i] != 1)
			return "mapping without all flags";
	return NULL;
}

static const char *
judge_sample(const struct sample *s)
{
	if (s->n_values != got.n_types)
		return "number of values";
	if (!s->n_locations)
		return "sample without location";
	for (int i = 0; i < s->n_locations; i++)
		if (!find_location(s->locations[i]))
			return "sample's location";
	for (int i = 0; i < s->n_labels; i++) {
		const struct label *l = &s->labels[i];

		if (!l->key || l->key >= (uint64_t)got.n_strings || l->str >= (uint64_t)got.n_strings)
			return "label string";
		if ((l->str != 0) == (l->num != 0))
			return "label with text and number, or neither";
	}
	return NULL;
}

/* NULL, or what is wrong. */
static const char *
judge(void)
{
	const char *bad = judge_tables();

	if (!bad)
		bad = judge_strings();
	if (!bad && got.n_samples && !got.n_types)
		bad = "samples without types";
	if (!bad && (!got.time || !got.period))
		bad = "time or period";
	for (int i = 0; i < got.n_locations && !bad; i++)
		bad = judge_location(&got.locations[i]);
	for (int i = 0; i < got.n_samples && !bad; i++)
		bad = judge_sample(&got.samples[i]);
	return bad;
}

/* ---- a profile with one of everything */

static struct profile p;

static void
add_map(uint32_t id, uint64_t object, uint8_t kind, uint8_t flags, uint64_t start, const char *path)
{
	struct profile_map_is is = { .id = id,
				     .object = object,
				     .kind = kind,
				     .flags = flags,
				     .start = start,
				     .end = start + 0x1000,
				     .pgoff = 0x2000,
				     .path = path,
				     .path_n = strlen(path) };

	assert_true(profile_map_add(&p, &is) >= 0);
}

static void
add_stack(uint32_t id, uint8_t flags, int n, const uint64_t frames[][2])
{
	assert_true(profile_stack_add(&p, id, flags) >= 0);
	for (int i = 0; i < n; i++)
		assert_int_equal(profile_frame_add(&p, (uint32_t)frames[i][0], frames[i][1]), 0);
}

static void
add_sample(uint32_t stack_id, uint32_t tid, uint64_t samples)
{
	int64_t stack = profile_stack_find(&p, stack_id);

	assert_true(stack >= 0);
	assert_true(profile_sample_add(&p, (uint32_t)stack, tid, 0,
				       (const int64_t[]){ (int64_t)samples, (int64_t)samples * p.period }) >=
		    0);
}

/* Name a place with one line, or with an inlined call in front of it. */
static void
name(uint64_t object, uint64_t at, uint64_t vaddr, const char *fn, const char *inlined)
{
	struct profile_line line = { .line = 10, .start_line = 5 };
	uint32_t place = profile_place_find(&p, profile_object_find(&p, object), at), first = p.lines.n;

	assert_int_not_equal(place, PROFILE_NONE);
	line.file = strings_text(&p.strings, "/src/x.c");
	if (inlined) {
		line.name = line.system_name = strings_text(&p.strings, inlined);
		profile_line_add(&p, &line);
	}
	line.name = strings_text(&p.strings, fn);
	line.system_name = strings_printf(&p.strings, "_Z%s", fn);
	line.line = 20;
	profile_line_add(&p, &line);
	profile_answer(&p, place,
		       &(struct profile_answer_is){ .vaddr = vaddr,
						    .flags = WIRE_ANSWER_NAMED,
						    .line = first,
						    .n_lines = (uint8_t)(p.lines.n - first) });
}

static int
setup(void **state)
{
	(void)state;
	assert_int_equal(profile_init(&p), 0);
	p.window = (struct profile_window){ .start_unix_ns = 1700000000000000000u,
					    .period = 10000000,
					    .is_clock = true,
					    .duration_ns = 2000000000,
					    .ended = true };
	p.window.event = strings_text(&p.strings, "task-clock");
	profile_type_add(&p, "samples", "count");
	profile_type_add(&p, "cpu", "nanoseconds");
	profile_period_set(&p, "cpu", "nanoseconds", 10000000);
	add_map(7, 20, WIRE_MAP_FILE, 0, 0x7f0000000000, "/lib/libx.so (deleted)");
	add_map(3, 10, WIRE_MAP_FILE, WIRE_MAP_MAIN, 0x555500000000, "/bin/main");
	add_map(4, 10, WIRE_MAP_FILE, WIRE_MAP_MAIN, 0x555500010000, "/bin/main");
	add_map(8, 30, WIRE_MAP_KERNEL, 0, 0xffffffff81000000, "[kernel.kallsyms]");
	add_map(9, 40, WIRE_MAP_JIT, 0, 0x200000000000, "//anon");
	add_map(10, 0, WIRE_MAP_PSEUDO, 0, 0, "[truncated: 512 frames]");
	add_map(11, 0, WIRE_MAP_PSEUDO, 0, 0, "[other mark]");
	add_stack(1, 0, 4,
		  (const uint64_t[][2]){
			  { 3, 0x555500000010 }, { 7, 0x7f0000000020 }, { 3, 0x555500000030 }, { 10, 0 } });
	add_stack(2, WIRE_STACK_GUESS | WIRE_STACK_LATE, 2,
		  (const uint64_t[][2]){ { 8, 0xffffffff81000400 }, { 9, 0x200000000040 } });
	add_stack(3, WIRE_STACK_CUT, 0, NULL);
	add_stack(4, 0, 1, (const uint64_t[][2]){ { 11, 0 } });
	assert_true(profile_thread_set(&p, 50, "worker", 6) >= 0);
	add_sample(1, 50, 3);
	add_sample(2, 51, 4);
	add_sample(3, 0, 5);
	add_sample(4, 50, 6);
	name(10, 0x2010, 0x3010, "hot", "inlined");
	name(10, 0x2030, 0x3030, "caller", NULL);
	name(20, 0x2020, 0x2020, "library", NULL);
	assert_int_equal(profile_object_is(&p, profile_object_find(&p, 10), WIRE_OBJECT_PIE, "\xab\x01", 2),
			 0);
	assert_int_equal(profile_commentf(&p, "a comment"), 0);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	profile_fini(&p);
	return 0;
}

static int
encode_into(struct buf *out)
{
	struct sink to;

	sink_init(&to, sink_into_buf, out);
	return enc_pprof(&p, 1, &to);
}

/* Encode p, inflate, read. */
static void
encode(void)
{
	static unsigned char plain[1u << 20];
	z_stream z = { 0 };
	uint32_t made_up;
	struct buf out;

	buf_init(&out, 1u << 20);
	assert_int_equal(profile_finish(&p, &made_up), 0);
	assert_int_equal(encode_into(&out), 0);
	assert_memory_equal(out.data, "\x1f\x8b\x08", 3);
	assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
	z.next_in = out.data;
	z.avail_in = (uInt)out.len;
	z.next_out = plain;
	z.avail_out = sizeof(plain);
	assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
	assert_int_equal(z.avail_in, 0);
	inflateEnd(&z);
	buf_fini(&out);
	read_profile((struct bytes){ plain, plain + z.total_out });
}

static const char *
string(uint64_t i)
{
	assert_true(i < (uint64_t)got.n_strings);
	return got.strings[i];
}

static const char *
leaf(const struct sample *s)
{
	return string(find_function(find_location(s->locations[0])->functions[0])->name);
}

/* ---- what must be so */

static void
what_is_written_is_valid(void **state)
{
	(void)state;
	encode();
	assert_null(judge());
	assert_int_equal(got.n_samples, 4);
	assert_int_equal(got.n_comments, 1);
	assert_string_equal(string(got.comments[0]), "a comment");
	assert_int_equal(got.time, 1700000000000000000u);
	assert_int_equal(got.duration, 2000000000);
}

static void
types_are_those_that_scrapers_know(void **state)
{
	(void)state;
	encode();
	assert_int_equal(got.n_types, 2);
	assert_string_equal(string(got.types[0].type), "samples");
	assert_string_equal(string(got.types[0].unit), "count");
	assert_string_equal(string(got.types[1].type), "cpu");
	assert_string_equal(string(got.types[1].unit), "nanoseconds");
	assert_string_equal(string(got.period_type.type), "cpu");
	assert_string_equal(string(got.period_type.unit), "nanoseconds");
	assert_int_equal(got.period, 10000000);
	for (int i = 0; i < got.n_samples; i++)
		assert_int_equal(got.samples[i].values[1], got.samples[i].values[0] * got.period);
}

static void
a_counter_carries_its_own_weight(void **state)
{
	(void)state;
	p.types[1].type = strings_text(&p.strings, "cycles");
	p.types[1].unit = strings_text(&p.strings, "count");
	profile_period_set(&p, "cycles", "count", 1);
	p.values.at[1] = 3 * 77;
	encode();
	assert_null(judge());
	assert_string_equal(string(got.types[1].type), "cycles");
	assert_string_equal(string(got.types[1].unit), "count");
	assert_string_equal(string(got.period_type.type), "cycles");
	assert_int_equal(got.samples[0].values[1], 3 * 77);
}

static void
the_main_pie_is_first_with_link_time_addresses(void **state)
{
	const struct location *l;

	(void)state;
	encode();
	assert_string_equal(string(got.mappings[0].file), "/bin/main");
	assert_string_equal(string(got.mappings[0].build_id), "ab01");
	assert_int_equal(got.mappings[0].start | got.mappings[0].limit | got.mappings[0].offset, 0);
	/* Its second row is the same mapping. */
	assert_int_equal(got.n_mappings, 5);
	assert_string_equal(string(got.mappings[1].file), "/lib/libx.so");
	assert_int_equal(got.mappings[1].start, 0x7f0000000000);
	assert_int_equal(got.mappings[1].limit, 0x7f0000001000);
	assert_int_equal(got.mappings[1].offset, 0x2000);
	l = find_location(got.samples[0].locations[0]);
	assert_int_equal(l->address, 0x3010);
	assert_int_equal(l->n_lines, 2);
	assert_string_equal(string(find_function(l->functions[0])->name), "inlined");
	assert_string_equal(string(find_function(l->functions[1])->system_name), "_Zhot");
	assert_int_equal(find_function(l->functions[1])->start_line, 5);
	assert_int_equal(l->lines[1], 20);
	assert_int_equal(find_location(got.samples[0].locations[1])->address, 0x7f0000000020);
}

static void
what_has_no_name_has_one_made_of_its_address(void **state)
{
	(void)state;
	encode();
	assert_string_equal(leaf(&got.samples[1]), "[kernel.kallsyms]+0xffffffff81000400");
	assert_string_equal(leaf(&got.samples[2]), "[unknown]");
	assert_string_equal(leaf(&got.samples[3]), "[other mark]");
}

static void
labels_tell_the_thread_and_the_doubt(void **state)
{
	const struct sample *s = &got.samples[0];

	(void)state;
	encode();
	assert_int_equal(s->n_labels, 2);
	assert_string_equal(string(s->labels[0].key), "tid");
	assert_int_equal(s->labels[0].num, 50);
	assert_string_equal(string(s->labels[1].key), "thread");
	assert_string_equal(string(s->labels[1].str), "worker");
	s = &got.samples[1];
	assert_int_equal(s->n_labels, 3);
	assert_string_equal(string(s->labels[1].str), "guess");
	assert_string_equal(string(s->labels[2].str), "late");
	/* Thread 0 is none. */
	assert_int_equal(got.samples[2].n_labels, 0);
}

static void
numbers_are_packed_from_the_third_on(void **state)
{
	(void)state;
	encode();
	assert_int_equal(got.samples[0].n_locations, 4);
	assert_true(got.samples[0].packed);
	assert_int_equal(got.samples[1].n_locations, 2);
	assert_false(got.samples[1].packed);
}

static void
stacks_that_a_reader_cannot_tell_apart_are_added_up(void **state)
{
	(void)state;
	/* The same place by the program's other row: one link-time address. */
	add_stack(20, 0, 1, (const uint64_t[][2]){ { 3, 0x555500000010 } });
	add_stack(21, WIRE_STACK_CUT, 1, (const uint64_t[][2]){ { 4, 0x555500010010 } });
	add_sample(20, 50, 100);
	add_sample(21, 50, 1000);
	add_sample(21, 51, 7);
	encode();
	assert_null(judge());
	assert_int_equal(got.n_samples, 6);
	assert_int_equal(got.samples[4].values[0], 1100);
	assert_int_equal(got.samples[4].values[1], 1100 * got.period);
	assert_int_equal(got.samples[5].values[0], 7);
}

static void
a_library_mapped_again_where_it_was_is_one_mapping(void **state)
{
	(void)state;
	add_map(70, 20, WIRE_MAP_FILE, 0, 0x7f0000000000, "/lib/libx.so");
	add_map(71, 20, WIRE_MAP_FILE, 0, 0x7f0000800000, "/lib/libx.so");
	add_stack(20, 0, 1, (const uint64_t[][2]){ { 7, 0x7f0000000020 } });
	add_stack(21, 0, 1, (const uint64_t[][2]){ { 70, 0x7f0000000020 } });
	add_sample(20, 50, 1);
	add_sample(21, 50, 2);
	encode();
	assert_null(judge());
	assert_int_equal(got.n_mappings, 6);
	assert_int_equal(got.samples[4].values[0], 3);
}

static void
equal_functions_are_one(void **state)
{
	int hot = 0;

	(void)state;
	add_stack(20, 0, 1, (const uint64_t[][2]){ { 3, 0x555500000018 } });
	add_sample(20, 50, 1);
	name(10, 0x2018, 0x3018, "hot", NULL);
	encode();
	for (int i = 0; i < got.n_functions; i++)
		hot += !strcmp(string(got.functions[i].name), "hot");
	assert_int_equal(hot, 1);
}

static void
values_beyond_what_fits_are_the_largest(void **state)
{
	const int64_t values[] = { INT64_MAX - 1, 7 };

	(void)state;

	for (int i = 0; i < 2; i++)
		profile_sample_add(&p, (uint32_t)profile_stack_find(&p, 4), 60, 0, values);
	encode();
	assert_int_equal(got.samples[4].values[0], INT64_MAX);
	assert_int_equal(got.samples[4].values[1], 14);
	assert_null(judge());
}

static void
what_two_have_in_common_is_no_part_of_their_difference(void **state)
{
	const int64_t more[] = { 5, 50 }, less[] = { -5, -50 };

	(void)state;
	p.delta = true;
	for (int i = 0; i < 2; i++)
		profile_sample_add(&p, (uint32_t)profile_stack_find(&p, 4), 60, 0, i ? less : more);
	profile_sample_add(&p, (uint32_t)profile_stack_find(&p, 4), 61, 0, less);
	encode();
	assert_int_equal(got.n_samples, 5);
	assert_int_equal(got.samples[4].values[1], -50);
}

static void
the_type_to_show_goes_out_by_name(void **state)
{
	(void)state;
	p.default_type = 0;
	encode();
	assert_string_equal(string(got.default_type), "samples");
}

static void
a_profile_without_anything_is_valid(void **state)
{
	(void)state;
	profile_fini(&p);
	assert_int_equal(profile_init(&p), 0);
	profile_type_add(&p, "samples", "count");
	profile_type_add(&p, "cpu", "nanoseconds");
	profile_period_set(&p, "cpu", "nanoseconds", 10000000);
	encode();
	assert_null(judge());
	assert_int_equal(got.n_samples, 0);
	assert_int_equal(got.n_types, 2);
	assert_true(got.time != 0);
}

static void
no_place_for_the_file_is_an_error_and_no_torn_file(void **state)
{
	uint32_t made_up;
	struct buf out;

	(void)state;
	buf_init(&out, 64);
	assert_int_equal(profile_finish(&p, &made_up), 0);
	assert_int_equal(encode_into(&out), -EFBIG);
	buf_fini(&out);
}

/* ---- the judge is no friend */

static void
broken(const char *want)
{
	const char *bad = judge();

	assert_non_null(bad);
	assert_string_equal(bad, want);
	encode();
	assert_null(judge());
}

static void
each_rule_that_is_broken_is_seen(void **state)
{
	(void)state;
	encode();
	got.mappings[1].id = 0, broken("mapping id");
	got.mappings[1].id = got.mappings[0].id, broken("mapping id");
	got.functions[1].id = 0, broken("function id");
	got.functions[1].id = got.functions[0].id, broken("function id");
	got.locations[1].id = got.locations[0].id, broken("location id");
	got.locations[0].mapping = 0, broken("location without mapping");
	got.locations[0].mapping = 999, broken("location without mapping");
	got.locations[1].address = 1, broken("address outside of mapping");
	got.locations[0].n_lines = 0, broken("location without line");
	got.locations[0].functions[0] = 999, broken("line without function");
	got.samples[0].locations[0] = 999, broken("sample's location");
	got.samples[0].n_locations = 0, broken("sample without location");
	got.samples[0].n_values = 1, broken("number of values");
	got.n_types = 0, broken("samples without types");
	got.mappings[0].has[0] = 0, broken("mapping without all flags");
	got.samples[0].labels[0].str = 1, broken("label with text and number, or neither");
	got.samples[0].labels[0].key = 0, broken("label string");
	got.functions[0].name = 999, broken("function string");
	got.functions[0].name = 0, broken("function string");
	got.mappings[0].file = 999, broken("mapping string");
	got.comments[0] = 999, broken("comment string");
	strcpy(got.strings[2], got.strings[1]), broken("string twice");
	strcpy(got.strings[0], "x"), broken("string 0");
	strcpy(got.strings[3], "\xff"), broken("text");
	got.time = 0, broken("time or period");
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(what_is_written_is_valid),
		TEST(types_are_those_that_scrapers_know),
		TEST(a_counter_carries_its_own_weight),
		TEST(the_main_pie_is_first_with_link_time_addresses),
		TEST(what_has_no_name_has_one_made_of_its_address),
		TEST(labels_tell_the_thread_and_the_doubt),
		TEST(numbers_are_packed_from_the_third_on),
		TEST(stacks_that_a_reader_cannot_tell_apart_are_added_up),
		TEST(a_library_mapped_again_where_it_was_is_one_mapping),
		TEST(equal_functions_are_one),
		TEST(values_beyond_what_fits_are_the_largest),
		TEST(what_two_have_in_common_is_no_part_of_their_difference),
		TEST(the_type_to_show_goes_out_by_name),
		TEST(a_profile_without_anything_is_valid),
		TEST(no_place_for_the_file_is_an_error_and_no_torn_file),
		TEST(each_rule_that_is_broken_is_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
