/*
 * frames.h - what a reader sees as one box or one row: a function, a line, an address, a thread.
 *
 * A location is one frame for each of its lines, so that inlined calls are frames too; which of
 * them are the same frame, the group says.
 */
#ifndef PPD_FCGI_FRAMES_H
#define PPD_FCGI_FRAMES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/table.h"
#include "fcgi/ids.h"
#include "fcgi/profile.h"

#define FRAMES_NONE UINT32_MAX

/* What makes two frames one. */
enum frames_group {
	FRAMES_UNSAID,
	FRAMES_FUNCTION, /* the name */
	FRAMES_LINE,     /* name, file and line */
	FRAMES_ADDRESS,  /* the instruction, and which of its inlined calls */
	FRAMES_THREAD,   /* the name, and each thread is a frame in front of its stacks */
	FRAMES_EXACT,    /* all that is known but the address */
};

/* Of several places that are one frame, what the group leaves out is that of the first. */
struct frame {
	uint32_t name, system_name, file; /* strings; of a thread: its name alone */
	uint32_t line;
	uint32_t mapping; /* as in ids: from 1; 0: a thread */
	uint32_t tid;     /* of a thread; 0: of none */
	uint64_t address; /* as it goes out */
	uint32_t level;   /* of the calls inlined at an address: 0 is the innermost */
	bool inlined;
	bool thread;
};

struct frames {
	const struct profile *p; /* borrowed */
	const struct ids *ids;   /* borrowed */
	enum frames_group group;
	struct frame *at; /* threads first; then by name, and by what else tells them apart */
	uint32_t n;
	uint32_t *first;    /* by location number - 1, and one more: where its frames are in `of` */
	uint32_t *of;       /* outermost first */
	struct table index; /* of what their group knows them by */
	uint32_t cap;
};

/* Returns 0 or -ENOMEM; frames_fini() in both cases. */
int frames_init(struct frames *f, const struct profile *p, const struct ids *ids, enum frames_group group);
void frames_fini(struct frames *f);

/* An upper bound of the bytes that it takes. */
uint64_t frames_bytes(const struct profile *p);

/* The frame of a thread; FRAMES_THREAD only. */
uint32_t frames_thread(const struct frames *f, uint32_t tid);

/*
 * What a frame is called where there is only room for a name: "main", "main a.c:12",
 * "main 0x4010f0", "worker [4711]". Borrowed until the next call with this buffer.
 */
const char *frames_label(const struct frames *f, uint32_t frame, struct buf *scratch);

#endif
