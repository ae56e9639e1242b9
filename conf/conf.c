#include "config.h"

#include "conf/conf.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"

#ifndef PPD_SYSCONFDIR
#define PPD_SYSCONFDIR "/etc"
#endif
#ifndef PPD_RUNDIR
#define PPD_RUNDIR "/run/pprofd"
#endif

#define PID_HIGHEST 4194304 /* the kernel's PID_MAX_LIMIT on 64 bits (proc(5)) */
#define WORD_MAX 64         /* longer words are not compared with the right ones */

enum type {
	TYPE_STRING, /* char[CONF_STRING_MAX] */
	TYPE_NUMBER, /* uint32_t */
	TYPE_POWER,  /* uint32_t, a power of two */
	TYPE_BOOL,
};

static int check_bind(const char *value, struct err *why);
static int check_path(const char *value, struct err *why);
static int check_path_or_none(const char *value, struct err *why);
static int check_level(const char *value, struct err *why);
static int check_user(const char *value, struct err *why);
static int check_event(const char *value, struct err *why);
static int check_mode(const char *value, struct err *why);

/* Every key there is. Each default goes the way of a value from the file. */
static const struct key {
	const char *section, *name;
	enum type type;
	size_t offset;
	const char *env; /* NULL: none */
	const char *fallback;
	uint32_t min, max;                          /* of numbers */
	int (*check)(const char *value, struct err *why); /* of strings; NULL: any text */
	const char *help;
} keys[] = {
#define AT(field) offsetof(struct conf, field)
	{ "service", "port", TYPE_NUMBER, AT(port), "PPROF_PORT", "6060", 1, 65535, NULL,
	  "TCP port of the web server." },
	{ "service", "bind", TYPE_STRING, AT(bind), "PPROF_BIND", "127.0.0.1", 0, 0, check_bind,
	  "Address of the web server, IPv4 or IPv6. Others than loopback: put TLS and a password\n"
	  "in front first (lighttpd.conf shows how); a profile tells much about a program." },
	{ "service", "run_dir", TYPE_STRING, AT(run_dir), "PPROF_RUN_DIR", PPD_RUNDIR, 0, 0, check_path,
	  "Directory of the sockets between the processes." },
	{ "service", "log_level", TYPE_STRING, AT(log_level), "PPROF_LOG_LEVEL", "info", 0, 0, check_level,
	  "What is worth a line on standard error: error, warning, info or debug." },
	{ "service", "collector_user", TYPE_STRING, AT(collector_user), "PPROF_COLLECTOR_USER",
	  "pprofd-collector", 0, 0, check_user,
	  "The four users, by name or number, all different and none of them root." },
	{ "service", "symbolizer_user", TYPE_STRING, AT(symbolizer_user), "PPROF_SYMBOLIZER_USER",
	  "pprofd-symbolizer", 0, 0, check_user, NULL },
	{ "service", "fcgi_user", TYPE_STRING, AT(fcgi_user), "PPROF_FCGI_USER", "pprofd-fcgi", 0, 0,
	  check_user, NULL },
	{ "service", "web_user", TYPE_STRING, AT(web_user), "PPROF_WEB_USER", "pprofd-web", 0, 0, check_user,
	  NULL },

	{ "collector", "event", TYPE_STRING, AT(event), NULL, "task-clock", 0, 0, check_event,
	  "What is counted unless a request says event=: any name that libpfm4 knows. Scrapers\n"
	  "count on task-clock (CPU time)." },
	{ "collector", "hz", TYPE_NUMBER, AT(hz), NULL, "100", 1, 1000, NULL,
	  "Samples per second of CPU time, unless a request says hz=." },
	{ "collector", "mode", TYPE_STRING, AT(mode), "PPROF_MODE", "auto", 0, 0, check_mode,
	  "How a node is sampled. thread: an event for each thread on each CPU, which is exact for threads\n"
	  "that live. cpu: one for each CPU, filtered by a BPF program (CAP_BPF), for nodes of many threads,\n"
	  "or of threads that live a few milliseconds. auto: by thread as long as that sees enough." },
	{ "collector", "kernel", TYPE_BOOL, AT(kernel), NULL, "yes", 0, 0, NULL,
	  "Show kernel functions too, where the kernel permits it." },
	{ "collector", "max_seconds", TYPE_NUMBER, AT(max_seconds), "PPROF_MAX_SECONDS", "300", 1, 86400, NULL,
	  "Longest window that a request may ask for." },
	{ "collector", "max_windows", TYPE_NUMBER, AT(max_windows), NULL, "64", 1, 200, NULL,
	  "Windows open at a time, over all nodes; one more is answered with 503." },
	{ "collector", "max_events", TYPE_NUMBER, AT(max_events), NULL, "8000", 8, 1000000, NULL,
	  "perf event descriptors open at a time: threads x CPUs of what is being sampled." },
	{ "collector", "ring_kb", TYPE_POWER, AT(ring_kb), NULL, "2048", 64, 65536, NULL,
	  "Buffer of each CPU, in KiB, a power of two." },
	{ "collector", "stack_kb", TYPE_NUMBER, AT(stack_kb), NULL, "63", 1, 63, NULL,
	  "Bytes of stack copied with each sample, in KiB. What lies beyond is read later." },
	{ "collector", "memory_mb", TYPE_NUMBER, AT(memory_mb), NULL, "64", 8, 65536, NULL,
	  "Memory for a node's stacks and windows, half for each, in MiB." },
	{ "collector", "allow_arm", TYPE_BOOL, AT(allow_arm), NULL, "no", 0, 0, NULL,
	  "Let a request switch a Go node's block or mutex profile on for its window (block?arm=1):\n"
	  "one word of the node's memory is written, and put back at the window's end. For nodes of\n"
	  "other users the collector then needs CAP_DAC_OVERRIDE too." },

	{ "symbolizer", "debug_dir", TYPE_STRING, AT(debug_dir), NULL, "", 0, 0, check_path_or_none,
	  "One more directory laid out as /usr/lib/debug is, to look for debug files in." },
	{ "symbolizer", "max_children", TYPE_NUMBER, AT(max_children), NULL, "16", 1, 256, NULL,
	  "Jailed readers at a time; each reads one object. The least recently used goes first." },
	{ "symbolizer", "answers_mb", TYPE_NUMBER, AT(answers_mb), NULL, "64", 1, 65536, NULL,
	  "Memory for names already found, in MiB." },
	{ "symbolizer", "child_memory_mb", TYPE_NUMBER, AT(child_memory_mb), NULL, "1024", 64, 65536, NULL,
	  "Address space of a reader beyond the sizes of its files, in MiB." },
	{ "symbolizer", "child_seconds", TYPE_NUMBER, AT(child_seconds), NULL, "20", 1, 600, NULL,
	  "CPU seconds that a reader may spend on one question." },

	{ "web", "cmdline", TYPE_BOOL, AT(cmdline), NULL, "no", 0, 0, NULL,
	  "Show the node's arguments at /debug/pprof/cmdline. No: only its name; arguments often\n"
	  "hold secrets." },
	{ "web", "captures", TYPE_NUMBER, AT(captures), NULL, "32", 0, 256, NULL,
	  "Captures kept for /debug/pprof/captures, in memory; the oldest goes first. 0: none." },
	{ "web", "captures_mb", TYPE_NUMBER, AT(captures_mb), NULL, "64", 1, 65536, NULL,
	  "Memory for them, in MiB; one of many stacks and long names takes a few." },
	{ "web", "captures_minutes", TYPE_NUMBER, AT(captures_minutes), NULL, "60", 1, 10080, NULL,
	  "How long a capture is kept after its end, in minutes." },
#undef AT
};

