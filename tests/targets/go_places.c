/*
 * go_places - what the reader of Go's function table says of a file.
 *
 *   go_places FILE < addresses   one link-time address a line, hexadecimal; for each
 *                                "@ADDRESS", then "NAME<tab>FILE<tab>LINE<tab>START" a frame
 *   go_places --rows FILE        "PLACE RULE CFA FP" a row, place in hexadecimal
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "symbolize/go_pclntab.h"

#define ARENA_BYTES ((size_t)64 << 20)

static int
print_names(const struct go_pclntab *g)
{
	struct arena a;
	struct chain c;
	char line[64];
	int e = 0;

	arena_init(&a, ARENA_BYTES);
	while (e == 0 && fgets(line, sizeof(line), stdin)) {
		c = (struct chain){ .vaddr = strtoull(line, NULL, 16) };
		printf("@%" PRIx64 "\n", c.vaddr);
		e = go_pclntab_name(g, &c, &a);
		for (uint32_t i = 0; e == 0 && i < c.n; i++)
			printf("%s\t%s\t%u\t%u\n", c.frames[i].name ? c.frames[i].name : "?",
			       c.frames[i].file ? c.frames[i].file : "?", c.frames[i].line,
			       c.frames[i].start_line);
		arena_fini(&a);
	}
	return e;
}

static int
print_rows(const struct go_pclntab *g, struct err *why)
{
	struct rows_writer w;
	int e;

	rows_writer_init(&w);
	e = go_pclntab_rows(g, &w, why);
	for (size_t i = 0; e >= 0 && i < w.n; i++)
		printf("%x %u %d %u\n", w.rows[i].place, w.rows[i].rule, w.rows[i].cfa, w.rows[i].fp);
	rows_writer_fini(&w);
	return e;
}

int
main(int argc, char **argv)
{
	int rows = argc == 3 && !strcmp(argv[1], "--rows");
	struct go_pclntab *g = NULL;
	struct err why = { .text = "" };
	struct image im;
	int fd, e;

	if (argc != 2 + rows) {
		fprintf(stderr, "usage: go_places [--rows] FILE\n");
		return 2;
	}
	fd = open(argv[1 + rows], O_RDONLY | O_CLOEXEC);
	e = fd < 0 ? err_sys(&why, -errno, "open %s", argv[1 + rows]) : image_open(&im, fd, &why);
	if (e == 0) {
		e = go_pclntab_open(&g, &im, &why);
		if (e == 0)
			e = rows ? print_rows(g, &why) : print_names(g);
		go_pclntab_free(g);
		image_close(&im);
	}
	if (fd >= 0)
		close(fd);
	if (e < 0)
		fprintf(stderr, "go_places: %s (%s)\n", why.text, strerror(-e));
	return e < 0;
}
