#include "config.h"

#include "collector/node.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"
#include "collector/objects.h"
#include "collector/sampler_mode.h"

#define TICK_NS 15000000u         /* between drains; late words must be read soon after the sample */
#define TELL_NS 100000000u        /* between messages about new stacks */
#define FIND_IDLE_NS 2000000000u  /* between looks for an absent node */
#define FIND_GRACE_NS 30000000u   /* the same while windows wait for it */
#define GRACE_NS 2000000000u      /* how long windows wait for a restart */
#define RETRY_MAX_S 3600          /* a window may last a day; who asks again does not wait for that */
#define MAPS_AGAIN_NS 50000000u   /* between readings because an address was in no map */

static void node_look(void *ctx);
static void node_tick(void *ctx);
static void node_exited(void *ctx, uint32_t events);

int
node_init(struct node *n, const struct conf *conf, uint16_t index, struct loop *loop, struct objects *objects,
	  struct err *why)
{
	int r;

	memset(n, 0, sizeof(*n));
	n->conf = conf;
	n->section = &conf->nodes[index];
	n->index = index;
	n->loop = loop;
	n->want_kernel = conf->kernel;
	n->state = WIRE_NODE_ABSENT;
	n->exit = (struct loop_fd){ .fd = -1, .ready = node_exited, .ctx = n };
	n->find = (struct loop_timer){ .fire = node_look, .ctx = n };
	n->tick = (struct loop_timer){ .fire = node_tick, .ctx = n };
	maps_init(&n->maps, objects);
	stacks_init(&n->stacks, (size_t)conf->memory_mb << 19);
	table_init(&n->thread_ids);
	r = target_parse(&n->target, n->section->target, why);
	if (r < 0)
		return r;
	node_look(n);
	return 0;
}

/* What was mapped is no longer true. While no window is open no stack speaks of a map, and their list
 * begins anew: a node that makes code all the time, or restarts often, must not fill it. */
static void
node_forget_maps(struct node *n)
{
	if (n->n_windows) {
		maps_clear_view(&n->maps);
		return;
	}
	maps_reset(&n->maps);
	memset(&n->cache, 0, sizeof(n->cache)); /* of map ids that begin anew */
}

static void
node_let_go(struct node *n)
{
	int fd = n->exit.fd;

	loop_remove(n->loop, &n->exit);
	if (fd >= 0)
		close(fd);
	if (n->pid)
		memories_forget(n->memories, n->pid);
	n->pid = 0;
	n->state = WIRE_NODE_ABSENT;
	node_forget_maps(n);
	n->maps.pid = 0;
}

void
node_fini(struct node *n)
{
	loop_timer_stop(n->loop, &n->find);
	loop_timer_stop(n->loop, &n->tick);
	node_let_go(n);
	for (size_t i = 0; i < NODE_SAMPLERS_MAX; i++) {
		sampler_free(n->samplers[i]);
		n->samplers[i] = NULL;
	}
	stacks_fini(&n->stacks);
	maps_fini(&n->maps);
	table_fini(&n->thread_ids);
	free(n->threads);
	n->threads = NULL;
}

/* ---- finding and holding */

/* Hold a pid: pidfd first, then its start time; a process that took the pid in between has
 * another pidfd, and the search is asked again whether it still matches. */
static int
node_hold(struct node *n, pid_t pid, struct err *why)
{
	struct proc_stat st;
	int fd, r;

	fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (fd < 0)
		return err_sys(why, -errno, "pid %d", (int)pid);
	if (proc_stat_read(pid, &st) < 0 || target_find(&n->target, why) != pid) {
		close(fd);
		return err_set(why, -ESRCH, "process %d went away", (int)pid);
	}
	if (n->start_ticks && st.start_ticks != n->start_ticks && !target_follows(&n->target)) {
		close(fd);
		return err_set(why, -ESRCH, "process %d has exited; another one has its pid now", (int)pid);
	}
	n->exit.fd = fd;
	r = loop_add(n->loop, &n->exit, EPOLLIN);
	if (r < 0) {
		close(fd);
		n->exit.fd = -1;
		return err_sys(why, r, "pidfd of %d", (int)pid);
	}
	n->pid = pid;
	n->start_ticks = st.start_ticks;
	n->start_unix_ns = proc_start_unix_ns(st.start_ticks);
	return 0;
}

