#include "config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "collector/record.h"

/* ---- writing records as perf_event_open(2) lays them out */

static struct buf b;
static void *exact; /* the record last finished, in memory of exactly its size */

static void
record_start(uint32_t type, uint16_t misc)
{
	const struct perf_event_header h = { .type = type, .misc = misc };

	buf_reset(&b);
	buf_add(&b, &h, sizeof(h));
}

static const struct perf_event_header *
record_end(void)
{
	struct perf_event_header h;

	free(exact);
	exact = malloc(b.len);
	memcpy(exact, b.data, b.len);
	memcpy(&h, exact, sizeof(h));
	h.size = (uint16_t)b.len;
	memcpy(exact, &h, sizeof(h));
	return exact;
}

/* The same record, cut to n bytes. */
static const struct perf_event_header *
record_cut(size_t n)
{
	b.len = n;
	return record_end();
}

static void
put_ids(uint64_t ip)
{
	buf_u64(&b, ip);
	buf_u32(&b, 100);             /* pid */
	buf_u32(&b, 101);             /* tid */
	buf_u64(&b, 5000000001u);     /* time */
	buf_u32(&b, 3);               /* cpu, reserved */
	buf_u32(&b, 0xffffffffu);
	buf_u64(&b, 10000000);        /* period */
}

static void
put_chain(const uint64_t *ips, uint64_t n)
{
	buf_u64(&b, n);
	for (uint64_t i = 0; i < n; i++)
		buf_u64(&b, ips[i]);
}

/* ax bx cx dx si di bp sp ip r8 ... r15, the kernel's order; each is 1000 + its place. */
static void
put_regs(void)
{
	buf_u64(&b, PERF_SAMPLE_REGS_ABI_64);
	for (uint64_t i = 0; i < UNWIND_REGS; i++)
		buf_u64(&b, 1000 + i);
}

static void
put_stack(uint64_t size, uint64_t dynamic)
{
	buf_u64(&b, size);
	for (uint64_t i = 0; i < size; i++)
		buf_u8(&b, (uint8_t)i);
	if (size)
		buf_u64(&b, dynamic);
}

static struct record_sample s;

static void
put_usual_sample(void)
{
	const uint64_t chain[] = { (uint64_t)PERF_CONTEXT_KERNEL, 0xffffffff81000010u, 0xffffffff81000100u };

	record_start(PERF_RECORD_SAMPLE, PERF_RECORD_MISC_KERNEL);
	put_ids(0xffffffff81000010u);
	put_chain(chain, 3);
	put_regs();
	put_stack(64, 48);
}

/* ---- samples */

static void
every_field_of_a_sample_is_where_it_belongs(void **state)
{
	(void)state;
	put_usual_sample();
	assert_int_equal(record_sample(record_end(), RECORD_SAMPLE_TYPE, &s), 0);
	assert_true(s.ip == 0xffffffff81000010u);
	assert_int_equal(s.pid, 100);
	assert_int_equal(s.tid, 101);
	assert_true(s.time_ns == 5000000001u);
	assert_int_equal(s.cpu, 3);
	assert_int_equal(s.period, 10000000);
	assert_true(s.in_kernel);
	assert_true(s.has_user);
	assert_int_equal(s.user.stack_bytes, 48);
	assert_int_equal(s.user.stack[0], 0);
	assert_int_equal(s.user.stack[47], 47);
}

static void
registers_get_their_dwarf_numbers(void **state)
{
	/* psABI figure 3.36: rax rdx rcx rbx rsi rdi rbp rsp r8 ... r15 rip */
	static const unsigned int place[UNWIND_REGS] = { 0, 3, 2, 1, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15, 16, 8 };

	(void)state;
	put_usual_sample();
	assert_int_equal(record_sample(record_end(), RECORD_SAMPLE_TYPE, &s), 0);
	for (size_t i = 0; i < UNWIND_REGS; i++)
		assert_int_equal(s.user.reg[i], 1000 + place[i]);
	assert_int_equal(s.user.reg[UNWIND_SP], 1007);
	assert_int_equal(s.user.reg[UNWIND_IP], 1008);
}

