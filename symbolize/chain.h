/*
 * chain.h - an address and the calls that stand there, inlined ones included.
 *
 * Every symbol source answers in this form.
 */
#ifndef PPD_SYMBOLIZE_CHAIN_H
#define PPD_SYMBOLIZE_CHAIN_H

#include <stdint.h>

#define CHAIN_MAX 200        /* frames an address may have; deeper inlining is cut at the inside */
#define CHAIN_STRING_MAX 4096 /* bytes of one name or file name; longer ones are cut */

struct frame {
	const char *name;    /* as the file has it (mangled, or a source name); NULL: unknown.
	                      * Lives as long as its source, or in the request's arena. */
	const char *file;    /* NULL: unknown; else absolute where the file says so */
	uint32_t line;       /* 0: unknown */
	uint32_t start_line; /* where the function is declared; 0: unknown */
};

struct chain {
	uint64_t vaddr;       /* what was asked: a link-time address */
	uint64_t entry;       /* the first instruction of the physical function; 0: unknown */
	struct frame *frames; /* innermost inlined call first, the physical function last;
	                       * in the request's arena */
	uint32_t n;           /* 0: this source knows nothing of the address */
	uint32_t flags;       /* WIRE_ANSWER_* (base/wire.h) */
};

#endif
