/*
 * exec_other SECONDS PROGRAM [ARGUMENT...]: works in before_exec() until SIGUSR1, then becomes
 * PROGRAM, with the same pid.
 */
#include "target.h"

#include <signal.h>

static volatile sig_atomic_t asked;

NOINLINE uint64_t before_exec(uint64_t x);

static void
on_usr1(int sig)
{
	asked = sig;
}

uint64_t
before_exec(uint64_t x)
{
	return churn(x, TARGET_PIECE) + 1;
}

int
main(int argc, char **argv)
{
	double end = target_begin(argc, argv);
	uint64_t x = 1;

	if (argc < 3)
		return 1;
	signal(SIGUSR1, on_usr1);
	target_expect("\"shares\": {\"before_exec\": 1.0}, \"systematic\": 0.01");
	while (target_now() < end && !asked)
		for (int i = 0; i < 64; i++)
			x = before_exec(x);
	target_keep(x);
	if (asked) {
		execv(argv[2], argv + 2);
		perror(argv[2]);
		return 1;
	}
	return 0;
}
