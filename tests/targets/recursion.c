/*
 * recursion SECONDS FRAMES: all time in bottom(), FRAMES calls of descend() below main. Beyond
 * the profiler's limit of frames the stack must end in a frame that says so.
 */
#include "target.h"

NOINLINE uint64_t bottom(uint64_t x);
NOINLINE uint64_t descend(uint64_t x, unsigned int frames);

uint64_t
bottom(uint64_t x)
{
	for (int i = 0; i < 64; i++)
		x = churn(x, TARGET_PIECE) + 1;
	return x;
}

uint64_t
descend(uint64_t x, unsigned int frames)
{
	if (frames > 1)
		x = descend(x ^ frames, frames - 1);
	else
		x = bottom(x);
	/* Something to do after the call: else compilers make a loop of it. */
	target_keep(x);
	return x + frames;
}

int
main(int argc, char **argv)
{
	double end = target_begin(argc, argv);
	unsigned int frames = argc > 2 ? (unsigned int)atoi(argv[2]) : 600;
	uint64_t x = 1;

	/* Going down and up takes its time too: some 10 ns a call, of the 1 ms at the bottom. */
	target_expect("\"frames\": %u, \"shares\": {\"bottom\": 1.0, \"descend\": 1.0}, \"systematic\": %.2f", frames,
	              0.01 + frames / 60000.0);
	while (target_now() < end)
		x = descend(x, frames);
	target_keep(x);
	return 0;
}
