#include "config.h"

#include "fcgi/handle.h"

#include <string.h>

#include "fcgi/page.h"

/* The page is always answered: what does not work is what it has to say. */
void
handle_index(const struct app *app, const struct request *req, const struct conf_node *node,
	     struct reply *to)
{
	static const char none[] =
		"no node is configured; set PPROF_TARGET, or add a [node NAME] section to pprofd.conf";
	static const char unknown[] =
		"the collector does not know this node; it reads pprofd.conf when it starts: restart it";
	struct page page = { .conf = app->conf, .node = node };
	struct refusal no;
	struct state s;

	page.below_nodes = !strncmp(req->path, "/nodes/", strlen("/nodes/"));
	if (state_get(&s, app, &no) < 0) {
		page.trouble = no.text;
	} else {
		page.state = &s;
		page.found = node ? state_find(&s, node->name) : NULL;
		page.trouble = page.found ? NULL : node ? unknown : none;
	}
	to->type = reply_html;
	page_write(&page, &to->body);
	state_fini(&s);
}
