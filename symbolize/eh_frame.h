/*
 * eh_frame.h - the entries of .eh_frame, one after the other.
 *
 * The section is found as the process itself finds it, through the program
 * header PT_GNU_EH_FRAME, and walked from its start (LSB 5.0 core, 10.6; DWARF 5,
 * 6.4.1). The search table of .eh_frame_hdr is not used: it is a copy, and may
 * differ. Static programs may have no such header (their start code registers
 * the section by its address): only then the section headers are asked. An entry
 * that makes no sense is passed over; only an impossible length ends the walk,
 * because nothing says where the next entry would begin.
 */
#ifndef PPD_SYMBOLIZE_EH_FRAME_H
#define PPD_SYMBOLIZE_EH_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "symbolize/image.h"

/* How an address is stored (LSB 5.0 core, 10.5.1). */
#define EH_PE_OMIT 0xffu

/* Common Information Entry: what many functions share. */
struct eh_cie {
	uint64_t code_align;
	int64_t data_align;
	uint64_t return_column; /* the register column of the return address */
	uint8_t encoding;       /* of addresses in its FDEs */
	bool sized;             /* FDEs carry a length of augmentation data ('z') */
	bool signal;            /* signal trampolines ('S') */
	struct cur program;     /* initial instructions, into the image */
};

/* Frame Description Entry: one function, or a part of one. */
struct eh_fde {
	uint64_t start, size; /* link-time addresses; start + size does not wrap */
	const struct eh_cie *cie; /* the reader's; valid until its next call */
	size_t cie_at;            /* which one: offset in the section */
	struct cur program;       /* instructions, into the image */
};

struct eh_frame {
	const unsigned char *data; /* the section in the image, up to its segment's end */
	size_t bytes;
	uint64_t vaddr;            /* of data */
	size_t at;                 /* the next entry's offset */
	struct eh_cie cie;         /* the last one read */
	size_t cie_at;             /* its offset, SIZE_MAX: none */
};

/* Find the section. The image must stay open. Returns 0, -ENOENT (none) or -EBADMSG (the program
 * header leads nowhere), with the reason. */
int eh_frame_open(struct eh_frame *f, const struct image *im, struct err *why);

/* The next FDE that makes sense; *at is its offset, for eh_frame_read(). Returns 1, or 0 at
 * the end. */
int eh_frame_next(struct eh_frame *f, struct eh_fde *fde, size_t *at);

/* The FDE at an offset that eh_frame_next() gave. Returns 0 or -EBADMSG. */
int eh_frame_read(struct eh_frame *f, size_t at, struct eh_fde *fde);

/* An address in one of the section's encodings; marks the cursor where it is bad. */
uint64_t eh_frame_address(const struct eh_frame *f, struct cur *c, uint8_t encoding);

/* DWARF 5, 7.6. Values over 64 bits mark the cursor. */
uint64_t eh_uleb(struct cur *c);
int64_t eh_sleb(struct cur *c);

/* One function's place in the section, for those who want the entries in address order. */
struct eh_entry {
	uint64_t start, size;
	size_t at; /* for eh_frame_read() */
};

/* All entries, sorted by start, overlaps cut: each ends where the next begins at the latest.
 * *out is the caller's to free(). Returns the count, or -ENOMEM with the reason. */
int eh_frame_entries(struct eh_frame *f, struct eh_entry **out, struct err *why);

#endif
