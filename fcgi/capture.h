/*
 * capture.h - one window, from the question to a profile that can be encoded.
 *
 *   ASKED ── WIRE_WINDOW ──► OPEN ── WIRE_WINDOW_END ──► NAMING ── all named, or 2 s ──► done
 *
 * One thread waits for the collector and the symbolizer, and as wait.h says for the
 * client's going away and our own stop.
 */
#ifndef PPD_FCGI_CAPTURE_H
#define PPD_FCGI_CAPTURE_H

#include <stdint.h>

#include "fcgi/intake.h"
#include "fcgi/profile.h"
#include "fcgi/take.h"

/* After the window's end names are waited for so long; then it goes out without them. */
#define CAPTURE_NAMES_MS 2000

/*
 * Open a window on a node (the collector's number for it), wait for its end and its names.
 * The client's going away closes the window. `p` is initialised, and is the caller's. Returns 0;
 * -ECONNABORTED: the client has gone, nobody waits for an answer; another -errno: *no says what
 * to answer.
 */
int capture(const struct take *t, uint16_t node, struct profile *p, struct refusal *no);

#endif
