#include "config.h"

#include "fcgi/state_json.h"

#include <stdio.h>

#include "fcgi/jsonw.h"
#include "fcgi/sink.h"

/* A member only where there is something to say. */
static void
text(struct jsonw *j, const char *name, const char *value)
{
	if (*value)
		jsonw_text(j, name, value);
}

static void
found_json(struct jsonw *j, const struct state *s, const struct state_node *n)
{
	text(j, "why", state_string(s, n->why));
	if (n->pid)
		jsonw_uint(j, "pid", n->pid);
	text(j, "command", state_string(s, n->comm));
	text(j, "executable", state_string(s, n->exe));
	text(j, "runtime", state_string(s, n->runtime));
	if (n->threads)
		jsonw_uint(j, "threads", n->threads);
	if (n->start_unix_ns)
		jsonw_time(j, "started", n->start_unix_ns);
	jsonw_uint(j, "windows", n->windows);
}

static void
node_json(struct jsonw *j, const struct overview *o, const char *name, const struct conf_node *node)
{
	const struct state_node *found = o->answered ? state_find(&o->state, node->name) : NULL;
	char path[CONF_NAME_MAX + 32];

	snprintf(path, sizeof(path), "/nodes/%s/debug/pprof/", node->name);
	jsonw_object(j, name);
	jsonw_text(j, "name", node->name);
	jsonw_text(j, "target", node->target);
	jsonw_text(j, "path", path);
	jsonw_text(j, "state", overview_state(found));
	if (found)
		found_json(j, &o->state, found);
	jsonw_object_end(j);
}

static void
nodes_json(struct jsonw *j, const struct overview *o)
{
	if (o->node)
		node_json(j, o, "node", o->node);
	jsonw_list(j, "nodes");
	for (size_t i = 0; i < o->conf->n_nodes; i++) {
		jsonw_newline(j);
		node_json(j, o, NULL, &o->conf->nodes[i]);
	}
	jsonw_list_end(j);
}

static void
profiles_json(struct jsonw *j, const struct overview *o)
{
	char why[OVERVIEW_WHY_MAX];
	size_t n;
	const struct route *routes = route_table(&n);

	jsonw_list(j, "profiles");
	for (size_t i = 0; i < n; i++) {
		bool has;

		if (!routes[i].description)
			continue;
		has = overview_has(o, &routes[i], why);
		jsonw_newline(j);
		jsonw_object(j, NULL);
		jsonw_text(j, "name", routes[i].name);
		jsonw_text(j, "description", routes[i].description);
		jsonw_bool(j, "available", has);
		text(j, "why", why);
		jsonw_object_end(j);
	}
	jsonw_list_end(j);
}

static void
collector_json(struct jsonw *j, const struct overview *o)
{
	const struct state *s = &o->state;

	if (!o->answered)
		return;
	jsonw_object(j, "windows");
	jsonw_uint(j, "open", s->windows);
	jsonw_uint(j, "max", s->windows_max);
	jsonw_object_end(j);
	jsonw_object(j, "samples");
	jsonw_uint(j, "taken", s->samples);
	jsonw_uint(j, "lost", s->lost);
	jsonw_object_end(j);
}

static void
captures_counts_json(struct jsonw *j, const struct store_counts *c)
{
	jsonw_object(j, "captures");
	jsonw_uint(j, "running", c->running);
	jsonw_uint(j, "done", c->done);
	jsonw_uint(j, "failed", c->failed);
	jsonw_uint(j, "memory_bytes", c->bytes);
	jsonw_object_end(j);
}

static void
cost_json(struct jsonw *j, const char *process, uint64_t cpu_ns, uint64_t rss_bytes)
{
	jsonw_object(j, process);
	jsonw_uint(j, "cpu_ns", cpu_ns);
	if (rss_bytes)
		jsonw_uint(j, "memory_bytes", rss_bytes);
	jsonw_object_end(j);
}

void
state_json(const struct overview *o, struct buf *to)
{
	const struct state *s = &o->state;
	struct sink sink;
	struct jsonw j;

	sink_init(&sink, sink_into_buf, to);
	jsonw_init(&j, &sink);
	jsonw_object(&j, NULL);
	jsonw_text(&j, "schema", "pprofd.state/1");
	jsonw_text(&j, "version", PACKAGE_VERSION);
	if (!o->answered)
		jsonw_text(&j, "error", o->trouble.text);
	nodes_json(&j, o);
	profiles_json(&j, o);
	collector_json(&j, o);
	captures_counts_json(&j, &o->captures);
	jsonw_list(&j, "limits");
	for (uint32_t i = 0; i < s->n_limits; i++)
		jsonw_text(&j, NULL, state_string(s, s->limits[i]));
	jsonw_list_end(&j);
	jsonw_object(&j, "cost");
	if (o->answered)
		cost_json(&j, "collector", s->cpu_ns, s->rss_bytes);
	cost_json(&j, "fcgi", o->cpu_ns, o->rss_bytes);
	jsonw_object_end(&j);
	jsonw_object_end(&j);
	jsonw_newline(&j);
	sink_flush(&sink);
}
