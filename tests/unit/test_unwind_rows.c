#include "config.h"

#include "symbolize/unwind_rows.h"

#include <dwarf.h>
#include <elf.h>
#include <elfutils/libdw.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/buf.h"

/*
 * A file made by hand: one segment at CODE_VADDR with everything in it, and
 * .eh_frame_hdr and .eh_frame behind 4 KB of "code".
 */
#define BASE       0x400000u
#define CODE_AT    0x1000u /* offset in the file */
#define CODE       (BASE + CODE_AT)
#define HDR_AT     0x2000u
#define EH_AT      0x2010u
#define PLACE(off) (CODE_AT + (off))

static struct buf eh; /* .eh_frame being made */
static size_t cie_at;
static uint64_t entry_point;
static bool no_header, with_sections;

static struct image im;
static struct rows rows;
static int used; /* what unwind_rows() returned */

static void
begin(void)
{
	buf_fini(&eh);
	buf_init(&eh, 1 << 20);
	entry_point = 0;
	no_header = with_sections = false;
}

/* Fill in an entry's length, padded with DW_CFA_nop to a word. */
static void
close_entry(size_t at)
{
	while ((eh.len - at) % 8 != 4)
		buf_u8(&eh, 0);
	buf_put_u32(&eh, at, (uint32_t)(eh.len - at - 4));
}

static void
add_cie(const char *augmentation, const void *data, size_t data_bytes, const void *program, size_t n)
{
	size_t at = eh.len;

	cie_at = at;
	buf_u32(&eh, 0);
	buf_u32(&eh, 0);
	buf_u8(&eh, 1);
	buf_add(&eh, augmentation, strlen(augmentation) + 1);
	buf_u8(&eh, 1);    /* code alignment */
	buf_u8(&eh, 0x78); /* data alignment -8 */
	buf_u8(&eh, 16);   /* return address column */
	if (augmentation[0] == 'z') {
		buf_u8(&eh, (uint8_t)data_bytes);
		buf_add(&eh, data, data_bytes);
	}
	buf_add(&eh, program, n);
	close_entry(at);
}

/* CFA = rsp + 8, the return address at CFA - 8; addresses relative, 4 bytes. */
#define CIE_PROGRAM 0x0c, 7, 8, 0x90, 1

static void
add_usual_cie(const char *augmentation)
{
	static const uint8_t program[] = { CIE_PROGRAM }, pcrel[] = { 0x1b };

	add_cie(augmentation, pcrel, sizeof(pcrel), program, sizeof(program));
}

static void
add_fde_bytes(uint32_t off, uint32_t size, const uint8_t *program, size_t n)
{
	size_t at = eh.len;

	buf_u32(&eh, 0);
	buf_u32(&eh, (uint32_t)(eh.len - cie_at));
	buf_u32(&eh, (uint32_t)(CODE + off - (BASE + EH_AT + eh.len)));
	buf_u32(&eh, size);
	buf_u8(&eh, 0); /* no augmentation data */
	buf_add(&eh, program, n);
	close_entry(at);
}

#define FDE(off, size, ...)                                                                                \
	do {                                                                                               \
		static const uint8_t bytes_[] = { 0 __VA_OPT__(, ) __VA_ARGS__ };                          \
		add_fde_bytes(off, size, bytes_ + 1, sizeof(bytes_) - 1);                                  \
	} while (0)

/* Section headers behind all else: none, .eh_frame, .shstrtab. Returns the file's new size. */
static size_t
add_sections(unsigned char *file, Elf64_Ehdr *ehdr, size_t size)
{
	static const char names[] = "\0.eh_frame\0.shstrtab";
	Elf64_Shdr sh[3] = { { 0 } };
	size_t at = (size + sizeof(names) + 7) & ~(size_t)7;

	memcpy(file + size, names, sizeof(names));
	sh[1] = (Elf64_Shdr){
		.sh_name = 1, .sh_flags = SHF_ALLOC, .sh_addr = BASE + EH_AT, .sh_offset = EH_AT
	};
	sh[2] = (Elf64_Shdr){ .sh_name = 11, .sh_offset = size, .sh_size = sizeof(names) };
	memcpy(file + at, sh, sizeof(sh));
	ehdr->e_shoff = at;
	ehdr->e_shentsize = sizeof(*sh);
	ehdr->e_shnum = 3;
	ehdr->e_shstrndx = 2;
	return at + sizeof(sh);
}

