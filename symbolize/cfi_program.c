#include "config.h"

#include "symbolize/cfi_program.h"

#include <errno.h>
#include <string.h>

/* DWARF 5, table 7.29. The first three carry an operand in their low six bits. */
enum {
	CFA_ADVANCE_LOC = 0x40, CFA_OFFSET = 0x80, CFA_RESTORE = 0xc0,
	CFA_NOP = 0x00, CFA_SET_LOC, CFA_ADVANCE_LOC1, CFA_ADVANCE_LOC2, CFA_ADVANCE_LOC4,
	CFA_OFFSET_EXTENDED, CFA_RESTORE_EXTENDED, CFA_UNDEFINED, CFA_SAME_VALUE, CFA_REGISTER,
	CFA_REMEMBER_STATE, CFA_RESTORE_STATE, CFA_DEF_CFA, CFA_DEF_CFA_REGISTER, CFA_DEF_CFA_OFFSET,
	CFA_DEF_CFA_EXPRESSION, CFA_EXPRESSION, CFA_OFFSET_EXTENDED_SF, CFA_DEF_CFA_SF,
	CFA_DEF_CFA_OFFSET_SF, CFA_VAL_OFFSET, CFA_VAL_OFFSET_SF, CFA_VAL_EXPRESSION,
	/* of GNU's: .cfi_escape, and what old compilers made */
	CFA_GNU_ARGS_SIZE = 0x2e, CFA_GNU_NEGATIVE_OFFSET_EXTENDED = 0x2f,
};

/* Initial instructions are run again for each change of CIE: a hostile file may alternate. */
#define CIE_PROGRAM_MAX 512

/* One run: where it is, and whom it tells. */
struct run {
	struct cfi_machine *m;
	const struct eh_cie *cie;
	struct cur c;
	uint64_t here, end; /* `now` holds from here on */
	cfi_emit *emit;           /* NULL: a CIE's instructions */
	void *ctx;
};

void
cfi_machine_init(struct cfi_machine *m, const struct eh_frame *section)
{
	memset(m, 0, sizeof(*m));
	m->section = section;
	m->cie_at = SIZE_MAX;
}

/* The rule of a register's column, or NULL where nobody asks for it. */
static struct cfi_rule *
rule_of(struct run *r, struct cfi_state *s, uint64_t reg)
{
	if (reg == CFI_FP)
		return &s->fp;
	return reg == r->cie->return_column ? &s->ra : NULL;
}

static void
set_rule(struct run *r, uint64_t reg, enum cfi_how how, int64_t offset)
{
	struct cfi_rule *rule = rule_of(r, &r->m->now, reg);

	if (!rule)
		return;
	rule->how = how;
	rule->offset = offset;
}

static void
restore_rule(struct run *r, uint64_t reg)
{
	struct cfi_rule *rule = rule_of(r, &r->m->now, reg);

	if (rule)
		*rule = *rule_of(r, &r->m->initial, reg);
}

/* Offsets are in units of the CIE's data alignment; wrapping multiplication, not overflow. */
static int64_t
scaled(const struct run *r, uint64_t factor)
{
	return (int64_t)(factor * (uint64_t)r->cie->data_align);
}

static struct cur
read_block(struct cur *c)
{
	uint64_t n = eh_uleb(c);
	const void *at = cur_bytes(c, n);
	struct cur block;

	cur_init(&block, at ? at : c->end, at ? n : 0);
	return block;
}

static int
move_to(struct run *r, uint64_t to)
{
	if (!r->emit || to < r->here)
		return -EBADMSG;
	if (to == r->here)
		return 0;
	if (r->here < r->end) {
		int e = r->emit(r->ctx, r->here, &r->m->now);

		if (e < 0)
			return e;
	}
	r->here = to;
	return 0;
}

static int
advance(struct run *r, uint64_t units)
{
	uint64_t left = UINT64_MAX - r->here, bytes;

	if (__builtin_mul_overflow(units, r->cie->code_align, &bytes) || bytes > left)
		return -EBADMSG;
	return move_to(r, r->here + bytes);
}

static int
remember(struct run *r)
{
	if (r->m->n_saved == CFI_REMEMBER_MAX)
		return -EBADMSG;
	r->m->saved[r->m->n_saved++] = r->m->now;
	return 0;
}

static int
restore(struct run *r)
{
	if (r->m->n_saved == 0)
		return -EBADMSG;
	r->m->now = r->m->saved[--r->m->n_saved];
	return 0;
}

static void
def_cfa(struct cfi_state *s, uint64_t reg, int64_t offset)
{
	s->cfa_expr = false;
	s->cfa_reg = reg;
	s->cfa_offset = offset;
}

