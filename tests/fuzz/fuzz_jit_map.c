/* perf-PID.map: lines are entries or are passed over; every found entry holds its address. */
#include "config.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "symbolize/jit_map.h"

#define ADDRESSES 32

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct jit_map *m;
	struct jit_name name;
	uint64_t addrs[ADDRESSES];
	uint32_t which[ADDRESSES];

	if (jit_map_new(&m) < 0)
		return 0;
	jit_map_add(m, (const char *)data, size);
	for (uint64_t i = 0; i < ADDRESSES; i++)
		addrs[i] = i < 16 ? i : i < 24 ? i << 12 : UINT64_MAX - (31 - i) * 16;
	if (jit_map_find(m, addrs, ADDRESSES, which) < 0)
		abort();
	for (size_t i = 0; i < ADDRESSES; i++) {
		const char *text;

		if (which[i] == JIT_MAP_NONE)
			continue;
		text = jit_map_name(m, which[i]);
		jit_name_parse(text, &name);
		if (name.name.n > strlen(text) && strncmp(name.name.at, "(anonymous)", name.name.n))
			abort();
		if (name.system_name.n > strlen(text) || name.file.n > strlen(text))
			abort();
	}
	jit_map_free(m);
	return 0;
}
