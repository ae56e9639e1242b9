#include "config.h"

#include "tests/targets/fake_reading.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "symbolize/reading_writer.h"
#include "tests/targets/fake_script.h"

static uint32_t
add_stack(struct reading_writer *w, const char *pcs)
{
	uint64_t words[READING_STACK_MAX];
	size_t n = 0;

	while (*pcs && n < READING_STACK_MAX) {
		char *end;

		words[n++] = strtoull(pcs, &end, 0);
		pcs = *end == ',' ? end + 1 : end;
	}
	return (uint32_t)reading_writer_stack(w, words, n);
}

static void
add_head(struct reading_writer *w, const struct line *l)
{
	struct reading_head *h = reading_writer_head(w);
	char version[32] = "go1.";

	strncat(version, l->field[2], 8);
	h->go_minor = (uint32_t)num(l, 2);
	h->rate = (int64_t)num(l, 3);
	h->ticks_per_second = strtod(l->field[4], NULL);
	h->version = (uint32_t)reading_writer_string(w, version, strlen(version));
}

static void
add_bucket(struct reading_writer *w, const struct line *l, uint64_t nth)
{
	struct reading_bucket b = { .size = num(l, 3) };

	b.stack = add_stack(w, l->field[2]);
	for (int i = 0; i < 4; i++)
		b.values[i] = (int64_t)(num(l, 4 + i) * (num(l, 8) ? nth : 1));
	reading_writer_bucket(w, &b);
}

static void
add_goroutine(struct reading_writer *w, const struct line *l)
{
	struct reading_goroutine g = { .goid = num(l, 1),
				       .wait_ns = num(l, 4),
				       .flags = (uint32_t)num(l, 5),
				       .creator_pc = num(l, 6),
				       .parent = num(l, 7) };
	struct reading_label label;

	g.stack = add_stack(w, l->field[3]);
	g.state = (uint32_t)reading_writer_string(w, l->field[2], strlen(l->field[2]));
	if (*l->field[8]) {
		label.key = (uint32_t)reading_writer_string(w, l->field[8], strlen(l->field[8]));
		label.value = (uint32_t)reading_writer_string(w, l->field[9], strlen(l->field[9]));
		g.labels = (uint32_t)reading_writer_labels(w, &label, 1);
	}
	reading_writer_goroutine(w, &g);
}

int
fake_reading(enum reading_kind kind)
{
	static uint64_t readings[READING_KINDS];
	int fd = memfd_create("reading", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	struct reading_writer *w = NULL;
	struct timespec now;
	struct err why;
	uint64_t nth;

	if (fd < 0 || kind >= READING_KINDS || reading_writer_new(&w, kind) < 0) {
		if (fd >= 0)
			close(fd);
		return -1;
	}
	nth = __atomic_add_fetch(&readings[kind], 1, __ATOMIC_RELAXED);
	clock_gettime(CLOCK_REALTIME, &now);
	reading_writer_head(w)->unix_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
	for (int i = 0; i < n_lines; i++) {
		if (is(&lines[i], "goroutine") && kind == READING_GOROUTINE)
			add_goroutine(w, &lines[i]);
		else if (is(&lines[i], "bucket") && num(&lines[i], 1) == kind)
			add_bucket(w, &lines[i], nth);
		else if (is(&lines[i], "head") && num(&lines[i], 1) == kind)
			add_head(w, &lines[i]);
	}
	reading_writer_finish(w, fd, &why);
	reading_writer_free(w);
	fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
	return fd;
}
