/* An ELF file: whatever is in it, every place asked for gets an answer with a name, and rows are
 * made or refused. Run with -detect_leaks=0: libbfd leaks on spoiled files. */
#include "config.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "symbolize/go_pclntab.h"
#include "symbolize/source.h"
#include "symbolize/unwind_rows.h"

#define PLACES 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The file itself as its own debug file: a build-id and a link that fit. */
static int
open_itself(void *ctx, enum wire_file kind, const void *name, size_t len)
{
	(void)kind;
	(void)name;
	(void)len;
	return dup(*(int *)ctx);
}

static void
try_names(int fd, size_t size)
{
	const struct dwarf_files files = { .ctx = &fd, .open = open_itself };
	const struct source_input in = { .fd = fd, .path = "/lib/x.so", .files = &files };
	struct source_info info;
	struct answer *a;
	struct arena arena;
	void *self;
	int r;

	if (elf_source.open(&self, &in) < 0)
		return;
	arena_init(&arena, 1 << 26);
	a = arena_get(&arena, PLACES * sizeof(*a));
	for (size_t i = 0; a && i < PLACES; i++)
		a[i].place = size * i / PLACES;
	r = a ? elf_source.quick(self, a, PLACES, &arena) : -1;
	if (r >= 0)
		r = elf_source.full(self, a, PLACES, &arena);
	for (size_t i = 0; r >= 0 && i < PLACES; i++)
		if (a[i].n == 0 || !a[i].frames[a[i].n - 1].name || !(a[i].flags & WIRE_ANSWER_FINAL))
			abort();
	elf_source.info(self, &info);
	elf_source.free(self);
	arena_fini(&arena);
}

static void
try_rows(int fd)
{
	struct go_pclntab *go = NULL;
	struct rows_writer w;
	struct image im;
	struct err why;

	if (image_open(&im, fd, &why) < 0)
		return;
	rows_writer_init(&w);
	unwind_rows(&im, &w, &why);
	if (go_pclntab_open(&go, &im, &why) == 0)
		go_pclntab_rows(go, &w, &why);
	go_pclntab_free(go);
	rows_writer_fini(&w);
	image_close(&im);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = memfd_create("elf", MFD_CLOEXEC);

	if (fd >= 0 && write(fd, data, size) == (ssize_t)size) {
		try_names(fd, size);
		try_rows(fd);
	}
	close(fd);
	return 0;
}
