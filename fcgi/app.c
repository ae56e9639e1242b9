#include "config.h"

#include "fcgi/app.h"

#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"

uint64_t
app_now_ms(void)
{
	return clock_ns(CLOCK_MONOTONIC) / 1000000u;
}

void
app_cost(const struct app *app, uint64_t *cpu_ns, uint64_t *rss_bytes)
{
	unsigned long long resident = 0;
	char statm[128];
	ssize_t n = app->statm_fd >= 0 ? pread(app->statm_fd, statm, sizeof(statm) - 1, 0) : -1;
	struct rusage ru;

	getrusage(RUSAGE_SELF, &ru);
	*cpu_ns = (uint64_t)(ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) * 1000000000u +
		  (uint64_t)(ru.ru_utime.tv_usec + ru.ru_stime.tv_usec) * 1000u;
	/* proc(5): pages in all, resident ones, ... */
	statm[n > 0 ? n : 0] = '\0';
	if (sscanf(statm, "%*u %llu", &resident) != 1)
		resident = 0;
	*rss_bytes = resident * (uint64_t)sysconf(_SC_PAGESIZE);
}
