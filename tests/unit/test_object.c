#include "config.h"

#include "symbolize/object.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <fcntl.h>
#include <lzma.h>
#include <stdio.h>

#include <cmocka.h>

#include "symbolize/dynsym.h"
#include "symbolize/minidebug.h"
#include "tests/unit/elf_maker.h"

#define FUNC   STT_FUNC
#define GLOBAL STB_GLOBAL

static const struct elf_symbol functions[] = {
	{ "outer", ELF_TEXT, 0x100, FUNC, GLOBAL },
	{ "inner", ELF_TEXT + 0x40, 0x10, FUNC, STB_LOCAL },
	{ "local_alias", ELF_TEXT + 0x200, 0x20, FUNC, STB_LOCAL },
	{ "__alias", ELF_TEXT + 0x200, 0x20, FUNC, GLOBAL },
	{ "alias", ELF_TEXT + 0x200, 0x20, FUNC, STB_WEAK },
	{ "resolver", ELF_TEXT + 0x300, 0x20, STT_GNU_IFUNC, GLOBAL },
	{ "label", ELF_TEXT + 0x400, 0, STT_NOTYPE, STB_LOCAL },
	{ "next_label", ELF_TEXT + 0x480, 0, STT_NOTYPE, STB_LOCAL },
	{ "data", ELF_TEXT + 0x2000, 0x100, STT_OBJECT, GLOBAL },
	{ "elsewhere", 0x900000, 0x100, FUNC, GLOBAL },
	{ "imported", 0, 0, FUNC, GLOBAL },
	{ "last", ELF_TEXT + 0x2f00, 0x10000, FUNC, GLOBAL },
};

#define N_FUNCTIONS (sizeof(functions) / sizeof(functions[0]))

struct made {
	struct buf bytes;
	struct image im;
	struct object *object;
};

static void
make(struct made *m, const struct elf_spec *spec, void (*spoil)(struct buf *))
{
	struct err why;
	int fd;

	buf_init(&m->bytes, 1 << 20);
	elf_make(&m->bytes, spec);
	assert_int_equal(buf_error(&m->bytes), 0);
	if (spoil)
		spoil(&m->bytes);
	fd = elf_fd(&m->bytes);
	assert_true(fd >= 0);
	assert_int_equal(image_open(&m->im, fd, &why), 0);
	close(fd);
	assert_int_equal(object_open(&m->object, &m->im), 0);
}

static void
unmake(struct made *m)
{
	object_free(m->object);
	image_close(&m->im);
	buf_fini(&m->bytes);
}

static const char *
name_at(struct made *m, uint64_t vaddr)
{
	struct object_symbol s;

	return object_find(m->object, vaddr, &s) == 0 ? s.name : "none";
}

static const struct elf_spec with_symtab = { .symbols = functions, .n = N_FUNCTIONS, .symtab = true };

static void
a_name_counts_only_inside_its_symbols_size(void **state)
{
	struct made m;

	(void)state;
	make(&m, &with_symtab, NULL);
	assert_string_equal(name_at(&m, ELF_TEXT), "outer");
	assert_string_equal(name_at(&m, ELF_TEXT + 0xff), "outer");
	assert_string_equal(name_at(&m, ELF_TEXT + 0x100), "none");
	assert_string_equal(name_at(&m, ELF_TEXT - 1), "none");
	assert_string_equal(name_at(&m, ELF_TEXT + 0x2fff), "last");
	assert_string_equal(name_at(&m, 0x900010), "none");
	assert_string_equal(name_at(&m, ELF_TEXT + 0x2010), "none");
	assert_string_equal(name_at(&m, UINT64_MAX), "none");
	unmake(&m);
}

static void
the_innermost_symbol_counts(void **state)
{
	struct made m;

	(void)state;
	make(&m, &with_symtab, NULL);
	assert_string_equal(name_at(&m, ELF_TEXT + 0x3f), "outer");
	assert_string_equal(name_at(&m, ELF_TEXT + 0x40), "inner");
	assert_string_equal(name_at(&m, ELF_TEXT + 0x4f), "inner");
	assert_string_equal(name_at(&m, ELF_TEXT + 0x50), "outer");
	unmake(&m);
}

static void
of_aliases_the_plainest_global_one_is_taken(void **state)
{
	struct made m;

	(void)state;
	make(&m, &with_symtab, NULL);
	assert_string_equal(name_at(&m, ELF_TEXT + 0x210), "alias");
	assert_string_equal(name_at(&m, ELF_TEXT + 0x310), "resolver");
	unmake(&m);
}

static void
the_vdsos_own_names_come_first(void **state)
{
	static const struct elf_symbol vdso[] = {
		{ "clock_gettime", ELF_TEXT, 0x20, FUNC, STB_WEAK },
		{ "__vdso_clock_gettime", ELF_TEXT, 0x20, FUNC, GLOBAL },
	};
	const struct elf_spec spec = { .symbols = vdso, .n = 2, .dynamic = true, .hash = ELF_HASH_SYSV };
	struct made m;

	(void)state;
	make(&m, &spec, NULL);
	assert_string_equal(name_at(&m, ELF_TEXT + 1), "__vdso_clock_gettime");
	unmake(&m);
}

