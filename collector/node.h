/*
 * node.h - a configured process: found, held, followed, sampled.
 *
 *           found                     exits, no window
 *   ABSENT ───────► RUNNING ──────────────────────────► ABSENT (looked for again)
 *                     │ exits, windows open
 *                     ▼
 *                  GRACE: its windows wait for the same node's next process;
 *                  found in time: they go on with it; else they end with what they have
 *
 * Held by a pidfd and its start time, so that a process that got the same pid
 * later is never taken for it.
 */
#ifndef PPD_COLLECTOR_NODE_H
#define PPD_COLLECTOR_NODE_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/wire.h"
#include "collector/loop.h"
#include "collector/maps.h"
#include "collector/memories.h"
#include "collector/proc.h"
#include "collector/record.h"
#include "collector/sampler.h"
#include "collector/stacks.h"
#include "collector/target.h"
#include "collector/window.h"
#include "conf/conf.h"

#define NODE_SAMPLERS_MAX 4
#define NODE_THREADS_MAX 65536 /* whose names are kept while windows are open */

struct node_thread {
	uint32_t tid;
	char comm[PROC_COMM_MAX];
};

struct node {
	/* set once */
	const struct conf *conf;           /* borrowed */
	const struct conf_node *section;   /* borrowed */
	struct target target;
	uint16_t index;
	struct loop *loop;                 /* borrowed */
	struct memories *memories;         /* borrowed; NULL: none are held */
	bool want_kernel;
	/* Tell the owner that a window has ended; the owner closes it. */
	void (*window_ended)(void *ctx, struct window *w, enum wire_end reason);
	void *ctx;

	/* who it is now */
	enum wire_node_state state;
	struct err why;                    /* of a state other than RUNNING */
	char said[ERR_TEXT_MAX];           /* what of it was logged last */
	pid_t pid;                         /* 0: none */
	uint64_t start_ticks, start_unix_ns;
	char comm[PROC_COMM_MAX];
	char exe[PATH_MAX];
	struct loop_fd exit;               /* its pidfd */

	struct maps maps;
	uint64_t maps_read_ns;             /* when they were last read whole */
	struct unwind_cache cache;         /* of what was found out about code */
	struct stacks stacks;
	struct sampler *samplers[NODE_SAMPLERS_MAX]; /* owned */
	struct window *windows;            /* owned by the service; listed here */
	unsigned int n_windows;
	size_t window_bytes;               /* of all windows' counts */
	struct node_thread *threads;       /* names seen while windows are open; owned */
	uint32_t n_threads, cap_threads;
	struct table thread_ids;

	uint64_t cpu_ns, cpu_at_ns;        /* the process's CPU clock when the rings were last drained, and when that was */
	uint64_t cpu_prev_ns, cpu_prev_at_ns; /* the look before */
	bool cpu_missed;                   /* the last look came too late: the process was gone */
	pid_t crowded_pid;                 /* the process whose threads run too shortly to be sampled by thread; 0: none yet */
	uint64_t exited_ns;                /* GRACE since; 0: not */
	pid_t exited_pid;
	uint64_t told_ns;                  /* when windows last told their peers */
	struct loop_timer find, tick;
	uint32_t traced, short_of;         /* of late: stacks, and those for which the copy was too short */
	uint64_t samples, lost_closed;     /* since the start; lost: by samplers that are closed */
};

/* The target's syntax was checked by the configuration's reader. Starts looking. */
int node_init(struct node *n, const struct conf *conf, uint16_t index, struct loop *loop,
	      struct objects *objects, struct err *why);
void node_fini(struct node *n);

/* Look for the process if there is none now. Returns 0, or -errno with the reason (also in n->why). */
int node_find(struct node *n, struct err *why);
/* Look anew at who it is and what it has mapped. Does nothing while windows are open: then the
 * events tell. */
void node_refresh(struct node *n);
/* What kind of program it is, as far as its maps tell: "Go", "JVM", "Node.js", "Python", "native"... */
const char *node_runtime(const struct node *n);

/* Why a window may not be opened, for HTTP. */
struct refusal {
	uint16_t status;
	uint16_t retry_after_s; /* 0: none */
	struct err why;
};

/* Open a window. Returns 0 and *out, or -errno and *no. */
int node_window_open(struct node *n, uint64_t id, const char *event, uint32_t hz, uint64_t duration_ns,
		     struct window **out, struct refusal *no);
/* Take it out and free it; the last window's end closes the events. */
void node_window_close(struct node *n, struct window *w);
/* Samples lost since the start, as far as the kernel counts them. */
uint64_t node_lost(const struct node *n);
/* Count what the rings hold now, also the samples that wait for rows: before windows are ended. */
void node_settle(struct node *n);
/* The CPU clock of the process at a time since the look before the last: between two looks in proportion. 0: there
 * is no process now. */
uint64_t node_clock(const struct node *n, uint64_t at_ns);
/* Seconds until the next window ends, at least 1. */
uint16_t node_retry_after(const struct node *n);

/*
 * The memory of the node's program, held for the symbolizer: memories_put() when it is not needed any
 * more. The node must have been found, and refreshed. Returns 0, or -errno with the reason.
 */
int node_memory(struct node *n, struct node_memory **out, struct err *why);

/* ---- from the sampler */

/* Count a sample in every open window. Returns false when it should be tried again later, because an
 * object's rows are still being made (never with `force`). */
bool node_sample(struct node *n, struct sampler *s, const struct record_sample *sample, bool force);
void node_mmap(struct node *n, const struct record_mmap *m);
void node_comm(struct node *n, const struct record_comm *c);

/* A thread's name, read now if it was never seen; "" when it is gone unseen. */
const char *node_thread_name(struct node *n, uint32_t tid);
/* Rows of some object are ready: count what waited for them. */
void node_rows_changed(struct node *n);

#endif
