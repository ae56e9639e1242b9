/*
 * wire.h - the messages between pprofd's three processes.
 *
 * One message is one packet of an AF_UNIX SOCK_SEQPACKET socket: a header, a
 * body of at most WIRE_BODY_MAX bytes in buf.h's little-endian encoding, and at
 * most one file descriptor. Whoever receives checks every count and length: a
 * symbolizer child may have been taken over by the file that it reads.
 *
 * In the layouts below `str` is a buf_str() (u16 length and bytes, no NUL), and
 * `n × {...}` is repeated n times. Long lists are sent as several messages.
 *
 *   pprofd-fcgi ── collector.sock ──► pprofd-collector      one connection a request;
 *                                                           closing it ends its window
 *   pprofd-fcgi ── symbolizer.sock ─► pprofd-symbolizer     one connection a request
 *   pprofd-collector ── symbolizer.sock ─► pprofd-symbolizer   one, for objects and rows
 *
 * The listener tells who calls by SO_PEERCRED, and refuses all other users.
 */
#ifndef PPD_BASE_WIRE_H
#define PPD_BASE_WIRE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

#define WIRE_BODY_MAX 61440  /* bytes; several fit the kernel's default socket buffer */
#define WIRE_MAGIC 0x31445050u /* "PPD1" */

enum wire_type {
	WIRE_NONE,

	/* ---- fcgi → collector, and its answers ---- */

	/* {}  → n × WIRE_NODE, WIRE_SELF, WIRE_END */
	WIRE_STATE_ASK,
	/* {u16 node; u8 state (enum wire_node_state); u32 pid; u64 start_unix_ns; u32 threads;
	 *  u32 windows; str name; str target; str comm; str exe; str runtime; str why} */
	WIRE_NODE,
	/* {u32 windows; u32 windows_max; u64 samples; u64 lost; u64 cpu_ns; u64 rss_bytes;
	 *  u16 n; n × str limit}   what the collector could not get, each with its remedy */
	WIRE_SELF,
	/* {}  the last message of an answer of several */
	WIRE_END,

	/* {u16 node; u32 duration_ms; u32 hz; str event; u8 flags (WIRE_ASK_*)}   hz 0, event "": the defaults.
	 * → WIRE_WINDOW or WIRE_REFUSED; while the window is open WIRE_MAPS, WIRE_STACKS and
	 * WIRE_THREADS, each thing once, before the first message that mentions it; when it has
	 * ended WIRE_COUNTS, WIRE_NOTE, WIRE_WINDOW_END. */
	WIRE_WINDOW_ASK,
	/* {u64 window; u64 start_unix_ns; u8 is_clock; u64 period; str event; str unit}
	 * is_clock: the period is in ns of CPU time; else in occurrences of the event. */
	WIRE_WINDOW,
	/* {u16 http_status; u16 retry_after_s (0: none); str text} */
	WIRE_REFUSED,
	/* {u16 n; n × {u32 map; u64 object; u8 kind (enum wire_map_kind); u8 flags (WIRE_MAP_*);
	 *  u64 start; u64 end; u64 pgoff; str path}} */
	WIRE_MAPS,
	/* {u16 n; n × {u32 stack; u8 flags (WIRE_STACK_*); u16 k; k × {u32 map; u64 addr}}}
	 * Leaf first. addr is the node's own address (or the kernel's); that of a caller is its
	 * return address - 1. In a WIRE_MAP_PSEUDO map the address is 0. */
	WIRE_STACKS,
	/* {u16 n; n × {u32 tid; u32 pid; str comm}}   sent again when the name changes */
	WIRE_THREADS,
	/* {u16 n; n × {u32 stack; u32 tid; u64 samples; u64 value}}   value: sum of periods */
	WIRE_COUNTS,
	/* {str text}   one line for the profile's comments */
	WIRE_NOTE,
	/* {u64 unsampled_ns; u64 taken_out; u64 filled; u64 steal_ns; u8 is_scaled}   of a clock, before
	 * WIRE_WINDOW_END. unsampled_ns: what the process's CPU clock says beyond the samples: the counts of samples 0.
	 * taken_out: samples that were more than it says (not counted in `samples`). filled: spares of per-CPU events
	 * that took the place of missing ones. steal_ns: what the hypervisor took from all CPUs of the machine. */
	WIRE_EXACT,
	/* {u64 duration_ns; u64 samples; u64 lost; u64 throttled; u64 late; u64 guessed;
	 *  u64 truncated; u64 rooted; u64 user_stacks; u64 cpu_ns; u8 reason (enum wire_end)}
	 * rooted: of the samples with a user stack, those whose root was reached.
	 * cpu_ns: what the node's CPU clock advanced in the window (0: unknown). */
	WIRE_WINDOW_END,
	/* {}  on the connection of an open window → WIRE_PROGRESS {u64 samples; u64 lost}, so far;
	 * without one it is not answered */
	WIRE_PROGRESS_ASK,
	WIRE_PROGRESS,

