#include "config.h"

#include "fcgi/form.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "fcgi/reply.h"

static const struct form table[] = {
	{ "pprof", reply_binary, "", NULL, "for go tool pprof and most other tools", VIEW_GROUP_NONE,
	  VIEW_ORDER_NONE, NULL },
	{ "json", reply_json, ".json", "profile-1", "all of it as JSON, for programs", VIEW_EXACT,
	  VIEW_SAMPLES, NULL },
	{ "top", reply_json, ".top.json", "top-1", "a table of functions, for dashboards", VIEW_FUNCTION,
	  VIEW_TABLE, NULL },
	{ "flamegraph", reply_json, ".flamegraph.json", "flamegraph-1",
	  "the columns of Grafana's flame graph", VIEW_FUNCTION, VIEW_SORTED, NULL },
	{ "tree", reply_json, ".tree.json", "tree-1", "a tree of objects, for d3", VIEW_FUNCTION,
	  VIEW_SORTED, NULL },
	{ "speedscope", reply_json, ".speedscope.json", "speedscope-1", "a file for speedscope.app",
	  VIEW_LINE, VIEW_SORTED, NULL },
	{ "folded", reply_text, ".folded", NULL, "a stack a line, for FlameGraph's scripts and grep",
	  VIEW_FUNCTION, VIEW_SORTED, NULL },
	{ "svg", "image/svg+xml", ".svg", NULL, "a flame graph to look at", VIEW_FUNCTION, VIEW_SORTED,
	  NULL },
};

#define TABLE (sizeof(table) / sizeof(table[0]))

const struct form *
form_table(size_t *n)
{
	*n = TABLE;
	return table;
}

const struct form *
form_find(const char *name, size_t n, struct err *why)
{
	char names[128];
	size_t used = 0;

	if (!n)
		return &table[0];
	for (size_t i = 0; i < TABLE; i++)
		if (strlen(table[i].name) == n && !memcmp(table[i].name, name, n))
			return &table[i];
	for (size_t i = 0; i < TABLE; i++)
		used += (size_t)snprintf(names + used, sizeof(names) - used, "%s%s", i ? ", " : "",
					 table[i].name);
	err_set(why, -EINVAL, "there is no form \"%.*s\"; format= may be %s", n < 64 ? (int)n : 64, name,
		names);
	return NULL;
}