static void
node_identify(struct node *n)
{
	if (proc_comm(n->pid, n->pid, n->comm) < 0)
		n->comm[0] = '\0';
	if (proc_exe(n->pid, n->exe, sizeof(n->exe)) < 0)
		n->exe[0] = '\0';
	n->cpu_ns = n->cpu_prev_ns = proc_cpu_ns(n->pid);
	n->cpu_at_ns = n->cpu_prev_at_ns = loop_now();
}

static int
node_read_maps(struct node *n, struct err *why)
{
	int r = maps_read(&n->maps, n->pid, why);

	n->maps_read_ns = loop_now();
	if (r != -EACCES && r != -EPERM)
		return r < 0 ? r : 0;
	return err_set(why, r, "process %d may not be looked at: the collector needs CAP_PERFMON and CAP_SYS_PTRACE "
		       "(systemd: AmbientCapabilities=; container: --cap-add=PERFMON --cap-add=SYS_PTRACE)", (int)n->pid);
}

int
node_find(struct node *n, struct err *why)
{
	pid_t pid;
	int r;

	if (n->state == WIRE_NODE_RUNNING)
		return 0;
	node_let_go(n);
	pid = target_find(&n->target, &n->why);
	if (pid < 0) {
		n->state = pid == -ENOTUNIQ ? WIRE_NODE_AMBIGUOUS : WIRE_NODE_ABSENT;
		r = (int)pid;
	} else {
		r = node_hold(n, pid, &n->why);
		if (r == 0) {
			node_identify(n);
			r = node_read_maps(n, &n->why);
			n->state = r == 0 ? WIRE_NODE_RUNNING : r == -ESRCH ? WIRE_NODE_ABSENT : WIRE_NODE_DENIED;
		}
	}
	if (r == 0) {
		log_info("node %s: pid %d (%s), %zu executable maps", n->section->name, (int)n->pid, n->comm,
			 n->maps.n_view);
		n->said[0] = '\0';
		return 0;
	}
	/* It is looked for every two seconds; the reason is told when it changes. */
	if (strcmp(n->said, n->why.text) != 0)
		log_warning("node %s: %s", n->section->name, n->why.text);
	memcpy(n->said, n->why.text, sizeof(n->said));
	if (why)
		*why = n->why;
	return r;
}

const char *
node_runtime(const struct node *n)
{
	static const struct {
		const char *part, *runtime;
	} signs[] = {
		{ "/libjvm.so", "JVM" },        { "/libnode.so", "Node.js" }, { "/libpython", "Python" },
		{ "/libcoreclr.so", ".NET" },   { "/libruby", "Ruby" },       { "/bin/node", "Node.js" },
		{ "/bin/python", "Python" },    { "/beam.smp", "Erlang" },    { "/bin/php", "PHP" },
		{ "/libperl", "Perl" },         { "/bin/perl", "Perl" },      { "/bin/ruby", "Ruby" },
	};

	if (n->state != WIRE_NODE_RUNNING)
		return "";
	for (size_t k = 0; k < n->maps.n_view; k++) {
		const struct map *m = n->maps.view[k];

		if ((m->flags & WIRE_MAP_MAIN) && m->object->state == OBJECT_ROWS_READY &&
		    (m->object->rows.head->flags & ROWS_GO))
			return "Go";
		for (size_t i = 0; i < sizeof(signs) / sizeof(signs[0]); i++)
			if (strstr(m->path, signs[i].part))
				return signs[i].runtime;
	}
	return "native";
}

int
node_memory(struct node *n, struct node_memory **out, struct err *why)
{
	struct object *exe = objects_find(n->maps.objects, n->maps.exe_object);

	if (!exe)
		return err_set(why, -EACCES, "the executable of process %d cannot be opened: the collector needs "
			       "CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH", (int)n->pid);
	return memories_get(n->memories, n->pid, n->exit.fd, exe, out, why);
}

/* ---- exit and restart */

static void
node_end_windows(struct node *n, enum wire_end reason)
{
	while (n->windows)
		n->window_ended(n->ctx, n->windows, reason);
}

