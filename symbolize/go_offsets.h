/*
 * go_offsets.h - where the runtime's structs have their fields, a column for each Go minor version.
 *
 * The table (go_offsets.c) is written by tests/layouts/generate from the DWARF of a program built
 * by each version; a new version is one more column. Equal for all 64-bit architectures of ours.
 */
#ifndef PPD_SYMBOLIZE_GO_OFFSETS_H
#define PPD_SYMBOLIZE_GO_OFFSETS_H

#include <stdint.h>

#define GO_OLDEST 18u

/* Bytes from the beginning of the struct; 0xffff: the version has no such field. */
#define GO_ABSENT 0xffffu

struct go_offsets {
	uint32_t minor; /* 21: Go 1.21 */
	/* runtime.g */
	uint16_t g_size, g_stack_lo, g_stack_hi, g_m, g_sched_sp, g_sched_pc, g_sched_bp, g_syscallsp,
		g_syscallpc, g_stktopsp, g_status, g_goid, g_waitsince, g_waitreason, g_parent_goid, g_gopc,
		g_startpc, g_labels, g_lockedm, g_ancestors, g_coroarg, g_schedlink,
		g_running_cleanups, /* bool (1.25 and later) */
		g_tracking_seq,     /* uint8: counts how often it left its thread */
		g_bubble,           /* of testing/synctest: a pointer; in bubble_id its number */
		bubble_id;
	/* runtime.m */
	uint16_t m_g0, m_gsignal, m_curg, m_p, m_id, m_procid, m_alllink, m_createstack, m_createstack_n,
		m_lockedg, m_vdso_sp, m_vdso_pc; /* while in the vdso, else 0 */
	/* buckets: struct memRecord and its cycles; blockRecord is {float64, int64} in all */
	uint16_t mem_record_size, mem_cycle_size;
	/* moduledata: word offsets in bytes */
	uint16_t md_text, md_etext, md_noptrdata, md_data, md_bss, md_noptrbss, md_gofunc, md_next;
	/* statuses and reasons that moved */
	uint8_t wrapper_func_id;
	uint8_t labels_slice;            /* labels are a slice of pairs, not a map */
	const char *const *wait_reasons; /* NULL-terminated; as the runtime's waitReasonStrings */
};

/* The column of a version, or NULL; go_offsets_newest() is what an unknown newer one is tried with. */
const struct go_offsets *go_offsets_find(uint32_t minor);
const struct go_offsets *go_offsets_newest(void);

#endif
