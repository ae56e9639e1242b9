/* Most of the time in the vdso: clock_gettime() over and over. */
#include "target.h"

NOINLINE double ask_clock(void);

double
ask_clock(void)
{
	double sum = 0;

	for (int i = 0; i < 1000; i++)
		sum += target_now();
	return sum;
}

int
main(int argc, char **argv)
{
	double end = target_begin(argc, argv);
	double sum = 0;

	target_expect("\"shares\": {\"ask_clock\": 1.0}, \"systematic\": 0.02, "
	              "\"stacks\": [[\"ask_clock\", \"main\"]], \"object\": \"[vdso]\", "
	              "\"any_of\": [\"__vdso_clock_gettime\", \"clock_gettime\"]");
	while (target_now() < end)
		sum += ask_clock();
	target_keep((uint64_t)sum);
	return 0;
}