static int
write_file(void)
{
	static unsigned char file[0x200000];
	Elf64_Ehdr *ehdr = (Elf64_Ehdr *)(void *)file;
	Elf64_Phdr *ph = (Elf64_Phdr *)(void *)(file + sizeof(*ehdr));
	uint32_t to_eh = EH_AT - HDR_AT - 4;
	size_t size = EH_AT + eh.len;
	int fd = memfd_create("elf", 0);

	memset(file, 0, size);
	memcpy(ehdr->e_ident, ELFMAG, SELFMAG);
	ehdr->e_ident[EI_CLASS] = ELFCLASS64;
	ehdr->e_ident[EI_DATA] = ELFDATA2LSB;
	ehdr->e_type = ET_DYN;
	ehdr->e_machine = EM_X86_64;
	ehdr->e_phoff = sizeof(*ehdr);
	ehdr->e_phentsize = sizeof(*ph);
	ehdr->e_phnum = no_header ? 1 : 2;
	ehdr->e_entry = entry_point;
	ph[0] = (Elf64_Phdr){ .p_type = PT_LOAD, .p_flags = PF_R | PF_X, .p_vaddr = BASE };
	ph[0].p_filesz = ph[0].p_memsz = size;
	ph[1] = (Elf64_Phdr){
		.p_type = PT_GNU_EH_FRAME, .p_offset = HDR_AT, .p_vaddr = BASE + HDR_AT, .p_filesz = 8
	};
	ph[1].p_memsz = 8;
	memcpy(file + HDR_AT, (const uint8_t[]){ 1, 0x1b, 0xff, 0xff }, 4);
	memcpy(file + HDR_AT + 4, &to_eh, 4);
	memcpy(file + EH_AT, eh.data, eh.len);
	if (with_sections)
		size = add_sections(file, ehdr, size);
	assert_int_equal(write(fd, file, size), size);
	return fd;
}

static void
forget(void)
{
	rows_close(&rows);
	image_close(&im);
}

static void
rows_from(struct rows_writer *w)
{
	int fd = memfd_create("rows", MFD_ALLOW_SEALING);

	assert_int_equal(rows_writer_write(w, fd, NULL), 0);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE), 0);
	assert_int_equal(rows_open(&rows, fd, NULL), 0);
	close(fd);
}

/* .eh_frame as made so far → rows. */
static void
compile(void)
{
	struct rows_writer w;
	struct err why;
	int fd;

	forget();
	buf_u32(&eh, 0); /* the terminator */
	fd = write_file();
	assert_int_equal(image_open(&im, fd, &why), 0);
	close(fd);
	rows_writer_init(&w);
	used = unwind_rows(&im, &w, &why);
	rows_from(&w);
	rows_writer_fini(&w);
}

static struct row
row_at(uint32_t off)
{
	uint64_t end;
	const struct row *row = rows_find(&rows, PLACE(off), &end);

	assert_non_null(row);
	return *row;
}

static void
expect(uint32_t off, enum row_rule rule, int cfa, int fp)
{
	struct row row = row_at(off);

	if (row.rule != rule || row.cfa != cfa || row.fp != fp)
		fail_msg("at +0x%x: rule %d cfa %d fp %d, expected %d %d %d", off, row.rule, row.cfa,
			 row.fp, rule, cfa, fp);
}

/* ---- what compilers make */

static void
a_function_that_pushes_and_pops(void **state)
{
	(void)state;
	begin();
	add_usual_cie("zR");
	/* push %rbp at +1, sub at +5; pops at +9 and +10 */
	FDE(0, 16, 0x41, 0x0e, 16, 0x86, 2, 0x44, 0x0e, 64, 0x44, 0x0e, 16, 0x41, 0x0e, 8, 0xc6);
	compile();
	assert_int_equal(used, 1);
	expect(0, ROW_SP, 1, ROW_FP_SAME);
	expect(1, ROW_SP, 2, 2);
	expect(5, ROW_SP, 8, 2);
	expect(9, ROW_SP, 2, 2);
	expect(10, ROW_SP, 1, ROW_FP_SAME);
	expect(15, ROW_SP, 1, ROW_FP_SAME);
}

static void
a_frame_pointer_carries_the_cfa(void **state)
{
	(void)state;
	begin();
	add_usual_cie("zR");
	FDE(0, 32, 0x41, 0x0e, 16, 0x86, 2, 0x43, 0x0d, 6);
	compile();
	expect(4, ROW_FP, 2, 2);
	expect(31, ROW_FP, 2, 2);
}

