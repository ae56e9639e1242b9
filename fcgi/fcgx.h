/*
 * fcgx.h - FastCGI, by libfcgi; no other file knows that library.
 */
#ifndef PPD_FCGI_FCGX_H
#define PPD_FCGI_FCGX_H

#include "fcgi/reply.h"
#include "fcgi/request.h"

/* Once, before any thread. Installs libfcgi's signal handlers: install yours behind it.
 * Returns 0 or -errno. */
int fcgx_start(void);

/* A thread's place for the requests that it answers, one after the other. */
struct fcgx;

/* `listener` is non-blocking, and stays the caller's. Returns NULL without memory. */
struct fcgx *fcgx_new(int listener);
void fcgx_free(struct fcgx *f);

/*
 * Accept a connection (the caller has seen that one waits) and read the head of its request.
 * Not at the same time in two threads. Returns 0 or a negative errno.
 */
int fcgx_accept(struct fcgx *f);
/* Read the body, and say what is asked: all of it is valid until fcgx_end(). */
int fcgx_request(struct fcgx *f, struct request *req);
void fcgx_reply(struct fcgx *f, const struct request *req, const struct reply *r);
/* Tell the web server that the answer is complete, and close the connection. */
void fcgx_end(struct fcgx *f);

#endif
