#include "config.h"

#include "collector/objects.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/table.h"
#include "collector/files.h"
#include "collector/loop.h"

#define VDSO_BYTES_MAX 65536 /* it is two pages today */
#define PATH_LEN 4096

void
objects_init(struct objects *os)
{
	memset(os, 0, sizeof(*os));
	os->next_id = 1;
}

static void
object_free(struct object *o)
{
	if (!o)
		return;
	rows_close(&o->rows);
	if (o->fd >= 0)
		close(o->fd);
	free(o->path);
	free(o);
}

void
objects_fini(struct objects *os)
{
	for (size_t i = 0; i < os->n; i++)
		object_free(os->v[i]);
	free(os->v);
	objects_init(os);
}

static int
object_key_of(struct object_key *key, enum wire_map_kind kind, int fd, pid_t pid)
{
	struct stat st;

	memset(key, 0, sizeof(*key));
	key->kind = kind;
	if (kind == WIRE_MAP_JIT)
		key->pid = (uint32_t)pid;
	if (fd < 0)
		return 0;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (kind == WIRE_MAP_VDSO) {
		char bytes[VDSO_BYTES_MAX];
		ssize_t n = pread(fd, bytes, sizeof(bytes), 0);

		key->size = n > 0 ? (uint64_t)n : 0;
		key->ino = hash_bytes(bytes, (size_t)key->size);
		return 0;
	}
	key->dev = st.st_dev;
	key->ino = st.st_ino;
	if (kind == WIRE_MAP_JIT) /* it grows while we look */
		return 0;
	key->size = (uint64_t)st.st_size;
	key->mtime_ns = (uint64_t)st.st_mtim.tv_sec * 1000000000u + (uint64_t)st.st_mtim.tv_nsec;
	return 0;
}

static int
objects_room(struct objects *os)
{
	size_t cap = os->cap ? os->cap * 2 : 64;
	struct object **v;

	if (os->n >= OBJECTS_MAX)
		return -ENOSPC;
	if (os->n < os->cap)
		return 0;
	v = realloc(os->v, cap * sizeof(struct object *));
	if (!v)
		return -ENOMEM;
	os->v = v;
	os->cap = cap;
	return 0;
}

struct object *
objects_get(struct objects *os, enum wire_map_kind kind, int fd, pid_t pid, const char *path)
{
	struct object_key key;
	struct object *o = NULL;

	if (object_key_of(&key, kind, fd, pid) < 0)
		goto fail;
	for (size_t i = 0; i < os->n; i++) {
		if (memcmp(&os->v[i]->key, &key, sizeof(key)))
			continue;
		if (fd >= 0)
			close(fd);
		if (pid > 0)
			os->v[i]->pid = pid; /* a living one, whose root can be looked into */
		return objects_ref(os->v[i]);
	}
	o = objects_room(os) < 0 ? NULL : calloc(1, sizeof(*o));
	if (!o)
		goto fail;
	o->path = strdup(path);
	if (!o->path)
		goto fail;
	o->id = os->next_id++;
	o->key = key;
	o->fd = fd < 0 ? -1 : fd;
	o->pid = pid;
	o->refs = 1;
	o->state = kind == WIRE_MAP_FILE || kind == WIRE_MAP_VDSO ? OBJECT_ROWS_WAITING : OBJECT_ROWS_NONE;
	os->v[os->n++] = o;
	if (os->added)
		os->added(os->ctx, o);
	return o;
fail:
	free(o);
	if (fd >= 0)
		close(fd);
	return NULL;
}

struct object *
objects_ref(struct object *o)
{
	if (o) {
		o->refs++;
		o->unused_ns = 0;
	}
	return o;
}

void
objects_put(struct object *o)
{
	if (o && --o->refs == 0)
		o->unused_ns = loop_now();
}

struct object *
objects_find(const struct objects *os, uint64_t id)
{
	for (size_t i = 0; i < os->n; i++)
		if (os->v[i]->id == id)
			return os->v[i];
	return NULL;
}

void
objects_sweep(struct objects *os, uint64_t now_ns, uint64_t age_ns)
{
	size_t kept = 0;

	for (size_t i = 0; i < os->n; i++) {
		struct object *o = os->v[i];

		if (o->refs || now_ns - o->unused_ns < age_ns) {
			os->v[kept++] = o;
			continue;
		}
		if (os->dropped)
			os->dropped(os->ctx, o);
		os->rows_bytes -= o->rows.bytes;
		object_free(o);
	}
	os->n = kept;
}

