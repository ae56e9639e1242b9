/*
 * profile_maker.h - profiles written down in a line a stack, for the tests of what is made of them.
 *
 *   maker_init("cpu/nanoseconds", NULL);
 *   maker_sample("main;work>inlined;leaf", 7, 30);    root first; a>b: b is inlined into a
 *   maker_finish();
 *
 * A name may be "name@file:line". Each text between two semicolons is a location of its own, and the same
 * text the same one.
 */
#ifndef PPD_TESTS_PROFILE_MAKER_H
#define PPD_TESTS_PROFILE_MAKER_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/wire.h"
#include "fcgi/profile.h"

#define MAKER_LOCS  4096
#define MAKER_START 0x400000u

static struct {
	struct profile p;
	char *texts[MAKER_LOCS];
	uint32_t n, stacks;
} maker;

static void
maker_map(uint32_t id, uint8_t kind, uint8_t flags, const char *path)
{
	const struct profile_map_is is = {
		.id = id,
		.object = id,
		.kind = kind,
		.flags = flags,
		.start = MAKER_START,
		.end = MAKER_START + 0x100000,
		.path = path,
		.path_n = strlen(path),
	};

	assert_true(profile_map_add(&maker.p, &is) >= 0);
}

/* types: "cpu/nanoseconds", NULL behind the last. */
static void
maker_init(const char *types, ...)
{
	va_list ap;

	memset(&maker, 0, sizeof(maker));
	assert_int_equal(profile_init(&maker.p), 0);
	va_start(ap, types);
	for (const char *at = types; at; at = va_arg(ap, const char *)) {
		char type[64];
		const char *slash = strchr(at, '/');

		snprintf(type, sizeof(type), "%.*s", (int)(slash - at), at);
		assert_true(profile_type_add(&maker.p, type, slash + 1) >= 0);
	}
	va_end(ap);
	maker.p.window.start_unix_ns = 1700000000123456789;
	maker.p.window.duration_ns = 1000000000;
	assert_int_equal(profile_period_set(&maker.p, "cpu", "nanoseconds", 10), 0);
	maker_map(1, WIRE_MAP_FILE, WIRE_MAP_MAIN, "/usr/bin/made");
}

static void
maker_fini(void)
{
	profile_fini(&maker.p);
	for (uint32_t i = 0; i < maker.n; i++)
		free(maker.texts[i]);
	maker.n = 0;
}

static uint32_t
maker_string(const char *s, size_t n)
{
	return strings_add(&maker.p.strings, s, n);
}

/* "name@file:line" */
static void
maker_line(const char *s, size_t n)
{
	const char *at = memchr(s, '@', n), *colon = at ? memchr(at, ':', n - (size_t)(at - s)) : NULL;
	size_t name_n = at ? (size_t)(at - s) : n;
	struct profile_line line = { .name = maker_string(s, name_n) };

	line.system_name = line.name;
	if (colon) {
		line.file = maker_string(at + 1, (size_t)(colon - at - 1));
		line.line = (uint32_t)strtoul(colon + 1, NULL, 10);
	}
	assert_true(profile_line_add(&maker.p, &line) >= 0);
}

/* The answer that the symbolizer would give for a location: innermost first. */
static void
maker_answer(uint32_t place, const char *s)
{
	struct profile_answer_is is = { .vaddr = 0x1000 + maker.n,
					.flags = WIRE_ANSWER_FINAL | WIRE_ANSWER_NAMED,
					.line = maker.p.lines.n };
	size_t end = strlen(s), from = end;

	for (;;) {
		while (from && s[from - 1] != '>')
			from--;
		maker_line(s + from, end - from);
		is.n_lines++;
		if (!from)
			break;
		end = --from;
	}
	profile_answer(&maker.p, place, &is);
}

static uint32_t
maker_loc(const char *s, size_t n)
{
	int64_t loc;
	uint32_t i = 0;

	while (i < maker.n && (strlen(maker.texts[i]) != n || memcmp(maker.texts[i], s, n) != 0))
		i++;
	loc = profile_loc_add(&maker.p, 0, MAKER_START + i);
	assert_true(loc >= 0);
	if (i == maker.n) {
		assert_true(maker.n < MAKER_LOCS);
		maker.texts[maker.n++] = strndup(s, n);
		maker_answer(maker.p.locs.at[loc].place, maker.texts[maker.n - 1]);
	}
	return (uint32_t)loc;
}

/* A stack, root first, and a value of each type. */
static void
maker_sample(const char *frames, uint32_t tid, ...)
{
	int64_t values[PROFILE_TYPES_MAX], stack = profile_stack_add(&maker.p, ++maker.stacks, 0);
	uint32_t locs[PROFILE_STACK_MAX], depth = 0;
	va_list ap;

	assert_true(stack >= 0);
	for (const char *at = frames; at; at = strchr(at, ';') ? strchr(at, ';') + 1 : NULL)
		locs[depth++] = maker_loc(at, strcspn(at, ";"));
	while (depth)
		assert_int_equal(profile_frame_put(&maker.p, locs[--depth]), 0);
	va_start(ap, tid);
	for (uint32_t i = 0; i < maker.p.n_types; i++)
		values[i] = va_arg(ap, int64_t);
	va_end(ap);
	assert_true(profile_sample_add(&maker.p, (uint32_t)stack, tid, 0, values) >= 0);
}

static void
maker_thread(uint32_t tid, const char *name)
{
	assert_true(profile_thread_set(&maker.p, tid, name, strlen(name)) >= 0);
}

static void
maker_finish(void)
{
	uint32_t made_up;

	assert_int_equal(profile_finish(&maker.p, &made_up), 0);
	assert_int_equal(made_up, 0);
}

#endif
