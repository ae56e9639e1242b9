#include "config.h"

#include "collector/arm.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/wire.h"
#include "collector/guardian.h"
#include "collector/limits.h"
#include "collector/proc.h"

#define RATES_BYTES_MAX 65536 /* of a reading of three rates */

enum arm_state { READING, SETTING, SET, UNSETTING };

struct arm_user {
	struct arm_user *next;
	void *user;
	bool told; /* that it is armed */
};

struct arm {
	struct arm *next;
	struct arms *arms;
	enum arm_state state;
	uint32_t slot;   /* the guardian's */
	uint32_t ticket; /* the link's, while READING */
	uint64_t memory; /* whose: held until it is over */
	pid_t pid;
	uint64_t start_ticks;
	uint64_t code; /* an address in the executable's code */
	uint8_t kind;
	uint64_t rate;
	uint64_t until_ns; /* READING and SETTING */
	struct arm_user *users; /* owned */
};

static const char *
kind_name(uint8_t kind)
{
	return kind == READING_BLOCK ? "block" : "mutex";
}

/* ---- users */

static void
users_tell(struct arm *a, const struct refusal *no)
{
	struct arms *as = a->arms;
	struct arm_user *u, **link = &a->users;

	/* Whoever is told may leave: the list is taken apart first. */
	while (no && a->users) {
		void *user = a->users->user;

		u = a->users;
		a->users = u->next;
		free(u);
		as->told(user, no);
	}
	while (!no && *link) {
		u = *link;
		if (u->told) {
			link = &u->next;
			continue;
		}
		u->told = true;
		as->told(u->user, NULL);
		link = &a->users;
	}
}

static int
user_add(struct arm *a, void *user)
{
	struct arm_user *u = calloc(1, sizeof(*u));

	if (!u)
		return -ENOMEM;
	u->user = user;
	u->next = a->users;
	a->users = u;
	return 0;
}

/* Nobody's; the users have been told. */
static void
arm_free(struct arm *a)
{
	struct arm **link = &a->arms->first;

	while (*link != a)
		link = &(*link)->next;
	*link = a->next;
	while (a->users) {
		struct arm_user *u = a->users;

		a->users = u->next;
		free(u);
	}
	memories_put(a->arms->memories, a->memory);
	free(a);
}

static void __attribute__((format(printf, 3, 4)))
arm_refuse(struct arm *a, uint16_t status, const char *fmt, ...)
{
	struct refusal no = { .status = status };
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(no.why.text, sizeof(no.why.text), fmt, ap);
	va_end(ap);
	users_tell(a, &no);
}

/* ---- the guardian */

static int
guardian_send(struct arms *as, uint16_t type, const struct buf *b, int fd)
{
	if (buf_error(b))
		return buf_error(b);
	/* It is never far behind: what does not fit now is not worth waiting for. */
	return as->guardian.fd < 0 ? -ENOTCONN : wire_send(as->guardian.fd, type, b->data, b->len, fd);
}

static void
arm_unset(struct arm *a)
{
	struct buf b;

	buf_init(&b, WIRE_BODY_MAX);
	buf_u32(&b, a->slot);
	a->state = UNSETTING;
	if (guardian_send(a->arms, WIRE_GUARD_UNSET, &b, -1) < 0)
		log_error("the guardian cannot be told to take back a rate of process %d; it does when it ends",
			  (int)a->pid);
	buf_fini(&b);
}

/* The guardian has gone, which nobody but a person can have done: what it had set is in its records. */
static void
guardian_lost(struct arms *as)
{
	int fd = as->guardian.fd, file;
	struct err why;

	log_error("the guardian is gone; nothing can be armed before pprofd-collector is started again");
	loop_remove(as->loop, &as->guardian);
	close(fd);
	file = guardian_open(as->run_dir, 0, &why);
	if (file >= 0)
		close(file);
	while (as->first) {
		struct arm *a = as->first;

		a->state = UNSETTING;
		arm_refuse(a, 503, "the rate could not be kept set: pprofd-guardian has ended");
		arm_free(a);
	}
}

static struct arm *
arm_of_slot(const struct arms *as, uint32_t slot)
{
	struct arm *a = as->first;

	while (a && (a->slot != slot || a->state == READING))
		a = a->next;
	return a;
}

/* WIRE_GUARDED */
static void
guardian_said(struct arms *as, const struct wire_msg *m)
{
	struct arm *a;
	struct cur c;
	uint32_t error;

	cur_init(&c, m->body, m->len);
	a = arm_of_slot(as, cur_u32(&c));
	error = cur_u32(&c);
	if (!a)
		return;
	if (a->state == SETTING && error) {
		if (error == EEXIST)
			arm_refuse(a, 409, "the node has set its %s rate itself", kind_name(a->kind));
		else
			arm_refuse(a, 503, "the %s rate of process %d could not be set: %s", kind_name(a->kind),
				   (int)a->pid, strerror((int)error));
		arm_free(a);
	} else if (a->state == SETTING) {
		a->state = SET;
		log_info("process %d: its %s rate is set to %llu", (int)a->pid, kind_name(a->kind),
			 (unsigned long long)a->rate);
		users_tell(a, NULL);
		if (!a->users)
			arm_unset(a);
	} else if (a->state == UNSETTING) {
		if (error)
			log_error("process %d: its %s rate could not be taken back: %s", (int)a->pid,
				  kind_name(a->kind), strerror((int)error));
		else
			log_info("process %d: its %s rate is taken back", (int)a->pid, kind_name(a->kind));
		arm_refuse(a, 503, "the rate has just been taken back; ask again");
		arm_free(a);
	}
}

