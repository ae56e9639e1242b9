/*
 * conf.h - pprofd.conf and the environment that overrides it.
 *
 * INI. One table (conf.c) holds every key: section, name, environment variable,
 * default, bounds, help. An unknown key or a bad value is an error that names
 * the file, the line and the nearest right key. All three processes read the
 * same file and take from it what is theirs.
 */
#ifndef PPD_CONF_CONF_H
#define PPD_CONF_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define CONF_FILE_MAX 65536 /* bytes of a file that we are ready to read */
#define CONF_NODES_MAX 64
#define CONF_NAME_MAX 64    /* bytes of a node's name, with the NUL */
#define CONF_STRING_MAX 512 /* bytes of any other string, with the NUL (a line of the file: inih's 197) */

/* A [node NAME] section. */
struct conf_node {
	char name[CONF_NAME_MAX];     /* [A-Za-z0-9._-]+; it stands in URLs */
	char target[CONF_STRING_MAX]; /* PID, name:, exe:, pidfile:, unit:, cgroup: */
};

struct conf {
	/* [service] */
	uint32_t port;                    /* PPROF_PORT, 6060 */
	char bind[CONF_STRING_MAX];       /* PPROF_BIND, 127.0.0.1 */
	char run_dir[CONF_STRING_MAX];    /* PPROF_RUN_DIR; sockets live here */
	char log_level[CONF_STRING_MAX];  /* PPROF_LOG_LEVEL, "info" */
	char collector_user[CONF_STRING_MAX];  /* PPROF_COLLECTOR_USER; name or number */
	char symbolizer_user[CONF_STRING_MAX]; /* PPROF_SYMBOLIZER_USER */
	char fcgi_user[CONF_STRING_MAX];       /* PPROF_FCGI_USER */
	char web_user[CONF_STRING_MAX];        /* PPROF_WEB_USER (lighttpd's) */

	/* [collector] */
	char event[CONF_STRING_MAX];  /* default event, "task-clock" */
	uint32_t hz;                  /* 100; 1-1000 */
	char mode[CONF_STRING_MAX];   /* PPROF_MODE, "auto", "thread" or "cpu" */
	bool kernel;                  /* sample kernel frames where permitted, yes */
	uint32_t max_seconds;         /* PPROF_MAX_SECONDS, 300 */
	uint32_t max_windows;         /* 64 */
	uint32_t max_events;          /* perf descriptors, 8000 */
	uint32_t ring_kb;             /* a CPU's ring, 2048; a power of two */
	uint32_t stack_kb;            /* stack bytes copied with a sample, 63; 1-63 */
	uint32_t memory_mb;           /* a node's stacks and windows, half for each, 64 */
	bool allow_arm;               /* a request may set a Go node's profiling rates, no */

	/* [symbolizer] */
	char debug_dir[CONF_STRING_MAX]; /* another directory of debug files, "" */
	uint32_t max_children;           /* 16 */
	uint32_t answers_mb;             /* cache of answers, 64 */
	uint32_t child_memory_mb;        /* RLIMIT_AS of a child beyond its files' sizes, 1024 */
	uint32_t child_seconds;          /* CPU seconds a child may use for one request, 20 */

	/* [web] */
	uint32_t captures;            /* kept, 32; 0: none */
	uint32_t captures_mb;         /* memory for them, 64 */
	uint32_t captures_minutes;    /* kept so long after their end, 60 */
	bool cmdline;                 /* show arguments at /cmdline, no: only argv[0], the rest redacted */

	/* [node NAME] */
	struct conf_node nodes[CONF_NODES_MAX];
	size_t n_nodes;
};

/*
 * Defaults, then the file, then the environment. path NULL: PPROF_CONF, else
 * PPD_SYSCONFDIR/pprofd/pprofd.conf, which may be absent. PPROF_TARGET is the target of the first
 * node (made, with the name "node", where the file has none). A variable that is set and empty
 * counts as not set. Returns 0 or -errno with the reason, which names the line or the variable.
 */
int conf_load(struct conf *c, const char *path, struct err *why);

/* Defaults, then text as the file `name` would be; the environment is left alone. For tests. */
int conf_parse(struct conf *c, const char *name, const char *text, struct err *why);

/* Print what is in force on standard output, as a file that conf_load() would take. For -t. */
void conf_print(const struct conf *c);

/* The same as NAME='value' lines for a shell's eval: the keys that have a variable, and
 * PPROF_NODES, the number of nodes, and PPROF_LISTEN, the address as lighttpd wants it (an IPv6
 * one in brackets). For scripts that start what is not ours (lighttpd). */
void conf_print_env(const struct conf *c);

/* Print every key with its default and its help, as a commented file. For --help and the test
 * that holds conf/pprofd.conf against the table. */
void conf_print_keys(void);

/*
 * Is it one of the ways to name a node's process: a PID, name:COMM, exe:/PATH, pidfile:/PATH,
 * unit:NAME.service, cgroup:/PATH? Whether such a process exists is another question.
 * Returns 0, or -EINVAL with the reason.
 */
int conf_target_check(const char *target, struct err *why);

#endif
