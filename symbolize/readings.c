#include "config.h"

#include "symbolize/readings.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "base/reading.h"
#include "symbolize/client.h"
#include "symbolize/memory_child.h"
#include "symbolize/service.h"

/* A child that was taken over could keep the files of readings that are long over: it has few
 * descriptors (its own, and one to fill), and after a large reading it goes. */
#define CHILD_FILES 12
#define KEEP_BYTES  (64u << 20)
#define TIDS_MAX    4096

struct known_memory {
	struct known_memory *next;
	uint64_t id;          /* the collector's number */
	uint64_t object;      /* the executable's */
	struct client *owner; /* who handed it over */
	int fds[WIRE_MEMORY_PARTS]; /* owned; -1: not yet */
	struct reading_slot *slot;  /* its child; NULL: none now */
};

struct reading_ask {
	struct reading_ask *next;
	struct client *client;
	uint32_t ticket;
};

struct reading_job {
	struct reading_job *next;
	struct known_memory *memory;
	uint8_t kind; /* enum reading_kind */
	uint32_t duration_ms;
	struct reading_ask *asks; /* owned */
	struct reading_slot *slot; /* whose child works on it; NULL: it waits */
	uint32_t ticket;
	int memfd; /* owned; -1 */
};

/* A WIRE_REGS body on its way to a child. */
struct regs_message {
	struct regs_message *next;
	size_t n;
	unsigned char body[];
};

/* ---- answers */

static void
answer(struct service *s, struct client *c, uint32_t ticket, uint16_t status, const char *text, int fd)
{
	struct buf b;

	buf_init(&b, WIRE_BODY_MAX);
	buf_u32(&b, ticket);
	buf_u16(&b, status);
	buf_str(&b, text, strlen(text));
	client_send(c, WIRE_READING, &b, fd, s->now_ns);
	buf_fini(&b);
}

static void
asks_free(struct readings *rs, struct reading_job *j, const struct client *only)
{
	struct reading_ask **link = &j->asks;

	while (*link) {
		struct reading_ask *a = *link;

		if (only && a->client != only) {
			link = &a->next;
			continue;
		}
		*link = a->next;
		free(a);
		rs->n_asks--;
	}
}

/* Out of the list, with whoever waits for it: they have been told. */
static void
job_free(struct readings *rs, struct reading_job *j)
{
	struct reading_job **link = &rs->jobs;

	while (*link && *link != j)
		link = &(*link)->next;
	if (*link)
		*link = j->next;
	if (j->slot)
		j->slot->job = NULL;
	asks_free(rs, j, NULL);
	if (j->memfd >= 0)
		close(j->memfd);
	free(j);
}

/* With status 200 the file is handed out; with others the text is the reason. */
static void
job_finish(struct service *s, struct reading_job *j, uint16_t status, const char *text)
{
	for (const struct reading_ask *a = j->asks; a; a = a->next)
		answer(s, a->client, a->ticket, status, text, status == 200 ? j->memfd : -1);
	job_free(&s->readings, j);
}

/* ---- children */

void
readings_init(struct readings *rs)
{
	memset(rs, 0, sizeof(*rs));
	for (size_t i = 0; i < READINGS_CHILDREN; i++) {
		rs->slots[i].reader.sock = -1;
		rs->slots[i].regs_last = &rs->slots[i].regs_first;
	}
}

static void
slot_clear(struct reading_slot *slot)
{
	while (slot->regs_first) {
		struct regs_message *m = slot->regs_first;

		slot->regs_first = m->next;
		free(m);
	}
	reader_fini(&slot->reader);
	if (slot->memory && slot->memory->slot == slot)
		slot->memory->slot = NULL;
	memset(slot, 0, sizeof(*slot));
	slot->reader.sock = -1;
	slot->regs_last = &slot->regs_first;
}