#define KEYS (sizeof(keys) / sizeof(keys[0]))

/* The ways to name a process. `rest` judges what is behind the colon. */
static int check_comm(const char *value, struct err *why);
static int check_unit(const char *value, struct err *why);

static const struct target_kind {
	const char *name; /* with its colon */
	int (*rest)(const char *value, struct err *why);
} target_kinds[] = {
	{ "name:", check_comm },    { "exe:", check_path },    { "pidfile:", check_path },
	{ "unit:", check_unit },    { "cgroup:", check_path },
};

#define TARGET_KINDS (sizeof(target_kinds) / sizeof(target_kinds[0]))

/* ---- the nearest right word */

/* How many letters must be changed, put in or left out; a swap of neighbours is one. Bounded by WORD_MAX. */
static size_t
distance(const char *a, const char *b)
{
	size_t n = strlen(a), m = strlen(b);
	size_t d[3][WORD_MAX + 1]; /* the last rows: i - 2, i - 1, i */

	if (n > WORD_MAX || m > WORD_MAX)
		return WORD_MAX;
	for (size_t j = 0; j <= m; j++)
		d[0][j] = d[1][j] = j;
	for (size_t i = 1; i <= n; i++) {
		size_t *row = d[(i + 1) % 3], *up = d[i % 3], *two_up = d[(i + 2) % 3];

		row[0] = i;
		for (size_t j = 1; j <= m; j++) {
			size_t best = up[j - 1] + (a[i - 1] != b[j - 1]);

			if (up[j] + 1 < best)
				best = up[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    two_up[j - 2] + 1 < best)
				best = two_up[j - 2] + 1;
			row[j] = best;
		}
	}
	return d[(n + 1) % 3][m];
}

