#include "config.h"

#include "fcgi/go_rules.h"

#include <string.h>

static const struct {
	uint32_t since; /* minor */
	uint32_t rules;
} changes[] = {
	{ 20, GO_HEAP_NEVER_EQUAL | GO_MUTEX_SCALED },
	{ 21, GO_ELIDED_MIDDLE | GO_SHAPES_DOTTED },
	{ 23, GO_STACKS_128 | GO_THREADS_PADDED | GO_EXPORTED_METHODS },
	{ 24, GO_INTERNAL_RUNTIME },
	{ 25, GO_CLEANERS_SHOWN | GO_BUBBLES },
	{ 27, GO_BLOCK_SIZE_ALWAYS | GO_HEAD_LABELS | GO_SHAPES_TWICE },
};

static const char runtime[] = "runtime.";
static const char internal_runtime[] = "internal/runtime/";

uint32_t
go_rules(uint32_t minor)
{
	uint32_t rules = 0;

	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++)
		if (minor >= changes[i].since)
			rules |= changes[i].rules;
	return rules;
}

static bool
begins(const char *s, const char *with)
{
	return !strncmp(s, with, strlen(with));
}

bool
go_rules_is_runtime(uint32_t rules, const char *name)
{
	return begins(name, runtime) || ((rules & GO_INTERNAL_RUNTIME) && begins(name, internal_runtime));
}

/* In what stands between the outer brackets: where "]...[" is, with the brackets of either side
 * balanced. Returns 1 where it is, 0 where there is none, -1 where they do not match. */
static int
find_middle(const char *in, size_t n, size_t *close, size_t *open)
{
	bool closed = false;
	int depth = 1;

	for (size_t i = 0; i < n; i++) {
		if (in[i] == '[' && ++depth == 1) {
			*open = i;
			return 1;
		}
		if (in[i] == ']' && --depth == 0) {
			*close = i;
			closed = true;
		}
		if (depth < 0)
			return -1;
	}
	return depth == 1 && !closed ? 0 : -1;
}

static void
name_add(struct go_name *to, const char *at, size_t n)
{
	to->part[to->n].at = at;
	to->part[to->n].n = n;
	to->n++;
}

void
go_rules_name(uint32_t rules, const char *name, struct go_name *to)
{
	const char *open = (rules & GO_SHAPES_DOTTED) ? strchr(name, '[') : NULL;
	const char *close = open ? strrchr(open, ']') : NULL;
	size_t from = 0, until = 0, all = strlen(name);
	int middle = 0;

	to->n = 0;
	if (close && (rules & GO_SHAPES_TWICE) && memchr(open + 1, '[', (size_t)(close - open - 1)))
		middle = find_middle(open + 1, (size_t)(close - open - 1), &from, &until);
	if (!close || middle < 0) {
		name_add(to, name, all);
		return;
	}
	name_add(to, name, (size_t)(open - name));
	name_add(to, "[...]", 5);
	if (middle) {
		name_add(to, open + 1 + from + 1, until - from - 1);
		name_add(to, "[...]", 5);
	}
	name_add(to, close + 1, all - (size_t)(close + 1 - name));
}

static bool
is_upper(char c)
{
	return c >= 'A' && c <= 'Z';
}

/* Behind "runtime.": Callers; (*Func).Entry; Func.Entry. */
static bool
is_exported(uint32_t rules, const char *name)
{
	const char *dot = strrchr(name, '.');
	const char *receiver = name;

	if (!(rules & GO_EXPORTED_METHODS) || !dot)
		return is_upper(*name);
	if (dot - receiver >= 3 && receiver[0] == '(' && receiver[1] == '*' && dot[-1] == ')')
		receiver += 2;
	return is_upper(dot[1]) && (dot == name || is_upper(*receiver));
}

bool
go_rules_shows(uint32_t rules, const char *name, bool first)
{
	if (!strchr(name, '.'))
		return false;
	if (!begins(name, runtime))
		return true;
	if ((rules & GO_CLEANERS_SHOWN) &&
	    (!strcmp(name, "runtime.runFinalizers") || !strcmp(name, "runtime.runCleanups")))
		return true;
	/* The border between ordinary code and what a panic calls. */
	if (!strcmp(name, "runtime.gopanic"))
		return !first;
	return is_exported(rules, name + strlen(runtime));
}
