#include "config.h"

#include "fcgi/enc_forms.h"

#include <errno.h>

#include "fcgi/doc.h"
#include "fcgi/tree.h"

#define NODES_MAX 100000
/* Two brackets a level. Python's reader takes a thousand, jansson's two thousand. */
#define DEPTH_MAX 400

/* End what is open down to this depth. */
static void
tree_close(struct jsonw *j, uint32_t *open, uint32_t depth)
{
	while (*open > depth) {
		jsonw_list_end(j);
		jsonw_object_end(j);
		--*open;
	}
}

static void
tree_members(struct jsonw *j, const struct tree *t, const struct tree_node *node, struct buf *scratch)
{
	jsonw_text(j, "name", tree_label(t, node, scratch));
	jsonw_uint(j, "value", node->size);
	jsonw_uint(j, "self", node->self_size);
	if (t->v->negative[t->v->type]) {
		jsonw_int(j, "delta", node->value);
		jsonw_int(j, "self_delta", node->self);
	}
	if (node->hidden)
		jsonw_int(j, "hidden", node->hidden);
}

/* The root's members are the document's own, so that it can be given to d3 as it is. */
static uint32_t
tree_write(struct jsonw *j, struct tree *t)
{
	uint32_t open = 0, hidden = 0;
	struct tree_node node;
	struct buf scratch;

	buf_init(&scratch, 0);
	tree_begin(t);
	while (tree_next(t, &node) && !sink_error(j->to)) {
		tree_close(j, &open, node.depth);
		if (node.depth)
			jsonw_object(j, NULL);
		tree_members(j, t, &node, &scratch);
		jsonw_newline(j);
		jsonw_list(j, "children");
		open = node.depth + 1;
		hidden += node.hidden;
	}
	tree_close(j, &open, 1);
	jsonw_list_end(j);
	buf_fini(&scratch);
	return hidden;
}

void
enc_tree(const struct form_of *of, struct view *v, struct sink *to)
{
	struct jsonw j;
	struct tree t;

	doc_begin(&j, of, to, "pprofd.tree/1");
	doc_type(&j, v);
	if (tree_init(&t, v, DEPTH_MAX) < 0) {
		to->error = -ENOMEM;
	} else {
		tree_limit(&t, view_least(v, of->wish->min_pct),
			   of->wish->limit ? of->wish->limit : NODES_MAX);
		jsonw_bool(&j, "truncated", tree_write(&j, &t) > 0);
		doc_end(&j);
	}
	tree_fini(&t);
}
