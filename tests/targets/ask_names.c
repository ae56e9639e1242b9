/*
 * Plays the collector and fcgi against a running pprofd-symbolizer: hands a file over, asks for
 * rows and names, opens the debug files that are asked for, prints what comes.
 *
 *   ask_names [-s SOCKET] [-k file|vdso|kernel|jit] [-n NAME] [-d DIR] [-r] [-q] [-t TIMES]
 *             [-S COUNT | -a | -p] FILE [NUMBER...]
 *
 * -S: COUNT addresses evenly spread over the code. -a: the numbers are link-time addresses, -p
 * (default): places in the file; "-" reads them from standard input, one a line. FILE "-": none.
 * One line a frame, tab-separated: address, depth, name, system name, file, line, start line, flags.
 */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <elf.h>

#include "base/buf.h"
#include "base/rows.h"
#include "base/wire.h"
#include "symbolize/image.h"

#define ASK_MAX 4000
#define OBJECT  77

struct ask {
	const char *socket, *name, *debug_dir, *file;
	enum wire_map_kind kind;
	bool rows, quick, vaddrs;
	unsigned int times, spread;
	uint64_t *places;
	size_t n;
	int collector, fcgi;
	char **answers; /* of places[i]: what is printed */
	struct wire_msg m;
};

static _Noreturn void
die(const char *what, const char *why)
{
	fprintf(stderr, "ask_names: %s: %s\n", what, why);
	exit(1);
}

static double
seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void
send_buf(int sock, enum wire_type type, struct buf *b, int fd)
{
	int r = wire_send(sock, (uint16_t)type, b->data, b->len, fd);

	if (r < 0)
		die("send", strerror(-r));
	buf_reset(b);
}

static void
hand_over(struct ask *a, int fd)
{
	struct stat st = { 0 };
	struct buf b;

	if (fd >= 0 && fstat(fd, &st) < 0)
		die(a->file, strerror(errno));
	buf_init(&b, WIRE_BODY_MAX);
	buf_u64(&b, OBJECT);
	buf_u8(&b, (uint8_t)a->kind);
	buf_u64(&b, st.st_dev);
	buf_u64(&b, st.st_ino);
	buf_u64(&b, (uint64_t)st.st_size);
	buf_u64(&b, (uint64_t)st.st_mtim.tv_sec * 1000000000u + (uint64_t)st.st_mtim.tv_nsec);
	buf_str(&b, a->name, strlen(a->name));
	send_buf(a->collector, WIRE_OBJECT, &b, fd);
	buf_fini(&b);
}

static int
open_wanted(const struct ask *a, uint8_t kind, const char *name, size_t n)
{
	char path[2048], hex[200] = "";
	int fd = -1;

	if (kind == WIRE_FILE_BUILD_ID) {
		for (size_t i = 0; i < n && i < 64; i++)
			snprintf(hex + 2 * i, 3, "%02x", (unsigned char)name[i]);
		snprintf(path, sizeof(path), "%s/.build-id/%.2s/%s.debug", a->debug_dir, hex, hex + 2);
		return open(path, O_RDONLY);
	}
	if (*name == '/') {
		snprintf(path, sizeof(path), "%.*s", (int)n, name);
		fd = open(path, O_RDONLY);
	}
	if (fd < 0) {
		const char *slash = strrchr(a->file, '/');

		snprintf(path, sizeof(path), "%.*s/%.*s", slash ? (int)(slash - a->file) : 1,
			 slash ? a->file : ".", (int)n, name);
		fd = open(path, O_RDONLY);
	}
	if (fd < 0) {
		snprintf(path, sizeof(path), "%s/%.*s", a->debug_dir, (int)n, name);
		fd = open(path, O_RDONLY);
	}
	return fd;
}

static void
serve_file(struct ask *a)
{
	struct cur c;
	struct buf b;
	uint32_t ticket;
	uint8_t kind;
	const char *name;
	size_t n;
	int fd;

	cur_init(&c, a->m.body, a->m.len);
	ticket = cur_u32(&c);
	cur_u64(&c);
	kind = cur_u8(&c);
	name = cur_str(&c, &n);
	fd = open_wanted(a, kind, name, n);
	buf_init(&b, WIRE_BODY_MAX);
	buf_u32(&b, ticket);
	buf_u32(&b, fd < 0 ? (uint32_t)errno : 0);
	send_buf(a->collector, WIRE_FILE, &b, fd);
	buf_fini(&b);
	if (fd >= 0)
		close(fd);
}

