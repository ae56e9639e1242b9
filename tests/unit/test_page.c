#include "config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/wire.h"
#include "fcgi/metrics.h"
#include "fcgi/page.h"
#include "fcgi/state_json.h"

static struct conf conf;
static struct overview o;
static struct request req = { .path = "/debug/pprof/", .host = "h:6060", .scheme = "http" };
static struct buf message, html;

static int
setup(void **state)
{
	(void)state;
	buf_init(&message, WIRE_BODY_MAX);
	buf_init(&html, 1u << 20);
	memset(&conf, 0, sizeof(conf));
	memset(&o, 0, sizeof(o));
	conf.max_seconds = 300;
	conf.hz = 100;
	conf.captures = 32;
	conf.captures_minutes = 60;
	strcpy(conf.event, "task-clock");
	conf.n_nodes = 2;
	strcpy(conf.nodes[0].name, "one");
	strcpy(conf.nodes[0].target, "name:<one>");
	strcpy(conf.nodes[1].name, "two");
	return state_init(&o.state);
}

static int
teardown(void **state)
{
	(void)state;
	buf_fini(&message);
	buf_fini(&html);
	overview_fini(&o);
	return 0;
}

static int
take(uint16_t type)
{
	int r = state_take(&o.state, type, message.data, message.len);

	buf_reset(&message);
	return r;
}

static void
put_node_as(uint16_t number, uint8_t state, const char *const texts[6])
{
	buf_u16(&message, number);
	buf_u8(&message, state);
	buf_u32(&message, 4711);
	buf_u64(&message, 1700000000000000000u);
	buf_u32(&message, 12);
	buf_u32(&message, 1);
	for (size_t i = 0; i < 6; i++)
		buf_str(&message, texts[i], strlen(texts[i]));
}

static void
put_node(uint16_t number, uint8_t state, const char *name, const char *comm, const char *why)
{
	const char *const texts[] = { name, "name:x", comm, "/usr/bin/x", "Go", why };

	put_node_as(number, state, texts);
}

static void
put_self(uint16_t limits, const char *text)
{
	buf_u32(&message, 1);
	buf_u32(&message, 64);
	for (int i = 0; i < 4; i++)
		buf_u64(&message, 5000000);
	buf_u16(&message, limits);
	for (uint16_t i = 0; i < limits; i++)
		buf_str(&message, text, strlen(text));
}

/* The overview of node `i`; trouble: why the collector does not answer. */
static void
look_at(size_t i, const char *trouble, bool below)
{
	o.conf = &conf;
	o.req = &req;
	o.node = &conf.nodes[i];
	o.below_nodes = below;
	o.answered = !trouble;
	o.found = trouble ? NULL : state_find(&o.state, conf.nodes[i].name);
	refusal_set(&o.trouble, 503, 0, "%s", trouble ? trouble : "");
}

/* What was written, as text with a NUL. */
static const char *
written(void)
{
	buf_u8(&html, '\0');
	assert_int_equal(buf_error(&html), 0);
	return (const char *)html.data;
}

static const char *
page_of(size_t i, const char *trouble, bool below)
{
	look_at(i, trouble, below);
	buf_reset(&html);
	page_write(&o, &html);
	return written();
}

static bool
has(const char *page, const char *what)
{
	return strstr(page, what) != NULL;
}

static void
rows_have_gos_markup_in_gos_order(void **state)
{
	static const char *const names[] = { "allocs", "block",   "cmdline", "goroutine",    "heap",
					     "mutex",  "profile", "symbol",  "threadcreate", "trace" };
	const char *at = page_of(0, "trouble", false);
	char row[128];

	(void)state;
	assert_true(has(at, "Types of profiles available:"));
	assert_true(has(at, "<title>/debug/pprof/</title>"));
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(row, sizeof(row), "<tr><td>0</td><td><a href='%s?debug=1'>%s</a></td>", names[i],
			 names[i]);
		at = strstr(at, row);
		assert_non_null(at);
	}
	assert_false(has(page_of(0, "trouble", false), "<script"));
}

