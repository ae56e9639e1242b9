/*
 * app.h - what all requests share, set up once by main() and then only read.
 */
#ifndef PPD_FCGI_APP_H
#define PPD_FCGI_APP_H

#include "conf/conf.h"

struct gone;
struct store;

struct app {
	const struct conf *conf; /* borrowed */
	struct gone *gone;       /* borrowed; has a lock of its own */
	struct store *store;     /* borrowed; captures; has a lock of its own */
	int statm_fd;            /* /proc/self/statm, for what we cost; -1: unknown */
	int stop_fd;             /* readable for ever once we are to stop; -1: never */
};

/* CLOCK_MONOTONIC. */
uint64_t app_now_ms(void);

/* CPU time that this process has used, and its resident memory; 0 where that is unknown. */
void app_cost(const struct app *app, uint64_t *cpu_ns, uint64_t *rss_bytes);

#endif
