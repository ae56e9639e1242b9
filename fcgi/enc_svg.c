#include "config.h"

#include "fcgi/enc_forms.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/wire.h"
#include "fcgi/amount.h"
#include "fcgi/doc.h"
#include "fcgi/text.h"
#include "fcgi/tree.h"

/* A picture without a script: widths are in percent, so that it fills a phone and a screen alike, with
 * letters of one size; each box is an svg of its own, which cuts its text. */

#define NODES_MAX   5000
#define MIN_PCT     0.05 /* half a pixel of a thousand */
#define ROW_PX      18
#define BASE_PX     13  /* a text's base line in its row */
#define FOCUS_MAX   200 /* bytes of a name that a link looks for */
#define TEXT_MIN    0.8 /* percent: narrower boxes have no room for a letter */
#define CHARS_SHOWN 300 /* of a box's text; the whole name is in its title */

struct svg {
	const struct form_of *of;
	const struct view *v;
	struct tree tree;
	struct sink *to;
	struct buf scratch, text;
	double *offsets; /* by depth: where the next box begins, in percent */
	uint32_t y;      /* of the next line of text, then of the root */
	uint32_t boxes, hidden, depth;
};

static const char style[] =
	"svg{font:12px system-ui,sans-serif}\n"
	":root{color-scheme:light dark;background:#fff;--ink:#1b1b1b;--link:#0b57d0;--edge:#fff}\n"
	"text{fill:var(--ink);white-space:pre}a{text-decoration:none}\n"
	"text a{fill:var(--link);text-decoration:underline}\n"
	"a:hover rect,a:focus rect{stroke:var(--ink);stroke-width:2}a:focus{outline:none}\n"
	"rect{stroke:var(--edge);stroke-width:.5}.h{font-weight:bold;font-size:14px}\n"
	".root rect{fill:#ddd}.mark rect{fill:#e3e3e3}\n"
	".main0 rect{fill:#ffc9a3}.main1 rect{fill:#ffb98a}.main2 rect{fill:#ffd79a}\n"
	".lib0 rect{fill:#f7e08a}.lib1 rect{fill:#efe6a0}.lib2 rect{fill:#e9d67a}\n"
	".kern0 rect{fill:#b9d3f7}.kern1 rect{fill:#c9def9}.kern2 rect{fill:#aecbf2}\n"
	".jit0 rect{fill:#bfe3b4}.jit1 rect{fill:#cdeac4}.jit2 rect{fill:#b0dba3}\n"
	".thr rect{fill:#d9cbf0}.more rect{fill:#ffb3ad}.less rect{fill:#a9c9ff}\n"
	"@media(prefers-color-scheme:dark){\n"
	":root{background:#16181c;--ink:#f0f0f0;--link:#8ab4f8;--edge:#16181c}\n"
	".root rect{fill:#3c4043}.mark rect{fill:#45484c}\n"
	".main0 rect{fill:#8a3f12}.main1 rect{fill:#7a3710}.main2 rect{fill:#84490e}\n"
	".lib0 rect{fill:#665512}.lib1 rect{fill:#5a4c14}.lib2 rect{fill:#70600f}\n"
	".kern0 rect{fill:#234a80}.kern1 rect{fill:#1f4170}.kern2 rect{fill:#29538f}\n"
	".jit0 rect{fill:#2b5a20}.jit1 rect{fill:#24501b}.jit2 rect{fill:#316526}\n"
	".thr rect{fill:#523d7a}.more rect{fill:#8c2f29}.less rect{fill:#234f94}\n"
	"}\n";

/* ---- text */

static void
svg_text(struct svg *s, const char *text, size_t n)
{
	buf_reset(&s->text);
	text_html(&s->text, text, n);
	sink_add(s->to, s->text.data, s->text.len);
}

static const char *
svg_string(const struct svg *s, uint32_t string)
{
	return strings_get(&s->v->p->strings, string);
}

/* Everything but what RFC 3986 lets stand as it is. */
static void
svg_percent_encoded(struct svg *s, const char *text, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)text[i];

		if (isalnum(c) || strchr("-._~", c))
			sink_add(s->to, &text[i], 1);
		else
			sink_printf(s->to, "%%%02X", c);
	}
}

/* ---- links: the same request with another value of one parameter */

static void
svg_link(struct svg *s, const char *name, const char *value, size_t n)
{
	const char *at = s->of->query, *between = "";
	size_t name_n = strlen(name);

	sink_text(s->to, "<a href=\"?");
	if (n) {
		sink_printf(s->to, "%s=", name);
		svg_percent_encoded(s, value, n);
		between = "&amp;";
	}
	while (*at) {
		size_t len = strcspn(at, "&");

		if (len && (strncmp(at, name, name_n) != 0 || !strchr("=&", at[name_n]))) {
			sink_text(s->to, between);
			svg_text(s, at, len);
			between = "&amp;";
		}
		at += len + (at[len] == '&');
	}
	sink_text(s->to, "\">");
}

/* ---- the head */

