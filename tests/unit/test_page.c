#include "config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/wire.h"
#include "fcgi/page.h"

static struct conf conf;
static struct state s;
static struct buf message, html;

static int
setup(void **state)
{
	(void)state;
	buf_init(&message, WIRE_BODY_MAX);
	buf_init(&html, 1u << 20);
	conf.n_nodes = 2;
	strcpy(conf.nodes[0].name, "one");
	strcpy(conf.nodes[0].target, "name:<one>");
	strcpy(conf.nodes[1].name, "two");
	return state_init(&s);
}

static int
teardown(void **state)
{
	(void)state;
	buf_fini(&message);
	buf_fini(&html);
	state_fini(&s);
	return 0;
}

static int
take(uint16_t type)
{
	int r = state_take(&s, type, message.data, message.len);

	buf_reset(&message);
	return r;
}

static void
put_node(uint16_t number, uint8_t state, const char *name, const char *comm, const char *why)
{
	const char *const texts[] = { name, "name:x", comm, "/usr/bin/x", "Go 1.26", why };

	buf_u16(&message, number);
	buf_u8(&message, state);
	buf_u32(&message, 4711);
	buf_u64(&message, 1700000000000000000u);
	buf_u32(&message, 12);
	buf_u32(&message, 1);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		buf_str(&message, texts[i], strlen(texts[i]));
}

static void
put_self(uint16_t limits)
{
	buf_u32(&message, 1);
	buf_u32(&message, 64);
	for (int i = 0; i < 4; i++)
		buf_u64(&message, 5000000);
	buf_u16(&message, limits);
	for (uint16_t i = 0; i < limits; i++)
		buf_str(&message, "no <kernel>", 11);
}

/* The page of node `i`, as text with a NUL. */
static const char *
page_of(size_t i, const char *trouble, bool below)
{
	struct page page = {
		.conf = &conf, .node = &conf.nodes[i], .trouble = trouble, .below_nodes = below
	};

	page.state = trouble ? NULL : &s;
	page.found = trouble ? NULL : state_find(&s, conf.nodes[i].name);
	buf_reset(&html);
	page_write(&page, &html);
	buf_u8(&html, '\0');
	assert_int_equal(buf_error(&html), 0);
	return (const char *)html.data;
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
	put_self(1);
	assert_int_equal(take(WIRE_SELF), 0);
	assert_int_equal(take(WIRE_END), 1);
	assert_int_equal(state_find(&s, "one")->number, 5);
	assert_null(state_find(&s, "on"));
	page = page_of(0, NULL, false);
	assert_true(has(page, "&lt;b&gt;&amp;&#39;&quot;\\x1b"));
	assert_true(has(page, "name:&lt;one&gt;"));
	assert_true(has(page, "no &lt;kernel&gt;"));
	assert_true(has(page, "2023-11-14 22:13:20 UTC"));
	assert_true(has(page, "Go 1.26"));
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
	assert_int_equal(s.n_nodes, 0);
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
	put_self(STATE_LIMITS_MAX + 5);
	assert_int_equal(take(WIRE_SELF), 0);
	assert_int_equal(s.n_limits, STATE_LIMITS_MAX);
	for (int i = 0; i < CONF_NODES_MAX; i++) {
		buf_reset(&message);
		put_node((uint16_t)i, 200, "x", "x", "");
		state_take(&s, WIRE_NODE, message.data, message.len);
	}
	assert_int_equal(take(WIRE_NODE), -EBADMSG);
	assert_true(s.n_nodes <= CONF_NODES_MAX);
	assert_true(has(page_of(0, NULL, false), "Types of profiles"));
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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