static void
who_the_node_is_stands_there_without_its_markup(void **state)
{
	const char *page;

	(void)state;
	put_node(5, WIRE_NODE_RUNNING, "one", "<b>&'\"\x1b", "");
	assert_int_equal(take(WIRE_NODE), 0);
	put_self(1, "no <kernel>");
	assert_int_equal(take(WIRE_SELF), 0);
	assert_int_equal(take(WIRE_END), 1);
	assert_int_equal(state_find(&o.state, "one")->number, 5);
	assert_null(state_find(&o.state, "on"));
	page = page_of(0, NULL, false);
	assert_true(has(page, "&lt;b&gt;&amp;&#39;&quot;\\x1b"));
	assert_true(has(page, "name:&lt;one&gt;"));
	assert_true(has(page, "no &lt;kernel&gt;"));
	assert_true(has(page, "2023-11-14 22:13:20 UTC"));
	assert_true(has(page, "<td>Go</td>"));
	assert_false(has(page, "cannot be sampled"));
	assert_true(has(page, "href=\"../../nodes/two/debug/pprof/\""));
}

static void
what_is_in_the_way_is_said_once(void **state)
{
	const char *page;

	(void)state;
	put_node(0, WIRE_NODE_DENIED, "one", "x", "grant <this>");
	assert_int_equal(take(WIRE_NODE), 0);
	page = page_of(0, NULL, false);
	assert_true(has(page, "It cannot be sampled now: grant &lt;this&gt;"));
	assert_true(has(page_of(0, "no collector", false), "It cannot be sampled now: no collector"));
	assert_true(has(page_of(1, NULL, true), "href=\"../../../one/debug/pprof/\""));
}

static void
a_message_that_cannot_be_right_is_refused(void **state)
{
	(void)state;
	put_node(0, WIRE_NODE_RUNNING, "one", "x", "");
	message.len--;
	assert_int_equal(take(WIRE_NODE), -EBADMSG);
	assert_int_equal(o.state.n_nodes, 0);
	put_node(0, WIRE_NODE_RUNNING, "one", "x", "");
	buf_u8(&message, 0);
	assert_int_equal(take(WIRE_NODE), -EBADMSG);
	assert_int_equal(take(WIRE_WINDOW), -EBADMSG);
	buf_u64(&message, 1);
	assert_int_equal(take(WIRE_SELF), -EBADMSG);
}

static void
no_more_nodes_and_limits_than_there_is_place_for(void **state)
{
	(void)state;
	put_self(STATE_LIMITS_MAX + 5, "no <kernel>");
	assert_int_equal(take(WIRE_SELF), 0);
	assert_int_equal(o.state.n_limits, STATE_LIMITS_MAX);
	for (int i = 0; i < CONF_NODES_MAX; i++) {
		buf_reset(&message);
		put_node((uint16_t)i, 200, "x", "x", "");
		state_take(&o.state, WIRE_NODE, message.data, message.len);
	}
	assert_int_equal(take(WIRE_NODE), -EBADMSG);
	assert_true(o.state.n_nodes <= CONF_NODES_MAX);
	assert_true(has(page_of(0, NULL, false), "Types of profiles"));
}

static void
what_makes_captures_is_there_only_where_the_node_can_be_sampled(void **state)
{
	const char *const native[] = { "one", "name:x", "x", "/usr/bin/x", "native", "" };
	const char *page;

	(void)state;
	put_node(0, WIRE_NODE_RUNNING, "two", "x", "");
	assert_int_equal(take(WIRE_NODE), 0);
	page = page_of(1, NULL, false);
	assert_true(has(page, "name=\"seconds\" min=\"1\" max=\"300\""));
	assert_true(has(page, "<option selected>heap"));
	assert_true(has(page, "href=\"heap?format=svg\""));
	/* Of a node that is no Go program, no memory and no goroutines. */
	put_node_as(1, WIRE_NODE_RUNNING, native);
	assert_int_equal(take(WIRE_NODE), 0);
	page = page_of(0, NULL, false);
	assert_true(has(page, "action=\"captures\""));
	assert_false(has(page, "<select"));
	assert_true(has(page, "Go programs only; this one is: native"));
	assert_false(has(page_of(0, "no collector", false), "<form"));
}

