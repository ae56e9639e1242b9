#include "config.h"

#include "symbolize/jit_map.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"

#define READ_BYTES (1u << 20)

struct entry {
	uint64_t start, size;
	uint32_t name; /* offset in names */
};

struct jit_map {
	struct entry *entries; /* in the file's order */
	uint32_t n, cap;
	struct buf names; /* NUL-terminated, one after the other */
	uint64_t read_to; /* offset in the file of the first line not read */
};

int
jit_map_new(struct jit_map **out)
{
	struct jit_map *m = calloc(1, sizeof(*m));

	if (!m)
		return -ENOMEM;
	buf_init(&m->names, JIT_MAP_TEXT_MAX);
	*out = m;
	return 0;
}

void
jit_map_free(struct jit_map *m)
{
	if (!m)
		return;
	free(m->entries);
	buf_fini(&m->names);
	free(m);
}

static int
add_entry(struct jit_map *m, struct entry e)
{
	if (m->n == JIT_MAP_ENTRIES_MAX)
		return -EFBIG;
	if (m->n == m->cap) {
		uint32_t cap = m->cap ? m->cap * 2 : 1024;
		struct entry *entries = realloc(m->entries, cap * sizeof(*entries));

		if (!entries)
			return -ENOMEM;
		m->entries = entries;
		m->cap = cap;
	}
	m->entries[m->n++] = e;
	return 0;
}

