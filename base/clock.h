/*
 * clock.h - a clock's time as one number.
 */
#ifndef PPD_BASE_CLOCK_H
#define PPD_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

/* clock_gettime(2) in ns, of a clock that is always there (CLOCK_MONOTONIC, CLOCK_REALTIME...). */
uint64_t clock_ns(clockid_t which);

#endif
