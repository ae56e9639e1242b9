#include "config.h"

#include "symbolize/kallsyms.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"

struct symbol {
	uint64_t addr;
	uint32_t name;   /* offset in text; NUL-terminated there */
	uint32_t module; /* offset of the name without brackets; 0: none */
	char type;       /* as nm(1): T t W w are code */
};

struct kallsyms {
	char *text; /* owned; cut into strings */
	struct symbol *symbols;
	size_t n, cap;
};

static bool
is_code(char type)
{
	return type == 'T' || type == 't' || type == 'W' || type == 'w';
}

static int
add(struct kallsyms *k, struct symbol s)
{
	if (k->n == k->cap) {
		size_t cap = k->cap ? k->cap * 2 : 4096;
		struct symbol *symbols = realloc(k->symbols, cap * sizeof(*symbols));

		if (!symbols)
			return -ENOMEM;
		k->symbols = symbols;
		k->cap = cap;
	}
	k->symbols[k->n++] = s;
	return 0;
}

/* One line, cut in place. Lines that are none are passed over. */
static int
parse_line(struct kallsyms *k, char *line)
{
	struct symbol s = { 0 };
	char *p, *module;

	s.addr = strtoull(line, &p, 16);
	if (s.addr == 0 || p == line || p[0] != ' ' || !p[1] || p[2] != ' ' || !p[3] || p[3] == '\t')
		return 0;
	s.type = p[1];
	p += 3;
	s.name = (uint32_t)(p - k->text);
	module = strchr(p, '\t');
	if (module) {
		*module++ = '\0';
		if (*module == '[') {
			module[strcspn(module, "]")] = '\0';
			s.module = (uint32_t)(module + 1 - k->text);
		}
	}
	return add(k, s);
}

/* Symbols of one address: code before data, global before local, then fewer underscores; the best
 * is the last, because a search takes the last. */
static int
symbol_order(const void *va, const void *vb, void *text)
{
	const struct symbol *a = va, *b = vb;
	size_t under_a, under_b;

	if (a->addr != b->addr)
		return a->addr < b->addr ? -1 : 1;
	if (is_code(a->type) != is_code(b->type))
		return is_code(a->type) ? 1 : -1;
	if (a->type != b->type && (a->type == 'T' || b->type == 'T'))
		return a->type == 'T' ? 1 : -1;
	under_a = strspn((char *)text + a->name, "_");
	under_b = strspn((char *)text + b->name, "_");
	if (under_a != under_b)
		return under_a < under_b ? 1 : -1;
	return strcmp((char *)text + b->name, (char *)text + a->name);
}

/* Takes text, which must end with a NUL at n. */
static int
kallsyms_take(struct kallsyms **out, char *text, size_t n, struct err *why)
{
	struct kallsyms *k = calloc(1, sizeof(*k));
	char *line = text, *end;
	int r = 0;

	if (!k) {
		free(text);
		return -ENOMEM;
	}
	k->text = text;
	for (; r == 0 && line < text + n; line = end + 1) {
		end = memchr(line, '\n', (size_t)(text + n - line));
		if (!end)
			end = text + n;
		*end = '\0';
		r = parse_line(k, line);
	}
	if (r == 0 && k->n == 0)
		r = err_set(why, -ENOENT, "kallsyms tells no addresses (CAP_SYSLOG, kernel.kptr_restrict)");
	if (r < 0) {
		kallsyms_free(k);
		return r;
	}
	qsort_r(k->symbols, k->n, sizeof(*k->symbols), symbol_order, k->text);
	*out = k;
	return 0;
}

int
kallsyms_parse(struct kallsyms **out, const char *text, size_t n, struct err *why)
{
	char *copy = n < KALLSYMS_TEXT_MAX ? malloc(n + 1) : NULL;

	if (!copy)
		return err_set(why, -ENOMEM, "kallsyms: %zu bytes", n);
	memcpy(copy, text, n);
	copy[n] = '\0';
	return kallsyms_take(out, copy, n, why);
}

int
kallsyms_open(struct kallsyms **out, int fd, struct err *why)
{
	struct buf b;
	ssize_t got;
	size_t n = 0;

	buf_init(&b, KALLSYMS_TEXT_MAX);
	do {
		void *to = buf_grow(&b, 1 << 20);

		got = to ? pread(fd, to, 1 << 20, (off_t)n) : -1;
		if (got < 0) {
			int r = buf_error(&b) ? buf_error(&b) : -errno;

			buf_fini(&b);
			return err_sys(why, r, "kallsyms");
		}
		n += (size_t)got;
		b.len = n;
	} while (got > 0);
	buf_u8(&b, 0);
	if (buf_error(&b)) {
		int r = buf_error(&b);

		buf_fini(&b);
		return err_sys(why, r, "kallsyms");
	}
	return kallsyms_take(out, (char *)b.data, n, why);
}

void
kallsyms_free(struct kallsyms *k)
{
	if (!k)
		return;
	free(k->text);
	free(k->symbols);
	free(k);
}

int
kallsyms_find(const struct kallsyms *k, uint64_t addr, const char **name, const char **module)
{
	size_t low = 0, high = k->n;
	const struct symbol *s;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (k->symbols[mid].addr <= addr)
			low = mid + 1;
		else
			high = mid;
	}
	if (low == 0)
		return -ENOENT;
	s = &k->symbols[low - 1];
	if (!is_code(s->type) || addr - s->addr >= KALLSYMS_REACH)
		return -ENOENT;
	*name = k->text + s->name;
	*module = s->module ? k->text + s->module : "";
	return 0;
}
