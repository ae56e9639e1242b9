#include "config.h"

#include "collector/guardian.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/jail.h"
#include "base/log.h"
#include "base/privs.h"
#include "base/wire.h"
#include "collector/proc.h"

#define LOCK_TRIES 200 /* of 10 ms: an earlier guardian that is just putting things back */

/* ---- words and records */

static int
word_read(int mem, uint64_t address, uint64_t *value)
{
	ssize_t n = pread(mem, value, sizeof(*value), (off_t)address);

	if (n < 0)
		return errno == EIO ? -ESRCH : -errno;
	return n == sizeof(*value) ? 0 : -ESRCH; /* a program that is no more has no memory */
}

static int
word_write(int mem, uint64_t address, uint64_t value)
{
	ssize_t n = pwrite(mem, &value, sizeof(value), (off_t)address);

	if (n < 0)
		return -errno;
	return n == sizeof(value) ? 0 : -ESRCH;
}

int
guardian_restore(int mem, const struct guardian_record *r)
{
	uint64_t now;
	int e = word_read(mem, r->address, &now);

	if (e == -ESRCH || (e == 0 && now != r->value))
		return 0;
	if (e == 0)
		e = word_write(mem, r->address, r->before);
	return e < 0 ? e : 1;
}

static int
record_put(int file, size_t slot, const struct guardian_record *r)
{
	ssize_t n = pwrite(file, r, sizeof(*r), (off_t)(slot * sizeof(*r)));

	if (n < 0)
		return -errno;
	return n == sizeof(*r) ? 0 : -EIO;
}

static void
record_clear(int file, size_t slot)
{
	static const struct guardian_record none;

	/* Where that fails a later replay compares, and finds nothing to do. */
	if (record_put(file, slot, &none) < 0)
		log_error("a record could not be cleared");
}

/* ---- the process */

struct guard {
	int sock, file;
	struct {
		struct guardian_record record;
		int mem; /* owned; -1: free */
	} slots[GUARDIAN_SLOTS];
};

/* Write where a zero stands, and nowhere else. The record comes first: whatever happens, it is known.
 * The descriptor is taken where it worked. */
static int
guard_set(struct guard *g, uint32_t slot, const struct guardian_record *r, int mem)
{
	uint64_t now;
	int e;

	if (slot >= GUARDIAN_SLOTS || g->slots[slot].mem >= 0 || mem < 0 || r->address % 8 || r->value == 0)
		return -EINVAL;
	e = word_read(mem, r->address, &now);
	if (e < 0)
		return e;
	if (now != r->before)
		return -EEXIST;
	e = record_put(g->file, slot, r);
	if (e < 0)
		return e;
	e = word_write(mem, r->address, r->value);
	if (e == 0)
		e = word_read(mem, r->address, &now);
	if (e == 0 && now != r->value)
		e = -EIO;
	if (e == 0) {
		g->slots[slot].record = *r;
		g->slots[slot].mem = mem;
		return 0;
	}
	guardian_restore(mem, r);
	record_clear(g->file, slot);
	return e;
}

static int
guard_unset(struct guard *g, uint32_t slot)
{
	int e;

	if (slot >= GUARDIAN_SLOTS || g->slots[slot].mem < 0)
		return -EINVAL;
	e = guardian_restore(g->slots[slot].mem, &g->slots[slot].record);
	if (e < 0)
		return e;
	close(g->slots[slot].mem);
	g->slots[slot].mem = -1;
	record_clear(g->file, slot);
	return 0;
}

static int
guard_message(struct guard *g, struct wire_msg *m)
{
	struct guardian_record r = { .magic = GUARDIAN_MAGIC };
	uint32_t slot;
	struct cur c;
	struct buf b;
	int e;

	cur_init(&c, m->body, m->len);
	slot = cur_u32(&c);
	if (m->type == WIRE_GUARD_SET) {
		r.pid = cur_u32(&c);
		r.start_ticks = cur_u64(&c);
		r.address = cur_u64(&c);
		r.value = cur_u64(&c);
	}
	if (cur_error(&c) || cur_left(&c) || (m->type != WIRE_GUARD_SET && m->type != WIRE_GUARD_UNSET))
		return -EBADMSG;
	e = m->type == WIRE_GUARD_SET ? guard_set(g, slot, &r, m->fd) : guard_unset(g, slot);
	if (e == 0 && m->type == WIRE_GUARD_SET)
		m->fd = -1;
	buf_init(&b, WIRE_BODY_MAX);
	buf_u32(&b, slot);
	buf_u32(&b, (uint32_t)-e);
	e = buf_error(&b) ? buf_error(&b) : wire_send(g->sock, WIRE_GUARDED, b.data, b.len, -1);
	buf_fini(&b);
	return e;
}

