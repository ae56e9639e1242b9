/*
 * row_jobs.h - unwind rows for the collector, each made by a child of its own.
 *
 * Samples cannot be unwound before their rows are there: such a child is
 * started at once and does nothing else, so that rows never wait behind names.
 */
#ifndef PPD_SYMBOLIZE_ROW_JOBS_H
#define PPD_SYMBOLIZE_ROW_JOBS_H

#include <stddef.h>
#include <stdint.h>

#include "base/wire.h"
#include "symbolize/reader.h"

/* Children for rows at a time. */
#define ROW_READERS  4
#define ROW_JOBS_MAX 16384

struct service;
struct client;
struct entry;

struct row_job {
	struct client *client; /* who asked */
	struct entry *entry;
};

struct row_jobs {
	struct row_job *queue; /* owned; [first, n) wait */
	size_t first, n, cap;
	struct {
		struct reader reader;
		struct row_job job; /* client NULL: nobody waits any more */
		int memfd;          /* owned; -1 */
	} running[ROW_READERS];
};

void row_jobs_init(struct row_jobs *j);
void row_jobs_fini(struct row_jobs *j);

/* WIRE_ROWS_ASK. Returns 0, or -EBADMSG: drop the client. */
int row_jobs_ask(struct service *s, struct client *c, const struct wire_msg *m);

/* A child said something: WIRE_ROWS, and its work is done. -EBADMSG: kill it. */
int row_jobs_rows(struct service *s, struct reader *r, const struct wire_msg *m);

/* A child was reaped. */
void row_jobs_died(struct service *s, struct reader *r, const char *why);

/* Start children for those that wait. Called once a turn. */
void row_jobs_schedule(struct service *s);

/* The client, or the object, goes (the other is NULL). */
void row_jobs_forget(struct service *s, const struct client *c, const struct entry *e);

#endif
