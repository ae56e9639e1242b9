/*
 * dwarf_lines.h - the rows of a line program around the addresses asked for.
 *
 * A line program (DWARF 2-5, chapter 6.2) is run once from end to end; no table
 * is built of it. Pure: bytes in, rows out, so a test or a fuzzer needs no file.
 */
#ifndef PPD_SYMBOLIZE_DWARF_LINES_H
#define PPD_SYMBOLIZE_DWARF_LINES_H

#include <stddef.h>
#include <stdint.h>

#include "symbolize/dwarf_bytes.h"

/* Files (and directories) one program may name. */
#define DWARF_LINES_FILES_MAX (1u << 20)

/* Where a program and its strings are; all borrowed. */
struct dwarf_lines_in {
	struct dwarf_span line;        /* .debug_line */
	struct dwarf_span line_str;    /* .debug_line_str */
	struct dwarf_span str;         /* .debug_str */
	struct dwarf_span str_offsets; /* .debug_str_offsets from the unit's base on */
	uint64_t offset;               /* of the program in `line` */
};

struct dwarf_lines_file {
	const char *name; /* borrowed from a section; NULL: not readable */
	uint32_t dir;     /* index as the program has it */
};

struct dwarf_lines {
	struct dwarf_lines_in in;
	uint8_t offset_bytes; /* 4 or 8 */
	uint16_t version;
	uint8_t min_inst; /* bytes an operation advance counts in */
	uint8_t max_ops;  /* operations in a (VLIW) instruction */
	int8_t line_base;
	uint8_t line_range;
	uint8_t opcode_base;
	const unsigned char *opcode_lengths; /* borrowed; opcode_base - 1 of them */
	struct dwarf_span program;
	struct dwarf_lines_file *dirs;  /* owned */
	struct dwarf_lines_file *files; /* owned */
	size_t n_dirs, n_files;
};

struct dwarf_lines_row {
	uint64_t high; /* end of the sequence it came from; 0: no row covers the address */
	uint32_t file; /* for dwarf_lines_path() */
	uint32_t line; /* 0: the compiler knows none */
};

/* Read a program's header. Returns 0, or -EBADMSG or -ENOMEM (nothing is then owned). */
int dwarf_lines_open(struct dwarf_lines *l, const struct dwarf_lines_in *in);
void dwarf_lines_close(struct dwarf_lines *l);

/*
 * Run the program. addrs[n] is sorted; rows[i] becomes the last row at or below addrs[i] in
 * the sequence that holds it (where several do: the one that ends first), as llvm-symbolizer
 * chooses. Sequences of functions that the linker dropped (at 0 or at -1) are left out.
 * Returns 0, or -ENOMEM.
 */
int dwarf_lines_find(struct dwarf_lines *l, const uint64_t *addrs, struct dwarf_lines_row *rows, size_t n);

/*
 * The path of a file: directory of the compilation (may be NULL), directory and name, as far
 * as each is relative. Returns its length (cut to size - 1), or 0 when there is no such file.
 */
size_t dwarf_lines_path(const struct dwarf_lines *l, uint32_t file, const char *comp_dir, char *buf,
			size_t size);

#endif
