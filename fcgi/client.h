/*
 * client.h - a question to the collector or to the symbolizer, and the answers.
 *
 * One connection a question; closing it ends whatever is done for it.
 */
#ifndef PPD_FCGI_CLIENT_H
#define PPD_FCGI_CLIENT_H

#include <stdint.h>

#include "base/buf.h"
#include "base/wire.h"
#include "fcgi/app.h"
#include "fcgi/intake.h"

/* How long a question may take that needs no window. */
#define CLIENT_ASK_MS 3000

/* Connect to run_dir/collector.sock, non-blocking, and send one message. Returns the
 * descriptor, or -errno with what the client of the web server should be told in *no. */
int client_ask(const struct app *app, uint16_t type, const struct buf *body, struct refusal *no);
/* The same to run_dir/symbolizer.sock. */
int client_ask_symbolizer(const struct app *app, uint16_t type, const struct buf *body, struct refusal *no);

/*
 * The next message, waiting for it until `deadline_ms` (app_now_ms()). A descriptor that came
 * with it is closed. Returns 0, or a negative errno with *no set; a WIRE_REFUSED is -ECONNREFUSED.
 */
int client_next(int sock, struct wire_msg *m, uint64_t deadline_ms, struct refusal *no);

#endif
