#include "config.h"

#include "symbolize/children.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/wire.h"
#include "symbolize/client.h"
#include "symbolize/naming.h"
#include "symbolize/reader.h"
#include "symbolize/readings.h"
#include "symbolize/row_jobs.h"

/* Messages taken from one of them before the others get their turn. */
#define MESSAGES_A_TURN 64
#define NAME_BYTES_MAX  4096

enum reader_of { OF_NAMES, OF_ROWS, OF_MEMORY };

size_t
children_count(const struct service *s)
{
	return s->n_readers + ROW_READERS + READINGS_CHILDREN;
}

/* All that there are: those for names, then for rows, then of memories. */
static struct reader *
reader_at(struct service *s, size_t i, enum reader_of *of)
{
	*of = OF_NAMES;
	if (i < s->n_readers)
		return &s->readers[i];
	i -= s->n_readers;
	*of = OF_ROWS;
	if (i < ROW_READERS)
		return &s->rows.running[i].reader;
	*of = OF_MEMORY;
	return &s->readings.slots[i - ROW_READERS].reader;
}

/* ---- files that they want */

/* WIRE_FILE to the child; error 0: here it is. */
static void
give_file(struct reader *r, uint32_t error, int fd)
{
	struct buf b;

	r->file_ticket = 0;
	if (fd >= 0)
		reader_allow_file(r, fd);
	buf_init(&b, WIRE_BODY_MAX);
	buf_u32(&b, r->file_child_ticket);
	buf_u32(&b, error);
	if (buf_error(&b) || wire_send(r->sock, WIRE_FILE, b.data, b.len, fd) < 0)
		reader_kill(r, "could not be answered");
	buf_fini(&b);
}

/* WIRE_FILE_ASK of a child */
static int
ask_file(struct service *s, struct reader *r, const struct wire_msg *m)
{
	struct client *owner = r->entry->owner;
	struct cur cur;
	struct buf b;
	uint8_t kind;
	const char *name;
	uint32_t ticket;
	size_t n;

	cur_init(&cur, m->body, m->len);
	ticket = cur_u32(&cur);
	cur_u64(&cur);
	kind = cur_u8(&cur);
	name = cur_str(&cur, &n);
	if (!r->busy || r->file_ticket || cur_error(&cur) || cur_left(&cur) || kind > WIRE_FILE_ALTLINK ||
	    n > NAME_BYTES_MAX)
		return -EBADMSG;
	r->file_child_ticket = ticket;
	if (!owner || owner->broken || ++r->files > READER_FILES_MAX) {
		give_file(r, owner ? EMFILE : ENOTCONN, -1);
		return 0;
	}
	if (++s->file_ticket == 0)
		s->file_ticket = 1;
	r->file_ticket = s->file_ticket;
	r->file_until_ns = s->now_ns + READER_FILE_NS;
	buf_init(&b, WIRE_BODY_MAX);
	buf_u32(&b, r->file_ticket);
	buf_u64(&b, r->entry->id);
	buf_u8(&b, kind);
	buf_str(&b, name, n);
	client_send(owner, WIRE_FILE_ASK, &b, -1, s->now_ns);
	buf_fini(&b);
	return 0;
}

int
children_file(struct service *s, struct client *c, struct wire_msg *m)
{
	struct cur cur;
	uint32_t ticket, error;

	cur_init(&cur, m->body, m->len);
	ticket = cur_u32(&cur);
	error = cur_u32(&cur);
	if (cur_error(&cur) || cur_left(&cur) || ticket == 0)
		return -EBADMSG;
	for (size_t i = 0; i < s->n_readers; i++) {
		struct reader *r = &s->readers[i];

		/* Only whoever was asked; an answer that comes too late finds nobody. */
		if (r->pid && r->sock >= 0 && r->file_ticket == ticket && r->entry && r->entry->owner == c)
			give_file(r, error ? error : m->fd < 0 ? ENOENT : 0, error ? -1 : m->fd);
	}
	return 0;
}

/* ---- what they say */

static int
take_from_reader(struct service *s, struct reader *r, enum reader_of of)
{
	switch (of) {
	case OF_ROWS:
		return s->m.type == WIRE_ROWS ? row_jobs_rows(s, r, &s->m) : -EBADMSG;
	case OF_MEMORY:
		return readings_child_said(s, r, &s->m);
	default:
		break;
	}
	if (r->entry && s->m.type == WIRE_NAMES)
		return naming_names(s, r, &s->m);
	if (r->entry && s->m.type == WIRE_NAMED)
		return naming_named(s, r, &s->m);
	return r->entry && s->m.type == WIRE_FILE_ASK ? ask_file(s, r, &s->m) : -EBADMSG;
}

