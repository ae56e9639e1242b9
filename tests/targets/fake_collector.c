/*
 * fake_collector - plays the collector and the symbolizer for pprofd-fcgi.
 *
 *   fake_collector RUN_DIR SCRIPT [NAMES]
 *
 * Listens on RUN_DIR/collector.sock and RUN_DIR/symbolizer.sock. What it tells comes from
 * SCRIPT, a file of lines with fields separated by tabs:
 *
 *   node   NAME PID COMM EXE STATE WHY RUNTIME
 *   limit  TEXT
 *   map    ID OBJECT KIND FLAGS START END PGOFF PATH
 *   stack  ID FLAGS MAP:ADDR,MAP:ADDR...      leaf first
 *   thread TID COMM
 *   count  STACK TID SAMPLES VALUE
 *   note   TEXT
 *   object ID FLAGS BUILD_ID_HEX NOTE
 *   name   OBJECT PLACE VADDR FLAGS LINE START_LINE NAME SYSTEM_NAME FILE ENTRY
 *                                             several for one place: innermost first
 *   cmdline ARGUMENT                          one each
 *   memory STATUS TEXT                        no memory is had: the collector refuses
 *   unread KIND STATUS TEXT                   no reading of this kind (enum reading_kind)
 *   unarmed STATUS TEXT                       no rate is set
 *   head, bucket, goroutine                   of readings: see fake_reading.h
 *
 * In a field, \xNN is a byte. The `event` of a window chooses how the collector behaves, and
 * NAMES how the symbolizer does: see the tables. Each window's end is told on standard output.
 */
#include "config.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/reading.h"
#include "base/wire.h"
#include "tests/targets/fake_reading.h"
#include "tests/targets/fake_script.h"

#define BIG_STACKS  1000 /* ten seconds of one busy thread at 100 Hz */
#define MANY_STACKS 200000
#define BIG_PLACES  1500
#define BIG_OBJECT  900000

static const char *names_mode = "ok";

static uint64_t
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* ---- sending */

static void
put_field(struct buf *b, const struct line *l, int field)
{
	buf_str(b, l->field[field], strlen(l->field[field]));
}

static int
send_buf(int sock, uint16_t type, struct buf *b)
{
	int r = buf_error(b) ? buf_error(b) : wire_send(sock, type, b->data, b->len, -1);

	buf_reset(b);
	return r;
}

static void
refuse(int sock, struct buf *b, int status, int retry, const char *text)
{
	buf_u16(b, (uint16_t)status);
	buf_u16(b, (uint16_t)retry);
	buf_str(b, text, strlen(text));
	send_buf(sock, WIRE_REFUSED, b);
}

static void
put_map(struct buf *b, const struct line *l)
{
	buf_u32(b, (uint32_t)num(l, 1));
	buf_u64(b, num(l, 2));
	buf_u8(b, (uint8_t)num(l, 3));
	buf_u8(b, (uint8_t)num(l, 4));
	for (int i = 5; i <= 7; i++)
		buf_u64(b, num(l, i));
	put_field(b, l, 8);
}

static void
put_stack(struct buf *b, const struct line *l)
{
	const char *at = l->field[3];
	size_t count_at;
	uint16_t k = 0;

	buf_u32(b, (uint32_t)num(l, 1));
	buf_u8(b, (uint8_t)num(l, 2));
	count_at = b->len;
	buf_u16(b, 0);
	while (*at) {
		char *end;

		buf_u32(b, (uint32_t)strtoul(at, &end, 0));
		buf_u64(b, strtoull(*end == ':' ? end + 1 : end, &end, 0));
		k++;
		at = *end == ',' ? end + 1 : end;
	}
	if (!buf_error(b)) {
		b->data[count_at] = (unsigned char)k;
		b->data[count_at + 1] = (unsigned char)(k >> 8);
	}
}

static void
put_thread(struct buf *b, const struct line *l)
{
	buf_u32(b, (uint32_t)num(l, 1));
	buf_u32(b, 1);
	put_field(b, l, 2);
}

static void
put_count(struct buf *b, const struct line *l)
{
	buf_u32(b, (uint32_t)num(l, 1));
	buf_u32(b, (uint32_t)num(l, 2));
	buf_u64(b, num(l, 3));
	buf_u64(b, num(l, 4));
}

