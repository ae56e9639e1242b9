/*
 * top - the heaviest functions of a pprof file, for who has no `go tool pprof`.
 *
 * Reads one gzip'd profile.proto (the message numbers below are its) and prints
 * flat and cumulative shares of the last sample type, as `go tool pprof -top`.
 */
#include "config.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define FILE_MAX_BYTES (1u << 30)
#define DEPTH_MAX 4096 /* frames of a stack that are looked at */

/* Message fields of profile.proto */
enum { PROFILE_SAMPLE_TYPE = 1, PROFILE_SAMPLE = 2, PROFILE_LOCATION = 4, PROFILE_FUNCTION = 5, PROFILE_STRING = 6,
       PROFILE_COMMENT = 13 };
enum { SAMPLE_LOCATION = 1, SAMPLE_VALUE = 2 };
enum { LOCATION_ID = 1, LOCATION_LINE = 4 };
enum { LINE_FUNCTION = 1 };
enum { FUNCTION_ID = 1, FUNCTION_NAME = 2 };
enum { TYPE_TYPE = 1, TYPE_UNIT = 2 };

struct bytes {
	const unsigned char *p, *end;
};

/* One field: a number, or bytes. */
struct field {
	unsigned int number;
	bool is_bytes;
	uint64_t value;
	struct bytes bytes;
};

struct function {
	uint64_t id, name;
	int64_t flat, cum;
	size_t seen; /* the last sample that counted it: recursion counts once */
	struct function *counts_as; /* the first of its name */
};

struct location {
	uint64_t id;
	size_t first, n; /* its functions in profile.lines, innermost first */
};

struct profile {
	struct bytes *strings, *samples;
	struct function *functions;
	struct location *locations;
	uint64_t *lines, *comments;
	struct { uint64_t type, unit; } *types;
	size_t n_strings, n_samples, n_functions, n_locations, n_lines, n_comments, n_types;
	int64_t total;
};

static void
die(const char *what)
{
	fprintf(stderr, "top: %s\n", what);
	exit(1);
}

/* Room for one more element; arrays grow by halves. */
static void *
grown(void *array, size_t n, size_t size)
{
	if (n & (n - 1) || (n && n < 8))
		return array;
	array = reallocarray(array, n < 8 ? 8 : n * 2, size);
	if (!array)
		die("out of memory");
	return array;
}
#define PUSH(array, n) ((array) = grown((array), (n), sizeof(*(array))), &(array)[(n)++])

static uint64_t
varint(struct bytes *b)
{
	uint64_t v = 0;

	for (unsigned int shift = 0; b->p < b->end && shift < 64; shift += 7) {
		unsigned char c = *b->p++;

		v |= (uint64_t)(c & 0x7f) << shift;
		if (!(c & 0x80))
			return v;
	}
	die("not a profile (a number without an end)");
	return 0;
}

/* The next field of a message, or false at its end. */
static bool
next_field(struct bytes *b, struct field *f)
{
	uint64_t tag, len;

	if (b->p >= b->end)
		return false;
	tag = varint(b);
	f->number = (unsigned int)(tag >> 3);
	f->is_bytes = (tag & 7) == 2;
	if ((tag & 7) == 0) {
		f->value = varint(b);
		return true;
	}
	len = (tag & 7) == 2 ? varint(b) : (tag & 7) == 1 ? 8 : (tag & 7) == 5 ? 4 : UINT64_MAX;
	if (len > (uint64_t)(b->end - b->p))
		die("not a profile (a field beyond the end)");
	f->bytes.p = b->p;
	f->bytes.end = b->p + len;
	b->p += len;
	return true;
}

/* The first number of field `number` in a message. */
static uint64_t
number_of(struct bytes message, unsigned int number)
{
	struct field f = { 0 };

	while (next_field(&message, &f))
		if (f.number == number && !f.is_bytes)
			return f.value;
	return 0;
}