/* Near enough to be what was meant: a third of the letters may be wrong. */
static bool
is_near(const char *word, const char *right, size_t *best)
{
	size_t d = distance(word, right), len = strlen(right);

	if (d >= *best || d > (len < 6 ? 2 : len / 3) || d >= len)
		return false;
	*best = d;
	return true;
}

static int
unknown_key(const char *section, const char *name, struct err *why)
{
	const struct key *near = NULL;
	size_t best = WORD_MAX;

	for (size_t i = 0; i < KEYS; i++)
		if (strcmp(keys[i].section, section) == 0 && is_near(name, keys[i].name, &best))
			near = &keys[i];
	if (near)
		return err_set(why, -EINVAL, "[%s] %s: unknown key; did you mean \"%s\"?", section, name,
			       near->name);
	for (size_t i = 0; i < KEYS; i++)
		if (is_near(name, keys[i].name, &best))
			near = &keys[i];
	if (near)
		return err_set(why, -EINVAL, "[%s] %s: unknown key; did you mean \"%s\" of [%s]?", section,
			       name, near->name, near->section);
	return err_set(why, -EINVAL, "[%s] %s: unknown key", section, name);
}

static int
unknown_section(const char *section, struct err *why)
{
	static const char *const others[] = { "service", "collector", "symbolizer", "web", "node NAME" };
	const char *near = NULL;
	size_t best = WORD_MAX;

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (is_near(section, others[i], &best))
			near = others[i];
	if (near)
		return err_set(why, -EINVAL, "[%s]: unknown section; did you mean [%s]?", section, near);
	return err_set(why, -EINVAL,
		       "[%s]: unknown section; there are [service], [collector], [symbolizer], [web] and [node NAME]",
		       section);
}

/* ---- what a value must look like */

static int
check_bind(const char *value, struct err *why)
{
	unsigned char addr[sizeof(struct in6_addr)];

	if (inet_pton(AF_INET, value, addr) == 1 || inet_pton(AF_INET6, value, addr) == 1)
		return 0;
	return err_set(why, -EINVAL, "\"%s\" is not an address such as 127.0.0.1 or ::1", value);
}

static int
check_path(const char *value, struct err *why)
{
	if (*value != '/')
		return err_set(why, -EINVAL, "\"%s\" is not an absolute path", value);
	for (const char *p = value; *p; p++)
		if (iscntrl((unsigned char)*p))
			return err_set(why, -EINVAL, "a path with a control character");
	return 0;
}

static int
check_path_or_none(const char *value, struct err *why)
{
	return *value ? check_path(value, why) : 0;
}

