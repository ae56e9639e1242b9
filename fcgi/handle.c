#include "config.h"

#include "fcgi/handle.h"

#include <string.h>

void
handle_refusal(struct reply *to, const struct refusal *no)
{
	reply_error(to, no->status, "%s", no->text);
	to->retry_after_s = no->retry_after_s;
}

const struct state_node *
handle_node(const struct app *app, const struct conf_node *node, struct state *s, struct reply *to)
{
	const struct state_node *found;
	struct refusal no;

	memset(s, 0, sizeof(*s));
	if (!node) {
		reply_error(to, 503,
			    "no node is configured; set PPROF_TARGET, or add a [node NAME] section to "
			    "pprofd.conf");
		return NULL;
	}
	if (state_get(s, app, &no) < 0) {
		handle_refusal(to, &no);
		return NULL;
	}
	found = state_find(s, node->name);
	if (!found)
		reply_error(to, 503,
			    "the collector does not know node %s; it reads pprofd.conf when it starts: "
			    "restart it",
			    node->name);
	return found;
}
