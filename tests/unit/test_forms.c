/* Every form of one profile, by way of deliver(), as a request gets it. */
#include "config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "fcgi/amount.h"
#include "fcgi/deliver.h"
#include "fcgi/schema.h"
#include "tests/unit/profile_maker.h"

static struct reply reply;
static struct buf out, head;
static int released;

static int
setup(void **state)
{
	(void)state;
	reply_init(&reply);
	buf_init(&out, 16u << 20);
	buf_init(&head, 1u << 16);
	released = 0;
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	reply_fini(&reply);
	buf_fini(&out);
	buf_fini(&head);
	maker_fini();
	return 0;
}

static void
release(void *ctx)
{
	assert_ptr_equal(ctx, &maker);
	released++;
}

/* Ask for the made profile. Returns the status; `out` and `head` hold the answer, with a NUL behind. */
static int
ask(const char *query)
{
	struct request req = { .method = METHOD_GET, .query = query, .content_type = "", .body = "" };
	struct params params;
	struct sink to;
	struct err why;

	reply_fini(&reply);
	reply_init(&reply);
	reply.json = params_want_json(&req);
	released = 0;
	buf_reset(&out);
	buf_reset(&head);
	if (params_parse(&params, &req, 300, &why) < 0)
		reply_error(&reply, 400, "%s", why.text);
	else
		deliver_shared(&params, &maker.p, release, &maker, "made", &reply);
	sink_init(&to, sink_into_buf, &out);
	if (reply.stream)
		reply.stream(reply.stream_ctx, &to);
	else
		sink_add(&to, reply.body.data, reply.body.len);
	sink_add(&to, "", 1);
	assert_int_equal(sink_flush(&to), 0);
	reply_head(&reply, false, &head);
	buf_u8(&head, '\0');
	return reply.status;
}

static const char *
text(void)
{
	return (const char *)out.data;
}

static bool
has(const char *part)
{
	return strstr(text(), part) || strstr((const char *)head.data, part);
}

static json_t *
document(const char *query)
{
	json_error_t error;
	json_t *root;

	ask(query);
	root = json_loads(text(), JSON_REJECT_DUPLICATES, &error);
	if (!root)
		fail_msg("%s: %s at %d in %s", query, error.text, error.position, text());
	return root;
}

static int64_t
number(const json_t *in, const char *name)
{
	const json_t *value = json_object_get(in, name);

	if (!json_is_integer(value))
		fail_msg("%s is no integer", name);
	return json_integer_value(value);
}

static int64_t
sum(const json_t *list)
{
	int64_t all = 0;

	for (size_t i = 0; i < json_array_size(list); i++)
		all += json_integer_value(json_array_get(list, i));
	return all;
}

static void
made(void)
{
	maker_init("samples/count", "cpu/nanoseconds", NULL);
	maker_thread(7, "worker");
	maker_sample("main@m.c:5;work>inner@w.h:9;leaf", 7, (int64_t)3, (int64_t)30);
	maker_sample("main@m.c:5;idle", 8, (int64_t)1, (int64_t)10);
	maker_sample("main@m.c:5;main@m.c:7;idle", 8, (int64_t)2, (int64_t)25);
	maker_sample("start", 0, (int64_t)4, (int64_t)35);
	maker_finish();
}

static void
made_difference(void)
{
	maker_init("samples/count", "cpu/nanoseconds", NULL);
	maker.p.delta = true;
	maker_sample("main;more", 7, (int64_t)3, (int64_t)30);
	maker_sample("main;less", 7, (int64_t)-5, (int64_t)-50);
	maker_sample("main", 7, (int64_t)-1, (int64_t)-10);
	maker_finish();
}

/* ---- which form */

