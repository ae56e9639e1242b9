#include "config.h"

#include "fcgi/names.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "fcgi/text.h"

/* One question: a few thousand places fit a message; fewer let the first answers come sooner. */
#define ASK_PLACES_MAX 2048
#define BUSY_TRIES     20
#define BUSY_WAIT_MS   50
#define TURN_MESSAGES  256 /* taken at once, so that the collector's socket gets its turn */
#define NOTE_MAX       500 /* bytes of a note that the symbolizer adds to the comments */
#define NOTES_MAX      128 /* comments, ours and the collector's with them */

void
names_open(struct names *n, struct profile *p, struct wire_msg *m, const char *run_dir)
{
	char path[512];
	struct err why;

	memset(n, 0, sizeof(*n));
	n->p = p;
	n->m = m;
	snprintf(path, sizeof(path), "%s/symbolizer.sock", run_dir);
	n->sock = wire_connect(path, &why);
	if (n->sock < 0) {
		n->sock = -1;
		profile_commentf(p, "no names: the symbolizer is not running (%s)", why.text);
		return;
	}
	/* Both sides may have much to say: neither must wait for the other in send(). */
	fcntl(n->sock, F_SETFL, O_NONBLOCK);
}

void
names_close(struct names *n)
{
	if (n->sock >= 0)
		close(n->sock);
	n->sock = -1;
	for (uint32_t i = 0; i < n->objects.n; i++)
		free(n->objects.at[i].places.at);
	free(n->objects.at);
	memset(&n->objects, 0, sizeof(n->objects));
}

static void
names_lost(struct names *n, const char *what)
{
	profile_commentf(n->p, "names are missing: the symbolizer %s", what);
	close(n->sock);
	n->sock = -1;
}

int
names_fd(const struct names *n, short *events, uint64_t *wake_ms)
{
	*wake_ms = UINT64_MAX;
	for (uint32_t i = 0; i < n->objects.n && n->sock >= 0; i++) {
		const struct names_object *o = &n->objects.at[i];

		if (!o->ticket && o->sent < o->places.n && o->not_before_ms < *wake_ms && !n->blocked)
			*wake_ms = o->not_before_ms;
	}
	*events = (short)(POLLIN | (n->blocked ? POLLOUT : 0));
	return n->sock;
}

bool
names_waiting(const struct names *n)
{
	if (n->sock < 0)
		return false;
	for (uint32_t i = 0; i < n->objects.n; i++)
		if (n->objects.at[i].answered < n->objects.at[i].places.n)
			return true;
	return false;
}

/* ---- asking */

/* Sort the places that the profile has got since the last time to their objects. */
static int
names_sort(struct names *n)
{
	struct profile *p = n->p;

	while (n->objects.n < p->objects.n)
		if (!LIST_ADD(&p->room, &n->objects))
			return -ENOMEM;
	for (; n->seen < p->places.n; n->seen++) {
		const struct profile_place *place = &p->places.at[n->seen];
		uint64_t *to;

		if (place->object == PROFILE_NONE)
			continue;
		to = LIST_ADD(&p->room, &n->objects.at[place->object].places);
		if (!to)
			return -ENOMEM;
		*to = place->at;
	}
	return 0;
}

/* Returns 0, or what wire_send says. */
static int
names_ask(struct names *n, uint32_t i)
{
	struct names_object *o = &n->objects.at[i];
	uint32_t count = o->places.n - o->sent;
	struct buf b;
	int r;

	if (count > ASK_PLACES_MAX)
		count = ASK_PLACES_MAX;
	buf_init(&b, WIRE_BODY_MAX);
	buf_u64(&b, n->p->objects.at[i].id);
	buf_u32(&b, n->last_ticket + 1);
	buf_u16(&b, (uint16_t)count);
	for (uint32_t k = 0; k < count; k++)
		buf_u64(&b, o->places.at[o->sent + k]);
	r = buf_error(&b);
	if (r == 0)
		r = wire_send(n->sock, WIRE_NAME_ASK, b.data, b.len, -1);
	buf_fini(&b);
	if (r == 0) {
		o->sent += count;
		o->ticket = ++n->last_ticket;
	}
	return r;
}

static void
names_ask_all(struct names *n, uint64_t now_ms)
{
	n->blocked = false;
	for (uint32_t i = 0; i < n->objects.n && n->sock >= 0; i++) {
		struct names_object *o = &n->objects.at[i];
		int r;

		if (o->ticket || o->sent == o->places.n || now_ms < o->not_before_ms)
			continue;
		r = names_ask(n, i);
		if (r == -EAGAIN) {
			n->blocked = true;
			return;
		}
		if (r < 0 && r != -ENOMEM)
			names_lost(n, "went away");
	}
}

/* ---- answers */

static uint32_t
names_string(struct names *n, struct cur *c)
{
	size_t len;
	const char *s = cur_str(c, &len);

	return c->bad ? STRINGS_NONE : strings_add(&n->p->strings, s, len);
}

/* One line of an answer. Returns its index, -EBADMSG or -ENOMEM. */
static int64_t
names_line(struct names *n, struct cur *c)
{
	struct profile_line line;

	line.line = cur_u32(c);
	line.start_line = cur_u32(c);
	line.name = names_string(n, c);
	line.system_name = names_string(n, c);
	line.file = names_string(n, c);
	if (c->bad)
		return -EBADMSG;
	if (line.name == STRINGS_NONE || line.system_name == STRINGS_NONE || line.file == STRINGS_NONE)
		return -ENOMEM;
	if (!line.system_name)
		line.system_name = line.name;
	if (!line.name)
		line.name = line.system_name;
	if (!line.name)
		line.name = line.system_name = strings_text(&n->p->strings, "[unknown]");
	return profile_line_add(n->p, &line);
}

