/* A symbol's name: what comes back is never longer than the maximum, nor empty. */
#include "config.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "symbolize/chain.h"
#include "symbolize/demangle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena a;
	char *name = malloc(size + 1), *out = malloc(size + 1);

	if (!name || !out)
		abort();
	memcpy(name, data, size);
	name[size] = '\0';
	arena_init(&a, 1 << 20);
	if (strlen(demangle_short(&a, name)) > CHAIN_STRING_MAX || (*name && !*demangle_short(&a, name)))
		abort();
	if (demangle_simplify(name, strlen(name), out) > strlen(name))
		abort();
	arena_fini(&a);
	free(name);
	free(out);
	return 0;
}
