/*
 * view.h - what of a profile a form shows: which samples, which frames, in which order.
 *
 *   frame   what a reader sees as one box or row: a function, a line, an address or a thread
 *   row     a stack of frames, root first, with a value of each type
 *
 * Locations become frames as group= says, with inlined calls as frames of their own; samples
 * that focus= and ignore= leave become rows. Computed once for an answer, from the profile and
 * its ids, in memory that is bounded beforehand (view_check()).
 */
#ifndef PPD_FCGI_VIEW_H
#define PPD_FCGI_VIEW_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "fcgi/ids.h"
#include "fcgi/profile.h"

#define VIEW_TYPE_MAX   128 /* bytes with the NUL */
#define VIEW_TEXT_MAX   512
#define VIEW_MEMORY_MAX (128u << 20) /* bytes, beside the profile and its ids */
#define VIEW_NONE       UINT32_MAX

/* What makes two frames one. */
enum view_group {
	VIEW_GROUP_NONE, /* not said */
	VIEW_FUNCTION,   /* the name */
	VIEW_LINE,       /* name, file and line */
	VIEW_ADDRESS,    /* the instruction, and which of its inlined calls */
	VIEW_THREAD,     /* as FUNCTION, with the thread as the root; in a table the thread alone */
	VIEW_EXACT,      /* all that is known but the address */
};

/* What the parameters ask for. Strings are "" and numbers 0 where nothing is said. */
struct view_wish {
	char sample_type[VIEW_TYPE_MAX]; /* the name of a type, as "cpu" */
	char focus[VIEW_TEXT_MAX];       /* only stacks in which a name or a file has this in it */
	char ignore[VIEW_TEXT_MAX];      /* and none in which one has this */
	uint32_t limit;                  /* at most so many rows, the heaviest */
	bool min_given;
	double min_pct; /* and none that has less than this of the profile's total */
	enum view_group group;
};

/* How a form wants its rows. */
enum view_order {
	VIEW_ORDER_NONE, /* no rows at all */
	VIEW_SAMPLES,    /* as the samples are, in their order */
	VIEW_TABLE,      /* in any order */
	VIEW_SORTED,     /* by their frames, each stack once */
};

struct view_frame {
	uint32_t name, system_name, file; /* strings; of a thread: its name */
	uint32_t line;
	uint32_t map;     /* index; VIEW_NONE: a thread */
	uint32_t tid;     /* of a thread; 0 too for what has none */
	uint64_t address; /* of VIEW_ADDRESS */
	bool inlined;
	bool thread;
};

struct view_row {
	uint32_t sample; /* of ids->samples: the (first) one that it came from */
	uint32_t first;  /* in frames_of */
	uint32_t n;      /* frames there */
	uint32_t thread; /* a frame in front of those; VIEW_NONE: none */
};

struct view {
	const struct profile *p;  /* borrowed */
	const struct ids *ids;    /* borrowed */
	enum view_group group;
	enum view_order order;
	uint32_t type;            /* index of the chosen one */
	bool one_type;            /* it was asked for by name */
	struct view_frame *frames; /* by name, then by what else tells them apart */
	uint32_t n_frames;
	uint32_t *frames_of;      /* the rows' frames, root first */
	struct view_row *rows;
	int64_t *values;          /* p->n_types of each row */
	uint32_t n_rows;
	/* Of each type: of all samples, and of those that the rows came from. */
	int64_t total[PROFILE_TYPES_MAX], shown[PROFILE_TYPES_MAX];
	/* The same without the signs: equal to it unless the profile is a difference. */
	uint64_t absolute[PROFILE_TYPES_MAX], shown_absolute[PROFILE_TYPES_MAX];
	bool negative[PROFILE_TYPES_MAX]; /* some sample has less than nothing */
	/* What view_trim() took away. */
	uint32_t trimmed_n;
	int64_t trimmed[PROFILE_TYPES_MAX];
};

#endif
