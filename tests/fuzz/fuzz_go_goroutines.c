/*
 * Goroutines of a memory that lies, and changes while it is read: an error or a reading, without a bad
 * access, in bounded time. Input: Go's minor version (u8), what to do (u8), where the thread is (u8, u16
 * sp), then changes: when (u8: bit 7: after so many more reads, else at once), where (u8 region, u16), how
 * many bytes (u8), the bytes.
 */
#include "config.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "symbolize/go_estimate.h"
#include "symbolize/go_goroutines.h"
#include "tests/unit/go_fake_node.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct changes {
	struct go_fake_node *f;
	const uint8_t *at;
	size_t left;
	unsigned int wait; /* reads until the next one */
};

static struct changes changes;

static void
change_one(struct changes *c)
{
	static const size_t regions[] = { 64, 1 << 16, 1 << 16 };
	unsigned char *const bytes[] = { c->f->data, c->f->heap, c->f->stacks };
	unsigned int region = c->at[1] % 3;
	size_t at = (c->at[2] | (size_t)c->at[3] << 8) % regions[region], n = c->at[4];

	c->wait = c->at[0] & 0x80 ? c->at[0] & 0x7f : 0;
	c->at += 5;
	c->left -= 5;
	if (n > c->left)
		n = c->left;
	if (n > regions[region] - at)
		n = regions[region] - at;
	memcpy(bytes[region] + at, c->at, n);
	c->at += n;
	c->left -= n;
}

static void
before(struct fake_memory *fake)
{
	(void)fake;
	if (changes.wait > 0) {
		changes.wait--;
		return;
	}
	while (changes.left > 5 && changes.wait == 0)
		change_one(&changes);
}

static int
ask(void *ctx, struct thread_regs *threads, size_t n)
{
	const struct thread_regs *regs = ctx;

	for (size_t i = 0; i < n; i++) {
		uint32_t tid = threads[i].tid;

		threads[i] = *regs;
		threads[i].tid = tid;
	}
	return 0;
}

/* Labels as both kinds of versions have them. */
static uint64_t
put_labels(struct go_fake_node *f)
{
	uint64_t at = go_fake_room(f, 48), pairs = go_fake_room(f, 512), text = go_fake_room(f, 16);
	bool is_slice = f->n.at->labels_slice;

	memcpy(go_fake_at(f, text), "handler/api", 11);
	if (is_slice) {
		go_fake_put(f, at, pairs);
		go_fake_put(f, at + 8, 1);
		go_fake_put(f, at + 16, 1);
	} else {
		go_fake_put(f, at, at + 8); /* the map */
		go_fake_put(f, at + 8, 1);
		go_fake_put(f, at + 24, pairs);
		*go_fake_at(f, pairs) = 9;
	}
	go_fake_put(f, pairs + (is_slice ? 0 : 8), text);
	go_fake_put(f, pairs + (is_slice ? 8 : 16), 7);
	go_fake_put(f, pairs + (is_slice ? 16 : 136), text + 7);
	go_fake_put(f, pairs + (is_slice ? 24 : 144), 4);
	return at;
}

static void
fill(struct go_fake_node *f)
{
	const struct go_offsets *at = f->n.at;
	uint64_t g, hi, own, signal;

	g = go_fake_parked(f, 1, FAKE_WORK, "chan receive");
	go_fake_set(f, g, at->g_labels, put_labels(f));
	go_fake_parked(f, 2, FAKE_BGSWEEP, "GC sweep wait");
	g = go_fake_g(f, 3, GO_G_RUNNING, FAKE_SPIN, &hi);
	go_fake_m(f, g, 4711, &own, &signal);
	go_fake_push(f, hi, go_fake_pc(FAKE_GOEXIT, 1), 8);
	go_fake_put(f, signal - 64, 1);
	go_fake_parked(f, 4, FAKE_RUNFINQ, "finalizer wait");
	go_fake_parked(f, 5, FAKE_WORK, "select");
}

static void
check(struct reading_writer *w)
{
	int fd = memfd_create("r", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	struct reading r;

	if (fd < 0 || reading_writer_finish(w, fd, NULL) < 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0 ||
	    reading_open(&r, fd, NULL) < 0)
		abort();
	reading_close(&r);
	close(fd);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct go_fake_node f;
	struct thread_regs regs = { .pc = go_fake_pc(FAKE_SPIN, 77) };
	const struct thread_regs_source source = { ask, &regs };
	struct reading_writer *w = NULL;
	int e;

	if (size < 6)
		return 0;
	go_fake_init(&f, 18 + data[0] % 10);
	f.n.guessed = data[1] & 4;
	fill(&f);
	regs.where = data[2] % 3;
	regs.sp = FAKE_STACKS + (data[3] | (uint64_t)data[4] << 8);
	regs.stack = data;
	regs.stack_n = regs.where == THREAD_SAMPLED ? size : 0;
	if (data[2] & 4)
		regs.pc = go_fake_pc(FAKE_SIGTRAMP, 50);
	changes = (struct changes){ &f, data + 5, size - 5, 0 };
	f.fake.before = before;
	if (reading_writer_new(&w, READING_GOROUTINE) < 0)
		abort();
	/* Estimates sleep: few of them. */
	if ((data[1] & 0x1e) == 2)
		e = go_estimate_read(&f.n, 0, w, NULL);
	else
		e = go_goroutines_read(&f.n, data[1] & 1 ? READING_LEAK : READING_GOROUTINE, &source, w,
				       NULL);
	if (e > 0)
		abort();
	if (e == 0)
		check(w);
	reading_writer_free(w);
	go_fake_fini(&f);
	return 0;
}