static void
a_register_popped_at_the_return_is_back(void **state)
{
	(void)state;
	begin();
	add_usual_cie("zR");
	/* gcc: at the ret CFA = rsp + 8, and still "rbp at CFA - 16" */
	FDE(0, 32, 0x41, 0x0e, 16, 0x86, 2, 0x43, 0x0d, 6, 0x50, 0x0c, 7, 8);
	compile();
	expect(20, ROW_SP, 1, ROW_FP_SAME);
}

static void
remembered_states_come_back_whole(void **state)
{
	(void)state;
	begin();
	add_usual_cie("zR");
	FDE(0, 64, 0x41, 0x0e, 16, 0x86, 2, 0x4f, 0x0a, 0x41, 0x0e, 8, 0xc6, 0x41, 0x0b);
	compile();
	expect(16, ROW_SP, 2, 2);
	expect(17, ROW_SP, 1, ROW_FP_SAME);
	expect(18, ROW_SP, 2, 2);
}

static void
every_way_to_advance_is_understood(void **state)
{
	(void)state;
	begin();
	add_usual_cie("zR");
	FDE(0, 0x400, 0x02, 0x80, 0x0e, 16, 0x03, 0x80, 0x00, 0x0e, 24, 0x04, 0x00, 0x01, 0, 0, 0x0e, 32);
	compile();
	expect(0x7f, ROW_SP, 1, 0);
	expect(0x80, ROW_SP, 2, 0);
	expect(0x100, ROW_SP, 3, 0);
	expect(0x200, ROW_SP, 4, 0);
	expect(0x3ff, ROW_SP, 4, 0);
}

static void
every_instruction_is_passed_over_right(void **state)
{
	(void)state;
	begin();
	add_usual_cie("zR");
	FDE(0, 64, 0x05, 6, 3,           /* offset_extended rbp, 3 */
	    0x09, 3, 12,                 /* register rbx in r12 */
	    0x11, 12, 0x7e,              /* offset_extended_sf r12, -2 */
	    0x14, 13, 4, 0x15, 14, 0x7c, /* val_offset, val_offset_sf */
	    0x10, 15, 2, 0x77, 0,        /* expression r15: breg7 0 */
	    0x16, 15, 2, 0x77, 0,        /* val_expression */
	    0x07, 15, 0x08, 15,          /* undefined, same_value */
	    0x2e, 0x90, 0x01,            /* GNU_args_size 144 */
	    0x2f, 13, 2,                 /* GNU_negative_offset_extended */
	    0x06, 12,                    /* restore_extended */
	    0x12, 7, 0x7d,               /* def_cfa_sf rsp, -3 × -8 */
	    0x41, 0x13, 0x7b,            /* def_cfa_offset_sf -5 × -8 */
	    0x41, 0x0c, 6, 16, 0x08, 6); /* def_cfa rbp, 16; same_value rbp */
	compile();
	assert_int_equal(used, 1);
	expect(0, ROW_SP, 3, 3);
	expect(1, ROW_SP, 5, 3);
	expect(2, ROW_FP, 2, ROW_FP_SAME);
}

static void
a_realigned_stack_is_followed(void **state)
{
	(void)state;
	begin();
	add_usual_cie("zR");
	/* gcc: lea 8(%rsp), %r10; and; push -8(%r10); push %rbp; mov %rsp, %rbp; ...; push %r10 */
	FDE(0, 64, 0x45, 0x0c, 10, 0, 0x4f, 0x10, 6, 2, 0x76, 0, 0x44, 0x0f, 3, 0x76, 0x58, 0x06, 0x50,
	    0x0c, 10, 0, 0xc6);
	compile();
	expect(5, ROW_REG, 10 << 8, ROW_FP_SAME);
	expect(20, ROW_REG, 10 << 8, ROW_FP_HERE);
	expect(24, ROW_FP_DEREF, -5 * 16, ROW_FP_HERE);
	expect(40, ROW_REG, 10 << 8, ROW_FP_SAME);
}

static void
assembly_that_keeps_the_old_sp_is_followed(void **state)
{
	(void)state;
	begin();
	add_usual_cie("zR");
	/* OpenSSL: mov %rsp, %rax; ...; mov %rax, 152(%rsp); CFA = *(rsp + 152) + 8 */
	FDE(0, 64, 0x43, 0x0d, 0, 0x44, 0x86, 3, 0x44, 0x0f, 6, 0x77, 0x98, 0x01, 0x06, 0x23, 8);
	compile();
	expect(3, ROW_REG, 1, ROW_FP_SAME);
	expect(7, ROW_REG, 1, 3);
	expect(11, ROW_SP_DEREF, 19 * 16 + 1, 3);
}

