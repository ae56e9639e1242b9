/*
 * jail.h - seccomp filters, one per process.
 *
 * A table of allowed system calls for each; everything else kills the process,
 * but a few calls that libraries make out of habit (openat, access, stat of a
 * path, readlink) fail with EACCES instead. Needs no_new_privs (privs.h).
 */
#ifndef PPD_BASE_JAIL_H
#define PPD_BASE_JAIL_H

#include "base/err.h"

enum jail {
	JAIL_COLLECTOR,  /* perf_event_open, /proc, sockets; no exec, no fork, no inet */
	JAIL_SYMBOLIZER, /* the parent: sockets, memfd, fork of children; opens no file */
	JAIL_CHILD,      /* reads the node's files through passed descriptors; memory without
	                  * PROT_EXEC; nothing that opens, connects, forks, executes or traces */
	JAIL_FCGI,       /* sockets and threads; opens no file */
};

/* Enter it; there is no way back. Returns 0 or -errno with the reason. */
int jail_enter(enum jail which, struct err *why);

#endif
