#include "config.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "fcgi/gone.h"

static struct gone gone;

static int
setup(void **state)
{
	(void)state;
	gone_init(&gone);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	gone_fini(&gone);
	return 0;
}

/* A connection over loopback: the client's and the server's end, and what the server's CGI would say. */
struct pair {
	int listener, client, server;
	char client_addr[INET6_ADDRSTRLEN], client_port[8], server_addr[INET6_ADDRSTRLEN], server_port[8];
};

static void
name_of(const struct sockaddr_in6 *a, char *addr, char *port)
{
	const struct sockaddr_in *four = (const void *)a;

	if (a->sin6_family == AF_INET6)
		inet_ntop(AF_INET6, &a->sin6_addr, addr, INET6_ADDRSTRLEN);
	else
		inet_ntop(AF_INET, &four->sin_addr, addr, INET6_ADDRSTRLEN);
	snprintf(port, 8, "%u", ntohs(a->sin6_port));
}

/* family of the listener; `mapped`: an IPv4 client of an IPv6 listener. False: none here. */
static bool
pair_open(struct pair *p, int family, bool mapped)
{
	struct sockaddr_in6 a = { .sin6_family = (sa_family_t)family }, own;
	struct sockaddr_in *four = (void *)&a;
	socklen_t len = sizeof(a);

	p->listener = socket(family, SOCK_STREAM, 0);
	if (family == AF_INET)
		four->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	else
		a.sin6_addr = mapped ? in6addr_any : in6addr_loopback;
	if (p->listener < 0 || bind(p->listener, (void *)&a, sizeof(a)) < 0 || listen(p->listener, 5) < 0)
		return false;
	getsockname(p->listener, (void *)&a, &len);
	if (mapped) {
		uint16_t port = a.sin6_port;

		memset(&a, 0, sizeof(a));
		four->sin_family = AF_INET;
		four->sin_port = port;
		four->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	}
	p->client = socket(mapped ? AF_INET : family, SOCK_STREAM, 0);
	assert_int_equal(connect(p->client, (void *)&a, sizeof(a)), 0);
	len = sizeof(own);
	p->server = accept(p->listener, (void *)&own, &len);
	name_of(&own, p->client_addr, p->client_port);
	len = sizeof(own);
	getsockname(p->server, (void *)&own, &len);
	name_of(&own, p->server_addr, p->server_port);
	return true;
}

static void
pair_close(struct pair *p)
{
	close(p->client);
	close(p->server);
	close(p->listener);
}

static void
watch(struct gone_watch *w, const struct pair *p)
{
	struct request req = { .remote_addr = p->client_addr,
			       .remote_port = p->client_port,
			       .server_addr = p->server_addr,
			       .server_port = p->server_port };

	gone_watch_init(w, &req);
}

static void
leaves(int family, bool mapped)
{
	struct gone_watch w;
	struct pair p;

	if (gone.sock < 0 || !pair_open(&p, family, mapped))
		skip();
	watch(&w, &p);
	assert_false(gone_look(&gone, &w));
	assert_true(w.known);
	shutdown(p.client, SHUT_WR);
	assert_true(gone_look(&gone, &w));
	pair_close(&p);
	assert_true(gone_look(&gone, &w));
}

static void
a_client_that_leaves_is_seen(void **state)
{
	(void)state;
	leaves(AF_INET, false);
}

static void
one_over_ipv6_too(void **state)
{
	(void)state;
	leaves(AF_INET6, false);
}

static void
brackets_around_an_address_do_not_matter(void **state)
{
	struct gone_watch plain, bracketed;
	struct request req = {
		.remote_addr = "::1", .remote_port = "5", .server_addr = "::1", .server_port = "6"
	};

	(void)state;
	gone_watch_init(&plain, &req);
	req.server_addr = "[::1]";
	gone_watch_init(&bracketed, &req);
	assert_int_equal(plain.family, AF_INET6);
	assert_memory_equal(&plain, &bracketed, sizeof(plain));
}

static void
one_over_ipv4_at_an_ipv6_socket_too(void **state)
{
	(void)state;
	leaves(AF_INET6, true);
}

static void
one_that_has_left_before_the_first_look_is_seen(void **state)
{
	struct gone_watch w;
	struct pair p;

	(void)state;
	if (gone.sock < 0 || !pair_open(&p, AF_INET, false))
		skip();
	watch(&w, &p);
	close(p.client);
	assert_true(gone_look(&gone, &w));
	close(p.server);
	close(p.listener);
}

static void
a_connection_that_the_kernel_never_knew_is_not_said_to_be_gone(void **state)
{
	struct request req = { .remote_addr = "192.0.2.7",
			       .remote_port = "4711",
			       .server_addr = "127.0.0.1",
			       .server_port = "1" };
	struct gone_watch w;

	(void)state;
	gone_watch_init(&w, &req);
	assert_int_equal(w.family, AF_INET);
	assert_false(gone_look(&gone, &w));
	assert_false(w.known);
}

static void
addresses_that_are_none_are_not_watched(void **state)
{
	static const struct {
		const char *remote, *remote_port, *server, *server_port;
	} bad[] = {
		{ "", "", "", "" },
		{ "127.0.0.1", "1", "::1", "2" },
		{ "127.0.0.1", "0", "127.0.0.1", "2" },
		{ "127.0.0.1", "65536", "127.0.0.1", "2" },
		{ "127.0.0.1", "1x", "127.0.0.1", "2" },
		{ "127.0.0.1", "1", "localhost", "2" },
		{ "/run/socket", "1", "/run/socket", "2" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct request req = { .remote_addr = bad[i].remote,
				       .remote_port = bad[i].remote_port,
				       .server_addr = bad[i].server,
				       .server_port = bad[i].server_port };
		struct gone_watch w;

		gone_watch_init(&w, &req);
		assert_int_equal(w.family, 0);
		assert_false(gone_look(&gone, &w));
	}
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_client_that_leaves_is_seen),
		TEST(one_over_ipv6_too),
		TEST(brackets_around_an_address_do_not_matter),
		TEST(one_over_ipv4_at_an_ipv6_socket_too),
		TEST(one_that_has_left_before_the_first_look_is_seen),
		TEST(a_connection_that_the_kernel_never_knew_is_not_said_to_be_gone),
		TEST(addresses_that_are_none_are_not_watched),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