/* All lines of one kind, each in a message of its own. */
static void
send_lines(int sock, struct buf *b, const char *what, uint16_t type,
	   void (*put)(struct buf *, const struct line *))
{
	for (int i = 0; i < n_lines; i++) {
		if (!is(&lines[i], what))
			continue;
		buf_u16(b, 1);
		put(b, &lines[i]);
		send_buf(sock, type, b);
	}
}

/* ---- the collector's window */

struct ask {
	int sock;
	struct buf *b;
	uint32_t duration_ms, hz;
	char event[128];
	uint64_t number;
};

static void
window_begin(struct ask *a, bool is_clock, const char *event)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	buf_u64(a->b, a->number);
	buf_u64(a->b, (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec);
	buf_u8(a->b, is_clock);
	buf_u64(a->b, is_clock ? 1000000000u / (a->hz ? a->hz : 100) : 1);
	buf_str(a->b, event, strlen(event));
	buf_str(a->b, is_clock ? "nanoseconds" : "count", is_clock ? 11 : 5);
	send_buf(a->sock, WIRE_WINDOW, a->b);
}

/* How far it is: 10 samples more each time. Returns false when that was not the question. */
static bool
window_progress(struct ask *a, uint64_t times)
{
	struct wire_msg m;

	if (wire_recv(a->sock, &m) != 1 || m.type != WIRE_PROGRESS_ASK)
		return false;
	buf_u64(a->b, 10 * times);
	buf_u64(a->b, 3);
	return send_buf(a->sock, WIRE_PROGRESS, a->b) == 0;
}

/* Returns false when the other side has closed the connection. */
static bool
window_wait(struct ask *a, uint32_t ms)
{
	struct pollfd fd = { .fd = a->sock, .events = POLLIN };
	uint64_t start = now_ns(), times = 0, gone_ms;

	do {
		gone_ms = (now_ns() - start) / 1000000;
		if (gone_ms >= ms || poll(&fd, 1, (int)(ms - gone_ms)) == 0)
			return true;
	} while (window_progress(a, ++times));
	printf("window %llu cancelled after %llu ms\n", (unsigned long long)a->number,
	       (unsigned long long)(now_ns() - start) / 1000000);
	fflush(stdout);
	return false;
}

static void
window_end(struct ask *a, uint64_t samples, enum wire_end reason)
{
	buf_u64(a->b, (uint64_t)a->duration_ms * 1000000u);
	buf_u64(a->b, samples);
	buf_u64(a->b, 3);       /* lost */
	buf_u64(a->b, 0);       /* throttled */
	buf_u64(a->b, 2);       /* late */
	buf_u64(a->b, 1);       /* guessed */
	buf_u64(a->b, 0);       /* truncated */
	buf_u64(a->b, samples); /* rooted */
	buf_u64(a->b, samples); /* user stacks */
	buf_u64(a->b, samples * 10100000u);
	buf_u8(a->b, (uint8_t)reason);
	printf("window %llu ended at %llu\n", (unsigned long long)a->number, (unsigned long long)now_ns());
	fflush(stdout);
	send_buf(a->sock, WIRE_WINDOW_END, a->b);
}

static void
window_stacks(struct ask *a)
{
	send_lines(a->sock, a->b, "map", WIRE_MAPS, put_map);
	send_lines(a->sock, a->b, "stack", WIRE_STACKS, put_stack);
	send_lines(a->sock, a->b, "thread", WIRE_THREADS, put_thread);
}

static void
window_counts(struct ask *a, enum wire_end reason)
{
	uint64_t samples = 0;

	for (int i = 0; i < n_lines; i++) {
		if (is(&lines[i], "count"))
			samples += num(&lines[i], 3);
		if (!is(&lines[i], "note"))
			continue;
		put_field(a->b, &lines[i], 1);
		send_buf(a->sock, WIRE_NOTE, a->b);
	}
	send_lines(a->sock, a->b, "count", WIRE_COUNTS, put_count);
	window_end(a, samples, reason);
}

