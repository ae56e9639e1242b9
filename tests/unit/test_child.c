#include "config.h"

#include "symbolize/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/rows.h"
#include "symbolize/answer.h"
#include "symbolize/catalog.h"
#include "symbolize/reader.h"
#include "tests/unit/elf_maker.h"
#include "tests/unit/kid.h"

static const struct reader_limits limits = { .null_fd = -1, .memory_mb = 512, .cpu_seconds = 5 };

/* A real child: forked, limited and jailed as the parent does it. */
struct jailed {
	struct entry entry;
	struct reader reader;
	struct wire_msg m;
};

static void
start(struct jailed *j, enum wire_map_kind kind, int fd, const char *path, uint64_t rows_bytes)
{
	struct err why;

	memset(j, 0, sizeof(*j));
	j->entry.identity.kind = kind;
	j->entry.fd = fd;
	j->entry.path = (char *)(uintptr_t)path;
	assert_int_equal(reader_start(&j->reader, &limits, &j->entry, rows_bytes, 0, &why), 0);
}

/* Its verdict; the child ends because we hang up, or because it must. */
static int
finish(struct jailed *j)
{
	int status;
	pid_t pid = j->reader.pid;

	if (j->reader.sock >= 0)
		close(j->reader.sock);
	j->reader.sock = -1;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	reader_fini(&j->reader);
	if (j->entry.fd >= 0)
		close(j->entry.fd);
	return status;
}

static void
ask(struct jailed *j, const uint64_t *places, size_t n)
{
	struct buf b;

	buf_init(&b, WIRE_BODY_MAX);
	buf_u64(&b, 5);
	buf_u32(&b, 99);
	buf_u16(&b, (uint16_t)n);
	for (size_t i = 0; i < n; i++)
		buf_u64(&b, places[i]);
	assert_int_equal(wire_send(j->reader.sock, WIRE_NAME_ASK, b.data, b.len, -1), 0);
	buf_fini(&b);
}

/* The next message, or 0 at the end of file. */
static int
next(struct jailed *j)
{
	struct pollfd p = { j->reader.sock, POLLIN, 0 };

	assert_int_equal(poll(&p, 1, 20000), 1);
	return wire_recv(j->reader.sock, &j->m);
}

static void
refuse_file(struct jailed *j, enum wire_file kind, const char *name)
{
	struct cur c;
	struct buf b;
	uint32_t ticket;
	const char *text;
	size_t n;

	assert_int_equal(j->m.type, WIRE_FILE_ASK);
	cur_init(&c, j->m.body, j->m.len);
	ticket = cur_u32(&c);
	cur_u64(&c);
	assert_int_equal(cur_u8(&c), kind);
	text = cur_str(&c, &n);
	assert_int_equal(cur_error(&c), 0);
	assert_int_equal(n, strlen(name));
	assert_memory_equal(text, name, n);
	buf_init(&b, WIRE_BODY_MAX);
	buf_u32(&b, ticket);
	buf_u32(&b, ENOENT);
	assert_int_equal(wire_send(j->reader.sock, WIRE_FILE, b.data, b.len, -1), 0);
	buf_fini(&b);
}

struct said {
	uint64_t place, vaddr, entry;
	uint8_t flags, k;
	char name[256], system_name[256], file[256];
	uint32_t line;
};

static void
copy_string(struct cur *c, char to[256])
{
	size_t n;
	const char *s = cur_str(c, &n);

	assert_true(n < 256);
	memcpy(to, s, n);
	to[n] = '\0';
}

