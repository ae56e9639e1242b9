/*
 * pprofd-collector - samples the configured nodes. See ARCHITECTURE.md.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/jail.h"
#include "base/log.h"
#include "base/privs.h"
#include "base/wire.h"
#include "collector/arm.h"
#include "collector/event.h"
#include "collector/guardian.h"
#include "collector/limits.h"
#include "collector/link.h"
#include "collector/loop.h"
#include "collector/memories.h"
#include "collector/node.h"
#include "collector/objects.h"
#include "collector/serve.h"
#include "conf/conf.h"

#define NOFILE_WANTED 262144u
#define LIMITS_MAX 16
#define NICENESS (-10)
#define SWEEP_NS 10000000000u /* objects out of use for this long are closed */

struct collector {
	struct conf conf;
	struct loop loop;
	struct objects objects;
	struct memories memories;
	struct link link;
	struct arms arms;
	struct node nodes[CONF_NODES_MAX];
	struct service service;
	const char *limits[LIMITS_MAX];
	size_t n_limits;
	struct loop_fd signals;
	int guardian; /* a socket; -1 */
	struct loop_timer sweep;
	char socket_path[CONF_STRING_MAX + 32];
	char link_path[CONF_STRING_MAX + 32];
};

static const char usage[] =
	"usage: pprofd-collector [--conf FILE] [-t | --find]\n"
	"  --conf FILE  read FILE instead of " PPD_SYSCONFDIR "/pprofd/pprofd.conf\n"
	"  -t           check the configuration, print what is in force, and end\n"
	"  --find       print the pid of each node, or why there is none, and end\n"
	"  --version    print the version and end\n";

/* ---- --find */

static int
find_nodes(const struct conf *conf)
{
	int failed = 0;

	for (size_t i = 0; i < conf->n_nodes; i++) {
		struct target t;
		struct err why;
		pid_t pid;

		if (target_parse(&t, conf->nodes[i].target, &why) < 0)
			pid = -1;
		else
			pid = target_find(&t, &why);
		if (pid > 0) {
			printf("%s: pid %d\n", conf->nodes[i].name, (int)pid);
			continue;
		}
		fprintf(stderr, "%s: %s\n", conf->nodes[i].name, why.text);
		failed = 1;
	}
	return failed;
}

/* ---- the parts */

static void
collector_rows_changed(void *ctx)
{
	struct collector *c = ctx;

	for (size_t i = 0; i < c->conf.n_nodes; i++)
		node_rows_changed(&c->nodes[i]);
}

static void
collector_sweep(void *ctx)
{
	struct collector *c = ctx;

	memories_sweep(&c->memories, loop_now());
	objects_sweep(&c->objects, loop_now(), SWEEP_NS);
	loop_timer_start(&c->loop, &c->sweep, SWEEP_NS);
}

static void
collector_signal(void *ctx, uint32_t events)
{
	struct collector *c = ctx;

	(void)events;
	c->loop.stop = true;
}

static int
collector_signals(struct collector *c, struct err *why)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return err_sys(why, -errno, "signalfd");
	c->signals = (struct loop_fd){ .fd = fd, .ready = collector_signal, .ctx = c };
	return loop_add(&c->loop, &c->signals, EPOLLIN);
}

/* The kernel's names. Opened with CAP_SYSLOG, read by a child: kallsyms shows what its opener may see. */
static void
collector_open_kernel(struct collector *c)
{
	int fd = open("/proc/kallsyms", O_RDONLY | O_CLOEXEC);

	if (fd >= 0)
		c->objects.kernel = objects_get(&c->objects, WIRE_MAP_KERNEL, fd, 0, "[kernel.kallsyms]");
}

/* What an earlier collector has left in nodes is taken back, whatever is allowed now. Returns the
 * guardian's socket, or -1: nothing is armed. */
static int
collector_guardian(struct collector *c)
{
	struct err why;
	int fd = guardian_open(c->conf.run_dir, c->conf.allow_arm, &why);

	if (fd >= 0)
		fd = guardian_start(fd, c->conf.collector_user, &why);
	if (fd >= 0)
		return fd;
	if (c->conf.allow_arm)
		log_error("arm=1 will be refused: %s", why.text);
	return -1;
}

/* The socket's file, made while we may still choose its group; then the users and capabilities go. */
static int
collector_drop(struct collector *c, int *sock, struct err *why)
{
	uid_t fcgi;
	gid_t group;
	uint64_t kept;
	bool root = geteuid() == 0;
	int r;

	r = privs_user(c->conf.fcgi_user, &fcgi, &group, why);
	if (r < 0 && root)
		return r;
	if (r < 0) { /* run by hand, unprivileged: our own user is the client */
		fcgi = geteuid();
		group = (gid_t)-1;
	}
	c->service.client = fcgi;
	if (root && mkdir(c->conf.run_dir, 0751) == 0)
		log_debug("made %s", c->conf.run_dir);
	*sock = wire_listen(c->socket_path, root ? group : (gid_t)-1, why);
	if (*sock < 0)
		return *sock;
	/* A sample that is read late may miss the words of its stack. Ahead of others, for little time. */
	if (setpriority(PRIO_PROCESS, 0, NICENESS) < 0)
		log_debug("no right to a niceness of %d", NICENESS);
	privs_limit(RLIMIT_MEMLOCK, RLIM_INFINITY);
	privs_limit(RLIMIT_NOFILE, NOFILE_WANTED);
	r = event_start(why);
	if (r < 0)
		return r;
	c->guardian = collector_guardian(c);
	r = privs_drop(c->conf.collector_user, limits_capabilities() | (c->conf.allow_arm ? limits_arm_capabilities() : 0),
		       &kept, why);
	if (r < 0)
		return r;
	c->n_limits = limits_missing(kept, c->limits, LIMITS_MAX);
	for (size_t i = 0; i < c->n_limits; i++)
		log_warning("%s", c->limits[i]);
	return 0;
}