static void
do_script(struct ask *a)
{
	window_begin(a, true, *a->event ? a->event : "task-clock");
	window_stacks(a);
	if (window_wait(a, a->duration_ms))
		window_counts(a, WIRE_END_TIME);
}

static void
do_counter(struct ask *a)
{
	window_begin(a, false, "instructions");
	window_stacks(a);
	if (window_wait(a, a->duration_ms))
		window_counts(a, WIRE_END_TIME);
}

static void
do_exit(struct ask *a)
{
	window_begin(a, true, "task-clock");
	window_stacks(a);
	if (window_wait(a, a->duration_ms / 2)) {
		a->duration_ms /= 2;
		window_counts(a, WIRE_END_EXIT);
	}
}

static void
do_empty(struct ask *a)
{
	window_begin(a, true, "task-clock");
	if (window_wait(a, a->duration_ms))
		window_end(a, 0, WIRE_END_TIME);
}

static void
do_refuse(struct ask *a)
{
	refuse(a->sock, a->b, 503, 7, "all windows are taken \x1b[31m");
}

static void
do_refuse_oddly(struct ask *a)
{
	refuse(a->sock, a->b, 200, 0, "fine");
}

static void
do_die(struct ask *a)
{
	window_begin(a, true, "task-clock");
	window_stacks(a);
	window_wait(a, 100);
	shutdown(a->sock, SHUT_RDWR);
}

static void
do_garbage(struct ask *a)
{
	static const char bytes[] = "what is this?";

	window_begin(a, true, "task-clock");
	send(a->sock, bytes, sizeof(bytes), MSG_NOSIGNAL);
	window_wait(a, 2000);
}

static void
do_unknown_map(struct ask *a)
{
	window_begin(a, true, "task-clock");
	buf_u16(a->b, 1);
	buf_u32(a->b, 1);
	buf_u8(a->b, 0);
	buf_u16(a->b, 1);
	buf_u32(a->b, 0xdead);
	buf_u64(a->b, 1);
	send_buf(a->sock, WIRE_STACKS, a->b);
	window_wait(a, 2000);
}

static void
do_unknown_stack(struct ask *a)
{
	window_begin(a, true, "task-clock");
	buf_u16(a->b, 1);
	for (int i = 0; i < 3; i++)
		buf_u64(a->b, 77);
	send_buf(a->sock, WIRE_COUNTS, a->b);
	window_wait(a, 2000);
}

static void
do_short(struct ask *a)
{
	window_begin(a, true, "task-clock");
	buf_u16(a->b, 65535);
	send_buf(a->sock, WIRE_MAPS, a->b);
	window_wait(a, 2000);
}

static void
do_order(struct ask *a)
{
	window_stacks(a);
	window_wait(a, 2000);
}

static void
do_silent(struct ask *a)
{
	window_wait(a, 60000);
}

/* More than anybody keeps: the reader has to stop by itself. */
static void
do_flood(struct ask *a)
{
	int r = 0;

	window_begin(a, true, "task-clock");
	send_lines(a->sock, a->b, "map", WIRE_MAPS, put_map);
	for (uint32_t id = 0; r == 0 && id < 2000000; id++) {
		buf_u16(a->b, 1);
		buf_u32(a->b, id);
		buf_u8(a->b, 0);
		buf_u16(a->b, 200);
		for (uint32_t k = 0; k < 200; k++) {
			buf_u32(a->b, 1);
			buf_u64(a->b, id * 200 + k);
		}
		r = send_buf(a->sock, WIRE_STACKS, a->b);
	}
}

