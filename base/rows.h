/*
 * rows.h - unwind rows: how to get from a frame to its caller, by file offset.
 *
 * A jailed child of the symbolizer compiles an object's call-frame information
 * (.eh_frame, .debug_frame, or Go's pcsp tables) into rows and writes them into
 * a memfd; the collector maps it and looks rows up for the stacks it samples.
 * The collector does not trust them: rows_open() checks the shape once, and a
 * wrong row can only give a wrong frame, never a bad access.
 *
 * Places are offsets in the file, not addresses, so that the collector needs to
 * know nothing about ELF. A row holds from its place up to the next row's.
 *
 * The file: struct rows_head, rows[n_rows] sorted by place, wide[n_wide].
 * x86-64: the return address is at CFA - 8, the caller's stack pointer is CFA.
 */
#ifndef PPD_BASE_ROWS_H
#define PPD_BASE_ROWS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define ROWS_MAGIC 0x31524f57u  /* "WOR1" */
#define ROWS_MAX (64u << 20)    /* rows an object may have */
#define ROWS_WIDE_MAX 65535u

#define ROWS_GO 1u /* made of Go's tables; where no row covers, follow frame pointers */

struct rows_head {
	uint32_t magic;
	uint32_t flags;  /* ROWS_* */
	uint32_t n_rows;
	uint32_t n_wide;
};

/* How the canonical frame address (DWARF 6.4) is computed. */
enum row_rule {
	ROW_NONE,     /* nothing is known about this code */
	ROW_SP,       /* CFA = sp + 8 * cfa */
	ROW_FP,       /* CFA = fp + 8 * cfa */
	ROW_FP_DEREF, /* CFA = *(fp + 8 * (cfa >> 4)) + 8 * (cfa & 15): a function that realigns
	               * its stack keeps the old one's address (gcc does) */
	ROW_SP_DEREF, /* the same from sp (assembly of OpenSSL, libgcrypt) */
	ROW_REG,      /* CFA = register (cfa >> 8, DWARF number) + 8 * (int8_t)cfa; only in the
	               * leaf, where all registers are known */
	ROW_SP_WIDE,  /* CFA = sp + wide[(uint16_t)cfa], bytes */
	ROW_FP_WIDE,  /* CFA = fp + wide[(uint16_t)cfa], bytes */
	ROW_PLT,      /* CFA = sp + 8 + (8 if (place & 15) >= cfa): lazy PLT entry */
	ROW_SIGNAL,   /* a signal trampoline: sp points at the kernel's ucontext */
	ROW_ROOT,     /* there is no caller */
	ROW_SWITCH,   /* CFA = fp + 8 * cfa, and that may be on another stack than sp (Go's systemstack
	               * and the like). cfa 0: this code has no frame, fp is its caller's: the
	               * return address is the nearest word below fp that is one and whose own row
	               * gives CFA = fp + 16; where none is, the frame that fp points at is left */
	ROW_RULES
};

#define ROW_FP_SAME 0    /* the caller's frame pointer is in the register still */
#define ROW_FP_HERE 254  /* saved where the frame pointer points to: *fp */
#define ROW_FP_LOST 255  /* it is nowhere that a row can say */

struct row {
	uint32_t place;   /* first byte that the row covers, offset in the file */
	int16_t cfa;      /* see enum row_rule */
	uint8_t rule;     /* enum row_rule */
	uint8_t fp;       /* ROW_FP_*, or k: saved at CFA - 8 * k */
};

/* Rows as the collector holds them. */
struct rows {
	const struct rows_head *head; /* the mapping; owned */
	size_t bytes;                 /* its length */
	const struct row *row;        /* head->n_rows of them */
	const int32_t *wide;          /* head->n_wide of them */
};

/*
 * Map a sealed memfd of rows (F_SEAL_SHRINK, F_SEAL_GROW and F_SEAL_WRITE must be set, so
 * that the writer can change nothing afterwards). The descriptor stays the caller's.
 * Returns 0, or -errno with the reason in *why (-EBADMSG: not rows).
 */
int rows_open(struct rows *r, int fd, struct err *why);
void rows_close(struct rows *r);

/* The row that covers `place`, or NULL. *end: one past the last place that it covers. */
const struct row *rows_find(const struct rows *r, uint64_t place, uint64_t *end);

#endif
