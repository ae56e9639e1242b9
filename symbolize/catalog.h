/*
 * catalog.h - the objects that the collector has handed over.
 *
 * An object's identity is what the kernel says of its descriptor. One that
 * comes back (the collector was restarted, a node came again) gets its old
 * serial number, which keys the cache of answers.
 */
#ifndef PPD_SYMBOLIZE_CATALOG_H
#define PPD_SYMBOLIZE_CATALOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/wire.h"
#include "symbolize/source.h"

/* Objects in use, and as many again that are remembered. */
#define CATALOG_MAX      8192
#define CATALOG_PATH_MAX 4096

struct client;
struct reader;
struct request;

struct identity {
	enum wire_map_kind kind;
	uint64_t dev, ino, size, mtime_ns;
};

struct entry {
	uint64_t id;     /* the collector's number */
	uint64_t serial; /* ours; no two objects ever have the same */
	struct identity identity;
	char *path;               /* owned; what the kernel called it, without NULs */
	int fd;                   /* owned; -1: none */
	struct client *owner;     /* who handed it over; NULL: only remembered */
	struct reader *reader;    /* its child; NULL: none now */
	struct request *requests; /* for its names, oldest first */
	bool known;               /* the child has told the following */
	uint8_t flags;            /* WIRE_OBJECT_* */
	unsigned char build_id[IMAGE_BUILD_ID_MAX];
	size_t build_id_len;
	char note[SOURCE_NOTE_MAX];
	size_t note_len;
	uint64_t dead_until_ns; /* its child died: until then none is started */
	char dead_note[SOURCE_NOTE_MAX];
	uint64_t left_ns; /* when it was let go */
};

struct catalog {
	struct entry **at; /* owned */
	size_t n, cap;
	size_t used; /* of those, with an owner */
	size_t max;  /* of used */
	uint64_t next_serial;
};

void catalog_init(struct catalog *c, size_t max);
void catalog_fini(struct catalog *c);

/* The object in use with the collector's number, or NULL. */
struct entry *catalog_find(const struct catalog *c, uint64_t id);

/* The object with this identity that `owner` handed over (NULL: one that is only remembered), or
 * NULL. */
struct entry *catalog_same(const struct catalog *c, const struct identity *who, const struct client *owner);

/*
 * Take an object in use; id must not be in use. Takes fd where it returns an entry.
 * NULL: full, or no memory.
 */
struct entry *catalog_take(struct catalog *c, uint64_t id, const struct identity *identity,
			   const char *path, size_t path_n, int fd, struct client *owner);

/* The collector needs it no more: its descriptor is closed. It must have no reader and no requests.
 * It is remembered if it could come back; e is not valid afterwards. */
void catalog_leave(struct catalog *c, struct entry *e, uint64_t now_ns);

#endif