static int
check_level(const char *value, struct err *why)
{
	if (log_level_parse(value) >= 0)
		return 0;
	return err_set(why, -EINVAL, "\"%s\" is not error, warning, info or debug", value);
}

/* Only its form: the user need not exist on the machine that checks the file. */
static int
check_user(const char *value, struct err *why)
{
	size_t len = strspn(value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");

	if (len == 0 || value[len] || len > 32 || *value == '-')
		return err_set(why, -EINVAL, "\"%s\" is not a user's name or number", value);
	if (strcmp(value, "root") == 0 || strspn(value, "0") == len)
		return err_set(why, -EINVAL, "pprofd does not run as root, but as users of its own");
	return 0;
}

/* libpfm4 knows whether there is such an event; here only what may stand in a name. */
static int
check_event(const char *value, struct err *why)
{
	for (const char *p = value; *p; p++)
		if (!isgraph((unsigned char)*p))
			return err_set(why, -EINVAL, "\"%s\" is not the name of an event", value);
	if (!*value)
		return err_set(why, -EINVAL, "no event; the usual one is task-clock");
	return 0;
}

static int
check_mode(const char *value, struct err *why)
{
	if (!strcmp(value, "auto") || !strcmp(value, "thread") || !strcmp(value, "cpu"))
		return 0;
	return err_set(why, -EINVAL, "\"%s\" is not auto, thread or cpu", value);
}

static int
check_comm(const char *value, struct err *why)
{
	bool plain = *value != '\0';

	for (const char *p = value; *p; p++)
		if (iscntrl((unsigned char)*p) || *p == '/')
			plain = false;
	if (plain)
		return 0;
	return err_set(why, -EINVAL, "name: needs a process name as ps -o comm shows it; a path goes behind exe:");
}

/* systemd.unit(5): the name's letters, and the types that hold processes. */
static int
check_unit(const char *value, struct err *why)
{
	static const char *const types[] = { ".service", ".scope", ".slice" };
	size_t len = strlen(value);

	if (len == strspn(value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:_.\\@-"))
		for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
			if (len > strlen(types[i]) && strcmp(value + len - strlen(types[i]), types[i]) == 0)
				return 0;
	return err_set(why, -EINVAL, "unit: needs a unit's full name, such as redis-server.service");
}

static int
check_pid(const char *value, struct err *why)
{
	unsigned long pid = strlen(value) <= 7 ? strtoul(value, NULL, 10) : 0;

	if (pid >= 1 && pid <= PID_HIGHEST)
		return 0;
	return err_set(why, -EINVAL, "\"%s\": a process number is 1 to %d", value, PID_HIGHEST);
}

/* Not a known kind: say what was probably meant. */
static int
unknown_target(const char *target, struct err *why)
{
	const char *colon = strchr(target, ':');
	const char *near = NULL;
	size_t best = WORD_MAX;
	char word[WORD_MAX];

	if (*target == '/')
		return err_set(why, -EINVAL, "\"%s\": did you mean \"exe:%.200s\"?", target, target);
	if (!colon && *target)
		return err_set(why, -EINVAL, "\"%s\": did you mean \"name:%.200s\"?", target, target);
	if (colon) {
		snprintf(word, sizeof(word), "%.*s:", (int)(colon - target), target);
		for (size_t i = 0; i < TARGET_KINDS; i++)
			if (is_near(word, target_kinds[i].name, &best))
				near = target_kinds[i].name;
	}
	if (near)
		return err_set(why, -EINVAL, "\"%s\": did you mean \"%s%.200s\"?", target, near, colon + 1);
	return err_set(why, -EINVAL, "\"%s\" is none of PID, name:COMM, exe:/PATH, pidfile:/PATH, "
		       "unit:NAME.service, cgroup:/PATH", target);
}

int
conf_target_check(const char *target, struct err *why)
{
	if (*target && target[strspn(target, "0123456789")] == '\0')
		return check_pid(target, why);
	for (size_t i = 0; i < TARGET_KINDS; i++) {
		size_t len = strlen(target_kinds[i].name);

		if (strncmp(target, target_kinds[i].name, len) == 0)
			return target_kinds[i].rest(target + len, why);
	}
	return unknown_target(target, why);
}

/* ---- one value into its field */

static int
set_number(const struct key *k, uint32_t *field, const char *value, struct err *why)
{
	unsigned long long n = 0;
	size_t len = strspn(value, "0123456789");

	if (len == 0 || value[len])
		return err_set(why, -EINVAL, "\"%s\" is not a whole number", value);
	errno = 0;
	n = strtoull(value, NULL, 10);
	if (errno || n < k->min || n > k->max)
		return err_set(why, -EINVAL, "%s is not within %u to %u", value, k->min, k->max);
	if (k->type == TYPE_POWER && (n & (n - 1)))
		return err_set(why, -EINVAL, "%s is not a power of two", value);
	*field = (uint32_t)n;
	return 0;
}

static int
set_bool(bool *field, const char *value, struct err *why)
{
	static const struct {
		const char *word;
		bool means;
	} words[] = { { "yes", true }, { "no", false },    { "true", true }, { "false", false },
		      { "on", true },  { "off", false },   { "1", true },    { "0", false } };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcasecmp(value, words[i].word) == 0) {
			*field = words[i].means;
			return 0;
		}
	}
	return err_set(why, -EINVAL, "\"%s\" is not yes or no", value);
}

static int
set_string(char *field, const char *value, int (*check)(const char *, struct err *), struct err *why)
{
	size_t len = strlen(value);
	int r;

	if (len >= CONF_STRING_MAX)
		return err_set(why, -EINVAL, "longer than %d bytes", CONF_STRING_MAX - 1);
	r = check ? check(value, why) : 0;
	if (r < 0)
		return r;
	memcpy(field, value, len + 1);
	return 0;
}

static int
key_set(const struct key *k, struct conf *c, const char *value, struct err *why)
{
	void *field = (char *)c + k->offset;

	switch (k->type) {
	case TYPE_NUMBER:
	case TYPE_POWER:
		return set_number(k, field, value, why);
	case TYPE_BOOL:
		return set_bool(field, value, why);
	case TYPE_STRING:
		return set_string(field, value, k->check, why);
	}
	return -EINVAL;
}

/* ---- the file */

/* inih finds keys and values; lines and sections are seen by our reader as they pass, since
 * inih tells neither line numbers nor sections without a key (inih(3): INI_HANDLER_LINENO
 * is fixed when the library is built). */
struct parse {
	struct conf *conf;
	const char *name;  /* of the file, for messages */
	const char *rest;  /* of the text */
	unsigned int line; /* the one being looked at, from 1 */
	char section[CONF_NAME_MAX + sizeof("node ")];
	struct conf_node *node;               /* of a [node NAME] section, else NULL */
	bool seen[KEYS];                      /* keys set by this file */
	unsigned int node_line[CONF_NODES_MAX]; /* of its header */
	int failed;                           /* first error, in *why; the rest is not read */
	struct err *why;
};

static void
fail_at(struct parse *p, unsigned int line, int r)
{
	if (r >= 0 || p->failed)
		return;
	p->failed = r;
	err_in(p->why, "%s:%u", p->name, line);
}

/* A new [node NAME]. Returns 0 or -errno. */
static int
node_start(struct parse *p, const char *name)
{
	struct conf *c = p->conf;
	size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");

	/* "." and ".." would change the URL they stand in. */
	if (len == 0 || name[len] || strspn(name, ".") == len)
		return err_set(p->why, -EINVAL,
			       "[node %s]: a node's name is made of letters, digits, \".\", \"_\" and \"-\"", name);
	if (len >= CONF_NAME_MAX)
		return err_set(p->why, -EINVAL, "[node %s]: a node's name has at most %d bytes", name,
			       CONF_NAME_MAX - 1);
	for (size_t i = 0; i < c->n_nodes; i++)
		if (strcmp(c->nodes[i].name, name) == 0)
			return err_set(p->why, -EEXIST, "[node %s]: there is one already, at line %u", name,
				       p->node_line[i]);
	if (c->n_nodes == CONF_NODES_MAX)
		return err_set(p->why, -E2BIG, "[node %s]: more than %d nodes", name, CONF_NODES_MAX);
	p->node_line[c->n_nodes] = p->line;
	p->node = &c->nodes[c->n_nodes++];
	memset(p->node, 0, sizeof(*p->node));
	memcpy(p->node->name, name, len + 1);
	return 0;
}

/* A line "[section]". Returns 0 or -errno. */
static int
section_start(struct parse *p, const char *line)
{
	const char *end = strchr(line, ']');
	char section[WORD_MAX * 4];
	size_t len;

	p->node = NULL;
	if (!end)
		return err_set(p->why, -EINVAL, "a section's name without its \"]\"");
	len = (size_t)(end - line - 1);
	if (len >= sizeof(section))
		return err_set(p->why, -EINVAL, "a section's name of %zu bytes", len);
	memcpy(section, line + 1, len);
	section[len] = '\0';
	if (strncmp(section, "node", 4) == 0 && (section[4] == ' ' || section[4] == '\0')) {
		snprintf(p->section, sizeof(p->section), "%.*s", (int)sizeof(p->section) - 1, section);
		return node_start(p, section + 4 + strspn(section + 4, " "));
	}
	for (size_t i = 0; i < KEYS; i++) {
		if (strcmp(keys[i].section, section) == 0) {
			memcpy(p->section, section, len + 1);
			return 0;
		}
	}
	return unknown_section(section, p->why);
}

/* inih asks for a line: at most num - 1 bytes with the newline. NULL ends the file. */
static char *
next_line(char *buf, int num, void *arg)
{
	struct parse *p = arg;
	size_t len;

	if (p->failed || !*p->rest)
		return NULL;
	p->line++;
	/* An indented line would continue the value above it (inih's multi-line values). */
	p->rest += strspn(p->rest, " \t");
	len = strcspn(p->rest, "\n");
	if (len + 2 > (size_t)num) {
		fail_at(p, p->line, err_set(p->why, -EINVAL, "a line longer than %d bytes", num - 2));
		return NULL;
	}
	memcpy(buf, p->rest, len);
	buf[len] = '\0';
	p->rest += len + (p->rest[len] == '\n');
	if (*buf == '[')
		fail_at(p, p->line, section_start(p, buf));
	return p->failed ? NULL : buf;
}

static int
set_node_key(struct parse *p, const char *name, const char *value)
{
	if (strcmp(name, "target") != 0)
		return err_set(p->why, -EINVAL, "[%s] %s: unknown key; did you mean \"target\"?", p->section, name);
	if (*p->node->target)
		return err_set(p->why, -EEXIST, "[%s] target: given twice", p->section);
	if (set_string(p->node->target, value, conf_target_check, p->why) < 0)
		return err_in(p->why, "[%s] target", p->section);
	return 0;
}

static int
set_key(struct parse *p, const char *name, const char *value)
{
	for (size_t i = 0; i < KEYS; i++) {
		if (strcmp(keys[i].section, p->section) != 0 || strcmp(keys[i].name, name) != 0)
			continue;
		if (p->seen[i])
			return err_set(p->why, -EEXIST, "[%s] %s: given twice", p->section, name);
		p->seen[i] = true;
		if (key_set(&keys[i], p->conf, value, p->why) < 0)
			return err_in(p->why, "[%s] %s", p->section, name);
		return 0;
	}
	return unknown_key(p->section, name, p->why);
}

/* inih found "name = value". Returns 1, or 0 to mark the line as wrong. */
static int
found(void *arg, const char *section, const char *name, const char *value)
{
	struct parse *p = arg;
	int r;

	(void)section; /* inih keeps only its first 49 bytes */
	if (p->failed)
		return 0;
	if (p->node)
		r = set_node_key(p, name, value);
	else if (*p->section)
		r = set_key(p, name, value);
	else
		r = err_set(p->why, -EINVAL, "%s: a key before the first [section]", name);
	fail_at(p, p->line, r);
	return r == 0;
}

/* The defaults are a file of ours, so to speak. */
static int
set_defaults(struct conf *c, struct err *why)
{
	memset(c, 0, sizeof(*c));
	for (size_t i = 0; i < KEYS; i++) {
		int r = key_set(&keys[i], c, keys[i].fallback, why);

		if (r < 0)
			return err_in(why, "default of [%s] %s", keys[i].section, keys[i].name);
	}
	return 0;
}

static int
parse_text(struct conf *c, const char *name, const char *text, struct err *why)
{
	struct parse p = { .conf = c, .name = name, .rest = text, .why = why };
	int line;

	if (strncmp(text, "\xef\xbb\xbf", 3) == 0)
		p.rest += 3; /* some editors' mark of UTF-8 */
	line = ini_parse_stream(next_line, &p, found, &p);
	if (!p.failed && line > 0)
		fail_at(&p, (unsigned int)line,
			err_set(why, -EINVAL, "neither \"key = value\" nor \"[section]\" nor a comment (#)"));
	if (!p.failed && line < 0)
		return err_set(why, -ENOMEM, "%s", name);
	for (size_t i = 0; i < c->n_nodes && !p.failed; i++)
		if (!*c->nodes[i].target)
			fail_at(&p, p.node_line[i],
				err_set(why, -EINVAL, "[node %s]: no target; say for example \"target = name:%s\"",
					c->nodes[i].name, c->nodes[i].name));
	return p.failed;
}

/* ---- the whole */

/* Two processes of one user could do to each other what the users are there to prevent. */
static int
check_users(const struct conf *c, struct err *why)
{
	const char *const users[] = { c->collector_user, c->symbolizer_user, c->fcgi_user, c->web_user };
	static const char *const names[] = { "collector_user", "symbolizer_user", "fcgi_user", "web_user" };

	for (size_t i = 0; i < 4; i++)
		for (size_t j = i + 1; j < 4; j++)
			if (strcmp(users[i], users[j]) == 0)
				return err_set(why, -EINVAL, "[service] %s and %s are both \"%s\"; each process needs its own",
					       names[i], names[j], users[i]);
	return 0;
}

int
conf_parse(struct conf *c, const char *name, const char *text, struct err *why)
{
	int r;

	r = set_defaults(c, why);
	if (r == 0)
		r = parse_text(c, name, text, why);
	if (r == 0 && check_users(c, why) < 0)
		r = err_in(why, "%s", name);
	return r;
}

/* Returns the text (caller frees) or NULL with the reason. */
static char *
read_file(const char *path, struct err *why)
{
	char *text = NULL;
	struct stat st;
	ssize_t n, have = 0;
	int fd;

	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0) {
		err_sys(why, -errno, "%s", path);
		return NULL;
	}
	if (fstat(fd, &st) < 0 || S_ISDIR(st.st_mode)) {
		err_set(why, -EISDIR, "%s: not a file", path);
		goto fail;
	}
	text = malloc(CONF_FILE_MAX + 1);
	if (!text) {
		err_set(why, -ENOMEM, "%s", path);
		goto fail;
	}
	while ((n = read(fd, text + have, (size_t)(CONF_FILE_MAX + 1 - have))) > 0)
		have += n;
	if (n < 0)
		err_sys(why, -errno, "%s", path);
	else if (have > CONF_FILE_MAX)
		err_set(why, -EFBIG, "%s: longer than %d bytes", path, CONF_FILE_MAX);
	else if (memchr(text, 0, (size_t)have))
		err_set(why, -EINVAL, "%s: not a text file (a NUL byte)", path);
	else {
		text[have] = '\0';
		close(fd);
		return text;
	}
fail:
	free(text);
	close(fd);
	return NULL;
}

