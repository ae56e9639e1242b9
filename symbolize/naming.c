#include "config.h"

#include "symbolize/naming.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "symbolize/answer.h"

/* Places asked of a child at once: the first answers then come soon, and others get their turn. */
#define BATCH_MAX 4096
/* A collector that has just connected is still handing its objects over. */
#define SETTLE_NS 2000000000u

enum place_state { NEW, WAIT, READY, SENT, GONE };

struct request {
	struct request *next; /* of the object */
	struct client *client;
	uint64_t object; /* as the client calls it */
	uint32_t ticket;
	uint8_t status; /* enum wire_named */
	size_t n, left; /* left: places not SENT or GONE */
	size_t waiting; /* places in WAIT */
	uint8_t *state; /* n × enum place_state; behind places */
	uint64_t places[];
};

/* ---- requests */

static int
u64_order(const void *va, const void *vb)
{
	const uint64_t *a = va, *b = vb;

	return *a < *b ? -1 : *a > *b;
}

static size_t
sort_unique(uint64_t *v, size_t n)
{
	size_t kept = 0;

	if (n)
		qsort(v, n, sizeof(*v), u64_order);
	for (size_t i = 0; i < n; i++)
		if (!kept || v[i] != v[kept - 1])
			v[kept++] = v[i];
	return kept;
}

/* Index of the place, or n. */
static size_t
place_index(const uint64_t *places, size_t n, uint64_t place)
{
	const uint64_t *at = n ? bsearch(&place, places, n, sizeof(place), u64_order) : NULL;

	return at ? (size_t)(at - places) : n;
}

static void
send_named(struct service *s, struct client *c, uint32_t ticket, uint64_t object, uint8_t status,
	   const struct entry *e)
{
	struct buf b;
	const char *note = "";
	size_t note_n = 0;

	if (e && status == WIRE_NAMED_DIED) {
		note = e->dead_note;
		note_n = strlen(note);
	} else if (e) {
		note = e->note;
		note_n = e->note_len;
	}
	client_flush(c, s->now_ns);
	buf_init(&b, WIRE_BODY_MAX);
	buf_u32(&b, ticket);
	buf_u64(&b, object);
	buf_u8(&b, status);
	buf_u8(&b, e ? e->flags : 0);
	buf_str(&b, e ? (const char *)e->build_id : "", e ? e->build_id_len : 0);
	buf_str(&b, note, note_n);
	client_send(c, WIRE_NAMED, &b, -1, s->now_ns);
	buf_fini(&b);
}

/* Take it out of its object's list; *link points at it. */
static void
request_free(struct service *s, struct request **link)
{
	struct request *q = *link;

	*link = q->next;
	q->client->requests--;
	q->client->places -= q->n;
	s->n_requests--;
	free(q);
}

/* Answer those that are complete. */
static void
settle(struct service *s, struct entry *e)
{
	struct request **link = &e->requests;

	while (*link) {
		struct request *q = *link;

		if (q->left || (!e->known && q->status == WIRE_NAMED_OK)) {
			link = &q->next;
			continue;
		}
		send_named(s, q->client, q->ticket, q->object, q->status, e);
		request_free(s, link);
	}
}

static void
set_state(struct request *q, size_t i, enum place_state state)
{
	if (state == SENT || state == GONE)
		q->left--;
	q->waiting -= q->state[i] == WAIT;
	q->waiting += state == WAIT;
	q->state[i] = state;
}

/* Code that a JIT made moves: what was said of an address need not hold any more. */
static bool
is_cached(const struct entry *e)
{
	return e->identity.kind != WIRE_MAP_JIT;
}

/* Send what the cache has, as long as the client has room. */
static void
request_pump(struct service *s, struct entry *e, struct request *q)
{
	for (size_t i = 0; i < q->n; i++) {
		const void *bytes = NULL;
		size_t n;
		bool final = false;

		if (q->state[i] != NEW && q->state[i] != READY)
			continue;
		if (!client_has_room(q->client))
			return;
		if (is_cached(e))
			bytes = answers_get(s->answers, e->serial, q->places[i], &n, &final);
		if (bytes)
			client_answer(q->client, q->object, bytes, n, s->now_ns);
		set_state(q, i, final ? SENT : WAIT);
	}
}

