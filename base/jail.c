#include "config.h"

#include "base/jail.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include <seccomp.h>

#define COLLECTOR  (1u << JAIL_COLLECTOR)
#define SYMBOLIZER (1u << JAIL_SYMBOLIZER)
#define CHILD      (1u << JAIL_CHILD)
#define FCGI       (1u << JAIL_FCGI)
#define SERVERS    (COLLECTOR | SYMBOLIZER | FCGI)
#define ALL        (SERVERS | CHILD)

/* A child's filter is put on top of its parent's and both must agree: SYMBOLIZER has all that CHILD has. */
#define READERS (SYMBOLIZER | CHILD)

/* Calls allowed whatever their arguments. */
static const struct {
	int call;
	unsigned int jails;
} free_calls[] = {
	/* ---- memory; mmap and mprotect have rules below */
	{ SCMP_SYS(brk), ALL },
	{ SCMP_SYS(munmap), ALL },
	{ SCMP_SYS(mremap), ALL },
	{ SCMP_SYS(madvise), ALL },
	/* ---- descriptors that are there already */
	{ SCMP_SYS(read), ALL },
	{ SCMP_SYS(readv), ALL },
	{ SCMP_SYS(pread64), ALL },
	{ SCMP_SYS(preadv), ALL },
	{ SCMP_SYS(write), ALL },
	{ SCMP_SYS(writev), ALL },
	{ SCMP_SYS(pwrite64), ALL },
	{ SCMP_SYS(lseek), ALL },
	{ SCMP_SYS(fstat), ALL },
	{ SCMP_SYS(close), ALL },
	{ SCMP_SYS(close_range), SERVERS },
	{ SCMP_SYS(dup), SERVERS },
	{ SCMP_SYS(dup2), SERVERS },
	{ SCMP_SYS(dup3), SERVERS },
	{ SCMP_SYS(ftruncate), SERVERS },
	{ SCMP_SYS(sendmsg), ALL },
	{ SCMP_SYS(recvmsg), ALL },
	{ SCMP_SYS(sendto), SERVERS },
	{ SCMP_SYS(recvfrom), SERVERS },
	{ SCMP_SYS(shutdown), SERVERS },
	{ SCMP_SYS(poll), ALL },
	{ SCMP_SYS(ppoll), ALL },
	{ SCMP_SYS(select), SERVERS },
	{ SCMP_SYS(pselect6), SERVERS },
	{ SCMP_SYS(epoll_create1), SERVERS },
	{ SCMP_SYS(epoll_ctl), SERVERS },
	{ SCMP_SYS(epoll_wait), SERVERS },
	{ SCMP_SYS(epoll_pwait), SERVERS },
	{ SCMP_SYS(epoll_pwait2), SERVERS },
	{ SCMP_SYS(eventfd2), SERVERS },
	{ SCMP_SYS(pipe2), SERVERS },
	{ SCMP_SYS(signalfd4), SERVERS },
	{ SCMP_SYS(timerfd_create), SERVERS },
	{ SCMP_SYS(timerfd_settime), SERVERS },
	{ SCMP_SYS(timerfd_gettime), SERVERS },
	/* ---- sockets; socket() has rules below */
	{ SCMP_SYS(accept), SERVERS },
	{ SCMP_SYS(accept4), SERVERS },
	{ SCMP_SYS(getsockopt), SERVERS },
	{ SCMP_SYS(setsockopt), SERVERS },
	{ SCMP_SYS(getsockname), SERVERS },
	{ SCMP_SYS(getpeername), SERVERS },
	{ SCMP_SYS(connect), COLLECTOR | FCGI },
	{ SCMP_SYS(bind), COLLECTOR | FCGI },
	{ SCMP_SYS(listen), COLLECTOR | FCGI },
	{ SCMP_SYS(socketpair), SERVERS },
	{ SCMP_SYS(unlink), SERVERS },
	{ SCMP_SYS(unlinkat), SERVERS },
	/* ---- time and chance */
	{ SCMP_SYS(clock_gettime), ALL },
	{ SCMP_SYS(clock_getres), ALL },
	{ SCMP_SYS(gettimeofday), ALL },
	{ SCMP_SYS(time), ALL },
	{ SCMP_SYS(times), ALL },
	{ SCMP_SYS(clock_nanosleep), ALL },
	{ SCMP_SYS(nanosleep), ALL },
	{ SCMP_SYS(getrandom), ALL },
	/* ---- ourselves */
	{ SCMP_SYS(exit), ALL },
	{ SCMP_SYS(exit_group), ALL },
	{ SCMP_SYS(futex), ALL },
	{ SCMP_SYS(sched_yield), ALL },
	{ SCMP_SYS(restart_syscall), ALL },
	{ SCMP_SYS(rt_sigreturn), ALL },
	{ SCMP_SYS(rt_sigaction), SERVERS },
	{ SCMP_SYS(rt_sigprocmask), ALL },
	{ SCMP_SYS(rt_sigtimedwait), SERVERS },
	{ SCMP_SYS(rt_sigsuspend), SERVERS },
	{ SCMP_SYS(sigaltstack), SERVERS },
	{ SCMP_SYS(getpid), ALL },
	{ SCMP_SYS(gettid), ALL },
	{ SCMP_SYS(getppid), ALL },
	{ SCMP_SYS(getuid), ALL },
	{ SCMP_SYS(geteuid), ALL },
	{ SCMP_SYS(getgid), ALL },
	{ SCMP_SYS(getegid), ALL },
	{ SCMP_SYS(sysinfo), ALL }, /* qsort asks how much memory there is */
	{ SCMP_SYS(uname), ALL },
	{ SCMP_SYS(getrusage), ALL },
	{ SCMP_SYS(getrlimit), ALL },
	{ SCMP_SYS(getcpu), ALL },
	{ SCMP_SYS(sched_getaffinity), SERVERS },
	{ SCMP_SYS(set_robust_list), SERVERS },
	{ SCMP_SYS(rseq), SERVERS },
	{ SCMP_SYS(set_tid_address), SERVERS },
	{ SCMP_SYS(membarrier), SERVERS },
	{ SCMP_SYS(umask), SERVERS },
	{ SCMP_SYS(fcntl), SERVERS },
	{ SCMP_SYS(prlimit64), SERVERS },
	/* ---- the symbolizer makes children, and puts a filter on them */
	{ SCMP_SYS(alarm), COLLECTOR },
	{ SCMP_SYS(memfd_create), SYMBOLIZER | COLLECTOR },
	{ SCMP_SYS(setrlimit), SYMBOLIZER },
	{ SCMP_SYS(seccomp), SYMBOLIZER },
	{ SCMP_SYS(prctl), SYMBOLIZER | COLLECTOR | FCGI },
	{ SCMP_SYS(wait4), SYMBOLIZER },
	{ SCMP_SYS(waitid), SYMBOLIZER },
	{ SCMP_SYS(kill), SYMBOLIZER },
	{ SCMP_SYS(tgkill), SERVERS },
	/* ---- the collector opens things, and looks into processes */
	{ SCMP_SYS(open), COLLECTOR },
	{ SCMP_SYS(openat), COLLECTOR },
	{ SCMP_SYS(openat2), COLLECTOR },
	{ SCMP_SYS(stat), COLLECTOR },
	{ SCMP_SYS(lstat), COLLECTOR },
	{ SCMP_SYS(newfstatat), COLLECTOR },
	{ SCMP_SYS(statx), COLLECTOR },
	{ SCMP_SYS(fstatfs), COLLECTOR },
	{ SCMP_SYS(statfs), COLLECTOR },
	{ SCMP_SYS(access), COLLECTOR },
	{ SCMP_SYS(faccessat), COLLECTOR },
	{ SCMP_SYS(faccessat2), COLLECTOR },
	{ SCMP_SYS(readlink), COLLECTOR },
	{ SCMP_SYS(readlinkat), COLLECTOR },
	{ SCMP_SYS(getdents64), COLLECTOR },
	{ SCMP_SYS(getcwd), COLLECTOR },
	{ SCMP_SYS(ioctl), COLLECTOR | FCGI },
	{ SCMP_SYS(perf_event_open), COLLECTOR },
	{ SCMP_SYS(pidfd_open), COLLECTOR },
	{ SCMP_SYS(process_vm_readv), COLLECTOR },
	{ SCMP_SYS(capget), COLLECTOR },
	{ SCMP_SYS(sched_setaffinity), COLLECTOR },
	{ SCMP_SYS(setpriority), COLLECTOR },
	{ SCMP_SYS(getpriority), COLLECTOR },
	{ SCMP_SYS(sched_getscheduler), COLLECTOR },
	{ SCMP_SYS(sched_getparam), COLLECTOR },
	{ SCMP_SYS(sched_get_priority_min), COLLECTOR },
	{ SCMP_SYS(sched_get_priority_max), COLLECTOR },
	{ SCMP_SYS(kcmp), COLLECTOR },
	{ SCMP_SYS(flock), COLLECTOR },
	{ SCMP_SYS(mlock), COLLECTOR },
	{ SCMP_SYS(munlock), COLLECTOR },
};

