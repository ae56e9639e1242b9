/*
 * schema.h - the JSON Schemas of our documents, compiled in from conf/schemas/.
 *
 * Answers name theirs in a Link header (reply.h), and it can be fetched there: this process
 * opens no files.
 */
#ifndef PPD_FCGI_SCHEMA_H
#define PPD_FCGI_SCHEMA_H

#include <stddef.h>

#include "fcgi/reply.h"

/* Answer with the schema of that name ("top-1.json"), "" with a list of them, or with 404. */
void schema_answer(const char *name, struct reply *to);

/* The text of one ("top-1"), or NULL. */
const char *schema_text(const char *name);

#endif
