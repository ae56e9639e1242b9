#include "config.h"

#include "symbolize/go_allgs.h"

#include <errno.h>
#include <stdlib.h>

#define ROUNDS 8            /* until the list has not moved */
#define PART   (256u << 10) /* bytes read at a time */

struct slice {
	uint64_t at, len, cap;
};

/* A list that grows may be larger than when its head was read: that is fine. */
static int
read_list(const struct go_node *n, const struct slice *s, uint64_t *list)
{
	uint64_t bytes = s->len * sizeof(*list);

	for (uint64_t done = 0; done < bytes; done += PART) {
		uint64_t part = bytes - done < PART ? bytes - done : PART;
		int e = memory_read(n->mem, s->at + done, (char *)list + done, part);

		if (e < 0)
			return e;
	}
	return 0;
}

/* One try. Returns 1 when the list moved meanwhile. */
static int
try_list(const struct go_node *n, uint64_t **out, size_t *count, struct err *why)
{
	struct slice before, after;
	uint64_t *list = NULL;
	int e = memory_read(n->mem, n->roots.allgs, &before, sizeof(before));

	if (e == 0 && (before.at % 8 || before.len == 0 || before.len > before.cap))
		return 1;
	if (e == 0 && before.len > GO_GOROUTINES_MAX)
		return err_set(why, -E2BIG,
			       "the node has had %llu goroutines at a time; %u are read at the most",
			       (unsigned long long)before.len, GO_GOROUTINES_MAX);
	if (e == 0) {
		list = malloc(before.len * sizeof(*list));
		e = list ? read_list(n, &before, list) : -ENOMEM;
	}
	if (e == 0)
		e = memory_read(n->mem, n->roots.allgs, &after, sizeof(after));
	if (e == 0 && before.at == after.at) {
		*out = list;
		*count = before.len;
		return 0;
	}
	free(list);
	return e == 0 || e == -EFAULT ? 1 : err_sys(why, e, "reading the list of goroutines");
}

int
go_allgs_read(const struct go_node *n, uint64_t **out, size_t *count, struct err *why)
{
	int e = 1;

	if (!n->roots.allgs)
		return err_set(why, -ENOTSUP, "%s: the list of goroutines was not found", n->version);
	for (int i = 0; e > 0 && i < ROUNDS; i++)
		e = try_list(n, out, count, why);
	return e > 0 ? err_set(why, -EBADMSG, "the list of goroutines makes no sense") : e;
}

int
go_allgs_update(const struct go_node *n, uint64_t **list, size_t *count, struct err *why)
{
	struct slice now;
	uint64_t *more;
	size_t n_more;
	int e;

	if (*count > 0 && memory_read(n->mem, n->roots.allgs, &now, sizeof(now)) == 0 && now.len == *count)
		return 0;
	e = go_allgs_read(n, &more, &n_more, why);
	if (e < 0)
		return e;
	if (n_more < *count) {
		free(more);
		return err_set(why, -EBADMSG, "the list of goroutines has become shorter");
	}
	free(*list);
	*list = more;
	*count = n_more;
	return 0;
}
