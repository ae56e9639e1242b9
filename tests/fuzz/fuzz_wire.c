/*
 * Packets of any content on a socket of ours: refused, or a message whose body can be walked.
 * Input: packets, each a length (u16) and its bytes.
 */
#include "config.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Read the body as fields of kinds that the body itself chooses. */
static void
walk(const struct wire_msg *m)
{
	static volatile uint64_t sink;
	struct cur c;
	const char *s;
	size_t n;

	cur_init(&c, m->body, m->len);
	while (cur_left(&c)) {
		switch (cur_u8(&c) % 5) {
		case 0:
			sink = sink + cur_u16(&c);
			break;
		case 1:
			sink = sink + cur_u32(&c);
			break;
		case 2:
			sink = sink + cur_u64(&c);
			break;
		case 3:
			s = cur_str(&c, &n);
			if (n > m->len || (n && (s < (const char *)m->body || s + n > (const char *)m->body + m->len)))
				abort();
			break;
		default:
			cur_bytes(&c, cur_u16(&c));
		}
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct wire_msg m;
	int pair[2], r;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0)
		abort();
	while (size >= 2) {
		size_t n = data[0] | (size_t)data[1] << 8;

		data += 2;
		size -= 2;
		n = n > size ? size : n;
		if (send(pair[0], data, n, MSG_NOSIGNAL) < 0)
			break;
		data += n;
		size -= n;
		r = wire_recv(pair[1], &m);
		if (r == 1) {
			if (m.len > WIRE_BODY_MAX || m.type == WIRE_NONE || m.type >= WIRE_TYPES || m.fd != -1)
				abort();
			walk(&m);
		} else if (r != -EBADMSG && !(r == 0 && n == 0)) {
			abort();
		}
	}
	close(pair[0]);
	close(pair[1]);
	return 0;
}