static const char *
from_env(const char *name)
{
	const char *value = getenv(name);

	return value && *value ? value : NULL;
}

static int
set_from_env(struct conf *c, struct err *why)
{
	const char *value;

	for (size_t i = 0; i < KEYS; i++) {
		value = keys[i].env ? from_env(keys[i].env) : NULL;
		if (value && key_set(&keys[i], c, value, why) < 0)
			return err_in(why, "%s", keys[i].env);
	}
	value = from_env("PPROF_TARGET");
	if (!value)
		return 0;
	if (set_string(c->nodes[0].target, value, conf_target_check, why) < 0)
		return err_in(why, "PPROF_TARGET");
	if (c->n_nodes == 0) {
		strcpy(c->nodes[0].name, "node");
		c->n_nodes = 1;
	}
	return 0;
}

int
conf_load(struct conf *c, const char *path, struct err *why)
{
	const char *named = path ? path : from_env("PPROF_CONF");
	struct err reason = { 0 };
	char *text;
	int r;

	r = set_defaults(c, why);
	if (r < 0)
		return r;
	text = read_file(named ? named : PPD_SYSCONFDIR "/pprofd/pprofd.conf", &reason);
	if (text) {
		r = parse_text(c, named ? named : PPD_SYSCONFDIR "/pprofd/pprofd.conf", text, why);
		free(text);
		if (r < 0)
			return r;
	} else if (named || reason.code != -ENOENT) {
		return err_set(why, reason.code, "%s%s", !path && named ? "PPROF_CONF: " : "", reason.text);
	}
	r = set_from_env(c, why);
	return r < 0 ? r : check_users(c, why);
}

