/*
 * go_rows.h - Go's tables of stack sizes, compiled into unwind rows (x86-64).
 *
 * pcsp says by how much the stack pointer stands below its value at entry, so
 * CFA = sp + pcsp + 8. A function with a frame saves the caller's rbp right
 * below the return address (Go's cmd/internal/obj/x86/obj6.go); whether one
 * does is read from the instruction behind the one that makes the frame.
 *
 * Assembly that leaves its stack has rules of its own, by name:
 *   - systemstack, asmcgocall, cgocallback and the callers of the vdso keep rbp
 *     pointing at their frame while they are on another stack: ROW_SWITCH, the
 *     walk goes on there. (Before Go 1.21 systemstack and asmcgocall have no
 *     frame, and rbp is their caller's: ROW_SWITCH with cfa 0.)
 *   - mcall, morestack and gogo leave nothing but the runtime's own records
 *     behind: roots. For Go's own tracebacks mcall and gogo are, too.
 *   - what returns to sigreturn was called by the kernel: ROW_SIGNAL.
 *   - other code that writes the stack pointer (the linker marks it): ROW_NONE.
 */
#ifndef PPD_SYMBOLIZE_GO_ROWS_H
#define PPD_SYMBOLIZE_GO_ROWS_H

#include "base/err.h"
#include "symbolize/go_module.h"
#include "symbolize/rows_writer.h"

/* Returns functions used, or -errno (-ENOTSUP: not x86-64; -ENOMEM; -EFBIG). */
int go_rows(const struct go_module *m, struct rows_writer *w, struct err *why);

#endif