/* The answers of j->m, whose outermost frame is kept. */
static size_t
answers(struct jailed *j, struct said *to, size_t max)
{
	struct cur c;
	uint16_t n;

	assert_int_equal(j->m.type, WIRE_NAMES);
	cur_init(&c, j->m.body, j->m.len);
	assert_int_equal(cur_u64(&c), 5);
	n = cur_u16(&c);
	assert_true(n <= max);
	for (uint16_t i = 0; i < n; i++) {
		to[i].place = cur_u64(&c);
		to[i].vaddr = cur_u64(&c);
		to[i].entry = cur_u64(&c);
		to[i].flags = cur_u8(&c);
		to[i].k = cur_u8(&c);
		for (uint8_t k = 0; k < to[i].k; k++) {
			to[i].line = cur_u32(&c);
			cur_u32(&c);
			copy_string(&c, to[i].name);
			copy_string(&c, to[i].system_name);
			copy_string(&c, to[i].file);
		}
	}
	assert_int_equal(cur_error(&c), 0);
	assert_int_equal(cur_left(&c), 0);
	return n;
}

/* WIRE_NAMED in j->m: its flags, and its note. */
static uint8_t
named(struct jailed *j, char note[256])
{
	struct cur c;
	uint8_t flags;
	size_t n;

	assert_int_equal(j->m.type, WIRE_NAMED);
	cur_init(&c, j->m.body, j->m.len);
	assert_int_equal(cur_u32(&c), 99);
	assert_int_equal(cur_u64(&c), 5);
	assert_int_equal(cur_u8(&c), WIRE_NAMED_OK);
	flags = cur_u8(&c);
	cur_str(&c, &n);
	copy_string(&c, note);
	assert_int_equal(cur_error(&c), 0);
	return flags;
}

static const struct elf_symbol functions[] = {
	{ "_ZN3FooIiE3barEv.constprop.0", ELF_TEXT, 0x100, STT_FUNC, STB_GLOBAL },
};

static int
small_elf(const struct elf_spec *spec)
{
	struct buf b;
	int fd;

	buf_init(&b, 1 << 20);
	elf_make(&b, spec);
	fd = elf_fd(&b);
	buf_fini(&b);
	assert_true(fd >= 0);
	return fd;
}

static void
quick_answers_come_before_the_debug_file_is_asked_for(void **state)
{
	const struct elf_spec spec = { .symbols = functions,
				       .n = 1,
				       .symtab = true,
				       .build_id = "0123456789abcdefghij",
				       .link = "it.debug",
				       .entry = ELF_TEXT + 0x200 };
	const uint64_t places[] = { 0x1010, 0x1208, 0x1800, 0x100000 };
	struct said said[4];
	struct jailed j;
	char note[256];

	(void)state;
	start(&j, WIRE_MAP_FILE, small_elf(&spec), "/usr/lib/libit.so.1 (deleted)", 0);
	ask(&j, places, 4);
	assert_int_equal(next(&j), 1);
	assert_int_equal(answers(&j, said, 4), 4);
	assert_string_equal(said[0].name, "Foo::bar");
	assert_int_equal(said[0].flags, WIRE_ANSWER_NAMED);
	assert_int_equal(next(&j), 1);
	refuse_file(&j, WIRE_FILE_BUILD_ID, spec.build_id);
	assert_int_equal(next(&j), 1);
	refuse_file(&j, WIRE_FILE_DEBUGLINK, spec.link);
	assert_int_equal(next(&j), 1);
	/* That no segment holds the last one was final before. */
	assert_int_equal(answers(&j, said, 4), 3);
	assert_int_equal(said[0].place, 0x1010);
	assert_int_equal(said[0].vaddr, ELF_TEXT + 0x10);
	assert_int_equal(said[0].entry, ELF_TEXT);
	assert_int_equal(said[0].flags, WIRE_ANSWER_NAMED | WIRE_ANSWER_FINAL);
	assert_string_equal(said[0].name, "Foo::bar");
	assert_string_equal(said[0].system_name, "_ZN3FooIiE3barEv.constprop.0");
	assert_string_equal(said[1].name, "_start");
	assert_string_equal(said[2].name, "[libit.so.1]+0x401800");
	assert_int_equal(said[2].flags, WIRE_ANSWER_FINAL);
	assert_int_equal(next(&j), 1);
	assert_int_equal(named(&j, note), WIRE_OBJECT_EXEC);
	assert_string_equal(note, "");
	assert_int_equal(finish(&j), 0);
}

