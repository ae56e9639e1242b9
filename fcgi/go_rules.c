#include "config.h"

#include "fcgi/go_rules.h"

#include <string.h>

static const struct {
	uint32_t since; /* minor */
	uint32_t rules;
} changes[] = {
	{ 20, GO_HEAP_NEVER_EQUAL | GO_MUTEX_SCALED },
	{ 21, GO_ELIDED_MIDDLE },
	{ 23, GO_STACKS_128 | GO_THREADS_PADDED | GO_EXPORTED_METHODS },
	{ 24, GO_INTERNAL_RUNTIME },
	{ 25, GO_CLEANERS_SHOWN | GO_BUBBLES },
	{ 27, GO_BLOCK_SIZE_ALWAYS | GO_HEAD_LABELS },
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