static void
the_plt_is_one_row(void **state)
{
	(void)state;
	begin();
	add_usual_cie("zR");
	FDE(0, 0x100, 0x0e, 16, 0x46, 0x0e, 24, 0x4a, 0x0f, 11, 0x77, 8, 0x80, 0, 0x3f, 0x1a, 0x3b, 0x2a,
	    0x33, 0x24, 0x22);
	compile();
	expect(0, ROW_SP, 2, 0);
	expect(6, ROW_SP, 3, 0);
	expect(0x10, ROW_PLT, 11, 0);
	expect(0xff, ROW_PLT, 11, 0);
}

static void
a_signal_trampoline_is_known_by_its_letter(void **state)
{
	(void)state;
	begin();
	add_usual_cie("zRS");
	FDE(0, 16, 0x0f, 4, 0x77, 0xa0, 0x01, 0x06);
	compile();
	expect(0, ROW_SIGNAL, 0, 0);
	expect(15, ROW_SIGNAL, 0, 0);
}

static void
an_undefined_return_address_is_the_root(void **state)
{
	(void)state;
	begin();
	add_usual_cie("zR");
	FDE(0, 32, 0x07, 16);
	compile();
	expect(0, ROW_ROOT, 0, 0);
}

static void
what_no_rule_can_say_is_none(void **state)
{
	(void)state;
	begin();
	add_usual_cie("zR");
	FDE(0, 16, 0x0f, 3, 0x76, 0x08, 0x12);          /* breg6 8; dup */
	FDE(16, 16, 0x09, 16, 5);                       /* the return address is in rdi */
	FDE(32, 16, 0x0c, 17, 8);                       /* CFA by an xmm register */
	FDE(48, 16, 0x0c, 7, 64, 0x10, 6, 2, 0x77, 16); /* rbp at rsp + 16: no row can say so */
	FDE(64, 16, 0x90, 2);                           /* the return address at CFA - 16 */
	compile();
	assert_int_equal(used, 5);
	expect(0, ROW_NONE, 0, 0);
	expect(16, ROW_NONE, 0, 0);
	expect(32, ROW_NONE, 0, 0);
	expect(48, ROW_SP, 8, ROW_FP_LOST);
	expect(64, ROW_NONE, 0, 0);
}

static void
large_and_odd_frames_are_wide(void **state)
{
	struct row row;

	(void)state;
	begin();
	add_usual_cie("zR");
	FDE(0, 64, 0x41, 0x0e, 0x88, 0x80, 0x80, 0x01, 0x41, 0x0e, 12);
	compile();
	row = row_at(1);
	assert_int_equal(row.rule, ROW_SP_WIDE);
	assert_int_equal(rows.wide[(uint16_t)row.cfa], 0x200008);
	row = row_at(2);
	assert_int_equal(row.rule, ROW_SP_WIDE);
	assert_int_equal(rows.wide[(uint16_t)row.cfa], 12);
}

/* ---- between functions */

static void
padding_needs_no_row_but_a_gap_does(void **state)
{
	(void)state;
	begin();
	add_usual_cie("zR");
	FDE(0, 20, 0x41, 0x0e, 16);
	FDE(32, 20, 0x41, 0x0e, 24);
	FDE(0x100, 16);
	compile();
	expect(25, ROW_SP, 2, 0);
	expect(51, ROW_SP, 3, 0);
	expect(52, ROW_NONE, 0, 0);
	expect(0xff, ROW_NONE, 0, 0);
	expect(0x100, ROW_SP, 1, 0);
	expect(0x110, ROW_NONE, 0, 0);
}

static void
entries_in_any_order_give_sorted_rows(void **state)
{
	(void)state;
	begin();
	add_usual_cie("zR");
	FDE(0x80, 16, 0x0e, 24);
	FDE(0, 16, 0x0e, 16);
	FDE(0x40, 16, 0x0e, 32);
	compile();
	for (size_t i = 1; i < rows.head->n_rows; i++)
		assert_true(rows.row[i].place > rows.row[i - 1].place);
	expect(0, ROW_SP, 2, 0);
	expect(0x40, ROW_SP, 4, 0);
	expect(0x80, ROW_SP, 3, 0);
}

static void
of_overlapping_entries_the_later_start_wins(void **state)
{
	(void)state;
	begin();
	add_usual_cie("zR");
	FDE(0, 0x100, 0x0e, 16, 0x02, 0x90, 0x0e, 64);
	FDE(0x80, 0x20, 0x0e, 24);
	compile();
	expect(0x7f, ROW_SP, 2, 0);
	expect(0x80, ROW_SP, 3, 0);
	expect(0x9f, ROW_SP, 3, 0);
	expect(0xa0, ROW_NONE, 0, 0);
}