/* ---- printing */

static void
value_text(const struct key *k, const struct conf *c, char out[CONF_STRING_MAX])
{
	const void *field = (const char *)c + k->offset;

	switch (k->type) {
	case TYPE_NUMBER:
	case TYPE_POWER:
		snprintf(out, CONF_STRING_MAX, "%u", *(const uint32_t *)field);
		break;
	case TYPE_BOOL:
		snprintf(out, CONF_STRING_MAX, "%s", *(const bool *)field ? "yes" : "no");
		break;
	case TYPE_STRING:
		snprintf(out, CONF_STRING_MAX, "%s", (const char *)field);
		break;
	}
}

static bool
starts_section(size_t i)
{
	return i == 0 || strcmp(keys[i].section, keys[i - 1].section) != 0;
}

void
conf_print(const struct conf *c)
{
	char value[CONF_STRING_MAX];

	for (size_t i = 0; i < KEYS; i++) {
		if (starts_section(i))
			printf("%s[%s]\n", i ? "\n" : "", keys[i].section);
		value_text(&keys[i], c, value);
		printf("%s = %s\n", keys[i].name, value);
	}
	for (size_t i = 0; i < c->n_nodes; i++)
		printf("\n[node %s]\ntarget = %s\n", c->nodes[i].name, c->nodes[i].target);
}