static void
add_location(struct profile *p, struct bytes message)
{
	struct location *l = PUSH(p->locations, p->n_locations);
	struct field f = { 0 };

	l->id = number_of(message, LOCATION_ID);
	l->first = p->n_lines;
	while (next_field(&message, &f))
		if (f.number == LOCATION_LINE && f.is_bytes)
			*PUSH(p->lines, p->n_lines) = number_of(f.bytes, LINE_FUNCTION);
	l->n = p->n_lines - l->first;
}

static void
read_profile(struct profile *p, struct bytes message)
{
	struct field f = { 0 };

	while (next_field(&message, &f)) {
		if (f.number == PROFILE_COMMENT && !f.is_bytes)
			*PUSH(p->comments, p->n_comments) = f.value;
		if (f.number == PROFILE_COMMENT && f.is_bytes)
			while (f.bytes.p < f.bytes.end)
				*PUSH(p->comments, p->n_comments) = varint(&f.bytes);
		if (!f.is_bytes)
			continue;
		if (f.number == PROFILE_STRING) {
			*PUSH(p->strings, p->n_strings) = f.bytes;
		} else if (f.number == PROFILE_SAMPLE) {
			*PUSH(p->samples, p->n_samples) = f.bytes;
		} else if (f.number == PROFILE_LOCATION) {
			add_location(p, f.bytes);
		} else if (f.number == PROFILE_FUNCTION) {
			struct function *fn = PUSH(p->functions, p->n_functions);

			*fn = (struct function){ .id = number_of(f.bytes, FUNCTION_ID),
						 .name = number_of(f.bytes, FUNCTION_NAME) };
		} else if (f.number == PROFILE_SAMPLE_TYPE) {
			size_t i = p->n_types;

			PUSH(p->types, p->n_types);
			p->types[i].type = number_of(f.bytes, TYPE_TYPE);
			p->types[i].unit = number_of(f.bytes, TYPE_UNIT);
		}
	}
}

