#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "fcgi/reply.h"
#include "fcgi/route.h"

static struct conf conf;
static struct app app = { .conf = &conf, .stop_fd = -1 };
static struct reply to;
static char head[8192];

static int
setup(void **state)
{
	(void)state;
	snprintf(conf.run_dir, sizeof(conf.run_dir), "/nonexistent");
	conf.max_seconds = 300;
	conf.n_nodes = 2;
	strcpy(conf.nodes[0].name, "one");
	strcpy(conf.nodes[1].name, "two.2");
	reply_init(&to);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	reply_fini(&to);
	return 0;
}

/* Ask; the answer's head is left in `head`, its status is returned. */
static int
ask(enum method method, const char *path, const char *query)
{
	struct request req = { .method = method,
			       .query = query,
			       .content_type = "",
			       .body = "",
			       .conn = -1,
			       .remote_addr = "",
			       .remote_port = "",
			       .server_addr = "",
			       .server_port = "" };
	struct buf b;

	snprintf(req.path, sizeof(req.path), "%s", path);
	reply_fini(&to);
	reply_init(&to);
	route_answer(&app, &req, &to);
	buf_init(&b, sizeof(head) - 1);
	reply_head(&to, method == METHOD_HEAD, &b);
	assert_int_equal(buf_error(&b), 0);
	memcpy(head, b.data, b.len);
	head[b.len] = '\0';
	buf_fini(&b);
	return to.status;
}

static bool
body_is(const char *text)
{
	return to.body.len == strlen(text) && !memcmp(to.body.data, text, to.body.len);
}

static void
an_unknown_profile_is_said_in_gos_words(void **state)
{
	static const char *const paths[] = {
		"/debug/pprof/<script>scripty<script>",
		"/debug/pprof/profile/",
		"/debug/pprof/Profile",
		"/debug/pprof/heap/x",
		"/debug/pprofx",
		"/debug/pprof//",
		"/debug",
		"",
		"/nodes",
		"/etc/passwd",
		"/nodes/one",
		"/nodes/one/",
		"/nodes/one/debug",
		"/nodes/two.2/debug/pprof/none",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		assert_int_equal(ask(METHOD_GET, paths[i], ""), 404);
		assert_true(body_is("Unknown profile\n"));
		assert_non_null(strstr(head, "\r\nX-Go-Pprof: 1\r\n"));
		assert_non_null(strstr(head, "\r\nX-Content-Type-Options: nosniff\r\n"));
		assert_non_null(strstr(head, "\r\nContent-Type: text/plain; charset=utf-8\r\n"));
	}
}