static void
node_exited(void *ctx, uint32_t events)
{
	struct node *n = ctx;

	(void)events;
	log_info("node %s: pid %d has exited", n->section->name, (int)n->pid);
	node_settle(n);
	for (size_t i = 0; i < NODE_SAMPLERS_MAX; i++)
		if (n->samplers[i])
			sampler_stop(n->samplers[i]);
	for (struct window *w = n->windows; w; w = w->next) {
		if (n->cpu_ns > w->cpu_before)
			w->cpu_ns += n->cpu_ns - w->cpu_before;
		w->cpu_before = 0;
		w->cpu_least |= n->cpu_missed;
	}
	n->exited_pid = n->pid;
	node_let_go(n);
	err_set(&n->why, -ESRCH, "process %d has exited", (int)n->exited_pid);
	if (n->windows && target_follows(&n->target)) {
		n->exited_ns = loop_now();
		loop_timer_start(n->loop, &n->find, FIND_GRACE_NS);
		return;
	}
	for (struct window *w = n->windows; w; w = w->next)
		window_note(w, "the node exited (pid %d): these are its samples up to then", (int)n->exited_pid);
	node_end_windows(n, WIRE_END_EXIT);
	loop_timer_start(n->loop, &n->find, FIND_IDLE_NS);
}

/* The node is back while windows wait for it: the same events on the new process. */
static void
node_resume(struct node *n)
{
	struct err why;

	for (size_t i = 0; i < NODE_SAMPLERS_MAX; i++) {
		struct sampler *s = n->samplers[i];

		if (!s || sampler_reopen(s, &why) == 0)
			continue;
		log_warning("node %s: %s", n->section->name, why.text);
		for (struct window *w = n->windows; w; w = w->next)
			if (w->sampler == s)
				window_note(w, "the restarted node is not sampled: %s", why.text);
	}
	for (struct window *w = n->windows; w; w = w->next)
		window_note(w, "the node was restarted in the window: pid %d exited, pid %d came %.1f s later",
			    (int)n->exited_pid, (int)n->pid, (double)(loop_now() - n->exited_ns) / 1e9);
	n->exited_ns = 0;
}

static void
node_look(void *ctx)
{
	struct node *n = ctx;

	if (node_find(n, NULL) == 0) {
		if (n->exited_ns)
			node_resume(n);
		return;
	}
	if (n->exited_ns && loop_now() - n->exited_ns < GRACE_NS) {
		loop_timer_start(n->loop, &n->find, FIND_GRACE_NS);
		return;
	}
	if (n->exited_ns) {
		n->exited_ns = 0;
		for (struct window *w = n->windows; w; w = w->next)
			window_note(w, "the node exited (pid %d) and was not started again: these are its samples up to "
				    "then", (int)n->exited_pid);
		node_end_windows(n, WIRE_END_EXIT);
	}
	loop_timer_start(n->loop, &n->find, FIND_IDLE_NS);
}

/* ---- windows */

uint64_t
node_lost(const struct node *n)
{
	uint64_t lost = n->lost_closed;
	bool known;

	for (size_t i = 0; i < NODE_SAMPLERS_MAX; i++)
		if (n->samplers[i])
			lost += sampler_lost(n->samplers[i], &known);
	return lost;
}

uint16_t
node_retry_after(const struct node *n)
{
	uint64_t now = loop_now(), soonest = UINT64_MAX, after_s;

	for (const struct window *w = n->windows; w; w = w->next)
		if (w->end_ns < soonest)
			soonest = w->end_ns;
	if (soonest == UINT64_MAX || soonest <= now)
		return 1;
	after_s = (soonest - now + 999999999u) / 1000000000u;
	return after_s > RETRY_MAX_S ? RETRY_MAX_S : (uint16_t)after_s;
}

static int
refuse(struct refusal *no, uint16_t status, int r)
{
	no->status = status;
	return r;
}

/* The sampler for this event, open already or opened now. */
static int
node_sampler(struct node *n, const struct event *ev, struct sampler **out, struct refusal *no)
{
	struct sampler **room = NULL;
	int r;

	for (size_t i = 0; i < NODE_SAMPLERS_MAX; i++) {
		struct sampler *s = n->samplers[i];

		if (!s) {
			room = room ? room : &n->samplers[i];
			continue;
		}
		if (s->asked.hz == ev->hz && !strcmp(s->asked.name, ev->name)) {
			*out = s;
			return 0;
		}
	}
	if (!room) {
		no->retry_after_s = node_retry_after(n);
		return refuse(no, 503, err_set(&no->why, -EBUSY, "%d different (event, hz) are being sampled already; "
					       "ask for one of them, or again later", NODE_SAMPLERS_MAX));
	}
	r = sampler_open(room, n, ev, &no->why);
	if (r < 0) {
		/* A counter that the machine lacks is the asker's choice; the rest is our state. */
		bool choice = r == -ENOENT || r == -EOPNOTSUPP || r == -EINVAL || r == -ENXIO || r == -ENODEV;

		return refuse(no, choice ? 400 : 503, r);
	}
	*out = *room;
	return 0;
}

