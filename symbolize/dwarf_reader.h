/*
 * dwarf_reader.h - an open object, as dwarf.c keeps it and dwarf_names.c reads it.
 */
#ifndef PPD_SYMBOLIZE_DWARF_READER_H
#define PPD_SYMBOLIZE_DWARF_READER_H

#include <stddef.h>
#include <stdint.h>

#include "symbolize/dwarf.h"
#include "symbolize/dwarf_sections.h"
#include "symbolize/dwarf_units.h"

struct dwarf_reader {
	struct dwarf_sections sections;
	struct dwarf_sections alt;     /* of .gnu_debugaltlink; made of nothing when there is none */
	struct dwarf_sections package; /* a .dwp, once one has come */
	struct dwarf_units units;
	struct dwarf_files files;
	size_t splits; /* split files open */
	size_t funcs;  /* function ranges kept */
	uint64_t read; /* bytes read (about) whose pages are still here */
};

#endif
