/*
 * files.h - open a file below a node's root, or a debug file for one of its objects.
 *
 * Paths here are hostile bytes: they come from the node's own files. openat2(2)
 * with RESOLVE_IN_ROOT keeps ".." and absolute links inside the root;
 * O_NONBLOCK keeps a FIFO from blocking; only regular files are taken.
 */
#ifndef PPD_COLLECTOR_FILES_H
#define PPD_COLLECTOR_FILES_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/wire.h"

/* Open for reading what an O_PATH descriptor stands for, if it is a regular file. Takes the descriptor.
 * Returns another or -errno. */
int files_open_regular(int path_fd);

/* Open `path` (absolute or relative) as if `root` were "/". Returns a descriptor or -errno. */
int files_open_below(const char *root, const char *path);

/*
 * The debug file that a child of the symbolizer asks for, for an object mapped as `object_path`
 * by process `pid` (0: unknown): looked for in the node's root, on the host and in `debug_dir`
 * ("": none). Only files that begin as ELF files do, and that everybody may read or that belong
 * to the node's user: a hostile file name must not become a way to read others' files.
 * What stands in a node's root counts only where root or `owner`, the user whose file the object
 * is, has put it there: in a namespace of its own a node could set up debug files for a library
 * that it shares with others, and so name their functions.
 * Returns a descriptor or -errno.
 */
int files_open_debug(enum wire_file kind, const void *name, size_t len, pid_t pid, const char *object_path,
		     uid_t owner, const char *debug_dir);

#endif
