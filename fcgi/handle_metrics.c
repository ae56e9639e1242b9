#include "config.h"

#include "fcgi/handle.h"

#include <stdlib.h>

#include "fcgi/metrics.h"
#include "fcgi/overview.h"

void
handle_metrics(const struct app *app, const struct request *req, const struct conf_node *node,
	       struct reply *to)
{
	struct overview *o = malloc(sizeof(*o));

	if (!o) {
		reply_error(to, 503, "out of memory");
		return;
	}
	overview_get(o, app, req, node);
	metrics_write(o, &to->body);
	to->type = metrics_type;
	overview_fini(o);
	free(o);
}