/* None of what q waits for will come. */
static void
request_give_up(struct request *q, uint8_t status)
{
	for (size_t i = 0; i < q->n; i++) {
		if (q->state[i] != WAIT && q->state[i] != NEW)
			continue;
		set_state(q, i, GONE);
		q->status = status;
	}
}

static bool
is_dead(const struct service *s, const struct entry *e)
{
	return s->now_ns < e->dead_until_ns;
}

static void
request_start(struct service *s, struct entry *e, struct request *q)
{
	struct request **link = &e->requests;

	while (*link)
		link = &(*link)->next;
	*link = q;
	q->client->requests++;
	q->client->places += q->n;
	s->n_requests++;
	request_pump(s, e, q);
	client_flush(q->client, s->now_ns);
	if (is_dead(s, e)) {
		request_give_up(q, WIRE_NAMED_DIED);
		if (!e->known)
			q->status = WIRE_NAMED_DIED;
	}
	settle(s, e);
}

static struct request *
request_decode(struct client *client, const struct wire_msg *m)
{
	struct request *q;
	struct cur c;
	uint64_t object;
	uint32_t ticket;
	size_t n;

	cur_init(&c, m->body, m->len);
	object = cur_u64(&c);
	ticket = cur_u32(&c);
	n = cur_u16(&c);
	if (cur_error(&c) || cur_left(&c) != n * sizeof(uint64_t))
		return NULL;
	q = calloc(1, sizeof(*q) + n * (sizeof(uint64_t) + 1));
	if (!q)
		return NULL;
	q->client = client;
	q->object = object;
	q->ticket = ticket;
	for (size_t i = 0; i < n; i++)
		q->places[i] = cur_u64(&c);
	q->state = (uint8_t *)(q->places + n);
	q->n = q->left = sort_unique(q->places, n);
	return q;
}

/* May an object that is not there still come? */
static bool
may_come(const struct service *s)
{
	bool connected = false;

	for (size_t i = 0; i < SERVICE_CLIENTS_MAX; i++) {
		const struct client *c = &s->clients[i];

		if (c->fd < 0 || !c->is_collector)
			continue;
		connected = true;
		if (s->now_ns - c->since_ns < SETTLE_NS)
			return true;
	}
	return !connected;
}

int
naming_ask(struct service *s, struct client *c, const struct wire_msg *m)
{
	struct request *q = request_decode(c, m);
	uint8_t status = WIRE_NAMED_OK;
	struct entry *e;

	if (!q)
		return -EBADMSG;
	e = catalog_find(&s->catalog, q->object);
	if (!e) {
		service_hear_collectors(s, c);
		e = catalog_find(&s->catalog, q->object);
	}
	if (!e)
		status = may_come(s) ? WIRE_NAMED_BUSY : WIRE_NAMED_UNKNOWN;
	else if (c->requests >= NAMING_REQUESTS_MAX || c->places + q->n > NAMING_PLACES_MAX)
		status = WIRE_NAMED_BUSY;
	if (status == WIRE_NAMED_OK) {
		request_start(s, e, q);
		return 0;
	}
	send_named(s, c, q->ticket, q->object, status, NULL);
	free(q);
	return 0;
}

void
naming_resume(struct service *s, struct client *c)
{
	if (!c->requests)
		return;
	for (size_t i = 0; i < s->catalog.n; i++) {
		struct entry *e = s->catalog.at[i];

		for (struct request *q = e->requests; q; q = q->next) {
			if (q->client != c)
				continue;
			request_pump(s, e, q);
			if (is_dead(s, e))
				request_give_up(q, WIRE_NAMED_DIED);
		}
		settle(s, e);
	}
	client_flush(c, s->now_ns);
}

void
naming_forget_client(struct service *s, struct client *c)
{
	for (size_t i = 0; i < s->catalog.n && c->requests; i++) {
		struct request **link = &s->catalog.at[i]->requests;

		while (*link) {
			if ((*link)->client == c)
				request_free(s, link);
			else
				link = &(*link)->next;
		}
	}
}