static void
commands_name_the_host_only_where_it_is_one(void **state)
{
	static const char *const bad[] = { "a'b", "a b", "<x>", "$(id)", "", "-oProxyCommand=x" };

	(void)state;
	assert_true(has(page_of(0, "x", false), "'http://h:6060/debug/pprof/profile?seconds=10'"));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		req.host = bad[i];
		assert_true(has(page_of(0, "x", false), "'http://HOST:PORT/debug/pprof/"));
	}
	req.host = "[::1]:6060";
	req.scheme = "https";
	assert_true(has(page_of(0, "x", false), "'https://[::1]:6060/debug/pprof/"));
	req.host = "h:6060";
	req.scheme = "http";
}

static struct store_is
capture(enum store_state state)
{
	struct store_is is = { .id = "abcdefghijklmnopqrst",
			       .node = "one",
			       .kind = "profile",
			       .event = "<&event>",
			       .duration_ms = 10000,
			       .counts = true,
			       .samples = 1234,
			       .state = state };

	return is;
}

static void
captures_stand_there_with_their_links(void **state)
{
	const char *page;

	(void)state;
	o.newest[0] = capture(STORE_DONE);
	o.newest[1] = capture(STORE_RUNNING);
	o.newest[2] = capture(STORE_FAILED);
	o.n_newest = 3;
	page = page_of(0, NULL, false);
	assert_true(has(page, "<a href=\"captures/abcdefghijklmnopqrst\">profile of node one, 10 s, "
			      "&lt;&amp;event&gt;</a>: 1234 samples, 0 lost"));
	assert_true(has(page, "</a>: running"));
	assert_true(has(page, "</a>: failed"));
	conf.captures = 0;
	assert_false(has(page_of(0, NULL, false), "captures/"));
}

/* A text of n bytes of which each takes most in HTML. */
static const char *
quotes(size_t n)
{
	static char text[8192];

	assert_true(n < sizeof(text));
	memset(text, '"', n);
	text[n] = '\0';
	return text;
}

static void
the_page_stays_small_whatever_the_node_is_called(void **state)
{
	(void)state;
	memset(conf.nodes[0].target, '"', sizeof(conf.nodes[0].target) - 1);
	conf.n_nodes = CONF_NODES_MAX;
	for (size_t i = 1; i < conf.n_nodes; i++) {
		memset(conf.nodes[i].name, 'n', sizeof(conf.nodes[i].name) - 1);
		conf.nodes[i].name[0] = (char)('0' + i);
	}
	for (int fill = 0; fill < 2; fill++) {
		const char *const texts[] = { "one", "x", quotes(4000), quotes(4000), quotes(4000), quotes(4000) };

		put_node_as(0, fill ? WIRE_NODE_DENIED : WIRE_NODE_RUNNING, texts);
		o.state.n_nodes = 0;
		assert_int_equal(take(WIRE_NODE), 0);
		buf_reset(&html);
		assert_true(strlen(page_of(0, NULL, false)) <= PAGE_MAX);
	}
	put_self(STATE_LIMITS_MAX, quotes(1000));
	assert_int_equal(take(WIRE_SELF), 0);
	for (o.n_newest = 0; o.n_newest < OVERVIEW_CAPTURES_MAX; o.n_newest++) {
		o.newest[o.n_newest] = capture(STORE_DONE);
		memset(o.newest[o.n_newest].event, '"', 100);
	}
	assert_true(strlen(page_of(0, NULL, true)) <= PAGE_MAX);
}

/* ---- the same for programs */

