#include "config.h"

#include "collector/unwind.h"

#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/*
 * Stack samples of real processes, taken by tests/targets/unwind_probe -S,
 * replayed without them. tests/cases/unwind/README says what a case's lines mean.
 */

#define MAPS_MAX       64
#define ROWS_IN_MAP    1024
#define MEMORY_MAX     1024
#define LINE_MAX_BYTES 512

struct case_map {
	struct unwind_map map;
	struct rows_head head;
	struct row row[ROWS_IN_MAP];
	int32_t wide[ROWS_IN_MAP];
	struct rows rows;
};

struct memory {
	uint64_t addr;
	size_t n;
	unsigned char *bytes; /* owned */
};

static struct case_map maps[MAPS_MAX];
static size_t n_maps;
static struct memory memory[MEMORY_MAX];
static size_t n_memory;
static struct unwind_sample sample;
static struct memory stack;
static struct unwind_result expected, got;

static const char *const rule_names[ROW_RULES] = {
	[ROW_NONE] = "none",
	[ROW_SP] = "sp",
	[ROW_FP] = "fp",
	[ROW_FP_DEREF] = "fp_deref",
	[ROW_SP_DEREF] = "sp_deref",
	[ROW_REG] = "reg",
	[ROW_SP_WIDE] = "sp_wide",
	[ROW_FP_WIDE] = "fp_wide",
	[ROW_PLT] = "plt",
	[ROW_SIGNAL] = "signal",
	[ROW_ROOT] = "root",
	[ROW_SWITCH] = "switch",
};

static const char *const end_names[] = { "root", "depth", "no_map", "no_rule", "memory", "loop" };

static const struct unwind_map *
source_map(void *ctx, uint64_t addr)
{
	(void)ctx;
	for (size_t i = 0; i < n_maps; i++)
		if (addr >= maps[i].map.start && addr < maps[i].map.end)
			return &maps[i].map;
	return NULL;
}

/* What was read may overlap, and of code only the prologues are kept where it was read for them:
 * the answer to the same question counts, else the longest. */
static size_t
source_read(void *ctx, uint64_t addr, void *to, size_t n)
{
	size_t best = 0;

	(void)ctx;
	for (size_t i = 0; i < n_memory; i++) {
		const struct memory *m = &memory[i];
		size_t left =
			addr >= m->addr && addr - m->addr < m->n ? m->n - (size_t)(addr - m->addr) : 0;

		if (left > n)
			left = n;
		if (left > best || (left && m->addr == addr && m->n == n)) {
			best = left;
			memcpy(to, m->bytes + (addr - m->addr), left);
		}
		if (left && m->addr == addr && m->n == n)
			break;
	}
	return best;
}

static int
number_of(const char *name, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(name, names[i]))
			return (int)i;
	fail_msg("no such name: %s", name);
	return 0;
}

static struct case_map *
map_of(unsigned int id)
{
	for (size_t i = 0; i < n_maps; i++)
		if (maps[i].map.id == id)
			return &maps[i];
	fail_msg("no map %u", id);
	return NULL;
}

static void
line_map(const char *line)
{
	struct case_map *m = &maps[n_maps++];
	unsigned long start, end, pgoff;
	unsigned int id;
	char kind[16];

	assert_true(n_maps < MAPS_MAX);
	assert_int_equal(sscanf(line, "%u %lx %lx %lx %15s", &id, &start, &end, &pgoff, kind), 5);
	memset(m, 0, sizeof(*m));
	m->map = (struct unwind_map){ .id = id, .start = start, .end = end, .pgoff = pgoff };
	m->map.jit = !strcmp(kind, "jit");
	m->rows = (struct rows){ .head = &m->head, .row = m->row, .wide = m->wide };
	if (!strcmp(kind, "rows") || !strcmp(kind, "go"))
		m->map.rows = &m->rows;
	if (!strcmp(kind, "go"))
		m->head.flags = ROWS_GO;
}

static void
line_row(const char *line)
{
	unsigned int id, place;
	struct case_map *m;
	struct row row;
	char rule[16];
	int cfa, fp;

	assert_int_equal(sscanf(line, "%u %x %15s %d %d", &id, &place, rule, &cfa, &fp), 5);
	m = map_of(id);
	assert_true(m->head.n_rows < ROWS_IN_MAP);
	row = (struct row){ .place = place,
			    .rule = (uint8_t)number_of(rule, rule_names, ROW_RULES),
			    .fp = (uint8_t)fp };
	row.cfa = (int16_t)cfa;
	if (row.rule == ROW_SP_WIDE || row.rule == ROW_FP_WIDE) {
		m->wide[m->head.n_wide] = cfa;
		row.cfa = (int16_t)m->head.n_wide++;
	}
	m->row[m->head.n_rows++] = row;
}

static void
line_bytes(const char *line, struct memory *m)
{
	unsigned long addr;
	int at;

	assert_int_equal(sscanf(line, "%lx %n", &addr, &at), 1);
	for (const char *p = line + at; p[0] > ' ' && p[1] > ' '; p += 2, addr++) {
		unsigned int byte;

		assert_int_equal(sscanf(p, "%2x", &byte), 1);
		assert_in_range(addr, m->addr, m->addr + m->n - 1);
		m->bytes[addr - m->addr] = (unsigned char)byte;
	}
}

