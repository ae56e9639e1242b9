/*
 * child.h - what runs inside the jail: one object, and questions about it.
 *
 * The parent (reader.h) forked it, took everything away but a socket and the
 * object's descriptor, and closed the jail. Messages are base/wire.h's; other
 * files come through the parent, one at a time.
 */
#ifndef PPD_SYMBOLIZE_CHILD_H
#define PPD_SYMBOLIZE_CHILD_H

#include "base/wire.h"

/* What the parent reads from an exit status. */
#define CHILD_EXIT_MEMORY   3 /* memory ran out */
#define CHILD_EXIT_PROTOCOL 4 /* the parent said what it should not */

/*
 * Answer until the parent closes the socket. fd: the object (-1: none); path: its name in
 * made-up names. Both stay the caller's. Returns an exit status (0: the parent is done).
 */
int child_serve(int sock, enum wire_map_kind kind, int fd, const char *path);

#endif
