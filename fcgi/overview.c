#include "config.h"

#include "fcgi/overview.h"

#include <stdio.h>
#include <string.h>

#include "base/wire.h"

static const char none[] = "no node is configured; set PPROF_TARGET, or add a [node NAME] section to pprofd.conf";
static const char unknown[] =
	"the collector does not know this node; it reads pprofd.conf when it starts: restart it";

void
overview_get(struct overview *o, const struct app *app, const struct request *req,
	     const struct conf_node *node)
{
	memset(o, 0, sizeof(*o));
	o->conf = app->conf;
	o->req = req;
	o->node = node;
	o->below_nodes = !strncmp(req->path, "/nodes/", strlen("/nodes/"));
	o->answered = state_get(&o->state, app, &o->trouble) == 0;
	if (o->answered) {
		o->trouble.text[0] = '\0';
		o->found = node ? state_find(&o->state, node->name) : NULL;
		if (!o->found)
			refusal_set(&o->trouble, 503, 0, "%s", node ? unknown : none);
	}
	if (app->store) {
		store_count(app->store, app_now_ms(), &o->captures);
		if (node)
			o->n_newest = store_list(app->store, node->name, app_now_ms(), o->newest,
						 OVERVIEW_CAPTURES_MAX);
	}
	app_cost(app, &o->cpu_ns, &o->rss_bytes);
}

void
overview_fini(struct overview *o)
{
	state_fini(&o->state);
}

static const struct {
	const char *word, *words;
} states[] = {
	[WIRE_NODE_RUNNING] = { "running", "running, can be sampled" },
	[WIRE_NODE_ABSENT] = { "absent", "not running" },
	[WIRE_NODE_AMBIGUOUS] = { "ambiguous", "several processes match" },
	[WIRE_NODE_DENIED] = { "denied", "running, may not be sampled" },
};

const char *
overview_state(const struct state_node *n)
{
	return n && n->state < sizeof(states) / sizeof(states[0]) ? states[n->state].word : "unknown";
}

const char *
overview_state_words(const struct state_node *n)
{
	return n && n->state < sizeof(states) / sizeof(states[0]) ? states[n->state].words : "unknown";
}

const char *
overview_trouble(const struct overview *o)
{
	const char *why;

	if (*o->trouble.text)
		return o->trouble.text;
	if (!o->found || o->found->state == WIRE_NODE_RUNNING)
		return NULL;
	why = state_string(&o->state, o->found->why);
	return *why ? why : overview_state_words(o->found);
}

bool
overview_has(const struct overview *o, const struct route *route, char why[OVERVIEW_WHY_MAX])
{
	const char *trouble = overview_trouble(o), *runtime;

	*why = '\0';
	if (!route->made) {
		snprintf(why, OVERVIEW_WHY_MAX, "not available in this version");
	} else if (trouble) {
		snprintf(why, OVERVIEW_WHY_MAX, "%s", trouble);
	} else if (route->take && route->take != take_window && o->found) {
		runtime = state_string(&o->state, o->found->runtime);
		if (*runtime && strcmp(runtime, "Go") != 0)
			snprintf(why, OVERVIEW_WHY_MAX, "Go programs only; this one is: %s",
				 runtime);
	}
	return !*why;
}
