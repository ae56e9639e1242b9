#include "config.h"

#include "base/reading.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* The arrays: where the head tells of each, how large an element is, and where the user finds it. */
static const struct {
	const char *name;
	size_t span, size, at;
} arrays[] = {
#define ARRAY(field) { #field, offsetof(struct reading_head, field), \
		       sizeof(*((struct reading *)NULL)->field), offsetof(struct reading, field) }
	ARRAY(pcs),    ARRAY(stacks),  ARRAY(buckets),      ARRAY(goroutines), ARRAY(label_sets),
	ARRAY(labels), ARRAY(strings), ARRAY(string_bytes), ARRAY(notes),
#undef ARRAY
};

static int
wrong(struct err *why, const char *what)
{
	return err_set(why, -EBADMSG, "reading: %s do not fit the file", what);
}

static int
find_arrays(struct reading *r, struct err *why)
{
	const char *base = (const char *)r->head;

	for (size_t i = 0; i < COUNT(arrays); i++) {
		struct reading_span span;
		const void *at;

		memcpy(&span, base + arrays[i].span, sizeof(span));
		if (span.at % 8 || span.at < sizeof(struct reading_head) || span.at > r->mapped ||
		    span.n > (r->mapped - span.at) / arrays[i].size || span.n >= UINT32_MAX)
			return wrong(why, arrays[i].name);
		at = base + span.at;
		memcpy((char *)r + arrays[i].at, &at, sizeof(at));
	}
	return 0;
}

/* One follows the other, and together they are all. */
static bool
follow(uint64_t *next, uint32_t first, uint32_t n, uint32_t most)
{
	if (first != *next || n > most)
		return false;
	*next += n;
	return true;
}

static int
check_lists(const struct reading *r, struct err *why)
{
	const struct reading_head *h = r->head;
	uint64_t next = 0;

	for (uint64_t i = 0; i < h->stacks.n; i++)
		if (!follow(&next, r->stacks[i].first, r->stacks[i].n, READING_STACK_MAX))
			return wrong(why, "stacks");
	if (next != h->pcs.n)
		return wrong(why, "pcs");
	next = 0;
	for (uint64_t i = 0; i < h->label_sets.n; i++)
		if (!follow(&next, r->label_sets[i].first, r->label_sets[i].n, READING_LABELS_MAX))
			return wrong(why, "label sets");
	if (next != h->labels.n || h->label_sets.n == 0 || r->label_sets[0].n != 0)
		return wrong(why, "labels");
	next = 0;
	for (uint64_t i = 0; i < h->strings.n; i++)
		if (!follow(&next, r->strings[i].first, r->strings[i].n, READING_STRING_MAX))
			return wrong(why, "strings");
	if (next != h->string_bytes.n || h->strings.n == 0 || r->strings[0].n != 0)
		return wrong(why, "strings");
	return 0;
}

static int
check_references(const struct reading *r, struct err *why)
{
	const struct reading_head *h = r->head;

	for (uint64_t i = 0; i < h->buckets.n; i++)
		if (r->buckets[i].stack >= h->stacks.n || r->buckets[i].labels >= h->label_sets.n)
			return wrong(why, "buckets");
	for (uint64_t i = 0; i < h->goroutines.n; i++) {
		const struct reading_goroutine *g = &r->goroutines[i];

		if (g->stack >= h->stacks.n || g->labels >= h->label_sets.n || g->state >= h->strings.n)
			return wrong(why, "goroutines");
	}
	for (uint64_t i = 0; i < h->labels.n; i++)
		if (r->labels[i].key >= h->strings.n || r->labels[i].value >= h->strings.n)
			return wrong(why, "labels");
	for (uint64_t i = 0; i < h->notes.n; i++)
		if (r->notes[i] >= h->strings.n)
			return wrong(why, "notes");
	return h->version < h->strings.n ? 0 : wrong(why, "versions");
}

static int
check(struct reading *r, struct err *why)
{
	const struct reading_head *h = r->head;
	int e;

	if (h->magic != READING_MAGIC || h->kind >= READING_KINDS || h->bytes != r->mapped)
		return err_set(why, -EBADMSG, "reading: the header does not fit the file");
	/* Not a number is neither. */
	if (!(h->ticks_per_second >= 0 && h->ticks_per_second <= 1e15))
		return err_set(why, -EBADMSG, "reading: impossible ticks a second");
	e = find_arrays(r, why);
	if (e == 0)
		e = check_lists(r, why);
	return e == 0 ? check_references(r, why) : e;
}

int
reading_open(struct reading *r, int fd, struct err *why)
{
	int seals = fcntl(fd, F_GET_SEALS), e;
	struct stat st;
	void *at;

	memset(r, 0, sizeof(*r));
	if (seals < 0 || (seals & SEALS) != SEALS)
		return err_set(why, -EBADMSG, "reading: the file is not sealed");
	if (fstat(fd, &st) < 0)
		return err_sys(why, -errno, "reading: fstat");
	if ((uint64_t)st.st_size < sizeof(struct reading_head) || (uint64_t)st.st_size > READING_BYTES_MAX)
		return err_set(why, -EBADMSG, "reading: impossible size %lld", (long long)st.st_size);
	at = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED)
		return err_sys(why, -errno, "reading: mmap");
	r->head = at;
	r->mapped = (size_t)st.st_size;
	e = check(r, why);
	if (e < 0)
		reading_close(r);
	return e;
}

void
reading_close(struct reading *r)
{
	if (r->head)
		munmap((void *)(uintptr_t)r->head, r->mapped);
	memset(r, 0, sizeof(*r));
}

const char *
reading_string(const struct reading *r, uint32_t string, size_t *n)
{
	*n = r->strings[string].n;
	return r->string_bytes + r->strings[string].first;
}
