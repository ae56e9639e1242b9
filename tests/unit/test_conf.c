#include "config.h"

#include "conf/conf.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#ifndef TEST_SRCDIR
#define TEST_SRCDIR "."
#endif

static struct conf c;
static struct err why;

/* The text is refused with this sentence. */
static void
refused(const char *text, const char *sentence)
{
	why.text[0] = '\0';
	assert_true(conf_parse(&c, "x.conf", text, &why) < 0);
	assert_string_equal(why.text, sentence);
}

static void
an_empty_file_gives_the_defaults(void **state)
{
	(void)state;
	assert_int_equal(conf_parse(&c, "x.conf", "", &why), 0);
	assert_int_equal(c.port, 6060);
	assert_string_equal(c.bind, "127.0.0.1");
	assert_string_equal(c.event, "task-clock");
	assert_int_equal(c.hz, 100);
	assert_int_equal(c.max_seconds, 300);
	assert_true(c.kernel);
	assert_false(c.cmdline);
	assert_int_equal(c.n_nodes, 0);
}

static void
keys_comments_and_nodes_are_read(void **state)
{
	(void)state;
	assert_int_equal(conf_parse(&c, "x.conf",
				    "\xef\xbb\xbf# a comment\n"
				    "; another\n"
				    "[collector]\r\n"
				    "hz = 250\r\n"
				    "  kernel = no   ; and why\n"
				    "[web]\n"
				    "cmdline: Yes\n"
				    "[node redis-1]\n"
				    "target = name:redis-server\n"
				    "[node b_2.x]\n"
				    "target = unit:a@b.service",
				    &why),
			 0);
	assert_int_equal(c.hz, 250);
	assert_false(c.kernel);
	assert_true(c.cmdline);
	assert_int_equal(c.n_nodes, 2);
	assert_string_equal(c.nodes[0].name, "redis-1");
	assert_string_equal(c.nodes[0].target, "name:redis-server");
	assert_string_equal(c.nodes[1].name, "b_2.x");
	assert_string_equal(c.nodes[1].target, "unit:a@b.service");
}

static void
a_misspelt_key_is_told_the_right_one(void **state)
{
	(void)state;
	refused("[collector]\nhzz = 1\n", "x.conf:2: [collector] hzz: unknown key; did you mean \"hz\"?");
	refused("[collector]\nmax_second = 1\n",
		"x.conf:2: [collector] max_second: unknown key; did you mean \"max_seconds\"?");
	refused("[collector]\nkrenel = no\n", "x.conf:2: [collector] krenel: unknown key; did you mean \"kernel\"?");
	refused("[web]\nport = 1\n", "x.conf:2: [web] port: unknown key; did you mean \"port\" of [service]?");
	refused("[web]\nquite_something_else = 1\n", "x.conf:2: [web] quite_something_else: unknown key");
	refused("[node a]\ntagret = name:a\n", "x.conf:2: [node a] tagret: unknown key; did you mean \"target\"?");
}

static void
a_misspelt_section_is_told_the_right_one(void **state)
{
	(void)state;
	refused("# x\n\n[colector]\n", "x.conf:3: [colector]: unknown section; did you mean [collector]?");
	refused("[redis]\n", "x.conf:1: [redis]: unknown section; there are [service], [collector], "
			     "[symbolizer], [web] and [node NAME]");
	refused("hz = 1\n", "x.conf:1: hz: a key before the first [section]");
	refused("[web\n", "x.conf:1: a section's name without its \"]\"");
}