static void
memory_new(struct memory *m, uint64_t addr, size_t n)
{
	assert_true(n <= 1 << 20);
	*m = (struct memory){ .addr = addr, .n = n, .bytes = calloc(1, n ? n : 1) };
}

static void
line_end(const char *line)
{
	char name[16];

	assert_int_equal(sscanf(line, "%15s", name), 1);
	expected.end = (enum unwind_end)number_of(name, end_names, sizeof(end_names) / sizeof(*end_names));
	expected.guessed = strstr(line, " guessed") != NULL;
	expected.late = strstr(line, " late") != NULL;
}

static void
line_take(const char *line)
{
	unsigned long addr;
	unsigned int id;
	size_t n;

	if (!strncmp(line, "reg ", 4)) {
		assert_int_equal(sscanf(line, "reg %u %lx", &id, &addr), 2);
		sample.reg[id % UNWIND_REGS] = addr;
	} else if (!strncmp(line, "map ", 4)) {
		line_map(line + 4);
	} else if (!strncmp(line, "row ", 4)) {
		line_row(line + 4);
	} else if (!strncmp(line, "stack_bytes ", 12)) {
		memory_new(&stack, sample.reg[UNWIND_SP], strtoul(line + 12, NULL, 10));
	} else if (!strncmp(line, "stack ", 6)) {
		line_bytes(line + 6, &stack);
	} else if (!strncmp(line, "memory ", 7)) {
		assert_int_equal(sscanf(line, "memory %lx %zu", &addr, &n), 2);
		assert_true(n_memory < MEMORY_MAX);
		memory_new(&memory[n_memory++], addr, n);
	} else if (!strncmp(line, "bytes ", 6)) {
		line_bytes(line + 6, &memory[n_memory - 1]);
	} else if (!strncmp(line, "frame ", 6)) {
		assert_int_equal(sscanf(line, "frame %u %lx", &id, &addr), 2);
		assert_true(expected.n < UNWIND_FRAMES_MAX);
		expected.frames[expected.n++] = (struct unwind_frame){ .map = id, .addr = addr };
	} else if (!strncmp(line, "end ", 4)) {
		line_end(line + 4);
	} else if (line[0] != '#' && line[0] != '\n') {
		fail_msg("not a line of a case: %s", line);
	}
}

static int
by_place(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	return x->place < y->place ? -1 : x->place > y->place;
}

static void
load(const char *path)
{
	char line[LINE_MAX_BYTES];
	FILE *f = fopen(path, "re");

	if (!f)
		fail_msg("%s: %s", path, strerror(errno));
	n_maps = n_memory = 0;
	memset(&sample, 0, sizeof(sample));
	memset(&expected, 0, sizeof(expected));
	while (fgets(line, sizeof(line), f))
		line_take(line);
	fclose(f);
	for (size_t i = 0; i < n_maps; i++)
		qsort(maps[i].row, maps[i].head.n_rows, sizeof(struct row), by_place);
	sample.stack = stack.bytes;
	sample.stack_bytes = stack.n;
}

static void
unload(void)
{
	free(stack.bytes);
	memset(&stack, 0, sizeof(stack));
	for (size_t i = 0; i < n_memory; i++)
		free(memory[i].bytes);
	n_memory = 0;
}

static void
compare(const char *name)
{
	for (size_t i = 0; i < expected.n || i < got.n; i++)
		if (i >= expected.n || i >= got.n || expected.frames[i].addr != got.frames[i].addr ||
		    expected.frames[i].map != got.frames[i].map)
			fail_msg("%s: frame %zu is 0x%lx, expected 0x%lx", name, i,
				 i < got.n ? (long)got.frames[i].addr : 0L,
				 i < expected.n ? (long)expected.frames[i].addr : 0L);
	if (got.end != expected.end || got.guessed != expected.guessed || got.late != expected.late)
		fail_msg("%s: ends %s%s%s", name, end_names[got.end], got.guessed ? " guessed" : "",
			 got.late ? " late" : "");
}

/* With a cache, without one, and with one that has seen the stack. */
static void
replay(const char *name)
{
	static struct unwind_cache cache;
	struct unwind_source from = { .map = source_map, .read = source_read };

	unwind_stack(&from, &sample, &got);
	compare(name);
	memset(&cache, 0, sizeof(cache));
	from.cache = &cache;
	for (int i = 0; i < 2; i++) {
		unwind_stack(&from, &sample, &got);
		compare(name);
	}
}

static void
stored_samples_give_the_frames_they_gave(void **state)
{
	const char *folder = TEST_SRCDIR "/tests/cases/unwind";
	DIR *d = opendir(folder);
	struct dirent *e;
	int n = 0;

	(void)state;
	assert_non_null(d);
	while ((e = readdir(d))) {
		char path[4096];
		size_t len = strlen(e->d_name);

		if (len < 5 || strcmp(e->d_name + len - 5, ".case"))
			continue;
		snprintf(path, sizeof(path), "%s/%s", folder, e->d_name);
		load(path);
		replay(e->d_name);
		unload();
		n++;
	}
	closedir(d);
	assert_true(n > 0);
	print_message("%d cases\n", n);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stored_samples_give_the_frames_they_gave),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