static void
send_big(struct ask *a, uint32_t stacks)
{
	const char *path = "/usr/bin/big-server";
	uint64_t x = 1;

	window_begin(a, true, "task-clock");
	buf_u16(a->b, 1);
	buf_u32(a->b, 1);
	buf_u64(a->b, BIG_OBJECT);
	buf_u8(a->b, WIRE_MAP_FILE);
	buf_u8(a->b, WIRE_MAP_MAIN);
	buf_u64(a->b, 0x555500001000u);
	buf_u64(a->b, 0x555500001000u + 64 * BIG_PLACES);
	buf_u64(a->b, 0x1000);
	buf_str(a->b, path, strlen(path));
	send_buf(a->sock, WIRE_MAPS, a->b);
	for (uint32_t id = 0; id < stacks; id++) {
		uint16_t k = (uint16_t)(8 + id % 24);

		buf_u16(a->b, 1);
		buf_u32(a->b, id);
		buf_u8(a->b, 0);
		buf_u16(a->b, k);
		for (uint16_t i = 0; i < k; i++) {
			x = x * 6364136223846793005u + 1442695040888963407u;
			buf_u32(a->b, 1);
			buf_u64(a->b, 0x555500001000u + 64 * ((x >> 33) % (BIG_PLACES >> (i % 5))));
		}
		send_buf(a->sock, WIRE_STACKS, a->b);
	}
	if (!window_wait(a, a->duration_ms))
		return;
	for (uint32_t id = 0; id < stacks; id++) {
		buf_u16(a->b, 1);
		buf_u32(a->b, id);
		buf_u32(a->b, 100 + id % 4);
		buf_u64(a->b, 1 + id % 7);
		buf_u64(a->b, (1 + id % 7) * 10000000u);
		send_buf(a->sock, WIRE_COUNTS, a->b);
	}
	window_end(a, stacks * 4, WIRE_END_TIME);
}

/* About what ten seconds of a busy server give. */
static void
do_big(struct ask *a)
{
	send_big(a, BIG_STACKS);
}

/* About the most that a profile has room for. */
static void
do_many(struct ask *a)
{
	send_big(a, MANY_STACKS);
}

static const struct {
	const char *event;
	void (*act)(struct ask *a);
} behaviours[] = {
	{ "counter", do_counter },
	{ "exit", do_exit },
	{ "empty", do_empty },
	{ "refuse", do_refuse },
	{ "refuse-oddly", do_refuse_oddly },
	{ "die", do_die },
	{ "garbage", do_garbage },
	{ "unknown-map", do_unknown_map },
	{ "unknown-stack", do_unknown_stack },
	{ "short", do_short },
	{ "order", do_order },
	{ "silent", do_silent },
	{ "flood", do_flood },
	{ "big", do_big },
	{ "many", do_many },
};

static void
answer_window(int sock, struct buf *b, struct cur *c)
{
	static uint64_t last;
	struct ask a = { .sock = sock, .b = b };
	const char *event;
	size_t n;

	cur_u16(c);
	a.duration_ms = cur_u32(c);
	a.hz = cur_u32(c);
	event = cur_str(c, &n);
	snprintf(a.event, sizeof(a.event), "%.*s", (int)n, event);
	a.number = __atomic_add_fetch(&last, 1, __ATOMIC_RELAXED);
	for (size_t i = 0; i < sizeof(behaviours) / sizeof(behaviours[0]); i++) {
		if (!strcmp(behaviours[i].event, a.event)) {
			behaviours[i].act(&a);
			return;
		}
	}
	do_script(&a);
}

/* ---- the collector's other answers */

static void
answer_state(int sock, struct buf *b)
{
	uint16_t number = 0, limits = 0;

	for (int i = 0; i < n_lines; i++) {
		const struct line *l = &lines[i];

		limits += is(l, "limit");
		if (!is(l, "node"))
			continue;
		buf_u16(b, number++);
		buf_u8(b, (uint8_t)num(l, 5));
		buf_u32(b, (uint32_t)num(l, 2));
		buf_u64(b, 1700000000000000000u);
		buf_u32(b, 4);
		buf_u32(b, 0);
		put_field(b, l, 1);
		buf_str(b, "name:fake", 9);
		put_field(b, l, 3);
		put_field(b, l, 4);
		put_field(b, l, 7);
		put_field(b, l, 6);
		send_buf(sock, WIRE_NODE, b);
	}
	buf_u32(b, 0);
	buf_u32(b, 64);
	for (int i = 0; i < 4; i++)
		buf_u64(b, 1000000);
	buf_u16(b, limits);
	for (int i = 0; i < n_lines; i++)
		if (is(&lines[i], "limit"))
			put_field(b, &lines[i], 1);
	send_buf(sock, WIRE_SELF, b);
	send_buf(sock, WIRE_END, b);
}

