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
 * reply is set: the profile, or an error. Of params only `form`, `view` and `query` count.
 */
void deliver(const struct params *params, struct profile *p, const char *filename, struct reply *to);

/*
 * The same for a profile that others hold too: nobody changes it, nor frees it, before release(ctx)
 * has been called, which happens once in any case: now, or when the reply is freed (whose request
 * must still be there then).
 */
void deliver_shared(const struct params *params, const struct profile *p, void (*release)(void *ctx),
		    void *ctx, const char *filename, struct reply *to);

/* Only what a header says of such an answer, for HEAD. */
void deliver_head(const struct params *params, const char *filename, struct reply *to);

#endif