/* A place may have been asked for twice, and is answered once. */
static void
keep_answer(struct ask *a, uint64_t place, const char *text)
{
	for (size_t i = 0; i < a->n; i++) {
		if (a->places[i] != place)
			continue;
		free(a->answers[i]);
		a->answers[i] = strdup(text);
	}
}

static void
take_answer(struct ask *a, struct cur *c)
{
	uint64_t place = cur_u64(c), vaddr = cur_u64(c);
	const void *entry = cur_bytes(c, sizeof(uint64_t));
	uint8_t flags = cur_u8(c), k = cur_u8(c);
	struct buf text;

	(void)entry;

	buf_init(&text, 1 << 22);
	for (uint8_t d = 0; d < k; d++) {
		uint32_t line = cur_u32(c), start = cur_u32(c);
		size_t n, system_n, file_n;
		const char *name = cur_str(c, &n), *system_name = cur_str(c, &system_n),
			   *file = cur_str(c, &file_n);

		buf_printf(&text, "0x%llx\t%d\t%.*s\t%.*s\t%.*s\t%u\t%u\t%s%s%s%s\n",
			   (unsigned long long)vaddr, d, (int)n, name, (int)system_n, system_name,
			   (int)file_n, file, line, start, flags & WIRE_ANSWER_FINAL ? "F" : "",
			   flags & WIRE_ANSWER_NAMED ? "N" : "", flags & WIRE_ANSWER_LINES ? "L" : "",
			   flags & WIRE_ANSWER_INLINES ? "I" : "");
	}
	buf_u8(&text, 0);
	if (a->quick && !(flags & WIRE_ANSWER_FINAL))
		printf("quick %s", text.data);
	keep_answer(a, place, (const char *)text.data);
	buf_fini(&text);
}

/* Returns whether the request is answered. */
static bool
take_message(struct ask *a, double since)
{
	struct cur c;

	cur_init(&c, a->m.body, a->m.len);
	if (a->m.type == WIRE_NAMES) {
		uint16_t n;

		cur_u64(&c);
		for (n = cur_u16(&c); n && !c.bad; n--)
			take_answer(a, &c);
		if (c.bad || cur_left(&c))
			die("names", "spoiled");
		return false;
	}
	if (a->m.type == WIRE_NAMED) {
		uint8_t status, flags;
		const char *id, *note;
		size_t id_n, note_n;

		cur_u32(&c);
		cur_u64(&c);
		status = cur_u8(&c);
		flags = cur_u8(&c);
		id = cur_str(&c, &id_n);
		note = cur_str(&c, &note_n);
		fprintf(stderr, "named: %.2f ms, status %d, flags %x, build id ", (seconds() - since) * 1e3,
			status, flags);
		for (size_t i = 0; i < id_n; i++)
			fprintf(stderr, "%02x", (unsigned char)id[i]);
		fprintf(stderr, ", note \"%.*s\"\n", (int)note_n, note);
		return true;
	}
	if (a->m.type == WIRE_ROWS) {
		struct rows rows;
		struct err why;
		uint32_t error;

		cur_u64(&c);
		error = cur_u32(&c);
		if (error)
			fprintf(stderr, "rows: %s\n", strerror((int)error));
		else if (rows_open(&rows, a->m.fd, &why) < 0)
			die("rows", why.text);
		else
			fprintf(stderr, "rows: %.2f ms, %u rows, flags %x\n", (seconds() - since) * 1e3,
				rows.head->n_rows, rows.head->flags);
		return true;
	}
	if (a->m.type == WIRE_FILE_ASK)
		serve_file(a);
	return false;
}

static void
wait_for(struct ask *a, double since)
{
	bool done = false;

	while (!done) {
		struct pollfd p[2] = { { a->collector, POLLIN, 0 }, { a->fcgi, POLLIN, 0 } };

		if (poll(p, 2, 120000) <= 0)
			die("answer", "none within two minutes");
		for (int i = 0; i < 2; i++) {
			int r;

			if (!p[i].revents)
				continue;
			r = wire_recv(p[i].fd, &a->m);
			if (r != 1)
				die("symbolizer", r ? strerror(-r) : "hung up");
			done |= take_message(a, since);
			if (a->m.fd >= 0)
				close(a->m.fd);
		}
	}
}

static void
ask_names(struct ask *a)
{
	for (size_t from = 0; from == 0 || from < a->n; from += ASK_MAX) {
		size_t n = a->n - from < ASK_MAX ? a->n - from : ASK_MAX;
		struct buf b;

		buf_init(&b, WIRE_BODY_MAX);
		buf_u64(&b, OBJECT);
		buf_u32(&b, 1);
		buf_u16(&b, (uint16_t)n);
		for (size_t i = 0; i < n; i++)
			buf_u64(&b, a->places[from + i]);
		send_buf(a->fcgi, WIRE_NAME_ASK, &b, -1);
		buf_fini(&b);
		wait_for(a, seconds());
	}
}

