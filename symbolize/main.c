/*
 * pprofd-symbolizer - names for addresses.
 *
 * The parent: listens, becomes nobody in particular, enters its jail, serves.
 * Everything that a node wrote is read in children with a narrower jail.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/jail.h"
#include "base/log.h"
#include "base/privs.h"
#include "base/wire.h"
#include "conf/conf.h"
#include "symbolize/parent.h"

static const char usage[] =
	"Usage: pprofd-symbolizer [--conf FILE]\n"
	"Names functions, files and lines for pprofd-collector and pprofd-fcgi.\n"
	"\n"
	"  --conf FILE   read FILE instead of $PPROF_CONF or " PPD_SYSCONFDIR "/pprofd/pprofd.conf\n"
	"  --version     print the version and exit\n"
	"  --help        print this and exit\n";

/* Returns -1 to go on, or an exit status. */
static int
options(int argc, char **argv, const char **conf)
{
	static const struct option longs[] = {
		{ "conf", required_argument, NULL, 'c' },
		{ "version", no_argument, NULL, 'V' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int o;

	while ((o = getopt_long(argc, argv, "c:Vh", longs, NULL)) != -1) {
		switch (o) {
		case 'c':
			*conf = optarg;
			break;
		case 'V':
			puts("pprofd-symbolizer " PACKAGE_VERSION);
			return 0;
		case 'h':
			fputs(usage, stdout);
			return 0;
		default:
			fputs(usage, stderr);
			return 2;
		}
	}
	if (optind == argc)
		return -1;
	fputs(usage, stderr);
	return 2;
}

/* The users whose processes may call. As root we know them all; started as somebody else (tests, a
 * unit of its own) those that there are, and ourselves. */
static int
callers(const struct conf *conf, struct parent_setup *setup, gid_t *fcgi_gid, struct err *why)
{
	bool root = geteuid() == 0;
	gid_t gid;
	int r;

	setup->collector_uid = setup->fcgi_uid = setup->own_uid = *fcgi_gid = (uid_t)-1;
	r = privs_user(conf->collector_user, &setup->collector_uid, &gid, why);
	if (r == 0 || !root)
		r = privs_user(conf->fcgi_user, &setup->fcgi_uid, fcgi_gid, why);
	if (root)
		return r;
	setup->own_uid = geteuid();
	return 0;
}

/*
 * The socket is the collector's by owner and fcgi's by group, so that the two of them, and nobody
 * else, may connect without sharing a group. Not as root: whoever shares our group.
 */
static int
listen_at(const struct conf *conf, const char *path, const struct parent_setup *setup, gid_t fcgi_gid,
	  struct err *why)
{
	bool root = geteuid() == 0;
	int sock;

	if (root && mkdir(conf->run_dir, 0751) < 0 && errno != EEXIST)
		return err_sys(why, -errno, "creating %s", conf->run_dir);
	sock = wire_listen(path, root ? fcgi_gid : (gid_t)-1, why);
	if (sock >= 0 && root && chown(path, setup->collector_uid, (gid_t)-1) < 0) {
		close(sock);
		return err_sys(why, -errno, "chown of %s", path);
	}
	return sock;
}

static int
start(struct service **s, const struct conf *conf, const char *path, struct err *why)
{
	struct parent_setup setup = {
		.max_children = conf->max_children,
		.answers_mb = conf->answers_mb,
		.child_memory_mb = conf->child_memory_mb,
		.child_seconds = conf->child_seconds,
	};
	uint64_t kept;
	gid_t fcgi_gid;
	int r;

	r = callers(conf, &setup, &fcgi_gid, why);
	if (r < 0)
		return r;
	setup.listener = listen_at(conf, path, &setup, fcgi_gid, why);
	if (setup.listener < 0)
		return setup.listener;
	r = parent_new(s, &setup, why);
	if (r == 0)
		r = privs_drop(conf->symbolizer_user, 0, &kept, why);
	if (r == 0)
		r = jail_enter(JAIL_SYMBOLIZER, why);
	return r;
}

int
main(int argc, char **argv)
{
	static struct conf conf;
	const char *file = NULL;
	struct service *s = NULL;
	char path[CONF_STRING_MAX + 32];
	struct err why;
	int r = options(argc, argv, &file);

	if (r >= 0)
		return r;
	log_start("pprofd-symbolizer", LOG_INFO);
	r = conf_load(&conf, file, &why);
	if (r < 0)
		goto out;
	r = log_level_parse(conf.log_level);
	log_start("pprofd-symbolizer", r < 0 ? LOG_INFO : (enum log_level)r);
	snprintf(path, sizeof(path), "%s/symbolizer.sock", conf.run_dir);
	r = start(&s, &conf, path, &why);
	if (r < 0)
		goto out;
#ifdef SANITIZERS
	log_warning("built with sanitizers: the jail only refuses a few calls");
#endif
	log_info("listening on %s; at most %u children of %u MB, answers %u MB", path, conf.max_children,
		 conf.child_memory_mb, conf.answers_mb);
	r = parent_run(s, &why);
	/* Where the directory is root's, whoever started us tidies up. */
	unlink(path);
out:
	if (r < 0)
		log_error("%s", why.text);
	else
		log_info("stopped");
	parent_free(s);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
