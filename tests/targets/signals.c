/*
 * Time in a signal handler, also on its own stack: a timer of CPU time interrupts work() and
 * the handler works until it has taken its third. The frames below a handler's are those of the
 * code that was interrupted, at any instruction.
 */
#include "target.h"

#include <signal.h>
#include <string.h>
#include <sys/time.h>

static char other_stack[65536];
static volatile uint64_t handled;

NOINLINE void on_timer(int sig);
NOINLINE uint64_t in_handler(uint64_t x);
NOINLINE uint64_t work(uint64_t x);

uint64_t
in_handler(uint64_t x)
{
	return churn(x, 150 * TARGET_PIECE) + 1;
}

void
on_timer(int sig)
{
	handled = in_handler(handled + (uint64_t)sig);
}

uint64_t
work(uint64_t x)
{
	return churn(x, TARGET_PIECE) + 2;
}

int
main(int argc, char **argv)
{
	double end = target_begin(argc, argv);
	struct itimerval every = { .it_interval = { 0, 9000 }, .it_value = { 0, 9000 } };
	struct sigaction action;
	stack_t stack = { .ss_sp = other_stack, .ss_size = sizeof(other_stack) };
	uint64_t x = 1;

	memset(&action, 0, sizeof(action));
	action.sa_handler = on_timer;
	action.sa_flags = SA_RESTART;
	if (argc > 2 && !strcmp(argv[2], "altstack")) {
		sigaltstack(&stack, NULL);
		action.sa_flags |= SA_ONSTACK;
	}
	sigaction(SIGPROF, &action, NULL);
	target_expect("\"stacks\": [[\"in_handler\", \"on_timer\"], [\"work\", \"main\"]], \"handler\": [\"in_handler\", \"main\"]");
	setitimer(ITIMER_PROF, &every, NULL);
	while (target_now() < end)
		for (int i = 0; i < 64; i++)
			x = work(x);
	target_keep(x);
	return 0;
}