static void
ask_rows(struct ask *a)
{
	struct buf b;

	buf_init(&b, WIRE_BODY_MAX);
	buf_u64(&b, OBJECT);
	send_buf(a->collector, WIRE_ROWS_ASK, &b, -1);
	buf_fini(&b);
	wait_for(a, seconds());
}

static void
add_place(struct ask *a, uint64_t place)
{
	a->places = realloc(a->places, (a->n + 1) * sizeof(*a->places));
	if (!a->places)
		die("places", "no memory");
	a->places[a->n++] = place;
}

static void
spread_places(struct ask *a, const struct image *im)
{
	uint64_t code = 0, step;

	for (size_t i = 0; i < im->n_segments; i++)
		if (im->segments[i].type == PT_LOAD && (im->segments[i].flags & PF_X))
			code += im->segments[i].filesz;
	step = a->spread ? code / a->spread : 0;
	for (size_t i = 0; i < im->n_segments && step; i++)
		if (im->segments[i].type == PT_LOAD && (im->segments[i].flags & PF_X))
			for (uint64_t at = step / 2; at < im->segments[i].filesz; at += step)
				add_place(a, im->segments[i].offset + at);
}

static void
read_number(struct ask *a, const struct image *im, const char *text)
{
	uint64_t v = strtoull(text, NULL, 0);

	if (a->vaddrs && image_place(im, v, &v) < 0)
		die(text, "in no segment");
	add_place(a, v);
}

static void
read_places(struct ask *a, int argc, char **argv, int fd)
{
	struct image im = { 0 };
	struct err why;
	char line[128];

	if ((a->spread || a->vaddrs) && image_open(&im, fd, &why) < 0)
		die(a->file, why.text);
	spread_places(a, &im);
	for (int i = 0; i < argc; i++) {
		if (strcmp(argv[i], "-")) {
			read_number(a, &im, argv[i]);
			continue;
		}
		while (fgets(line, sizeof(line), stdin))
			read_number(a, &im, line);
	}
	image_close(&im);
	a->answers = calloc(a->n + 1, sizeof(*a->answers));
}

static enum wire_map_kind
kind_of(const char *name)
{
	static const char *const names[] = { "file", "vdso", "kernel", "jit" };

	for (int i = 0; i < 4; i++)
		if (!strcmp(name, names[i]))
			return (enum wire_map_kind)i;
	die(name, "no such kind");
}

static void
options(struct ask *a, int argc, char **argv)
{
	int o;

	while ((o = getopt(argc, argv, "s:k:n:d:rqt:S:ap")) != -1) {
		switch (o) {
		case 's':
			a->socket = optarg;
			break;
		case 'k':
			a->kind = kind_of(optarg);
			break;
		case 'n':
			a->name = optarg;
			break;
		case 'd':
			a->debug_dir = optarg;
			break;
		case 'r':
			a->rows = true;
			break;
		case 'q':
			a->quick = true;
			break;
		case 't':
			a->times = (unsigned int)atoi(optarg);
			break;
		case 'S':
			a->spread = (unsigned int)atoi(optarg);
			break;
		case 'a':
		case 'p':
			a->vaddrs = o == 'a';
			break;
		default:
			die("usage", "see the beginning of ask_names.c");
		}
	}
}

int
main(int argc, char **argv)
{
	static struct ask a = { .socket = "/run/pprofd/symbolizer.sock",
				.debug_dir = "/usr/lib/debug",
				.times = 1 };
	struct err why;
	int fd;

	options(&a, argc, argv);
	if (optind == argc)
		die("usage", "see the beginning of ask_names.c");
	a.file = argv[optind];
	a.name = a.name ? a.name : a.file;
	fd = strcmp(a.file, "-") ? open(a.file, O_RDONLY) : -1;
	if (fd < 0 && strcmp(a.file, "-"))
		die(a.file, strerror(errno));
	read_places(&a, argc - optind - 1, argv + optind + 1, fd);
	a.collector = wire_connect(a.socket, &why);
	a.fcgi = wire_connect(a.socket, &why);
	if (a.collector < 0 || a.fcgi < 0)
		die("symbolizer", why.text);
	hand_over(&a, fd);
	if (a.rows)
		ask_rows(&a);
	for (unsigned int i = 0; i < a.times; i++)
		ask_names(&a);
	for (size_t i = 0; i < a.n; i++)
		printf("%s", a.answers[i] ? a.answers[i] : "unanswered\n");
	return 0;
}
