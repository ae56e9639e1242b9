#include "config.h"

#include "symbolize/go_rows.h"

#include <elf.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "symbolize/go_func.h"
#include "symbolize/go_pcvalue.h"

#define FP_SAVED 2 /* at CFA - 16: below the return address */

/* How a function differs from what its pcsp says. */
enum kind {
	PLAIN,
	ROOT,     /* nothing leads on from here */
	SWITCHES, /* rbp, once saved, points at the frame; sp may be another stack's */
	SIGNAL,   /* the return address of signal handlers: the kernel's frame is on the stack */
	UNKNOWN,  /* writes the stack pointer in a way that we cannot follow */
};

static const struct {
	const char *name;
	enum kind kind;
} known[] = {
	{ "runtime.goexit", ROOT },
	{ "runtime.rt0_go", ROOT },
	{ "runtime.mstart", ROOT },
	{ "runtime.mcall", ROOT },
	{ "runtime.morestack", ROOT },
	{ "runtime.gogo", ROOT },
	{ "gogo", ROOT },
	{ "_rt0_amd64", ROOT },
	{ "_rt0_amd64_linux", ROOT },
	{ "runtime.systemstack", SWITCHES },
	{ "runtime.asmcgocall", SWITCHES },
	{ "runtime.asmcgocall_no_g", SWITCHES },
	{ "runtime.cgocallback", SWITCHES },
	{ "runtime.nanotime1", SWITCHES },
	{ "runtime.walltime", SWITCHES },
	{ "runtime.walltime1", SWITCHES },
	{ "time.now", SWITCHES },
	{ "runtime.vgetrandom1", SWITCHES },
	{ "runtime.callCgoMmap", SWITCHES },
	{ "runtime.callCgoMunmap", SWITCHES },
	{ "runtime.callCgoSigaction", SWITCHES },
	{ "runtime.sigfwd", SWITCHES },
	{ "runtime.sigreturn", SIGNAL },
	{ "runtime.sigreturn__sigaction", SIGNAL },
	/* Its caller is the kernel's signal frame, although Go's tracebacks end here. */
	{ "runtime.sigtramp", PLAIN },
	/* The child's stack is empty, but it is the parent that is seen here. */
	{ "runtime.clone", PLAIN },
};

struct state {
	const struct go_module *m;
	struct rows_writer *w;
	const struct go_func *f;  /* the function at hand */
	enum kind kind;
	bool fp_saved;            /* it has been seen to save rbp */
};

/* How code makes a frame: bytes behind the change of the stack pointer until rbp is saved, and
 * until rbp points at where it is saved. */
struct prologue {
	bool found;
	unsigned int saved, pointed;
};

static enum kind
kind_of(const struct go_module *m, const struct go_func *f)
{
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (go_func_is(m, f, known[i].name))
			return known[i].kind;
	if (f->flag & GO_FUNC_TOP)
		return ROOT;
	return f->flag & GO_FUNC_SP_WRITE || f->pcsp == 0 ? UNKNOWN : PLAIN;
}

static int
add(struct state *s, uint64_t pc, enum row_rule rule, int64_t cfa_bytes, uint8_t fp)
{
	uint64_t place;

	if (image_place(s->m->im, pc, &place) < 0 || place > UINT32_MAX)
		return 0;
	return rows_writer_add_cfa(s->w, (uint32_t)place, rule, cfa_bytes, fp);
}

/* An instruction that addresses n(SP) with rbp as its other operand: its length, or 0.
 * 48 OP 2c 24 for n = 0, 48 OP 6c 24 n8, or 48 OP ac 24 n32. */
static unsigned int
fp_and_stack(const unsigned char *p, unsigned char op, int64_t n)
{
	int32_t n32;

	if (p[0] != 0x48 || p[1] != op || p[3] != 0x24)
		return 0;
	if (p[2] == 0x2c)
		return n == 0 ? 4 : 0;
	if (p[2] == 0x6c)
		return (int8_t)p[4] == n ? 5 : 0;
	memcpy(&n32, p + 4, sizeof(n32));
	return p[2] == 0xac && n32 == n ? 8 : 0;
}

/*
 * Look at the code around pc, where the stack pointer has just gone down by `delta` bytes:
 *   since Go 1.21   PUSHQ BP | MOVQ SP, BP; SUBQ ...
 *   before          SUBQ delta, SP | MOVQ BP, delta-8(SP); LEAQ delta-8(SP), BP
 */
