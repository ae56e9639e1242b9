/* pprofd-conf - check pprofd.conf, and tell scripts what is in force. */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "conf/conf.h"

static const char usage[] =
	"usage: pprofd-conf [--env | --keys] [FILE]\n"
	"  Checks FILE (else PPROF_CONF, else " PPD_SYSCONFDIR "/pprofd/pprofd.conf) and the PPROF_*\n"
	"  variables, and prints what is in force.\n"
	"  --env   prints it as NAME='value' lines for a shell's eval\n"
	"  --keys  prints every key with its default and meaning\n";

int
main(int argc, char **argv)
{
	struct err why = { 0 };
	static struct conf c;
	const char *mode = "";

	if (argc > 1 && strncmp(argv[1], "--", 2) == 0) {
		mode = argv[1];
		argc--;
		argv++;
	}
	if (strcmp(mode, "--keys") == 0) {
		conf_print_keys();
		return 0;
	}
	if (argc > 2 || (*mode && strcmp(mode, "--env") != 0)) {
		fputs(usage, strcmp(mode, "--help") == 0 ? stdout : stderr);
		return strcmp(mode, "--help") == 0 ? 0 : 2;
	}
	if (conf_load(&c, argc == 2 ? argv[1] : NULL, &why) < 0) {
		fprintf(stderr, "pprofd-conf: %s\n", why.text);
		return 1;
	}
	if (*mode)
		conf_print_env(&c);
	else
		conf_print(&c);
	return 0;
}
