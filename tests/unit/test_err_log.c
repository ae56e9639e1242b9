#include "config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/log.h"
#include "tests/unit/kid.h"

/* ---- err */

static void
an_error_holds_its_code_and_its_sentence(void **state)
{
	struct err why;

	(void)state;
	assert_int_equal(err_set(&why, -EINVAL, "hz: %d", 7), -EINVAL);
	assert_int_equal(why.code, -EINVAL);
	assert_string_equal(why.text, "hz: 7");
	assert_int_equal(err_sys(&why, -ENOENT, "open %s", "/x"), -ENOENT);
	assert_string_equal(why.text, "open /x: No such file or directory");
	assert_int_equal(err_in(&why, "node %s", "a"), -ENOENT);
	assert_string_equal(why.text, "node a: open /x: No such file or directory");
}

static void
long_sentences_are_cut_and_stay_text(void **state)
{
	char big[2 * ERR_TEXT_MAX];
	struct err why;

	(void)state;
	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	err_set(&why, -EINVAL, "%s", big);
	assert_int_equal(strlen(why.text), ERR_TEXT_MAX - 1);
	err_sys(&why, -EINVAL, "%s", big);
	assert_int_equal(strlen(why.text), ERR_TEXT_MAX - 1);
	assert_int_equal(err_in(&why, "%s", big), -EINVAL);
	assert_int_equal(strlen(why.text), ERR_TEXT_MAX - 1);
}

static void
who_does_not_ask_for_the_reason_gets_the_code(void **state)
{
	(void)state;
	assert_int_equal(err_set(NULL, -EINVAL, "x"), -EINVAL);
	assert_int_equal(err_sys(NULL, -EPERM, "x"), -EPERM);
	assert_true(err_in(NULL, "x") < 0);
}

/* ---- log */

static char line[4096];

/* What `say` writes on standard error, in `line`. Returns its length. */
static size_t
logged(void (*say)(void))
{
	int pipe_fd[2], saved = dup(STDERR_FILENO);
	ssize_t n;

	assert_int_equal(pipe(pipe_fd), 0);
	dup2(pipe_fd[1], STDERR_FILENO);
	say();
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(pipe_fd[1]);
	n = read(pipe_fd[0], line, sizeof(line) - 1);
	close(pipe_fd[0]);
	line[n > 0 ? n : 0] = '\0';
	return n > 0 ? (size_t)n : 0;
}

static void
say_hostile(void)
{
	log_error("node \"%s\"", "a\nb\x1b[2J\x7f\xc2\x9b" "31m\t");
}

static void
bytes_from_outside_reach_the_terminal_escaped(void **state)
{
	(void)state;
	log_start("test", LOG_DEBUG);
	logged(say_hostile);
	assert_string_equal(line, "test: error: node \"a\\x0ab\\x1b[2J\\x7f\\xc2\\x9b31m\\x09\"\n");
}

static void
say_all(void)
{
	log_error("1");
	log_warning("2");
	log_info("3");
	log_debug("4");
}

static void
only_what_is_important_enough_is_said(void **state)
{
	(void)state;
	log_start("test", LOG_WARNING);
	logged(say_all);
	assert_string_equal(line, "test: error: 1\ntest: warning: 2\n");
	log_start("test", LOG_DEBUG);
	logged(say_all);
	assert_string_equal(line, "test: error: 1\ntest: warning: 2\ntest: info: 3\ntest: debug: 4\n");
}

static void
say_long(void)
{
	char big[3000];

	memset(big, '\x01', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	log_error("%s", big);
}

static void
a_line_that_is_too_long_is_cut_and_ends(void **state)
{
	size_t n;

	(void)state;
	log_start("test", LOG_DEBUG);
	n = logged(say_long);
	assert_in_range(n, 1000, 1400);
	assert_int_equal(line[n - 1], '\n');
	assert_ptr_equal(strchr(line, '\n'), line + n - 1);
}

static void
levels_are_known_by_name(void **state)
{
	(void)state;
	assert_int_equal(log_level_parse("error"), LOG_ERROR);
	assert_int_equal(log_level_parse("debug"), LOG_DEBUG);
	assert_int_equal(log_level_parse("Error"), -EINVAL);
	assert_int_equal(log_level_parse(""), -EINVAL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_error_holds_its_code_and_its_sentence),
		cmocka_unit_test(long_sentences_are_cut_and_stay_text),
		cmocka_unit_test(who_does_not_ask_for_the_reason_gets_the_code),
		cmocka_unit_test(bytes_from_outside_reach_the_terminal_escaped),
		cmocka_unit_test(only_what_is_important_enough_is_said),
		cmocka_unit_test(a_line_that_is_too_long_is_cut_and_ends),
		cmocka_unit_test(levels_are_known_by_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