static struct prologue
look_at_prologue(const struct image *im, uint64_t pc, int64_t delta)
{
	static const unsigned char mov[] = { 0x48, 0x89, 0xe5 };
	const unsigned char *p = image_at(im, pc - 1, 17), *before = image_at(im, pc - 2, 1);
	struct prologue r = { .found = false };

	if (!p)
		return r;
	if (delta == 8 && p[0] == 0x55) {
		bool moves = !memcmp(p + 1, mov, sizeof(mov));

		r.found = moves || !before || *before != 0x41; /* 41 55 is PUSHQ R13 */
		r.pointed = moves ? sizeof(mov) : 0;
		return r;
	}
	r.saved = fp_and_stack(p + 1, 0x89, delta - 8);
	r.found = r.saved > 0;
	if (r.found)
		r.pointed = r.saved + fp_and_stack(p + 1 + r.saved, 0x8d, delta - 8);
	return r;
}

/* Where an old epilogue's ADDQ delta, SP stands, behind the instruction that restores rbp; or
 * the run's end. 48 83 c4 n8. */
static uint64_t
last_add(const struct image *im, const struct go_pcvalue *v)
{
	const unsigned char *p = v->to - v->from > 4 ? image_at(im, v->to - 4, 4) : NULL;

	return p && p[0] == 0x48 && p[1] == 0x83 && p[2] == 0xc4 && p[3] == v->value ? v->to - 4 : v->to;
}

/* Rows of a run in which rbp is saved; it may be another stack's where rbp points. */
static int
add_switching_run(struct state *s, const struct go_pcvalue *v, const struct prologue *p)
{
	uint64_t end = last_add(s->m->im, v);
	int e = 0;

	if (v->from + p->pointed < end)
		e = add(s, v->from + p->pointed, ROW_SWITCH, 16, FP_SAVED);
	if (e == 0 && end < v->to)
		e = add(s, end, ROW_SP, (int64_t)v->value + 8, FP_SAVED);
	return e;
}

/* Rows of one run. `made`: the frame has been made just before. */
static int
add_run(struct state *s, const struct go_pcvalue *v, bool made)
{
	struct prologue p = { .found = false };
	int64_t cfa = (int64_t)v->value + 8;
	int e;

	if (v->value < 0)
		return add(s, v->from, ROW_NONE, 0, 0);
	if (made)
		p = look_at_prologue(s->m->im, v->from, v->value);
	if (p.found)
		s->fp_saved = true;
	if (!s->fp_saved || v->value == 0)
		return add(s, v->from, ROW_SP, cfa, ROW_FP_SAME);
	e = add(s, v->from, ROW_SP, cfa, p.saved ? ROW_FP_SAME : FP_SAVED);
	if (e == 0 && p.saved && v->from + p.saved < v->to)
		e = add(s, v->from + p.saved, ROW_SP, cfa, FP_SAVED);
	if (e == 0 && s->kind == SWITCHES)
		e = add_switching_run(s, v, &p);
	return e;
}

static int
add_runs(struct state *s)
{
	struct go_pcvalue v;
	int32_t before = 0;
	int e = 0;

	s->fp_saved = false;
	go_pcvalue_init(&v, s->m, s->f, s->f->pcsp);
	while (e == 0 && go_pcvalue_next(&v)) {
		e = add_run(s, &v, before == 0 && v.value > 0);
		before = v.value;
	}
	return e;
}

static bool
saves_fp(const struct go_module *m, const struct go_func *f)
{
	struct go_pcvalue v;

	go_pcvalue_init(&v, m, f, f->pcsp);
	while (go_pcvalue_next(&v))
		if (v.value > 0)
			return look_at_prologue(m->im, v.from, v.value).found;
	return false;
}

static int
add_func(struct state *s)
{
	enum kind kind = kind_of(s->m, s->f);

	s->kind = kind;
	if (kind == ROOT)
		return add(s, s->f->entry, ROW_ROOT, 0, 0);
	if (kind == UNKNOWN)
		return add(s, s->f->entry, ROW_NONE, 0, 0);
	/* It is returned to, not called: a caller's address is looked up one byte before. */
	if (kind == SIGNAL)
		return add(s, s->f->entry - 1, ROW_SIGNAL, 0, 0);
	if (kind == SWITCHES && !saves_fp(s->m, s->f))
		return add(s, s->f->entry, ROW_SWITCH, 0, ROW_FP_SAME);
	return add_runs(s);
}

int
go_rows(const struct go_module *m, struct rows_writer *w, struct err *why)
{
	struct state s = { .m = m, .w = w };
	int used = 0, e = 0;

	if (m->im->machine != EM_X86_64)
		return err_set(why, -ENOTSUP, "go: unwind rows are for x86-64 only");
	for (uint32_t i = 0; i < m->n_funcs && e == 0; i++) {
		struct go_func f;

		if (!go_func_get(m, i, &f) || f.entry < m->min_pc || f.end > m->max_pc)
			continue;
		s.f = &f;
		e = add_func(&s);
		used++;
	}
	if (e == 0)
		e = add(&s, m->max_pc, ROW_NONE, 0, 0);
	if (e < 0)
		return err_set(why, e, "go: unwind rows: %s",
			       e == -ENOMEM ? "no memory" : "more than ROWS_MAX");
	w->flags |= ROWS_GO;
	return used;
}
