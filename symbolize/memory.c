#include "config.h"

#include "symbolize/memory.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAPS_CHUNK      65536               /* bytes of maps that are read at a time; a line is shorter */
#define RUN_BYTES_MAX   ((size_t)256 << 10) /* wants that are merged into one call */
#define PAGEMAP_CHUNK   512                 /* entries that are read at a time */
#define PAGEMAP_TOUCHED (UINT64_C(3) << 62) /* present, swapped (the kernel's admin-guide/mm/pagemap.rst)  \
					     */

/* ---- maps */

/* One line of /proc/PID/maps, NUL-terminated. */
static bool
parse_range(const char *line, struct memory_range *r)
{
	unsigned int major, minor;
	char perm[5];

	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %x:%x %" SCNu64, &r->start, &r->end, perm,
		   &r->pgoff, &major, &minor, &r->ino) != 7)
		return false;
	r->dev = (uint64_t)major << 32 | minor;
	r->flags = (perm[0] == 'r' ? MEMORY_READ : 0) | (perm[1] == 'w' ? MEMORY_WRITE : 0) |
		   (perm[2] == 'x' ? MEMORY_EXEC : 0) | (r->ino ? MEMORY_FILE : 0);
	return r->start < r->end;
}

struct ranges {
	struct memory_range *at; /* owned */
	size_t n, cap;
};

static int
add_range(struct ranges *rs, const char *line)
{
	struct memory_range r = { .start = 0 };
	size_t cap = rs->cap ? 2 * rs->cap : 256;
	void *more;

	/* The kernel's are in order; a memory_range() that may rely on it is worth the look. */
	if (!parse_range(line, &r) || (rs->n > 0 && r.start < rs->at[rs->n - 1].end))
		return 0;
	if (rs->n == MEMORY_RANGES_MAX)
		return -E2BIG;
	if (rs->n == rs->cap) {
		more = realloc(rs->at, cap * sizeof(*rs->at));
		if (!more)
			return -ENOMEM;
		rs->at = more;
		rs->cap = cap;
	}
	rs->at[rs->n++] = r;
	return 0;
}

/* The lines of a chunk; *left: bytes of a line that is not whole yet, moved to the front. */
static int
add_lines(struct ranges *rs, char *chunk, size_t *left)
{
	char *line = chunk, *end = chunk + *left, *nl;
	int e = 0;

	while (e == 0 && (nl = memchr(line, '\n', (size_t)(end - line)))) {
		*nl = '\0';
		e = add_range(rs, line);
		line = nl + 1;
	}
	*left = (size_t)(end - line);
	memmove(chunk, line, *left);
	return e;
}

static int
read_maps(int fd, struct ranges *rs)
{
	char *chunk = malloc(MAPS_CHUNK);
	size_t left = 0;
	off_t at = 0;
	int e = chunk ? 0 : -ENOMEM;

	while (e == 0) {
		ssize_t n = pread(fd, chunk + left, MAPS_CHUNK - left, at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			e = -errno;
		if (n <= 0)
			break;
		at += n;
		left += (size_t)n;
		e = add_lines(rs, chunk, &left);
		if (left == MAPS_CHUNK)
			e = -EBADMSG;
	}
	free(chunk);
	/* Of a process that has gone, the file is empty. */
	return e < 0 ? e : rs->n > 0 ? 0 : -ESRCH;
}

int
memory_refresh(struct memory *m, struct err *why)
{
	struct ranges rs = { .at = NULL };
	int e;

	if (m->maps_fd < 0)
		return 0;
	e = read_maps(m->maps_fd, &rs);
	if (e < 0) {
		free(rs.at);
		return e == -ESRCH ? err_set(why, e, "the process has gone")
				   : err_sys(why, e, "memory: its maps");
	}
	free(m->ranges);
	m->ranges = rs.at;
	m->n_ranges = rs.n;
	return 0;
}

static ssize_t
pread_mem(void *ctx, void *to, size_t n, uint64_t addr)
{
	const struct memory *m = ctx;
	ssize_t got = pread(m->mem_fd, to, n, (off_t)addr);

	return got < 0 ? -errno : got;
}

int
memory_open(struct memory *m, int mem_fd, int maps_fd, int pagemap_fd, struct err *why)
{
	*m = (struct memory){
		.pread = pread_mem,
		.ctx = m,
		.mem_fd = mem_fd,
		.maps_fd = maps_fd,
		.pagemap_fd = pagemap_fd,
	};
	return memory_refresh(m, why);
}

void
memory_close(struct memory *m)
{
	free(m->ranges);
	m->ranges = NULL;
	m->n_ranges = 0;
}

const struct memory_range *
memory_range(const struct memory *m, uint64_t addr)
{
	size_t low = 0, high = m->n_ranges;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (m->ranges[mid].end <= addr)
			low = mid + 1;
		else
			high = mid;
	}
	return low < m->n_ranges && addr >= m->ranges[low].start ? &m->ranges[low] : NULL;
}

