#include "config.h"

#include "fcgi/metrics.h"

#include <string.h>

#include "base/wire.h"

const char metrics_type[] = "text/plain; version=0.0.4; charset=utf-8";

/* What a family is; a sample of it follows. */
static void
family(struct buf *to, const char *name, const char *type, const char *help)
{
	buf_printf(to, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void
single(struct buf *to, const char *name, const char *type, const char *help, double value)
{
	family(to, name, type, help);
	buf_printf(to, "%s %.17g\n", name, value);
}

/* Backslash, quote and line's end have escapes; other control characters were cleaned away (strings.h). */
static void
label(struct buf *to, const char *name, const char *value)
{
	buf_printf(to, "%s=\"", name);
	for (; *value; value++) {
		if (*value == '\\' || *value == '"')
			buf_u8(to, '\\');
		if (*value == '\n')
			buf_text(to, "\\n");
		else
			buf_u8(to, (uint8_t)*value);
	}
	buf_u8(to, '"');
}

static const struct state_node *
node_of(const struct overview *o, size_t i)
{
	return o->answered ? state_find(&o->state, o->conf->nodes[i].name) : NULL;
}

static void
node_sample(const struct overview *o, struct buf *to, const char *name, size_t i, double value)
{
	buf_printf(to, "%s{", name);
	label(to, "node", o->conf->nodes[i].name);
	buf_printf(to, "} %.17g\n", value);
}

static double
node_up(const struct state_node *n)
{
	return n && n->state == WIRE_NODE_RUNNING;
}

static double
node_windows(const struct state_node *n)
{
	return n ? n->windows : 0;
}

static double
node_threads(const struct state_node *n)
{
	return n ? n->threads : 0;
}

static double
node_start(const struct state_node *n)
{
	return n ? (double)n->start_unix_ns / 1e9 : 0;
}

static void
nodes(const struct overview *o, struct buf *to)
{
	static const struct {
		const char *name, *help;
		double (*value)(const struct state_node *n);
		bool only_up; /* it means nothing of a node that is not there */
	} families[] = {
		{ "pprofd_node_up", "Whether the node can be sampled now.", node_up, false },
		{ "pprofd_node_windows_open", "Windows open on the node now.", node_windows, false },
		{ "pprofd_node_threads", "Threads of the node.", node_threads, true },
		{ "pprofd_node_start_time_seconds", "When the node's process began, since the epoch.", node_start,
		  true },
	};

	for (size_t k = 0; k < sizeof(families) / sizeof(families[0]); k++) {
		family(to, families[k].name, "gauge", families[k].help);
		for (size_t i = 0; i < o->conf->n_nodes; i++)
			if (!families[k].only_up || node_up(node_of(o, i)) > 0)
				node_sample(o, to, families[k].name, i, families[k].value(node_of(o, i)));
	}
}

static void
node_infos(const struct overview *o, struct buf *to)
{
	family(to, "pprofd_node_info", "gauge", "What the node is and how its process is found.");
	for (size_t i = 0; i < o->conf->n_nodes; i++) {
		const struct state_node *n = node_of(o, i);

		buf_text(to, "pprofd_node_info{");
		label(to, "node", o->conf->nodes[i].name);
		buf_u8(to, ',');
		label(to, "target", o->conf->nodes[i].target);
		buf_u8(to, ',');
		label(to, "state", overview_state(n));
		buf_u8(to, ',');
		label(to, "runtime", n ? state_string(&o->state, n->runtime) : "");
		buf_text(to, "} 1\n");
	}
}

static void
collector(const struct overview *o, struct buf *to)
{
	const struct state *s = &o->state;

	single(to, "pprofd_collector_up", "gauge", "Whether the collector answers.", o->answered);
	if (!o->answered)
		return;
	single(to, "pprofd_windows_open", "gauge", "Windows open now, over all nodes.", s->windows);
	single(to, "pprofd_windows_limit", "gauge", "Windows that may be open at a time.", s->windows_max);
	single(to, "pprofd_samples_total", "counter", "Samples that the collector has taken.",
	       (double)s->samples);
	single(to, "pprofd_samples_lost_total", "counter", "Samples that the kernel could not keep.",
	       (double)s->lost);
	single(to, "pprofd_limits", "gauge", "Things that the collector could not get; the index page names them.",
	       s->n_limits);
}

static void
captures(const struct overview *o, struct buf *to)
{
	const struct store_counts *c = &o->captures;

	family(to, "pprofd_captures", "gauge", "Captures that are kept, by state.");
	buf_printf(to,
		   "pprofd_captures{state=\"running\"} %u\npprofd_captures{state=\"done\"} %u\n"
		   "pprofd_captures{state=\"failed\"} %u\n",
		   c->running, c->done, c->failed);
	single(to, "pprofd_captures_memory_bytes", "gauge", "Memory of the captures that are kept.",
	       (double)c->bytes);
}

static void
cost(const struct overview *o, struct buf *to)
{
	family(to, "pprofd_cpu_seconds_total", "counter", "CPU time that pprofd's own processes have used.");
	if (o->answered)
		buf_printf(to, "pprofd_cpu_seconds_total{process=\"collector\"} %.17g\n",
			   (double)o->state.cpu_ns / 1e9);
	buf_printf(to, "pprofd_cpu_seconds_total{process=\"fcgi\"} %.17g\n", (double)o->cpu_ns / 1e9);
	family(to, "pprofd_resident_memory_bytes", "gauge", "Resident memory of pprofd's own processes.");
	if (o->answered)
		buf_printf(to, "pprofd_resident_memory_bytes{process=\"collector\"} %llu\n",
			   (unsigned long long)o->state.rss_bytes);
	if (o->rss_bytes)
		buf_printf(to, "pprofd_resident_memory_bytes{process=\"fcgi\"} %llu\n",
			   (unsigned long long)o->rss_bytes);
}

void
metrics_write(const struct overview *o, struct buf *to)
{
	family(to, "pprofd_build_info", "gauge", "The version of pprofd.");
	buf_text(to, "pprofd_build_info{version=\"" PACKAGE_VERSION "\"} 1\n");
	collector(o, to);
	node_infos(o, to);
	nodes(o, to);
	captures(o, to);
	cost(o, to);
}
