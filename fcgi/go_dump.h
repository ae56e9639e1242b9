/*
 * go_dump.h - goroutines one by one, as a Go program that dies shows them: debug=2.
 */
#ifndef PPD_FCGI_GO_DUMP_H
#define PPD_FCGI_GO_DUMP_H

#include "fcgi/go_text.h"

/* In the reading's order; the runtime's own are left out. */
void go_dump_write(const struct go_text *t, struct sink *to);

#endif