static void
a_bad_value_names_its_line_and_the_rule(void **state)
{
	(void)state;
	refused("[collector]\nhz = 1001\n", "x.conf:2: [collector] hz: 1001 is not within 1 to 1000");
	refused("[collector]\nhz = -1\n", "x.conf:2: [collector] hz: \"-1\" is not a whole number");
	refused("[collector]\nhz = 1e2\n", "x.conf:2: [collector] hz: \"1e2\" is not a whole number");
	refused("[collector]\nhz =\n", "x.conf:2: [collector] hz: \"\" is not a whole number");
	refused("[collector]\nhz = 99999999999999999999999\n",
		"x.conf:2: [collector] hz: 99999999999999999999999 is not within 1 to 1000");
	refused("[collector]\nring_kb = 1000\n", "x.conf:2: [collector] ring_kb: 1000 is not a power of two");
	refused("[collector]\nkernel = maybe\n", "x.conf:2: [collector] kernel: \"maybe\" is not yes or no");
	refused("[service]\nport = 0\n", "x.conf:2: [service] port: 0 is not within 1 to 65535");
	refused("[service]\nbind = localhost\n",
		"x.conf:2: [service] bind: \"localhost\" is not an address such as 127.0.0.1 or ::1");
	refused("[service]\nrun_dir = run\n", "x.conf:2: [service] run_dir: \"run\" is not an absolute path");
	refused("[service]\nlog_level = loud\n",
		"x.conf:2: [service] log_level: \"loud\" is not error, warning, info or debug");
	refused("[service]\nfcgi_user = root\n",
		"x.conf:2: [service] fcgi_user: pprofd does not run as root, but as users of its own");
	refused("[service]\nfcgi_user = 0\n",
		"x.conf:2: [service] fcgi_user: pprofd does not run as root, but as users of its own");
	refused("[collector]\nhz\n", "x.conf:2: neither \"key = value\" nor \"[section]\" nor a comment (#)");
}

static void
what_is_given_twice_is_refused(void **state)
{
	(void)state;
	refused("[collector]\nhz = 1\n[web]\n[collector]\nhz = 2\n", "x.conf:5: [collector] hz: given twice");
	/* An indented line is a line, not more of the one above. */
	refused("[collector]\nhz = 1\n\thz = 2\n", "x.conf:3: [collector] hz: given twice");
	refused("[node a]\ntarget = 1\ntarget = 2\n", "x.conf:3: [node a] target: given twice");
	refused("[node a]\ntarget = 1\n[node a]\ntarget = 2\n", "x.conf:3: [node a]: there is one already, at line 1");
	refused("[service]\nfcgi_user = 77\nweb_user = 77\n",
		"x.conf: [service] fcgi_user and web_user are both \"77\"; each process needs its own");
}

static void
a_nodes_name_may_stand_in_a_url(void **state)
{
	(void)state;
	refused("[node a/b]\n", "x.conf:1: [node a/b]: a node's name is made of letters, digits, \".\", \"_\" and \"-\"");
	refused("[node ..]\n", "x.conf:1: [node ..]: a node's name is made of letters, digits, \".\", \"_\" and \"-\"");
	refused("[node]\n", "x.conf:1: [node ]: a node's name is made of letters, digits, \".\", \"_\" and \"-\"");
	refused("[node redis]\n[web]\n",
		"x.conf:1: [node redis]: no target; say for example \"target = name:redis\"");
	refused("[node aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa]\ntarget=1\n",
		"x.conf:1: [node aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa]: "
		"a node's name has at most 63 bytes");
	/* inih keeps 49 bytes of a section's name; a longer one must come whole. */
	assert_int_equal(conf_parse(&c, "x.conf",
				    "[node aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab]\ntarget=1\n"
				    "[node aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaac]\ntarget=2\n",
				    &why),
			 0);
	assert_int_equal(strlen(c.nodes[0].name), 63);
	assert_string_equal(c.nodes[1].target, "2");
}

static void
more_nodes_than_the_maximum_are_refused(void **state)
{
	char text[CONF_NODES_MAX * 32 + 64], *p = text;

	(void)state;
	for (int i = 0; i <= CONF_NODES_MAX; i++)
		p += sprintf(p, "[node n%d]\ntarget = %d\n", i, i + 1);
	refused(text, "x.conf:129: [node n64]: more than 64 nodes");
}

