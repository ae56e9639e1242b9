/*
 * perf records of any content, as the sampler takes them apart. The kernel writes them; what it
 * copies from the node (stack, names) is the node's. Input: type, misc (u16 each), the body.
 */
#include "config.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "collector/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Look at all of it, so that a sanitizer sees where it points. */
static uint64_t
sum(const void *p, size_t n)
{
	uint64_t total = 0;

	for (size_t i = 0; i < n; i++)
		total += ((const unsigned char *)p)[i];
	return total;
}

static uint64_t
take_sample(const struct perf_event_header *h)
{
	static struct record_sample s;

	if (record_sample(h, RECORD_SAMPLE_TYPE, &s) < 0)
		return 0;
	if (s.n_kernel > RECORD_KERNEL_MAX || s.user.stack_bytes > h->size)
		abort();
	return sum(s.user.stack, s.user.stack_bytes) + sum(s.user.chain, s.user.n_chain * sizeof(uint64_t)) +
	       sum(s.kernel, s.n_kernel * sizeof(s.kernel[0]));
}

static uint64_t
take_apart(const struct perf_event_header *h)
{
	struct record_mmap m;
	struct record_task t;
	struct record_comm c;
	uint64_t total = take_sample(h);

	if (record_mmap2(h, &m) == 0)
		total += strlen(m.path);
	if (record_comm(h, &c) == 0)
		total += strlen(c.comm);
	if (record_task(h, &t) == 0)
		total += t.tid;
	return total;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct perf_event_header h = { 0 };
	static volatile uint64_t sink;
	unsigned char *exact;

	if (size < 4 || size - 4 > 65535 - sizeof(h))
		return 0;
	memcpy(&h.type, data, 2);
	memcpy(&h.misc, data + 2, 2);
	h.size = (uint16_t)(sizeof(h) + size - 4);
	exact = malloc(h.size);
	if (!exact)
		return 0;
	memcpy(exact, &h, sizeof(h));
	memcpy(exact + sizeof(h), data + 4, size - 4);
	sink = sink + take_apart((const void *)exact);
	free(exact);
	return 0;
}
