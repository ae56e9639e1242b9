/*
 * cfi_program.h - run call-frame instructions (DWARF 5, 6.4.2).
 *
 * Only three columns of the table are kept, those that unwinding needs: the
 * canonical frame address, the caller's frame pointer (rbp), and the return
 * address. All instructions are understood, so that the rest is skipped right.
 */
#ifndef PPD_SYMBOLIZE_CFI_PROGRAM_H
#define PPD_SYMBOLIZE_CFI_PROGRAM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "symbolize/eh_frame.h"

#define CFI_FP 6 /* rbp's DWARF number (psABI x86-64, figure 3.36) */

enum cfi_how {
	CFI_SAME,      /* unchanged, or never mentioned */
	CFI_UNDEFINED, /* lost; of the return address: there is no caller */
	CFI_OFFSET,    /* saved at CFA + offset */
	CFI_EXPR,      /* saved at the address that `expr` computes */
	CFI_OTHER,     /* in another register, or a computed value */
};

struct cfi_rule {
	enum cfi_how how;
	int64_t offset;
	struct cur expr; /* into the image */
};

struct cfi_state {
	bool cfa_expr;       /* CFA is computed by `cfa` */
	uint64_t cfa_reg;    /* else it is this register ... */
	int64_t cfa_offset;  /* ... plus bytes */
	struct cur cfa;
	struct cfi_rule fp, ra;
};

#define CFI_REMEMBER_MAX 32 /* DW_CFA_remember_state in a row; compilers nest two or three */

/* Runs programs; remembers what the last CIE's initial instructions gave. */
struct cfi_machine {
	const struct eh_frame *section; /* borrowed */
	size_t cie_at;                  /* whose state `initial` is; SIZE_MAX: none */
	bool cie_bad;
	struct cfi_state initial;
	struct cfi_state now;
	struct cfi_state saved[CFI_REMEMBER_MAX];
	unsigned int n_saved;
};

void cfi_machine_init(struct cfi_machine *m, const struct eh_frame *section);

/* `now` holds from the address on. Returns 0, or -errno to stop. */
typedef int cfi_emit(void *ctx, uint64_t vaddr, const struct cfi_state *now);

/*
 * Call emit for each part of the function, in address order, the first at its start. Returns
 * 0, emit's error, or -EBADMSG for a spoiled program: what was emitted before is right up to
 * the address in *end, which is one past the last byte covered.
 */
int cfi_run(struct cfi_machine *m, const struct eh_fde *fde, cfi_emit *emit, void *ctx, uint64_t *end);

#endif