static void
each_form_has_its_type_its_name_and_its_schema(void **state)
{
	static const struct {
		const char *query, *type, *name, *schema;
	} cases[] = {
		{ "", "application/octet-stream", "attachment; filename=\"made\"", NULL },
		{ "format=", "application/octet-stream", "attachment; filename=\"made\"", NULL },
		{ "format=pprof", "application/octet-stream", "attachment; filename=\"made\"", NULL },
		{ "format=json", "application/json", "inline; filename=\"made.json\"", "profile-1" },
		{ "format=top", "application/json", "inline; filename=\"made.top.json\"", "top-1" },
		{ "format=tree", "application/json", "inline; filename=\"made.tree.json\"", "tree-1" },
		{ "format=flamegraph", "application/json", "inline; filename=\"made.flamegraph.json\"",
		  "flamegraph-1" },
		{ "format=speedscope", "application/json", "inline; filename=\"made.speedscope.json\"",
		  "speedscope-1" },
		{ "format=folded", "text/plain; charset=utf-8", "inline; filename=\"made.folded\"", NULL },
		{ "format=svg", "image/svg+xml", "inline; filename=\"made.svg\"", NULL },
	};
	size_t n;

	(void)state;
	made();
	form_table(&n);
	assert_int_equal(n + 2, sizeof(cases) / sizeof(cases[0]));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char line[256];

		assert_int_equal(ask(cases[i].query), 200);
		snprintf(line, sizeof(line), "Content-Type: %s\r\n", cases[i].type);
		assert_true(has(line));
		snprintf(line, sizeof(line), "Content-Disposition: %s\r\n", cases[i].name);
		assert_true(has(line));
		snprintf(line, sizeof(line), "Link: <" REPLY_SCHEMAS "%s.json>; rel=\"describedby\"\r\n",
			 cases[i].schema ? cases[i].schema : "");
		assert_int_equal(has(line), cases[i].schema != NULL);
		assert_int_equal(cases[i].schema && !schema_text(cases[i].schema), 0);
		assert_int_equal(has("Content-Security-Policy: "), !strcmp(cases[i].query, "format=svg"));
	}
}

static void
all_schemas_are_json_and_say_what_they_are(void **state)
{
	size_t n;
	const struct form *forms = form_table(&n);

	(void)state;
	made();
	for (size_t i = 0; i <= n; i++) {
		const char *name = i < n ? forms[i].schema : "error-1";
		json_error_t error;
		json_t *root;

		if (!name)
			continue;
		root = json_loads(schema_text(name), JSON_REJECT_DUPLICATES, &error);
		assert_non_null(root);
		assert_int_equal(
			strncmp(json_string_value(json_object_get(root, "$id")), "urn:pprofd:", 11), 0);
		json_decref(root);
	}
	assert_null(schema_text("top"));
	assert_null(schema_text("top-1.json"));
	assert_null(schema_text(""));
}

static void
an_unknown_form_is_told_which_there_are(void **state)
{
	(void)state;
	made();
	assert_int_equal(ask("format=xml%3C"), 400);
	assert_true(has("there is no form \"xml<\"; format= may be pprof, json, top, flamegraph, tree, "
			"speedscope, folded, svg\n"));
	assert_true(has("X-Go-Pprof: 1"));
	assert_int_equal(ask("format=json&format=xml"), 200);
	assert_int_equal(ask("format=JSON"), 400);
}

static void
an_error_is_json_where_json_was_asked(void **state)
{
	json_t *root;

	(void)state;
	made();
	root = document("format=top&sample_type=no%22pe");
	assert_int_equal(reply.status, 400);
	assert_string_equal(json_string_value(json_object_get(root, "schema")), "pprofd.error/1");
	assert_string_equal(json_string_value(json_object_get(root, "code")), "bad_request");
	assert_int_equal(number(root, "status"), 400);
	assert_string_equal(json_string_value(json_object_get(root, "message")),
			    "this profile has no sample_type \"no\"pe\"; it has samples, cpu");
	assert_true(has("schemas/error-1.json"));
	assert_false(has("X-Go-Pprof"));
	json_decref(root);
	assert_int_equal(ask("format=svg&sample_type=nope"), 400);
	assert_true(has("text/plain") && has("X-Go-Pprof: 1"));
	assert_int_equal(ask("format=svg&limit=x"), 400);
	assert_int_equal(ask("debug=1&format=top"), 400);
	assert_true(has("pprofd.error/1"));
	assert_int_equal(ask("debug=0&format=top"), 200);
}

