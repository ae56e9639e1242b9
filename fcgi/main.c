/*
 * pprofd-fcgi - /debug/pprof for a web server, by FastCGI.
 *
 * Holds nothing: no capability, no file, no sight of the node. It asks the
 * collector for windows and the symbolizer for names, and writes profiles.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <grp.h>
#include <malloc.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/jail.h"
#include "base/log.h"
#include "base/privs.h"
#include "base/table.h"
#include "base/wire.h"
#include "conf/conf.h"
#include "fcgi/app.h"
#include "fcgi/fcgx.h"
#include "fcgi/gone.h"
#include "fcgi/pool.h"
#include "fcgi/store.h"

/* libfcgi waits for descriptors with select(), which writes past its set for larger ones. */
#define DESCRIPTORS_MAX 1024
/* For short questions while all windows are open, some captures of snapshots run, and people look at them. */
#define THREADS_MORE    48
#define THREADS_MAX     320 /* with three descriptors each, still below DESCRIPTORS_MAX */
#define STOP_MS         5000
#define MMAP_BYTES      (256 << 10)

static int stop_pipe[2] = { -1, -1 };

static void
on_stop(int sig)
{
	int saved = errno;

	(void)sig;
	/* Never read: it tells every thread, and stays told. */
	if (write(stop_pipe[1], "", 1) < 0)
		errno = saved;
	errno = saved;
}

static int
signals_catch(struct err *why)
{
	static const int stops[] = { SIGTERM, SIGINT, SIGHUP };
	struct sigaction act = { .sa_handler = on_stop };

	if (pipe2(stop_pipe, O_CLOEXEC | O_NONBLOCK) < 0)
		return err_sys(why, -errno, "pipe");
	sigemptyset(&act.sa_mask);
	for (size_t i = 0; i < sizeof(stops) / sizeof(stops[0]); i++)
		sigaction(stops[i], &act, NULL);
	act.sa_handler = SIG_IGN;
	sigaction(SIGPIPE, &act, NULL);
	sigaction(SIGUSR1, &act, NULL); /* libfcgi would stop accepting, without a word */
	return 0;
}

/* The web server's group may connect; where we are not root, only its members can be let in. */
static int
socket_share(const char *path, const struct conf *conf, struct err *why)
{
	uid_t ours = (uid_t)-1, web;
	gid_t gid, group;
	int r;

	r = privs_user(conf->web_user, &web, &gid, why);
	if (r < 0)
		return err_in(why, "web_user (PPROF_WEB_USER)");
	if (geteuid() == 0) {
		r = privs_user(conf->fcgi_user, &ours, &group, why);
		if (r < 0)
			return err_in(why, "fcgi_user (PPROF_FCGI_USER)");
	}
	if (chown(path, ours, gid) == 0)
		return 0;
	if (errno != EPERM)
		return err_sys(why, -errno, "chown %s", path);
	log_warning("%s stays closed to %s: this user is not a member of group %u", path, conf->web_user,
		    (unsigned int)gid);
	return 0;
}

static int
socket_listen(const char *path, const struct conf *conf, struct err *why)
{
	int sock = wire_listen_type(SOCK_STREAM, path, (gid_t)-1, why), r;

	if (sock < 0)
		return sock;
	r = socket_share(path, conf, why);
	if (r < 0) {
		close(sock);
		return r;
	}
	return sock;
}

/* Everything that needs rights or names; then there are none. */
static int
become_nobody(const struct conf *conf, struct err *why)
{
	struct rlimit limit = { DESCRIPTORS_MAX, DESCRIPTORS_MAX };
	uint64_t kept;
	int r;

	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		return err_sys(why, -errno, "descriptors limited to %d", DESCRIPTORS_MAX);
	r = privs_drop(conf->fcgi_user, 0, &kept, why);
	if (r < 0)
		return r;
	/* The hash's seed is drawn once, before there are threads. */
	hash_u64(0, 0);
	return jail_enter(JAIL_FCGI, why);
}

static struct store *
store_of(const struct conf *conf)
{
	const struct store_limits limits = {
		.count = conf->captures,
		.bytes = (uint64_t)conf->captures_mb << 20,
		.age_ms = (uint64_t)conf->captures_minutes * 60000,
	};

	return store_new(&limits);
}

static int
serve(const struct conf *conf, const char *path, struct err *why)
{
	struct app app = { .conf = conf, .statm_fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC) };
	struct gone gone;
	struct pool *pool;
	uint32_t threads = conf->max_windows + THREADS_MORE, left;
	int listener, r;

	if (threads > THREADS_MAX)
		threads = THREADS_MAX;
	listener = socket_listen(path, conf, why);
	if (listener < 0)
		return listener;
	gone_init(&gone);
	app.store = store_of(conf);
	if (!app.store)
		return err_set(why, -ENOMEM, "the store of captures");
	r = fcgx_start() < 0 ? err_set(why, -EIO, "libfcgi does not start") : signals_catch(why);
	if (r == 0)
		r = become_nobody(conf, why);
	if (r < 0)
		return r;
	app.gone = &gone;
	app.stop_fd = stop_pipe[0];
	r = pool_start(&app, listener, threads, &pool, why);
	if (r < 0)
		return r;
	log_info("ready: %u threads, %s", threads, path);
	while (poll(&(struct pollfd){ .fd = stop_pipe[0], .events = POLLIN }, 1, -1) < 0)
		;
	left = pool_stop(pool, STOP_MS);
	/* Where the directory is not ours, its owner removes it. */
	unlink(path);
	log_info("stopped, %u requests unanswered", left);
	return 0;
}

static int
usage(int status)
{
	fprintf(status ? stderr : stdout,
		"usage: pprofd-fcgi [--conf FILE]\n"
		"  --conf FILE  instead of %s/pprofd/pprofd.conf or PPROF_CONF\n"
		"  --version    print the version\n",
		PPD_SYSCONFDIR);
	return status;
}

int
main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "conf", required_argument, NULL, 'c' },
		{ "version", no_argument, NULL, 'V' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	static struct conf conf;
	char path[CONF_STRING_MAX + 16];
	const char *file = NULL;
	struct err why;
	int c;

	while ((c = getopt_long(argc, argv, "c:Vh", options, NULL)) != -1) {
		switch (c) {
		case 'c':
			file = optarg;
			break;
		case 'V':
			printf("pprofd-fcgi %s\n", PACKAGE_VERSION);
			return 0;
		case 'h':
			return usage(0);
		default:
			return usage(2);
		}
	}
	if (optind != argc)
		return usage(2);
	/* A large profile's memory goes back when it is freed, not to the thread that had it: else each of
	 * them keeps its own 30 MB (200,000 stacks, nine requests: 297 MB; with this, 85 MB). */
	mallopt(M_MMAP_THRESHOLD, MMAP_BYTES);
	log_start("pprofd-fcgi", LOG_INFO);
	if (conf_load(&conf, file, &why) < 0) {
		log_error("%s", why.text);
		return 1;
	}
	log_start("pprofd-fcgi", (enum log_level)log_level_parse(conf.log_level));
	snprintf(path, sizeof(path), "%s/fcgi.sock", conf.run_dir);
	if (serve(&conf, path, &why) < 0) {
		log_error("%s", why.text);
		return 1;
	}
	/* Threads that still answer end with the process. */
	_exit(0);
}
