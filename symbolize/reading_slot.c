#include "config.h"

#include "symbolize/reading_slot.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/buf.h"
#include "base/reading.h"
#include "symbolize/client.h"
#include "symbolize/memory_child.h"
#include "symbolize/service.h"

/* A child that was taken over could keep the files of readings that are long over: it has few
 * descriptors (its own, and one to fill), and after a large reading it goes. */
#define CHILD_FILES 12
/* Questions for threads that a reading may ask, and threads in each: the collector looks at every one. */
#define REGS_ASKS_MAX 64
#define TIDS_MAX      4096

/* A WIRE_REGS body on its way to a child. */
struct regs_message {
	struct regs_message *next;
	size_t n;
	unsigned char body[];
};

void
reading_slot_init(struct reading_slot *slot)
{
	memset(slot, 0, sizeof(*slot));
	slot->reader.sock = -1;
	slot->regs_last = &slot->regs_first;
}

void
reading_slot_clear(struct reading_slot *slot)
{
	while (slot->regs_first) {
		struct regs_message *m = slot->regs_first;

		slot->regs_first = m->next;
		free(m);
	}
	reader_fini(&slot->reader);
	if (slot->memory && slot->memory->slot == slot)
		slot->memory->slot = NULL;
	reading_slot_init(slot);
}

void
reading_slot_release(struct reading_slot *slot)
{
	if (slot->memory && slot->memory->slot == slot)
		slot->memory->slot = NULL;
	slot->memory = NULL;
	reader_kill(&slot->reader, NULL);
}

struct reading_slot *
reading_slot_find(struct reading_slot *slots, size_t n)
{
	struct reading_slot *idle = NULL;
	bool leaving = false;

	for (size_t i = 0; i < n; i++) {
		struct reading_slot *slot = &slots[i];

		if (!slot->reader.pid)
			return slot;
		leaving = leaving || slot->reader.sock < 0;
		if (!slot->reader.busy && slot->reader.sock >= 0 &&
		    (!idle || slot->reader.asked_ns < idle->reader.asked_ns))
			idle = slot;
	}
	if (idle && !leaving)
		reading_slot_release(idle);
	return NULL; /* not before it is reaped */
}

/* ---- work */

static int
serve_memory(int sock, const int *fds, const void *ctx)
{
	return memory_child_serve(sock, fds[0], fds + 1, ctx);
}

int
reading_slot_start(struct service *s, struct reading_slot *slot, const struct reading_job *j, struct err *why)
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

int
reading_slot_ask(struct service *s, struct reading_slot *slot, struct reading_job *j, struct err *why)
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
	slot->regs_asks = 0;
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

/* ---- where threads are */

void
reading_slot_pump(struct reading_slot *slot)
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

void
reading_slot_regs_tell(struct reading_slot *slot, const void *bytes, size_t n)
{
	static const unsigned char nothing[3] = { 1, 0, 0 }; /* is_last, no threads */
	struct regs_message *m;
	struct buf b;

	if (!bytes || slot->regs_bytes + n > READING_SLOT_REGS_BYTES) {
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
		reading_slot_pump(slot);
	}
	buf_fini(&b);
}

int
reading_slot_regs_ask(struct service *s, struct reading_slot *slot, const struct wire_msg *m)
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
	if (!owner || owner->broken || ++slot->regs_asks > REGS_ASKS_MAX) {
		reading_slot_regs_tell(slot, NULL, 0);
		return 0;
	}
	if (++s->readings.ticket == 0)
		s->readings.ticket = 1;
	slot->regs_ticket = s->readings.ticket;
	slot->regs_until_ns = s->now_ns + READING_SLOT_REGS_NS;
	buf_init(&b, WIRE_BODY_MAX);
	buf_u32(&b, slot->regs_ticket);
	buf_u64(&b, slot->memory->id);
	buf_u16(&b, (uint16_t)n);
	buf_add(&b, cur_bytes(&cur, n * 4), n * 4);
	client_send(owner, WIRE_REGS_ASK, &b, -1, s->now_ns);
	buf_fini(&b);
	return 0;
}
