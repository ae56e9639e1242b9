#include "config.h"

#include "symbolize/go_inltree.h"

#include <string.h>

#include "symbolize/go_pcvalue.h"

#define ENTRIES_MAX (1u << 20) /* as the runtime itself has it */
#define CALL_BYTES_MAX 20
#define IDS_MAX 64             /* there are 25 or so funcIDs */

void
go_inltree_init(struct go_inltree *t, const struct go_module *m, const struct go_func *f)
{
	t->m = m;
	t->f = f;
	t->vaddr = go_func_data(m, f, GO_FUNCDATA_INL_TREE);
	t->index = t->vaddr ? go_func_pcdata(m, f, GO_PCDATA_INL_TREE_INDEX) : 0;
}

static uint32_t
field(const unsigned char *p, uint8_t at)
{
	uint32_t v;

	memcpy(&v, p + at, sizeof(v));
	return v;
}

/* Entry i; false where the file does not hold it. */
static bool
get(const struct go_inltree *t, uint32_t i, struct go_call *c)
{
	const struct go_layout *l = t->m->layout;
	const unsigned char *p;

	if (i >= ENTRIES_MAX || t->vaddr > UINT64_MAX - (uint64_t)ENTRIES_MAX * CALL_BYTES_MAX)
		return false;
	p = image_at(t->m->im, t->vaddr + (uint64_t)i * l->call_bytes, l->call_bytes);
	if (!p)
		return false;
	c->id = p[l->call_id];
	c->name = field(p, l->call_name);
	c->parent_pc = t->f->entry + field(p, l->call_parent);
	c->start_line = l->call_start ? field(p, l->call_start) : 0;
	return true;
}

bool
go_inltree_find(const struct go_inltree *t, uint64_t pc, struct go_call *c)
{
	int32_t i = t->index ? go_pcvalue_find(t->m, t->f, t->index, pc) : -1;

	return i >= 0 && get(t, (uint32_t)i, c);
}

/* An offset that begins a name, and an instruction of the function. */
static bool
makes_sense(const struct go_inltree *t, const struct go_call *c)
{
	size_t len;
	const char *s = go_func_name(t->m, c->name, &len);

	return s && len > 0 && (c->name == 0 || go_module_u8(t->m, t->m->names + c->name - 1) == 0) &&
	       c->parent_pc < t->f->end && c->id < IDS_MAX;
}

void
go_inltree_check(const struct go_inltree *t, uint32_t max, uint32_t *good, uint32_t *bad)
{
	struct go_pcvalue v;
	struct go_call c;

	go_pcvalue_init(&v, t->m, t->f, t->index);
	while (max > 0 && go_pcvalue_next(&v)) {
		if (v.value < 0)
			continue;
		if (get(t, (uint32_t)v.value, &c) && makes_sense(t, &c))
			++*good;
		else
			++*bad;
		max--;
	}
}
