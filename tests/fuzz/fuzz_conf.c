/* pprofd.conf: any text is either refused with a reason, or gives values within their bounds. */
#include "config.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "conf/conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct conf c;
	struct err why = { 0 };
	char *text = malloc(size + 1);

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	if (conf_parse(&c, "x", text, &why) < 0) {
		if (!*why.text)
			abort();
	} else if (c.hz < 1 || c.hz > 1000 || c.n_nodes > CONF_NODES_MAX || c.stack_kb > 63) {
		abort();
	}
	free(text);
	return 0;
}
