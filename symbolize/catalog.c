#include "config.h"

#include "symbolize/catalog.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void
catalog_init(struct catalog *c, size_t max)
{
	memset(c, 0, sizeof(*c));
	c->max = max;
}

static void
entry_free(struct entry *e)
{
	if (!e)
		return;
	if (e->fd >= 0)
		close(e->fd);
	free(e->path);
	free(e);
}

void
catalog_fini(struct catalog *c)
{
	for (size_t i = 0; i < c->n; i++)
		entry_free(c->at[i]);
	free(c->at);
	catalog_init(c, c->max);
}

struct entry *
catalog_find(const struct catalog *c, uint64_t id)
{
	for (size_t i = 0; i < c->n; i++)
		if (c->at[i]->owner && c->at[i]->id == id)
			return c->at[i];
	return NULL;
}

struct entry *
catalog_same(const struct catalog *c, const struct identity *who, const struct client *owner)
{
	/* Only a file has an identity that outlives its use. */
	if (who->kind != WIRE_MAP_FILE || !who->ino)
		return NULL;
	for (size_t i = 0; i < c->n; i++) {
		const struct identity *its = &c->at[i]->identity;

		if (c->at[i]->owner == owner && its->kind == who->kind && its->dev == who->dev &&
		    its->ino == who->ino && its->size == who->size && its->mtime_ns == who->mtime_ns)
			return c->at[i];
	}
	return NULL;
}

static void
forget(struct catalog *c, struct entry *e)
{
	for (size_t i = 0; i < c->n; i++) {
		if (c->at[i] != e)
			continue;
		c->at[i] = c->at[--c->n];
		entry_free(e);
		return;
	}
}

static void
forget_oldest(struct catalog *c)
{
	struct entry *oldest = NULL;

	for (size_t i = 0; i < c->n; i++)
		if (!c->at[i]->owner && (!oldest || c->at[i]->left_ns < oldest->left_ns))
			oldest = c->at[i];
	if (oldest)
		forget(c, oldest);
}

static struct entry *
add(struct catalog *c, const struct identity *identity)
{
	struct entry *e;

	if (c->n == c->cap) {
		size_t cap = c->cap ? c->cap * 2 : 64;
		struct entry **at = realloc(c->at, cap * sizeof(struct entry *));

		if (!at)
			return NULL;
		c->at = at;
		c->cap = cap;
	}
	e = calloc(1, sizeof(*e));
	if (!e)
		return NULL;
	e->fd = -1;
	e->identity = *identity;
	e->serial = ++c->next_serial;
	c->at[c->n++] = e;
	return e;
}

struct entry *
catalog_take(struct catalog *c, uint64_t id, const struct identity *identity, const char *path,
	     size_t path_n, int fd, struct client *owner)
{
	struct entry *e;
	char *copy;

	if (c->used == c->max)
		return NULL;
	copy = strndup(path, path_n);
	if (!copy)
		return NULL;
	e = catalog_same(c, identity, NULL);
	if (!e)
		e = add(c, identity);
	if (!e) {
		free(copy);
		return NULL;
	}
	free(e->path);
	e->path = copy;
	e->id = id;
	e->fd = fd;
	e->owner = owner;
	c->used++;
	return e;
}

void
catalog_leave(struct catalog *c, struct entry *e, uint64_t now_ns)
{
	if (e->fd >= 0)
		close(e->fd);
	e->fd = -1;
	e->owner = NULL;
	e->left_ns = now_ns;
	c->used--;
	if (e->identity.kind != WIRE_MAP_FILE || !e->identity.ino)
		forget(c, e);
	else if (c->n - c->used > c->max)
		forget_oldest(c);
}
