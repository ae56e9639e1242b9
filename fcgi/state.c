#include "config.h"

#include "fcgi/state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int
state_init(struct state *s)
{
	memset(s, 0, sizeof(*s));
	s->room.max = STATE_MEMORY_MAX;
	return strings_init(&s->strings, &s->room);
}

void
state_fini(struct state *s)
{
	strings_fini(&s->strings);
	memset(s, 0, sizeof(*s));
}

const char *
state_string(const struct state *s, uint32_t string)
{
	return strings_get(&s->strings, string);
}

const struct state_node *
state_find(const struct state *s, const char *name)
{
	for (uint32_t i = 0; i < s->n_nodes; i++)
		if (!strcmp(state_string(s, s->nodes[i].name), name))
			return &s->nodes[i];
	return NULL;
}

static uint32_t
state_text(struct state *s, struct cur *c)
{
	size_t n;
	const char *text = cur_str(c, &n);

	return strings_add(&s->strings, text, n);
}

static int
state_take_node(struct state *s, struct cur *c)
{
	struct state_node *node = &s->nodes[s->n_nodes];
	uint32_t *const texts[] = { &node->name, &node->target,  &node->comm,
				    &node->exe,  &node->runtime, &node->why };

	if (s->n_nodes == CONF_NODES_MAX)
		return -EBADMSG;
	node->number = cur_u16(c);
	node->state = cur_u8(c);
	node->pid = cur_u32(c);
	node->start_unix_ns = cur_u64(c);
	node->threads = cur_u32(c);
	node->windows = cur_u32(c);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		*texts[i] = state_text(s, c);
		if (*texts[i] == STRINGS_NONE)
			return -ENOMEM;
	}
	if (!c->bad)
		s->n_nodes++;
	return 0;
}

static int
state_take_self(struct state *s, struct cur *c)
{
	s->windows = cur_u32(c);
	s->windows_max = cur_u32(c);
	s->samples = cur_u64(c);
	s->lost = cur_u64(c);
	s->cpu_ns = cur_u64(c);
	s->rss_bytes = cur_u64(c);
	for (uint16_t n = cur_u16(c); n && !c->bad; n--) {
		uint32_t limit = state_text(s, c);

		if (limit == STRINGS_NONE)
			return -ENOMEM;
		if (s->n_limits < STATE_LIMITS_MAX)
			s->limits[s->n_limits++] = limit;
	}
	return 0;
}

int
state_take(struct state *s, uint16_t type, const void *body, size_t len)
{
	struct cur c;
	int r;

	cur_init(&c, body, len);
	switch (type) {
	case WIRE_NODE:
		r = state_take_node(s, &c);
		break;
	case WIRE_SELF:
		r = state_take_self(s, &c);
		break;
	case WIRE_END:
		r = 1;
		break;
	default:
		return -EBADMSG;
	}
	return cur_error(&c) < 0 || cur_left(&c) ? -EBADMSG : r;
}

int
state_get(struct state *s, const struct app *app, struct refusal *no)
{
	struct buf nothing;
	struct wire_msg *m;
	uint64_t deadline = app_now_ms() + CLIENT_ASK_MS;
	int sock = -1, r;

	buf_init(&nothing, 0);
	refusal_set(no, 503, 0, "out of memory");
	m = malloc(sizeof(*m));
	r = state_init(s);
	if (!m || r < 0) {
		r = -ENOMEM;
		goto out;
	}
	sock = client_ask(app, WIRE_STATE_ASK, &nothing, no);
	r = sock < 0 ? sock : 0;
	while (r == 0) {
		r = client_next(sock, m, deadline, no);
		if (r < 0)
			break;
		r = state_take(s, m->type, m->body, m->len);
		if (r < 0)
			refusal_set(no, 503, 0, "the collector sent what cannot be right");
	}
out:
	if (sock >= 0)
		close(sock);
	free(m);
	return r < 0 ? r : 0;
}