/* Nobody needs the child any more; its slot is free when it is reaped. */
static void
slot_release(struct reading_slot *slot)
{
	if (slot->memory && slot->memory->slot == slot)
		slot->memory->slot = NULL;
	slot->memory = NULL;
	reader_kill(&slot->reader, NULL);
}

static struct reading_slot *
slot_of(struct service *s, const struct reader *r)
{
	for (size_t i = 0; i < READINGS_CHILDREN; i++)
		if (&s->readings.slots[i].reader == r)
			return &s->readings.slots[i];
	return NULL;
}

/* A free one; where there is none the child that has been idle for longest makes room. */
static struct reading_slot *
slot_find(struct readings *rs)
{
	struct reading_slot *idle = NULL;
	bool leaving = false;

	for (size_t i = 0; i < READINGS_CHILDREN; i++) {
		struct reading_slot *slot = &rs->slots[i];

		if (!slot->reader.pid)
			return slot;
		leaving = leaving || slot->reader.sock < 0;
		if (!slot->reader.busy && slot->reader.sock >= 0 &&
		    (!idle || slot->reader.asked_ns < idle->reader.asked_ns))
			idle = slot;
	}
	if (idle && !leaving)
		slot_release(idle);
	return NULL; /* not before it is reaped */
}

/* ---- memories */

static struct known_memory *
memory_find(const struct readings *rs, uint64_t id)
{
	for (struct known_memory *k = rs->memories; k; k = k->next)
		if (k->id == id)
			return k;
	return NULL;
}

static bool
memory_is_whole(const struct known_memory *k)
{
	for (size_t i = 0; i < WIRE_MEMORY_PARTS; i++)
		if (k->fds[i] < 0)
			return false;
	return true;
}

/* With its child, and a sentence for those who wait. */
static void
memory_forget(struct service *s, struct known_memory *k, const char *text)
{
	struct readings *rs = &s->readings;
	struct known_memory **link = &rs->memories;
	struct reading_job *next;

	while (*link != k)
		link = &(*link)->next;
	*link = k->next;
	rs->n_memories--;
	for (struct reading_job *j = rs->jobs; j; j = next) {
		next = j->next;
		if (j->memory == k)
			job_finish(s, j, 503, text);
	}
	for (size_t i = 0; i < READINGS_CHILDREN; i++)
		if (rs->slots[i].memory == k)
			slot_release(&rs->slots[i]);
	for (size_t i = 0; i < WIRE_MEMORY_PARTS; i++)
		if (k->fds[i] >= 0)
			close(k->fds[i]);
	free(k);
}

static struct known_memory *
memory_new(struct readings *rs, struct client *owner, uint64_t id, uint64_t object)
{
	struct known_memory *k;

	if (rs->n_memories >= READINGS_MEMORIES_MAX)
		return NULL;
	k = calloc(1, sizeof(*k));
	if (!k)
		return NULL;
	for (size_t i = 0; i < WIRE_MEMORY_PARTS; i++)
		k->fds[i] = -1;
	k->id = id;
	k->object = object;
	k->owner = owner;
	k->next = rs->memories;
	rs->memories = k;
	rs->n_memories++;
	return k;
}

int
readings_memory(struct service *s, struct client *c, struct wire_msg *m)
{
	struct known_memory *k;
	struct cur cur;
	uint64_t id, object;
	uint8_t part;

	cur_init(&cur, m->body, m->len);
	id = cur_u64(&cur);
	part = cur_u8(&cur);
	object = cur_u64(&cur);
	if (cur_error(&cur) || cur_left(&cur) || part >= WIRE_MEMORY_PARTS || m->fd < 0)
		return -EBADMSG;
	c->is_collector = true;
	k = memory_find(&s->readings, id);
	/* Of a collector that is no more, or handed over anew. */
	if (k && (k->owner != c || k->fds[part] >= 0)) {
		memory_forget(s, k, "pprofd-collector was restarted");
		k = NULL;
	}
	if (!k)
		k = memory_new(&s->readings, c, id, object);
	if (!k) {
		log_warning("memory %llu: no room (%zu are known)", (unsigned long long)id, s->readings.n_memories);
		return 0;
	}
	k->fds[part] = m->fd;
	m->fd = -1;
	return 0;
}

