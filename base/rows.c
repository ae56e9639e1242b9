#include "config.h"

#include "base/rows.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

int
rows_open(struct rows *r, int fd, struct err *why)
{
	const struct rows_head *head;
	struct stat st;
	int seals = fcntl(fd, F_GET_SEALS);
	size_t need;
	void *at;

	memset(r, 0, sizeof(*r));
	if (seals < 0 || (seals & SEALS) != SEALS)
		return err_set(why, -EBADMSG, "rows: the file is not sealed");
	if (fstat(fd, &st) < 0)
		return err_sys(why, -errno, "rows: fstat");
	if ((uint64_t)st.st_size < sizeof(*head) ||
	    (uint64_t)st.st_size > sizeof(*head) + (uint64_t)ROWS_MAX * sizeof(struct row) +
					  (uint64_t)ROWS_WIDE_MAX * sizeof(int32_t))
		return err_set(why, -EBADMSG, "rows: impossible size %lld", (long long)st.st_size);
	at = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED)
		return err_sys(why, -errno, "rows: mmap");
	head = at;
	need = sizeof(*head) + (size_t)head->n_rows * sizeof(struct row) +
	       (size_t)head->n_wide * sizeof(int32_t);
	if (head->magic != ROWS_MAGIC || head->n_rows > ROWS_MAX || head->n_wide > ROWS_WIDE_MAX ||
	    need != (size_t)st.st_size) {
		munmap(at, (size_t)st.st_size);
		return err_set(why, -EBADMSG, "rows: the header does not fit the file");
	}
	r->head = head;
	r->bytes = (size_t)st.st_size;
	r->row = (const struct row *)(head + 1);
	r->wide = (const int32_t *)(r->row + head->n_rows);
	return 0;
}

void
rows_close(struct rows *r)
{
	if (r->head)
		munmap((void *)(uintptr_t)r->head, r->bytes);
	memset(r, 0, sizeof(*r));
}

const struct row *
rows_find(const struct rows *r, uint64_t place, uint64_t *end)
{
	size_t low = 0, high;

	if (!r->head)
		return NULL;
	/* Unsorted rows (a liar's) give some row or none; the search ends all the same. */
	high = r->head->n_rows;
	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (r->row[mid].place <= place)
			low = mid + 1;
		else
			high = mid;
	}
	if (low == 0)
		return NULL;
	*end = low < r->head->n_rows ? r->row[low].place : UINT64_MAX;
	return &r->row[low - 1];
}