static void
a_label_ends_at_the_next_symbol_or_after_a_page(void **state)
{
	struct object_symbol s;
	struct made m;

	(void)state;
	make(&m, &with_symtab, NULL);
	assert_string_equal(name_at(&m, ELF_TEXT + 0x47f), "label");
	assert_string_equal(name_at(&m, ELF_TEXT + 0x480), "next_label");
	assert_string_equal(name_at(&m, ELF_TEXT + 0x147f), "next_label");
	assert_string_equal(name_at(&m, ELF_TEXT + 0x1480), "none");
	assert_int_equal(object_find(m.object, ELF_TEXT + 0x410, &s), 0);
	assert_false(s.sized);
	assert_int_equal(s.end, ELF_TEXT + 0x480);
	assert_int_equal(object_next(m.object, ELF_TEXT + 0x480), ELF_TEXT + 0x2f00);
	unmake(&m);
}

static void
without_section_headers_dynamic_symbols_are_found(void **state)
{
	static const enum elf_hash hashes[] = { ELF_HASH_NONE, ELF_HASH_SYSV, ELF_HASH_GNU };

	(void)state;
	for (size_t i = 0; i < sizeof(hashes) / sizeof(hashes[0]); i++) {
		const struct elf_spec spec = {
			.symbols = functions, .n = N_FUNCTIONS, .dynamic = true, .hash = hashes[i]
		};
		struct made m;

		make(&m, &spec, NULL);
		assert_string_equal(name_at(&m, ELF_TEXT + 0xff), "outer");
		assert_string_equal(name_at(&m, ELF_TEXT + 0x210), "alias");
		assert_string_equal(name_at(&m, ELF_TEXT + 0x2fff), "last");
		unmake(&m);
	}
}

static void
spoil_sections(struct buf *b)
{
	((Elf64_Ehdr *)(void *)b->data)->e_shoff = 0x7ffffffffffffff0;
}

static void
spoil_section_count(struct buf *b)
{
	((Elf64_Ehdr *)(void *)b->data)->e_shnum = 60000;
}

/* .symtab is the third section, .strtab the fourth. */
static Elf64_Shdr *
section_of(struct buf *b, size_t i)
{
	const Elf64_Ehdr *eh = (const Elf64_Ehdr *)(void *)b->data;

	return (Elf64_Shdr *)(void *)(b->data + eh->e_shoff) + i;
}

static void
spoil_symtab_size(struct buf *b)
{
	section_of(b, 2)->sh_size = (uint64_t)1 << 62;
}

static void
spoil_symtab_offset(struct buf *b)
{
	section_of(b, 2)->sh_offset = 0x1008;
}

static void
spoil_strings(struct buf *b)
{
	section_of(b, 3)->sh_offset = (uint64_t)1 << 60;
}

static void
spoiled_sections_leave_the_dynamic_symbols(void **state)
{
	static void (*const spoils[])(struct buf *) = {
		spoil_sections, spoil_section_count, spoil_symtab_size, spoil_symtab_offset, spoil_strings,
	};
	struct elf_spec spec = with_symtab;

	(void)state;
	spec.dynamic = true;
	spec.hash = ELF_HASH_GNU;
	for (size_t i = 0; i < sizeof(spoils) / sizeof(spoils[0]); i++) {
		struct made m;

		make(&m, &spec, spoils[i]);
		assert_string_equal(name_at(&m, ELF_TEXT + 0xff), "outer");
		unmake(&m);
	}
}

static void
spoil_dynamic(struct buf *b)
{
	Elf64_Phdr *ph = (Elf64_Phdr *)(void *)(b->data + sizeof(Elf64_Ehdr)) + 1;
	Elf64_Dyn *d = (Elf64_Dyn *)(void *)(b->data + ph->p_offset);

	for (; d->d_tag != DT_NULL; d++)
		d->d_un.d_val = UINT64_MAX - 7;
}

static void
spoil_gnu_hash(struct buf *b)
{
	Elf64_Phdr *ph = (Elf64_Phdr *)(void *)(b->data + sizeof(Elf64_Ehdr)) + 1;
	const Elf64_Dyn *d = (const Elf64_Dyn *)(void *)(b->data + ph->p_offset);

	memset(b->data + (d->d_un.d_ptr - ELF_BASE), 0xff, 16);
}

static void
a_spoiled_dynamic_table_costs_only_its_names(void **state)
{
	const struct elf_spec spec = {
		.symbols = functions, .n = N_FUNCTIONS, .dynamic = true, .hash = ELF_HASH_GNU
	};
	struct made m;

	(void)state;
	make(&m, &spec, spoil_dynamic);
	assert_string_equal(name_at(&m, ELF_TEXT + 0xff), "none");
	unmake(&m);
	make(&m, &spec, spoil_gnu_hash);
	name_at(&m, ELF_TEXT + 0xff);
	unmake(&m);
}

