#include "config.h"

#include "symbolize/unwind_rows.h"

#include <errno.h>
#include <stdlib.h>

#include "symbolize/cfi_program.h"
#include "symbolize/eh_frame.h"

/* psABI x86-64, figure 3.36 */
enum { REG_RBP = 6, REG_RSP = 7, REG_RIP = 16, REGS_GENERAL = 16 };

/* DWARF 5, table 7.9: the operations that occur in .eh_frame of x86-64 */
enum {
	OP_DEREF = 0x06, OP_AND = 0x1a, OP_PLUS = 0x22, OP_PLUS_UCONST = 0x23, OP_SHL = 0x24, OP_GE = 0x2a,
	OP_LIT0 = 0x30, OP_LIT3 = 0x33, OP_LIT15 = 0x3f, OP_BREG0 = 0x70,
};

/* Less than this between two functions is padding: it needs no row of its own. */
#define PADDING_MAX 16

/* What belongs to the entry point: a few instructions that call the first function. */
#define ENTRY_BYTES 64

/* One function on its way into the writer. */
struct compile {
	struct rows_writer *w;
	uint64_t start; /* of the function, link-time address */
	uint64_t place; /* its offset in the file */
};

/* DW_OP_bregN offset: returns N and the offset, or -1. */
static int
take_breg(struct cur *e, int64_t *offset)
{
	uint8_t op = cur_u8(e);

	if (op < OP_BREG0 || op > OP_BREG0 + 31)
		return -1;
	*offset = eh_sleb(e);
	return op - OP_BREG0;
}

static bool
take_ops(struct cur *e, const uint8_t *ops, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (cur_u8(e) != ops[i])
			return false;
	return true;
}

static bool
all_read(const struct cur *e)
{
	return cur_error(e) == 0 && cur_left(e) == 0;
}

/*
 * The lazy PLT entries, as linkers describe them with one entry for all:
 * sp + 8 + ((rip & 15) >= N) << 3, where N is behind the entry's push.
 */
static bool
plt_row(struct cur e, struct row *row)
{
	static const uint8_t and15[] = { OP_LIT15, OP_AND };
	static const uint8_t times8[] = { OP_GE, OP_LIT3, OP_SHL, OP_PLUS };
	int64_t sp = 0, ip = 0;
	int n;

	if (take_breg(&e, &sp) != REG_RSP || take_breg(&e, &ip) != REG_RIP || sp != 8 || ip != 0)
		return false;
	if (!take_ops(&e, and15, sizeof(and15)))
		return false;
	n = cur_u8(&e) - OP_LIT0;
	if (n < 0 || n > 15 || !take_ops(&e, times8, sizeof(times8)) || !all_read(&e))
		return false;
	row->rule = ROW_PLT;
	row->cfa = (int16_t)n;
	return true;
}

/* A realigned stack keeps the old one's address: *(fp or sp + offset), or that plus some words. */
static bool
deref_row(struct cur e, struct row *row)
{
	int64_t offset = 0;
	uint64_t plus = 0;
	int reg = take_breg(&e, &offset);

	if ((reg != REG_RSP && reg != REG_RBP) || cur_u8(&e) != OP_DEREF)
		return false;
	if (cur_left(&e) > 0) {
		if (cur_u8(&e) != OP_PLUS_UCONST)
			return false;
		plus = eh_uleb(&e);
	}
	if (!all_read(&e) || offset % 8 || offset / 8 < INT16_MIN / 16 || offset / 8 > INT16_MAX / 16 ||
	    plus % 8 || plus / 8 > 15)
		return false;
	row->rule = reg == REG_RSP ? ROW_SP_DEREF : ROW_FP_DEREF;
	row->cfa = (int16_t)(offset / 8 * 16 + (int64_t)(plus / 8));
	return true;
}

static bool
register_row(uint64_t reg, int64_t offset, struct row *row)
{
	if (reg >= REGS_GENERAL || offset % 8 || offset / 8 < INT8_MIN || offset / 8 > INT8_MAX)
		return false;
	row->rule = ROW_REG;
	row->cfa = (int16_t)(reg << 8 | (uint8_t)(offset / 8));
	return true;
}

static uint8_t
fp_rule(const struct cfi_rule *fp)
{
	struct cur e = fp->expr;
	int64_t offset = 0;

	switch (fp->how) {
	case CFI_SAME:
		return ROW_FP_SAME;
	case CFI_OFFSET:
		if (fp->offset < 0 && fp->offset % 8 == 0 && fp->offset / -8 < ROW_FP_HERE)
			return (uint8_t)(fp->offset / -8);
		return ROW_FP_LOST;
	case CFI_EXPR:
		if (take_breg(&e, &offset) == REG_RBP && offset == 0 && all_read(&e))
			return ROW_FP_HERE;
		return ROW_FP_LOST;
	default:
		return ROW_FP_LOST;
	}
}

