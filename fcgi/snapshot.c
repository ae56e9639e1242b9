#include "config.h"

#include "fcgi/snapshot.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fcgi/memory.h"
#include "fcgi/names.h"
#include "fcgi/wait.h"

/* Names are waited for so long; what has none then goes out without. */
#define NAMES_MS 4000

/* While it is being taken. */
struct taking {
	struct snapshot *s;
	const struct snapshot_wish *wish;
	struct wait wait;
	struct memory_asked asked;
	struct wire_msg *m; /* owned: the names' */
	struct names names;
	uint64_t read_ms; /* when the last reading was there */
	struct refusal *no;
};

static int
taking_hidden(struct taking *t, uint32_t i)
{
	struct snapshot *s = t->s;
	int64_t waiting = 0;
	int r = go_hidden_init(&s->hidden[i], s->p, &s->readings[i]);

	for (int turn = 0; turn < GO_HIDDEN_TURNS_MAX && r == 0; turn++) {
		waiting = go_hidden_turn(&s->hidden[i], s->p, &s->readings[i], &s->places[i]);
		if (waiting == 0)
			break;
		r = waiting < 0 ? (int)waiting : wait_names(&t->wait, &t->names, app_now_ms() + NAMES_MS);
	}
	if (r == 0)
		go_hidden_end(&s->hidden[i], &s->readings[i]);
	return r;
}

static int
taking_read(struct taking *t)
{
	struct snapshot *s = t->s;
	int r = memory_read(&t->asked, t->wish->kind, t->wish->look_ms, &s->readings[s->n], t->no);

	t->read_ms = app_now_ms();
	if (r < 0)
		return r;
	r = go_places_init(&s->places[s->n], s->p, &s->readings[s->n], t->wish->creators);
	s->n++;
	if (r == 0)
		r = wait_names(&t->wait, &t->names, app_now_ms() + NAMES_MS);
	if (r == 0 && t->wish->hidden)
		r = taking_hidden(t, s->n - 1);
	if (r == -ENOMEM)
		refusal_set(t->no, 503, 0, "the profile is too large: more than %u MB of stacks and names",
			    PROFILE_MEMORY_MAX >> 20);
	return r;
}

static int
taking_all(struct taking *t, uint16_t node)
{
	int r = memory_ask(&t->asked, &t->wait, node, t->s->p, t->no);

	if (r < 0)
		return r;
	if (t->wish->arm)
		r = memory_arm(&t->asked, node, t->wish->kind, t->no);
	if (r < 0)
		return r;
	names_open(&t->names, t->s->p, t->m, t->wait.app->conf->run_dir);
	r = taking_read(t);
	if (r == 0 && t->wish->delta_ms) {
		r = memory_wait(&t->asked, t->read_ms + t->wish->delta_ms, t->no);
		if (r == 0)
			r = taking_read(t);
	}
	return r;
}

int
snapshot_take(struct snapshot *s, const struct app *app, const struct request *req, uint16_t node,
	      const struct snapshot_wish *wish, struct refusal *no)
{
	struct taking t = { .s = s,
			    .wish = wish,
			    .asked = { .collector = -1, .armed = -1 },
			    .names = { .sock = -1 },
			    .no = no };
	int r = -ENOMEM;

	memset(s, 0, sizeof(*s));
	refusal_set(no, 503, 0, "out of memory");
	wait_init(&t.wait, app, req);
	t.m = malloc(sizeof(*t.m));
	s->p = malloc(sizeof(*s->p));
	if (s->p)
		r = profile_init(s->p);
	if (r == 0 && t.m)
		r = taking_all(&t, node);
	names_close(&t.names);
	memory_end(&t.asked);
	free(t.m);
	if (r == -ECONNABORTED)
		refusal_set(no, 408, 0, "the client has gone");
	return r;
}

struct profile *
snapshot_give(struct snapshot *s)
{
	struct profile *p = s->p;

	s->p = NULL;
	snapshot_fini(s);
	return p;
}

void
snapshot_fini(struct snapshot *s)
{
	for (uint32_t i = 0; i < s->n; i++) {
		reading_close(&s->readings[i]);
		go_places_fini(&s->places[i]);
		go_hidden_fini(&s->hidden[i]);
	}
	if (s->p)
		profile_fini(s->p);
	free(s->p);
	memset(s, 0, sizeof(*s));
}
