#include "config.h"

#include "fcgi/request.h"

#include <string.h>
#include <strings.h>

enum method
request_method(const char *name)
{
	static const struct {
		const char *name;
		enum method method;
	} methods[] = { { "GET", METHOD_GET }, { "HEAD", METHOD_HEAD }, { "POST", METHOD_POST } };

	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
		if (!strcmp(methods[i].name, name))
			return methods[i].method;
	return METHOD_OTHER;
}

/* One of the list, "gzip;q=0.5". */
static bool
takes_gzip(const char *s, size_t n)
{
	static const char name[] = "gzip";
	const size_t name_n = sizeof(name) - 1;
	const char *weight;

	if (n < name_n || strncasecmp(s, name, name_n) != 0)
		return false;
	s += name_n;
	n -= name_n;
	if (n && !strchr("; \t", *s))
		return false;
	weight = memchr(s, '=', n);
	if (!weight)
		return true;
	for (const char *at = weight + 1; at < s + n; at++)
		if (*at >= '1' && *at <= '9')
			return true;
	return false;
}

bool
request_takes_gzip(const char *accept_encoding)
{
	const char *at = accept_encoding;

	while (*at) {
		size_t n = strcspn(at, ",");
		size_t blanks = strspn(at, " \t");

		if (blanks < n && takes_gzip(at + blanks, n - blanks))
			return true;
		at += n + (at[n] == ',');
	}
	return false;
}
