/*
 * tree.h - the sorted rows of a view, walked as a tree.
 *
 * In sorted order the rows below a node are neighbours, so that a node is a range of rows and
 * its value the difference of two sums: the tree itself is never in memory, and can be walked as
 * often as a form needs. What is too small (or too deep) to be shown stands as one node in its
 * parent, so that the values of a node's children and its own always come to the whole.
 */
#ifndef PPD_FCGI_TREE_H
#define PPD_FCGI_TREE_H

#include <stdint.h>

#include "base/buf.h"
#include "fcgi/view.h"

struct tree_node {
	uint32_t depth; /* 0: the root */
	uint32_t frame; /* FRAMES_NONE: the root, or what is not shown */
	/* > 0: so many nodes of this depth that are not shown, and all below them. */
	uint32_t hidden;
	int64_t value, self;      /* with what is below it, and without */
	uint64_t size, self_size; /* the same without signs, a stack at a time */
};

struct tree_level {
	uint32_t at, end; /* rows that are not walked yet */
	struct tree_node rest;
};

struct tree {
	const struct view *v; /* borrowed */
	int64_t *sums;        /* before each row: of the values */
	uint64_t *sizes;      /* and of their sizes */
	uint64_t least;       /* smaller nodes are not shown */
	uint32_t depth_max;   /* nor deeper ones */
	struct tree_level *levels;
	uint32_t n_levels;
	bool begun;
};

/* depth_max: 0: no limit. The view is VIEW_SORTED, and is not changed any more. Returns 0 or -ENOMEM;
 * tree_fini() in both cases. */
int tree_init(struct tree *t, const struct view *v, uint32_t depth_max);
void tree_fini(struct tree *t);

/* Do not show nodes smaller than `least`, and so few that there are at most `limit` (0: any number). */
void tree_limit(struct tree *t, uint64_t least, uint32_t limit);

/* From the root on: each node, then its children, in the order of the frames. */
void tree_begin(struct tree *t);
bool tree_next(struct tree *t, struct tree_node *node);

/* What a node is called; borrowed as from frames_label(). */
const char *tree_label(const struct tree *t, const struct tree_node *node, struct buf *scratch);

#endif