static void
answer_cmdline(int sock, struct buf *b)
{
	struct buf args;

	buf_init(&args, 32768);
	for (int i = 0; i < n_lines; i++)
		if (is(&lines[i], "cmdline"))
			buf_add(&args, lines[i].field[1], strlen(lines[i].field[1]) + 1);
	buf_str(b, (const char *)args.data, args.len);
	send_buf(sock, WIRE_CMDLINE, b);
	buf_fini(&args);
}

static void
answer_resolve(int sock, struct buf *b, struct cur *c)
{
	struct buf ids;
	uint16_t n;

	cur_u16(c);
	n = cur_u16(c);
	send_lines(sock, b, "map", WIRE_MAPS, put_map);
	buf_init(&ids, WIRE_BODY_MAX);
	buf_u16(&ids, n);
	for (; n; n--) {
		uint64_t address = cur_u64(c);
		uint32_t id = UINT32_MAX;

		for (int i = 0; i < n_lines; i++)
			if (is(&lines[i], "map") && address >= num(&lines[i], 5) &&
			    address < num(&lines[i], 6))
				id = (uint32_t)num(&lines[i], 1);
		buf_u32(&ids, id);
	}
	send_buf(sock, WIRE_RESOLVED, &ids);
	buf_fini(&ids);
}

/* ---- memories, and what is read in them */

#define MEMORY 4242

/* The line that says why not, or NULL. */
static const struct line *
refusal_of(const char *what, int kind)
{
	for (int i = 0; i < n_lines; i++)
		if (is(&lines[i], what) && (kind < 0 || num(&lines[i], 1) == (uint64_t)kind))
			return &lines[i];
	return NULL;
}

static void
answer_memory(int sock, struct buf *b)
{
	const struct line *no = refusal_of("memory", -1);

	if (no) {
		refuse(sock, b, (int)num(no, 1), 0, no->field[2]);
		return;
	}
	send_lines(sock, b, "map", WIRE_MAPS, put_map);
	buf_u64(b, MEMORY);
	buf_u32(b, 4711);
	buf_u64(b, 1700000000000000000u);
	send_buf(sock, WIRE_MEMORY_IS, b);
}

static void
answer_arm(int sock, struct buf *b, struct cur *c)
{
	const struct line *no = refusal_of("unarmed", -1);
	struct pollfd fd = { .fd = sock, .events = POLLIN };
	unsigned int kind;

	cur_u16(c);
	kind = cur_u8(c);
	if (no) {
		refuse(sock, b, (int)num(no, 1), 0, no->field[2]);
		return;
	}
	printf("armed %u at rate %llu\n", kind, (unsigned long long)cur_u64(c));
	fflush(stdout);
	send_buf(sock, WIRE_ARMED, b);
	poll(&fd, 1, -1);
	printf("disarmed %u\n", kind);
	fflush(stdout);
}

static void
answer_read(int sock, struct buf *b, struct cur *c)
{
	const struct line *no;
	uint64_t memory = cur_u64(c);
	uint32_t ticket = cur_u32(c), look_ms;
	int kind = cur_u8(c), fd;

	look_ms = cur_u32(c);
	printf("read %llu: kind %d for %u ms\n", (unsigned long long)memory, kind, look_ms);
	fflush(stdout);
	no = refusal_of("unread", kind);
	fd = no ? -1 : fake_reading((enum reading_kind)kind);
	buf_u32(b, ticket);
	buf_u16(b, no ? (uint16_t)num(no, 2) : 200);
	buf_str(b, no ? no->field[3] : "", no ? strlen(no->field[3]) : 0);
	wire_send(sock, WIRE_READING, b->data, b->len, fd);
	buf_reset(b);
	if (fd >= 0)
		close(fd);
}

static void
collector_message(int sock, const struct wire_msg *m, struct buf *b)
{
	struct cur c;

	cur_init(&c, m->body, m->len);
	switch (m->type) {
	case WIRE_STATE_ASK:
		answer_state(sock, b);
		break;
	case WIRE_WINDOW_ASK:
		answer_window(sock, b, &c);
		break;
	case WIRE_CMDLINE_ASK:
		answer_cmdline(sock, b);
		break;
	case WIRE_RESOLVE_ASK:
		answer_resolve(sock, b, &c);
		break;
	case WIRE_MEMORY_ASK:
		answer_memory(sock, b);
		break;
	case WIRE_ARM_ASK:
		answer_arm(sock, b, &c);
		break;
	default:
		printf("the collector was asked %u\n", m->type);
	}
}

