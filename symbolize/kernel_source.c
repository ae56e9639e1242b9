#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "symbolize/kallsyms.h"
#include "symbolize/source.h"

struct kernel_names {
	struct kallsyms *kallsyms; /* NULL: no addresses are told */
	char note[SOURCE_NOTE_MAX];
};

static int
kernel_open(void **self, const struct source_input *in)
{
	struct kernel_names *k = calloc(1, sizeof(*k));
	struct err why;

	if (!k)
		return -ENOMEM;
	if (in->fd >= 0 && kallsyms_open(&k->kallsyms, in->fd, &why) < 0)
		snprintf(k->note, sizeof(k->note), "the kernel's functions have no names: %.180s",
			 why.text);
	*self = k;
	return 0;
}

/* "name [module]" */
static const char *
with_module(struct arena *arena, const char *name, const char *module)
{
	size_t n = strlen(name) + strlen(module) + 4;
	char *text;

	if (!*module)
		return name;
	text = arena_get(arena, n);
	if (text)
		snprintf(text, n, "%s [%s]", name, module);
	return text;
}

static int
kernel_quick(void *self, struct answer *a, size_t n, struct arena *arena)
{
	const struct kernel_names *k = self;
	const char *name, *module;

	for (size_t i = 0; i < n; i++) {
		struct answer_frame *f = arena_get(arena, sizeof(*f));

		if (!f)
			return -ENOMEM;
		a[i].vaddr = a[i].place;
		a[i].n = 1;
		a[i].frames = f;
		a[i].flags = WIRE_ANSWER_FINAL;
		f->file = "";
		f->name = f->system_name = "[kernel]";
		if (!k->kallsyms || kallsyms_find(k->kallsyms, a[i].place, &name, &module) < 0)
			continue;
		f->name = name;
		f->system_name = with_module(arena, name, module);
		if (!f->system_name)
			return -ENOMEM;
		a[i].flags |= WIRE_ANSWER_NAMED;
	}
	return 0;
}

static void
kernel_info(const void *self, struct source_info *out)
{
	const struct kernel_names *k = self;

	memset(out, 0, sizeof(*out));
	memcpy(out->note, k->note, sizeof(out->note));
}

static void
kernel_free(void *self)
{
	struct kernel_names *k = self;

	if (!k)
		return;
	kallsyms_free(k->kallsyms);
	free(k);
}

const struct source kernel_source = {
	.open = kernel_open,
	.quick = kernel_quick,
	.info = kernel_info,
	.free = kernel_free,
};
