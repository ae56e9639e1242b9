/*
 * unwind_probe.c - how well does the unwinder do on a real process?
 *
 * Samples a process with perf_event (root), unwinds in this process with rows
 * made in this process, and prints: the share of stacks that reach the root,
 * how the others ended and where, guessed and late shares, cost per frame.
 *
 *   unwind_probe [options] -p PID        or        unwind_probe [options] -- COMMAND...
 *
 *   -t SECONDS  how long (5)             -f HZ       samples per second and thread (999)
 *   -s BYTES    of stack to copy (16384) -d MS       between looks at the rings (10)
 *   -c BYTES    cut the copy after unwinding it whole, unwind again with late reads, and
 *               compare: how often are late frames wrong?
 *   -H N        hide the tables of N of 1000 functions, unwind again, and compare: how
 *               often is a guess wrong?
 *   -S DIR      store samples as cases for tests/unit/test_unwind -N COUNT of them (3)
 *   -v          print stacks that do not reach the root
 *   -n          without the cache of rows
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/rows.h"
#include "collector/unwind.h"
#include "symbolize/eh_frame.h"
#include "symbolize/unwind_rows.h"

#define RING_PAGES  1024 /* 4 MB: a busy machine, large samples */
#define CPUS_MAX    64
#define EVENTS_MAX  4096
#define MAPS_MAX    4096
#define WARM_ROUNDS 8
#define OBJECTS_MAX 1024

/* In the order of their bits (asm/perf_regs.h), by DWARF number. */
static const uint8_t perf_order[] = { 0, 3, 2, 1, 4, 5, 6, 7, 16, 8, 9, 10, 11, 12, 13, 14, 15 };
#define PERF_REGS 0xff01ffull /* ax bx cx dx si di bp sp ip r8-r15 */

static const char *const end_names[] = { "root", "depth", "no_map", "no_rule", "memory", "loop" };

static const char *const rule_names[ROW_RULES] = {
	[ROW_NONE] = "none",
	[ROW_SP] = "sp",
	[ROW_FP] = "fp",
	[ROW_FP_DEREF] = "fp_deref",
	[ROW_SP_DEREF] = "sp_deref",
	[ROW_REG] = "reg",
	[ROW_SP_WIDE] = "sp_wide",
	[ROW_FP_WIDE] = "fp_wide",
	[ROW_PLT] = "plt",
	[ROW_SIGNAL] = "signal",
	[ROW_ROOT] = "root",
	[ROW_SWITCH] = "switch",
};

struct object {
	dev_t dev;
	ino_t ino;
	struct rows rows, hidden; /* hidden: without some functions */
	bool have;
};

struct map {
	struct unwind_map unwind;
	const struct object *object;
	char name[64];
	size_t ends[6]; /* stacks that ended here, by unwind_end */
};

static struct {
	pid_t pid;
	int seconds, hz, drain_ms, stack_bytes, cut, hide, store_max;
	const char *store;
	bool verbose, no_cache;
} opt = { .seconds = 5, .hz = 999, .drain_ms = 10, .stack_bytes = 16384, .store_max = 3 };

static struct object objects[OBJECTS_MAX];
static size_t n_objects;
static struct map maps[MAPS_MAX];
static size_t n_maps;
static bool maps_stale = true, use_hidden;
static struct unwind_cache cache, cache_hidden;

static struct {
	size_t stacks, ends[6], guessed, late, frames, lost, other, reads, read_bytes, warm_frames;
	uint64_t ns, warm_ns;                  /* first time; the same stack again at once */
	size_t touched, right, wrong, refused; /* of -H and -c */
} sum;