/* Not inlined, and with a size. */
__attribute__((noinline)) int function_of_this_test(int x);

int
function_of_this_test(int x)
{
	__asm__ volatile("" : "+r"(x));
	return x + 1;
}

/* Where in our own file a function of ours is. */
static uint64_t
place_of(const void *function)
{
	unsigned long long from, to, offset;
	uint64_t place = 0;
	char line[512];
	FILE *f = fopen("/proc/self/maps", "re");

	assert_non_null(f);
	while (!place && fgets(line, sizeof(line), f))
		if (sscanf(line, "%llx-%llx %*s %llx", &from, &to, &offset) == 3 &&
		    (uintptr_t)function >= from && (uintptr_t)function < to)
			place = (uintptr_t)function - from + offset;
	fclose(f);
	return place;
}

static void
a_function_of_this_program_has_its_name_and_line(void **state)
{
	const uint64_t place = place_of((const void *)(uintptr_t)function_of_this_test);
	struct said said = { 0 };
	struct jailed j;
	char note[256];
	uint8_t flags;

	(void)state;
	start(&j, WIRE_MAP_FILE, open("/proc/self/exe", O_RDONLY | O_CLOEXEC), "/x/test_child", 0);
	ask(&j, &place, 1);
	while (next(&j) == 1 && j.m.type != WIRE_NAMED) {
		if (j.m.type == WIRE_NAMES) {
			assert_int_equal(answers(&j, &said, 1), 1);
			continue;
		}
		close(j.m.fd);
		fail_msg("a program with DWARF of its own needs no other file");
	}
	flags = named(&j, note);
	assert_string_equal(said.name, "function_of_this_test");
	if (!(flags & WIRE_OBJECT_DEBUG))
		print_message("          built without -g: no lines to look at\n");
	else
		assert_non_null(strstr(said.file, "test_child.c"));
	assert_int_equal(finish(&j), 0);
}