static void
svg_line_begin(struct svg *s, const char *class)
{
	s->y += ROW_PX;
	sink_printf(s->to, "<text x=\"6\" y=\"%u\"%s>", s->y, class);
}

static void
svg_line_end(struct svg *s)
{
	sink_text(s->to, "</text>\n");
}

static void
svg_title(struct svg *s)
{
	const struct profile *p = s->v->p;
	const char *comm = p->node.comm ? svg_string(s, p->node.comm) : "the node";

	sink_printf(s->to, "%s of ", s->of->name);
	svg_text(s, comm, strlen(comm));
	if (p->node.pid)
		sink_printf(s->to, " (pid %u)", p->node.pid);
}

static void
svg_amounts(struct svg *s)
{
	const struct profile *p = s->v->p;
	uint32_t type = s->v->type;
	const char *name = svg_string(s, p->types[type].type), *unit = svg_string(s, p->types[type].unit);
	char amount[AMOUNT_MAX];

	svg_line_begin(s, "");
	svg_text(s, name, strlen(name));
	sink_printf(s->to, ": %s", amount_text(amount, s->v->shown[type], unit));
	if (s->v->shown[type] != s->v->total[type])
		sink_printf(s->to, " of %s", amount_text(amount, s->v->total[type], unit));
	if (p->window.duration_ns)
		sink_printf(s->to, " in %s",
			    amount_text(amount, (int64_t)p->window.duration_ns, "nanoseconds"));
	svg_line_end(s);
	svg_line_begin(s, "");
	sink_text(s->to, s->v->negative[type]
				 ? "a difference: red is more, blue is less"
				 : "orange: program, yellow: library, blue: kernel, green: JIT");
	svg_line_end(s);
}

/* All types, two a line: a phone has room for that. */
static void
svg_types(struct svg *s)
{
	const struct profile *p = s->v->p;

	for (uint32_t i = 0; p->n_types > 1 && i < p->n_types; i++) {
		const char *name = svg_string(s, p->types[i].type);

		if (i % 2 == 0)
			svg_line_begin(s, "");
		if (i == s->v->type) {
			svg_text(s, name, strlen(name));
		} else {
			svg_link(s, "sample_type", name, strlen(name));
			svg_text(s, name, strlen(name));
			sink_text(s->to, "</a>");
		}
		if (i % 2 == 0 && i + 1 < p->n_types)
			sink_text(s->to, " · ");
		else
			svg_line_end(s);
	}
}

static void
svg_focus(struct svg *s)
{
	const char *focus = s->of->wish->focus;

	if (*focus) {
		svg_line_begin(s, "");
		svg_link(s, "focus", "", 0);
		sink_text(s->to, "show all</a>, not only stacks with ");
		svg_text(s, focus, strlen(focus));
		svg_line_end(s);
	}
	if (s->hidden) {
		svg_line_begin(s, "");
		sink_printf(s->to,
			    s->hidden == 1 ? "%u smaller box is not drawn"
					   : "%u smaller boxes are not drawn",
			    s->hidden);
		svg_line_end(s);
	}
}

/* How many boxes there will be, and how deep: the height stands in the first line. */
static void
svg_measure(struct svg *s)
{
	struct tree_node node;

	tree_begin(&s->tree);
	while (tree_next(&s->tree, &node)) {
		s->hidden += node.hidden;
		if (node.hidden)
			continue;
		s->boxes++;
		if (node.depth > s->depth)
			s->depth = node.depth;
	}
}

static uint32_t
svg_head_lines(const struct svg *s)
{
	uint32_t types = s->v->p->n_types > 1 ? (s->v->p->n_types + 1) / 2 : 0;

	return 3 + types + (*s->of->wish->focus != '\0') + (s->hidden > 0);
}

static void
svg_head(struct svg *s)
{
	uint32_t rows = svg_head_lines(s) + s->depth + 2;

	sink_printf(s->to,
		    "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"100%%\" height=\"%u\" "
		    "lang=\"en\">\n<title>",
		    rows * ROW_PX);
	svg_title(s);
	/* A phone would take a page without this for one that is 980 pixels wide. */
	sink_text(s->to, "</title>\n<meta xmlns=\"http://www.w3.org/1999/xhtml\" name=\"viewport\" "
			 "content=\"width=device-width\"/>\n<style>");
	sink_text(s->to, style);
	sink_text(s->to, "</style>\n");
	svg_line_begin(s, " class=\"h\"");
	svg_title(s);
	svg_line_end(s);
	svg_amounts(s);
	svg_types(s);
	svg_focus(s);
	s->y += ROW_PX / 2;
}

/* ---- boxes */