/* Until the collector is no more. */
static void
guard_serve(struct guard *g)
{
	struct wire_msg *m = malloc(sizeof(*m));
	int r = m ? 1 : -ENOMEM;

	while (r > 0) {
		r = wire_recv(g->sock, m);
		if (r == 1 && guard_message(g, m) < 0)
			r = -EBADMSG;
		if (m->fd >= 0)
			close(m->fd);
	}
	free(m);
	for (uint32_t slot = 0; slot < GUARDIAN_SLOTS; slot++) {
		if (g->slots[slot].mem < 0)
			continue;
		log_warning("the collector is gone: taking back what was set in process %u",
			    (unsigned int)g->slots[slot].record.pid);
		guard_unset(g, slot);
	}
}

/* The socket becomes 3, the file 4, and of all others only standard error stays. */
static int
guard_keep(struct guard *g)
{
	int high_sock = fcntl(g->sock, F_DUPFD, 16), high_file = fcntl(g->file, F_DUPFD, 17);

	if (high_sock < 0 || high_file < 0 || dup2(high_sock, 3) < 0 || dup2(high_file, 4) < 0 ||
	    close_range(5, ~0U, 0) < 0)
		return -errno;
	close(0);
	close(1);
	g->sock = 3;
	g->file = 4;
	return 0;
}

static _Noreturn void
guard_main(int sock, int file, const char *user)
{
	static struct guard g;
	struct err why;
	uint64_t kept;
	int r;

	/* It ends when its work is done, not when somebody ends the service. */
	signal(SIGTERM, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	prctl(PR_SET_NAME, "pprofd-guardian");
	log_start("pprofd-guardian", LOG_INFO);
	g.sock = sock;
	g.file = file;
	for (size_t i = 0; i < GUARDIAN_SLOTS; i++)
		g.slots[i].mem = -1;
	r = guard_keep(&g);
	if (r < 0)
		err_sys(&why, r, "descriptors");
	else
		r = privs_drop(user, 0, &kept, &why);
	if (r == 0)
		r = jail_enter(JAIL_CHILD, &why);
	if (r < 0) {
		log_error("%s", why.text);
		_exit(1);
	}
	guard_serve(&g);
	_exit(0);
}

int
guardian_start(int file, const char *user, struct err *why)
{
	int pair[2], e;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
		e = -errno;
		close(file);
		return err_sys(why, e, "a socket for the guardian");
	}
	signal(SIGCHLD, SIG_IGN); /* nobody waits for it */
	pid = fork();
	e = -errno;
	if (pid == 0)
		guard_main(pair[1], file, user);
	close(pair[1]);
	close(file);
	if (pid > 0) {
		fcntl(pair[0], F_SETFL, O_NONBLOCK);
		return pair[0];
	}
	close(pair[0]);
	return err_sys(why, e, "fork of the guardian");
}

/* ---- the records of an earlier one */

static void
replay_one(const struct guardian_record *r)
{
	char path[64];
	struct proc_stat st;
	int mem, e;

	if (r->magic != GUARDIAN_MAGIC || r->pid > INT32_MAX || r->address % 8)
		return;
	if (proc_stat_read((pid_t)r->pid, &st) < 0 || st.start_ticks != r->start_ticks)
		return; /* it has ended */
	snprintf(path, sizeof(path), "/proc/%u/mem", (unsigned int)r->pid);
	mem = open(path, O_RDWR | O_CLOEXEC);
	e = mem < 0 ? -errno : guardian_restore(mem, r);
	if (mem >= 0)
		close(mem);
	if (e < 0)
		log_error("process %u: the rate that was set at %llx could not be taken back: %s", (unsigned int)r->pid,
			  (unsigned long long)r->address, strerror(-e));
	else if (e > 0)
		log_warning("process %u: the rate that was set at %llx is taken back", (unsigned int)r->pid,
			    (unsigned long long)r->address);
}

static void
replay(int file)
{
	struct guardian_record r;

	for (size_t slot = 0; slot < GUARDIAN_SLOTS; slot++)
		if (pread(file, &r, sizeof(r), (off_t)(slot * sizeof(r))) == sizeof(r))
			replay_one(&r);
}

/* Is it ours now? An earlier guardian's lock goes with it. */
static bool
lock(int file)
{
	for (int i = 0; i < LOCK_TRIES; i++) {
		if (flock(file, LOCK_EX | LOCK_NB) == 0)
			return true;
		usleep(10000);
	}
	return false;
}

int
guardian_open(const char *run_dir, int needed, struct err *why)
{
	char path[PATH_MAX];
	int file, r;

	snprintf(path, sizeof(path), "%s/armed", run_dir);
	file = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (file >= 0 && lock(file))
		replay(file);
	else if (file >= 0)
		log_warning("%s: an earlier guardian still holds it, and takes back what it has set itself", path);
	if (file >= 0)
		close(file);
	/* A new one: what an earlier guardian may still write goes to its own. */
	if (file >= 0 || !needed)
		unlink(path);
	if (!needed)
		return -ENOENT;
	file = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	r = -errno;
	if (file < 0)
		return err_sys(why, r, "%s, where what is set in nodes is recorded", path);
	flock(file, LOCK_EX | LOCK_NB); /* the guardian's too: the lock is the open file's */
	return file;
}
