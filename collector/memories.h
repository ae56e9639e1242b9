/*
 * memories.h - nodes' memories, held open for the symbolizer.
 *
 * Opened when somebody first asks for one: /proc/PID/mem, maps and pagemap, read-only. They
 * belong to the program that the process executes at that time, and say nothing of what it may
 * execute later. They are kept while it lives, so that the symbolizer's child, which has found
 * its way about in it, stays; nobody asking for MEMORIES_IDLE_NS, they are let go.
 * The collector reads none of them.
 */
#ifndef PPD_COLLECTOR_MEMORIES_H
#define PPD_COLLECTOR_MEMORIES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/wire.h"
#include "collector/objects.h"

#define MEMORIES_IDLE_NS 600000000000u

struct node_memory {
	struct node_memory *next;
	uint64_t id;                /* base/wire.h */
	pid_t pid;
	int fds[WIRE_MEMORY_PARTS]; /* owned */
	int alive_fd;               /* owned; its maps again, ours alone: a reader's place is not moved */
	struct object *exe;         /* a reference */
	unsigned int users;         /* connections that were told of it */
	uint64_t unused_ns;         /* since when there is none; 0: there is */
};

struct memories {
	struct node_memory *first;
	uint64_t next_id;
	bool connected; /* is there a symbolizer to read them? */
	/* Called when a memory is new; the link hands it over. */
	void (*added)(void *ctx, const struct node_memory *m);
	void (*dropped)(void *ctx, const struct node_memory *m);
	/* Called where there is no symbolizer and somebody asks: look again, and do not wait for the time to. */
	void (*wanted)(void *ctx);
	void *ctx;
};

void memories_init(struct memories *ms);
/* Is there a symbolizer? ms NULL: no. */
bool memories_can_be_read(struct memories *ms);
void memories_fini(struct memories *ms);

/*
 * The memory of a process, held already or opened now. pidfd: the process's; exe: its executable's
 * object, which gets another reference. The user counts until memories_put().
 * Returns 0, or -errno with the reason (-ESRCH: gone; -EACCES, -EPERM: what to grant).
 */
int memories_get(struct memories *ms, pid_t pid, int pidfd, struct object *exe, struct node_memory **out,
		 struct err *why);
/* One user less; the memory may be gone by now. */
void memories_put(struct memories *ms, uint64_t id);
struct node_memory *memories_find(const struct memories *ms, uint64_t id);

/* The process has exited, or executed another program. ms NULL: nobody holds any. */
void memories_forget(struct memories *ms, pid_t pid);
/* Let go those whose process executes another program now, and those that nobody asks for. */
void memories_sweep(struct memories *ms, uint64_t now_ns);

#endif