int
readings_memory_drop(struct service *s, struct client *c, struct wire_msg *m)
{
	struct known_memory *k;
	struct cur cur;
	uint64_t id;

	cur_init(&cur, m->body, m->len);
	id = cur_u64(&cur);
	if (cur_error(&cur) || cur_left(&cur))
		return -EBADMSG;
	k = memory_find(&s->readings, id);
	if (k && k->owner == c)
		memory_forget(s, k, "the process has ended, or executed another program");
	return 0;
}

/* ---- asking */

static size_t
estimates(const struct readings *rs)
{
	size_t n = 0;

	for (const struct reading_job *j = rs->jobs; j; j = j->next)
		n += j->kind == READING_BLOCK_ESTIMATE;
	return n;
}

/* The reading that will be for this question too, or NULL. */
static struct reading_job *
job_that_waits(const struct readings *rs, const struct known_memory *k, uint8_t kind, uint32_t duration_ms)
{
	for (struct reading_job *j = rs->jobs; j; j = j->next)
		if (!j->slot && j->memory == k && j->kind == kind && j->duration_ms == duration_ms)
			return j;
	return NULL;
}

static struct reading_job *
job_new(struct readings *rs, struct known_memory *k, uint8_t kind, uint32_t duration_ms)
{
	struct reading_job *j = calloc(1, sizeof(*j)), **link = &rs->jobs;

	if (!j)
		return NULL;
	j->memory = k;
	j->kind = kind;
	j->duration_ms = duration_ms;
	j->memfd = -1;
	while (*link)
		link = &(*link)->next;
	*link = j;
	return j;
}

static int
job_ask(struct readings *rs, struct reading_job *j, struct client *c, uint32_t ticket)
{
	struct reading_ask *a = malloc(sizeof(*a));

	if (!a)
		return -ENOMEM;
	*a = (struct reading_ask){ j->asks, c, ticket };
	j->asks = a;
	rs->n_asks++;
	return 0;
}

int
readings_ask(struct service *s, struct client *c, struct wire_msg *m)
{
	struct readings *rs = &s->readings;
	struct reading_job *j;
	struct known_memory *k;
	struct cur cur;
	uint64_t id;
	uint32_t ticket, duration_ms;
	uint8_t kind;

	cur_init(&cur, m->body, m->len);
	id = cur_u64(&cur);
	ticket = cur_u32(&cur);
	kind = cur_u8(&cur);
	duration_ms = cur_u32(&cur);
	if (cur_error(&cur) || cur_left(&cur) || kind >= READING_KINDS)
		return -EBADMSG;
	if (kind != READING_BLOCK_ESTIMATE)
		duration_ms = 0;
	if (!memory_find(rs, id))
		service_hear_collectors(s, c);
	k = memory_find(rs, id);
	if (!k || !memory_is_whole(k)) {
		answer(s, c, ticket, 503, "the node's memory is not known: its process has ended or executed another program, "
		       "or pprofd-collector is being restarted", -1);
		return 0;
	}
	j = job_that_waits(rs, k, kind, duration_ms);
	if (rs->n_asks >= READINGS_ASKS_MAX ||
	    (!j && kind == READING_BLOCK_ESTIMATE && estimates(rs) >= READINGS_ESTIMATES)) {
		answer(s, c, ticket, 503, "too many readings are under way", -1);
		return 0;
	}
	if (!j)
		j = job_new(rs, k, kind, duration_ms);
	if (!j || job_ask(rs, j, c, ticket) < 0)
		answer(s, c, ticket, 503, "pprofd-symbolizer is out of memory", -1);
	if (j && !j->asks)
		job_free(rs, j);
	return 0;
}

/* ---- starting */