/* Calls where it depends: (argument `arg` & mask) == value is allowed (code 0), or refused with code. */
static const struct {
	int call;
	unsigned int jails;
	unsigned int arg;
	uint64_t mask, value;
	int code;
} ruled_calls[] = {
	/* Memory is never made executable. */
	{ SCMP_SYS(mmap), ALL, 2, PROT_EXEC, 0, 0 },
	{ SCMP_SYS(mprotect), ALL, 2, PROT_EXEC, 0, 0 },
	/* fstat(3) of this libc. The path cannot be looked at here: a child may learn whether a
	 * path exists, but can do nothing with it. */
	{ SCMP_SYS(newfstatat), READERS | FCGI, 3, AT_EMPTY_PATH, AT_EMPTY_PATH, 0 },
	{ SCMP_SYS(newfstatat), READERS | FCGI, 3, AT_EMPTY_PATH, 0, EACCES },
	{ SCMP_SYS(socket), SERVERS, 0, UINT32_MAX, AF_UNIX, 0 },
	/* sock_diag(7) tells of clients' connections. */
	{ SCMP_SYS(socket), FCGI, 0, UINT32_MAX, AF_NETLINK, 0 },
	/* Threads, no processes. */
	{ SCMP_SYS(clone), COLLECTOR | FCGI, 0, CLONE_THREAD, CLONE_THREAD, 0 },
	/* Processes, but in no new namespace. */
	{ SCMP_SYS(clone), SYMBOLIZER, 0,
	  CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWUTS | CLONE_NEWIPC |
		  CLONE_NEWCGROUP | CLONE_PTRACE | CLONE_PARENT,
	  0, 0 },
	/* collector/bpf.c: programs are loaded; maps, links, other people's programs are none of its business. */
	{ SCMP_SYS(bpf), COLLECTOR, 0, UINT32_MAX, BPF_PROG_LOAD, 0 },
	/* Is it there? */
	{ SCMP_SYS(kill), COLLECTOR, 1, UINT32_MAX, 0, 0 },
	{ SCMP_SYS(pidfd_send_signal), COLLECTOR, 1, UINT32_MAX, 0, 0 },
	/* A child may read its limits. */
	{ SCMP_SYS(prlimit64), CHILD, 2, UINT64_MAX, 0, 0 },
	/* F_SETOWN and F_SETSIG would let a child have its parent signalled. */
	{ SCMP_SYS(fcntl), CHILD, 1, UINT32_MAX, F_GETFL, 0 },
	{ SCMP_SYS(fcntl), CHILD, 1, UINT32_MAX, F_GETFD, 0 },
	{ SCMP_SYS(fcntl), CHILD, 1, UINT32_MAX, F_SETFD, 0 },
	{ SCMP_SYS(fcntl), CHILD, 1, UINT32_MAX, F_DUPFD_CLOEXEC, 0 },
};

