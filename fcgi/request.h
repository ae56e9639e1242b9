/*
 * request.h - what a client asked for, whatever carried it to us.
 */
#ifndef PPD_FCGI_REQUEST_H
#define PPD_FCGI_REQUEST_H

#include <stdbool.h>
#include <stddef.h>

#define REQUEST_PATH_MAX 2048   /* bytes with the NUL; a longer path is nobody's */
#define REQUEST_BODY_MAX 262144 /* bytes; 10,000 addresses */

enum method { METHOD_OTHER, METHOD_GET, METHOD_HEAD, METHOD_POST };

/* Strings are never NULL, and borrowed for the life of the request. */
struct request {
	enum method method;
	char path[REQUEST_PATH_MAX]; /* decoded by the web server */
	const char *query;           /* as it came */
	const char *content_type;
	const char *body; /* of a POST */
	size_t body_len;
	bool body_too_large;       /* body is empty then */
	bool takes_gzip;           /* as Content-Encoding */
	const char *host, *scheme; /* as the client and the web server say; "": not said */
	const char *remote_addr, *remote_port, *server_addr, *server_port;
	int conn; /* the web server's connection; only to see that it ends */
};

enum method request_method(const char *name);

/* Does an Accept-Encoding header name gzip (RFC 9110, 12.5.3), with a weight that is not 0? */
bool request_takes_gzip(const char *accept_encoding);

#endif