static int
serve_memory(int sock, const int *fds, const void *ctx)
{
	return memory_child_serve(sock, fds[0], fds + 1, ctx);
}

static int
slot_start(struct service *s, struct reading_slot *slot, const struct reading_job *j, struct err *why)
{
	const struct entry *e = catalog_find(&s->catalog, j->memory->object);
	struct reader_task task = { .name = "pprofd-memory",
				    .n_fds = 1 + WIRE_MEMORY_PARTS,
				    .write_bytes = READING_BYTES_MAX,
				    .files_max = CHILD_FILES,
				    .serve = serve_memory };
	const char *base;
	int r;

	if (!e || e->fd < 0)
		return err_set(why, -ENOENT, "the node's executable is not known");
	base = strrchr(e->path, '/');
	task.ctx = base ? base + 1 : e->path;
	task.fds[0] = e->fd;
	for (size_t i = 0; i < WIRE_MEMORY_PARTS; i++)
		task.fds[1 + i] = j->memory->fds[i];
	r = reader_start_task(&slot->reader, &s->limits, &task, s->now_ns, why);
	if (r < 0)
		return r;
	slot->memory = j->memory;
	slot->once = j->kind == READING_BLOCK_ESTIMATE;
	if (!slot->once)
		j->memory->slot = slot;
	return 0;
}

