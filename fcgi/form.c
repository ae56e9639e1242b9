#include "config.h"

#include "fcgi/form.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "fcgi/enc_forms.h"
#include "fcgi/reply.h"

/* A picture runs nothing and loads nothing, whatever its names are. */
static const char svg_policy[] = "default-src 'none'; style-src 'unsafe-inline'";

static const struct form table[] = {
	{ .name = "pprof",
	  .describes = "for go tool pprof and most other tools",
	  .type = reply_binary,
	  .extension = "" },
	{ .name = "json",
	  .describes = "all of it as JSON, for programs",
	  .type = reply_json,
	  .extension = ".json",
	  .schema = "profile-1",
	  .group = FRAMES_EXACT,
	  .order = VIEW_SAMPLES,
	  .write = enc_json },
	{ .name = "top",
	  .describes = "a table of functions, for dashboards",
	  .type = reply_json,
	  .extension = ".top.json",
	  .schema = "top-1",
	  .group = FRAMES_FUNCTION,
	  .order = VIEW_TABLE,
	  .write = enc_top },
	{ .name = "flamegraph",
	  .describes = "the columns of Grafana's flame graph",
	  .type = reply_json,
	  .extension = ".flamegraph.json",
	  .schema = "flamegraph-1",
	  .group = FRAMES_FUNCTION,
	  .order = VIEW_SORTED,
	  .write = enc_flamegraph },
	{ .name = "tree",
	  .describes = "a tree of objects, for d3",
	  .type = reply_json,
	  .extension = ".tree.json",
	  .schema = "tree-1",
	  .group = FRAMES_FUNCTION,
	  .order = VIEW_SORTED,
	  .write = enc_tree },
	{ .name = "speedscope",
	  .describes = "a file for speedscope",
	  .type = reply_json,
	  .extension = ".speedscope.json",
	  .schema = "speedscope-1",
	  .group = FRAMES_FUNCTION,
	  .order = VIEW_SORTED,
	  .write = enc_speedscope },
	{ .name = "folded",
	  .describes = "a stack a line, for FlameGraph's scripts and grep",
	  .type = reply_text,
	  .extension = ".folded",
	  .group = FRAMES_FUNCTION,
	  .order = VIEW_SORTED,
	  .write = enc_folded },
	{ .name = "svg",
	  .describes = "a flame graph to look at",
	  .type = "image/svg+xml",
	  .extension = ".svg",
	  .policy = svg_policy,
	  .group = FRAMES_FUNCTION,
	  .order = VIEW_SORTED,
	  .write = enc_svg },
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
