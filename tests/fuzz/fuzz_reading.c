/*
 * A reading as a child that was taken over may write it: refused, or walked from end to end without a
 * bad access. Input: the file; its length in the head is set right, the rest is as it comes.
 */
#include "config.h"

#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/reading.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile uint64_t sink;

static uint64_t
add_stack(const struct reading *r, uint32_t stack)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < r->stacks[stack].n; i++)
		sum += READING_PC(r->pcs[r->stacks[stack].first + i]);
	return sum;
}

static uint64_t
add_string(const struct reading *r, uint32_t string)
{
	uint64_t sum = 0;
	size_t n;
	const char *s = reading_string(r, string, &n);

	for (size_t i = 0; i < n; i++)
		sum += (unsigned char)s[i];
	return sum;
}

static uint64_t
add_labels(const struct reading *r, uint32_t set)
{
	const struct reading_label_set *s = &r->label_sets[set];
	uint64_t sum = 0;

	for (uint32_t i = s->first; i < s->first + s->n; i++)
		sum += add_string(r, r->labels[i].key) + add_string(r, r->labels[i].value);
	return sum;
}

/* Everything that a user of readings may look at. */
static uint64_t
walk(const struct reading *r)
{
	const struct reading_head *h = r->head;
	uint64_t sum = add_string(r, h->version);

	if (h->kind >= READING_KINDS)
		abort();
	for (uint64_t i = 0; i < h->buckets.n; i++)
		sum += add_stack(r, r->buckets[i].stack) + add_labels(r, r->buckets[i].labels) +
		       (uint64_t)r->buckets[i].values[3];
	for (uint64_t i = 0; i < h->goroutines.n; i++)
		sum += add_stack(r, r->goroutines[i].stack) + add_labels(r, r->goroutines[i].labels) +
		       add_string(r, r->goroutines[i].state);
	for (uint64_t i = 0; i < h->notes.n; i++)
		sum += add_string(r, r->notes[i]);
	for (uint32_t i = 0; i < h->stacks.n; i++)
		sum += add_stack(r, i);
	for (uint32_t i = 0; i < h->strings.n; i++)
		sum += add_string(r, i);
	return sum;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint64_t bytes = size;
	struct reading r;
	int fd = memfd_create("reading", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	if (size >= sizeof(struct reading_head) &&
	    pwrite(fd, &bytes, sizeof(bytes), offsetof(struct reading_head, bytes)) != sizeof(bytes))
		abort();
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
		abort();
	if (reading_open(&r, fd, NULL) == 0) {
		sink += walk(&r);
		reading_close(&r);
	}
	close(fd);
	return 0;
}
