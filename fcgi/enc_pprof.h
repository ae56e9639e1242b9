/*
 * enc_pprof.h - a profile as a gzipped protocol buffer, as google/pprof reads it.
 *
 * Field numbers are those of perftools.profiles.Profile (google/pprof,
 * proto/profile.proto). Messages are written one by one into zlib; only the
 * compressed bytes are kept. What readers demand, and this keeps to:
 *
 *   every location has a mapping and at least one line; all four has_* flags are
 *   set, so that no reader opens a local file instead of believing us;
 *   the main executable's mapping is the first, and where it is a PIE, carries
 *   link-time addresses with start = limit = offset = 0;
 *   no sample is without a location; no string stands twice in the table.
 */
#ifndef PPD_FCGI_ENC_PPROF_H
#define PPD_FCGI_ENC_PPROF_H

#include "base/buf.h"
#include "fcgi/profile.h"

/*
 * Append the whole file to `out`. The profile has been finished (profile_finish()). zlib_level: 1-9. Returns 0, -ENOMEM, or -EFBIG where `out` has a maximum.
 */
int enc_pprof(const struct profile *p, int zlib_level, struct buf *out);

#endif