/* Send the question to the child; where that fails the child dies, and the job with it. */
static int
slot_ask(struct service *s, struct reading_slot *slot, struct reading_job *j, struct err *why)
{
	struct buf b;
	int r;

	j->memfd = memfd_create("reading", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (j->memfd < 0)
		return err_sys(why, -errno, "a file for the reading");
	if (++s->readings.ticket == 0)
		s->readings.ticket = 1;
	j->ticket = s->readings.ticket;
	j->slot = slot;
	slot->job = j;
	slot->reader.extra_seconds = (j->duration_ms + 999) / 1000;
	buf_init(&b, WIRE_BODY_MAX);
	buf_u64(&b, j->memory->id);
	buf_u32(&b, j->ticket);
	buf_u8(&b, j->kind);
	buf_u32(&b, j->duration_ms);
	r = buf_error(&b) ? buf_error(&b) : wire_send(slot->reader.sock, WIRE_READ_ASK, b.data, b.len, j->memfd);
	buf_fini(&b);
	reader_renew(&slot->reader, &s->limits, s->now_ns);
	if (r < 0)
		reader_kill(&slot->reader, "could not be asked");
	return 0;
}

/* Returns 0 also where it has to wait on. */
static int
job_start(struct service *s, struct reading_job *j, struct err *why)
{
	struct reading_slot *slot = j->kind == READING_BLOCK_ESTIMATE ? NULL : j->memory->slot;
	int r = 0;

	if (slot && (slot->reader.busy || slot->reader.sock < 0))
		return 0;
	if (!slot) {
		slot = slot_find(&s->readings);
		if (!slot)
			return 0;
		r = slot_start(s, slot, j, why);
	}
	if (r < 0)
		return r;
	r = slot_ask(s, slot, j, why);
	if (r < 0 && slot->once)
		slot_release(slot);
	return r;
}

/* ---- where threads are: asked by a child, answered by the collector */

void
readings_pump(struct reading_slot *slot)
{
	while (slot->regs_first && slot->reader.sock >= 0) {
		struct regs_message *m = slot->regs_first;
		int r = wire_send(slot->reader.sock, WIRE_REGS, m->body, m->n, -1);

		if (r == -EAGAIN)
			return;
		if (r < 0)
			reader_kill(&slot->reader, NULL); /* gone; how, is told when it is reaped */
		slot->regs_first = m->next;
		if (!slot->regs_first)
			slot->regs_last = &slot->regs_first;
		slot->regs_bytes -= m->n;
		free(m);
	}
}

/* Pass on a WIRE_REGS body behind its ticket; `bytes` NULL: that nothing more is known. */
static void
regs_tell(struct reading_slot *slot, const void *bytes, size_t n)
{
	static const unsigned char nothing[3] = { 1, 0, 0 }; /* is_last, no threads */
	struct regs_message *m;
	struct buf b;

	if (!bytes || slot->regs_bytes + n > READINGS_REGS_BYTES) {
		bytes = nothing;
		n = sizeof(nothing);
	}
	if (*(const unsigned char *)bytes)
		slot->regs_ticket = 0;
	buf_init(&b, WIRE_BODY_MAX);
	buf_u32(&b, slot->regs_child_ticket);
	buf_add(&b, bytes, n);
	m = buf_error(&b) ? NULL : malloc(sizeof(*m) + b.len);
	if (!m) {
		reader_kill(&slot->reader, "could not be answered");
	} else {
		m->next = NULL;
		m->n = b.len;
		memcpy(m->body, b.data, b.len);
		*slot->regs_last = m;
		slot->regs_last = &m->next;
		slot->regs_bytes += m->n;
		readings_pump(slot);
	}
	buf_fini(&b);
}

/* WIRE_REGS_ASK of a child */
static int
regs_ask(struct service *s, struct reading_slot *slot, const struct wire_msg *m)
{
	struct client *owner = slot->memory ? slot->memory->owner : NULL;
	struct cur cur;
	struct buf b;
	uint32_t ticket;
	size_t n;

	cur_init(&cur, m->body, m->len);
	ticket = cur_u32(&cur);
	cur_u64(&cur);
	n = cur_u16(&cur);
	if (!slot->reader.busy || slot->regs_ticket || cur_error(&cur) || n > TIDS_MAX || cur_left(&cur) != n * 4)
		return -EBADMSG;
	slot->regs_child_ticket = ticket;
	if (!owner || owner->broken) {
		regs_tell(slot, NULL, 0);
		return 0;
	}
	if (++s->readings.ticket == 0)
		s->readings.ticket = 1;
	slot->regs_ticket = s->readings.ticket;
	slot->regs_until_ns = s->now_ns + READINGS_REGS_NS;
	buf_init(&b, WIRE_BODY_MAX);
	buf_u32(&b, slot->regs_ticket);
	buf_u64(&b, slot->memory->id);
	buf_u16(&b, (uint16_t)n);
	buf_add(&b, cur_bytes(&cur, n * 4), n * 4);
	client_send(owner, WIRE_REGS_ASK, &b, -1, s->now_ns);
	buf_fini(&b);
	return 0;
}

int
readings_regs(struct service *s, struct client *c, struct wire_msg *m)
{
	struct cur cur;
	uint32_t ticket;
	size_t n;

	cur_init(&cur, m->body, m->len);
	ticket = cur_u32(&cur);
	n = cur_left(&cur);
	if (cur_error(&cur) || ticket == 0 || n < 3)
		return -EBADMSG;
	for (size_t i = 0; i < READINGS_CHILDREN; i++) {
		struct reading_slot *slot = &s->readings.slots[i];

		/* Only whoever was asked; an answer that comes too late finds nobody. */
		if (slot->regs_ticket == ticket && slot->memory && slot->memory->owner == c)
			regs_tell(slot, cur_bytes(&cur, n), n);
	}
	return 0;
}

/* ---- what children say */

/* The child may have been taken over: what it says goes out as one line. */
static void
clean(char *to, size_t size, const char *text, size_t n)
{
	size_t kept = n < size ? n : size - 1;

	for (size_t i = 0; i < kept; i++)
		to[i] = (unsigned char)text[i] < ' ' || text[i] == 0x7f ? '?' : text[i];
	to[kept] = '\0';
}

static uint64_t
file_bytes(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && st.st_size > 0 ? (uint64_t)st.st_size : 0;
}

/* WIRE_READING of a child */
static int
take_reading(struct service *s, struct reading_slot *slot, const struct wire_msg *m)
{
	char line[ERR_TEXT_MAX];
	struct cur cur;
	uint32_t ticket;
	uint16_t status;
	const char *text;
	size_t n;
	bool large;

	cur_init(&cur, m->body, m->len);
	ticket = cur_u32(&cur);
	status = cur_u16(&cur);
	text = cur_str(&cur, &n);
	if (!slot->reader.busy || slot->regs_ticket || cur_error(&cur) || cur_left(&cur) ||
	    (status != 200 && (status < 400 || status > 599)))
		return -EBADMSG;
	slot->reader.busy = false;
	slot->reader.asked_ns = s->now_ns;
	if (!slot->job)
		return slot->once ? -EBADMSG : 0;
	if (ticket != slot->job->ticket)
		return -EBADMSG;
	clean(line, sizeof(line), text, n);
	large = file_bytes(slot->job->memfd) > KEEP_BYTES;
	if (status == 200 && reader_seal(slot->job->memfd) < 0) {
		/* It has the file mapped, and means to go on writing. */
		job_finish(s, slot->job, 503, "the reading could not be sealed");
		return -EBADMSG;
	}
	job_finish(s, slot->job, status, line);
	if (slot->once || large)
		slot_release(slot);
	return 0;
}

int
readings_child_said(struct service *s, struct reader *r, const struct wire_msg *m)
{
	struct reading_slot *slot = slot_of(s, r);

	if (m->type == WIRE_READING)
		return take_reading(s, slot, m);
	return m->type == WIRE_REGS_ASK ? regs_ask(s, slot, m) : -EBADMSG;
}

void
readings_died(struct service *s, struct reader *r, const char *why)
{
	struct reading_slot *slot = slot_of(s, r);
	char text[ERR_TEXT_MAX];

	if (slot->job) {
		log_warning("memory %llu: its reader %s", (unsigned long long)slot->job->memory->id, why);
		snprintf(text, sizeof(text), "the node's memory could not be read: its reader %s", why);
		job_finish(s, slot->job, 503, text);
	}
	slot_clear(slot);
}

/* ---- from the loop */

void
readings_schedule(struct service *s)
{
	struct readings *rs = &s->readings;
	struct reading_job *next;

	for (size_t i = 0; i < READINGS_CHILDREN; i++)
		if (rs->slots[i].regs_ticket && s->now_ns > rs->slots[i].regs_until_ns)
			regs_tell(&rs->slots[i], NULL, 0);
	for (struct reading_job *j = rs->jobs; j; j = next) {
		struct err why;

		next = j->next;
		if (j->slot || job_start(s, j, &why) == 0)
			continue;
		log_error("memory %llu: %s", (unsigned long long)j->memory->id, why.text);
		job_finish(s, j, 503, why.text);
	}
}

void
readings_forget_client(struct service *s, const struct client *c)
{
	struct readings *rs = &s->readings;
	struct known_memory *next_memory;
	struct reading_job *next;

	for (struct reading_job *j = rs->jobs; j; j = next) {
		struct reading_slot *slot = j->slot;

		next = j->next;
		asks_free(rs, j, c);
		if (j->asks)
			continue;
		/* What runs for nobody ends soon, but for an estimate: its child is of no use now. */
		job_free(rs, j);
		if (slot && slot->once)
			slot_release(slot);
	}
	for (struct known_memory *k = rs->memories; k; k = next_memory) {
		next_memory = k->next;
		if (k->owner == c)
			memory_forget(s, k, "pprofd-collector was restarted");
	}
}

void
readings_fini(struct readings *rs)
{
	while (rs->jobs)
		job_free(rs, rs->jobs);
	for (size_t i = 0; i < READINGS_CHILDREN; i++)
		slot_clear(&rs->slots[i]);
	while (rs->memories) {
		struct known_memory *k = rs->memories;

		rs->memories = k->next;
		for (size_t i = 0; i < WIRE_MEMORY_PARTS; i++)
			if (k->fds[i] >= 0)
				close(k->fds[i]);
		free(k);
	}
	readings_init(rs);
}
