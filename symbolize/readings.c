#include "config.h"

#include "symbolize/readings.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "base/reading.h"
#include "symbolize/client.h"
#include "symbolize/service.h"

/* A child that was taken over could keep the files of its readings: after a large one it goes. */
#define KEEP_BYTES (64u << 20)

struct reading_ask {
	struct reading_ask *next;
	struct client *client;
	uint32_t ticket;
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

/* ---- slots */

void
readings_init(struct readings *rs)
{
	memset(rs, 0, sizeof(*rs));
	for (size_t i = 0; i < READINGS_CHILDREN; i++)
		reading_slot_init(&rs->slots[i]);
}

static struct reading_slot *
slot_of(struct service *s, const struct reader *r)
{
	for (size_t i = 0; i < READINGS_CHILDREN; i++)
		if (&s->readings.slots[i].reader == r)
			return &s->readings.slots[i];
	return NULL;
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
			reading_slot_release(&rs->slots[i]);
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

/* Returns 0 also where it has to wait on. */
static int
job_start(struct service *s, struct reading_job *j, struct err *why)
{
	struct reading_slot *slot = j->kind == READING_BLOCK_ESTIMATE ? NULL : j->memory->slot;
	int r = 0;

	if (slot && (slot->reader.busy || slot->reader.sock < 0))
		return 0;
	if (!slot) {
		slot = reading_slot_find(s->readings.slots, READINGS_CHILDREN);
		if (!slot)
			return 0;
		r = reading_slot_start(s, slot, j, why);
	}
	if (r < 0)
		return r;
	r = reading_slot_ask(s, slot, j, why);
	if (r < 0 && slot->once)
		reading_slot_release(slot);
	return r;
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
		reading_slot_release(slot);
	return 0;
}

int
readings_child_said(struct service *s, struct reader *r, const struct wire_msg *m)
{
	struct reading_slot *slot = slot_of(s, r);

	if (m->type == WIRE_READING)
		return take_reading(s, slot, m);
	return m->type == WIRE_REGS_ASK ? reading_slot_regs_ask(s, slot, m) : -EBADMSG;
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
			reading_slot_regs_tell(slot, cur_bytes(&cur, n), n);
	}
	return 0;
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
	reading_slot_clear(slot);
}

/* ---- from the loop */

void
readings_schedule(struct service *s)
{
	struct readings *rs = &s->readings;
	struct reading_job *next;

	for (size_t i = 0; i < READINGS_CHILDREN; i++)
		if (rs->slots[i].regs_ticket && s->now_ns > rs->slots[i].regs_until_ns)
			reading_slot_regs_tell(&rs->slots[i], NULL, 0);
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
			reading_slot_release(slot);
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
		reading_slot_clear(&rs->slots[i]);
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
