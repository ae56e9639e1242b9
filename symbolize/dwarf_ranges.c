#include "config.h"

#include "symbolize/dwarf_ranges.h"

#include <dwarf.h>
#include <errno.h>
#include <stdlib.h>

int
dwarf_range_add(struct dwarf_range_list *to, uint64_t low, uint64_t high)
{
	if (low >= high || !low || low >= UINT64_MAX - 1)
		return 0;
	if (to->n == DWARF_RANGES_MAX)
		return -EBADMSG;
	if (to->n == to->cap) {
		size_t cap = to->cap ? 2 * to->cap : 16;
		struct dwarf_range *grown = realloc(to->v, cap * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		to->v = grown;
		to->cap = cap;
	}
	to->v[to->n++] = (struct dwarf_range){low, high};
	return 0;
}

bool
dwarf_ranges_addr(const struct dwarf_ranges_in *in, uint64_t index, uint64_t *addr)
{
	struct dwarf_cur c;

	if (index > in->addr.size)
		return false;
	c = dwarf_cur_of(dwarf_span_from(in->addr, index * in->address_bytes));
	*addr = dwarf_cur_fixed(&c, in->address_bytes);
	return !c.bad;
}

bool
dwarf_ranges_index(const struct dwarf_ranges_in *in, uint64_t index, uint64_t *offset)
{
	struct dwarf_cur c;

	if (index > in->lists.size || in->lists_base > in->lists.size)
		return false;
	c = dwarf_cur_of(dwarf_span_from(in->lists, in->lists_base + index * in->offset_bytes));
	*offset = in->lists_base + dwarf_cur_fixed(&c, in->offset_bytes);
	return !c.bad;
}

/* An address of all ones; lld writes it, or one less, where a function was dropped. */
static bool
is_dropped(const struct dwarf_ranges_in *in, uint64_t address)
{
	uint64_t ones = in->address_bytes == 8 ? UINT64_MAX : UINT32_MAX;

	return address >= ones - 1;
}

/* DWARF 4, 2.17.3: pairs relative to a base; (-1, base) chooses another, (0, 0) ends. */
static int
read_pairs(const struct dwarf_ranges_in *in, struct dwarf_cur *c, struct dwarf_range_list *to)
{
	uint64_t ones = in->address_bytes == 8 ? UINT64_MAX : UINT32_MAX;
	uint64_t base = in->low;
	int r = 0;

	while (r == 0) {
		uint64_t low = dwarf_cur_fixed(c, in->address_bytes);
		uint64_t high = dwarf_cur_fixed(c, in->address_bytes);

		if (c->bad || (!low && !high))
			break;
		if (low == ones)
			base = high;
		else if (!is_dropped(in, base) && !is_dropped(in, low))
			r = dwarf_range_add(to, base + low, base + high);
	}
	return r;
}

/* One entry of a version 5 list (DWARF 5, 2.17.3): base and range are what they become.
 * Returns false at the end of the list, or where the entry cannot be read. */
static bool
read_entry(const struct dwarf_ranges_in *in, struct dwarf_cur *c, uint64_t *base, struct dwarf_range *range)
{
	bool known = true;
	uint8_t kind = dwarf_cur_u8(c);

	*range = (struct dwarf_range){0, 0};
	switch (kind) {
	case DW_RLE_base_addressx:
		if (!dwarf_ranges_addr(in, dwarf_cur_uleb(c), base))
			*base = UINT64_MAX; /* as if dropped */
		break;
	case DW_RLE_startx_endx:
		known = dwarf_ranges_addr(in, dwarf_cur_uleb(c), &range->low);
		known = dwarf_ranges_addr(in, dwarf_cur_uleb(c), &range->high) && known;
		break;
	case DW_RLE_startx_length:
		known = dwarf_ranges_addr(in, dwarf_cur_uleb(c), &range->low);
		range->high = range->low + dwarf_cur_uleb(c);
		break;
	case DW_RLE_offset_pair:
		range->low = *base + dwarf_cur_uleb(c);
		range->high = *base + dwarf_cur_uleb(c);
		known = !is_dropped(in, *base);
		break;
	case DW_RLE_base_address:
		*base = dwarf_cur_fixed(c, in->address_bytes);
		break;
	case DW_RLE_start_end:
		range->low = dwarf_cur_fixed(c, in->address_bytes);
		range->high = dwarf_cur_fixed(c, in->address_bytes);
		break;
	case DW_RLE_start_length:
		range->low = dwarf_cur_fixed(c, in->address_bytes);
		range->high = range->low + dwarf_cur_uleb(c);
		break;
	case DW_RLE_end_of_list:
		return false;
	default:
		c->bad = true;
	}
	if (!known || is_dropped(in, range->low))
		*range = (struct dwarf_range){0, 0};
	return !c->bad;
}

static int
read_entries(const struct dwarf_ranges_in *in, struct dwarf_cur *c, struct dwarf_range_list *to)
{
	uint64_t base = in->low;
	struct dwarf_range range;
	int r = 0;

	while (r == 0 && read_entry(in, c, &base, &range))
		r = dwarf_range_add(to, range.low, range.high);
	return r;
}

int
dwarf_ranges_read(const struct dwarf_ranges_in *in, uint64_t offset, struct dwarf_range_list *to)
{
	struct dwarf_cur c;
	size_t before;
	int r;

	if (in->version < 5)
		offset += in->lists_base;
	c = dwarf_cur_of(dwarf_span_from(in->lists, offset));
	before = dwarf_cur_left(&c);
	r = in->version < 5 ? read_pairs(in, &c, to) : read_entries(in, &c, to);
	to->bytes += before - dwarf_cur_left(&c);
	return c.bad ? -EBADMSG : r;
}
