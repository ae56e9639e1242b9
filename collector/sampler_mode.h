/*
 * sampler_mode.h - which way a sampler's events are open: by threads or by CPUs.
 *
 *           few threads                          too much of the CPU time in no sample
 *   auto ─────────────────► PER_THREAD ─────────────────────────────────────────► PER_CPU
 *     │ many threads, or too short ones seen before                                  ▲
 *     └──────────────────────────────────────────────────────────────────────────────┘
 *
 * Where one way is not possible the other is taken, and sampler->says says so.
 */
#ifndef PPD_COLLECTOR_SAMPLER_MODE_H
#define PPD_COLLECTOR_SAMPLER_MODE_H

#include <stdint.h>

#include "base/err.h"
#include "collector/sampler.h"

/* Open the events of a closed sampler for its node's process. Returns 0, or -errno with the reason:
 * -EDQUOT: more descriptors than max_events. */
int sampler_mode_attach(struct sampler *s, struct err *why);

/* At every beat, once the rings are read and node->cpu_ns is of now: go over to CPUs where by threads
 * too much would be missing at the end of the longest window. */
void sampler_mode_judge(struct sampler *s, uint64_t now_ns);

#endif