static void
kernel_frames_are_told_by_their_marker_and_callers_step_back(void **state)
{
	const uint64_t chain[] = {
		0xffffffff80000001u,               /* before any marker: whose is it? */
		(uint64_t)PERF_CONTEXT_KERNEL, 0xffffffff81000010u, 0xffffffff81000100u,
		(uint64_t)PERF_CONTEXT_USER, 0x401000, 0x402000,
		(uint64_t)PERF_CONTEXT_GUEST_KERNEL, 0xffffffff82000000u,
		(uint64_t)PERF_CONTEXT_KERNEL, 0xffffffff81000200u,
	};

	(void)state;
	record_start(PERF_RECORD_SAMPLE, PERF_RECORD_MISC_KERNEL);
	put_ids(0);
	put_chain(chain, sizeof(chain) / sizeof(chain[0]));
	put_regs();
	put_stack(0, 0);
	assert_int_equal(record_sample(record_end(), RECORD_SAMPLE_TYPE, &s), 0);
	assert_int_equal(s.n_kernel, 3);
	assert_true(s.kernel[0] == 0xffffffff81000010u);
	assert_true(s.kernel[1] == 0xffffffff810000ffu);
	assert_true(s.kernel[2] == 0xffffffff810001ffu);
}

static void
the_user_part_of_the_chain_stays_where_it_is(void **state)
{
	const uint64_t chain[] = { (uint64_t)PERF_CONTEXT_KERNEL, 0xffffffff81000010u,
				   (uint64_t)PERF_CONTEXT_USER, 0x401000, 0x402000, 0x403000 };

	(void)state;
	record_start(PERF_RECORD_SAMPLE, PERF_RECORD_MISC_KERNEL);
	put_ids(0);
	put_chain(chain, 6);
	put_regs();
	put_stack(8, 8);
	assert_int_equal(record_sample(record_end(), RECORD_SAMPLE_TYPE, &s), 0);
	assert_int_equal(s.n_kernel, 1);
	assert_int_equal(s.user.n_chain, 3);
	assert_memory_equal(s.user.chain, &chain[3], 3 * sizeof(chain[0]));
	put_usual_sample();
	assert_int_equal(record_sample(record_end(), RECORD_SAMPLE_TYPE, &s), 0);
	assert_int_equal(s.user.n_chain, 0);
	assert_null(s.user.chain);
}

static void
a_kernel_chain_that_is_too_deep_keeps_its_leaf_side(void **state)
{
	(void)state;
	record_start(PERF_RECORD_SAMPLE, PERF_RECORD_MISC_KERNEL);
	put_ids(0);
	buf_u64(&b, 1 + 2 * RECORD_KERNEL_MAX);
	buf_u64(&b, (uint64_t)PERF_CONTEXT_KERNEL);
	for (uint64_t i = 0; i < 2 * RECORD_KERNEL_MAX; i++)
		buf_u64(&b, 0xffffffff81000000u + i * 16);
	put_regs();
	put_stack(16, 16);
	assert_int_equal(record_sample(record_end(), RECORD_SAMPLE_TYPE, &s), 0);
	assert_int_equal(s.n_kernel, RECORD_KERNEL_MAX);
	assert_true(s.kernel[0] == 0xffffffff81000000u);
	assert_true(s.kernel[RECORD_KERNEL_MAX - 1] == 0xffffffff81000000u + (RECORD_KERNEL_MAX - 1) * 16 - 1);
	assert_int_equal(s.user.stack_bytes, 16);
}

static void
a_sample_in_user_mode_has_no_kernel_frames(void **state)
{
	(void)state;
	record_start(PERF_RECORD_SAMPLE, PERF_RECORD_MISC_USER);
	put_ids(0x401000);
	put_chain(NULL, 0);
	put_regs();
	put_stack(8, 8);
	assert_int_equal(record_sample(record_end(), RECORD_SAMPLE_TYPE, &s), 0);
	assert_false(s.in_kernel);
	assert_int_equal(s.n_kernel, 0);
	assert_true(s.has_user);
}

static void
a_thread_without_user_registers_has_no_user_stack(void **state)
{
	(void)state;
	put_usual_sample(); /* leaves an old stack in s */
	record_sample(record_end(), RECORD_SAMPLE_TYPE, &s);
	record_start(PERF_RECORD_SAMPLE, PERF_RECORD_MISC_KERNEL);
	put_ids(1);
	put_chain(NULL, 0);
	buf_u64(&b, PERF_SAMPLE_REGS_ABI_NONE);
	put_stack(0, 0);
	assert_int_equal(record_sample(record_end(), RECORD_SAMPLE_TYPE, &s), 0);
	assert_false(s.has_user);
	assert_null(s.user.stack);
	assert_int_equal(s.user.stack_bytes, 0);
}

