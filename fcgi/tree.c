#include "config.h"

#include "fcgi/tree.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int
tree_init(struct tree *t, const struct view *v, uint32_t depth_max)
{
	memset(t, 0, sizeof(*t));
	t->v = v;
	t->depth_max = depth_max && depth_max < v->depth ? depth_max : v->depth;
	t->sums = calloc((size_t)v->n_rows + 1, sizeof(*t->sums));
	t->sizes = calloc((size_t)v->n_rows + 1, sizeof(*t->sizes));
	t->levels = calloc((size_t)t->depth_max + 1, sizeof(*t->levels));
	if (!t->sums || !t->sizes || !t->levels)
		return -ENOMEM;
	for (uint32_t i = 0; i < v->n_rows; i++) {
		int64_t value = view_value(v, i, v->type);

		t->sums[i + 1] = (int64_t)((uint64_t)t->sums[i] + (uint64_t)value);
		t->sizes[i + 1] = t->sizes[i] + view_size(value);
	}
	tree_begin(t);
	return 0;
}

void
tree_fini(struct tree *t)
{
	free(t->sums);
	free(t->sizes);
	free(t->levels);
	memset(t, 0, sizeof(*t));
}

void
tree_begin(struct tree *t)
{
	t->n_levels = 0;
	t->begun = false;
}

static int64_t
tree_sum(const struct tree *t, uint32_t from, uint32_t to)
{
	return (int64_t)((uint64_t)t->sums[to] - (uint64_t)t->sums[from]);
}

/* Where the rows end that have this frame at this depth: they begin at `from`. */
static uint32_t
tree_end(const struct tree *t, uint32_t from, uint32_t end, uint32_t depth)
{
	const struct view *v = t->v;
	uint32_t frame = view_frame(v, &v->rows[from], depth), step = 1, low = from, high;

	/* Most nodes have few rows: steps that double, then the half each time. */
	while (step < end - low && view_frame(v, &v->rows[low + step], depth) == frame) {
		low += step;
		step *= 2;
	}
	high = step < end - low ? low + step : end;
	while (high - low > 1) {
		uint32_t middle = low + (high - low) / 2;

		if (view_frame(v, &v->rows[middle], depth) == frame)
			low = middle;
		else
			high = middle;
	}
	return high;
}

/* Enter the rows from..to: what ends in this node is its own, what is left is its children's. */
static void
tree_enter(struct tree *t, uint32_t from, uint32_t to, uint32_t frame, struct tree_node *node)
{
	struct tree_level *level = &t->levels[t->n_levels];
	uint32_t at = from;

	/* A stack that ends here sorts before those that go on. */
	while (at < to && view_depth(&t->v->rows[at]) == t->n_levels)
		at++;
	*node = (struct tree_node){
		.depth = t->n_levels,
		.frame = frame,
		.value = tree_sum(t, from, to),
		.self = tree_sum(t, from, at),
		.size = t->sizes[to] - t->sizes[from],
		.self_size = t->sizes[at] - t->sizes[from],
	};
	*level = (struct tree_level){ .at = at, .end = to };
	t->n_levels++;
}

static void
tree_hide(const struct tree *t, struct tree_level *level, uint32_t to)
{
	struct tree_node *rest = &level->rest;

	rest->hidden++;
	rest->value = (int64_t)((uint64_t)rest->value + (uint64_t)tree_sum(t, level->at, to));
	rest->size += t->sizes[to] - t->sizes[level->at];
}

/* The next child of the innermost open node that is to be shown. */
static bool
tree_child(struct tree *t, struct tree_node *node)
{
	uint32_t depth = t->n_levels - 1;
	struct tree_level *level = &t->levels[depth];

	while (level->at < level->end) {
		uint32_t from = level->at, to = tree_end(t, from, level->end, depth);

		/* Nothing of this type (of a heap's four, say) is no node of it. */
		if (t->sizes[to] == t->sizes[from]) {
			level->at = to;
			continue;
		}
		if (depth < t->depth_max && t->sizes[to] - t->sizes[from] >= t->least) {
			level->at = to;
			tree_enter(t, from, to, view_frame(t->v, &t->v->rows[from], depth), node);
			return true;
		}
		tree_hide(t, level, to);
		level->at = to;
	}
	return false;
}

bool
tree_next(struct tree *t, struct tree_node *node)
{
	if (!t->begun) {
		t->begun = true;
		tree_enter(t, 0, t->v->n_rows, FRAMES_NONE, node);
		return true;
	}
	while (t->n_levels) {
		struct tree_level *level = &t->levels[t->n_levels - 1];

		if (tree_child(t, node))
			return true;
		if (level->rest.hidden) {
			*node = level->rest;
			node->depth = t->n_levels;
			node->frame = FRAMES_NONE;
			node->self = node->value;
			node->self_size = node->size;
			level->rest.hidden = 0;
			return true;
		}
		t->n_levels--;
	}
	return false;
}

/* Are there more than `limit` nodes that are not smaller than this? */
static bool
tree_more(struct tree *t, uint64_t least, uint32_t limit)
{
	struct tree_node node;
	uint32_t n = 0;

	t->least = least;
	tree_begin(t);
	while (n <= limit && tree_next(t, &node))
		n++;
	tree_begin(t);
	return n > limit;
}

void
tree_limit(struct tree *t, uint64_t least, uint32_t limit)
{
	uint64_t low = least, high = t->sizes[t->v->n_rows];

	t->least = least;
	if (!limit || !tree_more(t, least, limit))
		return;
	/* Too many at `low`. Where even those of the root's own size are too many, nothing is left but the
	 * root. */
	if (high < low || tree_more(t, high, limit)) {
		t->least = UINT64_MAX;
		return;
	}
	while (high - low > 1) {
		uint64_t middle = low + (high - low) / 2;

		if (tree_more(t, middle, limit))
			low = middle;
		else
			high = middle;
	}
	t->least = high;
}

const char *
tree_label(const struct tree *t, const struct tree_node *node, struct buf *scratch)
{
	if (node->frame != FRAMES_NONE)
		return frames_label(&t->v->frames, node->frame, scratch);
	if (!node->hidden)
		return "total";
	scratch->max = 64;
	buf_reset(scratch);
	buf_printf(scratch, "[%u not shown]", node->hidden);
	buf_u8(scratch, '\0');
	return buf_error(scratch) ? "[not shown]" : (const char *)scratch->data;
}
