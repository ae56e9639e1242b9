#include "config.h"

#include "collector/files.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PATH_LEN 4096
#define BUILD_ID_MAX 64

int
files_open_regular(int path_fd)
{
	char link[64];
	struct stat st;
	int fd = -EACCES;

	/* Looked at before it is opened: opening a device can do things (a watchdog is started by it). */
	if (fstat(path_fd, &st) == 0 && S_ISREG(st.st_mode)) {
		snprintf(link, sizeof(link), "/proc/self/fd/%d", path_fd);
		fd = open(link, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
		if (fd < 0)
			fd = -errno;
	}
	close(path_fd);
	return fd;
}

int
files_open_below(const char *root, const char *path)
{
	struct open_how how = {
		.flags = O_PATH | O_CLOEXEC,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};
	int dir, fd;

	dir = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return -errno;
	fd = (int)syscall(SYS_openat2, dir, path, &how, sizeof(how));
	if (fd < 0)
		fd = -errno;
	close(dir);
	return fd < 0 ? fd : files_open_regular(fd);
}

/* May the node have this file read on its behalf? It begins as an ELF file (four bytes at a fixed
 * place), and is either everybody's to read or the node's own. */
static bool
debug_file_is_fair(int fd, pid_t pid)
{
	char proc[64], magic[4];
	struct stat st, owner;

	if (fstat(fd, &st) < 0 || pread(fd, magic, sizeof(magic), 0) != sizeof(magic) ||
	    memcmp(magic, "\177ELF", sizeof(magic)))
		return false;
	if (st.st_mode & S_IROTH)
		return true;
	snprintf(proc, sizeof(proc), "/proc/%d", (int)pid);
	return pid > 0 && stat(proc, &owner) == 0 && owner.st_uid == st.st_uid;
}

static bool
file_belongs_to(int fd, uid_t owner)
{
	struct stat st;

	return fstat(fd, &st) == 0 && (st.st_uid == 0 || st.st_uid == owner);
}

/* The candidate paths of a debug file, most likely first; each is tried below every root. */
struct candidates {
	char path[6][PATH_LEN];
	size_t n;
};

static void __attribute__((format(printf, 2, 3)))
candidate(struct candidates *c, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(c->path[c->n], PATH_LEN, fmt, ap);
	va_end(ap);
	if (n > 0 && n < PATH_LEN)
		c->n++;
}

static void
candidates_build_id(struct candidates *c, const unsigned char *id, size_t len)
{
	char hex[2 * BUILD_ID_MAX + 1];

	if (len < 2 || len > BUILD_ID_MAX)
		return;
	for (size_t i = 0; i < len; i++)
		snprintf(hex + 2 * i, 3, "%02x", id[i]);
	candidate(c, "/usr/lib/debug/.build-id/%.2s/%s.debug", hex, hex + 2);
	candidate(c, "/.build-id/%.2s/%s.debug", hex, hex + 2); /* below debug_dir */
}

static void
candidates_name(struct candidates *c, enum wire_file kind, const char *name, const char *object_path)
{
	const char *slash = strrchr(object_path, '/');
	int dir = slash && object_path[0] == '/' ? (int)(slash - object_path) : 0;
	const char *base = strrchr(name, '/') ? strrchr(name, '/') + 1 : name;

	if (kind == WIRE_FILE_DEBUGLINK) {
		/* gdb's order (GDB manual, "Separate Debug Files"); a base name only. */
		candidate(c, "%.*s/%s", dir, object_path, base);
		candidate(c, "%.*s/.debug/%s", dir, object_path, base);
		candidate(c, "/usr/lib/debug%.*s/%s", dir, object_path, base);
		candidate(c, "/%s", base);
		return;
	}
	if (name[0] == '/')
		candidate(c, "%s", name);
	else
		candidate(c, "%.*s/%s", dir, object_path, name);
	candidate(c, "%.*s/%s", dir, object_path, base);
	candidate(c, "/usr/lib/debug/.dwz/%s", base);
	candidate(c, "/%s", base);
}

int
files_open_debug(enum wire_file kind, const void *name, size_t len, pid_t pid, const char *object_path,
		 uid_t owner, const char *debug_dir)
{
	struct candidates c = { .n = 0 };
	char node_root[64] = "", text[PATH_LEN];
	const char *roots[3] = { node_root, "/", debug_dir };

	if (kind == WIRE_FILE_BUILD_ID) {
		candidates_build_id(&c, name, len);
	} else {
		if (!len || len >= sizeof(text) || memchr(name, '\0', len))
			return -EINVAL;
		memcpy(text, name, len);
		text[len] = '\0';
		candidates_name(&c, kind, text, object_path);
	}
	if (pid > 0)
		snprintf(node_root, sizeof(node_root), "/proc/%d/root", (int)pid);
	for (size_t r = 0; r < sizeof(roots) / sizeof(roots[0]); r++) {
		if (!roots[r][0])
			continue;
		for (size_t i = 0; i < c.n; i++) {
			int fd = files_open_below(roots[r], c.path[i]);

			if (fd < 0)
				continue;
			if (debug_file_is_fair(fd, pid) && (roots[r] != node_root || file_belongs_to(fd, owner)))
				return fd;
			close(fd);
		}
	}
	return -ENOENT;
}
