#include "config.h"

#include "symbolize/ticks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void
the_rate_is_the_same_over_a_short_and_a_long_time(void **state)
{
	struct ticks start, later;
	double near, far;

	(void)state;
	ticks_now(&start);
	near = ticks_per_second(&start);
	do
		ticks_now(&later);
	while (later.ns - start.ns < 100000000u);
	far = ticks_per_second(&start);
	assert_true(near > 1e6 && near < 1e11);
	assert_true(near / far > 0.999 && near / far < 1.001);
}

static void
ticks_do_not_go_back(void **state)
{
	struct ticks a, b;

	(void)state;
	ticks_now(&a);
	for (int i = 0; i < 1000; i++) {
		ticks_now(&b);
		assert_true(b.count >= a.count && b.ns >= a.ns);
		a = b;
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_rate_is_the_same_over_a_short_and_a_long_time),
		cmocka_unit_test(ticks_do_not_go_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
