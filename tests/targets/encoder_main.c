/*
 * encoder_main - something to point a made-up profile at: its functions' addresses are read
 * with nm, and a profile of them must be listed and disassembled. It is never run.
 */
int encoder_library(int n);

static inline int __attribute__((always_inline)) encoder_inlined(int n)
{
	return n * 7 + (n >> 3);
}

int __attribute__((noinline)) encoder_hot(int n)
{
	int sum = 0;

	for (int i = 0; i < n; i++)
		sum += encoder_inlined(sum ^ i);
	return sum;
}

int
main(int argc, char **argv)
{
	(void)argv;
	return encoder_hot(argc) + encoder_library(argc);
}