/* Both structs begin with their id. */
static int
by_id(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void
count_sample(struct profile *p, struct bytes message, size_t nth)
{
	uint64_t ids[DEPTH_MAX];
	size_t depth = 0;
	int64_t value = 0;
	struct field f = { 0 };
	bool leaf = true;

	while (next_field(&message, &f)) {
		struct bytes b = f.bytes;

		if (f.number == SAMPLE_LOCATION && !f.is_bytes && depth < DEPTH_MAX)
			ids[depth++] = f.value;
		if (f.number == SAMPLE_VALUE && !f.is_bytes)
			value = (int64_t)f.value;
		while (f.number == SAMPLE_LOCATION && f.is_bytes && b.p < b.end && depth < DEPTH_MAX)
			ids[depth++] = varint(&b);
		while (f.number == SAMPLE_VALUE && f.is_bytes && b.p < b.end)
			value = (int64_t)varint(&b);
	}
	p->total += value;
	for (size_t i = 0; i < depth; i++) {
		const struct location *l = bsearch(&ids[i], p->locations, p->n_locations, sizeof(*l), by_id);

		for (size_t k = 0; l && k < l->n; k++) {
			struct function *fn = bsearch(&p->lines[l->first + k], p->functions, p->n_functions,
						      sizeof(*fn), by_id);

			if (!fn)
				continue;
			fn = fn->counts_as;
			if (leaf)
				fn->flat += value;
			leaf = false;
			if (fn->seen != nth)
				fn->cum += value;
			fn->seen = nth;
		}
	}
}

static void
print_string(const struct profile *p, uint64_t i)
{
	if (i >= p->n_strings)
		return;
	/* A name comes from the node: nothing in it may steer the terminal. */
	for (const unsigned char *s = p->strings[i].p; s < p->strings[i].end; s++)
		putchar(*s < 0x20 || *s == 0x7f ? '?' : *s);
}

/* The name's bytes, or none. */
static struct bytes
name_of(const struct profile *p, const struct function *fn)
{
	static const unsigned char none[1];

	return fn->name < p->n_strings ? p->strings[fn->name] : (struct bytes){ none, none };
}

static int
by_name(const void *a, const void *b, void *profile)
{
	struct bytes x = name_of(profile, *(struct function *const *)a), y = name_of(profile, *(struct function *const *)b);
	size_t n = (size_t)(x.end - x.p), m = (size_t)(y.end - y.p);
	int order = memcmp(x.p, y.p, n < m ? n : m);

	return order ? order : (n > m) - (n < m);
}

/* One name, one line: functions of different files may share it. */
static void
join_names(struct profile *p)
{
	struct function **all = reallocarray(NULL, p->n_functions + 1, sizeof(struct function *));

	if (!all)
		die("out of memory");
	for (size_t i = 0; i < p->n_functions; i++)
		all[i] = &p->functions[i];
	qsort_r(all, p->n_functions, sizeof(struct function *), by_name, p);
	for (size_t i = 0; i < p->n_functions; i++)
		all[i]->counts_as = i && by_name(&all[i - 1], &all[i], p) == 0 ? all[i - 1]->counts_as : all[i];
	free(all);
}

static int
heavier(const void *a, const void *b)
{
	const struct function *x = a, *y = b;

	if (x->flat != y->flat)
		return x->flat < y->flat ? 1 : -1;
	return (x->cum < y->cum) - (x->cum > y->cum);
}

static void
print_top(struct profile *p, size_t lines)
{
	uint64_t unit = p->n_types ? p->types[p->n_types - 1].unit : 0;
	bool is_time = unit < p->n_strings && p->strings[unit].end - p->strings[unit].p == 11 &&
		       memcmp(p->strings[unit].p, "nanoseconds", 11) == 0;
	double scale = is_time ? 1e9 : 1, total = p->total ? (double)p->total : 1, sum = 0;

	for (size_t i = 0; i < p->n_comments; i++) {
		printf("# ");
		print_string(p, p->comments[i]);
		putchar('\n');
	}
	printf("Type: ");
	print_string(p, p->n_types ? p->types[p->n_types - 1].type : 0);
	printf(", %.*f%s in all, %zu stacks\n", is_time ? 2 : 0, (double)p->total / scale, is_time ? "s" : "",
	       p->n_samples);
	printf("%10s %6s %6s %10s %6s\n", "flat", "flat%", "sum%", "cum", "cum%");
	qsort(p->functions, p->n_functions, sizeof(*p->functions), heavier);
	for (size_t i = 0; i < p->n_functions && i < lines && p->functions[i].cum; i++) {
		const struct function *fn = &p->functions[i];

		sum += (double)fn->flat;
		printf("%9.*f%s %5.1f%% %5.1f%% %9.*f%s %5.1f%%  ", is_time ? 2 : 0, (double)fn->flat / scale,
		       is_time ? "s" : " ", 100 * (double)fn->flat / total, 100 * sum / total, is_time ? 2 : 0,
		       (double)fn->cum / scale, is_time ? "s" : " ", 100 * (double)fn->cum / total);
		print_string(p, fn->name);
		putchar('\n');
	}
}

int
main(int argc, char **argv)
{
	struct profile p = { 0 };
	unsigned char *data = NULL;
	size_t have = 0, room = 0;
	gzFile f;
	int n;

	if (argc != 2) {
		fprintf(stderr, "usage: top PROFILE\n");
		return 2;
	}
	f = gzopen(argv[1], "rb");
	if (!f)
		die("the file cannot be opened");
	do {
		if (room - have < 65536) {
			room = room ? room * 2 : 1 << 20;
			data = room <= FILE_MAX_BYTES ? realloc(data, room) : NULL;
			if (!data)
				die("a profile too large");
		}
		n = gzread(f, data + have, 65536);
		if (n < 0)
			die("not a whole gzip file");
		have += (size_t)n;
	} while (n > 0);
	gzclose(f);

	read_profile(&p, (struct bytes){ data, data + have });
	if (p.n_strings == 0)
		die("not a profile");
	if (p.n_locations)
		qsort(p.locations, p.n_locations, sizeof(*p.locations), by_id);
	if (p.n_functions)
		qsort(p.functions, p.n_functions, sizeof(*p.functions), by_id);
	join_names(&p);
	for (size_t i = 0; i < p.n_samples; i++)
		count_sample(&p, p.samples[i], i + 1);
	print_top(&p, 20);
	return ferror(stdout) ? 1 : 0;
}
