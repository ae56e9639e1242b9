/*
 * reading_maker.h - a reading that a test puts together, and a profile with the names of its pcs.
 *
 * All pcs are in one executable: [0x400000, 0x500000) at offset 0x1000 of its file, linked at the
 * same addresses. Included by one file of a test only, behind cmocka.h.
 */
#ifndef PPD_TESTS_UNIT_READING_MAKER_H
#define PPD_TESTS_UNIT_READING_MAKER_H

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/reading.h"
#include "base/wire.h"
#include "fcgi/go_places.h"
#include "fcgi/profile.h"
#include "symbolize/reading_writer.h"

#define MAKER_START  0x400000u
#define MAKER_END    0x500000u
#define MAKER_PGOFF  0x1000u
#define MAKER_OBJECT 7u

struct maker {
	struct reading_writer *w;
	struct reading r;
	struct profile p;
	struct go_places g;
};

static void
maker_init(struct maker *m, enum reading_kind kind, uint32_t minor)
{
	const struct profile_map_is is = { .id = 1,
					   .object = MAKER_OBJECT,
					   .kind = WIRE_MAP_FILE,
					   .flags = WIRE_MAP_MAIN,
					   .start = MAKER_START,
					   .end = MAKER_END,
					   .pgoff = MAKER_PGOFF,
					   .path = "/usr/bin/node",
					   .path_n = strlen("/usr/bin/node") };

	memset(m, 0, sizeof(*m));
	assert_int_equal(reading_writer_new(&m->w, kind), 0);
	reading_writer_head(m->w)->go_minor = minor;
	reading_writer_head(m->w)->unix_ns = 1700000000000000000u;
	assert_int_equal(profile_init(&m->p), 0);
	assert_true(profile_map_add(&m->p, &is) >= 0);
}

/* The reading is done: it is opened as its user opens it. */
__attribute__((unused)) static void
maker_open(struct maker *m)
{
	int fd = memfd_create("reading", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	struct err why;

	assert_true(fd >= 0);
	assert_int_equal(reading_writer_finish(m->w, fd, &why), 0);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE), 0);
	assert_int_equal(reading_open(&m->r, fd, &why), 0);
	close(fd);
	assert_int_equal(go_places_init(&m->g, &m->p, &m->r, true), 0);
}

__attribute__((unused)) static void
maker_fini(struct maker *m)
{
	reading_writer_free(m->w);
	reading_close(&m->r);
	go_places_fini(&m->g);
	profile_fini(&m->p);
}

/* Ended by 0. */
__attribute__((unused)) static uint32_t
maker_stack(struct maker *m, const uint64_t *pcs)
{
	size_t n = 0;
	int64_t stack;

	while (pcs[n])
		n++;
	stack = reading_writer_stack(m->w, pcs, n);
	assert_true(stack >= 0);
	return (uint32_t)stack;
}

#define STACK(m, ...) maker_stack((m), (const uint64_t[]){ __VA_ARGS__, 0 })

__attribute__((unused)) static uint32_t
maker_string(struct maker *m, const char *s)
{
	int64_t string = reading_writer_string(m->w, s, strlen(s));

	assert_true(string >= 0);
	return (uint32_t)string;
}

/* Keys and values in turn, ended by NULL. */
__attribute__((unused)) static uint32_t
maker_labels(struct maker *m, const char *const *words)
{
	struct reading_label labels[16];
	size_t n = 0;
	int64_t set;

	for (; words[2 * n]; n++)
		labels[n] = (struct reading_label){ maker_string(m, words[2 * n]),
						    maker_string(m, words[2 * n + 1]) };
	set = reading_writer_labels(m->w, labels, n);
	assert_true(set >= 0);
	return (uint32_t)set;
}

#define LABELS(m, ...) maker_labels((m), (const char *const[]){ __VA_ARGS__, NULL })

/* The next of the calls at an address, innermost first, in a function that begins at `entry`. Behind
 * maker_open(). A place that nobody asked for has no name. */
__attribute__((unused)) static void
maker_name(struct maker *m, uint64_t address, uint64_t entry, const char *name, uint32_t line,
	   uint8_t flags)
{
	struct profile *p = &m->p;
	uint32_t object = profile_object_find(p, MAKER_OBJECT);
	uint32_t place = profile_place_find(p, object, address - MAKER_START + MAKER_PGOFF);
	struct profile_line to = { .name = strings_text(&p->strings, name),
				   .file = strings_text(&p->strings, "/src/a.go"),
				   .line = line };
	struct profile_answer_is is = { .vaddr = address,
					.entry = entry,
					.flags = flags | WIRE_ANSWER_FINAL | WIRE_ANSWER_NAMED,
					.n_lines = 1 };
	int64_t at;

	if (place == PROFILE_NONE)
		return;
	to.system_name = to.name;
	at = profile_line_add(p, &to);
	assert_true(at >= 0);
	is.line = (uint32_t)at;
	if (p->places.at[place].n_lines) {
		is.line = p->places.at[place].line;
		is.n_lines = (uint8_t)(p->places.at[place].n_lines + 1);
		assert_int_equal(is.line + is.n_lines - 1, at); /* all of a place's behind each other */
	}
	profile_answer(p, place, &is);
}

#endif
