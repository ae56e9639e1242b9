/*
 * One small library, built with -DLEAF=name many times over: for libnode to load. All its time
 * is in LEAF(), called by a static function that only .symtab names.
 */
#include "target.h"

uint64_t lib_entry(uint64_t x);
NOINLINE uint64_t LEAF(uint64_t x);

uint64_t
LEAF(uint64_t x)
{
	return churn(x, TARGET_PIECE) + 1;
}

static NOINLINE uint64_t
lib_static(uint64_t x)
{
	return LEAF(x + 1) * 3;
}

uint64_t
lib_entry(uint64_t x)
{
	return lib_static(x) + 2;
}