static void
an_entry_point_without_a_table_is_the_root(void **state)
{
	(void)state;
	begin();
	entry_point = CODE + 0x200;
	add_usual_cie("zR");
	FDE(0, 16);
	FDE(0x210, 16);
	compile();
	expect(0x200, ROW_ROOT, 0, 0);
	expect(0x20f, ROW_ROOT, 0, 0);
	expect(0x210, ROW_SP, 1, 0);
}

/* ---- encodings and augmentations */

static void
every_encoding_leads_to_the_same_function(void **state)
{
	static const struct {
		uint8_t encoding, bytes;
		bool relative, leb;
	} forms[] = {
		{ 0x00, 8, false, false }, { 0x03, 4, false, false }, { 0x04, 8, false, false },
		{ 0x0b, 4, false, false }, { 0x0c, 8, false, false }, { 0x1b, 4, true, false },
		{ 0x1c, 8, true, false },  { 0x1a, 2, true, false },  { 0x01, 0, false, true },
		{ 0x09, 0, false, true },
	};
	static const uint8_t program[] = { CIE_PROGRAM };

	(void)state;
	for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++) {
		uint64_t value;
		size_t at;

		begin();
		add_cie("zR", &forms[i].encoding, 1, program, sizeof(program));
		at = eh.len;
		buf_u32(&eh, 0);
		buf_u32(&eh, (uint32_t)(eh.len - cie_at));
		value = CODE + 0x40 - (forms[i].relative ? BASE + EH_AT + eh.len : 0);
		if (forms[i].leb) {
			buf_varint(&eh, value);
			buf_varint(&eh, 16);
		} else {
			buf_add(&eh, &value, forms[i].bytes);
			value = 16;
			buf_add(&eh, &value, forms[i].bytes);
		}
		buf_u8(&eh, 0);
		close_entry(at);
		compile();
		if (used != 1 || row_at(0x40).rule != ROW_SP)
			fail_msg("encoding 0x%02x", forms[i].encoding);
	}
}

static void
personalities_and_lsda_pointers_are_passed_over(void **state)
{
	static const uint8_t data[] = { 0x9b, 1, 2, 3, 4, 0x1b, 0x1b }, program[] = { CIE_PROGRAM };
	size_t at;

	(void)state;
	begin();
	add_cie("zPLR", data, sizeof(data), program, sizeof(program));
	at = eh.len;
	buf_u32(&eh, 0);
	buf_u32(&eh, (uint32_t)(eh.len - cie_at));
	buf_u32(&eh, (uint32_t)(CODE - (BASE + EH_AT + eh.len)));
	buf_u32(&eh, 16);
	buf_u8(&eh, 4);
	buf_u32(&eh, 0x0e0e0e0e);
	buf_add(&eh, (const uint8_t[]){ 0x0e, 32 }, 2);
	close_entry(at);
	compile();
	expect(0, ROW_SP, 4, 0);
}

/* ---- spoiled */

static void
a_file_without_a_table_says_so(void **state)
{
	(void)state;
	begin();
	no_header = true;
	compile();
	assert_int_equal(used, -ENOENT);
}

static void
a_static_program_is_found_by_its_section(void **state)
{
	(void)state;
	begin();
	no_header = with_sections = true;
	add_usual_cie("zR");
	FDE(0, 64, 0x0e, 16);
	compile();
	assert_int_equal(used, 1);
	expect(0, ROW_SP, 2, 0);
}

static void
a_spoiled_program_costs_its_own_function(void **state)
{
	(void)state;
	begin();
	add_usual_cie("zR");
	FDE(0, 64, 0x41, 0x0e, 16, 0x48, 0x3f, 0x0e, 32); /* 3f: no such instruction */
	FDE(64, 64, 0x0e, 24);
	FDE(128, 64, 0x0b);                   /* nothing was remembered */
	FDE(192, 64, 0x0f, 0x90, 0x90, 0x01); /* an expression longer than the entry */
	FDE(256, 64, 0x0e, 40);
	compile();
	assert_int_equal(used, 2);
	expect(1, ROW_SP, 2, 0);
	expect(9, ROW_NONE, 0, 0);
	expect(64, ROW_SP, 3, 0);
	expect(128, ROW_NONE, 0, 0);
	expect(192, ROW_NONE, 0, 0);
	expect(256, ROW_SP, 5, 0);
}

static void
remembering_has_an_end(void **state)
{
	static uint8_t program[200];

	(void)state;
	begin();
	add_usual_cie("zR");
	memset(program, 0x0a, sizeof(program));
	add_fde_bytes(0, 64, program, sizeof(program));
	FDE(64, 64, 0x0e, 24);
	compile();
	assert_int_equal(used, 1);
	expect(64, ROW_SP, 3, 0);
}

