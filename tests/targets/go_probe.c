/*
 * go_probe - what the reader of Go programs' memory finds in a running one. As root; for people, and tests.
 *
 *   go_probe PID roots       where the runtime's variables are, and how the program was known
 *   go_probe PID KIND [N]    heap, block, mutex, threadcreate, goroutine or goroutineleak
 *
 * A reading's head and notes, then a bucket a line: its size, numbers, "@", and pcs as Go's debug=1 has them,
 * "~" in front of one that an inlined call implies, "=" of one whose name is looked up at itself. Or a
 * goroutine a line: its number, state, and pcs; nobody says where running ones are. N: read so many times;
 * how long each took is told on the error output.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/reading.h"
#include "symbolize/go_buckets.h"
#include "symbolize/go_goroutines.h"
#include "symbolize/go_node.h"
#include "symbolize/go_threads.h"
#include "symbolize/image.h"
#include "symbolize/memory.h"
#include "symbolize/reading_writer.h"

enum { MEM, MAPS, PAGEMAP, EXE, FILES };

static int
open_files(const char *pid, int fds[FILES], struct err *why)
{
	static const char *const names[FILES] = { "mem", "maps", "pagemap", "exe" };

	for (size_t i = 0; i < FILES; i++) {
		char path[64];

		snprintf(path, sizeof(path), "/proc/%s/%s", pid, names[i]);
		fds[i] = open(path, O_RDONLY | O_CLOEXEC);
		if (fds[i] < 0)
			return err_sys(why, -errno, "%s", path);
	}
	return 0;
}

static void
print_roots(const struct go_node *n)
{
	const struct {
		const char *name;
		uint64_t at;
	} roots[] = {
		{ "mbuckets", n->roots.buckets[0] },
		{ "bbuckets", n->roots.buckets[1] },
		{ "xbuckets", n->roots.buckets[2] },
		{ "allgs", n->roots.allgs },
		{ "allm", n->roots.allm },
		{ "MemProfileRate", n->roots.mem_profile_rate },
		{ "blockprofilerate", n->roots.block_rate },
		{ "mutexprofilerate", n->roots.mutex_fraction },
		{ "mProfCycle", n->roots.mprof_cycle },
		{ "gomaxprocs", n->roots.gomaxprocs },
		{ "profstackdepth", n->roots.stack_depth },
	};

	printf("version %s minor %u guessed %d cgo %d bias %" PRIx64 "\n", n->version, n->minor, n->guessed,
	       n->cgo, n->bias);
	for (size_t i = 0; i < sizeof(roots) / sizeof(roots[0]); i++)
		printf("%s %" PRIx64 "\n", roots[i].name, roots[i].at);
	printf("candidates: buckets %zu allgs %zu allm %zu ticks %zu\n", n->bucket_words.n,
	       n->allgs_words.n, n->allm_words.n, n->ticks_words.n);
	printf("%" PRIu64 " calls, %" PRIu64 " bytes\n", n->mem->calls, n->mem->bytes);
}

static const struct {
	const char *name;
	enum reading_kind kind;
} kinds[] = {
	{ "heap", READING_HEAP },           { "block", READING_BLOCK },
	{ "mutex", READING_MUTEX },         { "threadcreate", READING_THREADCREATE },
	{ "goroutine", READING_GOROUTINE }, { "goroutineleak", READING_LEAK },
};

static void
print_stack(const struct reading *r, uint32_t stack)
{
	const struct reading_stack *s = &r->stacks[stack];

	printf(" @");
	for (uint32_t i = 0; i < s->n; i++) {
		uint64_t pc = r->pcs[s->first + i];

		if (pc & READING_PC_LEFT_OUT)
			printf(" ...%llu...", READING_PC(pc));
		else
			printf(" %s%s0x%llx", pc & READING_PC_IMPLIED ? "~" : "",
			       pc & READING_PC_EXACT ? "=" : "", READING_PC(pc));
	}
	putchar('\n');
}

static void
print_reading(const struct reading *r)
{
	const struct reading_head *h = r->head;

	printf("# rate %" PRId64 " at %" PRIx64 " ticks %.0f gc %u procs %u\n", h->rate, h->rate_address,
	       h->ticks_per_second, h->num_gc, h->gomaxprocs);
	for (uint64_t i = 0; i < h->notes.n; i++) {
		size_t n;
		const char *s = reading_string(r, r->notes[i], &n);

		printf("# %.*s\n", (int)n, s);
	}
	for (uint64_t i = 0; i < h->buckets.n; i++) {
		const struct reading_bucket *b = &r->buckets[i];

		printf("%" PRIu64 " %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64, b->size, b->values[0],
		       b->values[1], b->values[2], b->values[3]);
		print_stack(r, b->stack);
	}
	for (uint64_t i = 0; i < h->goroutines.n; i++) {
		const struct reading_goroutine *g = &r->goroutines[i];
		size_t n;
		const char *state = reading_string(r, g->state, &n);

		printf("%" PRIu64 " [%.*s]%s%s", g->goid, (int)n, state,
		       g->flags & READING_G_SYSTEM ? " system" : "",
		       g->flags & READING_G_UNREAD ? " unread" : "");
		print_stack(r, g->stack);
	}
}

static double
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static int
read_kind(struct go_node *n, enum reading_kind kind, int fd, struct err *why)
{
	struct reading_writer *w = NULL;
	int e = reading_writer_new(&w, kind);

	if (e == 0 && kind == READING_THREADCREATE)
		e = go_threads_read(n, w, why);
	else if (e == 0 && (kind == READING_GOROUTINE || kind == READING_LEAK))
		e = go_goroutines_read(n, kind, NULL, w, why);
	else if (e == 0)
		e = go_buckets_read(n, kind, w, why);
	if (e == 0)
		e = reading_writer_finish(w, fd, why);
	reading_writer_free(w);
	return e;
}

static int
show_kind(struct go_node *n, const char *name, int times, struct err *why)
{
	struct reading r;
	int fd = -1, e = -EINVAL;
	size_t k = 0;

	while (k < sizeof(kinds) / sizeof(kinds[0]) && strcmp(kinds[k].name, name) != 0)
		k++;
	if (k == sizeof(kinds) / sizeof(kinds[0]))
		return err_set(why, e, "no kind %s", name);
	for (int i = 0; i < times; i++) {
		double began = now_ms();

		close(fd);
		fd = memfd_create("reading", MFD_CLOEXEC | MFD_ALLOW_SEALING);
		e = i > 0 ? memory_refresh(n->mem, why) : 0;
		if (e == 0 && i > 0)
			e = go_node_look(n, why);
		if (e == 0)
			e = read_kind(n, kinds[k].kind, fd, why);
		fprintf(stderr, "%s %.1f ms\n", name, now_ms() - began);
		if (e < 0)
			return e;
	}
	fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
	e = reading_open(&r, fd, why);
	if (e == 0) {
		print_reading(&r);
		reading_close(&r);
	}
	close(fd);
	return e;
}

int
main(int argc, char **argv)
{
	struct err why = { .text = "" };
	struct memory mem = { .ranges = NULL };
	struct go_node n;
	struct image im;
	double began = now_ms();
	int fds[FILES], e;

	if (argc != 3 && argc != 4) {
		fprintf(stderr, "usage: go_probe PID roots|heap|block|mutex|threadcreate|goroutine|"
				"goroutineleak [TIMES]\n");
		return 2;
	}
	e = open_files(argv[1], fds, &why);
	if (e == 0)
		e = memory_open(&mem, fds[MEM], fds[MAPS], fds[PAGEMAP], &why);
	if (e == 0)
		e = image_open(&im, fds[EXE], &why);
	if (e == 0)
		e = go_node_open(&n, &mem, &im, &why);
	if (e == 0) {
		fprintf(stderr, "open %.1f ms\n", now_ms() - began);
		if (!strcmp(argv[2], "roots"))
			print_roots(&n);
		else
			e = show_kind(&n, argv[2], argc == 4 ? atoi(argv[3]) : 1, &why);
		go_node_close(&n);
		image_close(&im);
	}
	memory_close(&mem);
	if (e < 0)
		fprintf(stderr, "go_probe: %s (%s)\n", why.text, strerror(-e));
	return e < 0;
}