static void
guardian_ready(void *ctx, uint32_t events)
{
	struct arms *as = ctx;
	struct wire_msg m;
	int r = 1;

	(void)events;
	while (r == 1) {
		r = wire_recv(as->guardian.fd, &m);
		if (r == 1 && m.fd >= 0)
			close(m.fd);
		if (r == 1 && m.type == WIRE_GUARDED)
			guardian_said(as, &m);
	}
	if (r != -EAGAIN)
		guardian_lost(as);
}

/* ---- setting */

/* Is it in the program's own data? And then to the guardian with it. */
static int
arm_set(struct arm *a, uint64_t address, struct err *why)
{
	char path[64];
	struct buf b;
	int mem, r = proc_is_program_data(a->pid, a->code, address);

	if (r <= 0)
		return err_set(why, -EFAULT, "the %s rate's address is not in the program's own data", kind_name(a->kind));
	if (!memories_find(a->arms->memories, a->memory))
		return err_set(why, -ESRCH, "process %d has exited, or executes another program", (int)a->pid);
	snprintf(path, sizeof(path), "/proc/%d/mem", (int)a->pid);
	mem = open(path, O_RDWR | O_CLOEXEC);
	if (mem < 0)
		return limits_explain_arming(-errno, a->pid, why);
	buf_init(&b, WIRE_BODY_MAX);
	buf_u32(&b, a->slot);
	buf_u32(&b, (uint32_t)a->pid);
	buf_u64(&b, a->start_ticks);
	buf_u64(&b, address);
	buf_u64(&b, a->rate);
	r = guardian_send(a->arms, WIRE_GUARD_SET, &b, mem);
	buf_fini(&b);
	close(mem);
	if (r < 0)
		return err_sys(why, r, "asking the guardian");
	a->state = SETTING;
	return 0;
}

/* What the child found. Of a kind's bucket: where the rate is, what it is, whether it is the program's. */
static int
arm_take_rates(struct arm *a, int fd, struct err *why)
{
	struct reading reading;
	struct reading_bucket b;
	struct stat st;
	int r;

	if (fstat(fd, &st) < 0 || st.st_size > RATES_BYTES_MAX)
		return err_set(why, -EBADMSG, "the reading of the rates is too large");
	r = reading_open(&reading, fd, why);
	if (r < 0)
		return r;
	memset(&b, 0, sizeof(b));
	if (reading.head->kind == READING_RATES && reading.head->buckets.n > a->kind)
		b = reading.buckets[a->kind];
	reading_close(&reading);
	if (!b.size || !b.values[1])
		return err_set(why, -ENOTSUP, "where this program keeps its %s rate is not sure enough to write there",
			       kind_name(a->kind));
	if (b.values[0])
		return err_set(why, -EEXIST, "the node's %s profile is on already, at a rate of %lld: there is no need to "
			       "arm it", kind_name(a->kind), (long long)b.values[0]);
	return arm_set(a, b.size, why);
}

static uint16_t
status_of(int error)
{
	return error == -EEXIST ? 409 : error == -ENOTSUP ? 501 : 503;
}

/* From the link. */
static void
arms_reading(void *ctx, uint32_t ticket, uint16_t status, const char *text, int fd)
{
	struct arms *as = ctx;
	struct arm *next;

	for (struct arm *a = as->first; a; a = next) {
		struct err why = { 0 };
		int r = 0;

		next = a->next;
		if (a->state != READING || (ticket && a->ticket != ticket))
			continue;
		if (status == 200 && a->users)
			r = arm_take_rates(a, fd, &why);
		if (status != 200)
			arm_refuse(a, status, "%s", text);
		else if (r < 0)
			arm_refuse(a, status_of(r), "%s", why.text);
		if (a->state == READING)
			arm_free(a);
	}
}

/* ---- asking and leaving */

static struct arm *
arm_find(const struct arms *as, uint64_t memory, uint8_t kind)
{
	struct arm *a = as->first;

	while (a && (a->memory != memory || a->kind != kind))
		a = a->next;
	return a;
}

static bool
slot_is_free(const struct arms *as, uint32_t slot)
{
	for (const struct arm *a = as->first; a; a = a->next)
		if (a->slot == slot)
			return false;
	return true;
}

static int
refuse(struct refusal *no, uint16_t status, int r)
{
	no->status = status;
	return r;
}

/* Where the executable's code is mapped; 0: nowhere. */
static uint64_t
node_code(const struct node *n)
{
	for (size_t k = 0; k < n->maps.n_view; k++)
		if (n->maps.view[k]->flags & WIRE_MAP_MAIN)
			return n->maps.view[k]->unwind.start;
	return 0;
}

