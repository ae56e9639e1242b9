#include "config.h"

#include "base/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define LISTEN_QUEUE 1024
#define CONNECT_TRIES 50
#define CONNECT_PAUSE_NS 10000000

struct wire_head {
	uint32_t magic;
	uint16_t type;
	uint16_t zero;
	uint32_t len;
};

static int
wire_address(const char *path, struct sockaddr_un *sun, struct err *why)
{
	memset(sun, 0, sizeof(*sun));
	sun->sun_family = AF_UNIX;
	if (strlen(path) >= sizeof(sun->sun_path))
		return err_set(why, -ENAMETOOLONG, "socket %s: longer than %zu bytes (unix(7))",
			       path, sizeof(sun->sun_path) - 1);
	memcpy(sun->sun_path, path, strlen(path));
	return 0;
}

int
wire_listen(const char *path, gid_t gid, struct err *why)
{
	return wire_listen_type(SOCK_SEQPACKET, path, gid, why);
}

int
wire_listen_type(int type, const char *path, gid_t gid, struct err *why)
{
	struct sockaddr_un sun;
	mode_t mask;
	int sock, r;

	r = wire_address(path, &sun, why);
	if (r < 0)
		return r;
	sock = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (sock < 0)
		return err_sys(why, -errno, "socket %s", path);
	unlink(path);
	/* Born closed to others: between bind and chmod nobody slips in. */
	mask = umask(0117);
	r = bind(sock, (struct sockaddr *)&sun, sizeof(sun)) < 0 ? -errno : 0;
	umask(mask);
	if (r == 0 && gid != (gid_t)-1 && chown(path, (uid_t)-1, gid) < 0)
		r = -errno;
	if (r == 0 && listen(sock, LISTEN_QUEUE) < 0)
		r = -errno;
	if (r < 0) {
		close(sock);
		return err_sys(why, r, "listen on %s", path);
	}
	return sock;
}

/* A listener's queue may be full for a moment; where it hangs, for ever. */
static int
wire_connect_soon(int sock, const struct sockaddr_un *sun)
{
	const struct timespec pause = { .tv_nsec = CONNECT_PAUSE_NS };

	for (int i = 0; i < CONNECT_TRIES; i++) {
		if (connect(sock, (const struct sockaddr *)sun, sizeof(*sun)) == 0)
			return 0;
		if (errno != EAGAIN)
			return -errno;
		nanosleep(&pause, NULL);
	}
	return -EAGAIN;
}

int
wire_connect(const char *path, struct err *why)
{
	struct sockaddr_un sun;
	int sock, r;

	r = wire_address(path, &sun, why);
	if (r < 0)
		return r;
	sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (sock < 0)
		return err_sys(why, -errno, "socket %s", path);
	r = wire_connect_soon(sock, &sun);
	if (r == 0 && fcntl(sock, F_SETFL, 0) < 0)
		r = -errno;
	if (r < 0) {
		close(sock);
		return err_sys(why, r, "connect to %s", path);
	}
	return sock;
}

int
wire_peer(int sock, uid_t *uid, pid_t *pid)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
		return -errno;
	*uid = cred.uid;
	if (pid)
		*pid = cred.pid;
	return 0;
}

int
wire_send(int sock, uint16_t type, const void *body, size_t len, int fd)
{
	struct wire_head head = { WIRE_MAGIC, type, 0, (uint32_t)len };
	struct iovec iov[2] = {
		{ &head, sizeof(head) },
		{ (void *)(uintptr_t)body, len },
	};
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = len ? 2 : 1 };

	if (len > WIRE_BODY_MAX)
		return -EMSGSIZE;
	if (fd >= 0) {
		struct cmsghdr *c;

		memset(&control, 0, sizeof(control));
		msg.msg_control = control.bytes;
		msg.msg_controllen = sizeof(control.bytes);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &fd, sizeof(int));
	}
	for (;;) {
		if (sendmsg(sock, &msg, MSG_NOSIGNAL) >= 0)
			return 0;
		if (errno != EINTR)
			return -errno;
	}
}

/* Takes the first descriptor; a second one that somebody smuggled in is closed. */
static int
wire_take_fd(struct msghdr *msg)
{
	int kept = -1;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		size_t n;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
			if (kept < 0)
				kept = fd;
			else
				close(fd);
		}
	}
	return kept;
}

static bool
wire_head_is_good(const struct wire_head *head, size_t n, int flags)
{
	return !(flags & (MSG_TRUNC | MSG_CTRUNC)) && n >= sizeof(*head) && head->magic == WIRE_MAGIC &&
	       head->len == n - sizeof(*head) && head->type != WIRE_NONE && head->type < WIRE_TYPES;
}

int
wire_recv(int sock, struct wire_msg *m)
{
	struct wire_head head = { 0 };
	struct iovec iov[2] = {
		{ &head, sizeof(head) },
		{ m->body, sizeof(m->body) },
	};
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(4 * sizeof(int))];
	} control;
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2,
			      .msg_control = control.bytes, .msg_controllen = sizeof(control.bytes) };
	ssize_t n;

	m->fd = -1;
	do
		n = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == ECONNRESET ? 0 : -errno;
	m->fd = wire_take_fd(&msg);
	if (n > 0 && wire_head_is_good(&head, (size_t)n, msg.msg_flags)) {
		m->type = head.type;
		m->len = head.len;
		return 1;
	}
	/* Also a packet of no bytes, which looks like the end, may bring a descriptor. */
	if (m->fd >= 0)
		close(m->fd);
	m->fd = -1;
	return n == 0 ? 0 : -EBADMSG;
}
