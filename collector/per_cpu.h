/*
 * per_cpu.h - one event for each CPU, with a BPF program that lets one process through.
 *
 * As many descriptors as CPUs and about a millisecond to open, however many threads
 * there are; and threads that live less than a period get their fair share of samples.
 * But which thread a CPU's tick meets is chance: of N samples sqrt(N) are too many or missing.
 */
#ifndef PPD_COLLECTOR_PER_CPU_H
#define PPD_COLLECTOR_PER_CPU_H

#include <sys/types.h>

#include "base/err.h"
#include "collector/events.h"

/*
 * Open `ev` (made for it by event_per_cpu()) on every CPU for process `pid`. Returns 0, or -errno with the
 * reason and, where there is one, the remedy (-EPERM and -EACCES: CAP_BPF or CAP_PERFMON is missing;
 * -ENOBUFS: no more memory may be locked for rings). Nothing is left open then.
 */
int per_cpu_open(struct events *e, struct event *ev, pid_t pid, struct err *why);

#endif
