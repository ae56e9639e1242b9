#include "config.h"

#include "fcgi/fcgx.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <fcgiapp.h>

#include "fcgi/gzip.h"

/* A web server that says nothing for so long, or takes nothing, has died. */
#define SILENT_S 30

struct fcgx {
	FCGX_Request r;
	char *body; /* owned */
};

/* libfcgi's own negative numbers next to errno's (fcgiapp.h; -9998, -9999 from its source). */
static int
fcgx_errno(int r)
{
	switch (r) {
	case FCGX_UNSUPPORTED_VERSION:
	case FCGX_PROTOCOL_ERROR:
	case FCGX_PARAMS_ERROR:
	case FCGX_CALL_SEQ_ERROR:
		return -EPROTO;
	default:
		return r > -4096 ? r : -EIO;
	}
}

int
fcgx_start(void)
{
	return FCGX_Init() == 0 ? 0 : -EIO;
}

struct fcgx *
fcgx_new(int listener)
{
	struct fcgx *f = calloc(1, sizeof(*f));

	if (f && FCGX_InitRequest(&f->r, listener, FCGI_FAIL_ACCEPT_ON_INTR) != 0) {
		free(f);
		return NULL;
	}
	return f;
}

void
fcgx_free(struct fcgx *f)
{
	if (!f)
		return;
	FCGX_Free(&f->r, 1);
	free(f->body);
	free(f);
}

int
fcgx_accept(struct fcgx *f)
{
	struct timeval limit = { SILENT_S, 0 };
	int r = FCGX_Accept_r(&f->r);

	if (r != 0)
		return fcgx_errno(r);
	setsockopt(f->r.ipcFd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(f->r.ipcFd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	return 0;
}

static const char *
fcgx_param(struct fcgx *f, const char *name)
{
	const char *value = FCGX_GetParam(name, f->r.envp);

	return value ? value : "";
}

/* To its end, so that nothing but the connection's end can be seen on it afterwards. */
static int
fcgx_body(struct fcgx *f, struct request *req)
{
	int n = 0, more = 1;

	req->body = "";
	if (!f->body)
		f->body = malloc(REQUEST_BODY_MAX + 1);
	if (!f->body)
		return -ENOMEM;
	while (n < REQUEST_BODY_MAX && more > 0) {
		more = FCGX_GetStr(f->body + n, REQUEST_BODY_MAX - n, f->r.in);
		n += more;
	}
	req->body_too_large = n == REQUEST_BODY_MAX && FCGX_GetChar(f->r.in) >= 0;
	if (req->body_too_large)
		return 0;
	f->body[n] = '\0';
	req->body = f->body;
	req->body_len = (size_t)n;
	return 0;
}

/* The query to the byte, as Go sees it: lighttpd rewrites escapes in QUERY_STRING ("%2" to "%252"). */
static const char *
fcgx_query(struct fcgx *f)
{
	const char *uri = fcgx_param(f, "REQUEST_URI"), *mark = strchr(uri, '?');

	if (mark)
		return mark + 1;
	return *uri ? "" : fcgx_param(f, "QUERY_STRING");
}

int
fcgx_request(struct fcgx *f, struct request *req)
{
	const char *script = fcgx_param(f, "SCRIPT_NAME"), *rest = fcgx_param(f, "PATH_INFO");

	memset(req, 0, sizeof(*req));
	req->method = request_method(fcgx_param(f, "REQUEST_METHOD"));
	/* The web server cuts the path in two wherever its own rule matched. */
	if (strlen(script) + strlen(rest) < sizeof(req->path))
		strcat(strcpy(req->path, script), rest);
	req->query = fcgx_query(f);
	req->content_type = fcgx_param(f, "CONTENT_TYPE");
	req->takes_gzip = request_takes_gzip(fcgx_param(f, "HTTP_ACCEPT_ENCODING"));
	req->host = fcgx_param(f, "HTTP_HOST");
	req->scheme = fcgx_param(f, "REQUEST_SCHEME");
	req->remote_addr = fcgx_param(f, "REMOTE_ADDR");
	req->remote_port = fcgx_param(f, "REMOTE_PORT");
	req->server_addr = fcgx_param(f, "SERVER_ADDR");
	req->server_port = fcgx_param(f, "SERVER_PORT");
	req->conn = f->r.ipcFd;
	return fcgx_body(f, req);
}

static int
fcgx_put(void *ctx, const void *bytes, size_t n)
{
	struct fcgx *f = ctx;

	if (FCGX_PutStr(bytes, (int)n, f->r.out) != (int)n)
		return -EPIPE;
	/* A sink collects already; what it hands on is to be seen now (a page tells how far a window is). */
	return FCGX_FFlush(f->r.out) < 0 ? -EPIPE : 0;
}

static int
fcgx_stream_gzip(const struct reply *r, struct sink *to)
{
	struct sink plain;
	struct gzip *g = gzip_new(&plain, to);
	int error = -ENOMEM;

	if (g) {
		r->stream(r->stream_ctx, &plain);
		error = gzip_end(g);
	}
	gzip_free(g);
	return error;
}

/* The header goes out at once: what is written behind it may take its time. */
static void
fcgx_stream(struct fcgx *f, const struct reply *r)
{
	struct sink sink;
	int error;

	FCGX_FFlush(f->r.out);
	sink_init(&sink, fcgx_put, f);
	if (r->long_text && r->gzip) {
		error = fcgx_stream_gzip(r, &sink);
	} else {
		r->stream(r->stream_ctx, &sink);
		error = sink_flush(&sink);
	}
	/* Half a document must not look like a whole one. */
	if (error < 0)
		shutdown(f->r.ipcFd, SHUT_RDWR);
}

void
fcgx_reply(struct fcgx *f, const struct request *req, const struct reply *r)
{
	bool without_body = req->method == METHOD_HEAD;
	struct buf head;

	buf_init(&head, 16384);
	reply_head(r, without_body, &head);
	if (!buf_error(&head) && !buf_error(&r->body)) {
		FCGX_PutStr((const char *)head.data, (int)head.len, f->r.out);
		if (!without_body && r->stream) {
			fcgx_stream(f, r);
		} else if (!without_body) {
			FCGX_PutStr((const char *)r->body.data, (int)r->body.len, f->r.out);
		}
	}
	buf_fini(&head);
}

void
fcgx_end(struct fcgx *f)
{
	FCGX_Finish_r(&f->r);
}