static void
an_endless_augmentation_string_costs_its_own_entries(void **state)
{
	size_t good, at;

	(void)state;
	begin();
	add_usual_cie("zR");
	good = cie_at;
	at = cie_at = eh.len;
	buf_u32(&eh, 0);
	buf_u32(&eh, 0);
	buf_u8(&eh, 1);
	for (int i = 0; i < 4000; i++)
		buf_u8(&eh, 'z');
	close_entry(at);
	FDE(0, 64, 0x0e, 16);
	cie_at = good;
	FDE(64, 64, 0x0e, 24);
	compile();
	assert_int_equal(used, 1);
	expect(0, ROW_NONE, 0, 0);
	expect(64, ROW_SP, 3, 0);
}

static void
a_length_past_the_end_ends_the_walk(void **state)
{
	(void)state;
	begin();
	add_usual_cie("zR");
	FDE(0, 64, 0x0e, 16);
	buf_u32(&eh, 0x7fffffff);
	buf_u32(&eh, 0);
	FDE(64, 64, 0x0e, 24);
	compile();
	assert_int_equal(used, 1);
	expect(0, ROW_SP, 2, 0);
	expect(64, ROW_NONE, 0, 0);
}

static void
a_cie_that_is_none_costs_its_own_entries(void **state)
{
	(void)state;
	begin();
	add_usual_cie("zR");
	cie_at += 4; /* into the middle of it */
	FDE(0, 64, 0x0e, 16);
	cie_at = (size_t)-0x10000; /* in front of the section */
	FDE(64, 64, 0x0e, 16);
	cie_at = 0;
	FDE(128, 64, 0x0e, 24);
	compile();
	assert_int_equal(used, 1);
	expect(128, ROW_SP, 3, 0);
}

static void
functions_outside_the_file_are_passed_over(void **state)
{
	(void)state;
	begin();
	add_usual_cie("zR");
	FDE(0x70000000, 64, 0x0e, 16);
	FDE(0, 0xf0000000, 0x0e, 24);
	compile();
	assert_int_equal(used, 1);
	expect(0, ROW_SP, 3, 0);
}

/* Each byte in turn is made something else: nothing is read that is not there (a sanitizer tells). */
static void
any_byte_may_be_wrong(void **state)
{
	static const uint8_t others[] = { 0x00, 0x7f, 0x80, 0xff };
	unsigned char *copy;
	size_t n;

	(void)state;
	begin();
	add_usual_cie("zR");
	FDE(0, 64, 0x41, 0x0e, 16, 0x86, 2, 0x0a, 0x44, 0x0f, 3, 0x76, 0x58, 0x06, 0x41, 0x0b);
	add_usual_cie("zRS");
	FDE(64, 64, 0x02, 8, 0x0e, 24);
	n = eh.len;
	copy = malloc(n);
	memcpy(copy, eh.data, n);
	for (size_t i = 0; i < n * sizeof(others); i++) {
		buf_reset(&eh);
		buf_add(&eh, copy, n);
		eh.data[i / sizeof(others)] = others[i % sizeof(others)];
		compile();
		assert_true(used <= 2);
	}
	free(copy);
}

/* ---- the writer */

static void
rows_come_out_sorted_merged_and_without_repeats(void **state)
{
	struct rows_writer w;

	(void)state;
	forget();
	rows_writer_init(&w);
	rows_writer_add(&w, (struct row){ 0x300, 5, ROW_SP, 0 });
	rows_writer_add(&w, (struct row){ 0x100, 1, ROW_SP, 0 });
	rows_writer_add(&w, (struct row){ 0x200, 1, ROW_SP, 0 });
	rows_writer_add(&w, (struct row){ 0x200, 0, ROW_NONE, 0 }); /* the end of what is before */
	rows_writer_add(&w, (struct row){ 0x300, 7, ROW_SP, 0 });   /* the last one said counts */
	rows_writer_add(&w, (struct row){ 0x400, 0, ROW_NONE, 0 });
	rows_writer_add(&w, (struct row){ 0x500, 0, ROW_NONE, 0 });
	rows_from(&w);
	rows_writer_fini(&w);
	assert_int_equal(rows.head->n_rows, 3);
	assert_int_equal(rows.row[0].place, 0x100);
	assert_int_equal(rows.row[1].place, 0x300);
	assert_int_equal(rows.row[1].cfa, 7);
	assert_int_equal(rows.row[2].place, 0x400);
}

