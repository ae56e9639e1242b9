/*
 * deliver.h - a finished profile becomes the answer, in the form that was asked for.
 */
#ifndef PPD_FCGI_DELIVER_H
#define PPD_FCGI_DELIVER_H

#include "fcgi/params.h"
#include "fcgi/profile.h"
#include "fcgi/reply.h"

/*
 * p: finished (profile_finish()), with its comments; malloc'ed, and taken in any case: it is
 * freed when the reply is. filename: static, the profile's name ("heap", "heap-delta"). The
 * reply is set: the profile, or an error.
 */
void deliver(const struct params *params, struct profile *p, const char *filename, struct reply *to);

#endif
