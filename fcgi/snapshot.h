/*
 * snapshot.h - what a Go node's runtime has recorded, read once or twice, with the names of all places.
 *
 *   memory asked ─► read ─► named ─┬─► done
 *                                  └─► seconds=N waited ─► read again ─► named ─► done
 */
#ifndef PPD_FCGI_SNAPSHOT_H
#define PPD_FCGI_SNAPSHOT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/reading.h"
#include "fcgi/app.h"
#include "fcgi/go_hidden.h"
#include "fcgi/go_places.h"
#include "fcgi/intake.h"
#include "fcgi/profile.h"
#include "fcgi/request.h"

/* What is wanted. */
struct snapshot_wish {
	enum reading_kind kind;
	uint32_t look_ms;  /* of READING_BLOCK_ESTIMATE; else 0 */
	uint32_t delta_ms; /* between two readings; 0: one only */
	bool arm;          /* have all recorded from before the first reading until after the second */
	bool creators;     /* with the go statements of goroutines */
	bool hidden;       /* with what heap stacks leave out at their leaf */
};

struct snapshot {
	struct profile *p;          /* owned: the executable's maps, places, names; no samples so far */
	struct reading readings[2]; /* owned */
	struct go_places places[2]; /* owned */
	struct go_hidden hidden[2]; /* owned; without arrays where it was not asked for */
	uint32_t n;                 /* readings */
};

/*
 * Of a node (the collector's number for it). Returns 0; -ECONNABORTED: the client has gone; another
 * -errno: *no says what to answer. snapshot_fini() in all cases.
 */
int snapshot_take(struct snapshot *s, const struct app *app, const struct request *req, uint16_t node,
		  const struct snapshot_wish *wish, struct refusal *no);
void snapshot_fini(struct snapshot *s);

/* The readings are done with, the profile is given away: to be freed by the caller. */
struct profile *snapshot_give(struct snapshot *s);

#endif