static json_t *
state_of(size_t i, const char *trouble)
{
	json_t *doc;

	look_at(i, trouble, false);
	buf_reset(&html);
	state_json(&o, &html);
	doc = json_loads(written(), JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(doc);
	return doc;
}

static const char *
string_at(json_t *object, const char *name)
{
	return json_string_value(json_object_get(object, name));
}

static void
the_state_is_json_whatever_is_in_it(void **state)
{
	json_t *doc, *node, *row;
	size_t i;

	(void)state;
	put_node(5, WIRE_NODE_DENIED, "one", "a\"b\\\xff\n</script>", "grant \x1b this");
	assert_int_equal(take(WIRE_NODE), 0);
	put_self(2, "no <kernel>");
	assert_int_equal(take(WIRE_SELF), 0);
	doc = state_of(0, NULL);
	node = json_object_get(doc, "node");
	assert_string_equal(string_at(node, "state"), "denied");
	assert_string_equal(string_at(node, "why"), "grant \\x1b this");
	assert_string_equal(string_at(node, "command"), "a\"b\\\\xff\\x0a</script>");
	assert_string_equal(string_at(node, "path"), "/nodes/one/debug/pprof/");
	assert_int_equal(json_array_size(json_object_get(doc, "nodes")), 2);
	assert_int_equal(json_array_size(json_object_get(doc, "limits")), 2);
	json_array_foreach(json_object_get(doc, "profiles"), i, row) {
		assert_true(json_is_false(json_object_get(row, "available")));
		assert_true(json_string_length(json_object_get(row, "why")) > 0);
	}
	json_decref(doc);
	doc = state_of(0, "no collector");
	assert_string_equal(string_at(doc, "error"), "no collector");
	assert_null(json_object_get(doc, "windows"));
	assert_string_equal(string_at(json_object_get(doc, "node"), "state"), "unknown");
	json_decref(doc);
}

static void
metrics_escape_what_is_in_labels(void **state)
{
	const char *text;

	(void)state;
	strcpy(conf.nodes[0].target, "name:a\"b\\c");
	put_node(0, WIRE_NODE_RUNNING, "one", "x", "");
	assert_int_equal(take(WIRE_NODE), 0);
	put_self(0, "");
	assert_int_equal(take(WIRE_SELF), 0);
	look_at(0, NULL, false);
	metrics_write(&o, &html);
	text = written();
	assert_true(has(text, "pprofd_node_info{node=\"one\",target=\"name:a\\\"b\\\\c\",state=\"running\",runtime=\"Go\"} 1\n"));
	assert_true(has(text, "pprofd_node_up{node=\"one\"} 1\n"));
	assert_true(has(text, "pprofd_node_up{node=\"two\"} 0\n"));
	assert_true(has(text, "pprofd_node_start_time_seconds{node=\"one\"} 1700000000\n"));
	assert_false(has(text, "pprofd_node_threads{node=\"two\"}"));
	assert_true(has(text, "pprofd_samples_lost_total 5000000\n"));
	buf_reset(&html);
	look_at(0, "no collector", false);
	metrics_write(&o, &html);
	text = written();
	assert_true(has(text, "pprofd_collector_up 0\n"));
	assert_false(has(text, "pprofd_samples_total"));
	assert_true(has(text, "pprofd_node_up{node=\"one\"} 0\n"));
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(rows_have_gos_markup_in_gos_order),
		TEST(who_the_node_is_stands_there_without_its_markup),
		TEST(what_is_in_the_way_is_said_once),
		TEST(a_message_that_cannot_be_right_is_refused),
		TEST(no_more_nodes_and_limits_than_there_is_place_for),
		TEST(what_makes_captures_is_there_only_where_the_node_can_be_sampled),
		TEST(commands_name_the_host_only_where_it_is_one),
		TEST(captures_stand_there_with_their_links),
		TEST(the_page_stays_small_whatever_the_node_is_called),
		TEST(the_state_is_json_whatever_is_in_it),
		TEST(metrics_escape_what_is_in_labels),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
