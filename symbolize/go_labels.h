/*
 * go_labels.h - the profiler labels of goroutines (pprof.Do, pprof.SetGoroutineLabels).
 *
 * g.labels points to a map of strings until Go 1.23 (runtime/map.go: hmap, bmap), to a slice of pairs
 * from 1.24 on (internal/runtime/pprof/label). Neither is changed once a goroutine has it. A server makes a
 * new one for each request, so that they are read many at a time.
 */
#ifndef PPD_SYMBOLIZE_GO_LABELS_H
#define PPD_SYMBOLIZE_GO_LABELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "symbolize/memory.h"
#include "symbolize/reading_writer.h"

struct go_labels;

/* The memory stays the caller's. Returns 0 or -ENOMEM. */
int go_labels_new(struct go_labels **out, struct memory *m, bool is_slice);
void go_labels_free(struct go_labels *l);

/*
 * Read the label sets at n addresses (0s among them are fine) and put them into w, sorted by key. One
 * that cannot be read, or makes no sense, is the empty set and counted. Returns 0, or -ENOMEM, -EFBIG (of
 * w), -ESRCH.
 */
int go_labels_read(struct go_labels *l, const uint64_t *at, size_t n, struct reading_writer *w);

/* The set in w of an address that was read; 0, the empty one, of any other. */
uint32_t go_labels_set(const struct go_labels *l, uint64_t at);

/* How many could not be read. */
uint64_t go_labels_unread(const struct go_labels *l);

#endif
