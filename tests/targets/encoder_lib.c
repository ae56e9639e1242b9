/* encoder_lib - the library of encoder_main. */
int encoder_library(int n);

int __attribute__((noinline)) encoder_library(int n)
{
	int product = 1;

	for (int i = 1; i < n; i++)
		product *= i ^ product;
	return product;
}
