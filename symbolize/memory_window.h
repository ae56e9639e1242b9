/*
 * memory_window.h - reads that stay near each other: blocks of a node's memory, kept for a while.
 *
 * For lists whose next element is known only when this one was read. A block is read by one call, but
 * for its pages that the node has not touched. What is kept is of the moment when it was read: for data
 * that change, forget first.
 */
#ifndef PPD_SYMBOLIZE_MEMORY_WINDOW_H
#define PPD_SYMBOLIZE_MEMORY_WINDOW_H

#include <stddef.h>
#include <stdint.h>

#include "symbolize/memory.h"

struct memory_window;

/* Returns NULL when there is no memory (1 MB). m must stay. */
struct memory_window *memory_window_new(struct memory *m);
void memory_window_free(struct memory_window *w);

/* As memory_read(). */
int memory_window_read(struct memory_window *w, uint64_t addr, void *to, size_t n);
void memory_window_forget(struct memory_window *w);

#endif