static void
a_shared_profile_is_given_back_once(void **state)
{
	(void)state;
	made();
	ask("format=top&sample_type=nope");
	assert_int_equal(released, 1);
	ask("");
	assert_int_equal(released, 1);
	ask("format=top");
	assert_int_equal(released, 0);
	reply_error(&reply, 500, "too late");
	assert_int_equal(released, 1);
	ask("format=tree");
	reply_fini(&reply);
	assert_int_equal(released, 1);
	reply_init(&reply);
}

/* ---- their contents */

static void
json_has_all_of_it(void **state)
{
	json_t *root, *samples, *first, *frames;
	const char *name;

	(void)state;
	made();
	root = document("format=json");
	assert_string_equal(json_string_value(json_object_get(root, "schema")), "pprofd.profile/1");
	assert_string_equal(json_string_value(json_object_get(root, "default_sample_type")), "cpu");
	assert_int_equal(json_integer_value(json_array_get(json_object_get(root, "totals"), 1)), 100);
	samples = json_object_get(root, "samples");
	frames = json_object_get(root, "frames");
	assert_int_equal(json_array_size(samples), 4);
	first = json_object_get(json_array_get(samples, 0), "stack");
	assert_int_equal(json_array_size(first), 4);
	name = json_string_value(json_object_get(
		json_array_get(frames, (size_t)json_integer_value(json_array_get(first, 0))), "name"));
	assert_string_equal(name, "leaf");
	assert_true(json_is_true(json_object_get(
		json_array_get(frames, (size_t)json_integer_value(json_array_get(first, 1))), "inlined")));
	assert_string_equal(json_string_value(json_object_get(
				    json_object_get(json_array_get(samples, 0), "labels"), "thread")),
			    "worker");
	assert_int_equal(number(json_object_get(json_array_get(samples, 0), "labels"), "tid"), 7);
	json_decref(root);
}

static void
a_label_that_stands_twice_is_a_list(void **state)
{
	json_t *root, *labels;

	(void)state;
	maker_init("cpu/nanoseconds", NULL);
	maker_sample("main", 7, (int64_t)1);
	maker.p.stacks.at[0].flags = WIRE_STACK_GUESS | WIRE_STACK_LATE;
	maker_finish();
	root = document("format=json");
	labels = json_object_get(json_array_get(json_object_get(root, "samples"), 0), "labels");
	assert_int_equal(json_array_size(json_object_get(labels, "stack")), 2);
	json_decref(root);
}

static void
only_frames_that_are_used_are_listed(void **state)
{
	json_t *root, *samples;

	(void)state;
	made();
	root = document("format=json&focus=start");
	samples = json_object_get(root, "samples");
	assert_int_equal(json_array_size(json_object_get(root, "frames")), 1);
	assert_int_equal(json_array_size(samples), 1);
	assert_int_equal(sum(json_object_get(json_array_get(samples, 0), "stack")), 0);
	assert_int_equal(json_integer_value(json_array_get(json_object_get(root, "matched"), 1)), 35);
	assert_int_equal(json_integer_value(json_array_get(json_object_get(root, "totals"), 1)), 100);
	json_decref(root);
}

