/*
 * proc.h - what /proc says of a process: fixed fields of the kernel's own text.
 */
#ifndef PPD_COLLECTOR_PROC_H
#define PPD_COLLECTOR_PROC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define PROC_COMM_MAX 16 /* TASK_COMM_LEN, with the NUL */

struct proc_stat {
	char state;           /* R S D Z T t X I */
	bool kernel_thread;   /* PF_KTHREAD */
	uint32_t threads;
	uint64_t start_ticks; /* since boot; with the pid it names a process for ever */
};

/* Each returns 0 or -errno. */
int proc_stat_read(pid_t pid, struct proc_stat *st);
/* The thread's name, as its bytes are, without the newline. */
int proc_comm(pid_t pid, pid_t tid, char comm[PROC_COMM_MAX]);
/* The executable's path, without " (deleted)". */
int proc_exe(pid_t pid, char *path, size_t n);

/* When a process with these start ticks was started, as CLOCK_REALTIME ns. */
uint64_t proc_start_unix_ns(uint64_t start_ticks);

/* CPU time of a process, dead threads included, by its CPU clock (clock_getcpuclockid(3)). 0: gone. */
uint64_t proc_cpu_ns(pid_t pid);

/* Is the word at `addr` the program's own data: in a private writable mapping of the file that is mapped
 * at `code` (an address in the executable's code), or in the anonymous one right behind it (.bss)? By
 * /proc/PID/maps. Returns 1, 0 or -errno. */
int proc_is_program_data(pid_t pid, uint64_t code, uint64_t addr);

/* CPU time of one thread, by the scheduler's account (/proc/PID/task/TID/schedstat). Returns 0 or -errno. */
int proc_thread_cpu_ns(pid_t pid, pid_t tid, uint64_t *ns);
/* What the hypervisor took from all CPUs since boot (proc_stat(5), steal; in ticks). 0: unknown. */
uint64_t proc_steal_ns(void);

/* The tids of a process: *tids is malloc'ed. Returns their number or -errno. */
int proc_threads(pid_t pid, pid_t **tids);

#endif