static void
rows_are_written_into_the_memfd(void **state)
{
	int memfd = memfd_create("rows", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	struct jailed j;
	struct rows rows;
	struct err why;
	struct cur c;
	struct buf b;

	(void)state;
	start(&j, WIRE_MAP_FILE, open("/proc/self/exe", O_RDONLY | O_CLOEXEC), "/x/test_child", 16 << 20);
	buf_init(&b, WIRE_BODY_MAX);
	buf_u64(&b, 5);
	assert_int_equal(wire_send(j.reader.sock, WIRE_ROWS_ASK, b.data, b.len, memfd), 0);
	buf_fini(&b);
	assert_int_equal(next(&j), 1);
	assert_int_equal(j.m.type, WIRE_ROWS);
	cur_init(&c, j.m.body, j.m.len);
	assert_int_equal(cur_u64(&c), 5);
	assert_int_equal(cur_u32(&c), 0);
	assert_int_equal(fcntl(memfd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE), 0);
	assert_int_equal(rows_open(&rows, memfd, &why), 0);
	assert_true(rows.head->n_rows > 10);
	rows_close(&rows);
	close(memfd);
	assert_int_equal(finish(&j), 0);
}

static void
what_is_no_elf_file_has_one_name(void **state)
{
	int fd = memfd_create("doublemapper", MFD_CLOEXEC);
	const uint64_t places[] = { 0x10, 0x2000 };
	struct said said[2];
	struct jailed j;
	char note[256];

	(void)state;
	assert_int_equal(ftruncate(fd, 0x10000), 0);
	start(&j, WIRE_MAP_FILE, fd, "/memfd:doublemapper (deleted)", 0);
	ask(&j, places, 2);
	assert_int_equal(next(&j), 1);
	assert_int_equal(answers(&j, said, 2), 2);
	assert_string_equal(said[0].name, "[memfd:doublemapper]");
	assert_string_equal(said[1].name, "[memfd:doublemapper]");
	assert_int_equal(said[1].flags, WIRE_ANSWER_FINAL);
	assert_int_equal(next(&j), 1);
	named(&j, note);
	assert_non_null(strstr(note, "ELF"));
	assert_int_equal(finish(&j), 0);
}

static int
text_fd(const char *text)
{
	int fd = memfd_create("text", MFD_CLOEXEC);

	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	return fd;
}

static void
the_kernel_is_named_with_its_modules(void **state)
{
	const uint64_t places[] = { 0xffffffff81000004, 0xffffffffc0000004, 0xffffffffd0000000 };
	struct said said[3];
	struct jailed j;

	(void)state;
	start(&j, WIRE_MAP_KERNEL,
	      text_fd("ffffffff81000000 T schedule\nffffffff81000100 D data\nffffffffc0000000 t "
		      "work\t[ext4]\n"),
	      "[kernel.kallsyms]", 0);
	ask(&j, places, 3);
	assert_int_equal(next(&j), 1);
	assert_int_equal(answers(&j, said, 3), 3);
	assert_string_equal(said[0].name, "schedule");
	assert_string_equal(said[1].name, "work");
	assert_string_equal(said[1].system_name, "work [ext4]");
	assert_int_equal(said[1].vaddr, places[1]);
	assert_string_equal(said[2].name, "[kernel]");
	assert_int_equal(said[2].flags, WIRE_ANSWER_FINAL);
	assert_int_equal(next(&j), 1);
	assert_int_equal(j.m.type, WIRE_NAMED);
	assert_int_equal(finish(&j), 0);
	/* Without kallsyms there is one name for all. */
	start(&j, WIRE_MAP_KERNEL, -1, "[kernel.kallsyms]", 0);
	ask(&j, places, 1);
	assert_int_equal(next(&j), 1);
	assert_int_equal(answers(&j, said, 3), 1);
	assert_string_equal(said[0].name, "[kernel]");
	assert_int_equal(finish(&j), 0);
}

static void
a_jit_map_is_read_on_between_questions(void **state)
{
	int fd = text_fd("1000 10 JS:~f /x.js:3:1\n"), more = dup(fd);
	const uint64_t places[] = { 0x1004, 0x2000 };
	struct said said[2];
	struct jailed j;
	char note[256];

	(void)state;
	start(&j, WIRE_MAP_JIT, fd, "[jit]", 0);
	ask(&j, places, 2);
	assert_int_equal(next(&j), 1);
	assert_int_equal(answers(&j, said, 2), 2);
	assert_string_equal(said[0].name, "f");
	assert_string_equal(said[0].file, "/x.js");
	assert_int_equal(said[0].line, 3);
	assert_string_equal(said[1].name, "[jit]");
	assert_int_equal(next(&j), 1);
	named(&j, note);
	assert_int_equal(write(more, "2000 10 JS:*g /x.js:9:1\n", 24), 24);
	close(more);
	ask(&j, places, 2);
	assert_int_equal(next(&j), 1);
	assert_int_equal(answers(&j, said, 2), 2);
	assert_string_equal(said[1].name, "g");
	assert_int_equal(finish(&j), 0);
}

static void
a_file_cut_short_under_it_ends_the_child_alone(void **state)
{
	struct elf_spec spec = { .symbols = functions, .n = 1, .dynamic = true };
	const uint64_t place = 0x1010;
	struct jailed j;
	char why[128];
	int fd = small_elf(&spec), status;

	(void)state;
	start(&j, WIRE_MAP_FILE, dup(fd), "/libit.so", 0);
	ask(&j, &place, 1);
	assert_int_equal(next(&j), 1);
	while (j.m.type != WIRE_NAMED)
		assert_int_equal(next(&j), 1);
	/* The names in its mapping are gone. */
	assert_int_equal(ftruncate(fd, 0), 0);
	ask(&j, &place, 1);
	assert_int_equal(next(&j), 0);
	close(fd);
	status = finish(&j);
	if (WIFSIGNALED(status)) {
		assert_int_equal(WTERMSIG(status), SIGBUS);
		assert_true(reader_verdict(&j.reader, &limits, status, why, sizeof(why)));
		assert_string_equal(why, "crashed (signal 7)");
	} else {
		assert_int_not_equal(status, 0); /* a sanitizer's own end */
	}
}

#ifndef SANITIZERS
static void
a_child_that_wants_too_much_memory_says_so(void **state)
{
	static const struct reader_limits narrow = { .null_fd = -1, .memory_mb = 24, .cpu_seconds = 5 };
	const uint64_t place = 0x1000;
	struct err why;
	struct jailed j;
	char *text = malloc(64 << 20), verdict[128];
	int fd = memfd_create("kallsyms", MFD_CLOEXEC), status;

	(void)state;
	memset(text, '1', 64 << 20);
	assert_int_equal(write(fd, text, 64 << 20), 64 << 20);
	free(text);
	memset(&j, 0, sizeof(j));
	j.entry.identity.kind = WIRE_MAP_KERNEL;
	j.entry.fd = fd;
	j.entry.path = (char *)(uintptr_t) "[kernel]";
	assert_int_equal(reader_start(&j.reader, &narrow, &j.entry, 0, 0, &why), 0);
	ask(&j, &place, 1);
	/* Names are lost, with a note, or the child is; the text is never in memory as a whole. */
	assert_true(next(&j) >= 0);
	status = finish(&j);
	if (status)
		assert_true(reader_verdict(&j.reader, &narrow, status, verdict, sizeof(verdict)));
}
#endif

static void
nonsense_from_the_parent_ends_it(void **state)
{
	struct elf_spec spec = { .symbols = functions, .n = 1, .symtab = true };
	struct jailed j;
	int status;

	(void)state;
	start(&j, WIRE_MAP_FILE, small_elf(&spec), "/libit.so", 0);
	assert_int_equal(wire_send(j.reader.sock, WIRE_NAME_ASK, "x", 1, -1), 0);
	assert_int_equal(next(&j), 0);
	status = finish(&j);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), CHILD_EXIT_PROTOCOL);
}