static void
top_counts_a_function_once_a_stack(void **state)
{
	static const struct {
		const char *name;
		int64_t flat, cum;
	} want[] = { { "idle", 35, 35 }, { "start", 35, 35 }, { "leaf", 30, 30 },
		     { "main", 0, 65 },  { "inner", 0, 30 },  { "work", 0, 30 } };
	json_t *root, *rows;

	(void)state;
	made();
	root = document("format=top");
	rows = json_object_get(root, "rows");
	assert_int_equal(number(root, "total"), 100);
	assert_int_equal(json_array_size(rows), 6);
	for (size_t i = 0; i < 6; i++) {
		const json_t *row = json_array_get(rows, i);

		assert_string_equal(json_string_value(json_object_get(row, "function")), want[i].name);
		assert_int_equal(number(row, "flat"), want[i].flat);
		assert_int_equal(number(row, "cum"), want[i].cum);
		assert_true(json_number_value(json_object_get(row, "cum_pct")) == (double)want[i].cum);
	}
	assert_true(json_is_false(json_object_get(root, "truncated")));
	json_decref(root);
}

static void
top_can_be_cut_and_says_so(void **state)
{
	json_t *root;

	(void)state;
	made();
	root = document("format=top&limit=2");
	assert_int_equal(json_array_size(json_object_get(root, "rows")), 2);
	assert_int_equal(number(root, "rows_total"), 6);
	assert_true(json_is_true(json_object_get(root, "truncated")));
	json_decref(root);
	root = document("format=top&min_pct=32");
	assert_int_equal(json_array_size(json_object_get(root, "rows")), 3);
	json_decref(root);
	root = document("format=top&group=thread&sample_type=samples");
	assert_int_equal(json_array_size(json_object_get(root, "rows")), 3);
	assert_int_equal(number(json_array_get(json_object_get(root, "rows"), 0), "flat"), 4);
	json_decref(root);
}

static void
the_columns_of_a_flame_graph_have_one_length_and_sum_up(void **state)
{
	static const char *const queries[] = { "format=flamegraph", "format=flamegraph&limit=4",
					       "format=flamegraph&min_pct=36",
					       "format=flamegraph&group=line" };

	(void)state;
	made();
	for (size_t i = 0; i < 4; i++) {
		json_t *root = document(queries[i]);
		size_t n = (size_t)number(root, "nodes");

		assert_int_equal(json_array_size(json_object_get(root, "level")), n);
		assert_int_equal(json_array_size(json_object_get(root, "value")), n);
		assert_int_equal(json_array_size(json_object_get(root, "self")), n);
		assert_int_equal(json_array_size(json_object_get(root, "label")), n);
		assert_int_equal(sum(json_object_get(root, "self")), 100);
		assert_int_equal(json_integer_value(json_array_get(json_object_get(root, "value"), 0)),
				 100);
		assert_null(json_object_get(root, "delta"));
		assert_int_equal(json_is_true(json_object_get(root, "truncated")), i == 1 || i == 2);
		if (i == 1)
			assert_true(n <= 4);
		json_decref(root);
	}
}

static int64_t
tree_check(const json_t *node, const char *value, const char *self)
{
	const json_t *children = json_object_get(node, "children");
	int64_t all = number(node, self);

	for (size_t i = 0; i < json_array_size(children); i++)
		all += tree_check(json_array_get(children, i), value, self);
	assert_int_equal(number(node, value), all);
	return all;
}

static void
a_trees_nodes_are_their_own_and_their_childrens(void **state)
{
	json_t *root;

	(void)state;
	made();
	root = document("format=tree");
	assert_int_equal(tree_check(root, "value", "self"), 100);
	json_decref(root);
	root = document("format=tree&limit=3");
	assert_int_equal(tree_check(root, "value", "self"), 100);
	json_decref(root);
}

static void
a_deep_stack_is_cut_where_readers_give_up(void **state)
{
	static char deep[20000];
	json_t *root;

	(void)state;
	maker_init("cpu/nanoseconds", NULL);
	*deep = '\0';
	for (int i = 0; i < 2500; i++)
		strcat(deep, i ? ";f" : "f");
	maker_sample(deep, 7, (int64_t)11);
	maker_finish();
	root = document("format=tree");
	assert_int_equal(tree_check(root, "value", "self"), 11);
	assert_true(json_is_true(json_object_get(root, "truncated")));
	json_decref(root);
	root = document("format=flamegraph");
	assert_int_equal(number(root, "nodes"), 2501);
	json_decref(root);
}