/* ---- the symbolizer */

static void
name_big(struct buf *b, uint64_t place)
{
	char name[64];

	buf_u64(b, place);
	buf_u64(b, place);
	buf_u64(b, 0);
	buf_u8(b, WIRE_ANSWER_FINAL | WIRE_ANSWER_NAMED | WIRE_ANSWER_LINES);
	buf_u8(b, 2);
	for (int i = 0; i < 2; i++) {
		int n = snprintf(name, sizeof(name), i ? "serverFunction%llu" : "inlinedHelper%llu",
				 (unsigned long long)place / (i ? 256 : 1024));

		buf_u32(b, (uint32_t)(place % 997));
		buf_u32(b, (uint32_t)(place / 256));
		buf_str(b, name, (size_t)n);
		buf_str(b, name, (size_t)n);
		n = snprintf(name, sizeof(name), "/build/big/src/file%llu.c",
			     (unsigned long long)place / 8192);
		buf_str(b, name, (size_t)n);
	}
}

/* The lines for one place, as one answer. Returns false when the script has none. */
static bool
name_place(struct buf *b, uint64_t object, uint64_t place)
{
	struct buf all;
	uint8_t k = 0;

	if (object == BIG_OBJECT) {
		name_big(b, place);
		return true;
	}
	buf_init(&all, WIRE_BODY_MAX);
	for (int i = 0; i < n_lines; i++) {
		const struct line *l = &lines[i];

		if (!is(l, "name") || num(l, 1) != object || num(l, 2) != place)
			continue;
		if (!k) {
			buf_u64(b, place);
			buf_u64(b, num(l, 3));
			buf_u64(b, num(l, 10));
			buf_u8(b, (uint8_t)num(l, 4));
		}
		buf_u32(&all, (uint32_t)num(l, 5));
		buf_u32(&all, (uint32_t)num(l, 6));
		for (int f = 7; f <= 9; f++)
			put_field(&all, l, f);
		k++;
	}
	if (k) {
		buf_u8(b, k);
		buf_add(b, all.data, all.len);
	}
	buf_fini(&all);
	return k > 0;
}

static void
send_named(int sock, struct buf *b, uint32_t ticket, uint64_t object, uint8_t status)
{
	unsigned char id[64];
	const struct line *l = NULL;
	size_t n = 0;

	for (int i = 0; i < n_lines; i++)
		if (is(&lines[i], "object") && num(&lines[i], 1) == object)
			l = &lines[i];
	for (; l && n < sizeof(id) && sscanf(l->field[3] + 2 * n, "%2hhx", &id[n]) == 1; n++)
		;
	buf_u32(b, ticket);
	buf_u64(b, object);
	buf_u8(b, status);
	buf_u8(b, object == BIG_OBJECT ? WIRE_OBJECT_PIE : (uint8_t)(l ? num(l, 2) : 0));
	buf_str(b, (const char *)id, n);
	if (l)
		put_field(b, l, 4);
	else
		buf_str(b, "", 0);
	send_buf(sock, WIRE_NAMED, b);
}

static void
send_names(int sock, struct buf *b, uint64_t object, struct cur *places, uint16_t n)
{
	for (; n; n--) {
		uint64_t place = cur_u64(places);

		buf_u64(b, object);
		buf_u16(b, 1);
		if (name_place(b, object, place))
			send_buf(sock, WIRE_NAMES, b);
		else
			buf_reset(b);
	}
}

/* Answers for places and objects that nobody asked about, and lists that are shorter than said. */
static void
send_lies(int sock, struct buf *b, uint64_t object)
{
	buf_u64(b, object);
	buf_u16(b, 1);
	name_big(b, 0x7777777777u);
	send_buf(sock, WIRE_NAMES, b);
	buf_u64(b, object);
	buf_u16(b, 60000);
	name_big(b, 1);
	send_buf(sock, WIRE_NAMES, b);
}

