/*
 * A parent that works and forks a child each 100 ms of its time; the child works 30 ms of its
 * own and exits. The node is the parent: the children are processes of their own.
 */
#include "target.h"

#include <sys/wait.h>

NOINLINE uint64_t parent_leaf(uint64_t x);
NOINLINE uint64_t child_leaf(uint64_t x);

uint64_t
parent_leaf(uint64_t x)
{
	return churn(x, TARGET_PIECE) + 1;
}

uint64_t
child_leaf(uint64_t x)
{
	return churn(x, TARGET_PIECE) + 2;
}

static void
work_ms(uint64_t (*leaf)(uint64_t), double ms)
{
	double end = target_now() + ms / 1000;
	uint64_t x = 1;

	while (target_now() < end)
		for (int i = 0; i < 16; i++)
			x = leaf(x);
	target_keep(x);
}

int
main(int argc, char **argv)
{
	double end = target_begin(argc, argv);

	target_expect("\"shares\": {\"parent_leaf\": 1.0}, \"systematic\": 0.05, \"never\": [\"child_leaf\"]");
	while (target_now() < end) {
		pid_t child = fork();

		if (child < 0)
			return 1;
		if (child == 0) {
			work_ms(child_leaf, 30);
			_exit(0);
		}
		work_ms(parent_leaf, 100);
		waitpid(child, NULL, 0);
	}
	return 0;
}
