/*
 * state_json.h - an overview as JSON (conf/schemas/state-1.json), for dashboards and scripts.
 */
#ifndef PPD_FCGI_STATE_JSON_H
#define PPD_FCGI_STATE_JSON_H

#include "base/buf.h"
#include "fcgi/overview.h"

void state_json(const struct overview *o, struct buf *to);

#endif