static int
names_answer(struct names *n, struct cur *c, uint32_t object)
{
	uint64_t at = cur_u64(c);
	uint64_t vaddr = cur_u64(c);
	uint64_t entry = cur_u64(c);
	uint8_t flags = cur_u8(c);
	uint8_t k = cur_u8(c);
	uint32_t place = profile_place_find(n->p, object, at);
	uint32_t before = n->p->lines.n;

	for (uint8_t i = 0; i < k; i++) {
		int64_t r = names_line(n, c);

		if (r < 0)
			return (int)r;
	}
	if (c->bad)
		return -EBADMSG;
	if (place != PROFILE_NONE && k)
		profile_answer(n->p, place,
			       &(struct profile_answer_is){ vaddr, entry, flags, before, k });
	else
		n->p->lines.n = before; /* nobody asked */
	return 0;
}

static int
names_names(struct names *n, struct cur *c)
{
	uint64_t id = cur_u64(c);
	uint32_t object = profile_object_find(n->p, id);
	uint16_t count = cur_u16(c);
	int r = 0;

	if (object == PROFILE_NONE)
		return -EBADMSG;
	for (; count && r == 0; count--) {
		if (n->p->room.used > PROFILE_NAMES_MAX)
			return -ENOMEM;
		r = names_answer(n, c, object);
	}
	return r;
}

static void
names_note(struct names *n, uint32_t object, uint8_t status, const char *note, size_t len)
{
	static const char *const said[] = {
		[WIRE_NAMED_OK] = NULL,
		[WIRE_NAMED_UNKNOWN] = "the symbolizer does not know this object",
		[WIRE_NAMED_DIED] = "its reader died or took too long",
		[WIRE_NAMED_BUSY] = "the symbolizer is too busy",
	};
	const char *path = "";

	/* Said once, not with each batch. */
	if (n->objects.at[object].noted || n->p->comments.n >= NOTES_MAX)
		return;
	if (!len) {
		if (status >= sizeof(said) / sizeof(said[0]) || !said[status])
			return;
		note = said[status];
		len = strlen(note);
	}
	n->objects.at[object].noted = true;
	for (uint32_t i = 0; i < n->p->maps.n && !*path; i++)
		if (n->p->maps.at[i].object == object)
			path = strings_get(&n->p->strings, n->p->maps.at[i].path);
	profile_commentf(n->p, "names of %.400s: %.*s", path, (int)text_cut(note, len, NOTE_MAX), note);
}

/* The question of an object was answered, or was not. */
static int
names_named(struct names *n, struct cur *c, uint64_t now_ms)
{
	uint32_t ticket = cur_u32(c);
	uint32_t object = profile_object_find(n->p, cur_u64(c));
	uint8_t status = cur_u8(c);
	uint8_t flags = cur_u8(c);
	size_t id_len, note_len;
	const char *id = cur_str(c, &id_len);
	const char *note = cur_str(c, &note_len);
	struct names_object *o;

	if (c->bad || object == PROFILE_NONE || object >= n->objects.n)
		return -EBADMSG;
	o = &n->objects.at[object];
	if (!ticket || ticket != o->ticket)
		return -EBADMSG;
	o->ticket = 0;
	if (status == WIRE_NAMED_BUSY && o->tries++ < BUSY_TRIES) {
		o->sent = o->answered;
		o->not_before_ms = now_ms + BUSY_WAIT_MS;
		return 0;
	}
	o->tries = 0;
	names_note(n, object, status, note, note_len);
	/* An unknown object stays unknown; a reader that died is started again after a while. */
	if (status == WIRE_NAMED_UNKNOWN)
		o->sent = o->places.n;
	o->answered = o->sent;
	return status == WIRE_NAMED_OK ? profile_object_is(n->p, object, flags, id, id_len) : 0;
}

static int
names_take(struct names *n, uint64_t now_ms)
{
	struct cur c;
	int r;

	if (n->m->fd >= 0)
		close(n->m->fd); /* none is expected */
	cur_init(&c, n->m->body, n->m->len);
	if (n->m->type == WIRE_NAMES)
		r = n->full ? 0 : names_names(n, &c);
	else if (n->m->type == WIRE_NAMED)
		r = names_named(n, &c, now_ms);
	else
		r = -EBADMSG;
	if (r == -ENOMEM && !n->full) {
		n->full = true;
		profile_commentf(n->p, "names are missing: they take more than %u MB",
				 PROFILE_NAMES_MAX >> 20);
	}
	return r == -ENOMEM ? 0 : r;
}

void
names_turn(struct names *n, uint64_t now_ms)
{
	for (int i = 0; i < TURN_MESSAGES && n->sock >= 0; i++) {
		int r = wire_recv(n->sock, n->m);

		if (r == -EAGAIN)
			break;
		if (r == 1)
			r = names_take(n, now_ms) < 0 ? -EBADMSG : 1;
		if (r == 0)
			names_lost(n, "went away");
		else if (r < 0)
			names_lost(n, "sent what cannot be right");
	}
	if (n->sock >= 0 && names_sort(n) == 0)
		names_ask_all(n, now_ms);
}
