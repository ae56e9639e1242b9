#include "config.h"

#include "symbolize/go_goroutines.h"

#include <errno.h>

int
go_goroutines_estimate(struct go_node *n, uint32_t duration_ms, struct reading_writer *w, struct err *why)
{
	(void)n;
	(void)duration_ms;
	(void)w;
	return err_set(why, -ENOTSUP, "not yet");
}
