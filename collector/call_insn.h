/*
 * call_insn.h - is there a call instruction just before this address?
 *
 * A word on the stack that points behind a call may be a return address; where
 * the call goes says whose. x86-64 only (Intel SDM volume 2, CALL and JMP).
 */
#ifndef PPD_COLLECTOR_CALL_INSN_H
#define PPD_COLLECTOR_CALL_INSN_H

#include <stddef.h>
#include <stdint.h>

#define CALL_INSN_MAX 7  /* bytes of the longest form that counts, without prefixes */
#define CALL_STUB_MAX 16 /* bytes to give to call_stub_slot() */

enum call_insn {
	CALL_NONE,
	CALL_DIRECT,   /* to *where */
	CALL_SLOT,     /* to what the word at *where holds: call *disp(%rip) */
	CALL_ANYWHERE, /* through a register or other memory */
};

/*
 * `before`: the CALL_INSN_MAX bytes in front of ret. Code can be read backwards in more than
 * one way, so there are two questions: call rel32 (CALL_DIRECT or CALL_NONE), and the others.
 */
enum call_insn call_insn_direct(const unsigned char *before, uint64_t ret, uint64_t *where);
enum call_insn call_insn_indirect(const unsigned char *before, uint64_t ret, uint64_t *where);

/* Is the code at `at` a PLT stub, a jump through a word? Returns that word's address, or 0. */
uint64_t call_stub_slot(const unsigned char *code, size_t n, uint64_t at);

/* The first jump that may leave the function, at code[*i] or behind: e9 rel32 (CALL_DIRECT, to
 * *where), or one through a register or memory (CALL_ANYWHERE). Bytes are looked at one by one, so
 * what is found may be a part of another instruction. *i is set to it; CALL_NONE: no more. */
enum call_insn call_next_jump(const unsigned char *code, size_t n, uint64_t at, size_t *i, uint64_t *where);

/* Is the code a signal trampoline: mov $__NR_rt_sigreturn, %eax or %rax; syscall? */
int call_is_sigreturn(const unsigned char *code, size_t n);

/* Does the code soon end the thread: mov $__NR_exit, %al or %eax; syscall? */
int call_is_exit(const unsigned char *code, size_t n);

#endif
