#include "config.h"

#include "collector/maps.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "collector/objects.h"

#define KERNEL_START 0xffff800000000000u /* the upper half (x86-64) */

void
maps_init(struct maps *m, struct objects *objects)
{
	memset(m, 0, sizeof(*m));
	m->objects = objects;
	table_init(&m->ids);
}

void
maps_clear_view(struct maps *m)
{
	m->n_view = 0;
	m->exe_object = 0;
	objects_put(m->jit);
	m->jit = NULL;
}

void
maps_reset(struct maps *m)
{
	maps_clear_view(m);
	for (uint32_t i = 0; i < m->n_all; i++) {
		objects_put(m->all[i]->object);
		free(m->all[i]->path);
		free(m->all[i]);
	}
	m->n_all = 0;
	table_clear(&m->ids);
}

void
maps_fini(struct maps *m)
{
	maps_reset(m);
	free(m->all);
	free(m->view);
	table_fini(&m->ids);
	maps_init(m, m->objects);
}

struct map *
maps_get(const struct maps *m, uint32_t id)
{
	return id < m->n_all ? m->all[id] : NULL;
}

void
map_encode(const struct map *m, struct buf *b)
{
	buf_u32(b, m->unwind.id);
	buf_u64(b, m->object ? m->object->id : 0);
	buf_u8(b, (uint8_t)m->kind);
	buf_u8(b, (uint8_t)m->flags);
	buf_u64(b, m->unwind.start);
	buf_u64(b, m->unwind.end);
	buf_u64(b, m->unwind.pgoff);
	buf_str(b, m->path, strnlen(m->path, MAPS_PATH_MAX));
}

/* ---- ids */

struct map_identity {
	uint64_t start, end, pgoff, object;
	uint32_t kind;
	const char *path;
};

static uint64_t
identity_hash(const struct map_identity *i)
{
	uint64_t h = hash_u64(hash_u64(i->start, i->end), hash_u64(i->pgoff, i->object));

	return hash_u64(h ^ i->kind, i->kind == WIRE_MAP_PSEUDO ? hash_bytes(i->path, strlen(i->path)) : 0);
}

static bool
identity_same(const void *ctx, uint32_t id, const void *key)
{
	const struct map *map = ((const struct maps *)ctx)->all[id];
	const struct map_identity *i = key;

	return map->unwind.start == i->start && map->unwind.end == i->end && map->unwind.pgoff == i->pgoff &&
	       map->kind == i->kind && (map->object ? map->object->id : 0) == i->object &&
	       (map->kind != WIRE_MAP_PSEUDO || !strcmp(map->path, i->path));
}

static int
maps_room(struct maps *m)
{
	uint32_t cap = m->cap_all ? m->cap_all * 2 : 64;
	struct map **all;

	if (m->n_all >= MAPS_MAX)
		return -ENOSPC;
	if (m->n_all < m->cap_all)
		return 0;
	all = realloc(m->all, cap * sizeof(struct map *));
	if (!all)
		return -ENOMEM;
	m->all = all;
	m->cap_all = cap;
	return 0;
}

/* The map with this identity, known or new. `object`: a reference that is taken over. */
static struct map *
maps_enter(struct maps *m, const struct map_identity *i, struct object *object, uint32_t flags)
{
	uint64_t hash = identity_hash(i);
	uint32_t id = table_find(&m->ids, hash, identity_same, m, i);
	struct map *map;

	if (id != TABLE_NONE) {
		objects_put(object);
		return m->all[id];
	}
	map = maps_room(m) < 0 ? NULL : calloc(1, sizeof(*map));
	if (!map)
		goto fail;
	map->path = strdup(i->path);
	if (!map->path || table_add(&m->ids, hash, m->n_all) < 0)
		goto fail;
	map->unwind.id = m->n_all;
	map->unwind.start = i->start;
	map->unwind.end = i->end;
	map->unwind.pgoff = i->pgoff;
	map->unwind.jit = i->kind == WIRE_MAP_JIT;
	map->kind = (enum wire_map_kind)i->kind;
	map->flags = flags;
	map->object = object;
	m->all[m->n_all++] = map;
	return map;
fail:
	if (map)
		free(map->path);
	free(map);
	objects_put(object);
	return NULL;
}

/* ---- the view */

struct map *
maps_find(const struct maps *m, uint64_t addr)
{
	size_t low = 0, high = m->n_view;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (m->view[mid]->unwind.end <= addr)
			low = mid + 1;
		else
			high = mid;
	}
	if (low < m->n_view && m->view[low]->unwind.start <= addr)
		return m->view[low];
	return NULL;
}

