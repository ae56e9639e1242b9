#include "config.h"

#include "collector/bpf.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* The inode of the machine's first pid namespace (PROC_PID_INIT_INO, linux/proc_ns.h). */
#define FIRST_PID_NAMESPACE 0xeffffffcu

#define MOV_IMM(dst, value)        { .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = dst, .imm = value }
#define MOV_REG(dst, src)          { .code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = dst, .src_reg = src }
#define ADD_IMM(dst, value)        { .code = BPF_ALU64 | BPF_ADD | BPF_K, .dst_reg = dst, .imm = value }
#define SHIFT_RIGHT(dst, bits)     { .code = BPF_ALU64 | BPF_RSH | BPF_K, .dst_reg = dst, .imm = bits }
#define LOAD_WORD(dst, src, at)    { .code = BPF_LDX | BPF_MEM | BPF_W, .dst_reg = dst, .src_reg = src, .off = at }
#define UNLESS_EQUAL(dst, value, skip) \
	{ .code = BPF_JMP | BPF_JNE | BPF_K, .dst_reg = dst, .imm = value, .off = skip }
#define CALL(function)             { .code = BPF_JMP | BPF_CALL, .imm = function }
#define EXIT                       { .code = BPF_JMP | BPF_EXIT }
/* Two instructions: the second holds the upper half. */
#define LOAD_64(dst, value)                                                                 \
	{ .code = BPF_LD | BPF_DW | BPF_IMM, .dst_reg = dst, .imm = (int32_t)(uint32_t)(value) }, \
	{ .imm = (int32_t)(uint32_t)((uint64_t)(value) >> 32) }

/* ---- who it is */

/* The last number of the line "NSpid:" of proc_pid_status(5): the one in its innermost namespace. */
static int
bpf_innermost_pid(pid_t pid, uint32_t *out)
{
	char path[64], line[512];
	int r = -EBADMSG;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	f = fopen(path, "re");
	if (!f)
		return -errno;
	while (r < 0 && fgets(line, sizeof(line), f)) {
		const char *last = strrchr(line, '\t');

		if (strncmp(line, "NSpid:", 6) != 0)
			continue;
		*out = last ? (uint32_t)strtoul(last + 1, NULL, 10) : 0;
		r = *out ? 0 : -EBADMSG;
		break;
	}
	fclose(f);
	return r;
}

int
bpf_who(pid_t pid, struct bpf_who *who, struct err *why)
{
	struct stat st;
	char path[64];
	int r;

	memset(who, 0, sizeof(*who));
	who->tgid = (uint32_t)pid;
	if (stat("/proc/self/ns/pid", &st) < 0)
		return err_sys(why, -errno, "the collector's pid namespace");
	if (st.st_ino == FIRST_PID_NAMESPACE)
		return 0;
	snprintf(path, sizeof(path), "/proc/%d/ns/pid", (int)pid);
	if (stat(path, &st) < 0)
		return err_set(why, -errno, "the collector is in a pid namespace of its own, and may not look at that of "
			       "process %d: CAP_SYS_PTRACE is missing (systemd: AmbientCapabilities=CAP_SYS_PTRACE; "
			       "container: --cap-add=SYS_PTRACE)", (int)pid);
	r = bpf_innermost_pid(pid, &who->tgid);
	if (r < 0)
		return err_sys(why, r, "process %d's number in its own pid namespace", (int)pid);
	who->by_namespace = true;
	/* The kernel's own form of a device number (MKDEV), not that of stat(2). */
	who->dev = (uint64_t)major(st.st_dev) << 20 | minor(st.st_dev);
	who->ino = st.st_ino;
	return 0;
}

/* ---- the program */

size_t
bpf_filter(const struct bpf_who *who, struct bpf_insn insns[BPF_FILTER_INSNS_MAX])
{
	const struct bpf_insn plain[] = {
		CALL(BPF_FUNC_get_current_pid_tgid),
		SHIFT_RIGHT(0, 32),
		UNLESS_EQUAL(0, (int32_t)who->tgid, 2),
		MOV_IMM(0, 1),
		EXIT,
		MOV_IMM(0, 0),
		EXIT,
	};
	/* struct bpf_pidns_info {u32 pid, tgid} on the stack, below the frame pointer r10. */
	const struct bpf_insn by_namespace[] = {
		LOAD_64(1, who->dev),
		LOAD_64(2, who->ino),
		MOV_REG(3, 10),
		ADD_IMM(3, -8),
		MOV_IMM(4, 8),
		CALL(BPF_FUNC_get_ns_current_pid_tgid),
		UNLESS_EQUAL(0, 0, 4),
		LOAD_WORD(1, 10, -4),
		UNLESS_EQUAL(1, (int32_t)who->tgid, 2),
		MOV_IMM(0, 1),
		EXIT,
		MOV_IMM(0, 0),
		EXIT,
	};

	if (who->by_namespace) {
		memcpy(insns, by_namespace, sizeof(by_namespace));
		return sizeof(by_namespace) / sizeof(by_namespace[0]);
	}
	memcpy(insns, plain, sizeof(plain));
	return sizeof(plain) / sizeof(plain[0]);
}

int
bpf_filter_load(pid_t pid, struct err *why)
{
	struct bpf_insn insns[BPF_FILTER_INSNS_MAX];
	struct bpf_who who;
	union bpf_attr a;
	long fd;
	int r;

	r = bpf_who(pid, &who, why);
	if (r < 0)
		return r;
	memset(&a, 0, sizeof(a));
	a.prog_type = BPF_PROG_TYPE_PERF_EVENT;
	a.insn_cnt = (uint32_t)bpf_filter(&who, insns);
	a.insns = (uint64_t)(uintptr_t)insns;
	a.license = (uint64_t)(uintptr_t)"GPL";
	memcpy(a.prog_name, "pprofd", sizeof("pprofd"));
	fd = syscall(SYS_bpf, BPF_PROG_LOAD, &a, sizeof(a));
	if (fd >= 0)
		return (int)fd;
	r = -errno;
	if (r == -EPERM || r == -EACCES)
		return err_set(why, r, "a BPF program that leaves other processes out may not be loaded: CAP_BPF is missing "
			       "(systemd: AmbientCapabilities=CAP_BPF; container: --cap-add=BPF, and a seccomp profile that "
			       "permits bpf(2))");
	return err_sys(why, r, "loading a BPF program (bpf(2))");
}
