#include "config.h"

#include "symbolize/go_traceback.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/reading.h"
#include "base/table.h"
#include "symbolize/go_func.h"
#include "symbolize/go_inltree.h"
#include "symbolize/go_pcvalue.h"

#define CALLS_MAX   (1u << 18) /* pcs remembered; then all are forgotten */
#define FRAMES_MAX  (1u << 20) /* frames of those */
#define INLINED_MAX 256        /* calls inlined into each other; a liar's tree may be a ring */
#define RECENT      4096       /* pcs found without the table */
#define HALF        (GO_TRACE_PCS_MAX / 2)
#define LR_FRAME    16   /* arm64: what a signal handler pushes below the call that it makes */
#define NO_FRAME    (-1) /* there is no telling how large it is */

/* What a frame is for those who list it. */
enum {
	FRAME_WRAPPER = 1, /* left out, but for panics */
	FRAME_PANICS = 2,  /* shows that it was called by a wrapper */
	FRAME_SHOWN = 4,   /* in the runtime's texts too */
	FRAME_USERS = 8,   /* not the runtime's */
	FRAME_WAITS = 16,  /* between a wait's own function and gopark */
};

/* What a physical function is for the walk. */
enum {
	CALL_TOP = 1,
	CALL_SP_WRITE = 2, /* what is above it cannot be found */
	CALL_TRAPS = 4,    /* called by a signal handler: its caller's pc is no return address */
};

struct frame {
	uint64_t word; /* pc of the program's file; with READING_PC_* bits */
	uint8_t flags; /* FRAME_* */
};

/* A pc and what it stands for. */
struct call {
	uint64_t key;      /* pc << 1 | is_trap */
	uint32_t first, n; /* frames: inlined ones, innermost first, then the function's own */
	int32_t bytes;     /* from the stack pointer to the frame's end, or NO_FRAME */
	uint8_t flags;     /* CALL_* */
	uint8_t role;      /* enum go_role */
};

struct go_traceback {
	const struct go_module *m;
	uint64_t bias;
	uint32_t minor;
	uint8_t wrapper_id;
	bool uses_lr;
	bool lists_wrappers;
	struct call *calls;   /* owned */
	struct frame *frames; /* owned */
	uint32_t n_calls, calls_cap, n_frames, frames_cap;
	struct table by_pc;
	uint32_t recent[RECENT]; /* calls + 1 */
	/* The walk at hand. */
	uint32_t seen;     /* frames so far, more than are kept */
	uint32_t left_out; /* of those not kept: that would be shown */
	uint8_t callee;    /* FRAME_*: of the last frame */
	bool shown[HALF];  /* of the outer half */
};

static const struct {
	const char *name;
	uint8_t frame, call; /* flags */
	uint8_t since;       /* minor version that gives it the call's flags */
	uint8_t role;
} special[] = {
	{ "runtime.gopanic", FRAME_PANICS, 0, 0, GO_ROLE_SYSTEM },
	{ "runtime.sigpanic", FRAME_PANICS, CALL_TRAPS, 0, GO_ROLE_SYSTEM },
	{ "runtime.panicwrap", FRAME_PANICS, 0, 0, GO_ROLE_SYSTEM },
	{ "runtime.asyncPreempt", 0, CALL_TRAPS, 21, GO_ROLE_SYSTEM },
	{ "runtime.debugCallV2", 0, CALL_TRAPS, 21, GO_ROLE_SYSTEM },
	{ "runtime.gopark", 0, 0, 0, GO_ROLE_PARKED },
	{ "runtime.sigtramp", 0, 0, 0, GO_ROLE_HANDLER },
	{ "runtime.cgoSigtramp", 0, 0, 0, GO_ROLE_HANDLER },
	{ "runtime.main", 0, 0, 0, GO_ROLE_USER },
	{ "runtime.corostart", 0, 0, 0, GO_ROLE_USER },
	{ "runtime.handleAsyncEvent", 0, 0, 0, GO_ROLE_USER },
	{ "runtime.runfinq", 0, 0, 0, GO_ROLE_CALLBACKS },
	{ "runtime.runFinalizers", FRAME_SHOWN, 0, 0, GO_ROLE_CALLBACKS },
	{ "runtime.runCleanups", FRAME_SHOWN, 0, 0, GO_ROLE_CALLBACKS },
};
#define SPECIAL (sizeof(special) / sizeof(special[0]))

/* ---- names */

static bool
begins(const char *s, size_t n, const char *with)
{
	size_t k = strlen(with);

	return n >= k && !memcmp(s, with, k);
}

static bool
is_capital(const char *s, size_t n)
{
	return n > 0 && s[0] >= 'A' && s[0] <= 'Z';
}