/*
 * At a ret GCC still says where rbp was saved, though it has been popped. A
 * slot below the stack pointer is dead, and the register has its value back.
 */
static bool
popped(const struct cfi_state *now)
{
	return !now->cfa_expr && now->cfa_reg == REG_RSP && now->fp.how == CFI_OFFSET &&
	       now->cfa_offset < -now->fp.offset;
}

static int
add_row(void *ctx, uint64_t vaddr, const struct cfi_state *now)
{
	struct compile *c = ctx;
	struct row row = {
		.place = (uint32_t)(c->place + (vaddr - c->start)),
		.fp = popped(now) ? ROW_FP_SAME : fp_rule(&now->fp),
	};

	if (now->ra.how == CFI_UNDEFINED) {
		row.rule = ROW_ROOT;
		row.fp = 0;
	} else if (now->ra.how != CFI_OFFSET || now->ra.offset != -8) {
		row = (struct row){ .place = row.place, .rule = ROW_NONE };
	} else if (!now->cfa_expr && (now->cfa_reg == REG_RSP || now->cfa_reg == REG_RBP)) {
		return rows_writer_add_cfa(c->w, row.place, now->cfa_reg == REG_RSP ? ROW_SP : ROW_FP,
					   now->cfa_offset, row.fp);
	} else if (now->cfa_expr ? !plt_row(now->cfa, &row) && !deref_row(now->cfa, &row)
				 : !register_row(now->cfa_reg, now->cfa_offset, &row)) {
		row = (struct row){ .place = row.place, .rule = ROW_NONE };
	}
	return rows_writer_add(c->w, row);
}

/* From `place` on nothing is known. */
static int
add_none(struct rows_writer *w, uint64_t place)
{
	if (place > UINT32_MAX)
		return 0;
	return rows_writer_add(w, (struct row){ .place = (uint32_t)place, .rule = ROW_NONE });
}

/* One entry's rows, and ROW_NONE behind it where the next is not near. *used counts. */
static int
add_entry(struct cfi_machine *m, struct compile *c, const struct image *im, struct eh_fde *fde,
	  uint64_t next, int *used)
{
	size_t left = image_left(im, fde->start);
	uint64_t end;
	int r;

	if (image_place(im, fde->start, &c->place) < 0 || c->place + left > UINT32_MAX)
		return 0;
	if (fde->size > left)
		fde->size = left;
	c->start = fde->start;
	if (fde->cie->signal) {
		r = rows_writer_add(c->w, (struct row){ .place = (uint32_t)c->place, .rule = ROW_SIGNAL });
		end = fde->start + fde->size;
	} else {
		r = cfi_run(m, fde, add_row, c, &end);
	}
	if (r < 0 && r != -EBADMSG)
		return r;
	if (r == 0)
		(*used)++;
	if (next >= end && next - end < PADDING_MAX && r == 0)
		return 0;
	return add_none(c->w, c->place + (end - fde->start));
}

/*
 * The entry point has no caller, and often (ld.so's, musl's) no table that
 * says so. Returns 0 or -errno.
 */
static int
add_entry_point(const struct image *im, struct rows_writer *w, const struct eh_entry *entries, size_t n)
{
	uint64_t end = im->entry + ENTRY_BYTES, place;
	int r;

	if (!im->entry || image_place(im, im->entry, &place) < 0 || place > UINT32_MAX)
		return 0;
	for (size_t i = 0; i < n; i++) {
		if (im->entry >= entries[i].start && im->entry - entries[i].start < entries[i].size)
			return 0;
		if (entries[i].start > im->entry && entries[i].start < end)
			end = entries[i].start;
	}
	r = rows_writer_add(w, (struct row){ .place = (uint32_t)place, .rule = ROW_ROOT });
	return r < 0 ? r : add_none(w, place + (end - im->entry));
}

int
unwind_rows(const struct image *im, struct rows_writer *w, struct err *why)
{
	struct compile c = { .w = w };
	struct eh_entry *entries = NULL;
	struct cfi_machine m;
	struct eh_frame f;
	int n, used = 0, r;

	r = eh_frame_open(&f, im, why);
	if (r < 0)
		return r;
	n = eh_frame_entries(&f, &entries, why);
	if (n < 0)
		return n;
	cfi_machine_init(&m, &f);
	r = add_none(w, 0);
	for (int i = 0; i < n && r >= 0; i++) {
		uint64_t next = i + 1 < n ? entries[i + 1].start : UINT64_MAX;
		struct eh_fde fde;

		if (eh_frame_read(&f, entries[i].at, &fde) < 0)
			continue;
		fde.size = entries[i].size;
		r = add_entry(&m, &c, im, &fde, next, &used);
	}
	if (r >= 0)
		r = add_entry_point(im, w, entries, (size_t)n);
	free(entries);
	return r < 0 ? err_set(why, r, "unwind: %zu rows", w->n) : used;
}