static void
a_question_that_takes_too_long_is_noticed(void **state)
{
	struct elf_spec spec = { .symbols = functions, .n = 1, .symtab = true };
	struct jailed j;
	char why[128];
	int status;
	pid_t pid;

	(void)state;
	start(&j, WIRE_MAP_FILE, small_elf(&spec), "/libit.so", 0);
	assert_false(reader_is_late(&j.reader, &limits, UINT64_MAX));
	reader_renew(&j.reader, &limits, 1000);
	assert_false(reader_is_late(&j.reader, &limits, 1000 + 10000000000));
	assert_true(reader_is_late(&j.reader, &limits, 1000 + 10000000001));
	reader_kill(&j.reader, "took too long");
	pid = j.reader.pid;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(reader_verdict(&j.reader, &limits, status, why, sizeof(why)));
	assert_string_equal(why, "took too long");
	reader_fini(&j.reader);
	close(j.entry.fd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(quick_answers_come_before_the_debug_file_is_asked_for),
		cmocka_unit_test(a_function_of_this_program_has_its_name_and_line),
		cmocka_unit_test(rows_are_written_into_the_memfd),
		cmocka_unit_test(what_is_no_elf_file_has_one_name),
		cmocka_unit_test(the_kernel_is_named_with_its_modules),
		cmocka_unit_test(a_jit_map_is_read_on_between_questions),
		cmocka_unit_test(a_file_cut_short_under_it_ends_the_child_alone),
#ifndef SANITIZERS
		cmocka_unit_test(a_child_that_wants_too_much_memory_says_so),
#endif
		cmocka_unit_test(nonsense_from_the_parent_ends_it),
		cmocka_unit_test(a_question_that_takes_too_long_is_noticed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
