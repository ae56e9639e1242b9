/*
 * merge.h - one profile's samples put into another one.
 *
 * What is the same in both is found by its content, never by numbers: an object by its build-id and
 * path, a row of it by its offsets, a place in it by its offset and a stack by its places. So the
 * profiles may be of different windows, collectors and lives of the node, and a library that
 * was mapped elsewhere the second time is the same library. A name that only one of them knows
 * counts for both.
 */
#ifndef PPD_FCGI_MERGE_H
#define PPD_FCGI_MERGE_H

#include <stdint.h>

#include "fcgi/profile.h"

/*
 * Add what is in `from` (finished), its values times `factor`, to `to`: initialised only, or
 * filled by this function. The first one merged gives `to` its types, period, window and node.
 * Comments are not taken. Returns 0, -ENOMEM, or -EINVAL: the values are of other types.
 */
int profile_merge(struct profile *to, const struct profile *from, int64_t factor);

/*
 * Fill `to`, initialised only, with p - base, both finished: what came out as nothing is left
 * out of every form. Comments say what was subtracted. Returns as profile_merge().
 */
int profile_difference(struct profile *to, const struct profile *p, const struct profile *base);

#endif