void
node_refresh(struct node *n)
{
	struct err why;

	if (n->n_windows || n->state != WIRE_NODE_RUNNING)
		return;
	/* Between windows nobody told us of new maps, nor of an exec: what stands under the same path
	 * at the same place may be another file. */
	node_forget_maps(n);
	node_identify(n);
	if (node_read_maps(n, &why) < 0)
		log_warning("node %s: %s", n->section->name, why.text);
}

/* Does it still run the program whose maps we know? */
static bool
node_is_changed(const struct node *n)
{
	char exe[PATH_MAX];

	return proc_exe(n->pid, exe, sizeof(exe)) < 0 || strcmp(exe, n->exe) != 0;
}

static void
node_prepare(struct node *n)
{
	node_refresh(n);
	maps_look_for_jit(&n->maps);
}

/* Close the events that no window uses. */
static void
node_release(struct node *n, struct sampler *s)
{
	for (size_t i = 0; i < NODE_SAMPLERS_MAX; i++) {
		if (n->samplers[i] != s || s->users)
			continue;
		n->samplers[i] = NULL;
		sampler_stop(s);
		n->lost_closed += s->lost_closed;
		sampler_free(s);
		return;
	}
}

/* Go's runtime changes stacks, and keeps frame pointers: they say how it came there. Whether it is Go is
 * not known before its rows are made. */
static bool
node_may_be_go(const struct node *n)
{
	for (size_t k = 0; k < n->maps.n_view; k++) {
		const struct map *m = n->maps.view[k];

		if ((m->flags & WIRE_MAP_MAIN) && m->object->state == OBJECT_ROWS_WAITING)
			return true;
	}
	return !strcmp(node_runtime(n), "Go");
}

int
node_window_open(struct node *n, uint64_t id, const char *event, uint32_t hz, uint64_t duration_ns,
		 struct window **out, struct refusal *no)
{
	struct event_options opt = { .kernel = n->want_kernel, .stack_bytes = n->conf->stack_kb * 1024 };
	struct sampler *s = NULL;
	struct event ev;
	int r;

	memset(no, 0, sizeof(*no));
	if (opt.stack_bytes > 65528)
		opt.stack_bytes = 65528;
	r = event_parse(&ev, event, hz, &opt, &no->why);
	if (r < 0)
		return refuse(no, 400, r);
	r = node_find(n, &no->why);
	if (r < 0)
		return refuse(no, 503, r);
	/* The maps of many threads' stacks take their time: here only what kind of program it is. */
	if (node_is_changed(n))
		node_refresh(n);
	ev.attr.exclude_callchain_user = !node_may_be_go(n);
	r = node_sampler(n, &ev, &s, no);
	if (r < 0)
		return r;
	r = window_new(out, n, s, id, duration_ns, (size_t)n->conf->memory_mb << 19, &no->why);
	if (r < 0) {
		node_release(n, s);
		no->retry_after_s = node_retry_after(n);
		return refuse(no, 503, r);
	}
	/* Maps are read after the events are open: what is mapped from now on is in the rings. */
	node_prepare(n);
	(*out)->next = n->windows;
	n->windows = *out;
	n->n_windows++;
	if (!n->tick.at_ns)
		loop_timer_start(n->loop, &n->tick, TICK_NS);
	return 0;
}

static void
node_forget(struct node *n)
{
	loop_timer_stop(n->loop, &n->tick);
	n->exited_ns = 0; /* no window waits for a restart now */
	stacks_reset(&n->stacks);
	n->n_threads = 0;
	table_clear(&n->thread_ids);
	if (n->state != WIRE_NODE_RUNNING)
		node_forget_maps(n);
}

void
node_window_close(struct node *n, struct window *w)
{
	struct sampler *s = w->sampler;

	for (struct window **p = &n->windows; *p; p = &(*p)->next) {
		if (*p == w) {
			*p = w->next;
			break;
		}
	}
	n->n_windows--;
	window_free(w);
	node_release(n, s);
	if (!n->n_windows)
		node_forget(n);
}

/* ---- the beat while windows are open */

static void
node_drain(struct node *n, uint64_t now)
{
	for (size_t i = 0; i < NODE_SAMPLERS_MAX; i++)
		if (n->samplers[i])
			sampler_drain(n->samplers[i]);
	/* A window that ends takes what waits for rows as it is. */
	for (const struct window *w = n->windows; w; w = w->next)
		if (w->end_ns <= now)
			sampler_retry(w->sampler, true);
}