static void
symbolizer_message(int sock, const struct wire_msg *m, struct buf *b)
{
	static int asked;
	struct cur c;
	uint64_t object;
	uint32_t ticket;
	uint16_t n;

	cur_init(&c, m->body, m->len);
	if (m->type == WIRE_READ_ASK) {
		answer_read(sock, b, &c);
		return;
	}
	object = cur_u64(&c);
	ticket = cur_u32(&c);
	n = cur_u16(&c);
	if (m->type != WIRE_NAME_ASK || cur_left(&c) != n * sizeof(uint64_t)) {
		printf("the symbolizer was asked %u\n", m->type);
		return;
	}
	if (!strcmp(names_mode, "silent"))
		return;
	if (!strcmp(names_mode, "die"))
		shutdown(sock, SHUT_RDWR);
	else if (!strcmp(names_mode, "unknown"))
		send_named(sock, b, ticket, object, WIRE_NAMED_UNKNOWN);
	else if (!strcmp(names_mode, "lies"))
		send_lies(sock, b, object);
	else if (!strcmp(names_mode, "busy") && __atomic_add_fetch(&asked, 1, __ATOMIC_RELAXED) % 2)
		send_named(sock, b, ticket, object, WIRE_NAMED_BUSY);
	else {
		send_names(sock, b, object, &c, n);
		send_named(sock, b, ticket, object, WIRE_NAMED_OK);
	}
}

/* ---- connections */

/* Open to every user: who may connect is not what is tested with this. */
static int
listen_on(const char *dir, const char *name, struct err *why)
{
	char path[512];
	int sock;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	sock = wire_listen(path, (gid_t)-1, why);
	if (sock >= 0)
		chmod(path, 0666);
	return sock;
}

struct end {
	int sock; /* connected, or listening */
	void (*message)(int sock, const struct wire_msg *m, struct buf *b);
};

static void *
conn_thread(void *arg)
{
	struct end *c = arg;
	struct wire_msg *m = malloc(sizeof(*m));
	struct buf b;

	buf_init(&b, WIRE_BODY_MAX);
	while (m && wire_recv(c->sock, m) == 1)
		c->message(c->sock, m, &b);
	buf_fini(&b);
	close(c->sock);
	free(m);
	free(c);
	return NULL;
}

static void *
listener_thread(void *arg)
{
	struct end *l = arg;

	for (;;) {
		struct pollfd fd = { .fd = l->sock, .events = POLLIN };
		struct end *c;
		pthread_t thread;
		int sock;

		poll(&fd, 1, -1);
		sock = accept(l->sock, NULL, NULL);
		c = sock < 0 ? NULL : malloc(sizeof(*c));
		if (!c)
			continue;
		*c = (struct end){ sock, l->message };
		if (pthread_create(&thread, NULL, conn_thread, c) == 0)
			pthread_detach(thread);
	}
	return NULL;
}

int
main(int argc, char **argv)
{
	static struct end listeners[2];
	bool absent = argc > 3 && !strcmp(argv[3], "absent");
	pthread_t thread;
	struct err why;

	if (argc < 3) {
		fprintf(stderr,
			"usage: fake_collector RUN_DIR SCRIPT [ok|silent|die|unknown|lies|busy|absent]\n");
		return 2;
	}
	if (argc > 3)
		names_mode = argv[3];
	signal(SIGPIPE, SIG_IGN);
	script_read(argv[2]);
	listeners[0] = (struct end){ listen_on(argv[1], "collector.sock", &why), collector_message };
	listeners[1] = (struct end){ absent ? -1 : listen_on(argv[1], "symbolizer.sock", &why),
				     symbolizer_message };
	if (listeners[0].sock < 0 || (listeners[1].sock < 0 && !absent)) {
		fprintf(stderr, "fake_collector: %s\n", why.text);
		return 1;
	}
	if (listeners[1].sock >= 0 && pthread_create(&thread, NULL, listener_thread, &listeners[1]) != 0)
		return 1;
	printf("ready\n");
	fflush(stdout);
	listener_thread(&listeners[0]);
	return 0;
}
