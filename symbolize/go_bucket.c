#include "config.h"

#include "symbolize/go_bucket.h"

#include <errno.h>

bool
go_bucket_makes_sense(const struct go_bucket *b)
{
	return b->type >= GO_BUCKET_MEM && b->type <= GO_BUCKET_MUTEX && b->n_pcs <= GO_BUCKET_PCS_MAX;
}

/* Jenkins' one-at-a-time over words, as stkbucket() has it. */
bool
go_bucket_proves(const struct go_bucket *b, const uint64_t *pcs)
{
	uint64_t h = 0;

	for (uint64_t i = 0; i < b->n_pcs; i++) {
		h += pcs[i];
		h += h << 10;
		h ^= h >> 6;
	}
	h += b->size;
	h += h << 10;
	h ^= h >> 6;
	h += h << 3;
	h ^= h >> 11;
	return h == b->hash;
}

int
go_bucket_look(struct memory *mem, uint64_t addr)
{
	uint64_t pcs[GO_BUCKET_PCS_MAX];
	struct go_bucket b;
	int e;

	if (addr == 0 || addr % 8 != 0)
		return 0;
	e = memory_read(mem, addr, &b, sizeof(b));
	if (e == 0 && !go_bucket_makes_sense(&b))
		return 0;
	if (e == 0)
		e = memory_read(mem, addr + GO_BUCKET_HEAD, pcs, b.n_pcs * sizeof(pcs[0]));
	if (e < 0)
		return e == -ESRCH ? e : 0;
	return go_bucket_proves(&b, pcs) ? (int)b.type : 0;
}
