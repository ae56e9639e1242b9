/*
 * go_steps - are the unwind rows made of Go's tables right at every instruction?
 *
 *   go_steps STEPS WARM_MS PROGRAM [ARGUMENT...]
 *
 * Runs a Go program for WARM_MS and then single-steps all of its threads (ptrace(2)). Each call
 * is seen as it happens, so that where the return address is, what rbp was, and
 * which call is around it, are known. At each instruction of Go's text the row
 * must find that return address and give that rbp.
 *
 * Prints "steps N checked N wrong N", and for each function with a wrong row how
 * many and where first. Exit status: 0 none wrong, 1 some, 2 could not.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <elf.h>
#include <unistd.h>

#include "base/rows.h"
#include "symbolize/go_pclntab.h"

#define THREADS_MAX 64
#define SLOTS_MAX   (1u << 20) /* a power of two */
#define FUNCS_MAX   64

/* A return address on a stack. */
struct slot {
	uint64_t at; /* where it is; 0: free */
	uint64_t ret;
	uint64_t fp;   /* rbp at the call */
	uint64_t prev; /* the return address of the function that called */
};

struct thread {
	pid_t tid;
	struct user_regs_struct regs; /* before the step */
	uint64_t top;                 /* slot of the function that runs; 0: unknown */
	bool stepped;
	int signal; /* delivered with the last step */
};

struct wrong {
	const char *name;
	uint64_t first;
	uint64_t n;
	const char *what;
};

static struct {
	struct image im;
	struct go_pclntab *go;
	struct rows rows;
	uint64_t bias, go_start, go_end;
	struct thread threads[THREADS_MAX];
	struct slot slots[SLOTS_MAX];
	struct wrong wrong[FUNCS_MAX];
	uint64_t steps, checked, n_wrong, unruled;
} t;

static struct slot *
slot_find(uint64_t at, bool add)
{
	for (uint64_t i = (at >> 3) * UINT64_C(0x9e3779b97f4a7c15) >> 44;; i++) {
		struct slot *s = &t.slots[i & (SLOTS_MAX - 1)];

		if (s->at == at)
			return s;
		if (!s->at)
			return add ? (s->at = at, s) : NULL;
	}
}

static bool
peek(pid_t tid, uint64_t addr, uint64_t *word)
{
	struct iovec to = { .iov_base = word, .iov_len = 8 },
		     from = { .iov_base = (void *)(uintptr_t)addr, .iov_len = 8 };

	return process_vm_readv(tid, &to, 1, &from, 1, 0) == 8;
}

static const char *
name_of(uint64_t vaddr)
{
	static char name[256];
	struct arena a;
	struct chain c = { .vaddr = vaddr };

	arena_init(&a, 1 << 20);
	strcpy(name, "?");
	if (go_pclntab_name(t.go, &c, &a) == 0 && c.n > 0 && c.frames[c.n - 1].name)
		snprintf(name, sizeof(name), "%s", c.frames[c.n - 1].name);
	arena_fini(&a);
	return name;
}

static void
note_wrong(uint64_t vaddr, const char *what)
{
	const char *name = name_of(vaddr);
	size_t i = 0;

	t.n_wrong++;
	while (i < FUNCS_MAX - 1 && t.wrong[i].name &&
	       (strcmp(t.wrong[i].name, name) || t.wrong[i].what != what))
		i++;
	if (!t.wrong[i].name)
		t.wrong[i] = (struct wrong){ .name = strdup(name), .first = vaddr, .what = what };
	t.wrong[i].n++;
}

/* Code that goes to a place which nobody called: which call is around it is then unknown.
 * (jmpdefer, in Go 1.16 and 1.17, calls for its caller's caller.) */
static bool
leaves_unseen(uint64_t vaddr)
{
	static const char *const names[] = { "gogo", "runtime.gogo", "runtime.jmpdefer" };
	const char *name = name_of(vaddr);

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(name, names[i]))
			return true;
	return false;
}

