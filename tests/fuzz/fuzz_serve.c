/*
 * The collector's socket and whatever a client says on it: it is answered or hung up, and when the
 * client is gone nothing of it is left. Input: messages, each a type (u8), a length (u16) and its body.
 */
#include "config.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/wire.h"
#include "collector/event.h"
#include "collector/serve.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct loop loop;
static struct conf conf;
static struct objects objects;
static struct memories memories; /* as if there were a symbolizer */
static struct link no_link = { .socket = { .fd = -1 } };
static struct arms arms = { .allowed = true };
static struct node nodes[2];
static struct service service = { .loop = &loop, .conf = &conf, .nodes = nodes, .memories = &memories, .arms = &arms };
static char path[64];

static void
fail(const char *what)
{
	fprintf(stderr, "%s\n", what);
	abort();
}

static void
remove_socket(void)
{
	unlink(path);
}

/* Two nodes: ourselves, and one that is not there. */
static void
start(void)
{
	char text[200];
	struct err why;
	int sock;

	log_start("fuzz_serve", LOG_ERROR);
	snprintf(text, sizeof(text), "[collector]\nmax_windows = 2\nring_kb = 64\nmax_events = 64\n"
		 "[node self]\ntarget = %d\n[node none]\ntarget = pidfile:/nowhere/pid\n", (int)getpid());
	snprintf(path, sizeof(path), "/tmp/ppd-fuzz-%d", (int)getpid());
	if (event_start(&why) < 0 || conf_parse(&conf, "fuzz", text, &why) < 0 || loop_init(&loop, &why) < 0)
		fail(why.text);
	objects_init(&objects);
	memories_init(&memories);
	memories.connected = true;
	arms_start(&arms, &loop, &no_link, &memories, -1, "");
	for (uint16_t i = 0; i < 2; i++) {
		if (node_init(&nodes[i], &conf, i, &loop, &objects, &why) < 0)
			fail(why.text);
		nodes[i].memories = &memories;
	}
	sock = wire_listen(path, (gid_t)-1, &why);
	service.client = geteuid();
	if (sock < 0 || serve_start(&service, sock, &why) < 0)
		fail(why.text);
	atexit(remove_socket);
}

static void
stop(void *ctx)
{
	(void)ctx;
	loop.stop = true;
}

/* One turn of the loop: what is ready now, and no waiting. */
static void
turn(void)
{
	struct loop_timer t = { .fire = stop };
	struct err why;

	loop.stop = false;
	loop_timer_start(&loop, &t, 0);
	if (loop_run(&loop, &why) < 0)
		fail(why.text);
	loop_timer_stop(&loop, &t);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct wire_msg m;
	struct err why;
	int sock, r;

	if (!service.loop->epoll)
		start();
	sock = wire_connect(path, &why);
	if (sock < 0)
		fail(why.text);
	turn();
	while (size >= 3) {
		size_t n = data[1] | (size_t)data[2] << 8;

		n = n > size - 3 ? size - 3 : n;
		if (wire_send(sock, data[0], data + 3, n, -1) < 0)
			break;
		data += 3 + n;
		size -= 3 + n;
		turn();
		while ((r = recv(sock, m.body, sizeof(m.body), MSG_DONTWAIT)) > 0)
			;
	}
	close(sock);
	turn();
	turn();
	if (service.n_peers || service.n_windows || nodes[0].n_windows || nodes[1].n_windows ||
	    (memories.first && memories.first->users) || arms.first)
		fail("something is left of a client that is gone");
	return 0;
}