static void
the_debug_link_is_told(void **state)
{
	struct elf_spec spec = with_symtab;
	struct made m;
	const char *name;
	uint32_t crc;

	(void)state;
	make(&m, &spec, NULL);
	assert_int_equal(object_debug_link(m.object, &name, &crc), -ENOENT);
	unmake(&m);
	spec.link = "thing.debug";
	make(&m, &spec, NULL);
	assert_int_equal(object_debug_link(m.object, &name, &crc), 0);
	assert_string_equal(name, "thing.debug");
	assert_int_equal(crc, 0x12345678);
	unmake(&m);
}

static void
a_packed_symbol_table_is_unpacked(void **state)
{
	static unsigned char packed[1 << 16];
	struct elf_spec spec = { .symbols = functions, .n = 1, .symtab = true };
	size_t packed_n = 0, n;
	struct buf inner;
	struct err why;
	struct made m;
	void *section, *bytes;

	(void)state;
	buf_init(&inner, 1 << 20);
	elf_make(&inner, &with_symtab);
	assert_int_equal(lzma_easy_buffer_encode(6, LZMA_CHECK_CRC32, NULL, inner.data, inner.len, packed,
						 &packed_n, sizeof(packed)),
			 LZMA_OK);
	spec.extra = packed;
	spec.extra_n = packed_n;
	make(&m, &spec, NULL);
	assert_string_equal(name_at(&m, ELF_TEXT + 0x310), "none");
	assert_int_equal(object_section(m.object, ".gnu_debugdata", packed_n - 1, &section, &n), -EFBIG);
	assert_int_equal(object_section(m.object, ".gnu_debugdata", packed_n, &section, &n), 0);
	assert_int_equal(n, packed_n);
	/* A bomb is cut at the maximum; a spoiled stream is told. */
	assert_int_equal(minidebug_unpack(section, n, inner.len - 1, &bytes, &n, &why), -EFBIG);
	packed[packed_n / 2] ^= 0x55;
	assert_int_equal(minidebug_unpack(packed, packed_n, 1 << 20, &bytes, &n, &why), -EBADMSG);
	assert_int_equal(minidebug_unpack(section, packed_n, inner.len, &bytes, &n, &why), 0);
	assert_int_equal(n, inner.len);
	assert_int_equal(object_add_file(m.object, bytes, n, &why), 0);
	assert_string_equal(name_at(&m, ELF_TEXT + 0x310), "resolver");
	unmake(&m);
	free(section);
	free(bytes);
	buf_fini(&inner);
}

static void
bytes_that_are_no_elf_file_are_not_added(void **state)
{
	struct made m;
	struct err why;
	unsigned char id[IMAGE_BUILD_ID_MAX];

	(void)state;
	make(&m, &with_symtab, NULL);
	assert_true(object_add_file(m.object, "no elf", 6, &why) < 0);
	assert_int_equal(object_build_id("no elf", 6, id), 0);
	assert_string_equal(name_at(&m, ELF_TEXT), "outer");
	unmake(&m);
}

/* This program's own file: made by a real linker. */
static void
functions_and_plt_entries_of_a_real_program_are_named(void **state)
{
	struct object_symbol s;
	struct object *o;
	struct image im;
	struct err why;
	size_t plt = 0;
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	(void)state;
	assert_int_equal(image_open(&im, fd, &why), 0);
	close(fd);
	assert_int_equal(object_open(&o, &im), 0);
	for (size_t i = 0; i < im.n_segments; i++)
		for (uint64_t at = 0; im.segments[i].flags & PF_X && at < im.segments[i].filesz; at += 8)
			plt += object_find(o, im.segments[i].vaddr + at, &s) == 0 && s.plt &&
			       strstr(s.name, "@plt");
	assert_true(plt > 0);
	assert_true(object_build_id(im.data, im.size, (unsigned char[IMAGE_BUILD_ID_MAX]){ 0 }) ==
		    im.build_id_len);
	object_free(o);
	image_close(&im);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_name_counts_only_inside_its_symbols_size),
		cmocka_unit_test(the_innermost_symbol_counts),
		cmocka_unit_test(of_aliases_the_plainest_global_one_is_taken),
		cmocka_unit_test(the_vdsos_own_names_come_first),
		cmocka_unit_test(a_label_ends_at_the_next_symbol_or_after_a_page),
		cmocka_unit_test(without_section_headers_dynamic_symbols_are_found),
		cmocka_unit_test(spoiled_sections_leave_the_dynamic_symbols),
		cmocka_unit_test(a_spoiled_dynamic_table_costs_only_its_names),
		cmocka_unit_test(the_debug_link_is_told),
		cmocka_unit_test(a_packed_symbol_table_is_unpacked),
		cmocka_unit_test(bytes_that_are_no_elf_file_are_not_added),
		cmocka_unit_test(functions_and_plt_entries_of_a_real_program_are_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