	/* {u16 node}  → WIRE_CMDLINE {str bytes} (argv, each argument ended by NUL) or WIRE_REFUSED */
	WIRE_CMDLINE_ASK,
	WIRE_CMDLINE,
	/* {u16 node; u16 n; n × u64 addr}  → WIRE_MAPS (those that hold an address) and
	 * WIRE_RESOLVED {u16 n; n × u32 map (UINT32_MAX: none)}, or WIRE_REFUSED */
	WIRE_RESOLVE_ASK,
	WIRE_RESOLVED,

	/* {u16 node}  → WIRE_MAPS (the executable's, those that hold code) and WIRE_MEMORY_IS
	 * {u64 memory; u32 pid; u64 start_unix_ns}, or WIRE_REFUSED. The symbolizer then knows the
	 * node's memory by that number, as long as this connection stands. */
	WIRE_MEMORY_ASK,
	WIRE_MEMORY_IS,
	/* {u16 node; u8 kind (READING_BLOCK or READING_MUTEX); u64 rate (as the runtime stores it)}
	 * → WIRE_ARMED {} or WIRE_REFUSED. A Go node whose rate is 0 has this one as long as the
	 * connection stands; where several arm it, until the last of them ends. */
	WIRE_ARM_ASK,
	WIRE_ARMED,

	/* ---- fcgi → symbolizer, and its answers ---- */

	/* {u64 object; u32 ticket; u16 n; n × u64 place}
	 * place: for files and the vdso the offset in the file (addr - start + pgoff); for
	 * kernel and JIT objects the address itself.
	 * → WIRE_NAMES as they become known, then WIRE_NAMED. */
	WIRE_NAME_ASK,
	/* {u64 object; u16 n; n × answer}, where
	 * answer = {u64 place; u64 vaddr; u64 entry; u8 flags (WIRE_ANSWER_*); u8 k;
	 *           k × {u32 line; u32 start_line; str name; str system_name; str file}}
	 * Innermost inlined frame first, the physical function last; k ≥ 1. vaddr: the link-time
	 * address; entry: that of the physical function's first instruction (0: unknown). An answer that comes again for a place (with lines now) replaces the earlier. */
	WIRE_NAMES,
	/* {u32 ticket; u64 object; u8 status (enum wire_named); u8 flags (WIRE_OBJECT_*);
	 *  str build_id (bytes, not hex); str note ("" or one sentence for the comments)} */
	WIRE_NAMED,

	/* {u64 memory; u32 ticket; u8 kind (enum reading_kind); u32 duration_ms (estimates; else 0)}
	 * → WIRE_READING {u32 ticket; u16 http_status; str text} + sealed memfd (base/reading.h)
	 * with status 200, else the reason. One reading serves all who asked before it began. */
	WIRE_READ_ASK,
	WIRE_READING,

