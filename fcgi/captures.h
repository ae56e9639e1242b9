/*
 * captures.h - captures are begun, and answered while they are there.
 *
 *   POST captures ─► store_begin ─► 303 to captures/ID ─► on the same thread, when that answer is out:
 *                                                         the profile is taken ─► store_done or _fail
 */
#ifndef PPD_FCGI_CAPTURES_H
#define PPD_FCGI_CAPTURES_H

#include "fcgi/app.h"
#include "fcgi/intake.h"
#include "fcgi/jsonw.h"
#include "fcgi/params.h"
#include "fcgi/reply.h"
#include "fcgi/route.h"
#include "fcgi/store.h"

/*
 * Begin one: it runs when the reply has gone out (reply->after is set). is: what was begun. Returns 0,
 * or -errno with *no set.
 */
int captures_begin(const struct app *app, const struct conf_node *node, const struct route *route,
		   const struct params *params, struct reply *to, struct store_is *is, struct refusal *no);

/*
 * Hold one that is over; one that runs is waited for, as long as the client is there. Returns it, or NULL
 * with *no set: there is none, it failed, the client has gone.
 */
struct kept *captures_wait(const struct app *app, const struct request *req, const struct conf_node *node,
			   const char *id, struct refusal *no);
/* Hold one, however it is. */
struct kept *captures_find(const struct app *app, const struct conf_node *node, const char *id,
			   struct refusal *no);

/* What is known of one, as members of an object. */
void captures_json(struct jsonw *j, const struct store_is *is);

#endif
