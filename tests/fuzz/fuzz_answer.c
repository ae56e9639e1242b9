/* An encoded answer, as a child that was taken over may send it to the parent. */
#include "config.h"

#include <stdint.h>
#include <stdlib.h>

#include "symbolize/answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct answer_head a;
	struct cur c;

	cur_init(&c, data, size);
	while (cur_left(&c) && answer_head(&c, &a) == 0)
		if ((const uint8_t *)a.bytes < data || a.n == 0 ||
		    (const uint8_t *)a.bytes + a.n > data + size)
			abort();
	return 0;
}
