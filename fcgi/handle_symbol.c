#include "config.h"

#include "fcgi/handle.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/wire.h"
#include "fcgi/client.h"
#include "fcgi/names.h"
#include "fcgi/symbol.h"

/* Addresses of one question to the collector; more do not fit a message. */
#define CHUNK    4096
#define NAMES_MS 2000
/* Above this the kernel's addresses begin (x86-64 and arm64); nobody asks us for those. */
#define USER_END 0x8000000000000000u

struct chunk {
	uint64_t address[CHUNK];
	uint32_t loc[CHUNK]; /* PROFILE_NONE: lies nowhere */
	uint16_t n;
	struct wire_msg m;
	struct profile p;
	struct names names;
};

/* ---- where the addresses lie */

static int
symbol_located(struct chunk *k, struct refusal *no)
{
	struct cur c;

	cur_init(&c, k->m.body, k->m.len);
	if (k->m.type != WIRE_RESOLVED || cur_u16(&c) != k->n)
		c.bad = true;
	for (uint16_t i = 0; i < k->n && !c.bad; i++) {
		uint32_t id = cur_u32(&c);
		int64_t map = id == UINT32_MAX ? -1 : profile_map_find(&k->p, id), loc;

		k->loc[i] = PROFILE_NONE;
		if (map < 0 || k->p.maps.at[map].kind == WIRE_MAP_KERNEL)
			continue;
		loc = profile_loc_add(&k->p, (uint32_t)map, k->address[i]);
		if (loc >= 0)
			k->loc[i] = (uint32_t)loc;
	}
	if (cur_error(&c) == 0)
		return 0;
	refusal_set(no, 503, 0, "the collector sent what cannot be right");
	return -EBADMSG;
}

static int
symbol_locate(const struct app *app, uint16_t node, struct chunk *k, struct refusal *no)
{
	uint64_t deadline = app_now_ms() + CLIENT_ASK_MS;
	struct err why;
	struct buf b;
	int sock, r;

	buf_init(&b, WIRE_BODY_MAX);
	buf_u16(&b, node);
	buf_u16(&b, k->n);
	for (uint16_t i = 0; i < k->n; i++)
		buf_u64(&b, k->address[i]);
	sock = client_ask(app, WIRE_RESOLVE_ASK, &b, no);
	buf_fini(&b);
	if (sock < 0)
		return sock;
	do {
		r = client_next(sock, &k->m, deadline, no);
		if (r == 0 && k->m.type == WIRE_MAPS) {
			r = intake(&k->p, k->m.type, k->m.body, k->m.len, &why);
			if (r < 0)
				refusal_set(no, 503, 0, "the collector sent %s", why.text);
		}
	} while (r == 0 && k->m.type == WIRE_MAPS);
	close(sock);
	return r < 0 ? r : symbol_located(k, no);
}

/* ---- what they are called */

static void
symbol_name(const struct app *app, struct chunk *k)
{
	uint64_t now = app_now_ms(), deadline = now + NAMES_MS;

	names_open(&k->names, &k->p, &k->m, app->conf->run_dir);
	names_turn(&k->names, now);
	while (names_waiting(&k->names) && now < deadline) {
		struct pollfd fd = { 0 };
		uint64_t wake;

		fd.fd = names_fd(&k->names, &fd.events, &wake);
		if (wake > deadline)
			wake = deadline;
		poll(&fd, 1, wake > now ? (int)(wake - now) : 0);
		now = app_now_ms();
		names_turn(&k->names, now);
	}
	names_close(&k->names);
}

/* As Go's: of inlined calls the innermost function, which is where the address is. */
static int
symbol_write(struct chunk *k, struct buf *b)
{
	uint32_t made_up;

	if (profile_finish(&k->p, &made_up) < 0)
		return -ENOMEM;
	for (uint16_t i = 0; i < k->n; i++) {
		const struct profile_place *place;

		if (k->loc[i] == PROFILE_NONE)
			continue;
		place = &k->p.places.at[k->p.locs.at[k->loc[i]].place];
		buf_printf(b, "0x%llx %s\n", (unsigned long long)k->address[i],
			   strings_get(&k->p.strings, k->p.lines.at[place->line].name));
	}
	return 0;
}

static int
symbol_chunk(const struct app *app, uint16_t node, struct chunk *k, struct buf *b, struct refusal *no)
{
	int r = profile_init(&k->p);

	if (r == 0)
		r = symbol_locate(app, node, k, no);
	else
		refusal_set(no, 503, 0, "out of memory");
	if (r == 0) {
		symbol_name(app, k);
		r = symbol_write(k, b);
		if (r < 0)
			refusal_set(no, 503, 0, "out of memory");
	}
	profile_fini(&k->p);
	return r;
}

/* Take addresses off the list, up to a chunk or *left. Returns false when nothing was taken. */
static bool
symbol_fill(struct chunk *k, const char **list, const char *end, uint32_t *left)
{
	k->n = 0;
	while (*left && k->n < CHUNK && symbol_next(list, end, &k->address[k->n])) {
		--*left;
		if (k->address[k->n] < USER_END)
			k->n++;
	}
	return k->n > 0;
}

static void
symbol_all(const struct app *app, uint16_t node, const char *list, size_t len, struct reply *to)
{
	struct chunk *k = malloc(sizeof(*k));
	uint32_t left = SYMBOL_ADDRESSES_MAX;
	const char *end = list + len;
	struct refusal no;
	int r = 0;

	if (!k) {
		reply_error(to, 503, "out of memory");
		return;
	}
	while (r == 0 && symbol_fill(k, &list, end, &left))
		r = symbol_chunk(app, node, k, &to->body, &no);
	if (r < 0)
		handle_refusal(to, &no);
	free(k);
}

void
handle_symbol(const struct app *app, const struct request *req, const struct conf_node *node,
	      struct reply *to)
{
	bool post = req->method == METHOD_POST;
	const char *list = post ? req->body : req->query, *at = list;
	size_t len = post ? req->body_len : strlen(req->query);
	const struct state_node *found;
	struct state s;
	uint64_t first;

	/* pprof asks only whether the number is 0. */
	buf_text(&to->body, "num_symbols: 1\n");
	if (req->method == METHOD_HEAD || !symbol_next(&at, list + len, &first))
		return;
	found = handle_node(app, node, &s, to);
	if (found)
		symbol_all(app, found->number, list, len, to);
	state_fini(&s);
}