static void
a_thread_of_32_bits_is_read_past_but_not_unwound(void **state)
{
	(void)state;
	record_start(PERF_RECORD_SAMPLE, PERF_RECORD_MISC_USER);
	put_ids(1);
	put_chain(NULL, 0);
	buf_u64(&b, PERF_SAMPLE_REGS_ABI_32);
	for (size_t i = 0; i < UNWIND_REGS; i++)
		buf_u64(&b, i);
	put_stack(16, 16);
	assert_int_equal(record_sample(record_end(), RECORD_SAMPLE_TYPE, &s), 0);
	assert_false(s.has_user);
}

static void
a_stack_that_claims_more_than_there_is_is_refused(void **state)
{
	static const uint64_t sizes[] = { 65, 1000000, UINT64_MAX, UINT64_MAX - 7, (uint64_t)1 << 63 };

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		record_start(PERF_RECORD_SAMPLE, 0);
		put_ids(1);
		put_chain(NULL, 0);
		put_regs();
		buf_u64(&b, sizes[i]);
		for (size_t k = 0; k < 64; k++)
			buf_u8(&b, 0);
		assert_int_equal(record_sample(record_end(), RECORD_SAMPLE_TYPE, &s), -EBADMSG);
		assert_int_equal(s.user.stack_bytes, 0);
	}
}

static void
a_dynamic_size_beyond_the_stack_counts_as_nothing(void **state)
{
	static const uint64_t sizes[] = { 65, UINT64_MAX };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		record_start(PERF_RECORD_SAMPLE, 0);
		put_ids(1);
		put_chain(NULL, 0);
		put_regs();
		put_stack(64, sizes[i]);
		assert_int_equal(record_sample(record_end(), RECORD_SAMPLE_TYPE, &s), 0);
		assert_int_equal(s.user.stack_bytes, 0);
	}
}

static void
a_chain_that_claims_more_than_there_is_is_refused(void **state)
{
	static const uint64_t counts[] = { 20, 1000000, UINT64_MAX, (uint64_t)1 << 61 };

	(void)state;
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		record_start(PERF_RECORD_SAMPLE, 0);
		put_ids(1);
		buf_u64(&b, counts[i]);
		for (size_t k = 0; k < 19; k++)
			buf_u64(&b, (uint64_t)PERF_CONTEXT_KERNEL);
		assert_int_equal(record_sample(record_end(), RECORD_SAMPLE_TYPE, &s), -EBADMSG);
		assert_in_range(s.n_kernel, 0, RECORD_KERNEL_MAX);
	}
}

static void
a_sample_cut_anywhere_is_refused(void **state)
{
	size_t whole;

	(void)state;
	put_usual_sample();
	whole = b.len;
	for (size_t n = sizeof(struct perf_event_header); n < whole; n++) {
		put_usual_sample();
		if (record_sample(record_cut(n), RECORD_SAMPLE_TYPE, &s) != -EBADMSG)
			fail_msg("%zu of %zu bytes were taken", n, whole);
	}
}

/* ---- the others */

static void
put_mmap2(const char *path, size_t n)
{
	record_start(PERF_RECORD_MMAP2, 0);
	buf_u32(&b, 100);
	buf_u32(&b, 101);
	buf_u64(&b, 0x7f0000001000u);
	buf_u64(&b, 0x3000);
	buf_u64(&b, 0x2000);
	buf_u32(&b, 8);
	buf_u32(&b, 1);
	buf_u64(&b, 4711);
	buf_u64(&b, 99); /* ino_generation */
	buf_u32(&b, 5);
	buf_u32(&b, 2);  /* flags */
	buf_add(&b, path, n);
}

static void
a_new_mapping_is_read(void **state)
{
	struct record_mmap m;

	(void)state;
	put_mmap2("/lib/x.so\0\0\0\0\0\0\0", 16);
	buf_u64(&b, 0x6500000064u); /* sample_id behind the text */
	assert_int_equal(record_mmap2(record_end(), &m), 0);
	assert_int_equal(m.pid, 100);
	assert_int_equal(m.tid, 101);
	assert_true(m.start == 0x7f0000001000u);
	assert_int_equal(m.len, 0x3000);
	assert_int_equal(m.pgoff, 0x2000);
	assert_int_equal(m.major, 8);
	assert_int_equal(m.minor, 1);
	assert_int_equal(m.ino, 4711);
	assert_int_equal(m.prot, 5);
	assert_string_equal(m.path, "/lib/x.so");
}

