/*
 * libnode SECONDS LIBRARY...: loads the libraries and spends the same time in each of them, and
 * in own_leaf(). With "late" before the libraries they are loaded at SIGUSR1 only.
 */
#include "target.h"

#include <dlfcn.h>
#include <signal.h>
#include <string.h>

#define LIBRARIES_MAX 64

typedef uint64_t (*entry_fn)(uint64_t);

static entry_fn entries[LIBRARIES_MAX];
static unsigned int n_entries;
static volatile sig_atomic_t asked;

NOINLINE uint64_t own_leaf(uint64_t x);

static void
on_usr1(int sig)
{
	asked = sig;
}

uint64_t
own_leaf(uint64_t x)
{
	return churn(x, TARGET_PIECE) + 1;
}

static int
load(char **names)
{
	for (; *names && n_entries < LIBRARIES_MAX; names++) {
		void *h = dlopen(*names, RTLD_NOW | RTLD_LOCAL);
		void *f = h ? dlsym(h, "lib_entry") : NULL;

		if (!f) {
			fprintf(stderr, "libnode: %s\n", dlerror());
			return -1;
		}
		memcpy(&entries[n_entries++], &f, sizeof(f));
	}
	return 0;
}

static uint64_t
turn(uint64_t x)
{
	unsigned int which;

	target_random = churn(target_random, 1);
	which = (unsigned int)((target_random >> 32) % (n_entries + 1));
	return which < n_entries ? entries[which](x) + 1 : own_leaf(x) + 2;
}

int
main(int argc, char **argv)
{
	double end = target_begin(argc, argv);
	int late = argc > 2 && !strcmp(argv[2], "late");
	uint64_t x = 1;

	signal(SIGUSR1, on_usr1);
	if (!late && argc > 2 && load(argv + 2) < 0)
		return 1;
	target_expect("\"libraries\": %u, \"late\": %s", n_entries, late ? "true" : "false");
	while (target_now() < end) {
		if (asked && late) {
			late = 0;
			if (load(argv + 3) < 0)
				return 1;
		}
		for (int i = 0; i < 64; i++)
			x = turn(x);
	}
	target_keep(x);
	return 0;
}
