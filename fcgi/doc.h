/*
 * doc.h - what every JSON form says before its own part.
 */
#ifndef PPD_FCGI_DOC_H
#define PPD_FCGI_DOC_H

#include "fcgi/form.h"
#include "fcgi/jsonw.h"

/* Open the document: its schema ("pprofd.top/1"), whose profile it is and when it was made. */
void doc_begin(struct jsonw *j, const struct form_of *of, struct sink *to, const char *schema);

/*
 * The chosen type, its unit, what frames are, and how much it is in all and of the stacks that match.
 * Where a sample is less than nothing, `signed` says so, and sizes stand beside the sums.
 */
void doc_type(struct jsonw *j, const struct view *v);

void doc_end(struct jsonw *j);

/* The name of a group: "function". */
const char *doc_group(enum frames_group group);

/* Part of a whole in percent; 0 of nothing. */
double doc_percent(int64_t part, uint64_t whole);

#endif