static void
die(const char *what)
{
	fprintf(stderr, "unwind_probe: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t
cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* ---- objects: files to rows */

static int
seal_rows(struct rows_writer *w, struct rows *rows)
{
	struct err why;
	int fd = memfd_create("rows", MFD_ALLOW_SEALING), r;

	r = rows_writer_write(w, fd, &why);
	if (r == 0 && fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) == 0)
		r = rows_open(rows, fd, &why);
	close(fd);
	return r;
}

static bool
is_hidden(uint64_t start)
{
	uint64_t h = start * 0x9e3779b97f4a7c15u;

	return (h >> 32) % 1000 < (uint64_t)opt.hide;
}

/* The same rows, but for the functions that are hidden. */
static void
hide_rows(const struct image *im, const struct rows *all, struct rows *out)
{
	struct eh_entry *e = NULL;
	struct eh_frame f;
	struct rows_writer w;
	uint64_t end;
	int n;

	rows_writer_init(&w);
	if (eh_frame_open(&f, im, NULL) < 0 || (n = eh_frame_entries(&f, &e, NULL)) < 0)
		return;
	for (int i = 0; i < n; i++) {
		const struct row *row, *last;
		uint64_t from, to;

		if (image_place(im, e[i].start, &from) < 0)
			continue;
		to = from + e[i].size;
		if (is_hidden(from)) {
			rows_writer_add(&w, (struct row){ .place = (uint32_t)from, .rule = ROW_NONE });
			rows_writer_add(&w, (struct row){ .place = (uint32_t)to, .rule = ROW_NONE });
			continue;
		}
		row = rows_find(all, from, &end);
		last = all->row + all->head->n_rows;
		if (row) {
			struct row first = *row;

			first.place = (uint32_t)from;
			rows_writer_add(&w, first);
		}
		for (row = row ? row + 1 : all->row; row < last && row->place < to; row++)
			rows_writer_add(&w, *row);
		rows_writer_add(&w, (struct row){ .place = (uint32_t)to, .rule = ROW_NONE });
	}
	for (size_t i = 0; i < all->head->n_wide; i++)
		rows_writer_add_cfa(&w, 0, ROW_SP, all->wide[i], 0);
	w.flags = all->head->flags;
	seal_rows(&w, out);
	rows_writer_fini(&w);
	free(e);
}

static void
object_compile(struct object *o, int fd)
{
	struct rows_writer w;
	struct image im;
	struct err why;

	if (image_open(&im, fd, &why) < 0)
		return;
	rows_writer_init(&w);
	o->have = unwind_rows(&im, &w, &why) >= 0 && seal_rows(&w, &o->rows) == 0;
	rows_writer_fini(&w);
	if (o->have && opt.hide)
		hide_rows(&im, &o->rows, &o->hidden);
	image_close(&im);
}

static struct object *
object_of(int fd, dev_t dev, ino_t ino)
{
	struct object *o;

	for (size_t i = 0; i < n_objects; i++)
		if (objects[i].dev == dev && objects[i].ino == ino)
			return &objects[i];
	if (n_objects == OBJECTS_MAX)
		return NULL;
	o = &objects[n_objects++];
	o->dev = dev;
	o->ino = ino;
	object_compile(o, fd);
	return o;
}

/* ---- maps */

static struct object *
vdso_object(uint64_t start, uint64_t end)
{
	struct iovec to = { .iov_len = end - start }, from = { (void *)start, end - start };
	int fd = memfd_create("vdso", 0);
	struct object *o = NULL;

	to.iov_base = malloc(to.iov_len);
	if (process_vm_readv(opt.pid, &to, 1, &from, 1, 0) == (ssize_t)to.iov_len &&
	    write(fd, to.iov_base, to.iov_len) == (ssize_t)to.iov_len)
		o = object_of(fd, 0, 1);
	free(to.iov_base);
	close(fd);
	return o;
}

static struct object *
mapped_object(uint64_t start, uint64_t end)
{
	struct object *o = NULL;
	struct stat st;
	char path[96];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/map_files/%lx-%lx", opt.pid, (long)start, (long)end);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		o = object_of(fd, st.st_dev, st.st_ino);
	if (fd >= 0)
		close(fd);
	return o;
}

static void
add_map(uint64_t start, uint64_t end, uint64_t pgoff, const char *path)
{
	static uint32_t next_id = 1;
	const char *slash = strrchr(path, '/');
	struct map *m = NULL;

	for (size_t i = 0; i < n_maps; i++) { /* keeps its counts */
		if (maps[i].unwind.start == start && maps[i].unwind.end == end &&
		    maps[i].unwind.pgoff == pgoff)
			m = &maps[i];
	}
	if (m)
		return;
	if (n_maps == MAPS_MAX)
		return;
	m = &maps[n_maps++];
	memset(m, 0, sizeof(*m));
	m->unwind = (struct unwind_map){ .id = next_id++, .start = start, .end = end, .pgoff = pgoff };
	snprintf(m->name, sizeof(m->name), "%.60s", slash ? slash + 1 : path[0] ? path : "[anonymous]");
	if (!strcmp(path, "[vdso]"))
		m->object = vdso_object(start, end);
	else if (path[0] == '/')
		m->object = mapped_object(start, end);
	m->unwind.jit = path[0] != '/' && path[0] != '[';
	if (m->object && m->object->have)
		m->unwind.rows = &m->object->rows;
}

static int
by_start(const void *a, const void *b)
{
	const struct map *x = a, *y = b;

	return x->unwind.start < y->unwind.start ? -1 : x->unwind.start > y->unwind.start;
}

static void
read_maps(void)
{
	static struct map kept[MAPS_MAX];
	char path[64], line[4600];
	size_t n = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/maps", opt.pid);
	f = fopen(path, "re");
	if (!f)
		return;
	maps_stale = false;
	while (fgets(line, sizeof(line), f)) {
		unsigned long start, end, pgoff;
		char perms[5], name[4097] = "";

		if (sscanf(line, "%lx-%lx %4s %lx %*s %*s %4096[^\n]", &start, &end, perms, &pgoff, name) <
			    4 ||
		    perms[2] != 'x')
			continue;
		add_map(start, end, pgoff, name);
		for (size_t i = 0; i < n_maps && n < MAPS_MAX; i++)
			if (maps[i].unwind.start == start && maps[i].unwind.end == end)
				kept[n++] = maps[i];
	}
	fclose(f);
	if (n == 0)
		return;
	memcpy(maps, kept, n * sizeof(*maps));
	n_maps = n;
	qsort(maps, n_maps, sizeof(*maps), by_start);
}

static struct map *
find_map(uint64_t addr)
{
	size_t low = 0, high = n_maps;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (maps[mid].unwind.end <= addr)
			low = mid + 1;
		else
			high = mid;
	}
	return low < n_maps && maps[low].unwind.start <= addr ? &maps[low] : NULL;
}

