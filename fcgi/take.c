#include "config.h"

#include "fcgi/take.h"

#include <stdlib.h>

void
take_free(struct profile *p)
{
	if (!p)
		return;
	profile_fini(p);
	free(p);
}
