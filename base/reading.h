/*
 * reading.h - what was read in a Go node's memory, in one file.
 *
 * A jailed child of the symbolizer reads the runtime's own records (buckets of
 * the heap, block and mutex profiles, goroutines, threads) and writes them into
 * a memfd; whoever asked gets the sealed descriptor. As with rows.h nobody
 * trusts it: reading_open() checks every offset and index once, and what is
 * wrong in it can only be a wrong number.
 *
 * The file: struct reading_head, then its arrays, each at a multiple of 8 bytes.
 * Strings are referred to by their index; string 0 is "". Stacks follow each other in pcs
 * without gaps or overlaps, as label sets in labels and strings in string_bytes do: so
 * what a reading holds is never more than its bytes.
 */
#ifndef PPD_BASE_READING_H
#define PPD_BASE_READING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define READING_MAGIC 0x31444752u       /* "RGD1" */
#define READING_BYTES_MAX (512ull << 20) /* what one reading may write */
#define READING_STACK_MAX 4096u          /* pcs of a stack */
#define READING_LABELS_MAX 1024u         /* of a set */
#define READING_STRING_MAX 65535u        /* bytes */

enum reading_kind {
	READING_HEAP,          /* buckets; also what "allocs" shows */
	READING_BLOCK,         /* buckets */
	READING_MUTEX,         /* buckets */
	READING_GOROUTINE,     /* goroutines */
	READING_LEAK,          /* goroutines that the runtime found leaked (Go 1.26 and later) */
	READING_THREADCREATE,  /* buckets: one a thread, values[0] = 1 */
	READING_BLOCK_ESTIMATE, /* buckets, made of parked goroutines seen again and again */
	READING_RATES,         /* a bucket for each of heap, block and mutex, without stack: size: where its
	                        * rate is (0: not found), values[0]: the rate, values[1]: is it in the
	                        * executable's writable memory? */
	READING_KINDS
};

/* ---- pcs. As the runtime stores them (a caller's is its return address), and these bits. */
#define READING_PC_IMPLIED (1ull << 63) /* an inlined call's outer frame: stands in the chain of
                                         * the pc in front of it; one of Go's texts' lines,
                                         * but no location of a protobuf */
#define READING_PC_EXACT (1ull << 62)   /* names are looked up at pc itself, not at pc - 1 (where a
                                         * signal stopped it, or at a function's entry; the
                                         * runtime's own profiles show such a pc as pc + 1) */
#define READING_PC_LEFT_OUT (1ull << 61) /* no pc: so many frames that Go's texts print stand here, in
                                         * the middle of a very deep stack, and are not kept */
#define READING_PC(word) ((word) & ((1ull << 61) - 1))

struct reading_stack {
	uint32_t first; /* in pcs; leaf first */
	uint32_t n;
};

/*
 * values: heap: alloc objects, alloc bytes, free objects, free bytes, as the runtime counts
 * samples (not scaled); block and mutex: contentions, cycles (all unscaled, as stored).
 */
struct reading_bucket {
	uint32_t stack;
	uint32_t labels; /* set; 0: none */
	uint64_t size;   /* heap: bytes of the block */
	int64_t values[4];
};

#define READING_G_SYSTEM 1u   /* the runtime's own: the profile leaves it out */
#define READING_G_LOCKED 2u   /* to its thread */
#define READING_G_RUNNING 4u  /* its thread was running it */
#define READING_G_UNREAD 8u   /* its stack could not be had; `stack` is what is known */
#define READING_G_LEAKED 16u

struct reading_goroutine {
	uint64_t goid;
	uint64_t parent;     /* goid of the creator; 0: unknown */
	uint64_t creator_pc; /* the go statement's return address (g.gopc); 0: none */
	uint64_t wait_ns;    /* how long it has waited; 0: unknown, or less than the runtime knows */
	uint32_t stack;
	uint32_t labels; /* set; 0: none */
	uint32_t state;  /* string, as the runtime's traceback calls it: "chan receive", "running" */
	uint32_t tid;    /* READING_G_RUNNING or in a system call: its thread; 0: none */
	uint32_t flags;  /* READING_G_* */
	uint32_t bubble; /* number of its testing/synctest bubble; 0: none */
};

struct reading_label_set {
	uint32_t first; /* in labels */
	uint32_t n;
};

struct reading_label {
	uint32_t key, value; /* strings */
};

struct reading_string {
	uint32_t first; /* in bytes */
	uint32_t n;
};

struct reading_span {
	uint64_t at; /* bytes from the file's beginning; a multiple of 8 */
	uint64_t n;  /* elements */
};

struct reading_head {
	uint32_t magic;
	uint32_t kind;        /* enum reading_kind */
	uint64_t bytes;       /* the whole file */
	uint64_t unix_ns;     /* when it was read: its end */
	uint64_t took_ns;
	int64_t rate;         /* heap: MemProfileRate in bytes; block: blockprofilerate in cycles;
	                       * mutex: the fraction; -1: not found */
	uint64_t rate_address; /* in the node; 0: not found, or the votes do not agree */
	double ticks_per_second; /* of the cycles; 0: unknown */
	uint32_t go_minor;    /* 21: Go 1.21 */
	uint32_t version;     /* string: "go1.21.13" */
	uint32_t gomaxprocs;  /* 0: unknown */
	uint32_t num_gc;      /* 0: unknown */
	uint64_t skipped;     /* goroutines: of the system's own, left out */
	uint64_t unread;      /* goroutines without a stack that is sure */
	struct reading_span pcs;        /* uint64_t */
	struct reading_span stacks;     /* struct reading_stack */
	struct reading_span buckets;    /* struct reading_bucket */
	struct reading_span goroutines; /* struct reading_goroutine */
	struct reading_span label_sets; /* struct reading_label_set; set 0 is empty */
	struct reading_span labels;     /* struct reading_label */
	struct reading_span strings;    /* struct reading_string */
	struct reading_span string_bytes; /* unsigned char */
	struct reading_span notes;      /* uint32_t: strings, a sentence each, for the comments */
};

/* A reading as its user holds it. */
struct reading {
	const struct reading_head *head; /* the mapping; owned */
	size_t mapped;
	const uint64_t *pcs;
	const struct reading_stack *stacks;
	const struct reading_bucket *buckets;
	const struct reading_goroutine *goroutines;
	const struct reading_label_set *label_sets;
	const struct reading_label *labels;
	const struct reading_string *strings;
	const char *string_bytes;
	const uint32_t *notes;
};

/*
 * Map a sealed memfd (F_SEAL_SHRINK, F_SEAL_GROW and F_SEAL_WRITE must be set) and check all of it.
 * The descriptor stays the caller's. Returns 0, or -errno with the reason (-EBADMSG: not a reading).
 */
int reading_open(struct reading *r, int fd, struct err *why);
void reading_close(struct reading *r);

/* A string's bytes and length; not NUL-terminated, any bytes. */
const char *reading_string(const struct reading *r, uint32_t string, size_t *n);

#endif
