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
handle_find(const struct app *app, const struct conf_node *node, struct state *s, struct refusal *no)
{
	const struct state_node *found;

	memset(s, 0, sizeof(*s));
	if (!node) {
		refusal_set(no, 503, 0,
			    "no node is configured; set PPROF_TARGET, or add a [node NAME] section to "
			    "pprofd.conf");
		return NULL;
	}
	if (state_get(s, app, no) < 0)
		return NULL;
	found = state_find(s, node->name);
	if (!found)
		refusal_set(no, 503, 0,
			    "the collector does not know node %s; it reads pprofd.conf when it starts: "
			    "restart it",
			    node->name);
	return found;
}

const struct state_node *
handle_node(const struct app *app, const struct conf_node *node, struct state *s, struct reply *to)
{
	struct refusal no;
	const struct state_node *found = handle_find(app, node, s, &no);

	if (!found)
		handle_refusal(to, &no);
	return found;
}