/* Calls that libraries make out of habit, and go on without. */
static const struct {
	int call;
	unsigned int jails;
	int code;
} refused_calls[] = {
	{ SCMP_SYS(open), READERS | FCGI, EACCES },
	{ SCMP_SYS(openat), READERS | FCGI, EACCES },
	{ SCMP_SYS(access), READERS | FCGI, EACCES },
	{ SCMP_SYS(faccessat), READERS | FCGI, EACCES },
	{ SCMP_SYS(faccessat2), READERS | FCGI, EACCES },
	{ SCMP_SYS(stat), READERS | FCGI, EACCES },
	{ SCMP_SYS(lstat), READERS | FCGI, EACCES },
	{ SCMP_SYS(statx), READERS | FCGI, EACCES },
	{ SCMP_SYS(readlink), READERS | FCGI, EACCES },
	{ SCMP_SYS(readlinkat), READERS | FCGI, EACCES },
	/* clone3's arguments are in memory, where a filter cannot look: libc then takes clone. */
	{ SCMP_SYS(clone3), SERVERS, ENOSYS },
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

#ifndef SANITIZERS

static uint32_t
jail_action(int code)
{
	return code ? SCMP_ACT_ERRNO((uint32_t)code) : SCMP_ACT_ALLOW;
}

static int
jail_rules(scmp_filter_ctx ctx, enum jail which)
{
	unsigned int jail = 1u << which;
	int r = 0;

	for (size_t i = 0; r == 0 && i < COUNT(free_calls); i++)
		if (free_calls[i].jails & jail)
			r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, free_calls[i].call, 0);
	for (size_t i = 0; r == 0 && i < COUNT(ruled_calls); i++)
		if (ruled_calls[i].jails & jail)
			r = seccomp_rule_add(ctx, jail_action(ruled_calls[i].code), ruled_calls[i].call, 1,
					     SCMP_CMP(ruled_calls[i].arg, SCMP_CMP_MASKED_EQ,
						      ruled_calls[i].mask, ruled_calls[i].value));
	for (size_t i = 0; r == 0 && i < COUNT(refused_calls); i++)
		if (refused_calls[i].jails & jail)
			r = seccomp_rule_add(ctx, jail_action(refused_calls[i].code), refused_calls[i].call,
					     0);
	return r;
}