static const struct unwind_map *
source_map(void *ctx, uint64_t addr)
{
	struct map *m = find_map(addr);

	(void)ctx;
	if (!m)
		return NULL;
	if (m->object && m->object->have)
		m->unwind.rows = use_hidden ? &m->object->hidden : &m->object->rows;
	return &m->unwind;
}

/* ---- memory; what was read is kept for the cases */

static struct {
	uint64_t addr;
	size_t n;
	unsigned char bytes[4096];
} reads[4096];
static size_t n_reads;
static bool keep_reads;

static size_t
source_read(void *ctx, uint64_t addr, void *to, size_t n)
{
	struct iovec local = { to, n }, remote = { (void *)addr, n };
	ssize_t done = process_vm_readv(opt.pid, &local, 1, &remote, 1, 0);

	(void)ctx;
	sum.reads++;
	if (done <= 0)
		return 0;
	sum.read_bytes += (size_t)done;
	if (keep_reads && n_reads < sizeof(reads) / sizeof(*reads) && n <= sizeof(reads[0].bytes)) {
		reads[n_reads].addr = addr;
		reads[n_reads].n = (size_t)done;
		memcpy(reads[n_reads++].bytes, to, (size_t)done);
	}
	return (size_t)done;
}

/* ---- cases (tests/cases/unwind/README) */

static void
print_bytes(FILE *f, const char *word, uint64_t at, const unsigned char *bytes, size_t n)
{
	static const unsigned char zeros[32];

	for (size_t i = 0; i < n; i += 32) {
		size_t k = n - i < 32 ? n - i : 32;

		if (!memcmp(bytes + i, zeros, k))
			continue;
		fprintf(f, "%s %lx ", word, (long)(at + i));
		for (size_t j = 0; j < k; j++)
			fprintf(f, "%02x", bytes[i + j]);
		fputc('\n', f);
	}
}

