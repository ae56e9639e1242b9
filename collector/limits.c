#include "config.h"

#include "collector/limits.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <unistd.h>

#define REMEDY(cap) " (systemd: AmbientCapabilities=CAP_" cap "; container: --cap-add=" cap ")"

static const struct {
	unsigned int cap;
	const char *missing;
} limits[] = {
	{ CAP_PERFMON, "only nodes of the collector's own user can be sampled, and no kernel frames: "
		       "CAP_PERFMON is missing" REMEDY("PERFMON") },
	{ CAP_SYS_PTRACE, "stacks deeper than the kernel's copy are cut, executables may stay unknown, and Go nodes' "
			  "own profiles cannot be read: CAP_SYS_PTRACE is missing" REMEDY("SYS_PTRACE") },
	{ CAP_DAC_READ_SEARCH, "files that others may not read have no names, Go nodes' own profiles cannot be read, "
			       "and the vdso is taken from the collector: CAP_DAC_READ_SEARCH is missing" REMEDY("DAC_READ_SEARCH") },
	{ CAP_CHECKPOINT_RESTORE, "deleted or replaced libraries have no names: "
				  "CAP_CHECKPOINT_RESTORE is missing" REMEDY("CHECKPOINT_RESTORE") },
	{ CAP_BPF, "nodes of hundreds of threads are refused, or slow to start, and the time of threads that live a few "
		   "milliseconds has no functions: CAP_BPF is missing" REMEDY("BPF") },
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

uint64_t
limits_arm_capabilities(void)
{
	return (uint64_t)1 << CAP_DAC_OVERRIDE;
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

/* Of this process, now. */
static bool
limits_has(unsigned int cap)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { { 0, 0, 0 }, { 0, 0, 0 } };

	return syscall(SYS_capget, &head, data) == 0 && (data[cap / 32].effective >> cap % 32 & 1);
}

/* Yama may forbid it to everybody: sysctl kernel.yama.ptrace_scope 3. */
static bool
limits_no_ptrace(void)
{
	int fd = open("/proc/sys/kernel/yama/ptrace_scope", O_RDONLY | O_CLOEXEC);
	char scope = '0';

	if (fd < 0)
		return false;
	if (read(fd, &scope, 1) != 1)
		scope = '0';
	close(fd);
	return scope == '3';
}

int
limits_explain_memory(int error, pid_t pid, struct err *why)
{
	if (error == -ENOENT || error == -ESRCH)
		return err_set(why, -ESRCH, "process %d has exited", (int)pid);
	if (error != -EACCES && error != -EPERM)
		return err_sys(why, error, "opening the memory of process %d", (int)pid);
	if (limits_no_ptrace())
		return err_set(why, error, "the memory of process %d may not be read: this machine's sysctl "
			       "kernel.yama.ptrace_scope is 3, which forbids it to everybody", (int)pid);
	if (!limits_has(CAP_SYS_PTRACE))
		return err_set(why, error, "the memory of process %d may not be read: CAP_SYS_PTRACE is missing"
			       REMEDY("SYS_PTRACE"), (int)pid);
	if (!limits_has(CAP_DAC_READ_SEARCH))
		return err_set(why, error, "the memory of process %d may not be read: CAP_DAC_READ_SEARCH is missing"
			       REMEDY("DAC_READ_SEARCH"), (int)pid);
	return err_set(why, error, "the memory of process %d may not be read, though pprofd-collector has CAP_SYS_PTRACE: "
		       "a security module (AppArmor, SELinux) or a user namespace above the collector's own forbids it",
		       (int)pid);
}

int
limits_explain_arming(int error, pid_t pid, struct err *why)
{
	/* The file is the node's user's, and only theirs to write. */
	if ((error == -EACCES || error == -EPERM) && limits_has(CAP_SYS_PTRACE) && !limits_has(CAP_DAC_OVERRIDE))
		return err_set(why, error, "the memory of process %d, another user's, may not be written to: "
			       "CAP_DAC_OVERRIDE is missing" REMEDY("DAC_OVERRIDE"), (int)pid);
	return limits_explain_memory(error, pid, why);
}
