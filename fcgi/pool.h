/*
 * pool.h - the threads that answer, one request each at a time.
 *
 * A window keeps its thread blocked in poll(); so there are as many threads as
 * windows, and some for short questions.
 */
#ifndef PPD_FCGI_POOL_H
#define PPD_FCGI_POOL_H

#include <stdint.h>

#include "base/err.h"
#include "fcgi/app.h"

struct pool;

/* `listener`: the FastCGI socket, non-blocking. Both are borrowed until pool_stop(). Returns 0
 * or -errno with the reason. */
int pool_start(const struct app *app, int listener, uint32_t threads, struct pool **out, struct err *why);

/*
 * app->stop_fd is readable: no thread accepts any more. Wait until all have answered what they
 * had begun, at most so long. Returns how many have not; the pool then still uses its memory,
 * and the only thing left is to exit.
 */
uint32_t pool_stop(struct pool *p, uint32_t limit_ms);

#endif
