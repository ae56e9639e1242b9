/*
 * go_goroutines.h - the goroutines of a running program: who they are, what they wait for, their stacks.
 *
 * Read without a stop: g's, then their stacks, then the g's again; what changed in between is
 * read anew, and after some rounds only what makes sense is taken.
 *
 * What is in the reading, and how Go's own answers are made of it:
 * - All goroutines that are in use, in the order of the runtime's list, but the running ones at its end.
 *   Those with READING_G_SYSTEM are in none of Go's answers.
 * - A stack has all its frames. Go's profile (debug=0 and 1) has the first 32 until Go 1.22, the first
 *   128 from 1.23 on (GODEBUG=profstackdepth): pcs, implied ones counted.
 * - Go's text (debug=2) leaves out frames by their names: the runtime's own (showframe of
 *   runtime/traceback.go), which READING_PC_LEFT_OUT has not counted. Of more than 100 frames that are
 *   left it shows the first 50, "...N frames elided..." and the last 50 since Go 1.21; before, what the
 *   first 100 physical frames hold, and "...additional frames elided..." if that was 100.
 * - `state` is the text up to ", N minutes", with " (leaked)" and " (durable)"; then come wait_ns / 60e9
 *   if that is 1 or more, READING_G_LOCKED as ", locked to thread", bubble as ", synctest bubble N". From
 *   Go 1.27 on the labels stand behind the bracket: "goroutine 7 [select] {key: value}:".
 * - Where READING_G_UNREAD is set, the stack is only the function that it began with.
 */
#ifndef PPD_SYMBOLIZE_GO_GOROUTINES_H
#define PPD_SYMBOLIZE_GO_GOROUTINES_H

#include "symbolize/go_node.h"
#include "symbolize/reading_writer.h"
#include "symbolize/thread_regs.h"

/* READING_GOROUTINE or READING_LEAK. `regs` says where threads are that run a goroutine now (NULL: nobody
 * does). Returns 0, or -errno with a sentence (-ENOENT: this Go has no such profile; -ENOTSUP: a Go that is
 * newer than we know, whose goroutines make no sense). */
int go_goroutines_read(struct go_node *n, enum reading_kind kind, const struct thread_regs_source *regs,
		       struct reading_writer *w, struct err *why);

#endif