/* A hex number at *p, before `end`; at least one digit and at most 16. */
static bool
hex(const char **p, const char *end, uint64_t *v)
{
	const char *from = *p;

	*v = 0;
	for (; *p < end && isxdigit((unsigned char)**p); (*p)++) {
		int c = tolower((unsigned char)**p);

		*v = *v << 4 | (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
	}
	return *p > from && *p - from <= 16;
}

static int
add_line(struct jit_map *m, const char *line, const char *end)
{
	struct entry e;
	const char *p = line;

	/* Some runtimes write 0x. */
	if (end - p > 2 && p[0] == '0' && (p[1] == 'x' || p[1] == 'X'))
		p += 2;
	if (!hex(&p, end, &e.start) || p == end || *p++ != ' ')
		return 0;
	if (end - p > 2 && p[0] == '0' && (p[1] == 'x' || p[1] == 'X'))
		p += 2;
	if (!hex(&p, end, &e.size) || p == end || *p++ != ' ' || p == end || e.size == 0)
		return 0;
	e.name = (uint32_t)m->names.len;
	buf_add(&m->names, p, (size_t)(end - p));
	buf_u8(&m->names, 0);
	return buf_error(&m->names) ? buf_error(&m->names) : add_entry(m, e);
}

/* Lines up to the last newline; *taken: bytes of them. */
static int
add_lines(struct jit_map *m, const char *text, size_t n, size_t *taken)
{
	const char *p = text, *end = text + n, *newline;
	int r = 0;

	while (r == 0 && (newline = memchr(p, '\n', (size_t)(end - p)))) {
		r = add_line(m, p, newline);
		p = newline + 1;
	}
	*taken = (size_t)(p - text);
	return r;
}

int
jit_map_add(struct jit_map *m, const char *text, size_t n)
{
	size_t taken;

	return add_lines(m, text, n, &taken);
}

int
jit_map_read(struct jit_map *m, int fd, struct err *why)
{
	struct stat st;
	char *text;
	int r = 0;

	if (fstat(fd, &st) < 0)
		return err_sys(why, -errno, "perf map");
	if ((uint64_t)st.st_size < m->read_to) {
		m->n = 0;
		m->read_to = 0;
		buf_reset(&m->names);
	}
	if ((uint64_t)st.st_size == m->read_to)
		return 0;
	text = malloc(READ_BYTES);
	if (!text)
		return err_set(why, -ENOMEM, "perf map");
	for (;;) {
		ssize_t got = pread(fd, text, READ_BYTES, (off_t)m->read_to);
		size_t taken;

		if (got <= 0) {
			r = got < 0 ? err_sys(why, -errno, "perf map") : 0;
			break;
		}
		r = add_lines(m, text, (size_t)got, &taken);
		if (r < 0) {
			err_sys(why, r, "perf map of %lld bytes", (long long)st.st_size);
			break;
		}
		/* A line longer than all we read at once is none. */
		if (taken == 0 && (size_t)got == READ_BYTES)
			taken = (size_t)got;
		if (taken == 0)
			break;
		m->read_to += taken;
	}
	free(text);
	return r;
}

/* The first address at or after i that has no entry yet. Paths are halved on the way. */
static size_t
next_free(size_t *next, size_t i)
{
	while (next[i] != i) {
		next[i] = next[next[i]];
		i = next[i];
	}
	return i;
}

static size_t
first_at_least(const uint64_t *addrs, size_t n, uint64_t v)
{
	size_t low = 0, high = n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (addrs[mid] < v)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

int
jit_map_find(const struct jit_map *m, const uint64_t *addrs, size_t n, uint32_t *which)
{
	size_t *next = malloc((n + 1) * sizeof(*next));

	if (!next)
		return -ENOMEM;
	for (size_t i = 0; i <= n; i++)
		next[i] = i;
	for (size_t i = 0; i < n; i++)
		which[i] = JIT_MAP_NONE;
	/* The last entry first: an address that has one is never looked at again. */
	for (uint32_t e = m->n; e-- > 0;) {
		uint64_t start = m->entries[e].start, size = m->entries[e].size;
		size_t i = next_free(next, first_at_least(addrs, n, start));

		for (; i < n && addrs[i] - start < size; i = next_free(next, i)) {
			which[i] = e;
			next[i] = i + 1;
		}
	}
	free(next);
	return 0;
}

const char *
jit_map_name(const struct jit_map *m, uint32_t entry)
{
	return (const char *)m->names.data + m->entries[entry].name;
}

static struct jit_text
piece(const char *from, const char *to)
{
	return (struct jit_text){ from, (size_t)(to - from) };
}

/* "…:LINE:COLUMN" or "…:LINE" at the end of [p, end): where it begins, and the line; else NULL. */
static const char *
line_at_end(const char *p, const char *end, uint32_t *line)
{
	const char *colon[2] = { NULL, NULL };

	for (int i = 0; i < 2; i++) {
		const char *q = end;

		while (q > p && isdigit((unsigned char)q[-1]))
			q--;
		if (q == end || q == p || q[-1] != ':' || end - q > 9)
			break;
		colon[i] = end = q - 1;
	}
	if (!colon[0])
		return NULL;
	if (!colon[1])
		colon[1] = colon[0];
	*line = (uint32_t)strtoul(colon[1] + 1, NULL, 10);
	return colon[1];
}

/* Where the file's name begins behind a function's: function names have blanks ("get size"), and so
 * may paths, but these begin with / or a scheme. */
static const char *
file_begin(const char *p, const char *end)
{
	const char *last = NULL;

	for (const char *q = p; q < end; q++) {
		if (*q != ' ')
			continue;
		if (end - q > 5 &&
		    (q[1] == '/' || !strncmp(q + 1, "node:", 5) || !strncmp(q + 1, "file:", 5)))
			return q + 1;
		last = q + 1;
	}
	return last;
}

/* "JS:*f /x.js:1:2", after the prefix: mark, name, place. */
static bool
parse_v8(const char *text, const char *p, struct jit_name *out)
{
	static const char anonymous[] = "(anonymous)";
	const char *end = text + strlen(text), *colon, *file;

	if (!*p || !strchr("~^+*", *p))
		return false;
	p++;
	p += *p == '\'';
	colon = line_at_end(p, end, &out->line);
	file = colon ? file_begin(p, colon) : NULL;
	if (!file) {
		out->line = 0;
		out->name = piece(p, end);
		return out->name.n > 0;
	}
	out->file = piece(file, colon);
	out->name = piece(p, file - 1);
	out->system_name = piece(text, file - 1);
	if (out->name.n == 0)
		out->name = piece(anonymous, anonymous + sizeof(anonymous) - 1);
	return true;
}

/* "py::f:/x.py" */
static bool
parse_python(const char *text, const char *p, struct jit_name *out)
{
	const char *colon = strchr(p, ':');

	(void)text;
	if (!colon || colon == p)
		return false;
	out->name = piece(p, colon);
	out->file = piece(colon + 1, p + strlen(p));
	return true;
}

static const struct {
	const char *prefix;
	bool (*parse)(const char *text, const char *p, struct jit_name *out);
} runtimes[] = {
	{ "JS:", parse_v8 },     { "LazyCompile:", parse_v8 }, { "Function:", parse_v8 },
	{ "Script:", parse_v8 }, { "Eval:", parse_v8 },        { "py::", parse_python },
};

void
jit_name_parse(const char *text, struct jit_name *out)
{
	for (size_t i = 0; i < sizeof(runtimes) / sizeof(runtimes[0]); i++) {
		size_t n = strlen(runtimes[i].prefix);

		memset(out, 0, sizeof(*out));
		out->name = out->system_name = piece(text, text + strlen(text));
		if (!strncmp(text, runtimes[i].prefix, n) && runtimes[i].parse(text, text + n, out))
			return;
	}
	memset(out, 0, sizeof(*out));
	out->name = out->system_name = piece(text, text + strlen(text));
}
