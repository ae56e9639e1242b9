#include "config.h"

#include "symbolize/dwarf_attrs.h"

#include <dwarf.h>
#include <errno.h>

/* Which of ours an attribute is, or -1. */
static int
attr_of(unsigned int code)
{
	switch (code) {
	case DW_AT_low_pc:
		return DWARF_LOW_PC;
	case DW_AT_high_pc:
		return DWARF_HIGH_PC;
	case DW_AT_ranges:
		return DWARF_RANGES_AT;
	case DW_AT_call_file:
		return DWARF_CALL_FILE;
	case DW_AT_call_line:
		return DWARF_CALL_LINE;
	case DW_AT_name:
		return DWARF_NAME;
	case DW_AT_linkage_name:
	case DW_AT_MIPS_linkage_name:
		return DWARF_LINKAGE_NAME;
	case DW_AT_decl_line:
		return DWARF_DECL_LINE;
	case DW_AT_abstract_origin:
		return DWARF_ORIGIN;
	case DW_AT_specification:
		return DWARF_SPECIFICATION;
	case DW_AT_stmt_list:
		return DWARF_STMT_LIST;
	case DW_AT_comp_dir:
		return DWARF_COMP_DIR;
	case DW_AT_addr_base:
	case DW_AT_GNU_addr_base:
		return DWARF_ADDR_BASE;
	case DW_AT_rnglists_base:
		return DWARF_RNGLISTS_BASE;
	case DW_AT_GNU_ranges_base:
		return DWARF_GNU_RANGES_BASE;
	case DW_AT_str_offsets_base:
		return DWARF_STR_OFFSETS_BASE;
	case DW_AT_dwo_name:
	case DW_AT_GNU_dwo_name:
		return DWARF_DWO_NAME;
	case DW_AT_GNU_dwo_id:
		return DWARF_GNU_DWO_ID;
	default:
		return -1;
	}
}

static int
attr_found(Dwarf_Attribute *attr, void *arg)
{
	struct dwarf_attrs *a = arg;
	int which = attr_of(attr->code);

	if (which >= 0 && !(a->has >> which & 1)) {
		a->v[which] = *attr;
		a->has |= 1u << which;
	}
	return DWARF_CB_OK;
}

void
dwarf_attrs_read(Dwarf_Die *die, struct dwarf_attrs *a)
{
	a->has = 0;
	dwarf_getattrs(die, attr_found, a, 0);
}

/* A place at the attribute's value in .debug_info; empty when it is not there. */
static struct dwarf_cur
value_at(const Dwarf_Attribute *attr, const struct dwarf_sections *s)
{
	struct dwarf_span info = s->span[DWARF_INFO];
	uintptr_t from = (uintptr_t)info.data, at = (uintptr_t)attr->valp;

	if (!info.data || at < from)
		info = (struct dwarf_span){NULL, 0};
	return dwarf_cur_of(dwarf_span_from(info, at - from));
}

/* How many bytes an offset (or an address) has in the attribute's unit. */
static unsigned int
unit_bytes(const Dwarf_Attribute *attr, bool address)
{
	uint8_t address_bytes = 8, offset_bytes = 4;

	dwarf_cu_info(attr->cu, NULL, NULL, NULL, NULL, NULL, &address_bytes, &offset_bytes);
	return address ? address_bytes : offset_bytes;
}

/* How a form's number is written (DWARF 5, 7.5.6). Those that are no number are left out. */
struct form {
	enum { NO_NUMBER, FIXED, ULEB, SLEB, ADDRESS, OFFSET } how;
	uint8_t bytes; /* of FIXED */
	bool addrx;    /* an index of an address */
};

static struct form
form_of(unsigned int form)
{
	static const struct form forms[] = {
		[DW_FORM_addr] = {ADDRESS, 0, false},  [DW_FORM_sec_offset] = {OFFSET, 0, false},
		[DW_FORM_flag] = {FIXED, 1, false},    [DW_FORM_data1] = {FIXED, 1, false},
		[DW_FORM_data2] = {FIXED, 2, false},   [DW_FORM_data4] = {FIXED, 4, false},
		[DW_FORM_data8] = {FIXED, 8, false},   [DW_FORM_udata] = {ULEB, 0, false},
		[DW_FORM_sdata] = {SLEB, 0, false},    [DW_FORM_strx] = {ULEB, 0, false},
		[DW_FORM_strx1] = {FIXED, 1, false},   [DW_FORM_strx2] = {FIXED, 2, false},
		[DW_FORM_strx3] = {FIXED, 3, false},   [DW_FORM_strx4] = {FIXED, 4, false},
		[DW_FORM_rnglistx] = {ULEB, 0, false}, [DW_FORM_addrx] = {ULEB, 0, true},
		[DW_FORM_addrx1] = {FIXED, 1, true},   [DW_FORM_addrx2] = {FIXED, 2, true},
		[DW_FORM_addrx3] = {FIXED, 3, true},   [DW_FORM_addrx4] = {FIXED, 4, true},
	};

	if (form == DW_FORM_GNU_addr_index)
		return forms[DW_FORM_addrx];
	if (form == DW_FORM_GNU_str_index)
		return forms[DW_FORM_strx];
	return form < sizeof(forms) / sizeof(forms[0]) ? forms[form] : (struct form){NO_NUMBER, 0, false};
}