/* The memory's user is taken over, on failure too. */
static int
arm_new(struct arms *as, const struct node *n, uint64_t memory, uint8_t kind, uint64_t rate, struct arm **out)
{
	struct arm *a = calloc(1, sizeof(*a));

	if (!a) {
		memories_put(as->memories, memory);
		return -ENOMEM;
	}
	a->arms = as;
	a->memory = memory;
	a->pid = n->pid;
	a->start_ticks = n->start_ticks;
	a->code = node_code(n);
	a->kind = kind;
	a->rate = rate;
	a->until_ns = loop_now() + ARM_TIME_NS;
	while (!slot_is_free(as, a->slot))
		a->slot++;
	a->next = as->first;
	as->first = a;
	a->ticket = a->slot < GUARDIAN_SLOTS ? link_read(as->link, memory, READING_RATES) : 0;
	if (!a->ticket) {
		arm_free(a);
		return -ENOTCONN;
	}
	if (!as->watch.at_ns)
		loop_timer_start(as->loop, &as->watch, ARM_TIME_NS);
	*out = a;
	return 0;
}

int
arms_ask(struct arms *as, struct node *n, uint8_t kind, uint64_t rate, void *user, struct refusal *no)
{
	struct node_memory *m;
	struct arm *a;
	int r;

	memset(no, 0, sizeof(*no));
	if (!as->allowed)
		return refuse(no, 403, err_set(&no->why, -EPERM, "arm=1 is not allowed here: it writes into the node's "
					       "memory (allow_arm in pprofd.conf)"));
	if (as->guardian.fd < 0)
		return refuse(no, 503, err_set(&no->why, -ENOTCONN, "nothing can be armed: pprofd-guardian is not running"));
	if ((kind != READING_BLOCK && kind != READING_MUTEX) || rate < 1 || rate > ARM_RATE_MAX)
		return refuse(no, 400, err_set(&no->why, -EINVAL, "arm: no such rate"));
	r = memories_can_be_read(as->memories) ? node_memory(n, &m, &no->why) :
		    err_set(&no->why, -ENOTCONN, "pprofd-symbolizer, which reads nodes' memories, is not running");
	if (r < 0)
		return refuse(no, 503, r);
	a = arm_find(as, m->id, kind);
	if (a && (a->rate != rate || a->state == UNSETTING)) {
		memories_put(as->memories, m->id);
		no->retry_after_s = 1;
		return refuse(no, 503, err_set(&no->why, -EBUSY, "the node's %s profile is armed already, at a rate of %llu",
					       kind_name(kind), (unsigned long long)a->rate));
	}
	if (a)
		memories_put(as->memories, m->id);
	else if (arm_new(as, n, m->id, kind, rate, &a) < 0)
		return refuse(no, 503, err_set(&no->why, -ENOTCONN, "the rate cannot be asked for"));
	if (user_add(a, user) < 0)
		return refuse(no, 503, err_set(&no->why, -ENOMEM, "no memory"));
	a->users->told = a->state == SET;
	return a->state == SET;
}

void
arms_leave(struct arms *as, void *user)
{
	for (struct arm *a = as ? as->first : NULL; a; a = a->next) {
		struct arm_user **link = &a->users;

		while (*link && (*link)->user != user)
			link = &(*link)->next;
		if (*link) {
			struct arm_user *u = *link;

			*link = u->next;
			free(u);
			/* What is being set is taken back when it is. */
			if (!a->users && a->state == SET)
				arm_unset(a);
		}
	}
}

/* Nobody waits for ever for a guardian that hangs: a hostile node may make a page that never comes. */
static void
arms_watch(void *ctx)
{
	struct arms *as = ctx;
	uint64_t now = loop_now();
	bool more = false;

	for (struct arm *a = as->first; a; a = a->next) {
		if (a->state != READING && a->state != SETTING)
			continue;
		more = true;
		if (now >= a->until_ns)
			arm_refuse(a, 503, "the %s rate of process %d could not be set in time", kind_name(a->kind),
				   (int)a->pid);
	}
	if (more)
		loop_timer_start(as->loop, &as->watch, ARM_TIME_NS / 10);
}

void
arms_start(struct arms *as, struct loop *loop, struct link *link, struct memories *memories, int guardian,
	   const char *run_dir)
{
	as->loop = loop;
	as->link = link;
	as->memories = memories;
	as->run_dir = run_dir;
	as->first = NULL;
	as->watch = (struct loop_timer){ .fire = arms_watch, .ctx = as };
	as->guardian = (struct loop_fd){ .fd = guardian, .ready = guardian_ready, .ctx = as };
	if (guardian >= 0)
		loop_add(loop, &as->guardian, EPOLLIN);
	link->reading = arms_reading;
	link->reading_ctx = as;
}

void
arms_stop(struct arms *as)
{
	int fd = as->guardian.fd;

	loop_timer_stop(as->loop, &as->watch);
	as->link->reading = NULL;
	while (as->first)
		arm_free(as->first);
	if (fd < 0)
		return;
	/* The guardian takes back everything, and ends. */
	loop_remove(as->loop, &as->guardian);
	close(fd);
}