/* "Func", "(*Type).Func" or "Type.Func" with capitals (isExportedRuntime). */
static bool
is_exported(const char *s, size_t n)
{
	size_t dot = n;

	while (dot > 0 && s[dot - 1] != '.')
		dot--;
	if (!is_capital(s + dot, n - dot))
		return false;
	if (dot == 0)
		return true;
	n = dot - 1;
	if (n >= 3 && s[0] == '(' && s[1] == '*' && s[n - 1] == ')') {
		s += 2;
		n -= 3;
	}
	return n == 0 || is_capital(s, n);
}

/* What is between the function that waits, which the block profile begins with, and gopark: how many frames
 * the runtime skips (blockevent of runtime/mprof.go) is another number for each and in each version. */
static bool
is_wait(const char *s, size_t n)
{
	static const char *const exact[] = {
		"runtime.gopark",
		"runtime.goparkunlock",
		"runtime.chanrecv",
		"runtime.chansend",
		"runtime.semacquire1",
		"runtime.semacquire",
		"sync.(*Mutex).lockSlow",
		"internal/sync.(*Mutex).lockSlow",
		"internal/sync.(*Mutex).Lock",
	};
	static const char *const beginning[] = { "sync.runtime_", "internal/sync.runtime_",
						 "internal/poll.runtime_" };

	for (size_t i = 0; i < sizeof(exact) / sizeof(exact[0]); i++)
		if (n == strlen(exact[i]) && !memcmp(s, exact[i], n))
			return true;
	for (size_t i = 0; i < sizeof(beginning) / sizeof(beginning[0]); i++)
		if (begins(s, n, beginning[i]))
			return true;
	return false;
}

/* The FRAME_* that a function's name tells. */
static uint8_t
flags_of_name(const char *s, size_t n)
{
	static const char runtime[] = "runtime.";
	const size_t k = sizeof(runtime) - 1;

	if (!s)
		return FRAME_USERS;
	if (!begins(s, n, runtime))
		return FRAME_USERS | (memchr(s, '.', n) ? FRAME_SHOWN : 0);
	return is_exported(s + k, n - k) || (n == k + 7 && !memcmp(s + k, "gopanic", 7)) ? FRAME_SHOWN : 0;
}

/* ---- what a pc stands for */

static int
grow(void **at, uint32_t *cap, uint32_t need, size_t size)
{
	uint32_t more = *cap * 2 > need ? *cap * 2 : need + 256;
	void *p;

	if (need <= *cap)
		return 0;
	p = realloc(*at, more * size);
	if (!p)
		return -ENOMEM;
	*at = p;
	*cap = more;
	return 0;
}

static int
add_frame(struct go_traceback *t, struct call *c, uint64_t word, uint32_t name, uint8_t id, uint8_t flags)
{
	void *frames = t->frames;
	size_t n;
	const char *s = go_func_name(t->m, name, &n);
	int e = grow(&frames, &t->frames_cap, t->n_frames + 1, sizeof(*t->frames));

	t->frames = frames;
	if (e < 0)
		return e;
	flags |= flags_of_name(s, s ? n : 0);
	if (s && is_wait(s, n))
		flags |= FRAME_WAITS;
	if (t->wrapper_id && id == t->wrapper_id)
		flags |= FRAME_WRAPPER;
	t->frames[t->n_frames++] = (struct frame){ word, flags };
	c->n++;
	return 0;
}

/* The function's calls at pc: the inlined ones, innermost first, then itself. The runtime keeps
 * an address whose predecessor is looked up, of inlined calls too. */
static int
add_frames(struct go_traceback *t, struct call *c, const struct go_func *f, uint64_t pc, bool is_trap,
	   uint8_t flags)
{
	bool exact = is_trap || pc <= f->entry;
	uint64_t at = exact ? pc : pc - 1, word = exact ? pc | READING_PC_EXACT : pc;
	struct go_inltree tree;
	struct go_call inlined;
	int e = 0;

	go_inltree_init(&tree, t->m, f);
	for (int i = 0; e == 0 && i < INLINED_MAX && go_inltree_find(&tree, at, &inlined); i++) {
		e = add_frame(t, c, word, inlined.name, inlined.id, 0);
		at = inlined.parent_pc;
		word = (at + 1) | READING_PC_IMPLIED;
	}
	return e < 0 ? e : add_frame(t, c, word, f->name, f->id, flags);
}