static void
print_row(FILE *f, uint32_t map, const struct rows *rows, const struct row *row)
{
	bool wide = row->rule == ROW_SP_WIDE || row->rule == ROW_FP_WIDE;

	if (row < rows->row + rows->head->n_rows)
		fprintf(f, "row %u %x %s %d %d\n", map, row->place, rule_names[row->rule],
			wide ? rows->wide[(uint16_t)row->cfa] : row->cfa, row->fp);
}

/* The rows of the places that the frames stand in, and their neighbours. */
static void
print_rows(FILE *f, const struct map *m, const struct unwind_result *u)
{
	const struct rows *rows = m->unwind.rows;

	for (size_t i = 0; rows && i < u->n; i++) {
		uint64_t end = 0, place = u->frames[i].addr - m->unwind.start + m->unwind.pgoff;
		const struct row *row =
			u->frames[i].map == m->unwind.id ? rows_find(rows, place, &end) : NULL;

		if (!row)
			continue;
		print_row(f, m->unwind.id, rows, row);
		print_row(f, m->unwind.id, rows, row + 1);
	}
}

static void
print_maps(FILE *f, const struct unwind_result *u)
{
	for (size_t i = 0; i < n_maps; i++) {
		const struct map *m = &maps[i];
		bool used = false;

		for (size_t j = 0; j < u->n; j++)
			used = used || u->frames[j].map == m->unwind.id;
		if (!used)
			continue;
		fprintf(f, "map %u %lx %lx %lx %s %s\n", m->unwind.id, (long)m->unwind.start,
			(long)m->unwind.end, (long)m->unwind.pgoff,
			m->unwind.jit    ? "jit"
			: m->unwind.rows ? "rows"
					 : "none",
			m->name);
		print_rows(f, m, u);
	}
}

/* Of code that was only looked at for prologues, only these are kept. */
static void
print_reads(FILE *f)
{
	static unsigned char kept[4096];

	for (size_t i = 0; i < n_reads; i++) {
		const unsigned char *bytes = reads[i].bytes;

		if (reads[i].n == sizeof(kept) && find_map(reads[i].addr)) {
			memset(kept, 0, sizeof(kept));
			for (size_t j = 0; j + 4 <= sizeof(kept); j++)
				if (!memcmp(bytes + j, "\x55\x48\x89\xe5", 4) ||
				    !memcmp(bytes + j, "\x55\x48\x8b\xec", 4))
					memcpy(kept + j, bytes + j, 4);
			bytes = kept;
		}
		fprintf(f, "memory %lx %zu\n", (long)reads[i].addr, reads[i].n);
		print_bytes(f, "bytes", reads[i].addr, bytes, reads[i].n);
	}
}

static bool
same_frames(const struct unwind_result *a, const struct unwind_result *b)
{
	return a->n == b->n && !memcmp(a->frames, b->frames, a->n * sizeof(*a->frames));
}

/* As little of the stack as gives the same frames. */
static void
shorten(const struct unwind_source *from, struct unwind_sample *s, const struct unwind_result *u)
{
	size_t low = 0, high = s->stack_bytes;
	struct unwind_result v;

	while (!u->late && low < high) {
		s->stack_bytes = (low + high) / 2;
		unwind_stack(from, s, &v);
		if (v.end == u->end && !v.late && same_frames(&v, u))
			high = s->stack_bytes;
		else
			low = s->stack_bytes + 1;
	}
	s->stack_bytes = high;
}

static void
store_case(const struct unwind_source *source, const struct unwind_sample *sample)
{
	struct unwind_source from = *source;
	struct unwind_sample s = *sample;
	struct unwind_result u;
	static int n;
	char path[512];
	FILE *f;

	if (n == opt.store_max)
		return;
	from.cache = NULL; /* all that is read is to be seen */
	unwind_stack(&from, &s, &u);
	shorten(&from, &s, &u);
	n_reads = 0;
	keep_reads = true;
	unwind_stack(&from, &s, &u);
	keep_reads = false;
	snprintf(path, sizeof(path), "%s/%s%s%s-%d.case", opt.store, end_names[u.end],
		 u.guessed ? "-guess" : "", u.late ? "-late" : "", n++);
	f = fopen(path, "we");
	if (!f)
		die(path);
	for (int i = 0; i < UNWIND_REGS; i++)
		fprintf(f, "reg %d %lx\n", i, (long)s.reg[i]);
	print_maps(f, &u);
	fprintf(f, "stack_bytes %zu\n", s.stack_bytes);
	print_bytes(f, "stack", s.reg[UNWIND_SP], s.stack, s.stack_bytes);
	print_reads(f);
	for (size_t i = 0; i < u.n; i++)
		fprintf(f, "frame %u %lx\n", u.frames[i].map, (long)u.frames[i].addr);
	fprintf(f, "end %s%s%s\n", end_names[u.end], u.guessed ? " guessed" : "", u.late ? " late" : "");
	fclose(f);
}

