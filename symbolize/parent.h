/*
 * parent.h - the symbolizer's loop: who calls, and what each may say.
 *
 * One thread, poll(2), no file ever opened. Children are served like clients,
 * with less trust.
 */
#ifndef PPD_SYMBOLIZE_PARENT_H
#define PPD_SYMBOLIZE_PARENT_H

#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

struct parent_setup {
	int listener;        /* non-blocking; taken over */
	uid_t collector_uid; /* (uid_t)-1: nobody */
	uid_t fcgi_uid;
	uid_t own_uid; /* may do both; (uid_t)-1: nobody */
	uint32_t max_children;
	uint32_t answers_mb;
	uint32_t child_memory_mb;
	uint32_t child_seconds;
};

struct service;

/* Before the jail: memory, /dev/null, the signals' descriptor (SIGCHLD, SIGTERM, SIGINT are
 * blocked from here on). Returns 0 or -errno. */
int parent_new(struct service **out, const struct parent_setup *setup, struct err *why);

/* Serve until SIGTERM or SIGINT; then no child is left. Returns 0 or -errno. */
int parent_run(struct service *s, struct err *why);

void parent_free(struct service *s);

#endif