/* Put a map into the view; what it overlaps was unmapped without a word. */
static int
view_insert(struct maps *m, struct map *map)
{
	size_t low = 0, high;

	while (low < m->n_view && m->view[low]->unwind.end <= map->unwind.start)
		low++;
	high = low;
	while (high < m->n_view && m->view[high]->unwind.start < map->unwind.end)
		high++;
	if (m->n_view + 1 > m->cap_view) {
		size_t cap = m->cap_view ? m->cap_view * 2 : 64;
		struct map **view = realloc(m->view, cap * sizeof(struct map *));

		if (!view)
			return -ENOMEM;
		m->view = view;
		m->cap_view = cap;
	}
	memmove(&m->view[low + 1], &m->view[high], (m->n_view - high) * sizeof(struct map *));
	m->view[low] = map;
	m->n_view = m->n_view - (high - low) + 1;
	return 0;
}

/* Executable memory that is no program file: code that the process made itself. */
static bool
path_is_jit(const char *path)
{
	static const char *const made[] = { "//anon", "/memfd:", "/dev/zero", "/SYSV", "/dev/shm/" };

	if (path[0] != '/') /* "", [heap], [stack], [anon:...] */
		return true;
	for (size_t i = 0; i < sizeof(made) / sizeof(made[0]); i++)
		if (!strncmp(path, made[i], strlen(made[i])))
			return true;
	return false;
}

static bool
path_is_deleted(const char *path)
{
	size_t n = strlen(path);

	return n > 10 && !strcmp(path + n - 10, " (deleted)");
}

static struct object *
maps_jit_object(struct maps *m)
{
	if (!m->jit)
		m->jit = objects_get(m->objects, WIRE_MAP_JIT, objects_open_jit_map(m->pid), m->pid, "[jit]");
	return objects_ref(m->jit);
}

static struct object *
maps_open_object(struct maps *m, uint32_t kind, const struct map_identity *i, uint64_t dev, uint64_t ino)
{
	int fd;

	if (kind == WIRE_MAP_JIT)
		return maps_jit_object(m);
	if (kind == WIRE_MAP_VDSO)
		fd = objects_copy_vdso(m->pid, i->start, i->end);
	else
		fd = objects_open_mapped(m->pid, i->start, i->end, i->path, dev, ino);
	if (fd < 0)
		return NULL;
	return objects_get(m->objects, (enum wire_map_kind)kind, fd, m->pid, i->path);
}

/* Was this very mapping entered before? Saves opening its file again at every reading. */
static struct map *
maps_seen(const struct maps *m, const struct map_identity *i)
{
	struct map *map = maps_find(m, i->start);

	if (map && map->unwind.start == i->start && map->unwind.end == i->end &&
	    map->unwind.pgoff == i->pgoff && !strcmp(map->path, i->path))
		return map;
	return NULL;
}

/* The map of one executable row, known or new; NULL where there is nothing to sample. */
static struct map *
maps_row(struct maps *m, struct map_identity *i, uint64_t dev, uint64_t ino)
{
	uint32_t flags = path_is_deleted(i->path) ? WIRE_MAP_DELETED : 0;
	struct object *object;

	if (i->end <= i->start || i->start >= KERNEL_START || !strcmp(i->path, "[vsyscall]"))
		return NULL;
	i->kind = !strcmp(i->path, "[vdso]") ? WIRE_MAP_VDSO :
		  path_is_jit(i->path) ? WIRE_MAP_JIT : WIRE_MAP_FILE;
	object = maps_open_object(m, i->kind, i, dev, ino);
	i->object = object ? object->id : 0;
	if (object && object->id == m->exe_object)
		flags |= WIRE_MAP_MAIN;
	return maps_enter(m, i, object, flags);
}

int
maps_add(struct maps *m, uint64_t start, uint64_t end, uint64_t pgoff, uint32_t major, uint32_t minor,
	 uint64_t ino, const char *path)
{
	struct map_identity i = { .start = start, .end = end, .pgoff = pgoff, .path = path };
	struct map *map = maps_row(m, &i, makedev(major, minor), ino);

	return map ? view_insert(m, map) : 0;
}

