/*
 * state.h - which nodes there are and how they are, as the collector says.
 */
#ifndef PPD_FCGI_STATE_H
#define PPD_FCGI_STATE_H

#include <stdint.h>

#include "fcgi/client.h"
#include "fcgi/strings.h"

#define STATE_LIMITS_MAX 32
#define STATE_MEMORY_MAX (1u << 20) /* bytes of text */

/* WIRE_NODE; uint32_t fields named like strings are strings of struct state. */
struct state_node {
	uint16_t number; /* what the collector calls it */
	uint8_t state;   /* enum wire_node_state */
	uint32_t pid, threads, windows;
	uint64_t start_unix_ns;
	uint32_t name, target, comm, exe, runtime, why;
};

struct state {
	struct room room;
	struct strings strings;
	struct state_node nodes[CONF_NODES_MAX];
	uint32_t n_nodes;
	/* WIRE_SELF */
	uint32_t windows, windows_max;
	uint64_t samples, lost, cpu_ns, rss_bytes;
	uint32_t limits[STATE_LIMITS_MAX];
	uint32_t n_limits;
};

/* Ask and wait for the answer. Returns 0, or -errno with the reason in *no; state_fini() in
 * both cases. */
int state_get(struct state *s, const struct app *app, struct refusal *no);
void state_fini(struct state *s);

/* A node by name, or NULL. */
const struct state_node *state_find(const struct state *s, const char *name);
const char *state_string(const struct state *s, uint32_t string);

/* For state_get and tests: an empty state; one message of the answer into it. Returns 0, 1 after
 * the last message, or -EBADMSG or -ENOMEM. */
int state_init(struct state *s);
int state_take(struct state *s, uint16_t type, const void *body, size_t len);

#endif
