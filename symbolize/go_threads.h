/*
 * go_threads.h - who made the threads of a Go program: pprof's "threadcreate".
 */
#ifndef PPD_SYMBOLIZE_GO_THREADS_H
#define PPD_SYMBOLIZE_GO_THREADS_H

#include "symbolize/go_node.h"
#include "symbolize/reading_writer.h"

/* READING_THREADCREATE: a bucket a thread (m) of the runtime's list, with the stack of who made it,
 * where the runtime knows (m.createstack). Returns 0 or -errno with a sentence. */
int go_threads_read(struct go_node *n, struct reading_writer *w, struct err *why);

#endif