static void
speedscope_has_a_profile_of_each_type_root_first(void **state)
{
	json_t *root, *profiles;

	(void)state;
	made();
	root = document("format=speedscope");
	profiles = json_object_get(root, "profiles");
	assert_int_equal(json_array_size(profiles), 2);
	assert_int_equal(number(root, "activeProfileIndex"), 1);
	for (size_t i = 0; i < 2; i++) {
		const json_t *p = json_array_get(profiles, i), *weights = json_object_get(p, "weights");

		assert_int_equal(sum(weights), number(p, "endValue"));
		assert_int_equal(sum(weights), i ? 100 : 10);
		assert_int_equal(json_array_size(weights), json_array_size(json_object_get(p, "samples")));
	}
	assert_true(has("\"unit\":\"none\"") && has("\"unit\":\"nanoseconds\""));
	json_decref(root);
	root = document("format=speedscope&sample_type=samples&limit=1");
	profiles = json_object_get(root, "profiles");
	assert_int_equal(json_array_size(profiles), 1);
	assert_int_equal(number(json_array_get(profiles, 0), "endValue"), 10);
	assert_true(has("[3 not shown]"));
	json_decref(root);
}

static void
folded_has_a_line_a_stack(void **state)
{
	(void)state;
	made();
	assert_int_equal(ask("format=folded"), 200);
	assert_string_equal(text(), "main;idle 10\nmain;main;idle 25\nmain;work;inner;leaf 30\nstart 35\n");
	assert_int_equal(ask("format=folded&limit=1"), 200);
	assert_string_equal(text(), "start 35\n[3 not shown] 65\n");
	assert_int_equal(ask("format=folded&group=line&focus=inner"), 200);
	assert_string_equal(text(), "main m.c:5;work;inner w.h:9;leaf 30\n");
	assert_int_equal(ask("format=folded&group=thread&focus=worker"), 200);
	assert_string_equal(text(), "worker [7];main;work;inner;leaf 30\n");
}

static void
no_name_is_taken_for_a_separator_or_a_value(void **state)
{
	(void)state;
	maker_init("cpu/nanoseconds", NULL);
	maker_sample("f 1;g 2.5", 1, (int64_t)1);
	maker_sample("x ;y 3x", 1, (int64_t)2);
	maker_sample("9", 1, (int64_t)3);
	maker_sample(" 7", 1, (int64_t)4);
	maker_finish();
	assert_int_equal(ask("format=folded"), 200);
	assert_string_equal(text(), "_7 4\n9 3\nf 1;g_2.5 1\nx ;y 3x 2\n");
}

static void
a_picture_is_escaped_and_its_links_keep_the_request(void **state)
{
	(void)state;
	maker_init("samples/count", "cpu/nanoseconds", NULL);
	maker_thread(7, "<script>alert(1)</script>");
	maker_sample("main;op<&\"'>>;a\xff\nb", 7, (int64_t)3, (int64_t)30);
	maker_finish();
	assert_int_equal(ask("seconds=1&format=svg&group=thread&x=%22%3E&y=\"><b&focus=main"), 200);
	assert_true(!strncmp(text(), "<svg xmlns=\"http://www.w3.org/2000/svg\"", 39));
	assert_false(has("<script") || has("<b") || has("op<"));
	assert_true(has("op&lt;&amp;&quot;&#39;"));
	assert_true(has("a\\xff\\x0ab</text>"));
	assert_true(has("<a "
			"href=\"?focus=op%3C%26%22%27&amp;seconds=1&amp;format=svg&amp;group=thread&amp;x=%"
			"22%3E&amp;y="
			"&quot;&gt;&lt;b\">"));
	assert_true(has("<a "
			"href=\"?seconds=1&amp;format=svg&amp;group=thread&amp;x=%22%3E&amp;y=&quot;&gt;&"
			"lt;b\">show all</a>"));
	assert_true(has("<a href=\"?sample_type=samples&amp;seconds=1&amp;"));
	assert_true(has("width=\"100.0000%\""));
}