/* ---- opening */

int
objects_open_mapped(pid_t pid, uint64_t start, uint64_t end, const char *path, uint64_t dev, uint64_t ino)
{
	char at[128], clean[PATH_LEN];
	size_t len;
	struct stat st;
	int fd;

	snprintf(at, sizeof(at), "/proc/%d/map_files/%llx-%llx", (int)pid, (unsigned long long)start,
		 (unsigned long long)end);
	fd = open(at, O_PATH | O_CLOEXEC);
	if (fd >= 0)
		fd = files_open_regular(fd);
	/* Without CAP_CHECKPOINT_RESTORE the link may be looked at, but not followed. */
	if (fd >= 0)
		return fd;
	snprintf(at, sizeof(at), "/proc/%d/root", (int)pid);
	snprintf(clean, sizeof(clean), "%s", path);
	len = strlen(clean);
	if (len > 10 && !strcmp(clean + len - 10, " (deleted)"))
		return -ENOENT;
	fd = files_open_below(at, clean);
	if (fd == -EACCES || fd == -EPERM || fd == -ENOENT) /* no right to look into its root: ours may be the same */
		fd = files_open_below("/", clean);
	if (fd < 0)
		return fd;
	/* The row's device differs from fstat's on btrfs and overlayfs: the inode must do there. */
	if (fstat(fd, &st) < 0 || st.st_ino != ino || (dev && st.st_dev != dev && major(st.st_dev) != 0)) {
		close(fd);
		return -ESTALE;
	}
	return fd;
}

static ssize_t
vdso_read(pid_t pid, uint64_t start, void *to, size_t n)
{
	char at[64];
	ssize_t got;
	int fd;

	snprintf(at, sizeof(at), "/proc/%d/mem", (int)pid);
	fd = open(at, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	got = pread(fd, to, n, (off_t)start);
	close(fd);
	return got;
}

int
objects_copy_vdso(pid_t pid, uint64_t start, uint64_t end)
{
	char bytes[VDSO_BYTES_MAX];
	size_t n = end - start;
	int fd;

	if (end <= start || n > sizeof(bytes))
		return -EINVAL;
	if (vdso_read(pid, start, bytes, n) != (ssize_t)n) {
		/* Every process of a kernel has the same vdso, up to its time namespace. */
		const void *ours = (const void *)(uintptr_t)getauxval(AT_SYSINFO_EHDR);

		if (!ours || n > 2 * (size_t)sysconf(_SC_PAGESIZE))
			return -ENOENT;
		memcpy(bytes, ours, n);
	}
	fd = memfd_create("vdso", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return -errno;
	if (write(fd, bytes, n) != (ssize_t)n ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) < 0) {
		close(fd);
		return -EIO;
	}
	return fd;
}

/* The process's number in its innermost pid namespace: how it names its own map file. */
static int
pid_in_namespace(pid_t pid)
{
	char at[64], line[256];
	int inner = (int)pid;
	FILE *f;

	snprintf(at, sizeof(at), "/proc/%d/status", (int)pid);
	f = fopen(at, "re");
	if (!f)
		return inner;
	while (fgets(line, sizeof(line), f)) {
		const char *last;

		if (strncmp(line, "NSpid:", 6))
			continue;
		last = strrchr(line, '\t');
		if (last)
			inner = atoi(last + 1);
		break;
	}
	fclose(f);
	return inner;
}

int
objects_open_jit_map(pid_t pid)
{
	char root[64], path[64];
	struct stat st, owner;
	int fd;

	snprintf(root, sizeof(root), "/proc/%d", (int)pid);
	if (stat(root, &owner) < 0)
		return -errno;
	snprintf(root, sizeof(root), "/proc/%d/root", (int)pid);
	snprintf(path, sizeof(path), "/tmp/perf-%d.map", pid_in_namespace(pid));
	fd = files_open_below(root, path);
	if (fd < 0)
		return fd;
	/* Anybody may write to /tmp: only the process's own word counts. */
	if (fstat(fd, &st) < 0 || st.st_uid != owner.st_uid) {
		close(fd);
		return -EPERM;
	}
	return fd;
}
