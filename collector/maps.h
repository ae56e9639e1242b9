/*
 * maps.h - what is mapped executable in a node, and where.
 *
 * A map keeps its id for as long as any stack may speak of it, so maps are
 * never taken out of `all` while windows are open; `view` is what the node has
 * now, sorted. A map seen again (same place, same object) is the same map.
 */
#ifndef PPD_COLLECTOR_MAPS_H
#define PPD_COLLECTOR_MAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/table.h"
#include "base/wire.h"
#include "collector/unwind.h"

struct object;
struct objects;

#define MAPS_MAX 65536      /* distinct maps that a node may show us */
#define MAPS_PATH_MAX 4096

struct map {
	struct unwind_map unwind; /* id, start, end, pgoff, rows, jit */
	enum wire_map_kind kind;
	uint32_t flags;           /* WIRE_MAP_* */
	struct object *object;    /* NULL for pseudo maps; holds a reference */
	char *path;               /* owned; the node's bytes */
};

struct maps {
	struct objects *objects; /* borrowed */
	pid_t pid;               /* whose maps the view is; 0: none yet */
	struct map **all;        /* owned; by id */
	uint32_t n_all, cap_all;
	struct table ids;        /* identity → id */
	struct map **view;       /* sorted by start; pointers into all */
	size_t n_view, cap_view;
	struct object *jit;      /* perf-PID.map of the process, or the nameless one; a reference */
	uint64_t exe_object;     /* object id of /proc/PID/exe; 0: unknown */
};

void maps_init(struct maps *m, struct objects *objects);
void maps_fini(struct maps *m);
/* Forget the view: another process, or an exec. Ids stay. */
void maps_clear_view(struct maps *m);
/* Forget everything; only while no stack refers to a map. */
void maps_reset(struct maps *m);

/* Read /proc/PID/maps and take it as the view. Returns the number of executable maps, or -errno
 * (-ESRCH: there are none, since it has exited; the view stays as it was). */
int maps_read(struct maps *m, pid_t pid, struct err *why);
/* The kernel's word about one new mapping (PERF_RECORD_MMAP2). */
int maps_add(struct maps *m, uint64_t start, uint64_t end, uint64_t pgoff, uint32_t major, uint32_t minor,
	     uint64_t ino, const char *path);
/* Look for perf-PID.map again; where it appeared, JIT maps get new ids that name it. */
void maps_look_for_jit(struct maps *m);

/* As in WIRE_MAPS (base/wire.h); at most MAP_BYTES_MAX bytes. */
#define MAP_BYTES_MAX (MAPS_PATH_MAX + 64)
void map_encode(const struct map *m, struct buf *b);

/* The map that holds addr now, or NULL. */
struct map *maps_find(const struct maps *m, uint64_t addr);
/* The map with that id, or NULL. */
struct map *maps_get(const struct maps *m, uint32_t id);
/* A map that is no memory of the node's: a pseudo frame's, or the kernel's. Returns its id or
 * TABLE_NONE (no memory). The same name gives the same id. */
uint32_t maps_pseudo(struct maps *m, const char *name);
uint32_t maps_kernel(struct maps *m);

#endif
