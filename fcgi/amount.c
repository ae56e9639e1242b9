#include "config.h"

#include "fcgi/amount.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

struct step {
	const char *name;
	double is; /* of the unit itself */
};

static const struct step nanoseconds[] = { { "s", 1e9 }, { "ms", 1e6 }, { "µs", 1e3 }, { "ns", 1 }, { 0 } };
static const struct step microseconds[] = { { "s", 1e6 }, { "ms", 1e3 }, { "µs", 1 }, { 0 } };
static const struct step milliseconds[] = { { "s", 1e3 }, { "ms", 1 }, { 0 } };
static const struct step seconds[] = { { "s", 1 }, { 0 } };
static const struct step bytes[] = { { "TiB", 1099511627776.0 },
				     { "GiB", 1073741824 },
				     { "MiB", 1048576 },
				     { "KiB", 1024 },
				     { "B", 1 },
				     { 0 } };

static const struct {
	const char *unit;
	const struct step *steps;
} units[] = {
	{ "nanoseconds", nanoseconds },
	{ "microseconds", microseconds },
	{ "milliseconds", milliseconds },
	{ "seconds", seconds },
	{ "bytes", bytes },
};

const char *
amount_text(char to[AMOUNT_MAX], int64_t value, const char *unit)
{
	const struct step *step = NULL;

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]) && !step; i++)
		if (!strcmp(units[i].unit, unit))
			step = units[i].steps;
	if (!step) {
		snprintf(to, AMOUNT_MAX, "%lld", (long long)value);
		return to;
	}
	while (step[1].name && fabs((double)value) < step->is)
		step++;
	snprintf(to, AMOUNT_MAX, step->is == 1 ? "%.0f %s" : "%.2f %s", (double)value / step->is,
		 step->name);
	return to;
}