bool
dwarf_attrs_number(const struct dwarf_attrs *a, enum dwarf_attr which, const struct dwarf_sections *s,
		   uint64_t *value)
{
	Dwarf_Attribute attr = a->v[which];
	struct form form = form_of(attr.form);
	struct dwarf_cur c;
	Dwarf_Sword sword;

	if (!dwarf_attrs_has(a, which))
		return false;
	if (attr.form == DW_FORM_implicit_const) { /* in .debug_abbrev, which libdw has checked */
		if (dwarf_formsdata(&attr, &sword) < 0)
			return false;
		*value = (uint64_t)sword;
		return true;
	}
	c = value_at(&attr, s);
	switch (form.how) {
	case FIXED:
		*value = dwarf_cur_fixed(&c, form.bytes);
		break;
	case ULEB:
		*value = dwarf_cur_uleb(&c);
		break;
	case SLEB:
		*value = (uint64_t)dwarf_cur_sleb(&c);
		break;
	case ADDRESS:
	case OFFSET:
		*value = dwarf_cur_fixed(&c, unit_bytes(&attr, form.how == ADDRESS));
		break;
	default:
		return false;
	}
	return !c.bad;
}

const char *
dwarf_attrs_string(const struct dwarf_attrs *a, enum dwarf_attr which, const struct dwarf_sections *s,
		   struct dwarf_span str_offsets, const struct dwarf_sections *alt)
{
	Dwarf_Attribute attr = a->v[which];
	unsigned int bytes;
	struct dwarf_cur c;
	uint64_t index;

	if (!dwarf_attrs_has(a, which))
		return NULL;
	switch (attr.form) {
	case DW_FORM_string:
	case DW_FORM_strp:
	case DW_FORM_line_strp:
		return dwarf_sections_string(s, dwarf_formstring(&attr));
	case DW_FORM_GNU_strp_alt:
	case DW_FORM_strp_sup:
		return alt ? dwarf_sections_string(alt, dwarf_formstring(&attr)) : NULL;
	}
	if (!dwarf_attrs_number(a, which, s, &index) || index > str_offsets.size)
		return NULL;
	bytes = unit_bytes(&attr, false);
	c = dwarf_cur_of(dwarf_span_from(str_offsets, index * bytes));
	index = dwarf_cur_fixed(&c, bytes);
	return c.bad ? NULL : dwarf_span_string(s->span[DWARF_STR], index);
}

/* ---- addresses ---- */

/* Is the attribute an address (rather than a constant), and if so, which? */
static bool
address_of(const struct dwarf_attrs *a, enum dwarf_attr which, const struct dwarf_sections *s,
	   const struct dwarf_ranges_in *in, bool *is_address, uint64_t *value)
{
	struct form form;

	*is_address = false;
	if (!dwarf_attrs_number(a, which, s, value))
		return false;
	form = form_of(a->v[which].form);
	*is_address = form.addrx || form.how == ADDRESS;
	return !form.addrx || dwarf_ranges_addr(in, *value, value);
}

bool
dwarf_attrs_low(const struct dwarf_attrs *a, const struct dwarf_sections *s,
		const struct dwarf_ranges_in *in, uint64_t *low)
{
	bool is_address;

	return address_of(a, DWARF_LOW_PC, s, in, &is_address, low) && is_address;
}

int
dwarf_attrs_ranges(const struct dwarf_attrs *a, const struct dwarf_sections *s,
		   const struct dwarf_ranges_in *in, struct dwarf_range_list *to)
{
	uint64_t low, high;
	bool is_address;

	/* high_pc as a constant is a length (DWARF 4, 2.17.2). */
	if (dwarf_attrs_low(a, s, in, &low) && address_of(a, DWARF_HIGH_PC, s, in, &is_address, &high))
		return dwarf_range_add(to, low, is_address ? high : low + high);
	if (!dwarf_attrs_number(a, DWARF_RANGES_AT, s, &low))
		return 0;
	if (a->v[DWARF_RANGES_AT].form == DW_FORM_rnglistx && !dwarf_ranges_index(in, low, &low))
		return -EBADMSG;
	return dwarf_ranges_read(in, low, to);
}
