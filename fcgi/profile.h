/*
 * profile.h - what a window found, in no particular format.
 *
 *   object   a thing that has names: a file, the kernel, the vdso, a JIT's memory
 *   map      where a piece of an object was mapped
 *   place    a position in an object; what the symbolizer is asked about
 *   loc      an address in a map; it stands at a place
 *   line     a function and a line; a place has several where calls were inlined
 *   stack    locs, leaf first
 *   sample   a stack, its labels, and a value of each type
 *
 * The ids that the collector gave are looked up, never used as indices. Filled
 * by intake.c and names.c, completed by profile_finish(), written by enc_pprof.c.
 */
#ifndef PPD_FCGI_PROFILE_H
#define PPD_FCGI_PROFILE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/table.h"
#include "fcgi/room.h"
#include "fcgi/strings.h"

#define PROFILE_MEMORY_MAX (64u << 20) /* bytes of everything below together */
/* Of which names may take so much: a profile without them is still one, but not the reverse. */
#define PROFILE_NAMES_MAX    (48u << 20)
#define PROFILE_STACK_MAX    4096 /* frames; the collector's own limit is lower */
#define PROFILE_BUILD_ID_MAX 64   /* bytes */
#define PROFILE_NONE         UINT32_MAX
#define PROFILE_TYPES_MAX    16
#define PROFILE_LABELS_MAX   64 /* of one sample */

struct profile_object {
	uint64_t id;       /* the collector's */
	uint8_t kind;      /* enum wire_map_kind */
	uint8_t flags;     /* WIRE_OBJECT_*, once the symbolizer has said */
	uint32_t build_id; /* string: hex, or "" */
	uint64_t shift;    /* link-time address - place, where an answer showed it */
	bool shift_known;
};

/* Words that outputs put into a profile: strings that every profile has under these numbers. */
enum profile_word {
	PROFILE_WORD_NONE, /* "" */
	PROFILE_WORD_TID,
	PROFILE_WORD_THREAD,
	PROFILE_WORD_STACK,
	PROFILE_WORD_GUESS,
	PROFILE_WORD_LATE,
	PROFILE_WORD_KERNEL, /* as a file: pprof never opens one whose name begins with a bracket */
	PROFILE_WORD_VDSO,
	PROFILE_WORD_JIT,
	PROFILE_WORD_PSEUDO,
	PROFILE_WORD_UNKNOWN,
	PROFILE_WORDS
};

/* Whose profile it is, as the collector said. Strings but pid; all 0: not said. */
struct profile_node {
	uint32_t name, comm, exe, runtime;
	uint32_t pid;
	uint64_t start_unix_ns;
};

struct profile_map {
	uint32_t id;     /* the collector's */
	uint32_t object; /* index */
	uint8_t kind;    /* enum wire_map_kind */
	uint8_t flags;   /* WIRE_MAP_* */
	uint64_t start, end, pgoff;
	uint32_t path;  /* string, without " (deleted)" */
	bool link_time; /* its addresses go out as link-time ones (set by profile_finish) */
};

struct profile_place {
	uint32_t object;
	uint64_t at;     /* as in WIRE_NAME_ASK */
	uint64_t vaddr;  /* link-time address, where known */
	uint64_t entry;  /* that of its function's first instruction; 0: unknown */
	uint32_t line;   /* its first line: index */
	uint8_t n_lines; /* 0: no answer (yet) */
	uint8_t flags;   /* WIRE_ANSWER_* */
};

struct profile_loc {
	uint32_t map;
	uint32_t place;
	uint64_t addr;
};

struct profile_line {
	uint32_t name, system_name, file; /* strings */
	uint32_t line, start_line;
};

struct profile_stack {
	uint32_t id;    /* the collector's */
	uint32_t first; /* in frames */
	uint32_t n;     /* ≥ 1 after profile_finish */
	uint8_t flags;  /* WIRE_STACK_* */
};

struct profile_thread {
	uint32_t tid;
	uint32_t name; /* string */
};

/* Strings both: "cpu", "nanoseconds". */
struct profile_type {
	uint32_t type, unit;
};

/* A string, or a number where str is 0. */
struct profile_label {
	uint32_t key, str, unit; /* strings; unit: of the number, "" where it has none */
	int64_t num;
};

struct profile_label_set {
	uint32_t first, n; /* in labels */
};

/* Its values are p->values.at[i * p->n_types ...], i being its index. */
struct profile_sample {
	uint32_t stack;  /* index */
	uint32_t tid;    /* 0: of no thread */
	uint32_t labels; /* index of a set; 0: none (but what tid and the stack's flags say) */
};

/* What WIRE_WINDOW, WIRE_EXACT and WIRE_WINDOW_END say; names as there. */
struct profile_window {
	uint64_t number, start_unix_ns, period;
	bool is_clock;
	uint32_t event, unit; /* strings */
	bool ended;
	uint64_t duration_ns, samples, lost, throttled, late, guessed, truncated, rooted, user_stacks,
		cpu_ns;
	bool is_exact; /* a WIRE_EXACT came */
	bool is_scaled;
	uint64_t unsampled_ns, taken_out, filled, steal_ns;
	uint8_t reason; /* enum wire_end */
};

