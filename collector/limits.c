#include "config.h"

#include "collector/limits.h"

#include <linux/capability.h>

#define REMEDY(cap) " (systemd: AmbientCapabilities=CAP_" cap "; container: --cap-add=" cap ")"

static const struct {
	unsigned int cap;
	const char *missing;
} limits[] = {
	{ CAP_PERFMON, "only nodes of the collector's own user can be sampled, and no kernel frames: "
		       "CAP_PERFMON is missing" REMEDY("PERFMON") },
	{ CAP_SYS_PTRACE, "stacks deeper than the kernel's copy are cut, and executables may stay unknown: "
			  "CAP_SYS_PTRACE is missing" REMEDY("SYS_PTRACE") },
	{ CAP_DAC_READ_SEARCH, "files that others may not read have no names, and the vdso is taken from the "
			       "collector: CAP_DAC_READ_SEARCH is missing" REMEDY("DAC_READ_SEARCH") },
	{ CAP_CHECKPOINT_RESTORE, "deleted or replaced libraries have no names: "
				  "CAP_CHECKPOINT_RESTORE is missing" REMEDY("CHECKPOINT_RESTORE") },
	{ CAP_SYSLOG, "kernel functions have no names: CAP_SYSLOG is missing" REMEDY("SYSLOG") },
};
#define LIMITS (sizeof(limits) / sizeof(limits[0]))

uint64_t
limits_capabilities(void)
{
	uint64_t mask = 0;

	for (size_t i = 0; i < LIMITS; i++)
		mask |= (uint64_t)1 << limits[i].cap;
	return mask;
}

size_t
limits_missing(uint64_t kept, const char **out, size_t max)
{
	size_t n = 0;

	for (size_t i = 0; i < LIMITS && n < max; i++)
		if (!(kept >> limits[i].cap & 1))
			out[n++] = limits[i].missing;
	return n;
}