void
memory_touched(struct memory *m, uint64_t addr, size_t n, unsigned char *touched)
{
	uint64_t entries[PAGEMAP_CHUNK];

	memset(touched, m->pagemap_fd < 0, n);
	if (m->pagemap_fd < 0)
		return;
	for (size_t done = 0; done < n; done += PAGEMAP_CHUNK) {
		size_t k = n - done < PAGEMAP_CHUNK ? n - done : PAGEMAP_CHUNK;
		uint64_t at = (addr / MEMORY_PAGE + done) * sizeof(entries[0]);
		ssize_t got = pread(m->pagemap_fd, entries, k * sizeof(entries[0]), (off_t)at);

		m->calls++;
		if (got < 0)
			return;
		for (size_t i = 0; i < (size_t)got / sizeof(entries[0]); i++)
			touched[done + i] = (entries[i] & PAGEMAP_TOUCHED) != 0;
	}
}

/* ---- reads */

/* As many bytes as can be read from addr on, or -ESRCH. */
static ssize_t
read_some(struct memory *m, uint64_t addr, void *to, size_t n)
{
	size_t done = 0;

	/* An off_t is signed: the upper half, the kernel's, cannot be said. */
	if (addr > (uint64_t)INT64_MAX - n)
		return 0;
	while (done < n) {
		ssize_t got = m->pread(m->ctx, (char *)to + done, n - done, addr + done);

		m->calls++;
		if (got == -EINTR)
			continue;
		/* The end of the file is the end of the process: its memory was given up. */
		if (got == 0 || got == -ESRCH)
			return -ESRCH;
		if (got < 0)
			break;
		done += (size_t)got;
	}
	m->bytes += done;
	return (ssize_t)done;
}

int
memory_read(struct memory *m, uint64_t addr, void *to, size_t n)
{
	ssize_t got = read_some(m, addr, to, n);

	if (got < 0)
		return (int)got;
	return (size_t)got == n ? 0 : -EFAULT;
}

uint64_t
memory_u64(struct memory *m, uint64_t addr, int *error)
{
	uint64_t v = 0;
	int e = memory_read(m, addr, &v, sizeof(v));

	if (e < 0) {
		*error = e;
		return 0;
	}
	return v;
}

static int
by_address(const void *a, const void *b)
{
	const struct memory_want *x = a, *y = b;

	return x->addr < y->addr ? -1 : x->addr > y->addr;
}

static void
sort_wants(struct memory_want *w, size_t n)
{
	for (size_t i = 1; i < n; i++)
		if (w[i - 1].addr > w[i].addr) {
			qsort(w, n, sizeof(*w), by_address);
			return;
		}
}

static uint64_t
want_end(const struct memory_want *w)
{
	return w->addr > UINT64_MAX - w->n ? UINT64_MAX : w->addr + w->n;
}

/* How many wants one call can serve: no page lies wholly in a gap. *bytes: of them all. */
static size_t
merge(const struct memory_want *w, size_t n, size_t *bytes)
{
	uint64_t start = w->addr, end = want_end(w);
	size_t i = 1;

	for (; i < n && w->n <= RUN_BYTES_MAX; i++) {
		uint64_t to = want_end(&w[i]);
		uint64_t last = end > start ? (end - 1) / MEMORY_PAGE : end / MEMORY_PAGE;

		if (w[i].addr / MEMORY_PAGE > last + 1 || to - start > RUN_BYTES_MAX)
			break;
		if (to > end)
			end = to;
	}
	*bytes = end - start;
	return i;
}

static int
read_alone(struct memory *m, struct memory_want *w)
{
	w->error = memory_read(m, w->addr, w->to, w->n);
	return w->error == -ESRCH ? -ESRCH : 0;
}

/* n wants that one call serves; where it cannot, each for itself. */
static int
read_run(struct memory *m, struct memory_want *w, size_t n, unsigned char *buf, size_t bytes)
{
	uint64_t start = w->addr;
	ssize_t got = read_some(m, start, buf, bytes);
	int e = 0;

	if (got < 0)
		return (int)got;
	for (size_t i = 0; e == 0 && i < n; i++) {
		if (w[i].addr - start + w[i].n > (size_t)got) {
			e = read_alone(m, &w[i]);
			continue;
		}
		memcpy(w[i].to, buf + (w[i].addr - start), w[i].n);
		w[i].error = 0;
	}
	return e;
}

int
memory_read_many(struct memory *m, struct memory_want *wants, size_t n)
{
	unsigned char *buf = n > 1 ? malloc(RUN_BYTES_MAX) : NULL;
	int e = n > 1 && !buf ? -ENOMEM : 0;

	sort_wants(wants, n);
	for (size_t i = 0; e == 0 && i < n;) {
		size_t bytes, k = merge(wants + i, n - i, &bytes);

		e = k == 1 ? read_alone(m, &wants[i]) : read_run(m, &wants[i], k, buf, bytes);
		i += k;
	}
	free(buf);
	return e;
}