static void
lines_of_any_length_are_safe(void **state)
{
	char text[8192];

	(void)state;
	for (size_t len = 180; len < 220; len++) {
		int r;

		memset(text, 'x', sizeof(text));
		memcpy(text, "[service]\nrun_dir = /", 21);
		strcpy(text + 10 + len, "\n[web]\ncmdline = yes\n");
		r = conf_parse(&c, "x.conf", text, &why);
		if (r == 0)
			assert_true(c.cmdline && strlen(c.run_dir) == len - 10);
		else
			assert_string_equal(why.text, "x.conf:2: a line longer than 198 bytes");
		assert_int_equal(r == 0, len <= 198);
	}
	memset(text, '[', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	assert_true(conf_parse(&c, "x.conf", text, &why) < 0);
}

static void
each_way_to_name_a_process_has_its_form(void **state)
{
	static const char *const good[] = { "1", "4194304", "name:redis-server", "name:a b", "exe:/usr/bin/x",
					    "pidfile:/run/x.pid", "unit:x.service", "unit:a@b.scope", "cgroup:/a/b" };
	static const char *const bad[] = { "", "0", "4194305", "name:", "name:a/b", "exe:x", "exe:", "pidfile:run",
					   "unit:x", "unit:.service", "unit:../x.service", "cgroup:x", "redis", "12x" };

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_int_equal(conf_target_check(good[i], &why), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(conf_target_check(bad[i], &why), -EINVAL);
	assert_int_equal(conf_target_check("redis", &why), -EINVAL);
	assert_string_equal(why.text, "\"redis\": did you mean \"name:redis\"?");
	assert_int_equal(conf_target_check("/usr/bin/x", &why), -EINVAL);
	assert_string_equal(why.text, "\"/usr/bin/x\": did you mean \"exe:/usr/bin/x\"?");
	assert_int_equal(conf_target_check("pid-file:/x", &why), -EINVAL);
	assert_string_equal(why.text, "\"pid-file:/x\": did you mean \"pidfile:/x\"?");
}

/* ---- conf_load: a file and the environment */

static char path[] = "/tmp/test_conf.XXXXXX";

static int
with_a_file(void **state)
{
	static const char text[] = "[service]\nport = 7070\n[node a]\ntarget = 1\n[node b]\ntarget = 2\n";
	int fd;

	(void)state;
	strcpy(path, "/tmp/test_conf.XXXXXX");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
	close(fd);
	setenv("PPROF_CONF", path, 1);
	unsetenv("PPROF_PORT");
	unsetenv("PPROF_TARGET");
	return 0;
}

static int
without_it(void **state)
{
	(void)state;
	unlink(path);
	unsetenv("PPROF_CONF");
	unsetenv("PPROF_PORT");
	unsetenv("PPROF_TARGET");
	return 0;
}

static void
the_environment_wins_over_the_file(void **state)
{
	(void)state;
	assert_int_equal(conf_load(&c, NULL, &why), 0);
	assert_int_equal(c.port, 7070);
	setenv("PPROF_PORT", "7071", 1);
	setenv("PPROF_TARGET", "name:x", 1);
	assert_int_equal(conf_load(&c, path, &why), 0);
	assert_int_equal(c.port, 7071);
	assert_int_equal(c.n_nodes, 2);
	assert_string_equal(c.nodes[0].name, "a");
	assert_string_equal(c.nodes[0].target, "name:x");
	assert_string_equal(c.nodes[1].target, "2");
	setenv("PPROF_PORT", "", 1); /* set and empty is not set */
	assert_int_equal(conf_load(&c, path, &why), 0);
	assert_int_equal(c.port, 7070);
}

static void
a_bad_variable_is_named(void **state)
{
	(void)state;
	setenv("PPROF_PORT", "65536", 1);
	assert_true(conf_load(&c, NULL, &why) < 0);
	assert_string_equal(why.text, "PPROF_PORT: 65536 is not within 1 to 65535");
	setenv("PPROF_PORT", "1", 1);
	setenv("PPROF_TARGET", "x", 1);
	assert_true(conf_load(&c, NULL, &why) < 0);
	assert_string_equal(why.text, "PPROF_TARGET: \"x\": did you mean \"name:x\"?");
}

static void
a_target_alone_makes_a_node(void **state)
{
	(void)state;
	setenv("PPROF_TARGET", "42", 1);
	assert_int_equal(conf_load(&c, "/dev/null", &why), 0);
	assert_int_equal(c.n_nodes, 1);
	assert_string_equal(c.nodes[0].name, "node");
	assert_string_equal(c.nodes[0].target, "42");
}

static void
a_file_that_cannot_be_read_is_said(void **state)
{
	(void)state;
	setenv("PPROF_CONF", "/nowhere/x.conf", 1);
	assert_int_equal(conf_load(&c, NULL, &why), -ENOENT);
	assert_string_equal(why.text, "PPROF_CONF: /nowhere/x.conf: No such file or directory");
	assert_int_equal(conf_load(&c, "/", &why), -EISDIR);
	assert_int_equal(conf_load(&c, "/dev/zero", &why), -EFBIG);
}

/* ---- the shipped file */

static char *
slurp(const char *name)
{
	char *text = calloc(1, CONF_FILE_MAX);
	FILE *f = fopen(name, "r");

	assert_non_null(text);
	assert_non_null(f);
	assert_true(fread(text, 1, CONF_FILE_MAX - 1, f) > 0);
	fclose(f);
	return text;
}

/* Its commented keys are the table's, all of them, with the true defaults. */
static void
the_example_file_tells_the_truth(void **state)
{
	char *text = slurp(TEST_SRCDIR "/conf/pprofd.conf");
	struct conf defaults;
	FILE *keys;
	char line[256];

	(void)state;
	assert_int_equal(conf_parse(&defaults, "x.conf", "", &why), 0);
	assert_int_equal(conf_parse(&c, "pprofd.conf", text, &why), 0);
	assert_int_equal(c.n_nodes, 0);

	keys = tmpfile();
	assert_non_null(keys);
	fflush(stdout);
	{
		int saved = dup(1);

		assert_true(dup2(fileno(keys), 1) == 1);
		conf_print_keys();
		fflush(stdout);
		dup2(saved, 1);
		close(saved);
	}
	rewind(keys);
	while (fgets(line, sizeof(line), keys)) {
		/* The directories are the build's; everything else stands there letter by letter. */
		if (strncmp(line, "#run_dir", 8) != 0 && !strstr(text, line))
			fail_msg("conf/pprofd.conf lacks: %s", line);
	}
	fclose(keys);

	/* "#key = value" lines and the node made real. */
	for (char *p = text; p && *p; p = strchr(p, '\n') ? strchr(p, '\n') + 1 : NULL)
		if (p[0] == '#' && p[1] != ' ' && p[1] != '\n')
			p[0] = ' ';
	assert_int_equal(conf_parse(&c, "pprofd.conf", text, &why), 0);
	assert_int_equal(c.n_nodes, 1);
	c.n_nodes = 0;
	memset(c.nodes, 0, sizeof(c.nodes));
	strcpy(c.run_dir, defaults.run_dir);
	assert_memory_equal(&c, &defaults, offsetof(struct conf, nodes));
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_file_gives_the_defaults),
		cmocka_unit_test(keys_comments_and_nodes_are_read),
		cmocka_unit_test(a_misspelt_key_is_told_the_right_one),
		cmocka_unit_test(a_misspelt_section_is_told_the_right_one),
		cmocka_unit_test(a_bad_value_names_its_line_and_the_rule),
		cmocka_unit_test(what_is_given_twice_is_refused),
		cmocka_unit_test(a_nodes_name_may_stand_in_a_url),
		cmocka_unit_test(more_nodes_than_the_maximum_are_refused),
		cmocka_unit_test(lines_of_any_length_are_safe),
		cmocka_unit_test(each_way_to_name_a_process_has_its_form),
		cmocka_unit_test_setup_teardown(the_environment_wins_over_the_file, with_a_file, without_it),
		cmocka_unit_test_setup_teardown(a_bad_variable_is_named, with_a_file, without_it),
		cmocka_unit_test_setup_teardown(a_target_alone_makes_a_node, with_a_file, without_it),
		cmocka_unit_test_setup_teardown(a_file_that_cannot_be_read_is_said, with_a_file, without_it),
		cmocka_unit_test(the_example_file_tells_the_truth),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
