#include "config.h"

#include "fcgi/schema.h"

#include <string.h>

#include "fcgi/jsonw.h"

static const struct {
	const char *file, *text;
} table[] = {
#include "fcgi/schema_bytes.h"
};

#define TABLE (sizeof(table) / sizeof(table[0]))

static const char reply_schema[] = "application/schema+json";

static const char *
schema_find(const char *name, const char *ending)
{
	size_t n = strlen(name);

	for (size_t i = 0; i < TABLE; i++)
		if (!strncmp(table[i].file, name, n) && !strcmp(table[i].file + n, ending))
			return table[i].text;
	return NULL;
}

const char *
schema_text(const char *name)
{
	return schema_find(name, ".json");
}

static void
schema_list(struct reply *to)
{
	struct sink sink;
	struct jsonw j;

	sink_init(&sink, sink_into_buf, &to->body);
	jsonw_init(&j, &sink);
	jsonw_list(&j, NULL);
	for (size_t i = 0; i < TABLE; i++)
		jsonw_text(&j, NULL, table[i].file);
	jsonw_list_end(&j);
	jsonw_newline(&j);
	sink_flush(&sink);
	to->type = reply_json;
}

void
schema_answer(const char *name, struct reply *to)
{
	const char *text = schema_find(name, "");

	if (!*name) {
		schema_list(to);
	} else if (!text) {
		reply_error(to, 404, "Unknown schema");
	} else {
		to->type = reply_schema;
		buf_text(&to->body, text);
	}
}
