/*
 * A Go program's memory: whatever stands in place of the runtime's structures, a reading is refused, or is
 * one that reading_open() takes. Two bytes say the version and what to read; then come the variables
 * (BYTES_VARS), and the heap. Buckets get the hash that they should have, or nothing behind that would ever
 * be reached.
 */
#include "config.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/reading.h"
#include "symbolize/go_bucket.h"
#include "symbolize/go_buckets.h"
#include "symbolize/go_expand.h"
#include "symbolize/go_goroutines.h"
#include "symbolize/go_roots.h"
#include "symbolize/go_threads.h"
#include "tests/unit/fake_memory.h"
#include "tests/unit/go_maker.h"

/* Small addresses: pointers that two bytes make. */
#define VARS       0x40000u
#define HEAP       0x10000u
#define VARS_BYTES 256u
#define HEAP_BYTES 0x10000u
#define BUCKETS    VARS /* three words */
#define RATES      (VARS + 32)
#define CYCLE      (VARS + 56)
#define ALLGS      (VARS + 64)
#define ALLM       (VARS + 96)
#define TICKS      (VARS + 104)
#define PROCS      (VARS + 112)
#define DEPTH      (VARS + 120)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct go_made_func funcs[] = {
	{ "runtime.goexit", .flag = 1, .sp = { { 0, 0x100 } } },
	{ "runtime.main", .sp = { { 0, 16 }, { 24, 0xf0 } } },
	{ "main.outer", .sp = { { 0, 16 }, { 40, 0xf0 } },
	  .inlined = { { -1, 64 }, { 1, 64 }, { 0, 64 }, { -1, 64 } },
	  .calls = { { "main.in1", 20, 0 }, { "main.in2", 160, GO_MADE_WRAPPER } } },
	{ "main.ring", .sp = { { 8, 0x100 } }, .inlined = { { 0, 0x100 } },
	  .calls = { { "main.again", 8, 0 } } },
	{ "runtime.gopark", .sp = { { 0, 16 }, { 16, 0xf0 } } },
};

static const enum reading_kind kinds[] = { READING_HEAP,         READING_BLOCK,     READING_MUTEX,
					   READING_THREADCREATE, READING_GOROUTINE, READING_LEAK };

static void
fix_hashes(unsigned char *heap, size_t n)
{
	for (size_t at = 0; at + GO_BUCKET_HEAD <= n; at += 8) {
		struct go_bucket b;
		uint64_t h = 0, pc;

		memcpy(&b, heap + at, sizeof(b));
		if (!go_bucket_makes_sense(&b) || b.n_pcs == 0 || b.n_pcs * 8 > n - at - GO_BUCKET_HEAD)
			continue;
		for (uint64_t i = 0; i < b.n_pcs; i++) {
			memcpy(&pc, heap + at + GO_BUCKET_HEAD + 8 * i, sizeof(pc));
			h += pc;
			h += h << 10;
			h ^= h >> 6;
		}
		h += b.size;
		h += h << 10;
		h ^= h >> 6;
		h += h << 3;
		b.hash = h ^ h >> 11;
		memcpy(heap + at, &b, sizeof(b));
	}
}

static void
make_node(struct go_node *n, struct fake_memory *f, struct go_made *made, uint8_t version)
{
	const struct go_offsets *newest = go_offsets_newest();
	bool guessed = version & 0x80;

	go_make(made, funcs, sizeof(funcs) / sizeof(funcs[0]), EM_X86_64);
	*n = (struct go_node){ .mem = &f->mem, .im = &made->im, .module = made->m, .guessed = guessed };
	n->minor = GO_OLDEST + (version & 0x7f) % (newest->minor - GO_OLDEST + 1);
	n->at = guessed ? newest : go_offsets_find(n->minor);
	n->data[GO_SPAN_BSS] = (struct go_span){ VARS, VARS + VARS_BYTES };
	n->roots.mem_profile_rate = RATES;
	n->roots.block_rate = RATES + 8;
	n->roots.mutex_fraction = RATES + 16;
	n->roots.mprof_cycle = CYCLE;
	n->roots.gomaxprocs = PROCS;
	n->roots.stack_depth = DEPTH;
	memcpy(n->version, "go1.x", 6);
}

/* As functions would propose them; else all variables are looked through. */
static void
propose(struct go_node *n)
{
	n->bucket_words = (struct go_words){ { BUCKETS, BUCKETS + 8, BUCKETS + 16 }, 3 };
	n->allgs_words = (struct go_words){ { ALLGS }, 1 };
	n->allm_words = (struct go_words){ { ALLM }, 1 };
	n->ticks_words = (struct go_words){ { TICKS }, 1 };
}

static int
read_kind(struct go_node *n, enum reading_kind kind, struct reading_writer *w, struct err *why)
{
	if (kind == READING_THREADCREATE)
		return go_threads_read(n, w, why);
	if (kind == READING_GOROUTINE || kind == READING_LEAK)
		return go_goroutines_read(n, kind, NULL, w, why);
	return go_buckets_read(n, kind, w, why);
}

static void
read_all(struct go_node *n, uint8_t which)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct reading_writer *w = NULL;
		struct err why = { 0 };
		struct reading r;
		int fd;

		if (!(which & 1u << i) || reading_writer_new(&w, kinds[i]) < 0)
			continue;
		fd = memfd_create("reading", MFD_CLOEXEC | MFD_ALLOW_SEALING);
		if (read_kind(n, kinds[i], w, &why) == 0 && reading_writer_finish(w, fd, &why) == 0) {
			fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
			if (reading_open(&r, fd, &why) < 0)
				abort();
			reading_close(&r);
		}
		reading_writer_free(w);
		close(fd);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static unsigned char vars[MEMORY_PAGE], heap[HEAP_BYTES];
	static struct fake_memory f;
	static struct go_made made;
	struct go_node n;
	size_t n_heap;

	if (size < 2 + VARS_BYTES + 8)
		return 0;
	n_heap = (size - 2 - VARS_BYTES) & ~(size_t)7;
	if (n_heap > HEAP_BYTES)
		n_heap = HEAP_BYTES;
	memcpy(vars, data + 2, VARS_BYTES);
	memset(heap, 0, sizeof(heap));
	memcpy(heap, data + 2 + VARS_BYTES, n_heap);
	fix_hashes(heap, n_heap);
	/* Memory is mapped by pages. */
	n_heap = (n_heap + MEMORY_PAGE - 1) / MEMORY_PAGE * MEMORY_PAGE;
	fake_memory_init(&f);
	fake_memory_add(&f, HEAP, heap, n_heap);
	fake_memory_add(&f, VARS, vars, sizeof(vars));
	fake_memory_is_file(&f);
	make_node(&n, &f, &made, data[0]);
	if (!(data[1] & 0x80))
		propose(&n);
	if (go_roots_look(&n) == 0)
		read_all(&n, data[1]);
	go_expand_free(n.expand);
	return 0;
}
