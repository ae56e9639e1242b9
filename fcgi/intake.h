/*
 * intake.h - the collector's messages, checked, into a profile.
 *
 * One function takes any message of a window or of a resolution; a table says
 * which there are. A message that names what was never sent, or is shorter than
 * it says, makes the whole connection worthless: the collector is broken.
 */
#ifndef PPD_FCGI_INTAKE_H
#define PPD_FCGI_INTAKE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "fcgi/profile.h"

/* Take the body of a message of type WIRE_WINDOW, WIRE_MAPS, WIRE_STACKS, WIRE_THREADS,
 * WIRE_COUNTS, WIRE_NOTE, WIRE_EXACT or WIRE_WINDOW_END. Returns 0; -EBADMSG (also for any other type) or
 * -ENOMEM, with the reason. */
int intake(struct profile *p, uint16_t type, const void *body, size_t len, struct err *why);

#define REFUSAL_TEXT_MAX 2048

/* Why there is no profile, fit to be shown: our own reason, or that of a WIRE_REFUSED. */
struct refusal {
	int status;        /* HTTP, 400-599 */
	int retry_after_s; /* 0: none */
	char text[REFUSAL_TEXT_MAX];
};
void refusal_set(struct refusal *r, int status, int retry_after_s, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* The text is somebody else's, and cleaned; a status that is no error becomes a 503 that says so. */
void refusal_take(struct refusal *r, int status, int retry_after_s, const char *text, size_t n);
/* The body of a WIRE_REFUSED. */
void refusal_decode(struct refusal *r, const void *body, size_t len);

#endif