/* Rules for saved registers: operand forms of DWARF 5, 6.4.2.3. */
static int
register_op(struct run *r, uint8_t op)
{
	struct cur *c = &r->c, block;
	struct cfi_rule *rule;
	uint64_t reg = eh_uleb(c);

	switch (op) {
	case CFA_OFFSET_EXTENDED:
		set_rule(r, reg, CFI_OFFSET, scaled(r, eh_uleb(c)));
		return 0;
	case CFA_OFFSET_EXTENDED_SF:
		set_rule(r, reg, CFI_OFFSET, scaled(r, (uint64_t)eh_sleb(c)));
		return 0;
	case CFA_GNU_NEGATIVE_OFFSET_EXTENDED:
		set_rule(r, reg, CFI_OFFSET, scaled(r, -eh_uleb(c)));
		return 0;
	case CFA_RESTORE_EXTENDED:
		restore_rule(r, reg);
		return 0;
	case CFA_UNDEFINED:
		set_rule(r, reg, CFI_UNDEFINED, 0);
		return 0;
	case CFA_SAME_VALUE:
		set_rule(r, reg, CFI_SAME, 0);
		return 0;
	case CFA_REGISTER:
	case CFA_VAL_OFFSET:
	case CFA_VAL_OFFSET_SF:
		eh_uleb(c); /* signed or not, as many bytes */
		set_rule(r, reg, CFI_OTHER, 0);
		return 0;
	case CFA_EXPRESSION:
	case CFA_VAL_EXPRESSION:
		block = read_block(c);
		set_rule(r, reg, op == CFA_EXPRESSION ? CFI_EXPR : CFI_OTHER, 0);
		rule = rule_of(r, &r->m->now, reg);
		if (rule)
			rule->expr = block;
		return 0;
	default:
		return -EBADMSG;
	}
}

/* Everything that has no operand in its low bits. */
static int
extended_op(struct run *r, uint8_t op)
{
	struct cfi_state *now = &r->m->now;
	struct cur *c = &r->c;
	uint64_t reg;

	switch (op) {
	case CFA_NOP:
		return 0;
	case CFA_SET_LOC:
		return move_to(r, eh_frame_address(r->m->section, c, r->cie->encoding));
	case CFA_ADVANCE_LOC1:
		return advance(r, cur_u8(c));
	case CFA_ADVANCE_LOC2:
		return advance(r, cur_u16(c));
	case CFA_ADVANCE_LOC4:
		return advance(r, cur_u32(c));
	case CFA_REMEMBER_STATE:
		return remember(r);
	case CFA_RESTORE_STATE:
		return restore(r);
	case CFA_DEF_CFA:
		reg = eh_uleb(c);
		def_cfa(now, reg, (int64_t)eh_uleb(c));
		return 0;
	case CFA_DEF_CFA_SF:
		reg = eh_uleb(c);
		def_cfa(now, reg, scaled(r, (uint64_t)eh_sleb(c)));
		return 0;
	case CFA_DEF_CFA_REGISTER:
		def_cfa(now, eh_uleb(c), now->cfa_offset);
		return 0;
	case CFA_DEF_CFA_OFFSET:
		now->cfa_offset = (int64_t)eh_uleb(c);
		return 0;
	case CFA_DEF_CFA_OFFSET_SF:
		now->cfa_offset = scaled(r, (uint64_t)eh_sleb(c));
		return 0;
	case CFA_DEF_CFA_EXPRESSION:
		now->cfa = read_block(c);
		now->cfa_expr = true;
		return 0;
	case CFA_GNU_ARGS_SIZE:
		eh_uleb(c);
		return 0;
	default:
		return register_op(r, op);
	}
}

static int
run_instructions(struct run *r)
{
	while (cur_left(&r->c) > 0 && r->here < r->end) {
		uint8_t op = cur_u8(&r->c), low = op & 0x3f;
		int e = 0;

		switch (op & 0xc0) {
		case CFA_ADVANCE_LOC:
			e = advance(r, low);
			break;
		case CFA_OFFSET:
			set_rule(r, low, CFI_OFFSET, scaled(r, eh_uleb(&r->c)));
			break;
		case CFA_RESTORE:
			restore_rule(r, low);
			break;
		default:
			e = extended_op(r, op);
		}
		if (cur_error(&r->c) < 0)
			return -EBADMSG;
		if (e < 0)
			return e;
	}
	return 0;
}

/* Before the first instruction: the CFA is nothing yet, and no register has moved. */
static void
run_cie(struct cfi_machine *m, const struct eh_fde *fde)
{
	struct run r = { .m = m, .cie = fde->cie, .c = fde->cie->program, .end = UINT64_MAX };

	memset(&m->now, 0, sizeof(m->now));
	memset(&m->initial, 0, sizeof(m->initial));
	m->now.cfa_reg = UINT64_MAX;
	m->n_saved = 0;
	m->cie_bad = cur_left(&r.c) > CIE_PROGRAM_MAX || run_instructions(&r) < 0;
	m->initial = m->now;
	m->cie_at = fde->cie_at;
}

int
cfi_run(struct cfi_machine *m, const struct eh_fde *fde, cfi_emit *emit, void *ctx, uint64_t *end)
{
	struct run r = {
		.m = m,
		.cie = fde->cie,
		.c = fde->program,
		.here = fde->start,
		.end = fde->start + fde->size,
		.emit = emit,
		.ctx = ctx,
	};
	int e;

	*end = fde->start;
	if (m->cie_at != fde->cie_at)
		run_cie(m, fde);
	if (m->cie_bad)
		return -EBADMSG;
	m->now = m->initial;
	m->n_saved = 0;
	e = run_instructions(&r);
	*end = r.here < r.end ? r.here : r.end;
	if (e < 0)
		return e;
	if (r.here < r.end)
		e = emit(ctx, r.here, &m->now);
	*end = r.end;
	return e;
}