static void
a_node_that_is_not_configured_is_not_found(void **state)
{
	static const char *const paths[] = {
		"/nodes/three/debug/pprof/",
		"/nodes/on/debug/pprof/",
		"/nodes/one2/debug/pprof/profile",
		"/nodes//debug/pprof/",
		"/nodes/",
		"/nodes/ONE/debug/pprof/",
		"/nodes/../debug/pprof/",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		assert_int_equal(ask(METHOD_GET, paths[i], ""), 404);
}

static void
the_page_without_its_slash_is_moved(void **state)
{
	(void)state;
	assert_int_equal(ask(METHOD_GET, "/debug/pprof", ""), 301);
	assert_non_null(strstr(head, "\r\nLocation: /debug/pprof/\r\n"));
	assert_int_equal(ask(METHOD_GET, "/nodes/two.2/debug/pprof", "a=1"), 301);
	assert_non_null(strstr(head, "\r\nLocation: /nodes/two.2/debug/pprof/?a=1\r\n"));
	assert_int_equal(ask(METHOD_GET, "/", "a=1"), 302);
	assert_non_null(strstr(head, "\r\nLocation: /debug/pprof/\r\n"));
}

static void
no_request_puts_a_line_into_the_head(void **state)
{
	char query[REPLY_LOCATION_MAX];

	(void)state;
	assert_int_equal(ask(METHOD_GET, "/debug/pprof", "a\r\nX-Evil: 1"), 404);
	assert_null(strstr(head, "Evil"));
	memset(query, 'q', sizeof(query) - 1);
	query[sizeof(query) - 1] = '\0';
	assert_int_equal(ask(METHOD_GET, "/debug/pprof", query), 301);
	assert_non_null(strstr(head, "\r\nLocation: /debug/pprof/\r\n"));
}

static const char *const snapshots[] = {
	"heap", "allocs", "goroutine", "threadcreate", "block", "mutex", "goroutineleak",
};

#define SNAPSHOTS (sizeof(snapshots) / sizeof(snapshots[0]))

static int
ask_profile(enum method method, const char *name, const char *query)
{
	char path[64];

	snprintf(path, sizeof(path), "/debug/pprof/%s", name);
	return ask(method, path, query);
}

static void
gos_other_profiles_are_told_to_be_missing(void **state)
{
	(void)state;
	assert_int_equal(ask_profile(METHOD_GET, "trace", "debug=1"), 501);
	assert_true(to.failed);
	assert_int_equal(to.body.data[to.body.len - 1], '\n');
}

static void
a_snapshot_needs_the_collector(void **state)
{
	(void)state;
	for (size_t i = 0; i < SNAPSHOTS; i++) {
		assert_int_equal(ask_profile(METHOD_GET, snapshots[i], "debug=1"), 503);
		assert_true(to.failed);
		assert_int_equal(ask_profile(METHOD_GET, snapshots[i], ""), 503);
	}
}

static void
what_go_refuses_of_snapshots_is_refused_in_its_words_and_its_order(void **state)
{
	static const struct {
		const char *query, *text;
	} cases[] = {
		{ "seconds=0", "invalid value for \"seconds\" - must be a positive integer\n" },
		{ "seconds=-1", "invalid value for \"seconds\" - must be a positive integer\n" },
		{ "seconds=x&debug=1", "invalid value for \"seconds\" - must be a positive integer\n" },
		{ "seconds=1.5", "invalid value for \"seconds\" - must be a positive integer\n" },
		{ "seconds=1e21", "invalid value for \"seconds\" - must be a positive integer\n" },
		{ "seconds=99999999999999999999",
		  "invalid value for \"seconds\" - must be a positive integer\n" },
		{ "seconds=1&debug=1", "seconds and debug params are incompatible\n" },
		{ "seconds=301&debug=1",
		  "profile duration exceeds the limit of 300 seconds (PPROF_MAX_SECONDS)\n" },
	};

	(void)state;
	for (size_t i = 0; i < SNAPSHOTS; i++)
		for (size_t k = 0; k < sizeof(cases) / sizeof(cases[0]); k++) {
			assert_int_equal(ask_profile(METHOD_GET, snapshots[i], cases[k].query), 400);
			assert_true(body_is(cases[k].text));
			assert_non_null(strstr(head, "\r\nX-Go-Pprof: 1\r\n"));
		}
}

static void
what_is_ours_alone_is_refused_where_it_means_nothing(void **state)
{
	static const struct {
		const char *name, *query;
		int status;
	} cases[] = {
		{ "heap", "estimate=1", 400 },
		{ "mutex", "estimate=1", 400 },
		{ "block", "estimate=1", 503 },
		{ "heap", "arm=1", 400 },
		{ "goroutine", "arm=1", 400 },
		{ "block", "arm=1&estimate=1", 400 },
		{ "block", "arm=1&debug=1", 400 },
		{ "block", "arm=1", 503 },
		{ "mutex", "arm=1&seconds=1", 503 },
		{ "heap", "estimate=0&arm=0", 503 },
		{ "heap", "delta=alloc", 503 },
		{ "heap", "delta=inuse", 400 },
		{ "heap", "gc=1", 503 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(ask_profile(METHOD_GET, cases[i].name, cases[i].query), cases[i].status);
}

static void
head_of_a_snapshot_asks_nobody(void **state)
{
	(void)state;
	assert_int_equal(ask_profile(METHOD_HEAD, "heap", ""), 200);
	assert_non_null(strstr(head, "\r\nContent-Type: application/octet-stream\r\n"));
	assert_non_null(strstr(head, "filename=\"heap\""));
	assert_int_equal(ask_profile(METHOD_HEAD, "block", "seconds=3"), 200);
	assert_non_null(strstr(head, "filename=\"block-delta\""));
	assert_int_equal(ask_profile(METHOD_HEAD, "goroutine", "debug=2"), 200);
	assert_non_null(strstr(head, "\r\nContent-Type: text/plain; charset=utf-8\r\n"));
	assert_null(strstr(head, "filename"));
	assert_int_equal(ask_profile(METHOD_HEAD, "heap", "seconds=x"), 400);
}

static void
only_three_methods_are_allowed(void **state)
{
	(void)state;
	assert_int_equal(request_method("DELETE"), METHOD_OTHER);
	assert_int_equal(request_method("get"), METHOD_OTHER);
	assert_int_equal(ask(METHOD_OTHER, "/debug/pprof/", ""), 405);
	assert_non_null(strstr(head, "\r\nAllow: GET, HEAD, POST\r\n"));
}

static void
head_tells_the_type_and_neither_opens_a_window_nor_tells_a_length(void **state)
{
	(void)state;
	assert_int_equal(ask(METHOD_HEAD, "/debug/pprof/profile", "seconds=10"), 200);
	assert_non_null(strstr(head, "\r\nContent-Type: application/octet-stream\r\n"));
	assert_non_null(strstr(head, "\r\nContent-Disposition: attachment; filename=\"profile\"\r\n"));
	assert_null(strstr(head, "Content-Length"));
	assert_int_equal(ask(METHOD_HEAD, "/debug/pprof/profile", "seconds=1e21"), 400);
}

static void
without_a_collector_the_reason_is_given(void **state)
{
	(void)state;
	assert_int_equal(ask(METHOD_GET, "/debug/pprof/profile", "seconds=1"), 503);
	assert_non_null(memmem(to.body.data, to.body.len, "the collector is not running", 28));
	assert_non_null(strstr(head, "\r\nRetry-After: "));
	assert_int_equal(ask(METHOD_GET, "/debug/pprof/", ""), 200);
	assert_non_null(memmem(to.body.data, to.body.len, "the collector is not running", 28));
	assert_int_equal(ask(METHOD_GET, "/debug/pprof/symbol", ""), 200);
	assert_true(body_is("num_symbols: 1\n"));
}

static void
an_error_text_is_one_line_without_control_characters(void **state)
{
	(void)state;
	reply_error(&to, 503, "%s", "two\nlines\x1b[0m \xff");
	assert_true(body_is("two\\x0alines\\x1b[0m \\xff\n"));
}

static void
the_table_is_sorted_for_the_search(void **state)
{
	size_t n;
	const struct route *r = route_table(&n);

	(void)state;
	for (size_t i = 1; i < n; i++)
		assert_true(strcmp(r[i - 1].name, r[i].name) < 0);
	for (size_t i = 0; i < n; i++)
		assert_true(r[i].made == (r[i].answer != NULL));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_unknown_profile_is_said_in_gos_words),
		cmocka_unit_test(a_node_that_is_not_configured_is_not_found),
		cmocka_unit_test(the_page_without_its_slash_is_moved),
		cmocka_unit_test(no_request_puts_a_line_into_the_head),
		cmocka_unit_test(gos_other_profiles_are_told_to_be_missing),
		cmocka_unit_test(a_snapshot_needs_the_collector),
		cmocka_unit_test(what_go_refuses_of_snapshots_is_refused_in_its_words_and_its_order),
		cmocka_unit_test(what_is_ours_alone_is_refused_where_it_means_nothing),
		cmocka_unit_test(head_of_a_snapshot_asks_nobody),
		cmocka_unit_test(only_three_methods_are_allowed),
		cmocka_unit_test(head_tells_the_type_and_neither_opens_a_window_nor_tells_a_length),
		cmocka_unit_test(without_a_collector_the_reason_is_given),
		cmocka_unit_test(an_error_text_is_one_line_without_control_characters),
		cmocka_unit_test(the_table_is_sorted_for_the_search),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