static void
a_full_wide_table_gives_none(void **state)
{
	struct rows_writer w;

	(void)state;
	forget();
	rows_writer_init(&w);
	for (uint32_t i = 0; i <= ROWS_WIDE_MAX; i++)
		assert_int_equal(rows_writer_add_cfa(&w, 0x1000 + i, ROW_SP, 0x1000001 + 2 * i, 0), 0);
	rows_from(&w);
	rows_writer_fini(&w);
	assert_int_equal(rows.head->n_wide, ROWS_WIDE_MAX);
	assert_int_equal(rows.row[ROWS_WIDE_MAX].rule, ROW_NONE);
	assert_int_equal(rows.row[ROWS_WIDE_MAX - 1].rule, ROW_SP_WIDE);
}

/* ---- bounds */

static void
bounds_are_those_of_the_entries(void **state)
{
	struct unwind_bounds *b;
	uint64_t start, end;

	(void)state;
	begin();
	add_usual_cie("zR");
	FDE(0x80, 16);
	FDE(0, 32);
	compile();
	assert_int_equal(unwind_bounds_open(&b, &im, NULL), 0);
	assert_int_equal(unwind_bounds_find(b, CODE + 31, &start, &end), 0);
	assert_int_equal(start, CODE);
	assert_int_equal(end, CODE + 32);
	assert_int_equal(unwind_bounds_find(b, CODE + 32, &start, &end), -ENOENT);
	assert_int_equal(unwind_bounds_find(b, CODE + 0x80, &start, &end), 0);
	assert_int_equal(start, CODE + 0x80);
	assert_int_equal(unwind_bounds_find(b, CODE - 1, &start, &end), -ENOENT);
	assert_int_equal(unwind_bounds_find(NULL, CODE, &start, &end), -ENOENT);
	unwind_bounds_free(b);
	unwind_bounds_free(NULL);
}

/* ---- libdw as the judge, over all of libc */

static bool
same_cfa(const struct row *row, const Dwarf_Op *ops, size_t n)
{
	int64_t offset = 8 * (int64_t)row->cfa;
	uint64_t reg = row->rule == ROW_FP || row->rule == ROW_FP_WIDE ? 6 : 7;

	switch (row->rule) {
	case ROW_NONE: /* a rule that rows cannot say; counted elsewhere */
	case ROW_PLT:
	case ROW_SP_DEREF:
	case ROW_FP_DEREF:
		return true;
	case ROW_SP_WIDE:
	case ROW_FP_WIDE:
		offset = rows.wide[(uint16_t)row->cfa];
		break;
	case ROW_REG:
		reg = (uint64_t)(row->cfa >> 8);
		offset = 8 * (int8_t)row->cfa;
		break;
	default:
		break;
	}
	if (n == 1 && ops[0].atom == DW_OP_bregx)
		return ops[0].number == reg && (int64_t)ops[0].number2 == offset;
	return n == 1 && ops[0].atom == DW_OP_breg0 + reg && (int64_t)ops[0].number == offset;
}

static bool
same_fp(const struct row *row, Dwarf_Frame *frame)
{
	Dwarf_Op mem[3], *ops;
	int64_t offset;
	size_t n;

	if (row->rule == ROW_NONE || row->fp == ROW_FP_HERE ||
	    dwarf_frame_register(frame, 6, mem, &ops, &n) < 0)
		return true;
	if (n == 0)
		return row->fp == (ops ? ROW_FP_LOST : ROW_FP_SAME);
	if (ops[0].atom != DW_OP_call_frame_cfa || (n > 1 && ops[1].atom != DW_OP_plus_uconst))
		return row->fp == ROW_FP_LOST;
	offset = n > 1 ? (int64_t)ops[1].number : 0;
	if (row->rule == ROW_SP && row->fp == ROW_FP_SAME)
		return -offset > 8 * row->cfa; /* popped */
	return offset == -8 * (int64_t)row->fp;
}

static void
compare_segment(Dwarf_CFI *cfi, const struct image_segment *s, size_t *compared, size_t *none)
{
	Dwarf_Addr start, end;
	Dwarf_Frame *frame;

	for (uint64_t addr = s->vaddr; addr < s->vaddr + s->filesz; addr = end) {
		const struct row *row;
		uint64_t row_end;
		Dwarf_Op *ops;
		bool signal;
		size_t n;

		end = addr + 1;
		if (dwarf_cfi_addrframe(cfi, addr, &frame) != 0)
			continue;
		dwarf_frame_info(frame, &start, &end, &signal);
		row = rows_find(&rows, s->offset + (addr - s->vaddr), &row_end);
		assert_non_null(row);
		if (signal)
			assert_int_equal(row->rule, ROW_SIGNAL);
		else if (row->rule != ROW_ROOT && dwarf_frame_cfa(frame, &ops, &n) == 0 &&
			 (!same_cfa(row, ops, n) || !same_fp(row, frame)))
			fail_msg("at 0x%lx: rule %d cfa %d fp %d", (long)addr, row->rule, row->cfa,
				 row->fp);
		(*compared)++;
		*none += row->rule == ROW_NONE;
		free(frame);
	}
}

