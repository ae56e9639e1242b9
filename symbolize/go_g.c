#include "config.h"

#include "symbolize/go_g.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define SCAN      0x1000u             /* the collector looks at its stack */
#define STACK_MAX (UINT64_C(1) << 32) /* debug.SetMaxStack() is 1 GB */
#define TOP_MAX   (UINT64_C(1) << 57) /* above all addresses of programs */

static uint64_t
word(const unsigned char *bytes, uint16_t at)
{
	uint64_t v;

	if (at == GO_ABSENT)
		return 0;
	memcpy(&v, bytes + at, sizeof(v));
	return v;
}

bool
go_g_decode(struct go_g *g, const struct go_offsets *at, uint64_t addr, const unsigned char *bytes)
{
	uint32_t status;

	memcpy(&status, bytes + at->g_status, sizeof(status));
	*g = (struct go_g){
		.at = addr,
		.lo = word(bytes, at->g_stack_lo),
		.hi = word(bytes, at->g_stack_hi),
		.pc = word(bytes, at->g_sched_pc),
		.sp = word(bytes, at->g_sched_sp),
		/* struct gobuf: lr is in front of bp. */
		.lr = word(bytes, (uint16_t)(at->g_sched_bp - 8)),
		.syscall_pc = word(bytes, at->g_syscallpc),
		.syscall_sp = word(bytes, at->g_syscallsp),
		.m = word(bytes, at->g_m),
		.goid = word(bytes, at->g_goid),
		.parent = word(bytes, at->g_parent_goid),
		.creator_pc = word(bytes, at->g_gopc),
		.start_pc = word(bytes, at->g_startpc),
		.labels = word(bytes, at->g_labels),
		.locked_m = word(bytes, at->g_lockedm),
		.bubble = word(bytes, at->g_bubble),
		.wait_since = (int64_t)word(bytes, at->g_waitsince),
		.status = (uint8_t)(status & ~SCAN),
		.reason = bytes[at->g_waitreason],
		.seq = at->g_tracking_seq != GO_ABSENT ? bytes[at->g_tracking_seq] : 0,
		.runs_cleanups = at->g_running_cleanups != GO_ABSENT && bytes[at->g_running_cleanups],
	};
	if ((status & ~SCAN) >= GO_G_STATUSES || addr == 0)
		g->at = 0;
	/* One that is not in use may have no stack. */
	else if (go_g_is_alive(g) && (g->lo >= g->hi || g->hi - g->lo > STACK_MAX || g->hi % 8 ||
				      g->hi > TOP_MAX || g->goid == 0))
		g->at = 0;
	return g->at != 0;
}

int
go_g_read(struct go_g *gs, const struct go_offsets *at, struct memory *m, const uint64_t *addrs, size_t n,
	  unsigned char *bytes, struct memory_want *wants)
{
	int e;

	for (size_t i = 0; i < n; i++)
		wants[i] = (struct memory_want){ addrs[i], bytes + i * at->g_size, at->g_size, 0 };
	e = memory_read_many(m, wants, n);
	if (e < 0)
		return e;
	memset(gs, 0, n * sizeof(*gs));
	for (size_t i = 0; i < n; i++) {
		size_t k = (size_t)((unsigned char *)wants[i].to - bytes) / at->g_size;

		if (wants[i].error == 0)
			go_g_decode(&gs[k], at, wants[i].addr, wants[i].to);
	}
	return 0;
}

bool
go_g_is_alive(const struct go_g *g)
{
	return g->status != GO_G_IDLE && g->status != GO_G_DEAD && g->status != GO_G_DEADEXTRA;
}

bool
go_g_is_running(const struct go_g *g)
{
	/* Leaving a system call it runs, but has not moved yet (doRecordGoroutineProfile). */
	return (g->status == GO_G_RUNNING && g->syscall_sp == 0) || g->status == GO_G_COPYSTACK;
}

bool
go_g_is_same(const struct go_g *a, const struct go_g *b)
{
	return a->at == b->at && a->goid == b->goid && a->status == b->status && a->seq == b->seq &&
	       a->reason == b->reason && a->lo == b->lo && a->hi == b->hi && a->pc == b->pc &&
	       a->sp == b->sp && a->syscall_pc == b->syscall_pc && a->syscall_sp == b->syscall_sp &&
	       a->labels == b->labels;
}

/* ---- its state in words */

static const char *const statuses[GO_G_STATUSES] = {
	"idle", "runnable", "running",   "syscall",   "waiting", "",
	"dead", "",         "copystack", "preempted", "leaked",  "waiting for cgo callback",
};

/* What testing/synctest takes for idle, and the runtime's text then says so (isIdleInSynctest). */
static const char *const durable[] = {
	"chan receive (nil chan)",
	"chan send (nil chan)",
	"select (no cases)",
	"sleep",
	"sync.Cond.Wait",
	"coroutine",
	"synctest.Run",
	"synctest.Wait",
};

static const char *
reason_text(const struct go_offsets *at, uint8_t reason)
{
	for (uint8_t i = 0; at->wait_reasons[i]; i++)
		if (i == reason)
			return at->wait_reasons[i];
	return "unknown wait reason";
}

static bool
is_durable(const char *reason)
{
	for (size_t i = 0; i < sizeof(durable) / sizeof(durable[0]); i++)
		if (!strcmp(reason, durable[i]))
			return true;
	return false;
}

size_t
go_g_state(const struct go_g *g, const struct go_offsets *at, char text[GO_G_STATE_MAX])
{
	bool waits = g->status == GO_G_WAITING, leaked = g->status == GO_G_LEAKED;
	const char *s = g->status < GO_G_STATUSES ? statuses[g->status] : "???", *tail = "";
	int n;

	if ((waits || leaked) && g->reason)
		s = reason_text(at, g->reason);
	if (leaked)
		tail = " (leaked)";
	else if (waits && g->bubble && at->bubble_id != GO_ABSENT && is_durable(s))
		tail = " (durable)";
	n = snprintf(text, GO_G_STATE_MAX, "%s%s", s, tail);
	return n < 0 ? 0 : n < GO_G_STATE_MAX ? (size_t)n : GO_G_STATE_MAX - 1;
}