static const char *
svg_class(const struct svg *s, const struct tree_node *node, char *to, size_t size)
{
	static const char *const by_kind[] = {
		[WIRE_MAP_FILE] = "lib", [WIRE_MAP_VDSO] = "kern",   [WIRE_MAP_KERNEL] = "kern",
		[WIRE_MAP_JIT] = "jit",  [WIRE_MAP_PSEUDO] = "mark",
	};
	const struct profile *p = s->v->p;
	const struct frame *f;
	const struct profile_map *map;

	if (node->frame == FRAMES_NONE)
		return "root";
	if (s->v->negative[s->v->type])
		return node->value > 0 ? "more" : node->value < 0 ? "less" : "mark";
	f = &s->v->frames.at[node->frame];
	if (f->thread)
		return "thr";
	map = &p->maps.at[s->v->ids->mappings[f->mapping - 1]];
	if (map->kind == WIRE_MAP_PSEUDO)
		return "mark";
	/* Neighbours differ a little; the same name is the same everywhere. */
	snprintf(to, size, "%s%u", map->flags & WIRE_MAP_MAIN ? "main" : by_kind[map->kind], f->name % 3u);
	return to;
}

static void
svg_box_title(struct svg *s, const struct tree_node *node, const char *label)
{
	const struct view *v = s->v;
	const char *unit = svg_string(s, v->p->types[v->type].unit);
	char amount[AMOUNT_MAX];

	sink_text(s->to, "<title>");
	svg_text(s, label, strlen(label));
	sink_printf(s->to, "\n%s, %.2f %%", amount_text(amount, node->value, unit),
		    doc_percent(node->value, v->total_size[v->type]));
	if (node->self)
		sink_printf(s->to, "; itself %s, %.2f %%", amount_text(amount, node->self, unit),
			    doc_percent(node->self, v->total_size[v->type]));
	if (node->frame != FRAMES_NONE) {
		const struct frame *f = &v->frames.at[node->frame];
		const char *file = svg_string(s, f->file);

		if (*file) {
			sink_text(s->to, "\n");
			svg_text(s, file, strlen(file));
		}
		if (!f->thread) {
			const struct profile_map *map = &v->p->maps.at[v->ids->mappings[f->mapping - 1]];

			file = svg_string(s, profile_map_file(map));
			sink_text(s->to, "\n");
			svg_text(s, file, strlen(file));
		}
	}
	sink_text(s->to, "</title>");
}

/* What focus= will find again: a part of the name as the profile has it. */
static void
svg_box_link(struct svg *s, const struct tree_node *node)
{
	const char *name = "";

	if (node->frame != FRAMES_NONE)
		name = svg_string(s, s->v->frames.at[node->frame].name);
	svg_link(s, "focus", name, text_cut(name, strlen(name), FOCUS_MAX));
}

static void
svg_box(struct svg *s, const struct tree_node *node, double x, double width)
{
	const char *label = tree_label(&s->tree, node, &s->scratch);
	char class[16];

	svg_box_link(s, node);
	sink_printf(s->to, "<svg class=\"%s\" x=\"%.4f%%\" y=\"%u\" width=\"%.4f%%\" height=\"%d\">",
		    svg_class(s, node, class, sizeof(class)), x, s->y + node->depth * ROW_PX, width,
		    ROW_PX);
	svg_box_title(s, node, label);
	sink_text(s->to, "<rect width=\"100%\" height=\"100%\"/>");
	if (width >= TEXT_MIN) {
		sink_printf(s->to, "<text x=\"3\" y=\"%d\">", BASE_PX);
		svg_text(s, label, text_cut(label, strlen(label), CHARS_SHOWN));
		sink_text(s->to, "</text>");
	}
	sink_text(s->to, "</svg></a>\n");
}

static void
svg_boxes(struct svg *s)
{
	uint64_t whole = s->tree.sizes[s->v->n_rows];
	struct tree_node node;

	tree_begin(&s->tree);
	while (tree_next(&s->tree, &node) && !sink_error(s->to)) {
		double x = s->offsets[node.depth],
		       width = node.depth ? doc_percent((int64_t)node.size, whole) : 100;

		s->offsets[node.depth] = x + width;
		if (node.hidden)
			continue;
		s->offsets[node.depth + 1] = x;
		svg_box(s, &node, x, width);
	}
}

void
enc_svg(const struct form_of *of, struct view *v, struct sink *to)
{
	struct svg s = { .of = of, .v = v, .to = to };
	double min = of->wish->min_given ? of->wish->min_pct : MIN_PCT;

	buf_init(&s.scratch, 0);
	/* A label is a name and a file, and a quote takes six bytes. */
	buf_init(&s.text, 6 * 3 * STRINGS_LENGTH_MAX);
	s.offsets = calloc((size_t)v->depth + 3, sizeof(*s.offsets));
	if (tree_init(&s.tree, v, 0) < 0 || !s.offsets) {
		to->error = -ENOMEM;
	} else {
		tree_limit(&s.tree, view_least(v, min),
			   of->wish->limit && of->wish->limit < NODES_MAX ? of->wish->limit : NODES_MAX);
		svg_measure(&s);
		svg_head(&s);
		svg_boxes(&s);
		sink_text(to, "</svg>\n");
	}
	tree_fini(&s.tree);
	buf_fini(&s.scratch);
	buf_fini(&s.text);
	free(s.offsets);
}