static const char *
path_of_libc(void)
{
	static char path[4096];
	char line[4200];
	FILE *f = fopen("/proc/self/maps", "re");

	while (f && fgets(line, sizeof(line), f))
		if (strstr(line, "/libc.so") && sscanf(line, "%*s %*s %*s %*s %*s %4095s", path) == 1)
			break;
	if (f)
		fclose(f);
	return path;
}

static void
the_rows_of_libc_say_what_libdw_says(void **state)
{
	size_t compared = 0, none = 0;
	struct rows_writer w;
	struct err why;
	Dwarf_CFI *cfi;
	Elf *elf;
	int fd;

	(void)state;
	forget();
	fd = open(path_of_libc(), O_RDONLY);
	if (fd < 0 || image_open(&im, fd, &why) < 0)
		skip(); /* linked statically */
	rows_writer_init(&w);
	assert_true(unwind_rows(&im, &w, &why) > 1000);
	rows_from(&w);
	rows_writer_fini(&w);
	elf_version(EV_CURRENT);
	elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
	cfi = dwarf_getcfi_elf(elf);
	assert_non_null(cfi);
	for (size_t i = 0; i < im.n_segments; i++)
		if (im.segments[i].type == PT_LOAD && (im.segments[i].flags & PF_X))
			compare_segment(cfi, &im.segments[i], &compared, &none);
	assert_true(compared > 10000);
	assert_true(none * 1000 < compared);
	dwarf_cfi_end(cfi);
	elf_end(elf);
	close(fd);
}

static int
clean_up(void **state)
{
	(void)state;
	forget();
	buf_fini(&eh);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_function_that_pushes_and_pops),
		cmocka_unit_test(a_frame_pointer_carries_the_cfa),
		cmocka_unit_test(a_register_popped_at_the_return_is_back),
		cmocka_unit_test(remembered_states_come_back_whole),
		cmocka_unit_test(every_way_to_advance_is_understood),
		cmocka_unit_test(every_instruction_is_passed_over_right),
		cmocka_unit_test(a_realigned_stack_is_followed),
		cmocka_unit_test(assembly_that_keeps_the_old_sp_is_followed),
		cmocka_unit_test(the_plt_is_one_row),
		cmocka_unit_test(a_signal_trampoline_is_known_by_its_letter),
		cmocka_unit_test(an_undefined_return_address_is_the_root),
		cmocka_unit_test(what_no_rule_can_say_is_none),
		cmocka_unit_test(large_and_odd_frames_are_wide),
		cmocka_unit_test(padding_needs_no_row_but_a_gap_does),
		cmocka_unit_test(entries_in_any_order_give_sorted_rows),
		cmocka_unit_test(of_overlapping_entries_the_later_start_wins),
		cmocka_unit_test(an_entry_point_without_a_table_is_the_root),
		cmocka_unit_test(every_encoding_leads_to_the_same_function),
		cmocka_unit_test(personalities_and_lsda_pointers_are_passed_over),
		cmocka_unit_test(a_file_without_a_table_says_so),
		cmocka_unit_test(a_static_program_is_found_by_its_section),
		cmocka_unit_test(a_spoiled_program_costs_its_own_function),
		cmocka_unit_test(remembering_has_an_end),
		cmocka_unit_test(an_endless_augmentation_string_costs_its_own_entries),
		cmocka_unit_test(a_length_past_the_end_ends_the_walk),
		cmocka_unit_test(a_cie_that_is_none_costs_its_own_entries),
		cmocka_unit_test(functions_outside_the_file_are_passed_over),
		cmocka_unit_test(any_byte_may_be_wrong),
		cmocka_unit_test(rows_come_out_sorted_merged_and_without_repeats),
		cmocka_unit_test(a_full_wide_table_gives_none),
		cmocka_unit_test(bounds_are_those_of_the_entries),
		cmocka_unit_test(the_rows_of_libc_say_what_libdw_says),
	};

	return cmocka_run_group_tests(tests, NULL, clean_up);
}