	/* ---- collector ↔ symbolizer ---- */

	/* {u64 memory; u8 part (enum wire_memory); u64 object (the executable)} + fd   once for each
	 * part; then the memory can be read. No two memories ever have the same number, though the
	 * collector be restarted. */
	WIRE_MEMORY,
	/* {u64 memory}   its process has ended, or nobody asks any more */
	WIRE_MEMORY_DROP,
	/* symbolizer → collector: where are these threads?
	 * {u32 ticket; u64 memory; u16 n; n × u32 tid}
	 * → WIRE_REGS {u32 ticket; u8 is_last; u16 n; n × {u32 tid; u8 where (enum thread_where);
	 *    u64 pc; u64 sp; u64 fp; u64 age_ns; u16 k; k × u8 stack}}, within 50 ms */
	WIRE_REGS_ASK,
	WIRE_REGS,

	/* {u64 object; u8 kind (enum wire_map_kind); u64 dev; u64 ino; u64 size; u64 mtime_ns;
	 *  str path} + fd   (kernel: fd of kallsyms; JIT: fd of perf-PID.map) */
	WIRE_OBJECT,
	/* {u64 object}   no window and no node uses it any more */
	WIRE_OBJECT_DROP,
	/* {u64 object}  → WIRE_ROWS {u64 object; u32 errno (0: fine)} + sealed memfd (base/rows.h) */
	WIRE_ROWS_ASK,
	WIRE_ROWS,
	/* symbolizer → collector: a debug file is wanted.
	 * {u32 ticket; u64 object; u8 kind (enum wire_file); str name}
	 * → WIRE_FILE {u32 ticket; u32 errno (0: fine)} + fd */
	WIRE_FILE_ASK,
	WIRE_FILE,

	/* ---- symbolizer parent ↔ its child: NAME_ASK, NAMES, NAMED, ROWS_ASK, ROWS, FILE_ASK,
	 * FILE, READ_ASK, READING, REGS_ASK and REGS pass here too; ROWS_ASK and READ_ASK then
	 * carry the memfd to fill ---- */

	/* ---- collector ↔ guardian (collector/guardian.h) ---- */

	/* {u32 slot; u32 pid; u64 start_ticks; u64 address; u64 value} + fd of the memory  → WIRE_GUARDED */
	WIRE_GUARD_SET,
	/* {u32 slot}  → WIRE_GUARDED {u32 slot; u32 errno (0: done)} */
	WIRE_GUARD_UNSET,
	WIRE_GUARDED,

	WIRE_TYPES
};

enum wire_node_state {
	WIRE_NODE_RUNNING,   /* found; can be sampled */
	WIRE_NODE_ABSENT,    /* no such process now */
	WIRE_NODE_AMBIGUOUS, /* several match; `why` lists them */
	WIRE_NODE_DENIED,    /* found; `why` says what to grant */
};

enum wire_map_kind {
	WIRE_MAP_FILE,   /* an ELF file, mapped */
	WIRE_MAP_VDSO,   /* the kernel's vdso; its object is a copy of the pages */
	WIRE_MAP_KERNEL, /* kernel text and modules; names from kallsyms */
	WIRE_MAP_JIT,    /* executable memory without a file; names from perf-PID.map, if any */
	WIRE_MAP_PSEUDO, /* not memory: path is the name to show, e.g. "[truncated: 512 frames]" */
};

enum wire_memory {
	WIRE_MEMORY_MEM,     /* /proc/PID/mem, read-only */
	WIRE_MEMORY_MAPS,    /* /proc/PID/maps */
	WIRE_MEMORY_PAGEMAP, /* /proc/PID/pagemap */
	WIRE_MEMORY_PARTS
};

/* What is known of where a thread is. */
enum thread_where {
	THREAD_GONE,    /* or nothing is known of it */
	THREAD_OFF_CPU, /* sp and pc, of the system call or fault that it is in */
	THREAD_SAMPLED, /* sp, pc, fp and stack bytes, of a moment not older than 20 ms */
};

