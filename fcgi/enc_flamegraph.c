#include "config.h"

#include "fcgi/enc_forms.h"

#include <errno.h>

#include "fcgi/doc.h"
#include "fcgi/tree.h"

/* What Grafana's panel, and people, can still look at. */
#define NODES_MAX 100000

struct column {
	const char *name;
	bool signed_only;
	int64_t (*value)(const struct tree_node *node); /* NULL: the label */
};

static int64_t
column_level(const struct tree_node *node)
{
	return node->depth;
}

static int64_t
column_value(const struct tree_node *node)
{
	return (int64_t)node->size;
}

static int64_t
column_self(const struct tree_node *node)
{
	return (int64_t)node->self_size;
}

static int64_t
column_delta(const struct tree_node *node)
{
	return node->value;
}

static int64_t
column_self_delta(const struct tree_node *node)
{
	return node->self;
}

/* Widths are never negative: a difference is drawn as wide as it is large, and its sign is in two
 * more columns. */
static const struct column columns[] = {
	{ "level", false, column_level },
	{ "value", false, column_value },
	{ "self", false, column_self },
	{ "delta", true, column_delta },
	{ "self_delta", true, column_self_delta },
	{ "label", false, NULL },
};

static void
flamegraph_column(struct jsonw *j, struct tree *t, const struct column *c, uint32_t *nodes,
		  uint32_t *hidden)
{
	struct tree_node node;
	struct buf scratch;

	buf_init(&scratch, 0);
	*nodes = *hidden = 0;
	jsonw_newline(j);
	jsonw_list(j, c->name);
	tree_begin(t);
	while (tree_next(t, &node) && !sink_error(j->to)) {
		if (c->value)
			jsonw_int(j, NULL, c->value(&node));
		else
			jsonw_text(j, NULL, tree_label(t, &node, &scratch));
		++*nodes;
		*hidden += node.hidden;
	}
	jsonw_list_end(j);
	buf_fini(&scratch);
}

void
enc_flamegraph(const struct form_of *of, struct view *v, struct sink *to)
{
	uint32_t nodes = 0, hidden = 0;
	struct jsonw j;
	struct tree t;

	doc_begin(&j, of, to, "pprofd.flamegraph/1");
	doc_type(&j, v);
	if (tree_init(&t, v, 0) < 0) {
		to->error = -ENOMEM;
	} else {
		tree_limit(&t, view_least(v, of->wish->min_pct),
			   of->wish->limit ? of->wish->limit : NODES_MAX);
		for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++)
			if (!columns[i].signed_only || v->negative[v->type])
				flamegraph_column(&j, &t, &columns[i], &nodes, &hidden);
		jsonw_newline(&j);
		jsonw_int(&j, "nodes", nodes);
		jsonw_bool(&j, "truncated", hidden > 0);
		doc_end(&j);
	}
	tree_fini(&t);
}
