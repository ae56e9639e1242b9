#include "config.h"

#include "fcgi/handle.h"

#include <stdlib.h>

#include "fcgi/html.h"
#include "fcgi/overview.h"
#include "fcgi/page.h"
#include "fcgi/state_json.h"

/* Always answered: what does not work is what it has to say. format=json: the same for programs. */
void
handle_index(const struct app *app, const struct request *req, const struct conf_node *node,
	     struct reply *to)
{
	struct overview *o;
	struct params params;
	struct err why;

	if (params_parse(&params, req, app->conf->max_seconds, &why) < 0) {
		reply_error(to, 400, "%s", why.text);
		return;
	}
	o = malloc(sizeof(*o));
	if (!o) {
		reply_error(to, 503, "out of memory");
		return;
	}
	overview_get(o, app, req, node);
	if (params.form->schema) {
		state_json(o, &to->body);
		to->type = reply_json;
		to->schema = "state-1";
	} else {
		page_write(o, &to->body);
		to->type = reply_html;
		to->policy = html_policy;
	}
	overview_fini(o);
	free(o);
}