void
naming_forget_entry(struct service *s, struct entry *e)
{
	while (e->requests) {
		const struct request *q = e->requests;

		send_named(s, q->client, q->ticket, q->object, WIRE_NAMED_UNKNOWN, NULL);
		request_free(s, &e->requests);
	}
}

/* ---- what children say */

/* One answer, for all who wait for it. */
static void
deliver(struct service *s, struct entry *e, const struct answer_head *a)
{
	bool final = a->flags & WIRE_ANSWER_FINAL;
	bool cached =
		is_cached(e) && answers_put(s->answers, e->serial, a->place, final, a->bytes, a->n) == 0;

	for (struct request *q = e->requests; q; q = q->next) {
		size_t i = place_index(q->places, q->n, a->place);

		if (i == q->n || q->state[i] != WAIT)
			continue;
		if (cached && !client_has_room(q->client)) {
			if (final)
				set_state(q, i, READY);
			continue;
		}
		client_answer(q->client, q->object, a->bytes, a->n, s->now_ns);
		if (final)
			set_state(q, i, SENT);
	}
}

int
naming_names(struct service *s, struct reader *r, const struct wire_msg *m)
{
	struct cur c;
	uint16_t n;

	cur_init(&c, m->body, m->len);
	cur_u64(&c); /* it has but one object */
	n = cur_u16(&c);
	if (!r->busy)
		return -EBADMSG;
	for (; n; n--) {
		struct answer_head a;
		size_t i;

		if (answer_head(&c, &a) < 0)
			return -EBADMSG;
		i = place_index(r->places, r->n_places, a.place);
		/* Nobody asked, or it was answered for good. */
		if (i == r->n_places || r->final[i])
			continue;
		r->final[i] = a.flags & WIRE_ANSWER_FINAL;
		deliver(s, r->entry, &a);
	}
	for (struct request *q = r->entry->requests; q; q = q->next)
		client_flush(q->client, s->now_ns);
	return cur_error(&c) || cur_left(&c) ? -EBADMSG : 0;
}

/* Those of the question's places that got no last answer will get none. */
static void
give_up_unanswered(struct reader *r)
{
	for (size_t k = 0; k < r->n_places; k++) {
		if (r->final[k])
			continue;
		for (struct request *q = r->entry->requests; q; q = q->next) {
			size_t i = place_index(q->places, q->n, r->places[k]);

			if (i < q->n && q->state[i] == WAIT)
				set_state(q, i, GONE);
		}
	}
}

int
naming_named(struct service *s, struct reader *r, const struct wire_msg *m)
{
	struct entry *e = r->entry;
	struct cur c;
	const char *id, *note;
	size_t id_n, note_n;
	uint8_t flags;

	cur_init(&c, m->body, m->len);
	cur_u32(&c);
	cur_u64(&c);
	cur_u8(&c);
	flags = cur_u8(&c);
	id = cur_str(&c, &id_n);
	note = cur_str(&c, &note_n);
	if (!r->busy || cur_error(&c) || cur_left(&c) || id_n > sizeof(e->build_id) ||
	    note_n > sizeof(e->note))
		return -EBADMSG;
	e->flags = flags;
	memcpy(e->build_id, id, id_n);
	e->build_id_len = id_n;
	memcpy(e->note, note, note_n);
	e->note_len = note_n;
	e->known = true;
	r->busy = false;
	r->asked_ns = s->now_ns;
	give_up_unanswered(r);
	settle(s, e);
	return 0;
}

void
naming_died(struct service *s, struct entry *e, const char *why, uint64_t for_ns)
{
	const char *slash = strrchr(e->path, '/');

	e->dead_until_ns = s->now_ns + for_ns;
	snprintf(e->dead_note, sizeof(e->dead_note), "symbols of %.110s are missing: its reader %.100s",
		 slash && slash[1] ? slash + 1 : e->path, why);
	log_warning("object %llu: %s", (unsigned long long)e->id, e->dead_note);
	for (struct request *q = e->requests; q; q = q->next) {
		request_give_up(q, WIRE_NAMED_DIED);
		if (!e->known)
			q->status = WIRE_NAMED_DIED;
	}
	settle(s, e);
}

