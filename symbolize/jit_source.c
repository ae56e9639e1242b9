#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "symbolize/jit_map.h"
#include "symbolize/source.h"

struct jit_names {
	struct jit_map *map;
	int fd; /* borrowed; -1: the node writes no map */
	char note[SOURCE_NOTE_MAX];
};

static int
jit_open(void **self, const struct source_input *in)
{
	struct jit_names *j = calloc(1, sizeof(*j));

	if (!j || jit_map_new(&j->map) < 0) {
		free(j);
		return -ENOMEM;
	}
	j->fd = in->fd;
	*self = j;
	return 0;
}

static const char *
copy(struct arena *arena, struct jit_text t)
{
	return arena_copy(arena, t.at, t.n < CHAIN_STRING_MAX ? t.n : CHAIN_STRING_MAX);
}

static int
jit_answer(const struct jit_names *j, struct answer *a, uint32_t entry, struct arena *arena)
{
	struct answer_frame *f = arena_get(arena, sizeof(*f));
	struct jit_name name;

	if (!f)
		return -ENOMEM;
	a->vaddr = a->place;
	a->n = 1;
	a->frames = f;
	a->flags = WIRE_ANSWER_FINAL;
	f->file = "";
	f->name = f->system_name = "[jit]";
	if (entry == JIT_MAP_NONE)
		return 0;
	jit_name_parse(jit_map_name(j->map, entry), &name);
	f->name = copy(arena, name.name);
	f->system_name = copy(arena, name.system_name);
	f->file = copy(arena, name.file);
	if (!f->name || !f->system_name || !f->file)
		return -ENOMEM;
	/* Where in the function the code is the map does not say; its beginning is the nearest. */
	f->line = f->start_line = name.line;
	a->flags |= WIRE_ANSWER_NAMED;
	if (name.line)
		a->flags |= WIRE_ANSWER_LINES;
	return 0;
}

static int
jit_quick(void *self, struct answer *a, size_t n, struct arena *arena)
{
	struct jit_names *j = self;
	uint64_t *addrs = arena_get(arena, n * sizeof(*addrs));
	uint32_t *which = arena_get(arena, n * sizeof(*which));
	struct err why;
	int r;

	if (!addrs || !which)
		return -ENOMEM;
	if (j->fd >= 0 && jit_map_read(j->map, j->fd, &why) < 0)
		snprintf(j->note, sizeof(j->note), "names of compiled code are missing: %.180s", why.text);
	for (size_t i = 0; i < n; i++)
		addrs[i] = a[i].place;
	r = jit_map_find(j->map, addrs, n, which);
	for (size_t i = 0; r == 0 && i < n; i++)
		r = jit_answer(j, &a[i], which[i], arena);
	return r;
}

static void
jit_info(const void *self, struct source_info *out)
{
	const struct jit_names *j = self;

	memset(out, 0, sizeof(*out));
	memcpy(out->note, j->note, sizeof(out->note));
}

static void
jit_free(void *self)
{
	struct jit_names *j = self;

	if (!j)
		return;
	jit_map_free(j->map);
	free(j);
}

const struct source jit_source = {
	.open = jit_open,
	.quick = jit_quick,
	.info = jit_info,
	.free = jit_free,
};
