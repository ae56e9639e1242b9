#include "config.h"

#include "symbolize/row_jobs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/rows.h"
#include "symbolize/client.h"
#include "symbolize/service.h"

/* Rows take a fraction of the code that they are for; this much of the file and a little more. */
#define ROWS_BYTES_LEAST (16u << 20)
#define ROWS_BYTES_MOST  (sizeof(struct rows_head) + ROWS_MAX * sizeof(struct row) + ROWS_WIDE_MAX * 4ull)

void
row_jobs_init(struct row_jobs *j)
{
	memset(j, 0, sizeof(*j));
	for (size_t i = 0; i < ROW_READERS; i++) {
		j->running[i].reader.sock = -1;
		j->running[i].memfd = -1;
	}
}

void
row_jobs_fini(struct row_jobs *j)
{
	for (size_t i = 0; i < ROW_READERS; i++) {
		reader_fini(&j->running[i].reader);
		if (j->running[i].memfd >= 0)
			close(j->running[i].memfd);
	}
	free(j->queue);
	row_jobs_init(j);
}

/* code: 0 or -errno. */
static void
answer(struct service *s, struct client *c, uint64_t object, int code, int fd)
{
	struct buf b;

	buf_init(&b, WIRE_BODY_MAX);
	buf_u64(&b, object);
	buf_u32(&b, (uint32_t)-code);
	client_send(c, WIRE_ROWS, &b, code == 0 ? fd : -1, s->now_ns);
	buf_fini(&b);
}

static int
enqueue(struct row_jobs *j, struct client *c, struct entry *e)
{
	if (j->first == j->n)
		j->first = j->n = 0;
	if (j->n == ROW_JOBS_MAX)
		return -EBUSY;
	if (j->n == j->cap) {
		size_t cap = j->cap ? j->cap * 2 : 64;
		struct row_job *queue = realloc(j->queue, cap * sizeof(*queue));

		if (!queue)
			return -ENOMEM;
		j->queue = queue;
		j->cap = cap;
	}
	j->queue[j->n++] = (struct row_job){ c, e };
	return 0;
}

int
row_jobs_ask(struct service *s, struct client *c, const struct wire_msg *m)
{
	struct cur cur;
	struct entry *e;
	uint64_t object;
	int r = -ENOENT;

	cur_init(&cur, m->body, m->len);
	object = cur_u64(&cur);
	if (cur_error(&cur) || cur_left(&cur))
		return -EBADMSG;
	e = catalog_find(&s->catalog, object);
	if (e && (e->identity.kind == WIRE_MAP_FILE || e->identity.kind == WIRE_MAP_VDSO))
		r = enqueue(&s->rows, c, e);
	if (r < 0)
		answer(s, c, object, r, -1);
	return 0;
}

static uint64_t
rows_bytes(int fd)
{
	struct stat st;
	uint64_t n = ROWS_BYTES_LEAST;

	if (fstat(fd, &st) == 0 && st.st_size > 0)
		n += (uint64_t)st.st_size * 4;
	return n < ROWS_BYTES_MOST ? n : ROWS_BYTES_MOST;
}

static int
start(struct service *s, size_t slot, const struct row_job *job)
{
	struct reader *r = &s->rows.running[slot].reader;
	struct err why;
	struct buf b;
	int memfd, result;

	memfd = memfd_create("rows", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (memfd < 0)
		return -errno;
	result = reader_start(r, &s->limits, job->entry, rows_bytes(job->entry->fd), s->now_ns, &why);
	if (result < 0) {
		log_error("rows of object %llu: %s", (unsigned long long)job->entry->id, why.text);
		close(memfd);
		return result;
	}
	s->rows.running[slot].job = *job;
	s->rows.running[slot].memfd = memfd;
	buf_init(&b, WIRE_BODY_MAX);
	buf_u64(&b, job->entry->serial);
	result = buf_error(&b) ? buf_error(&b) : wire_send(r->sock, WIRE_ROWS_ASK, b.data, b.len, memfd);
	buf_fini(&b);
	reader_renew(r, &s->limits, s->now_ns);
	if (result < 0)
		reader_kill(r, "could not be asked");
	return 0;
}

void
row_jobs_schedule(struct service *s)
{
	struct row_jobs *j = &s->rows;

	for (size_t i = 0; i < ROW_READERS && j->first < j->n; i++) {
		struct row_job job;
		int r;

		if (j->running[i].reader.pid)
			continue;
		job = j->queue[j->first++];
		if (!job.client) {
			i--;
			continue;
		}
		r = start(s, i, &job);
		if (r < 0)
			answer(s, job.client, job.entry->id, r, -1);
	}
}

/* Nobody waits for this slot's rows any more: answered, forgotten. */
static void
release(struct row_jobs *j, size_t slot)
{
	j->running[slot].job = (struct row_job){ NULL, NULL };
	j->running[slot].reader.entry = NULL;
	if (j->running[slot].memfd >= 0)
		close(j->running[slot].memfd);
	j->running[slot].memfd = -1;
}

static void
finish(struct service *s, struct reader *r, int code)
{
	for (size_t i = 0; i < ROW_READERS; i++) {
		const struct row_job *job = &s->rows.running[i].job;

		if (&s->rows.running[i].reader != r || !job->client)
			continue;
		if (code == 0)
			code = reader_seal(s->rows.running[i].memfd);
		answer(s, job->client, job->entry->id, code, s->rows.running[i].memfd);
		release(&s->rows, i);
	}
}

int
row_jobs_rows(struct service *s, struct reader *r, const struct wire_msg *m)
{
	struct cur c;
	uint32_t error;

	cur_init(&c, m->body, m->len);
	cur_u64(&c);
	error = cur_u32(&c);
	if (!r->busy || cur_error(&c) || cur_left(&c) || error >= 4096)
		return -EBADMSG;
	finish(s, r, -(int)error);
	r->busy = false;
	reader_kill(r, NULL);
	return 0;
}

void
row_jobs_died(struct service *s, struct reader *r, const char *why)
{
	if (!r->entry)
		return;
	log_warning("rows of object %llu are missing: its reader %s", (unsigned long long)r->entry->id,
		    why);
	finish(s, r, -EIO);
}

void
row_jobs_forget(struct service *s, const struct client *c, const struct entry *e)
{
	struct row_jobs *j = &s->rows;

	for (size_t i = j->first; i < j->n; i++)
		if ((c && j->queue[i].client == c) || (e && j->queue[i].entry == e))
			j->queue[i] = (struct row_job){ NULL, NULL };
	for (size_t i = 0; i < ROW_READERS; i++) {
		const struct row_job *job = &j->running[i].job;

		if (!job->client || ((!c || job->client != c) && (!e || job->entry != e)))
			continue;
		release(j, i);
		reader_kill(&j->running[i].reader, NULL);
	}
}
