/*
 * enc_pprof.h - a profile as a gzipped protocol buffer, as google/pprof reads it.
 *
 * Field numbers are those of perftools.profiles.Profile (google/pprof,
 * proto/profile.proto). Messages are written one by one into zlib, and go out as they
 * are compressed. What readers demand, and this keeps to:
 *
 *   every location has a mapping and at least one line; all four has_* flags are
 *   set, so that no reader opens a local file instead of believing us;
 *   the main executable's mapping is the first, and where it is a PIE, carries
 *   link-time addresses with start = limit = offset = 0;
 *   no sample is without a location; no string stands twice in the table.
 */
#ifndef PPD_FCGI_ENC_PPROF_H
#define PPD_FCGI_ENC_PPROF_H

#include "fcgi/profile.h"
#include "fcgi/sink.h"

/*
 * Write the whole file. The profile has been finished (profile_finish()). zlib_level: 1-9. Returns
 * 0, or -ENOMEM or the sink's error, which is set in the sink too.
 */
int enc_pprof(const struct profile *p, int zlib_level, struct sink *to);

#endif