#define WIRE_ASK_UNSCALED 1u /* the samples as they came, whatever the process's CPU clock says */

#define WIRE_MAP_MAIN 1u    /* of the node's executable */
#define WIRE_MAP_DELETED 2u /* the file is no longer under its name */

#define WIRE_STACK_GUESS 1u     /* a frame was found by guessing */
#define WIRE_STACK_LATE 2u      /* words were read after the sample */
#define WIRE_STACK_TRUNCATED 4u /* more frames than the maximum */
#define WIRE_STACK_CUT 8u       /* did not reach its root */

enum wire_end {
	WIRE_END_TIME,     /* the window's time was over */
	WIRE_END_EXIT,     /* the node exited */
	WIRE_END_STOPPED,  /* the collector is stopping */
};

#define WIRE_ANSWER_FINAL 1u   /* nothing better will come */
#define WIRE_ANSWER_NAMED 2u   /* from a symbol; else made of the object's name and an offset */
#define WIRE_ANSWER_LINES 4u   /* from line tables */
#define WIRE_ANSWER_INLINES 8u /* from data that knows inlined calls */
#define WIRE_ANSWER_HIDDEN 16u /* the language's own stacks leave this function out
				* (Go's wrappers and goexit) */

enum wire_named {
	WIRE_NAMED_OK,
	WIRE_NAMED_UNKNOWN, /* no such object */
	WIRE_NAMED_DIED,    /* its child died or hung; only made-up names for a while */
	WIRE_NAMED_BUSY,    /* too many requests */
};

#define WIRE_OBJECT_PIE 1u   /* ET_DYN */
#define WIRE_OBJECT_EXEC 2u  /* ET_EXEC */
#define WIRE_OBJECT_DEBUG 4u /* has line tables (its own, or a debug file's) */
#define WIRE_OBJECT_GO 8u    /* has a .gopclntab */

enum wire_file {
	WIRE_FILE_BUILD_ID,  /* name: the build-id's bytes; wanted: its separate debug file */
	WIRE_FILE_DEBUGLINK, /* name: .gnu_debuglink's base name */
	WIRE_FILE_DWO,       /* name: a split-DWARF path, relative or absolute */
	WIRE_FILE_ALTLINK,   /* name: .gnu_debugaltlink's path */
};

struct wire_msg {
	uint16_t type; /* enum wire_type */
	size_t len;    /* bytes of body */
	int fd;        /* owned by the receiver until it sets -1; -1: none */
	unsigned char body[WIRE_BODY_MAX];
};

/* A listening socket at `path` (an older one there is replaced), mode 0660, group `gid`
 * ((gid_t)-1: as is). Returns the descriptor (CLOEXEC, non-blocking) or -errno. */
int wire_listen(const char *path, gid_t gid, struct err *why);
/* The same with another type of socket: SOCK_STREAM for what others speak over it (FastCGI). */
int wire_listen_type(int type, const char *path, gid_t gid, struct err *why);
/* Returns a connected descriptor (CLOEXEC, blocking) or -errno. */
int wire_connect(const char *path, struct err *why);
/* The user at the other end, at the time it connected. Returns 0 or -errno. */
int wire_peer(int sock, uid_t *uid, pid_t *pid);

/* Send one message; fd -1: none; the descriptor stays the caller's. Returns 0 or -errno
 * (-EAGAIN when the socket is non-blocking and full; -EMSGSIZE when len is too large). */
int wire_send(int sock, uint16_t type, const void *body, size_t len, int fd);

/* Receive one message. Returns 1; 0 at end of file; -EAGAIN; -EBADMSG when the packet is not
 * one of ours (drop the connection); other -errno. On 1, m->fd is open or -1; else it is -1. */
int wire_recv(int sock, struct wire_msg *m);

#endif
