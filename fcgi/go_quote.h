/*
 * go_quote.h - strings as Go's %q and its runtime's print quote them.
 */
#ifndef PPD_FCGI_GO_QUOTE_H
#define PPD_FCGI_GO_QUOTE_H

#include <stdbool.h>
#include <stddef.h>

#include "fcgi/sink.h"

/* strconv.Quote: characters that can be printed stay, all else is \n, \x07, \u00ad, \U0010ffff. */
void go_quote(struct sink *to, const char *s, size_t n);

/* As the head of a goroutine's stack has labels: quoted where something is in it that is not
 * [0-9A-Za-z./_], and then all but ASCII escaped (runtime/traceback.go and print.go, 1.27). */
void go_quote_head(struct sink *to, const char *s, size_t n);

#endif
