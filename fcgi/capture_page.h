/*
 * capture_page.h - the page of one capture: how far it is, and at its end what it can be read as.
 *
 * While the capture runs the page stays open and gets a line each second; it needs no script for
 * that, and no second request. Who closes it ends nothing: the capture goes on.
 */
#ifndef PPD_FCGI_CAPTURE_PAGE_H
#define PPD_FCGI_CAPTURE_PAGE_H

#include "fcgi/app.h"
#include "fcgi/reply.h"
#include "fcgi/request.h"
#include "fcgi/store.h"

/* k: the hold is taken, and given back when the reply is freed; req: there until then. */
void capture_page(const struct app *app, const struct request *req, struct kept *k, struct reply *to);

/* "profile of node x, 30 s, page-faults at 99 Hz", fit for a text but not for markup. */
#define CAPTURE_PAGE_TITLE_MAX 512
void capture_page_title(const struct store_is *is, char to[CAPTURE_PAGE_TITLE_MAX]);

#endif