void
conf_print_env(const struct conf *c)
{
	char value[CONF_STRING_MAX];

	for (size_t i = 0; i < KEYS; i++) {
		if (!keys[i].env)
			continue;
		value_text(&keys[i], c, value);
		printf("%s='", keys[i].env);
		for (const char *p = value; *p; p++) {
			if (*p == '\'')
				printf("'\\''");
			else
				putchar(*p);
		}
		printf("'\n");
	}
	printf("PPROF_NODES='%zu'\n", c->n_nodes);
	printf(strchr(c->bind, ':') ? "PPROF_LISTEN='[%s]'\n" : "PPROF_LISTEN='%s'\n", c->bind);
}

static void
print_comment(const char *text)
{
	printf("\n# ");
	for (const char *p = text; *p; p++) {
		putchar(*p);
		if (*p == '\n')
			printf("# ");
	}
}

void
conf_print_keys(void)
{
	for (size_t i = 0; i < KEYS; i++) {
		const struct key *k = &keys[i];

		if (starts_section(i))
			printf("%s[%s]\n", i ? "\n" : "", k->section);
		if (k->help)
			print_comment(k->help);
		if (k->type == TYPE_NUMBER || k->type == TYPE_POWER)
			printf(" %u to %u.", k->min, k->max);
		if (k->help)
			putchar('\n');
		if (k->env)
			printf("# Variable: %s.\n", k->env);
		printf("#%s = %s\n", k->name, k->fallback);
	}
}