/* ---- one sample */

static void
print_stack(const struct unwind_result *u)
{
	printf("-- %s%s%s, %zu frames\n", end_names[u->end], u->guessed ? " guessed" : "",
	       u->late ? " late" : "", u->n);
	for (size_t i = 0; i < u->n && i < 40; i++) {
		const struct map *m = find_map(u->frames[i].addr);

		printf("   %s+0x%lx\n", m ? m->name : "?",
		       m ? (long)(u->frames[i].addr - m->unwind.start + m->unwind.pgoff) : 0);
	}
}

static bool
passes_hidden(const struct unwind_result *u)
{
	for (size_t i = 0; i < u->n; i++) {
		const struct map *m = find_map(u->frames[i].addr);
		uint64_t place = m ? u->frames[i].addr - m->unwind.start + m->unwind.pgoff : 0, end;
		const struct row *row = m && m->object && m->object->have
						? rows_find(&m->object->hidden, place, &end)
						: NULL;
		const struct row *full = row ? rows_find(&m->object->rows, place, &end) : NULL;

		if (row && row->rule == ROW_NONE && full->rule != ROW_NONE)
			return true;
	}
	return false;
}

static void
judge(const struct unwind_result *truth, const struct unwind_result *u)
{
	sum.touched++;
	if (u->end != UNWIND_ROOT) {
		sum.refused++;
	} else if (same_frames(truth, u)) {
		sum.right++;
	} else {
		sum.wrong++;
		if (opt.verbose) {
			puts("== truth");
			print_stack(truth);
			puts("== but");
			print_stack(u);
		}
	}
}

/* Again with less: fewer tables, or a shorter copy. */
static void
compare(const struct unwind_source *from, struct unwind_sample *s, const struct unwind_result *truth)
{
	struct unwind_source again = *from;
	struct unwind_result u;

	if (truth->end != UNWIND_ROOT || truth->late || truth->guessed)
		return;
	if (opt.hide && passes_hidden(truth)) {
		use_hidden = true;
		again.cache = opt.no_cache ? NULL : &cache_hidden;
		unwind_stack(&again, s, &u);
		use_hidden = false;
		judge(truth, &u);
	}
	if (opt.cut && s->stack_bytes > (size_t)opt.cut) {
		s->stack_bytes = (size_t)opt.cut;
		unwind_stack(&again, s, &u);
		if (u.late || u.end == UNWIND_MEMORY)
			judge(truth, &u);
	}
}

static void
take_sample(struct unwind_sample *s)
{
	struct unwind_source from = { .map = source_map,
				      .read = source_read,
				      .cache = opt.no_cache ? NULL : &cache };
	static struct unwind_result u;
	uint64_t t;
	struct map *m;

	if (maps_stale)
		read_maps();
	t = cpu_ns();
	unwind_stack(&from, s, &u);
	sum.ns += cpu_ns() - t;
	if (!u.late) {
		t = cpu_ns();
		for (int i = 0; i < WARM_ROUNDS; i++)
			unwind_stack(&from, s, &u);
		sum.warm_ns += cpu_ns() - t;
		sum.warm_frames += WARM_ROUNDS * u.n;
	}
	if (u.end == UNWIND_NO_MAP) { /* a mapping made since */
		read_maps();
		unwind_stack(&from, s, &u);
	}
	sum.stacks++;
	sum.ends[u.end]++;
	sum.guessed += u.guessed;
	sum.late += u.late;
	sum.frames += u.n;
	m = u.n ? find_map(u.frames[u.n - 1].addr) : NULL;
	if (m)
		m->ends[u.end]++;
	if (opt.verbose && (u.end != UNWIND_ROOT || u.guessed || u.late) && !opt.hide && !opt.cut)
		print_stack(&u);
	if (opt.store)
		store_case(&from, s);
	compare(&from, s, &u);
}

