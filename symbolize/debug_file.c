#include "config.h"

#include "symbolize/debug_file.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <zlib.h>

void
debug_file_init(struct debug_file *d)
{
	d->fd = -1;
	d->bytes = NULL;
	d->n = 0;
}

void
debug_file_close(struct debug_file *d)
{
	if (d->bytes)
		munmap((void *)(uintptr_t)d->bytes, d->n);
	if (d->fd >= 0)
		close(d->fd);
	debug_file_init(d);
}

/* Takes fd. */
static int
debug_file_map(struct debug_file *d, int fd, struct err *why)
{
	struct stat st;
	void *at;

	d->fd = fd;
	if (fstat(fd, &st) < 0 || st.st_size <= 0)
		return err_set(why, -ESTALE, "its debug file is empty");
	at = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (at == MAP_FAILED)
		return err_sys(why, -errno, "its debug file of %lld bytes", (long long)st.st_size);
	d->bytes = at;
	d->n = (size_t)st.st_size;
	return 0;
}

/* Both have a build-id: 1 the same, 0 not; -ENOENT: one of them has none. */
static int
same_build_id(const struct debug_file *d, const struct image *im)
{
	unsigned char id[IMAGE_BUILD_ID_MAX];
	size_t n = object_build_id(d->bytes, d->n, id);

	if (!n || !im->build_id_len)
		return -ENOENT;
	return n == im->build_id_len && !memcmp(id, im->build_id, n);
}

/* The CRC of .gnu_debuglink is zlib's. */
static uint32_t
crc_of(const struct debug_file *d)
{
	return (uint32_t)crc32_z(0, d->bytes, d->n);
}

static int
by_build_id(struct debug_file *d, const struct image *im, const struct dwarf_files *files, struct err *why)
{
	int fd, r;

	if (!im->build_id_len)
		return -ENOENT;
	fd = files->open(files->ctx, WIRE_FILE_BUILD_ID, im->build_id, im->build_id_len);
	if (fd < 0)
		return -ENOENT;
	r = debug_file_map(d, fd, why);
	if (r == 0 && same_build_id(d, im) != 1)
		r = err_set(why, -ESTALE, "the debug file of its build-id has another");
	return r;
}

static int
by_link(struct debug_file *d, const struct image *im, struct object *o, const struct dwarf_files *files,
	struct err *why)
{
	const char *name;
	uint32_t crc;
	int fd, r;

	if (object_debug_link(o, &name, &crc) < 0 || strchr(name, '/'))
		return -ENOENT;
	fd = files->open(files->ctx, WIRE_FILE_DEBUGLINK, name, strlen(name));
	if (fd < 0)
		return -ENOENT;
	r = debug_file_map(d, fd, why);
	if (r == 0 && same_build_id(d, im) == 0)
		r = err_set(why, -ESTALE, "its debug file %.100s has another build-id", name);
	if (r == 0 && crc_of(d) != crc)
		r = err_set(why, -ESTALE, "its debug file %.100s has another CRC", name);
	return r;
}

int
debug_file_open(struct debug_file *d, const struct image *im, struct object *o,
		const struct dwarf_files *files, struct err *why)
{
	int r = by_build_id(d, im, files, why), link;

	if (r == 0)
		return 0;
	debug_file_close(d);
	link = by_link(d, im, o, files, why);
	if (link == 0)
		return 0;
	debug_file_close(d);
	return link == -ENOENT ? r : link;
}
