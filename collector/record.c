#include "config.h"

#include "collector/record.h"

#include <errno.h>
#include <string.h>

#include "base/buf.h"

/* The order in which the kernel writes the registers of RECORD_REGS_MASK, as DWARF numbers:
 * ax bx cx dx si di bp sp ip r8 ... r15. */
static const unsigned char dwarf_number[UNWIND_REGS] = { 0, 3, 2, 1, 4, 5, 6, 7, 16,
							  8, 9, 10, 11, 12, 13, 14, 15 };

static void
record_body(const struct perf_event_header *h, struct cur *c)
{
	cur_init(c, h + 1, h->size - sizeof(*h));
}

/* The kernel's part, then, where it was asked for, the user part as frame pointers gave it. Records
 * are aligned to 8 bytes, so the user part can stay where it is. */
static void
record_chain(struct cur *c, struct record_sample *s)
{
	uint64_t n = cur_u64(c), context = 0;

	s->n_kernel = 0;
	s->user.chain = NULL;
	s->user.n_chain = 0;
	for (uint64_t i = 0; i < n && !cur_error(c); i++) {
		const void *at = c->p;
		uint64_t ip = cur_u64(c);

		if (ip >= (uint64_t)PERF_CONTEXT_MAX) { /* a marker: what follows is ... */
			context = ip;
		} else if (context == (uint64_t)PERF_CONTEXT_KERNEL) {
			if (s->n_kernel == RECORD_KERNEL_MAX)
				continue;
			s->kernel[s->n_kernel] = s->n_kernel ? ip - 1 : ip;
			s->n_kernel++;
		} else if (context == (uint64_t)PERF_CONTEXT_USER) {
			if (!s->user.n_chain++)
				s->user.chain = at;
		}
	}
}

static void
record_user(struct cur *c, struct record_sample *s)
{
	uint64_t abi = cur_u64(c), size;

	s->has_user = abi == PERF_SAMPLE_REGS_ABI_64;
	if (abi != PERF_SAMPLE_REGS_ABI_NONE)
		for (size_t i = 0; i < UNWIND_REGS; i++)
			s->user.reg[dwarf_number[i]] = cur_u64(c);
	s->user.stack = NULL;
	s->user.stack_bytes = 0;
	size = cur_u64(c);
	if (!size)
		return;
	s->user.stack = cur_bytes(c, size);
	s->user.stack_bytes = cur_u64(c);
	if (!s->user.stack || s->user.stack_bytes > size)
		s->user.stack_bytes = 0;
}

int
record_sample(const struct perf_event_header *h, uint64_t sample_type, struct record_sample *s)
{
	struct cur c;

	record_body(h, &c);
	s->in_kernel = (h->misc & PERF_RECORD_MISC_CPUMODE_MASK) == PERF_RECORD_MISC_KERNEL;
	s->ip = cur_u64(&c);
	s->pid = cur_u32(&c);
	s->tid = cur_u32(&c);
	s->time_ns = cur_u64(&c);
	s->cpu = cur_u32(&c);
	cur_u32(&c);
	s->period = sample_type & PERF_SAMPLE_PERIOD ? cur_u64(&c) : 0;
	record_chain(&c, s);
	record_user(&c, s);
	return cur_error(&c);
}

/* The text behind a record's fixed part, NUL-terminated inside the record, or NULL. */
static const char *
record_text(struct cur *c)
{
	const char *at = (const char *)c->p;

	if (cur_error(c) || !memchr(at, '\0', cur_left(c)))
		return NULL;
	return at;
}

int
record_mmap2(const struct perf_event_header *h, struct record_mmap *m)
{
	struct cur c;

	record_body(h, &c);
	m->pid = cur_u32(&c);
	m->tid = cur_u32(&c);
	m->start = cur_u64(&c);
	m->len = cur_u64(&c);
	m->pgoff = cur_u64(&c);
	m->major = cur_u32(&c);
	m->minor = cur_u32(&c);
	m->ino = cur_u64(&c);
	cur_u64(&c);
	m->prot = cur_u32(&c);
	cur_u32(&c);
	m->path = record_text(&c);
	return m->path ? 0 : -EBADMSG;
}

int
record_task(const struct perf_event_header *h, struct record_task *t)
{
	struct cur c;

	record_body(h, &c);
	t->pid = cur_u32(&c);
	t->ppid = cur_u32(&c);
	t->tid = cur_u32(&c);
	t->ptid = cur_u32(&c);
	t->time_ns = cur_u64(&c);
	return cur_error(&c);
}

int
record_comm(const struct perf_event_header *h, struct record_comm *c)
{
	struct cur cur;

	record_body(h, &cur);
	c->pid = cur_u32(&cur);
	c->tid = cur_u32(&cur);
	c->exec = h->misc & PERF_RECORD_MISC_COMM_EXEC;
	c->comm = record_text(&cur);
	return c->comm ? 0 : -EBADMSG;
}
