/*
 * room.h - growing arrays that share one budget of memory.
 *
 * A request keeps what the collector and the symbolizer send it until the
 * answer is written. Neither is trusted with our memory: everything kept is
 * counted in one struct room, and what does not fit is refused.
 */
#ifndef PPD_FCGI_ROOM_H
#define PPD_FCGI_ROOM_H

#include <stddef.h>
#include <stdint.h>

struct room {
	size_t used; /* bytes */
	size_t max;
};

/* An array of `type`: LIST(struct x) xs = { 0 }; freed with free(xs.at). */
#define LIST(type)                                                                                         \
	struct {                                                                                           \
		type *at;                                                                                  \
		uint32_t n;                                                                                \
		uint32_t cap;                                                                              \
	}

/* One more item at the end, all zero: its address, or NULL when there is no room for it. */
#define LIST_ADD(room, list)                                                                               \
	((__typeof__((list)->at))room_add((room), (void **)(void *)&(list)->at, &(list)->n, &(list)->cap,  \
					  sizeof(*(list)->at)))

/* Count `bytes` that are kept elsewhere (a hash table's slots). Returns 0 or -ENOMEM. */
int room_take(struct room *r, size_t bytes);

/* What LIST_ADD does: *at has *n items of `size` bytes, and memory for *cap. */
void *room_add(struct room *r, void **at, uint32_t *n, uint32_t *cap, size_t size);

#endif
