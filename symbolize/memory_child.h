/*
 * memory_child.h - what runs inside the jail of a node's memory: a Go program, and questions about it.
 *
 * The parent (readings.h) forked it, took everything away but a socket and the descriptors of the
 * executable and of the memory, and closed the jail. What was found in the program stays for the
 * next question. Messages are base/wire.h's.
 */
#ifndef PPD_SYMBOLIZE_MEMORY_CHILD_H
#define PPD_SYMBOLIZE_MEMORY_CHILD_H

/*
 * Answer WIRE_READ_ASK until the parent closes the socket. exe: the executable; fds: by enum
 * wire_memory; name: the program's, for sentences. All stay the caller's. Returns an exit status
 * (child.h; 0: the parent is done).
 */
int memory_child_serve(int sock, int exe, const int *fds, const char *name);

#endif