struct profile {
	struct room room;
	struct strings strings;
	struct profile_window window;
	struct profile_node node;
	/* What the samples' values are. */
	struct profile_type types[PROFILE_TYPES_MAX];
	uint32_t n_types;
	uint32_t default_type; /* index of the type that a reader should show; n_types: not said */
	struct profile_type period_type;
	int64_t period;
	bool delta; /* the difference of two: what came out as nothing is left out */
	LIST(struct profile_object) objects;
	LIST(struct profile_map) maps;
	LIST(struct profile_place) places;
	LIST(struct profile_loc) locs;
	LIST(struct profile_line) lines;
	LIST(uint32_t) frames; /* locs */
	LIST(struct profile_stack) stacks;
	LIST(struct profile_thread) threads;
	LIST(struct profile_sample) samples;
	LIST(int64_t) values;
	LIST(struct profile_label) labels;
	LIST(struct profile_label_set) label_sets;
	LIST(uint32_t) comments; /* strings, in the order in which they go out */
	struct table object_index, map_index, place_index, loc_index, stack_index, thread_index, label_index;
};

/* Returns 0 or -ENOMEM; profile_fini() in both cases. */
int profile_init(struct profile *p);
void profile_fini(struct profile *p);

struct profile_node_is {
	const char *name, *comm, *exe, *runtime;
	uint32_t pid;
	uint64_t start_unix_ns;
};
/* Returns 0 or -ENOMEM. */
int profile_node_set(struct profile *p, const struct profile_node_is *is);
/* What a map is called as a file: its path, or a word in brackets. A string. */
uint32_t profile_map_file(const struct profile_map *map);

/*
 * Every function below that adds something returns an index, or a negative errno:
 * -ENOMEM when there is no room, -ENOENT when an id was never given.
 * A thing that is there already keeps its first value, if nothing else is said.
 */

struct profile_map_is {
	uint32_t id;
	uint64_t object;
	uint8_t kind, flags;
	uint64_t start, end, pgoff;
	const char *path;
	size_t path_n;
};
int64_t profile_map_add(struct profile *p, const struct profile_map_is *is);
/* The index of a map, or -ENOENT. */
int64_t profile_map_find(const struct profile *p, uint32_t id);

/* A location in a map that profile_map_add or _find gave, and its place. */
int64_t profile_loc_add(struct profile *p, uint32_t map, uint64_t addr);

/* A stack without frames; they are added to the stack that was added last. */
int64_t profile_stack_add(struct profile *p, uint32_t id, uint8_t flags);
int profile_frame_add(struct profile *p, uint32_t map_id, uint64_t addr);
/* The same with a location that profile_loc_add gave. */
int profile_frame_put(struct profile *p, uint32_t loc);
int64_t profile_stack_find(const struct profile *p, uint32_t id);

/* A later name of the same thread replaces the earlier. */
int64_t profile_thread_set(struct profile *p, uint32_t tid, const char *name, size_t n);
/* The thread's name: a string; 0 ("") when it has none. */
uint32_t profile_thread_name(const struct profile *p, uint32_t tid);

/* One more type of value. All before the first sample, at most PROFILE_TYPES_MAX (else -E2BIG). */
int64_t profile_type_add(struct profile *p, const char *type, const char *unit);
/* Set the period's type, and how much of it lies between two samples. Returns 0 or -ENOMEM. */
int profile_period_set(struct profile *p, const char *type, const char *unit, int64_t period);

/* The set of these labels, in this order; the same for equal ones. 0: n is 0. */
int64_t profile_labels_add(struct profile *p, const struct profile_label *labels, uint32_t n);

/* stack: index; labels: a set, or 0; values: p->n_types of them. */
int64_t profile_sample_add(struct profile *p, uint32_t stack, uint32_t tid, uint32_t labels,
			   const int64_t *values);
int profile_comment(struct profile *p, const char *text, size_t n);
int profile_commentf(struct profile *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* What the symbolizer says. Objects and places are looked up: PROFILE_NONE, never asked for. */
uint32_t profile_object_find(const struct profile *p, uint64_t id);
uint32_t profile_place_find(const struct profile *p, uint32_t object, uint64_t at);
/* Add a line behind the last; several, then profile_answer() with the first one's index. */
int64_t profile_line_add(struct profile *p, const struct profile_line *line);
struct profile_answer_is {
	uint64_t vaddr, entry;
	uint8_t flags;   /* WIRE_ANSWER_* */
	uint32_t line;   /* index of the first */
	uint8_t n_lines; /* ≥ 1 */
};
void profile_answer(struct profile *p, uint32_t place, const struct profile_answer_is *is);
int profile_object_is(struct profile *p, uint32_t object, uint8_t flags, const void *build_id, size_t n);

/*
 * Everything is there that will come: give each place a line (made of the object's name and
 * the address where no answer came), each stack a frame, leave out what is WIRE_ANSWER_HIDDEN,
 * and decide which maps go out with link-time addresses. *made_up: places without an answer. Returns 0 or -ENOMEM.
 */
int profile_finish(struct profile *p, uint32_t *made_up);

#endif
