/*
 * view.h - what of a profile a form shows: which samples, as which frames, in which order.
 *
 * The samples that focus= and ignore= leave become rows: a stack of frames, root first, with a
 * value of each type. Computed once for an answer, from the profile and its ids, in memory
 * that is bounded beforehand.
 */
#ifndef PPD_FCGI_VIEW_H
#define PPD_FCGI_VIEW_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "fcgi/frames.h"
#include "fcgi/ids.h"
#include "fcgi/profile.h"

#define VIEW_TYPE_MAX   128 /* bytes with the NUL */
#define VIEW_TEXT_MAX   512
#define VIEW_MEMORY_MAX (128u << 20) /* bytes, beside the profile and its ids */

/* What the parameters ask for. Strings are "" and numbers 0 where nothing is said. */
struct view_wish {
	char sample_type[VIEW_TYPE_MAX]; /* the name of a type: "cpu" */
	char focus[VIEW_TEXT_MAX];       /* only stacks in which a name or a file has this in it */
	char ignore[VIEW_TEXT_MAX];      /* and none in which one has this */
	uint32_t limit;                  /* at most so many rows, the heaviest */
	bool min_given;
	double min_pct; /* and none that has less than this of the profile's total; 0-100 */
	enum frames_group group;
};

/* How a form wants its rows. */
enum view_order {
	VIEW_ORDER_NONE, /* it takes none */
	VIEW_SAMPLES,    /* as the samples are, in their order */
	VIEW_TABLE,      /* the same; of FRAMES_THREAD only the thread */
	VIEW_SORTED,     /* by their frames, and equal ones as one */
};

struct view_row {
	uint32_t sample; /* of ids->samples: the first that it came from */
	uint32_t first;  /* in stacks */
	uint32_t n;      /* frames there */
	uint32_t thread; /* the frame in front of those; FRAMES_NONE: none */
};

struct view {
	const struct profile *p; /* borrowed */
	const struct ids *ids;   /* borrowed */
	struct frames frames;
	uint32_t type;    /* index of the chosen one */
	bool one_type;    /* it was asked for by name */
	uint32_t *stacks; /* the rows' frames, root first */
	struct view_row *rows;
	int64_t *values; /* p->n_types of each row */
	uint32_t n_rows;
	uint32_t depth; /* frames of the longest row */
	/* Of each type: of all samples, and of the rows; then without the signs, which is the same unless
	 * the profile is a difference. */
	int64_t total[PROFILE_TYPES_MAX], shown[PROFILE_TYPES_MAX];
	uint64_t total_size[PROFILE_TYPES_MAX], shown_size[PROFILE_TYPES_MAX];
	bool negative[PROFILE_TYPES_MAX]; /* some sample is less than nothing */
	/* Rows that view_trim() took away, and their values: still in `shown`. */
	uint32_t trimmed;
	int64_t trimmed_values[PROFILE_TYPES_MAX];
	uint64_t trimmed_sizes[PROFILE_TYPES_MAX];
};

/*
 * Can it be shown, and which type is the chosen one? Quick. Returns 0; -ENOENT, with a sentence that
 * names the types that there are; or -EFBIG: more than VIEW_MEMORY_MAX would be needed.
 */
int view_check(const struct profile *p, const struct view_wish *wish, uint32_t *type, struct err *why);

/* `group` where the wish has none. Returns 0 or -ENOMEM; view_fini() in both cases. */
int view_init(struct view *v, const struct profile *p, const struct ids *ids, const struct view_wish *wish,
	      enum frames_group group, enum view_order order);
void view_fini(struct view *v);

/* What a value counts for where signs do not matter. */
uint64_t view_size(int64_t value);

/* The least that min_pct leaves of the chosen type. */
uint64_t view_least(const struct view *v, double min_pct);

/* Take away the rows whose value of the chosen type is smaller than `least`, and all but `limit`
 * (0: any number). Returns 0 or -ENOMEM. */
int view_trim(struct view *v, uint64_t least, uint32_t limit);

/* The value of a row, of one type. */
int64_t view_value(const struct view *v, uint32_t row, uint32_t type);

/* Which frames the rows have: by frame, its number among those, from 1; 0: in no row. *n: how many.
 * NULL: no memory; else to be freed. */
uint32_t *view_used(const struct view *v, uint32_t *n);

/* The frames of a row: how many, and the one at a depth below that. */
uint32_t view_depth(const struct view_row *row);
uint32_t view_frame(const struct view *v, const struct view_row *row, uint32_t depth);

#endif