static void
a_mapping_without_the_end_of_its_name_is_refused(void **state)
{
	struct record_mmap m;

	(void)state;
	put_mmap2("/lib/x.s", 8);
	assert_int_equal(record_mmap2(record_end(), &m), -EBADMSG);
	put_mmap2("", 0);
	assert_int_equal(record_mmap2(record_end(), &m), -EBADMSG);
	put_mmap2("", 1);
	assert_int_equal(record_mmap2(record_end(), &m), 0);
	assert_string_equal(m.path, "");
	for (size_t n = sizeof(struct perf_event_header); n < 8 + 64; n++) {
		put_mmap2("\0\0\0\0\0\0\0", 8);
		assert_int_equal(record_mmap2(record_cut(n), &m), -EBADMSG);
	}
}

static void
a_fork_is_read_whole_or_not_at_all(void **state)
{
	struct record_task t;

	(void)state;
	for (size_t n = 8; n <= 32; n++) {
		record_start(PERF_RECORD_FORK, 0);
		buf_u32(&b, 1);
		buf_u32(&b, 2);
		buf_u32(&b, 3);
		buf_u32(&b, 4);
		buf_u64(&b, 5);
		assert_int_equal(record_task(record_cut(n), &t), n < 32 ? -EBADMSG : 0);
	}
	assert_int_equal(t.pid, 1);
	assert_int_equal(t.ppid, 2);
	assert_int_equal(t.tid, 3);
	assert_int_equal(t.ptid, 4);
	assert_int_equal(t.time_ns, 5);
}

static void
a_name_is_read_and_an_exec_is_told_from_a_new_name(void **state)
{
	struct record_comm c;

	(void)state;
	for (int exec = 0; exec < 2; exec++) {
		record_start(PERF_RECORD_COMM, exec ? PERF_RECORD_MISC_COMM_EXEC : 0);
		buf_u32(&b, 7);
		buf_u32(&b, 8);
		buf_add(&b, "redis\0\0\0", 8);
		assert_int_equal(record_comm(record_end(), &c), 0);
		assert_int_equal(c.pid, 7);
		assert_int_equal(c.tid, 8);
		assert_int_equal(c.exec, exec);
		assert_string_equal(c.comm, "redis");
	}
	record_start(PERF_RECORD_COMM, 0);
	buf_u32(&b, 7);
	buf_u32(&b, 8);
	buf_add(&b, "redis-se", 8);
	assert_int_equal(record_comm(record_end(), &c), -EBADMSG);
}

static int
start(void **state)
{
	(void)state;
	buf_init(&b, 65528);
	return 0;
}

static int
end(void **state)
{
	(void)state;
	buf_fini(&b);
	free(exact);
	exact = NULL;
	return 0;
}

#define WITH_BUF(f) cmocka_unit_test_setup_teardown(f, start, end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_BUF(every_field_of_a_sample_is_where_it_belongs),
		WITH_BUF(registers_get_their_dwarf_numbers),
		WITH_BUF(kernel_frames_are_told_by_their_marker_and_callers_step_back),
		WITH_BUF(the_user_part_of_the_chain_stays_where_it_is),
		WITH_BUF(a_kernel_chain_that_is_too_deep_keeps_its_leaf_side),
		WITH_BUF(a_sample_in_user_mode_has_no_kernel_frames),
		WITH_BUF(a_thread_without_user_registers_has_no_user_stack),
		WITH_BUF(a_thread_of_32_bits_is_read_past_but_not_unwound),
		WITH_BUF(a_stack_that_claims_more_than_there_is_is_refused),
		WITH_BUF(a_dynamic_size_beyond_the_stack_counts_as_nothing),
		WITH_BUF(a_chain_that_claims_more_than_there_is_is_refused),
		WITH_BUF(a_sample_cut_anywhere_is_refused),
		WITH_BUF(a_new_mapping_is_read),
		WITH_BUF(a_mapping_without_the_end_of_its_name_is_refused),
		WITH_BUF(a_fork_is_read_whole_or_not_at_all),
		WITH_BUF(a_name_is_read_and_an_exec_is_told_from_a_new_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
