/*
 * bpf.h - a BPF program that lets only one process's samples into a ring.
 *
 * Some instructions by hand, loaded by bpf(2): no libbpf, no compiler, no map.
 * It is attached to an event of a whole CPU (PERF_EVENT_IOC_SET_BPF), so that
 * nothing of other processes is copied. Needs CAP_BPF and CAP_PERFMON.
 */
#ifndef PPD_COLLECTOR_BPF_H
#define PPD_COLLECTOR_BPF_H

#include <linux/bpf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

#define BPF_FILTER_INSNS_MAX 16

/* A process as the kernel will see it while it runs. */
struct bpf_who {
	bool by_namespace; /* tgid is the number in the process's own pid namespace, which is (dev, ino) */
	uint32_t tgid;
	uint64_t dev, ino; /* as bpf_get_ns_current_pid_tgid() wants them (bpf-helpers(7)) */
};

/*
 * Who is `pid`? Where the collector lives in the machine's first pid namespace its numbers are the kernel's. In
 * one of its own they are not: then the process is known by the number it gives itself, and its namespace.
 * Returns 0 or -errno with the reason (-EACCES: its namespace cannot be looked at).
 */
int bpf_who(pid_t pid, struct bpf_who *who, struct err *why);

/* The program: 1 when the current process is `who`, else 0. Returns its length. */
size_t bpf_filter(const struct bpf_who *who, struct bpf_insn insns[BPF_FILTER_INSNS_MAX]);

/* Load the filter for `pid`. Returns a descriptor (close it once it is attached), or -errno with the
 * reason and the remedy. */
int bpf_filter_load(pid_t pid, struct err *why);

#endif
