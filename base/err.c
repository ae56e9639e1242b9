#include "config.h"

#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int
err_set(struct err *why, int code, const char *fmt, ...)
{
	va_list ap;

	if (!why)
		return code;
	why->code = code;
	va_start(ap, fmt);
	vsnprintf(why->text, sizeof(why->text), fmt, ap);
	va_end(ap);
	return code;
}

int
err_sys(struct err *why, int code, const char *fmt, ...)
{
	va_list ap;
	size_t len;

	if (!why)
		return code;
	why->code = code;
	va_start(ap, fmt);
	vsnprintf(why->text, sizeof(why->text), fmt, ap);
	va_end(ap);
	len = strlen(why->text);
	snprintf(why->text + len, sizeof(why->text) - len, ": %s", strerror(-code));
	return code;
}

int
err_in(struct err *why, const char *fmt, ...)
{
	char inner[ERR_TEXT_MAX];
	va_list ap;
	size_t len;

	if (!why)
		return -1;
	memcpy(inner, why->text, sizeof(inner));
	va_start(ap, fmt);
	vsnprintf(why->text, sizeof(why->text), fmt, ap);
	va_end(ap);
	len = strlen(why->text);
	snprintf(why->text + len, sizeof(why->text) - len, ": %s", inner);
	return why->code;
}
