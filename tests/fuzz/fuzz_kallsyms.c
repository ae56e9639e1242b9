/* The text of /proc/kallsyms. */
#include "config.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "symbolize/kallsyms.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint64_t addrs[] = { 0, 1, 16, 4096, 0xffffffff81000000, UINT64_MAX };
	struct kallsyms *k;
	struct err why;

	if (kallsyms_parse(&k, (const char *)data, size, &why) < 0)
		return 0;
	for (size_t i = 0; i < sizeof(addrs) / sizeof(addrs[0]); i++) {
		const char *name, *module;

		if (kallsyms_find(k, addrs[i], &name, &module) == 0 && (!*name || strlen(module) > size))
			abort();
	}
	kallsyms_free(k);
	return 0;
}
