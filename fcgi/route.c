#include "config.h"

#include "fcgi/route.h"

#include <stdlib.h>
#include <string.h>

#include "fcgi/handle.h"
#include "fcgi/schema.h"

#define PREFIX   "/debug/pprof"
#define NODES    "/nodes/"
#define CAPTURES "captures/"
#define SCHEMAS  "schemas/" /* as in REPLY_SCHEMAS */

/* Sorted by name, as the index shows them. */
static const struct route table[] = {
	{ "", NULL, true, handle_index, NULL },
	{ "allocs", "All memory allocated so far, also what was freed again", true, handle_snapshot,
	  take_snapshot },
	{ "block", "Where threads wait for locks, channels and the kernel", true, handle_snapshot,
	  take_snapshot },
	{ "captures", NULL, true, handle_captures, NULL },
	{ "cmdline", "The command line of the node, by default without its arguments", true, handle_cmdline,
	  NULL },
	{ "goroutine", "Stacks of all goroutines, with debug=2 one by one", true, handle_snapshot,
	  take_snapshot },
	{ "goroutineleak", NULL, true, handle_snapshot, take_snapshot },
	{ "heap", "Memory in use, by where it was allocated", true, handle_snapshot, take_snapshot },
	{ "mutex", "Who holds locks that others wait for", true, handle_snapshot, take_snapshot },
	{ "profile", "CPU time for seconds=N (30), of event=NAME at hz=N where given", true, handle_profile,
	  take_window },
	{ "symbol", "Names of the addresses in the query or in the body of a POST", true, handle_symbol,
	  NULL },
	{ "threadcreate", "Where threads were created", true, handle_snapshot, take_snapshot },
	{ "trace", "What the scheduler did, moment by moment", false, NULL, NULL },
};

#define TABLE (sizeof(table) / sizeof(table[0]))

const struct route *
route_table(size_t *n)
{
	*n = TABLE;
	return table;
}

static int
route_compare(const void *name, const void *route)
{
	return strcmp(name, ((const struct route *)route)->name);
}

/* What may stand in a header line. */
static bool
is_printable(const char *s)
{
	for (; *s; s++)
		if (*s <= ' ' || *s > '~')
			return false;
	return true;
}

static void
route_redirect(struct reply *to, int status, const char *path, const char *query)
{
	if (!is_printable(path) || !is_printable(query)) {
		reply_error(to, 404, "Unknown profile");
		return;
	}
	to->status = status;
	buf_printf(&to->body, "See %s\n", path);
	/* Both are shorter than the buffer together, or the query is left out. */
	if (strlen(path) + strlen(query) + 2 > sizeof(to->location))
		query = "";
	strcpy(to->location, path);
	if (*query)
		strcat(strcat(to->location, "?"), query);
}

/* Take "/nodes/NAME" off the path. Returns the rest, or NULL for a node that there is not. */
static const char *
route_node(const struct conf *conf, const char *path, const struct conf_node **node)
{
	const char *name, *end;

	*node = conf->n_nodes ? &conf->nodes[0] : NULL;
	if (strncmp(path, NODES, strlen(NODES)) != 0)
		return path;
	name = path + strlen(NODES);
	end = strchrnul(name, '/');
	for (size_t i = 0; i < conf->n_nodes; i++) {
		const char *have = conf->nodes[i].name;

		if (strlen(have) == (size_t)(end - name) && !memcmp(have, name, strlen(have))) {
			*node = &conf->nodes[i];
			return end;
		}
	}
	return NULL;
}

static void
route_profile(const struct app *app, const struct request *req, const struct conf_node *node,
	      const char *name, struct reply *to)
{
	const struct route *route = bsearch(name, table, TABLE, sizeof(table[0]), route_compare);

	if (!strncmp(name, SCHEMAS, strlen(SCHEMAS)))
		schema_answer(name + strlen(SCHEMAS), to);
	else if (!strncmp(name, CAPTURES, strlen(CAPTURES)))
		handle_capture(app, req, node, to);
	else if (!route)
		reply_error(to, 404, "Unknown profile");
	else if (!route->made)
		reply_error(to, 501, "The %s profile is not available in this version of pprofd.", name);
	else
		route->answer(app, req, node, to);
}

void
route_answer(const struct app *app, const struct request *req, struct reply *to)
{
	const struct conf_node *node;
	const char *rest;

	if (req->method == METHOD_OTHER) {
		reply_error(to, 405, "Method not allowed");
		to->allow = "GET, HEAD, POST";
		return;
	}
	if (req->body_too_large) {
		reply_error(to, 413, "the body is longer than %d bytes", REQUEST_BODY_MAX);
		return;
	}
	if (!strcmp(req->path, "/")) {
		route_redirect(to, 302, PREFIX "/", "");
		return;
	}
	if (!strcmp(req->path, "/metrics")) {
		handle_metrics(app, req, NULL, to);
		return;
	}
	rest = route_node(app->conf, req->path, &node);
	if (!rest) {
		reply_error(to, 404, "Unknown node");
	} else if (!strcmp(rest, PREFIX)) {
		char path[REQUEST_PATH_MAX + 1];

		strcat(strcpy(path, req->path), "/");
		route_redirect(to, 301, path, req->query);
	} else if (!strncmp(rest, PREFIX "/", strlen(PREFIX "/"))) {
		route_profile(app, req, node, rest + strlen(PREFIX "/"), to);
	} else {
		reply_error(to, 404, "Unknown profile");
	}
}
