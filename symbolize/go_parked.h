/*
 * go_parked.h - goroutines that do not run now: their records and their stacks, consistent with each other.
 *
 * The node goes on meanwhile. A record is read, then the stack, then the record again: what stood still in
 * between is sure, the rest is read anew, some rounds long.
 */
#ifndef PPD_SYMBOLIZE_GO_PARKED_H
#define PPD_SYMBOLIZE_GO_PARKED_H

#include <stdbool.h>
#include <stdint.h>

#include "symbolize/go_g.h"
#include "symbolize/go_node.h"
#include "symbolize/go_stacks.h"
#include "symbolize/go_traceback.h"
#include "symbolize/reading_writer.h"

#define GO_PARKED_MAX 1024 /* goroutines at a time: few enough that little changes meanwhile */

enum go_parked_what {
	GO_PARKED_NONE, /* not in use, or no goroutine's record */
	GO_PARKED_SURE,
	GO_PARKED_UNSURE,  /* it never stood still, but its stack makes sense */
	GO_PARKED_UNREAD,  /* nor does that */
	GO_PARKED_RUNNING, /* it is not parked: only g is known */
};

struct go_parked {
	struct go_g g;
	uint32_t stack;          /* in the reading; SURE and UNSURE */
	uint8_t what;            /* enum go_parked_what */
	uint8_t top;             /* enum go_role of the innermost function */
	bool is_whole, has_user; /* as struct go_trace has them */
};

struct go_parked_reader;

/* All are borrowed. Returns 0 or -ENOMEM. */
int go_parked_new(struct go_parked_reader **out, struct go_node *n, struct go_traceback *t,
		  struct go_stacks *s, struct reading_writer *w);
void go_parked_free(struct go_parked_reader *r);

/* From now on stacks begin where Go's block profile has them begin: with the function that waits. */
void go_parked_trim(struct go_parked_reader *r);

/* Read the goroutines whose records are at addrs; n is GO_PARKED_MAX at the most. out: n of them, in
 * the same order. Returns 0, or -ENOMEM, -EFBIG (of the reading), -ESRCH. */
int go_parked_read(struct go_parked_reader *r, const uint64_t *addrs, size_t n, struct go_parked *out);

/* Only the records, without stacks: out[i].what is SURE for those that are parked. */
int go_parked_look(struct go_parked_reader *r, const uint64_t *addrs, size_t n, struct go_parked *out);

#endif
