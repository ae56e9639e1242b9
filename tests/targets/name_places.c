/*
 * name_places.c - name addresses of a file by its DWARF, for tests and the bench.
 *
 *   name_places [-q] [-r TIMES] FILE [DEBUG_DIR] < ADDRESSES
 *
 * Reads link-time addresses, one in hexadecimal a line, and prints each chain:
 * the address, the number of frames and the flags, then a line for each frame
 * (function, file:line, declaration line), the innermost first. -q prints
 * nothing but a count; -r names all of them TIMES times with one reader.
 *
 * Split files are opened where they say, under DEBUG_DIR, and as FILE.dwp.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "symbolize/dwarf.h"

#define ANSWERS_MAX ((size_t)1 << 30)

struct places {
	const char *file, *dir;
	bool quiet;
	unsigned long times;
};

/* struct dwarf_files: this program may open what it likes. */
static int
file_open(void *ctx, enum wire_file kind, const void *name, size_t len)
{
	const struct places *p = ctx;
	char path[PATH_MAX];
	int fd;

	if (kind == WIRE_FILE_DWO) {
		snprintf(path, sizeof(path), "%s.dwp", p->file);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd >= 0)
			return fd;
	}
	snprintf(path, sizeof(path), "%.*s", (int)len, (const char *)name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 && p->dir) {
		snprintf(path, sizeof(path), "%s/%.*s", p->dir, (int)len, (const char *)name);
		fd = open(path, O_RDONLY | O_CLOEXEC);
	}
	return fd < 0 ? -errno : fd;
}

static int
by_address(const void *a, const void *b)
{
	const struct chain *x = a, *y = b;

	return x->vaddr < y->vaddr ? -1 : x->vaddr > y->vaddr;
}

static struct chain *
read_addresses(size_t *n)
{
	struct chain *chains = NULL;
	char line[64];
	size_t cap = 0;

	for (*n = 0; fgets(line, sizeof(line), stdin); (*n)++) {
		if (*n == cap) {
			cap = cap ? 2 * cap : 1024;
			chains = realloc(chains, cap * sizeof(*chains));
			if (!chains)
				exit(1);
		}
		memset(&chains[*n], 0, sizeof(*chains));
		chains[*n].vaddr = strtoull(line, NULL, 16);
	}
	if (*n)
		qsort(chains, *n, sizeof(*chains), by_address);
	return chains;
}

static void
print_chain(const struct chain *c)
{
	printf("0x%llx %u %u\n", (unsigned long long)c->vaddr, c->n, c->flags);
	for (uint32_t i = 0; i < c->n; i++) {
		const struct frame *f = &c->frames[i];

		printf("  %s %s:%u %u\n", f->name ? f->name : "??", f->file ? f->file : "??", f->line,
		       f->start_line);
	}
}

static int
name_all(const struct places *p, struct chain *chains, size_t n, struct err *why)
{
	struct dwarf_files files = {(void *)(uintptr_t)p, file_open};
	struct dwarf_reader *d = NULL;
	struct arena a;
	size_t known = 0;
	int fd = open(p->file, O_RDONLY | O_CLOEXEC);
	int r;

	if (fd < 0)
		return err_sys(why, -errno, "%s", p->file);
	arena_init(&a, ANSWERS_MAX);
	r = dwarf_open(&d, fd, &files, why);
	for (unsigned long i = 0; i < p->times && r == 0; i++) {
		arena_fini(&a);
		r = dwarf_name(d, chains, n, &a, why);
	}
	for (size_t i = 0; i < n && r == 0; i++) {
		known += chains[i].n > 0;
		if (!p->quiet)
			print_chain(&chains[i]);
	}
	if (p->quiet && r == 0)
		printf("%zu of %zu\n", known, n);
	dwarf_free(d);
	arena_fini(&a);
	close(fd);
	return r;
}

int
main(int argc, char **argv)
{
	struct places p = {.times = 1};
	struct err why = {0};
	struct chain *chains;
	size_t n;
	int opt, r;

	while ((opt = getopt(argc, argv, "qr:")) != -1) {
		if (opt == 'q')
			p.quiet = true;
		else if (opt == 'r')
			p.times = strtoul(optarg, NULL, 10);
		else
			return 2;
	}
	if (optind >= argc) {
		fprintf(stderr, "usage: %s [-q] [-r TIMES] FILE [DEBUG_DIR] < ADDRESSES\n", argv[0]);
		return 2;
	}
	p.file = argv[optind];
	p.dir = argv[optind + 1];
	chains = read_addresses(&n);
	r = name_all(&p, chains, n, &why);
	if (r < 0)
		fprintf(stderr, "%s: %s\n", argv[0], why.text);
	free(chains);
	return r < 0;
}
