/* Nearly all of the time in the kernel: reads of /dev/zero, 64 KB each. */
#include "target.h"

#include <fcntl.h>

static char buffer[65536];

NOINLINE long read_zeros(int fd);

long
read_zeros(int fd)
{
	long sum = 0;

	for (int i = 0; i < 100; i++)
		sum += (long)read(fd, buffer, sizeof(buffer));
	return sum;
}

int
main(int argc, char **argv)
{
	double end = target_begin(argc, argv);
	int fd = open("/dev/zero", O_RDONLY);
	long sum = 0;

	if (fd < 0)
		return 1;
	target_expect("\"shares\": {\"read_zeros\": 1.0}, \"systematic\": 0.02, \"kernel\": [\"read_zero\", \"vfs_read\"], "
	              "\"stacks\": [[\"read_zeros\", \"main\"]]");
	while (target_now() < end)
		sum += read_zeros(fd);
	target_keep((uint64_t)sum);
	return 0;
}
