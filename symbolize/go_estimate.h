/*
 * go_estimate.h - how long goroutines wait, of a node whose block profile is off.
 *
 * All goroutines' records are looked at again and again. What waits for a channel, a mutex or a condition
 * now is taken to have waited since half way from the look before: over many looks the sums are right,
 * whatever the single wait. The runtime counts how often a goroutine stopped running (go_g.h: seq), which
 * tells a wait that goes on from one like it. So we know how many waits a goroutine made, short ones too,
 * but not where: each place that it was seen to wait at is given as many as the others.
 *
 * Only what falls into the window is counted, though the wait may have begun before; Go's own profile
 * counts the whole of a wait at its end.
 */
#ifndef PPD_SYMBOLIZE_GO_ESTIMATE_H
#define PPD_SYMBOLIZE_GO_ESTIMATE_H

#include "symbolize/go_node.h"
#include "symbolize/reading_writer.h"

#define GO_ESTIMATE_GOROUTINES_MAX (1u << 20)

/*
 * READING_BLOCK_ESTIMATE: look for duration_ms, as often as costs 2 % of a CPU or less. Buckets: waits that
 * were over: values[0] how many, values[1] ns (the head's ticks_per_second is 1e9); and with the label
 * status=still-blocked the waits that were not over at the end: goroutines, and the ns that they were seen
 * to wait. Their stacks begin where Go's block profile has them begin. Returns 0, or -errno with a
 * sentence.
 */
int go_estimate_read(struct go_node *n, uint32_t duration_ms, struct reading_writer *w, struct err *why);

#endif