static struct window *
node_window_due(const struct node *n, uint64_t now)
{
	for (struct window *w = n->windows; w; w = w->next)
		if (w->end_ns <= now)
			return w;
	return NULL;
}

static uint64_t
node_next_tick(const struct node *n, uint64_t now)
{
	uint64_t after = TICK_NS;

	for (const struct window *w = n->windows; w; w = w->next)
		if (w->end_ns > now && w->end_ns - now < after)
			after = w->end_ns - now;
	return after;
}

static void
node_tell(struct node *n)
{
	struct window *next;

	for (struct window *w = n->windows; w; w = next) {
		next = w->next;
		if (window_tell(w) < 0)
			n->window_ended(n->ctx, w, WIRE_END_STOPPED);
	}
	if (n->state == WIRE_NODE_RUNNING)
		maps_look_for_jit(&n->maps);
}

/* Before the rings are drained: to name what they hold takes its time, in which the node runs on. */
static void
node_look_at_clock(struct node *n)
{
	uint64_t cpu = proc_cpu_ns(n->pid);

	n->cpu_missed = !cpu;
	if (!cpu)
		return;
	n->cpu_prev_ns = n->cpu_ns;
	n->cpu_prev_at_ns = n->cpu_at_ns;
	n->cpu_ns = cpu;
	n->cpu_at_ns = loop_now();
}

uint64_t
node_clock(const struct node *n, uint64_t at_ns)
{
	if (!n->pid)
		return 0;
	if (at_ns >= n->cpu_at_ns || n->cpu_at_ns <= n->cpu_prev_at_ns)
		return n->cpu_ns;
	if (at_ns <= n->cpu_prev_at_ns)
		return n->cpu_prev_ns;
	return n->cpu_prev_ns + (uint64_t)((double)(n->cpu_ns - n->cpu_prev_ns) * (double)(at_ns - n->cpu_prev_at_ns) /
					   (double)(n->cpu_at_ns - n->cpu_prev_at_ns));
}

void
node_settle(struct node *n)
{
	node_look_at_clock(n);
	node_drain(n, UINT64_MAX);
}

/* How often is the kernel's copy of the stack too short? The past counts less and less. */
static void
node_judge_copy(struct node *n, const struct trace *t)
{
	if (n->traced >= 4096) {
		n->traced /= 2;
		n->short_of /= 2;
	}
	n->traced += t->user;
	n->short_of += t->user && ((t->flags & WIRE_STACK_LATE) || t->end == UNWIND_MEMORY);
}

static bool
node_is_hasty(const struct node *n)
{
	return n->short_of >= 3 && n->short_of * 100 > n->traced;
}

static void
node_tick(void *ctx)
{
	struct node *n = ctx;
	uint64_t now = loop_now();
	struct window *due = node_window_due(n, now);

	node_look_at_clock(n);
	node_drain(n, now);
	while (due) {
		n->window_ended(n->ctx, due, WIRE_END_TIME);
		due = node_window_due(n, now);
	}
	for (size_t i = 0; i < NODE_SAMPLERS_MAX; i++) {
		if (!n->samplers[i])
			continue;
		sampler_steer(n->samplers[i], now);
		sampler_mode_judge(n->samplers[i], now);
		if (node_is_hasty(n))
			sampler_hasten(n->samplers[i]);
	}
	if (n->windows && now - n->told_ns >= TELL_NS) {
		n->told_ns = now;
		node_tell(n);
	}
	if (n->windows)
		loop_timer_start(n->loop, &n->tick, node_next_tick(n, loop_now()));
}

void
node_rows_changed(struct node *n)
{
	for (size_t i = 0; i < NODE_SAMPLERS_MAX; i++)
		if (n->samplers[i])
			sampler_retry(n->samplers[i], false);
}

/* ---- from the sampler */

static void
node_trace(struct node *n, const struct record_sample *sample, struct trace *t)
{
	struct err why;

	trace_sample(&n->maps, &n->cache, n->pid, sample, t);
	if (!t->lost_map || n->state != WIRE_NODE_RUNNING || loop_now() - n->maps_read_ns < MAPS_AGAIN_NS)
		return;
	/* The record of a new map may be in another CPU's ring, behind this sample's. */
	if (node_read_maps(n, &why) == 0)
		trace_sample(&n->maps, &n->cache, n->pid, sample, t);
}