#define OTHERWISE SCMP_ACT_KILL_PROCESS

#else

/* A sanitizer's runtime maps, opens and clones as it likes: only what a test would try is refused. */
static int
jail_rules(scmp_filter_ctx ctx, enum jail which)
{
	static const int calls[] = {
		SCMP_SYS(open),
		SCMP_SYS(openat),
		SCMP_SYS(openat2),
		SCMP_SYS(socket),
		SCMP_SYS(connect),
		SCMP_SYS(clone),
		SCMP_SYS(clone3),
		SCMP_SYS(fork),
		SCMP_SYS(vfork),
		SCMP_SYS(execve),
		SCMP_SYS(execveat),
		SCMP_SYS(ptrace),
		SCMP_SYS(kill),
		SCMP_SYS(perf_event_open),
		SCMP_SYS(process_vm_readv),
		SCMP_SYS(process_vm_writev),
		SCMP_SYS(bpf),
	};
	int r = 0;

	(void)free_calls, (void)refused_calls;
	if (which != JAIL_CHILD)
		return 0;
	for (size_t i = 0; r == 0 && i < COUNT(calls); i++)
		r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EACCES), calls[i], 0);
	for (size_t i = 0; r == 0 && i < 2; i++)
		r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EACCES), ruled_calls[i].call, 1,
				     SCMP_CMP(2, SCMP_CMP_MASKED_EQ, PROT_EXEC, PROT_EXEC));
	return r;
}

#define OTHERWISE SCMP_ACT_ALLOW

#endif

int
jail_enter(enum jail which, struct err *why)
{
	scmp_filter_ctx ctx;
	int r;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_sys(why, -errno, "jail: no_new_privs");
	ctx = seccomp_init(OTHERWISE);
	if (!ctx)
		return err_set(why, -ENOMEM, "jail: seccomp_init");
	/* A call by another table of numbers (32 bits, x32) is an attack, not a habit. */
	r = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	if (r == 0)
		r = jail_rules(ctx, which);
	if (r < 0) {
		seccomp_release(ctx);
		return err_sys(why, r, "jail: a rule");
	}
	/* A tree instead of a list, where this libseccomp can: less time for each system call. */
	seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	r = seccomp_load(ctx);
	seccomp_release(ctx);
	if (r < 0)
		return err_sys(why, r, "jail: loading the filter (seccomp(2))");
	return 0;
}
