/*
 * answers.h - a bounded cache of answers, which it never reads.
 *
 * Two generations: what is put or used goes to the young one; when that is
 * full, the old one is forgotten and the young one becomes old. So an answer
 * that is used now and then stays, and nothing is deleted singly.
 */
#ifndef PPD_SYMBOLIZE_ANSWERS_H
#define PPD_SYMBOLIZE_ANSWERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct answers;

/* At most `bytes` of memory, bookkeeping included. The answers themselves are in memory that a
 * forked child does not get. Returns 0 or -ENOMEM. */
int answers_new(struct answers **out, size_t bytes);
void answers_free(struct answers *a);

/* Copy an answer in, in place of an earlier one. `final`: nothing better will come. Returns 0, or
 * -ENOMEM or -EFBIG (it is then not cached, which costs time only). */
int answers_put(struct answers *a, uint64_t object, uint64_t place, bool final, const void *bytes,
		size_t n);

/* The answer, or NULL. Borrowed until the next answers_put() or answers_get(). */
const void *answers_get(struct answers *a, uint64_t object, uint64_t place, size_t *n, bool *final);

/* How many answers it holds (those in both generations count once or twice), for the log. */
size_t answers_count(const struct answers *a);

#endif
