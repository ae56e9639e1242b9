#include "config.h"

#include "symbolize/go_pcvalue.h"

static bool
varint(struct go_pcvalue *v, uint32_t *out)
{
	uint32_t n = 0;

	for (unsigned int shift = 0; shift < 35 && v->at < v->end; shift += 7) {
		unsigned char c = *v->at++;

		n |= (uint32_t)(c & 0x7f) << shift;
		if (!(c & 0x80)) {
			*out = n;
			return true;
		}
	}
	return false;
}

void
go_pcvalue_init(struct go_pcvalue *v, const struct go_module *m, const struct go_func *f, uint32_t table)
{
	uint64_t at = m->values + table;

	*v = (struct go_pcvalue){
		.end = m->base + m->bytes,
		.func = f,
		.quantum = m->quantum,
		.from = f->entry,
		.to = f->entry,
		.value = -1,
	};
	v->at = table && at < m->bytes ? m->base + at : v->end;
}

bool
go_pcvalue_next(struct go_pcvalue *v)
{
	uint32_t change, run;

	if (v->to >= v->func->end || !varint(v, &change) || !varint(v, &run))
		return false;
	if (change == 0 && v->to != v->func->entry)
		return false;
	v->from = v->to;
	v->to += (uint64_t)run * v->quantum;
	v->value = (int32_t)((uint32_t)v->value + ((change >> 1) ^ -(change & 1)));
	/* Go's assembler writes no run of nothing: a function has fewer runs than bytes. */
	return run != 0;
}

int32_t
go_pcvalue_find(const struct go_module *m, const struct go_func *f, uint32_t table, uint64_t pc)
{
	struct go_pcvalue v;

	go_pcvalue_init(&v, m, f, table);
	while (go_pcvalue_next(&v))
		if (pc < v.to)
			return v.value;
	return -1;
}