/* The row at this instruction against what the calls have shown. */
static void
check(const struct thread *th)
{
	uint64_t vaddr = th->regs.rip - t.bias, place, end, cfa, fp = th->regs.rbp;
	const struct slot *s = th->top ? slot_find(th->top, false) : NULL;
	const struct row *row;

	if (!s || vaddr < t.go_start || vaddr >= t.go_end || image_place(&t.im, vaddr, &place) < 0)
		return;
	row = rows_find(&t.rows, place, &end);
	if (!row || (row->rule == ROW_SWITCH && row->cfa == 0) ||
	    (row->rule != ROW_SP && row->rule != ROW_SP_WIDE && row->rule != ROW_SWITCH)) {
		t.unruled++;
		return;
	}
	t.checked++;
	cfa = (row->rule == ROW_SWITCH ? th->regs.rbp : th->regs.rsp) +
	      (uint64_t)(row->rule == ROW_SP_WIDE ? t.rows.wide[(uint16_t)row->cfa] : row->cfa * 8);
	if (cfa - 8 != s->at) {
		if (!leaves_unseen(vaddr))
			note_wrong(vaddr, "return address");
		return;
	}
	if (row->fp != ROW_FP_SAME && !peek(th->tid, cfa - 8 * (uint64_t)row->fp, &fp))
		fp = ~s->fp;
	if (fp != s->fp)
		note_wrong(vaddr, "frame pointer");
}

/* What the last step did: a call, a return, a signal, or nothing of interest. */
static void
follow(struct thread *th, const struct user_regs_struct *now)
{
	const struct user_regs_struct *was = &th->regs;
	struct slot *s;
	uint64_t word;

	if (th->signal && peek(th->tid, now->rsp, &word)) {
		s = slot_find(now->rsp, true);
		*s = (struct slot){ .at = now->rsp, .ret = word, .fp = now->rbp, .prev = th->top };
		th->top = s->at;
	} else if (now->rsp == was->rsp - 8 && peek(th->tid, now->rsp, &word) && word > was->rip &&
		   word <= was->rip + 8 && now->rip != word) {
		s = slot_find(now->rsp, true);
		*s = (struct slot){ .at = now->rsp, .ret = word, .fp = was->rbp, .prev = th->top };
		th->top = s->at;
	} else if (now->rsp == was->rsp + 8 && (s = slot_find(was->rsp, false)) && s->ret == now->rip) {
		th->top = s->prev;
	} else if (now->rsp - was->rsp + 65536 > 131072 && now->rip - was->rip > 16) {
		th->top = 0; /* sigreturn */
	} else if (now->rip - was->rip > 16 && leaves_unseen(was->rip - t.bias)) {
		th->top = 0;
	}
}

static struct thread *
thread_find(pid_t tid)
{
	for (size_t i = 0; i < THREADS_MAX; i++)
		if (t.threads[i].tid == tid)
			return &t.threads[i];
	for (size_t i = 0; i < THREADS_MAX; i++)
		if (!t.threads[i].tid) {
			t.threads[i] = (struct thread){ .tid = tid };
			return &t.threads[i];
		}
	return NULL;
}

static void
step(pid_t tid, int status, uint64_t max)
{
	struct thread *th = thread_find(tid);
	int sig = WSTOPSIG(status);
	struct user_regs_struct now;

	if (!th || ptrace(PTRACE_GETREGS, tid, NULL, &now) < 0)
		return;
	if (th->stepped)
		follow(th, &now);
	th->regs = now;
	th->signal = sig == SIGTRAP || status >> 16 ? 0 : sig;
	th->stepped = true;
	check(th);
	ptrace(++t.steps < max ? PTRACE_SINGLESTEP : PTRACE_CONT, tid, NULL, (void *)(uintptr_t)th->signal);
}

static int
make_rows(struct err *why)
{
	int fd = memfd_create("rows", MFD_ALLOW_SEALING | MFD_CLOEXEC);
	struct rows_writer w;
	int e;

	if (fd < 0)
		return -errno;
	rows_writer_init(&w);
	e = go_pclntab_rows(t.go, &w, why);
	if (e >= 0)
		e = rows_writer_write(&w, fd, why);
	rows_writer_fini(&w);
	fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
	if (e == 0)
		e = rows_open(&t.rows, fd, why);
	close(fd);
	return e;
}

static int
prepare(const char *path, struct err *why)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), e;

	if (fd < 0)
		return err_sys(why, -errno, "%s", path);
	e = image_open(&t.im, fd, why);
	close(fd);
	if (e == 0)
		e = go_pclntab_open(&t.go, &t.im, why);
	if (e == 0)
		e = make_rows(why);
	for (size_t i = 0; e == 0 && i < t.im.n_segments; i++) {
		const struct image_segment *s = &t.im.segments[i];

		if (!(s->flags & PF_X) || t.go_end)
			continue;
		for (t.go_start = s->vaddr;
		     t.go_start < s->vaddr + s->memsz && !go_pclntab_covers(t.go, t.go_start);)
			t.go_start++;
		for (t.go_end = s->vaddr + s->memsz;
		     t.go_end > t.go_start && !go_pclntab_covers(t.go, t.go_end - 1);)
			t.go_end--;
	}
	return e;
}