static int
collector_start(struct collector *c, struct err *why)
{
	int sock = -1, r;

	snprintf(c->socket_path, sizeof(c->socket_path), "%s/collector.sock", c->conf.run_dir);
	snprintf(c->link_path, sizeof(c->link_path), "%s/symbolizer.sock", c->conf.run_dir);
	r = collector_drop(c, &sock, why);
	if (r < 0)
		return r;
	r = loop_init(&c->loop, why);
	if (r == 0)
		r = collector_signals(c, why);
	if (r == 0)
		r = jail_enter(JAIL_COLLECTOR, why);
	if (r < 0)
		return r;
	objects_init(&c->objects);
	memories_init(&c->memories);
	collector_open_kernel(c);
	c->link.rows_changed = collector_rows_changed;
	c->link.ctx = c;
	link_start(&c->link, &c->loop, &c->objects, &c->memories, c->link_path, c->conf.debug_dir);
	c->arms.allowed = c->conf.allow_arm;
	arms_start(&c->arms, &c->loop, &c->link, &c->memories, c->guardian, c->conf.run_dir);
	for (size_t i = 0; i < c->conf.n_nodes; i++) {
		r = node_init(&c->nodes[i], &c->conf, (uint16_t)i, &c->loop, &c->objects, why);
		if (r < 0)
			return r;
		c->nodes[i].memories = &c->memories;
	}
	c->sweep = (struct loop_timer){ .fire = collector_sweep, .ctx = c };
	loop_timer_start(&c->loop, &c->sweep, SWEEP_NS);
	c->service.loop = &c->loop;
	c->service.conf = &c->conf;
	c->service.nodes = c->nodes;
	c->service.memories = &c->memories;
	c->service.arms = &c->arms;
	c->service.limits = c->limits;
	c->service.n_limits = c->n_limits;
	return serve_start(&c->service, sock, why);
}

static void
collector_stop(struct collector *c)
{
	serve_stop(&c->service);
	for (size_t i = 0; i < c->conf.n_nodes; i++)
		node_fini(&c->nodes[i]);
	arms_stop(&c->arms);
	link_stop(&c->link);
	memories_fini(&c->memories);
	objects_put(c->objects.kernel);
	objects_fini(&c->objects);
	loop_timer_stop(&c->loop, &c->sweep);
	loop_fini(&c->loop);
	unlink(c->socket_path);
}

/* Returns -1 to go on, else the exit status. */
static int
collector_options(int argc, char **argv, struct collector *c)
{
	static const struct option options[] = {
		{ "conf", required_argument, NULL, 'c' }, { "find", no_argument, NULL, 'f' },
		{ "version", no_argument, NULL, 'V' },    { "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	const char *path = NULL;
	int opt, test = 0, find = 0;
	struct err why;

	while ((opt = getopt_long(argc, argv, "c:th", options, NULL)) != -1) {
		switch (opt) {
		case 'c':
			path = optarg;
			break;
		case 't':
			test = 1;
			break;
		case 'f':
			find = 1;
			break;
		case 'V':
			puts("pprofd-collector " PACKAGE_VERSION);
			return 0;
		default:
			fputs(usage, opt == 'h' ? stdout : stderr);
			return opt == 'h' ? 0 : 2;
		}
	}
	if (conf_load(&c->conf, path, &why) < 0) {
		fprintf(stderr, "pprofd-collector: %s\n", why.text);
		return 2;
	}
	if (test) {
		conf_print(&c->conf);
		return 0;
	}
	return find ? find_nodes(&c->conf) : -1;
}

int
main(int argc, char **argv)
{
	static struct collector c;
	struct err why;
	int r;

	r = collector_options(argc, argv, &c);
	if (r >= 0)
		return r;
	r = log_level_parse(c.conf.log_level);
	log_start("pprofd-collector", r < 0 ? LOG_INFO : (enum log_level)r);
	if (collector_start(&c, &why) < 0) {
		log_error("%s", why.text);
		return 1;
	}
	log_info("%s, %zu nodes", c.socket_path, c.conf.n_nodes);
	r = loop_run(&c.loop, &why);
	if (r < 0)
		log_error("%s", why.text);
	collector_stop(&c);
	return r < 0 ? 1 : 0;
}