static int
read_call(struct go_traceback *t, struct call *c, uint64_t pc, bool is_trap)
{
	uint8_t flags = 0;
	struct go_func f;
	const char *name;
	size_t n;

	c->bytes = NO_FRAME;
	c->role = GO_ROLE_UNKNOWN;
	if (!go_func_find(t->m, pc, &f))
		return 0;
	name = go_func_name(t->m, f.name, &n);
	c->role = name && begins(name, n, "runtime.") ? GO_ROLE_SYSTEM : GO_ROLE_USER;
	c->flags = f.flag & GO_FUNC_TOP ? CALL_TOP : f.flag & GO_FUNC_SP_WRITE ? CALL_SP_WRITE : 0;
	/* It changes the stack with care: both have a frame of it (resolveInternal). */
	if (go_func_is(t->m, &f, "runtime.cgocallback"))
		c->flags = 0;
	for (size_t i = 0; i < SPECIAL; i++) {
		if (!go_func_is(t->m, &f, special[i].name))
			continue;
		flags = special[i].frame;
		c->role = special[i].role;
		if (t->minor >= special[i].since)
			c->flags |= special[i].call;
	}
	if (f.pcsp == 0)
		return 0;
	c->bytes = go_pcvalue_find(t->m, &f, f.pcsp, pc);
	if (c->bytes < 0 || c->bytes % 8)
		c->bytes = NO_FRAME;
	return add_frames(t, c, &f, pc, is_trap, flags);
}

static bool
same_key(const void *ctx, uint32_t i, const void *key)
{
	const struct go_traceback *t = ctx;

	return t->calls[i].key == *(const uint64_t *)key;
}

static void
forget(struct go_traceback *t)
{
	table_clear(&t->by_pc);
	memset(t->recent, 0, sizeof(t->recent));
	t->n_calls = t->n_frames = 0;
}

/* pc: a link-time address. The answer is good until the next. */
static int
find_call(struct go_traceback *t, uint64_t pc, bool is_trap, const struct call **out)
{
	uint64_t key = pc << 1 | is_trap;
	uint32_t *recent = &t->recent[(key * 0x9e3779b97f4a7c15u) >> 52];
	uint64_t hash;
	uint32_t i;
	void *calls;
	int e;

	if (*recent && t->calls[*recent - 1].key == key) {
		*out = &t->calls[*recent - 1];
		return 0;
	}
	hash = hash_u64(key, 0);
	i = table_find(&t->by_pc, hash, same_key, t, &key);
	if (i == TABLE_NONE) {
		if (t->n_calls >= CALLS_MAX || t->n_frames >= FRAMES_MAX)
			forget(t);
		i = t->n_calls;
		calls = t->calls;
		e = grow(&calls, &t->calls_cap, i + 1, sizeof(*t->calls));
		t->calls = calls;
		if (e < 0)
			return e;
		t->calls[i] = (struct call){ .key = key, .first = t->n_frames };
		e = read_call(t, &t->calls[i], pc, is_trap);
		if (e == 0)
			e = table_add(&t->by_pc, hash, i);
		if (e < 0)
			return e;
		t->n_calls++;
	}
	*recent = i + 1;
	*out = &t->calls[i];
	return 0;
}

/* ---- a walk */

static void
keep(struct go_traceback *t, struct go_trace *out, const struct frame *f)
{
	uint32_t at = t->seen++;

	if (at >= HALF) {
		uint32_t i = (at - HALF) % HALF;

		if (at >= GO_TRACE_PCS_MAX)
			t->left_out += t->shown[i];
		t->shown[i] = f->flags & FRAME_SHOWN;
		at = HALF + i;
	}
	out->pcs[at] = f->word + t->bias;
	if (f->flags & FRAME_WAITS && out->n_waits == at)
		out->n_waits++;
	out->has_user |= (f->flags & FRAME_USERS) != 0;
}

static void
keep_call(struct go_traceback *t, struct go_trace *out, const struct call *c)
{
	bool is_first = true;

	for (uint32_t i = c->first; i < c->first + c->n; i++) {
		struct frame f = t->frames[i];
		bool hidden = f.flags & FRAME_WRAPPER && !(t->callee & FRAME_PANICS) && !t->lists_wrappers;

		t->callee = f.flags;
		if (hidden)
			continue;
		/* What implies it was hidden. */
		if (is_first)
			f.word &= ~READING_PC_IMPLIED;
		is_first = false;
		keep(t, out, &f);
	}
}

static void
reverse(uint64_t *a, uint32_t n)
{
	for (uint32_t i = 0; i < n / 2; i++) {
		uint64_t x = a[i];

		a[i] = a[n - 1 - i];
		a[n - 1 - i] = x;
	}
}

/* The outer half was a ring: turn it, and say what fell out of it. */
static void
finish(struct go_traceback *t, struct go_trace *out)
{
	uint64_t *outer = out->pcs + HALF;
	uint32_t oldest = t->seen % HALF;

	out->n = t->seen;
	if (t->seen <= GO_TRACE_PCS_MAX)
		return;
	reverse(outer, oldest);
	reverse(outer + oldest, HALF - oldest);
	reverse(outer, HALF);
	/* The mark takes the place of one more. */
	t->left_out += t->shown[oldest];
	outer[0] = t->left_out | READING_PC_LEFT_OUT;
	outer[1] &= ~READING_PC_IMPLIED;
	out->n = GO_TRACE_PCS_MAX;
}