/* ---- perf_event */

static struct {
	struct perf_event_mmap_page *meta;
	int fd;
} rings[CPUS_MAX];
static int n_cpus, fds[EVENTS_MAX], n_fds;

static void
open_event(struct perf_event_attr *a, pid_t tid, int cpu)
{
	int fd = (int)syscall(SYS_perf_event_open, a, tid, cpu, -1, PERF_FLAG_FD_CLOEXEC);

	if (fd < 0 && errno == ESRCH)
		return;
	if (fd < 0 || n_fds == EVENTS_MAX)
		die("perf_event_open");
	fds[n_fds++] = fd;
	if (rings[cpu].meta) {
		if (ioctl(fd, PERF_EVENT_IOC_SET_OUTPUT, rings[cpu].fd) < 0)
			die("SET_OUTPUT");
		return;
	}
	rings[cpu].fd = fd;
	rings[cpu].meta = mmap(NULL, (RING_PAGES + 1) * 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (rings[cpu].meta == MAP_FAILED)
		die("mmap");
}

static void
open_events(bool on_exec)
{
	struct perf_event_attr a = {
		.size = sizeof(a),
		.type = PERF_TYPE_SOFTWARE,
		.config = PERF_COUNT_SW_TASK_CLOCK,
		.sample_period = 1000000000u / (unsigned)opt.hz,
		.sample_type = PERF_SAMPLE_TID | PERF_SAMPLE_REGS_USER | PERF_SAMPLE_STACK_USER,
		.sample_regs_user = PERF_REGS,
		.sample_stack_user = (uint32_t)opt.stack_bytes,
		.inherit = 1,
		.mmap = 1,
		.mmap2 = 1,
		.comm = 1,
		.disabled = 1,
		.enable_on_exec = on_exec,
		.exclude_callchain_user = 1,
	};
	char path[64];
	struct dirent *e;
	DIR *d;

	n_cpus = (int)sysconf(_SC_NPROCESSORS_ONLN);
	snprintf(path, sizeof(path), "/proc/%d/task", opt.pid);
	d = opendir(path);
	if (!d)
		die(path);
	while ((e = readdir(d)))
		for (int cpu = 0; atoi(e->d_name) > 0 && cpu < n_cpus && cpu < CPUS_MAX; cpu++)
			open_event(&a, atoi(e->d_name), cpu);
	closedir(d);
	for (int i = 0; !on_exec && i < n_fds; i++)
		ioctl(fds[i], PERF_EVENT_IOC_ENABLE, 0);
}

static void
decode_sample(const unsigned char *p, const unsigned char *end)
{
	struct unwind_sample s = { .stack_bytes = 0 };
	uint64_t word, size;
	pid_t pid;

	memcpy(&pid, p, sizeof(pid));
	if (pid != opt.pid) {
		sum.other++;
		return;
	}
	p += 8;
	memcpy(&word, p, 8); /* abi */
	p += 8;
	if (word == PERF_SAMPLE_REGS_ABI_NONE || (size_t)(end - p) < sizeof(perf_order) * 8 + 8)
		return;
	for (size_t i = 0; i < sizeof(perf_order); i++, p += 8)
		memcpy(&s.reg[perf_order[i]], p, 8);
	memcpy(&size, p, 8);
	p += 8;
	if (size) {
		s.stack = p;
		memcpy(&word, p + size, 8);
		s.stack_bytes = word < size ? word : size;
	}
	take_sample(&s);
}

static void
drain(int cpu)
{
	static unsigned char copy[65536];
	struct perf_event_mmap_page *meta = rings[cpu].meta;
	const unsigned char *data = (const unsigned char *)meta + 4096;
	uint64_t mask = RING_PAGES * 4096 - 1, tail = meta->data_tail;
	uint64_t head = __atomic_load_n(&meta->data_head, __ATOMIC_ACQUIRE);

	while (tail < head) {
		struct perf_event_header h;

		for (size_t i = 0; i < sizeof(h); i++)
			((unsigned char *)&h)[i] = data[(tail + i) & mask];
		for (size_t i = 0; i < h.size; i++)
			copy[i] = data[(tail + i) & mask];
		if (h.type == PERF_RECORD_SAMPLE)
			decode_sample(copy + sizeof(h), copy + h.size);
		else if (h.type == PERF_RECORD_MMAP2 || h.type == PERF_RECORD_MMAP ||
			 h.type == PERF_RECORD_COMM)
			maps_stale = true;
		else if (h.type == PERF_RECORD_LOST)
			sum.lost++;
		tail += h.size;
		__atomic_store_n(&meta->data_tail, tail, __ATOMIC_RELEASE);
	}
}

static double
share(size_t part, size_t whole)
{
	return whole ? 100. * (double)part / (double)whole : 0;
}

static double
per(uint64_t what, size_t n)
{
	return n ? (double)what / (double)n : 0;
}

static void
report(void)
{
	printf("stacks %zu, other processes' %zu, lost records %zu; frames %.1f, reads %.2f a stack; %.0f ns "
	       "a frame (warm %.0f)\n",
	       sum.stacks, sum.other, sum.lost, per(sum.frames, sum.stacks), per(sum.reads, sum.stacks),
	       per(sum.ns, sum.frames), per(sum.warm_ns, sum.warm_frames));
	for (int i = 0; i < 6; i++)
		printf("%s %.2f %%  ", end_names[i], share(sum.ends[i], sum.stacks));
	printf("guessed %.2f %%  late %.2f %%\n", share(sum.guessed, sum.stacks), share(sum.late, sum.stacks));
	for (size_t i = 0; i < n_maps; i++)
		for (int e = 1; e < 6; e++)
			if (maps[i].ends[e])
				printf("  %6zu ended in %s: %s\n", maps[i].ends[e], maps[i].name,
				       end_names[e]);
	if (sum.touched)
		printf("compared %zu: right %.2f %%, wrong %.2f %%, not to the root %.2f %%\n", sum.touched,
		       share(sum.right, sum.touched), share(sum.wrong, sum.touched),
		       share(sum.refused, sum.touched));
}

/* The command waits until the events are open. */
static void
launch(char **argv)
{
	int go[2];

	if (pipe(go) < 0)
		die("pipe");
	opt.pid = fork();
	if (opt.pid == 0) {
		char c;

		close(go[1]);
		if (read(go[0], &c, 1) < 0)
			_exit(1);
		execvp(argv[0], argv);
		_exit(127);
	}
	close(go[0]);
	open_events(true);
	close(go[1]);
}

static void
options(int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, "+p:t:f:s:d:c:H:S:N:vn")) != -1) {
		switch (c) {
		case 'p':
			opt.pid = atoi(optarg);
			break;
		case 't':
			opt.seconds = atoi(optarg);
			break;
		case 'f':
			opt.hz = atoi(optarg);
			break;
		case 's':
			opt.stack_bytes = atoi(optarg);
			break;
		case 'd':
			opt.drain_ms = atoi(optarg);
			break;
		case 'c':
			opt.cut = atoi(optarg);
			break;
		case 'H':
			opt.hide = atoi(optarg);
			break;
		case 'S':
			opt.store = optarg;
			break;
		case 'N':
			opt.store_max = atoi(optarg);
			break;
		case 'v':
			opt.verbose = true;
			break;
		case 'n':
			opt.no_cache = true;
			break;
		default:
			exit(2);
		}
	}
}

int
main(int argc, char **argv)
{
	bool child;
	time_t until;

	options(argc, argv);
	child = !opt.pid && optind < argc;
	if (child)
		launch(argv + optind);
	else if (opt.pid)
		open_events(false);
	else
		return 2;
	until = time(NULL) + opt.seconds;
	while (time(NULL) < until && (!child || waitpid(opt.pid, NULL, WNOHANG) == 0)) {
		poll(NULL, 0, opt.drain_ms);
		for (int cpu = 0; cpu < n_cpus; cpu++)
			if (rings[cpu].meta)
				drain(cpu);
	}
	if (child && waitpid(opt.pid, NULL, WNOHANG) == 0)
		kill(opt.pid, SIGKILL);
	report();
	return 0;
}
