/*
 * objects.h - the files that nodes have mapped, held open.
 *
 * An object is what the kernel says of its held descriptor: device, inode,
 * size, mtime. (Not the build-id, which is only the file's own claim; not
 * ctime, which an upgrade's unlink changes.) It has an opaque number that the
 * other processes use, and unwind rows once the symbolizer has made them.
 * The collector never reads an object; it hands the descriptor over.
 */
#ifndef PPD_COLLECTOR_OBJECTS_H
#define PPD_COLLECTOR_OBJECTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/rows.h"
#include "base/wire.h"

#define OBJECTS_MAX 8192
#define OBJECTS_ROWS_MAX ((size_t)1 << 30) /* bytes of rows of all objects together */

struct object_key {
	uint64_t dev, ino, size, mtime_ns; /* of fstat(2); vdso: a hash of its bytes */
	uint32_t kind;                     /* enum wire_map_kind */
	uint32_t pid;                      /* JIT: whose; else 0 */
};

enum object_rows {
	OBJECT_ROWS_NONE,    /* not asked for (JIT, kernel) */
	OBJECT_ROWS_WAITING, /* asked, or to be asked once the symbolizer is there */
	OBJECT_ROWS_READY,
	OBJECT_ROWS_FAILED,
};

struct object {
	uint64_t id;           /* never used again for another object */
	struct object_key key;
	int fd;                /* owned; -1: none (a JIT without a map file) */
	pid_t pid;             /* a process that had it mapped: whose root holds its debug files */
	char *path;            /* owned; as the kernel gave it; the node's bytes */
	unsigned int refs;
	uint64_t unused_ns;    /* when refs became 0; 0: in use */
	enum object_rows state;
	struct rows rows;
	bool told;             /* the symbolizer has it */
};

struct objects {
	struct object **v; /* owned */
	size_t n, cap;
	uint64_t next_id;
	size_t rows_bytes;     /* of all objects' rows; each is mapped memory of the host */
	struct object *kernel; /* kallsyms; NULL: not readable */
	/* Called when an object is new; the link hands it over. */
	void (*added)(void *ctx, struct object *o);
	void (*dropped)(void *ctx, struct object *o);
	void *ctx;
};

void objects_init(struct objects *os);
void objects_fini(struct objects *os);

/*
 * The object of an open descriptor, known or new; takes the descriptor (closed when the object
 * is already known, and on failure). A reference is given: objects_put().
 * Returns NULL when full or out of memory.
 */
struct object *objects_get(struct objects *os, enum wire_map_kind kind, int fd, pid_t pid, const char *path);
struct object *objects_ref(struct object *o);
void objects_put(struct object *o);
struct object *objects_find(const struct objects *os, uint64_t id);
/* Close those unused for longer than `age_ns`: names may still be asked for a while. */
void objects_sweep(struct objects *os, uint64_t now_ns, uint64_t age_ns);

/*
 * Open the file that is mapped at [start, end) of a process: map_files (needs CAP_CHECKPOINT_RESTORE),
 * else its path below the process's root, accepted only with the device and inode of the map.
 * Regular files only. Returns a descriptor or -errno.
 */
int objects_open_mapped(pid_t pid, uint64_t start, uint64_t end, const char *path, uint64_t dev, uint64_t ino);
/* A sealed copy of the vdso's pages: [start, end) of the process, or our own where it can't be read. */
int objects_copy_vdso(pid_t pid, uint64_t start, uint64_t end);
/* perf-PID.map in the process's own root, only when its owner is the process's. -ENOENT: none. */
int objects_open_jit_map(pid_t pid);

#endif