static uint32_t
node_stack(struct node *n, const struct trace *t)
{
	struct stack_frame full = { 0 };
	uint32_t id;

	/* The first stack is what others are counted as once there is no room: later it had none itself. */
	if (!n->stacks.n) {
		full.map = maps_pseudo(&n->maps, "[truncated: table full]");
		if (full.map == TABLE_NONE || stacks_add(&n->stacks, &full, 1, 0) == TABLE_NONE)
			return TABLE_NONE;
	}
	id = stacks_add(&n->stacks, t->frames, t->n, t->flags);
	return id == TABLE_NONE ? 0 : id;
}

static void
node_count(struct window *w, uint32_t stack, const struct record_sample *sample, const struct trace *t)
{
	if (sample->is_spare)
		window_spare(w, stack, sample->tid);
	else
		window_count(w, stack, sample->tid, sample->period, t);
}

bool
node_sample(struct node *n, struct sampler *s, const struct record_sample *sample, bool force)
{
	struct trace t;
	uint32_t stack = TABLE_NONE;
	bool wanted = false;

	for (struct window *w = n->windows; w && !wanted; w = w->next)
		wanted = w->sampler == s && sample->time_ns >= w->start_ns && sample->time_ns < w->end_ns;
	if (!wanted)
		return true;
	node_trace(n, sample, &t);
	if (t.waiting && !force)
		return false;
	node_judge_copy(n, &t);
	stack = node_stack(n, &t);
	if (stack == TABLE_NONE)
		return true;
	n->samples++;
	node_thread_name(n, sample->tid); /* while it lives */
	for (struct window *w = n->windows; w; w = w->next)
		if (w->sampler == s && sample->time_ns >= w->start_ns && sample->time_ns < w->end_ns)
			node_count(w, stack, sample, &t);
	return true;
}

void
node_mmap(struct node *n, const struct record_mmap *m)
{
	if (n->state == WIRE_NODE_RUNNING)
		maps_add(&n->maps, m->start, m->start + m->len, m->pgoff, m->major, m->minor, m->ino, m->path);
}

static bool
thread_same(const void *ctx, uint32_t i, const void *key)
{
	return ((const struct node *)ctx)->threads[i].tid == *(const uint32_t *)key;
}

static struct node_thread *
node_thread(struct node *n, uint32_t tid, bool *fresh)
{
	uint32_t i = table_find(&n->thread_ids, hash_u64(tid, 1), thread_same, n, &tid);

	*fresh = i == TABLE_NONE;
	if (!*fresh)
		return &n->threads[i];
	if (n->n_threads == NODE_THREADS_MAX)
		return NULL;
	if (n->n_threads == n->cap_threads) {
		uint32_t cap = n->cap_threads ? n->cap_threads * 2 : 64;
		struct node_thread *more = realloc(n->threads, cap * sizeof(*more));

		if (!more)
			return NULL;
		n->threads = more;
		n->cap_threads = cap;
	}
	if (table_add(&n->thread_ids, hash_u64(tid, 1), n->n_threads) < 0)
		return NULL;
	n->threads[n->n_threads] = (struct node_thread){ .tid = tid };
	return &n->threads[n->n_threads++];
}

const char *
node_thread_name(struct node *n, uint32_t tid)
{
	bool fresh;
	struct node_thread *t = node_thread(n, tid, &fresh);

	if (!t)
		return "";
	if (fresh && proc_comm(n->pid, (pid_t)tid, t->comm) < 0)
		t->comm[0] = '\0';
	return t->comm;
}

void
node_comm(struct node *n, const struct record_comm *c)
{
	struct node_thread *t;
	struct err why;
	bool fresh;

	t = node_thread(n, c->tid, &fresh);
	if (t)
		snprintf(t->comm, sizeof(t->comm), "%s", c->comm);
	if (!c->exec || n->state != WIRE_NODE_RUNNING)
		return;
	/* Another program in the same process: all that was mapped is gone. What waits is of the old one. */
	for (size_t i = 0; i < NODE_SAMPLERS_MAX; i++)
		if (n->samplers[i])
			sampler_retry(n->samplers[i], true);
	memories_forget(n->memories, n->pid);
	node_forget_maps(n);
	node_identify(n);
	if (node_read_maps(n, &why) < 0)
		log_warning("node %s: %s", n->section->name, why.text);
	for (struct window *w = n->windows; w; w = w->next)
		window_note(w, "the node executed another program in the window: %s", n->exe);
}