/* ---- differences */

static void
a_difference_keeps_its_signs_where_nothing_is_drawn(void **state)
{
	json_t *root;

	(void)state;
	made_difference();
	root = document("format=top");
	assert_int_equal(number(root, "total"), -30);
	assert_int_equal(number(root, "total_size"), 90);
	assert_int_equal(number(json_array_get(json_object_get(root, "rows"), 0), "flat"), -50);
	assert_true(json_number_value(json_object_get(json_array_get(json_object_get(root, "rows"), 0),
						      "flat_pct")) == -55.56);
	assert_int_equal(number(json_array_get(json_object_get(root, "rows"), 2), "cum"), -30);
	json_decref(root);
	root = document("format=json");
	assert_true(json_is_true(json_object_get(root, "signed")));
	assert_int_equal(sum(json_object_get(root, "totals")), -33);
	json_decref(root);
}

static void
a_difference_is_drawn_as_wide_as_it_is_large(void **state)
{
	json_t *root;

	(void)state;
	made_difference();
	root = document("format=flamegraph");
	assert_int_equal(sum(json_object_get(root, "self")), 90);
	assert_int_equal(sum(json_object_get(root, "self_delta")), -30);
	assert_int_equal(json_integer_value(json_array_get(json_object_get(root, "delta"), 0)), -30);
	json_decref(root);
	root = document("format=tree&limit=3");
	assert_int_equal(tree_check(root, "value", "self"), 90);
	assert_int_equal(tree_check(root, "delta", "self_delta"), -30);
	json_decref(root);
	assert_int_equal(ask("format=svg"), 200);
	assert_true(has("class=\"more\"") && has("class=\"less\"") && has("-50 ns"));
}

static void
a_difference_is_two_profiles_for_speedscope_and_two_columns_folded(void **state)
{
	json_t *root, *profiles;

	(void)state;
	made_difference();
	root = document("format=speedscope&limit=1");
	profiles = json_object_get(root, "profiles");
	assert_int_equal(json_array_size(profiles), 4);
	assert_int_equal(number(root, "activeProfileIndex"), 2);
	assert_int_equal(number(json_array_get(profiles, 2), "endValue"), 30);
	assert_int_equal(number(json_array_get(profiles, 3), "endValue"), 60);
	assert_string_equal(json_string_value(json_object_get(json_array_get(profiles, 3), "name")),
			    "cpu: less");
	json_decref(root);
	assert_int_equal(ask("format=folded"), 200);
	assert_string_equal(text(), "main 10 0\nmain;less 50 0\nmain;more 0 30\n");
	assert_int_equal(ask("format=folded&limit=1"), 200);
	assert_string_equal(text(), "main;less 50 0\n[2 not shown] 10 30\n");
}

static void
numbers_at_the_ends_of_their_range_do_no_harm(void **state)
{
	static const char *const forms[] = { "json", "top", "flamegraph", "tree", "speedscope" };

	(void)state;
	maker_init("cpu/nanoseconds", NULL);
	maker.p.delta = true;
	maker_sample("a", 1, INT64_MIN);
	maker_sample("a;b", 1, INT64_MAX);
	maker_sample("c", 1, INT64_MIN);
	maker_sample("c;d", 1, INT64_MAX);
	maker_sample("e", 1, INT64_MAX);
	maker_finish();
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		static const char *const more[] = { "", "&limit=2", "&min_pct=30" };

		for (size_t k = 0; k < 3; k++) {
			char query[64];

			snprintf(query, sizeof(query), "format=%s%s", forms[i], more[k]);
			json_decref(document(query));
		}
	}
	assert_int_equal(ask("format=folded&limit=1"), 200);
	assert_int_equal(ask("format=svg"), 200);
}