static bool
word_at(struct go_stack *w, uint64_t addr, uint64_t *out)
{
	if (addr < w->lo || addr % 8 || w->hi < 8 || addr > w->hi - 8)
		return false;
	if (addr < w->at || addr - w->at >= w->n || w->n - (addr - w->at) < 8) {
		if (!w->more || w->more(w, addr) < 0)
			return false;
		if (addr < w->at || addr - w->at >= w->n || w->n - (addr - w->at) < 8)
			return false;
	}
	memcpy(out, w->bytes + (addr - w->at), 8);
	return true;
}

struct place {
	uint64_t pc, sp, lr; /* link-time, run-time, run-time */
	bool is_trap, is_innermost;
};

/* Go on to the caller. False: this is the last. */
static bool
step(struct go_traceback *t, struct go_stack *w, const struct call *c, struct place *p)
{
	uint64_t end = p->sp + (uint64_t)c->bytes, lr = p->lr, pushed;
	const struct call *caller;

	if (!t->uses_lr) {
		end += 8;
		if (!word_at(w, end - 8, &lr))
			return false;
	} else if ((p->is_innermost && p->sp < end) || lr == 0) {
		if (!word_at(w, p->sp, &lr))
			return false;
	}
	if (lr == 0 || end < p->sp || (lr - t->bias == p->pc && end == p->sp))
		return false;
	*p = (struct place){ .pc = lr - t->bias, .sp = end, .is_trap = c->flags & CALL_TRAPS };
	if (!t->uses_lr || !p->is_trap)
		return true;
	/* Before it fakes a call, a signal handler saves the link register (sigctxt.pushCall). */
	if (!word_at(w, p->sp, &pushed) || find_call(t, p->pc, true, &caller) < 0)
		return false;
	p->sp += LR_FRAME;
	if (caller->role == GO_ROLE_UNKNOWN)
		p->pc = pushed - t->bias;
	else if (caller->bytes == 0)
		p->lr = pushed;
	return true;
}

int
go_traceback_walk(struct go_traceback *t, struct go_stack *w, const struct go_start *from,
		  struct go_trace *out)
{
	struct place p = { from->pc - t->bias, from->sp, from->lr, from->is_trap, true };
	uint64_t steps = w->hi > w->lo ? (w->hi - w->lo) / 8 + 4 : 0;
	const struct call *c;
	int e = 0;

	out->n = out->n_waits = 0;
	out->handled = 0;
	out->is_whole = out->has_user = false;
	out->top = GO_ROLE_UNKNOWN;
	t->seen = t->left_out = t->callee = 0;
	/* A call of a nil function: its caller is where it stands. */
	if (from->pc == 0) {
		uint64_t pc;

		if (!word_at(w, p.sp, &pc))
			return 0;
		p = (struct place){ .pc = pc - t->bias,
				    .sp = p.sp + (t->uses_lr ? 0 : 8),
				    .is_innermost = true };
	}
	for (; steps > 0; steps--) {
		uint8_t flags;

		e = find_call(t, p.pc, p.is_trap, &c);
		if (e < 0 || c->bytes == NO_FRAME)
			break;
		keep_call(t, out, c);
		if (p.is_innermost)
			out->top = c->role;
		if (c->role == GO_ROLE_HANDLER) {
			out->handled = p.sp + (uint64_t)c->bytes + (t->uses_lr ? 0 : 8);
			break;
		}
		flags = p.is_innermost && from->is_syscall ? c->flags & ~CALL_SP_WRITE : c->flags;
		out->is_whole = flags & CALL_TOP;
		if (flags & (CALL_TOP | CALL_SP_WRITE) || !step(t, w, c, &p))
			break;
	}
	finish(t, out);
	return e;
}

enum go_role
go_traceback_role(struct go_traceback *t, uint64_t pc)
{
	const struct call *c;

	return pc && find_call(t, pc - t->bias, true, &c) == 0 ? (enum go_role)c->role : GO_ROLE_UNKNOWN;
}

/* ---- its life */

int
go_traceback_new(struct go_traceback **out, const struct go_module *m, uint64_t bias, uint32_t minor,
		 uint8_t wrapper_id)
{
	struct go_traceback *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	t->m = m;
	t->bias = bias;
	t->minor = minor;
	t->wrapper_id = wrapper_id;
	t->uses_lr = m->im->machine == EM_AARCH64;
	table_init(&t->by_pc);
	*out = t;
	return 0;
}

void
go_traceback_list_wrappers(struct go_traceback *t)
{
	t->lists_wrappers = true;
}

void
go_traceback_free(struct go_traceback *t)
{
	if (!t)
		return;
	free(t->calls);
	free(t->frames);
	table_fini(&t->by_pc);
	free(t);
}
