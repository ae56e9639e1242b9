/*
 * answer.h - what is said of one place: its frames, in words that people read.
 *
 * The child makes answers and encodes them for WIRE_NAMES (base/wire.h); the
 * parent only finds out where one ends.
 */
#ifndef PPD_SYMBOLIZE_ANSWER_H
#define PPD_SYMBOLIZE_ANSWER_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/wire.h"
#include "symbolize/chain.h"

/* Bytes of a WIRE_NAMES body before its first answer: u64 object, u16 n. */
#define ANSWER_HEAD 10
/* The largest answer that fits one message. */
#define ANSWER_MAX (WIRE_BODY_MAX - ANSWER_HEAD)

struct answer_frame {
	const char *name;        /* the short, demangled name; never NULL */
	const char *system_name; /* as the file has it; never NULL */
	const char *file;        /* "" when unknown; never NULL */
	uint32_t line;
	uint32_t start_line;
};

struct answer {
	uint64_t place;              /* what was asked */
	uint64_t vaddr;              /* its link-time address */
	uint64_t entry;              /* of the physical function; 0: unknown */
	uint8_t flags;               /* WIRE_ANSWER_* */
	uint32_t n;                  /* frames, at least 1, at most CHAIN_MAX */
	struct answer_frame *frames; /* innermost first; in the request's arena */
};

/*
 * Append the answer. Strings longer than CHAIN_STRING_MAX are cut, and of an answer that would
 * not fit ANSWER_MAX the innermost frames are left out. Returns bytes appended, or -ENOMEM.
 */
int answer_encode(struct buf *b, const struct answer *a);

/* An encoded answer, as far as the parent looks into it. */
struct answer_head {
	uint64_t place;
	uint64_t vaddr;
	uint8_t flags;
	const void *bytes; /* the whole answer, borrowed */
	size_t n;
};

/* Read one answer; its frames are stepped over. Returns 0 or -EBADMSG. */
int answer_head(struct cur *c, struct answer_head *out);

#endif
