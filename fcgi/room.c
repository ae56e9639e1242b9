#include "config.h"

#include "fcgi/room.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ITEMS_FIRST 16

int
room_take(struct room *r, size_t bytes)
{
	if (bytes > r->max - r->used)
		return -ENOMEM;
	r->used += bytes;
	return 0;
}

static int
room_double(struct room *r, void **at, uint32_t *cap, size_t size)
{
	uint32_t bigger = *cap ? *cap * 2 : ITEMS_FIRST;
	size_t more;
	void *moved;

	if (bigger <= *cap)
		return -ENOMEM;
	more = (size_t)(bigger - *cap) * size;
	if (room_take(r, more) < 0)
		return -ENOMEM;
	moved = realloc(*at, (size_t)bigger * size);
	if (!moved) {
		r->used -= more;
		return -ENOMEM;
	}
	*at = moved;
	*cap = bigger;
	return 0;
}

void *
room_add(struct room *r, void **at, uint32_t *n, uint32_t *cap, size_t size)
{
	void *item;

	if (*n == *cap && room_double(r, at, cap, size) < 0)
		return NULL;
	item = (char *)*at + (size_t)*n * size;
	memset(item, 0, size);
	++*n;
	return item;
}