/* By how much the program was moved: its first instruction is the ELF entry, or the dynamic
 * linker's, where AT_ENTRY tells. */
static uint64_t
read_bias(pid_t pid)
{
	char path[64];
	uint64_t aux[2], entry = 0;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/auxv", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	while (read(fd, aux, sizeof(aux)) == sizeof(aux))
		if (aux[0] == AT_ENTRY)
			entry = aux[1];
	close(fd);
	return entry - t.im.entry;
}

/* Start it and hold it at its first instruction. */
static pid_t
start(char **argv)
{
	int status, null;
	pid_t pid = fork();

	if (pid == 0) {
		null = open("/dev/null", O_RDWR);
		dup2(null, 0);
		dup2(null, 1);
		raise(SIGSTOP);
		execv(argv[0], argv);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, WUNTRACED) < 0 || !WIFSTOPPED(status) ||
	    ptrace(PTRACE_SEIZE, pid, NULL,
		   (void *)(uintptr_t)(PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL)) < 0)
		return -1;
	kill(pid, SIGCONT);
	while (waitpid(pid, &status, __WALL) == pid && status >> 8 != (SIGTRAP | PTRACE_EVENT_EXEC << 8)) {
		if (!WIFSTOPPED(status))
			return -1;
		ptrace(PTRACE_CONT, pid, NULL, NULL);
	}
	return pid;
}

static void
forget(pid_t tid)
{
	struct thread *th = thread_find(tid);

	if (th)
		th->tid = 0;
}

/* Let it run for a while. */
static void
warm_up(pid_t pid, unsigned int ms)
{
	int status;
	pid_t tid;

	thread_find(pid);
	ptrace(PTRACE_CONT, pid, NULL, NULL);
	for (unsigned int i = 0; i < ms; i++) {
		usleep(1000);
		while ((tid = waitpid(-1, &status, __WALL | WNOHANG)) > 0) {
			int sig = WSTOPSIG(status);

			if (!WIFSTOPPED(status)) {
				forget(tid);
				continue;
			}
			thread_find(tid);
			ptrace(PTRACE_CONT, tid, NULL,
			       (void *)(uintptr_t)(status >> 16 || sig == SIGTRAP ? 0 : sig));
		}
	}
	for (size_t i = 0; i < THREADS_MAX; i++)
		if (t.threads[i].tid)
			ptrace(PTRACE_INTERRUPT, t.threads[i].tid, NULL, NULL);
}

static int
run(char **argv, uint64_t max, unsigned int warm_ms)
{
	int status;
	pid_t pid = start(argv), tid;

	if (pid < 0)
		return -ECHILD;
	t.bias = read_bias(pid);
	if (warm_ms > 0)
		warm_up(pid, warm_ms);
	else
		step(pid, SIGTRAP << 8, max);
	while ((tid = waitpid(-1, &status, __WALL)) > 0) {
		if (!WIFSTOPPED(status))
			forget(tid);
		else if (t.steps < max)
			step(tid, status, max);
		else
			kill(pid, SIGKILL);
	}
	return 0;
}

int
main(int argc, char **argv)
{
	struct err why = { .text = "" };
	int e;

	if (argc < 4) {
		fprintf(stderr, "usage: go_steps STEPS WARM_MS PROGRAM [ARGUMENT...]\n");
		return 2;
	}
	e = prepare(argv[3], &why);
	if (e == 0)
		e = run(argv + 3, strtoull(argv[1], NULL, 10), (unsigned int)strtoul(argv[2], NULL, 10));
	if (e < 0) {
		fprintf(stderr, "go_steps: %s (%s)\n", why.text, strerror(-e));
		return 2;
	}
	printf("steps %" PRIu64 " checked %" PRIu64 " unruled %" PRIu64 " wrong %" PRIu64 "\n", t.steps,
	       t.checked, t.unruled, t.n_wrong);
	for (size_t i = 0; i < FUNCS_MAX && t.wrong[i].name; i++)
		printf("%" PRIu64 " %s: %s, first at %" PRIx64 "\n", t.wrong[i].n, t.wrong[i].name,
		       t.wrong[i].what, t.wrong[i].first);
	return t.n_wrong > 0;
}