/* Which object is the executable? Its maps row may have any name; the link says which file. */
static void
maps_read_exe(struct maps *m)
{
	char at[64], path[MAPS_PATH_MAX];
	struct object *exe;
	ssize_t n;
	int fd;

	snprintf(at, sizeof(at), "/proc/%d/exe", (int)m->pid);
	fd = open(at, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	n = readlink(at, path, sizeof(path) - 1);
	path[n > 0 ? n : 0] = '\0';
	exe = objects_get(m->objects, WIRE_MAP_FILE, fd, m->pid, path);
	m->exe_object = exe ? exe->id : 0;
	objects_put(exe);
}

/* One row of /proc/PID/maps: the kernel's text, up to the path, which is the node's. */
static struct map *
maps_read_row(struct maps *m, char *line)
{
	uint64_t start, end, pgoff, ino;
	unsigned int dev_major, dev_minor;
	struct map_identity i;
	struct map *seen;
	char perms[8];
	int at = 0;

	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %7s %" SCNx64 " %x:%x %" SCNu64 " %n", &start, &end, perms,
		   &pgoff, &dev_major, &dev_minor, &ino, &at) < 7 || !at || perms[2] != 'x')
		return NULL;
	line[strcspn(line, "\n")] = '\0';
	i = (struct map_identity){ .start = start, .end = end, .pgoff = pgoff, .path = line + at };
	seen = maps_seen(m, &i);
	if (seen && seen->kind != WIRE_MAP_JIT)
		return seen;
	return maps_row(m, &i, makedev(dev_major, dev_minor), ino);
}

/* The rows come sorted; they replace the view when all are read, since it tells what was seen. */
static int
maps_read_rows(struct maps *m, FILE *f)
{
	struct map **view = NULL, *map;
	size_t n = 0, cap = 0, line_cap = 0;
	char *line = NULL;

	while (getline(&line, &line_cap, f) > 0) {
		map = maps_read_row(m, line);
		if (!map)
			continue;
		if (n == cap) {
			struct map **more = realloc(view, (cap ? cap * 2 : 64) * sizeof(struct map *));

			if (!more)
				break;
			view = more;
			cap = cap ? cap * 2 : 64;
		}
		view[n++] = map;
	}
	free(line);
	if (!n) { /* a process that has exited has no rows: what it had is what its samples speak of */
		free(view);
		return -ESRCH;
	}
	free(m->view);
	m->view = view;
	m->n_view = n;
	m->cap_view = cap;
	return (int)n;
}

int
maps_read(struct maps *m, pid_t pid, struct err *why)
{
	char at[64];
	FILE *f;
	int n;

	if (m->pid != pid)
		maps_clear_view(m);
	m->pid = pid;
	snprintf(at, sizeof(at), "/proc/%d/maps", (int)pid);
	f = fopen(at, "re");
	if (!f)
		return err_sys(why, -errno, "%s", at);
	if (!m->exe_object)
		maps_read_exe(m);
	n = maps_read_rows(m, f);
	fclose(f);
	return n < 0 ? err_set(why, n, "process %d has no executable maps", (int)pid) : n;
}

void
maps_look_for_jit(struct maps *m)
{
	struct object *before = m->jit;
	int fd;

	if (!before || before->fd >= 0)
		return;
	fd = objects_open_jit_map(m->pid);
	if (fd < 0)
		return;
	m->jit = objects_get(m->objects, WIRE_MAP_JIT, fd, m->pid, "[jit]");
	objects_put(before);
	for (size_t k = 0; k < m->n_view; k++) {
		struct map *map = m->view[k];

		if (map->kind != WIRE_MAP_JIT || !m->jit)
			continue;
		map = maps_enter(m, &(struct map_identity){ map->unwind.start, map->unwind.end, map->unwind.pgoff,
							     m->jit->id, WIRE_MAP_JIT, map->path },
				 objects_ref(m->jit), map->flags);
		if (map)
			m->view[k] = map;
	}
}

uint32_t
maps_pseudo(struct maps *m, const char *name)
{
	struct map_identity i = { .kind = WIRE_MAP_PSEUDO, .path = name };
	struct map *map = maps_enter(m, &i, NULL, 0);

	return map ? map->unwind.id : TABLE_NONE;
}

uint32_t
maps_kernel(struct maps *m)
{
	struct object *o = m->objects->kernel;
	struct map_identity i = { .start = KERNEL_START, .end = UINT64_MAX, .kind = WIRE_MAP_KERNEL,
				  .path = "[kernel.kallsyms]", .object = o ? o->id : 0 };
	struct map *map = maps_enter(m, &i, objects_ref(o), 0);

	return map ? map->unwind.id : TABLE_NONE;
}