/* ---- asking children */

/* Does anybody wait for something that only the child knows? */
static bool
is_wanted(const struct entry *e)
{
	for (const struct request *q = e->requests; q; q = q->next)
		if (!e->known || q->waiting)
			return true;
	return false;
}

/* All places that are waited for, at most BATCH_MAX of them. Returns 0 or -ENOMEM. */
static int
collect_places(const struct entry *e, uint64_t **places, size_t *n)
{
	size_t most = 1;
	uint64_t *v;

	for (const struct request *q = e->requests; q; q = q->next)
		most += q->waiting;
	v = malloc(most * sizeof(*v));
	if (!v)
		return -ENOMEM;
	*n = 0;
	for (const struct request *q = e->requests; q; q = q->next)
		for (size_t i = 0; q->waiting && i < q->n; i++)
			if (q->state[i] == WAIT)
				v[(*n)++] = q->places[i];
	*n = sort_unique(v, *n);
	if (*n > BATCH_MAX)
		*n = BATCH_MAX;
	*places = v;
	return 0;
}

static int
ask_child(struct service *s, struct reader *r)
{
	struct entry *e = r->entry;
	struct buf b;
	int result;

	free(r->places);
	free(r->final);
	r->places = NULL;
	r->final = NULL;
	r->n_places = 0;
	result = collect_places(e, &r->places, &r->n_places);
	if (result < 0)
		return result;
	r->final = calloc(r->n_places + 1, sizeof(*r->final));
	if (!r->final)
		return -ENOMEM;
	buf_init(&b, WIRE_BODY_MAX);
	buf_u64(&b, e->serial);
	buf_u32(&b, 0);
	buf_u16(&b, (uint16_t)r->n_places);
	for (size_t i = 0; i < r->n_places; i++)
		buf_u64(&b, r->places[i]);
	result = buf_error(&b) ? buf_error(&b) : wire_send(r->sock, WIRE_NAME_ASK, b.data, b.len, -1);
	buf_fini(&b);
	if (result == 0)
		reader_renew(r, &s->limits, s->now_ns);
	return result;
}

/* A free slot; else the child that was idle longest goes, and its slot is free when it is reaped. */
static struct reader *
free_slot(struct service *s)
{
	struct reader *oldest = NULL;
	bool going = false;

	for (size_t i = 0; i < s->n_readers; i++) {
		if (s->readers[i].pid == 0)
			return &s->readers[i];
		going |= s->readers[i].sock < 0;
	}
	if (going)
		return NULL;
	for (size_t i = 0; i < s->n_readers; i++)
		if (!s->readers[i].busy && (!oldest || s->readers[i].asked_ns < oldest->asked_ns))
			oldest = &s->readers[i];
	if (oldest) {
		oldest->entry->reader = NULL;
		oldest->entry = NULL;
		reader_kill(oldest, NULL);
	}
	return NULL;
}

static void
serve_entry(struct service *s, struct entry *e)
{
	struct err why;
	int r;

	if (!e->reader) {
		struct reader *slot = free_slot(s);

		if (!slot)
			return;
		r = reader_start(slot, &s->limits, e, 0, s->now_ns, &why);
		if (r < 0) {
			naming_died(s, e, why.text, NAMING_KILLED_NS);
			return;
		}
		e->reader = slot;
	}
	if (e->reader->busy || e->reader->sock < 0)
		return;
	r = ask_child(s, e->reader);
	/* It hung up (its end is noticed next), or we are short of memory: the question is gone either way.
	 */
	if (r < 0) {
		reader_kill(e->reader, "could not be asked");
		e->reader->busy = true;
	}
}

void
naming_schedule(struct service *s)
{
	size_t n = s->catalog.n;

	if (!s->n_requests)
		return;
	/* Each turn begins with another object, so that a few busy ones do not keep all children. */
	s->next_entry = n ? (s->next_entry + 1) % n : 0;
	for (size_t i = 0; i < n; i++) {
		struct entry *e = s->catalog.at[(s->next_entry + i) % n];

		if (e->requests && (!e->reader || !e->reader->busy) && is_wanted(e))
			serve_entry(s, e);
	}
}
