/*
 * amount.h - a value with its unit, as a person reads it: "1.25 s", "3.0 MiB", "284".
 */
#ifndef PPD_FCGI_AMOUNT_H
#define PPD_FCGI_AMOUNT_H

#include <stdint.h>

#define AMOUNT_MAX 48 /* bytes with the NUL */

/* unit: as in a profile: "nanoseconds", "bytes", "count"; an unknown one is not shown. Returns `to`. */
const char *amount_text(char to[AMOUNT_MAX], int64_t value, const char *unit);

#endif
