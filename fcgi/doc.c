#include "config.h"

#include "fcgi/doc.h"

static const char *
doc_string(const struct profile *p, uint32_t string)
{
	return strings_get(&p->strings, string);
}

/* Left out where it is not known. */
static void
doc_known(struct jsonw *j, const struct profile *p, const char *name, uint32_t string)
{
	if (string)
		jsonw_text(j, name, doc_string(p, string));
}

static void
doc_target(struct jsonw *j, const struct profile *p)
{
	const struct profile_node *node = &p->node;

	jsonw_object(j, "target");
	doc_known(j, p, "name", node->name);
	if (node->pid)
		jsonw_int(j, "pid", node->pid);
	doc_known(j, p, "comm", node->comm);
	doc_known(j, p, "exe", node->exe);
	doc_known(j, p, "runtime", node->runtime);
	if (node->start_unix_ns)
		jsonw_time(j, "start_time", node->start_unix_ns);
	jsonw_object_end(j);
}

void
doc_begin(struct jsonw *j, const struct form_of *of, struct sink *to, const char *schema)
{
	const struct profile *p = of->p;

	jsonw_init(j, to);
	jsonw_object(j, NULL);
	jsonw_text(j, "schema", schema);
	jsonw_text(j, "profile", of->name);
	doc_target(j, p);
	jsonw_time(j, "time", p->window.start_unix_ns);
	jsonw_uint(j, "duration_ns", p->window.duration_ns);
}

void
doc_end(struct jsonw *j)
{
	jsonw_object_end(j);
	jsonw_newline(j);
}

void
doc_type(struct jsonw *j, const struct view *v)
{
	const struct profile_type *type = &v->p->types[v->type];

	jsonw_text(j, "sample_type", doc_string(v->p, type->type));
	jsonw_text(j, "unit", doc_string(v->p, type->unit));
	jsonw_text(j, "group", doc_group(v->frames.group));
	jsonw_int(j, "total", v->total[v->type]);
	jsonw_int(j, "matched", v->shown[v->type]);
	jsonw_bool(j, "signed", v->negative[v->type]);
	if (v->negative[v->type]) {
		jsonw_uint(j, "total_size", v->total_size[v->type]);
		jsonw_uint(j, "matched_size", v->shown_size[v->type]);
	}
}

const char *
doc_group(enum frames_group group)
{
	static const char *const names[] = {
		[FRAMES_UNSAID] = "",         [FRAMES_FUNCTION] = "function", [FRAMES_LINE] = "line",
		[FRAMES_ADDRESS] = "address", [FRAMES_THREAD] = "thread",     [FRAMES_EXACT] = "exact",
	};

	return names[group];
}

double
doc_percent(int64_t part, uint64_t whole)
{
	return whole ? 100.0 * (double)part / (double)whole : 0.0;
}