static void
hear_reader(struct service *s, struct reader *r, enum reader_of of)
{
	for (int i = 0; i < MESSAGES_A_TURN && r->sock >= 0; i++) {
		int got = wire_recv(r->sock, &s->m), result;

		if (got == -EAGAIN)
			return;
		if (got != 1) {
			/* Its end; how it came about is told when it is reaped. */
			reader_kill(r, got < 0 ? "sent what cannot be right" : NULL);
			return;
		}
		result = take_from_reader(s, r, of);
		if (s->m.fd >= 0)
			close(s->m.fd);
		s->m.fd = -1;
		if (result < 0)
			reader_kill(r, "sent what cannot be right");
	}
}

static struct reader *
find_reader(struct service *s, pid_t pid, enum reader_of *of)
{
	for (size_t i = 0; i < children_count(s); i++) {
		struct reader *r = reader_at(s, i, of);

		if (r->pid == pid)
			return r;
	}
	return NULL;
}

/* One that died in the middle of a question: whoever waits for it is told. */
static void
reader_died(struct service *s, struct reader *r, enum reader_of of, const char *why, bool blame)
{
	if (of == OF_MEMORY) {
		readings_died(s, r, why);
	} else if (r->entry && of == OF_ROWS) {
		row_jobs_died(s, r, why);
	} else if (r->entry) {
		r->entry->reader = NULL;
		if (r->busy || r->killed_for)
			naming_died(s, r->entry, why, blame ? NAMING_DEAD_NS : NAMING_KILLED_NS);
	}
}

void
children_reap(struct service *s)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		enum reader_of of;
		struct reader *r = find_reader(s, pid, &of);
		char why[128];
		bool blame;

		if (!r)
			continue;
		r->reaped = true;
		/* What it said before its end still counts. */
		hear_reader(s, r, of);
		blame = reader_verdict(r, &s->limits, status, why, sizeof(why));
		reader_died(s, r, of, why, blame);
		reader_fini(r);
	}
}

void
children_check_times(struct service *s)
{
	enum reader_of of;

	for (size_t i = 0; i < children_count(s); i++) {
		struct reader *r = reader_at(s, i, &of);

		if (!r->pid || r->sock < 0)
			continue;
		if (reader_is_late(r, &s->limits, s->now_ns))
			reader_kill(r, "took too long");
		else if (r->file_ticket && s->now_ns > r->file_until_ns)
			give_file(r, ETIMEDOUT, -1);
	}
}

/* ---- from the loop */

bool
children_are_busy(struct service *s)
{
	enum reader_of of;

	for (size_t i = 0; i < children_count(s); i++) {
		const struct reader *r = reader_at(s, i, &of);

		if (r->pid && (r->busy || of == OF_ROWS))
			return true;
	}
	return false;
}

/* Where something waits for it that its socket did not take. */
static struct reading_slot *
slot_at(struct service *s, size_t i)
{
	return i < s->n_readers + ROW_READERS ? NULL : &s->readings.slots[i - s->n_readers - ROW_READERS];
}

void
children_poll(struct service *s, struct pollfd *p)
{
	enum reader_of of;

	for (size_t i = 0; i < children_count(s); i++) {
		const struct reader *r = reader_at(s, i, &of);
		const struct reading_slot *slot = slot_at(s, i);

		p[i] = (struct pollfd){ .fd = r->pid ? r->sock : -1,
					.events = (short)(POLLIN | (slot && slot->regs_first ? POLLOUT : 0)) };
	}
}

void
children_serve(struct service *s, const struct pollfd *p)
{
	enum reader_of of;

	for (size_t i = 0; i < children_count(s); i++) {
		struct reader *r = reader_at(s, i, &of);

		if (!p[i].revents || p[i].fd != r->sock)
			continue;
		if (p[i].revents & (POLLIN | POLLHUP | POLLERR))
			hear_reader(s, r, of);
		if (slot_at(s, i))
			reading_slot_pump(slot_at(s, i));
	}
}

void
children_end(struct service *s)
{
	enum reader_of of;

	for (size_t i = 0; i < children_count(s); i++) {
		struct reader *r = reader_at(s, i, &of);

		if (r->pid)
			reader_kill(r, NULL);
	}
	while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
		;
}