static void
an_empty_profile_is_a_document_too(void **state)
{
	size_t n;
	const struct form *forms = form_table(&n);

	(void)state;
	maker_init("cpu/nanoseconds", NULL);
	maker_finish();
	for (size_t i = 0; i < n; i++) {
		char query[64];

		snprintf(query, sizeof(query), "format=%s&limit=5", forms[i].name);
		if (forms[i].schema)
			json_decref(document(query));
		else
			assert_int_equal(ask(query), 200);
	}
}

static void
names_of_8_kb_pass_through_every_form(void **state)
{
	static char name[8000];
	size_t n;
	const struct form *forms = form_table(&n);

	(void)state;
	memset(name, '<', sizeof(name) - 1);
	maker_init("cpu/nanoseconds", NULL);
	maker_thread(1, name);
	maker_sample(name, 1, (int64_t)1);
	maker_finish();
	for (size_t i = 0; i < n; i++) {
		static const char *const groups[] = { "function", "line", "address", "thread" };

		for (size_t k = 0; k < 4; k++) {
			char query[64];

			snprintf(query, sizeof(query), "format=%s&group=%s", forms[i].name, groups[k]);
			if (forms[i].schema)
				json_decref(document(query));
			else
				assert_int_equal(ask(query), 200);
		}
	}
}

static void
amounts_read_as_people_write_them(void **state)
{
	static const struct {
		int64_t value;
		const char *unit, *text;
	} cases[] = {
		{ 0, "nanoseconds", "0 ns" },
		{ 999, "nanoseconds", "999 ns" },
		{ 1500, "nanoseconds", "1.50 µs" },
		{ 1410000000, "nanoseconds", "1.41 s" },
		{ -2500000, "nanoseconds", "-2.50 ms" },
		{ 1023, "bytes", "1023 B" },
		{ 1536, "bytes", "1.50 KiB" },
		{ 3 << 20, "bytes", "3.00 MiB" },
		{ 284, "count", "284" },
		{ INT64_MIN, "count", "-9223372036854775808" },
		{ 12, "\xff", "12" },
	};
	char to[AMOUNT_MAX];

	(void)state;
	maker_init("cpu/nanoseconds", NULL);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(amount_text(to, cases[i].value, cases[i].unit), cases[i].text);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(each_form_has_its_type_its_name_and_its_schema),
		TEST(all_schemas_are_json_and_say_what_they_are),
		TEST(an_unknown_form_is_told_which_there_are),
		TEST(an_error_is_json_where_json_was_asked),
		TEST(a_shared_profile_is_given_back_once),
		TEST(json_has_all_of_it),
		TEST(a_label_that_stands_twice_is_a_list),
		TEST(only_frames_that_are_used_are_listed),
		TEST(top_counts_a_function_once_a_stack),
		TEST(top_can_be_cut_and_says_so),
		TEST(the_columns_of_a_flame_graph_have_one_length_and_sum_up),
		TEST(a_trees_nodes_are_their_own_and_their_childrens),
		TEST(a_deep_stack_is_cut_where_readers_give_up),
		TEST(speedscope_has_a_profile_of_each_type_root_first),
		TEST(folded_has_a_line_a_stack),
		TEST(no_name_is_taken_for_a_separator_or_a_value),
		TEST(a_picture_is_escaped_and_its_links_keep_the_request),
		TEST(a_difference_keeps_its_signs_where_nothing_is_drawn),
		TEST(a_difference_is_drawn_as_wide_as_it_is_large),
		TEST(a_difference_is_two_profiles_for_speedscope_and_two_columns_folded),
		TEST(numbers_at_the_ends_of_their_range_do_no_harm),
		TEST(an_empty_profile_is_a_document_too),
		TEST(names_of_8_kb_pass_through_every_form),
		TEST(amounts_read_as_people_write_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
