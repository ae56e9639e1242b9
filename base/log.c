#include "config.h"

#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *const level_names[] = {
	[LOG_ERROR] = "error",
	[LOG_WARNING] = "warning",
	[LOG_INFO] = "info",
	[LOG_DEBUG] = "debug",
};

static const char *log_program = "pprofd";
static enum log_level log_threshold = LOG_INFO;

void
log_start(const char *program, enum log_level level)
{
	log_program = program;
	log_threshold = level;
}

int
log_level_parse(const char *name)
{
	for (int i = 0; i < (int)(sizeof(level_names) / sizeof(level_names[0])); i++)
		if (!strcmp(name, level_names[i]))
			return i;
	return -EINVAL;
}

static void __attribute__((format(printf, 2, 0)))
log_line(enum log_level level, const char *fmt, va_list ap)
{
	char text[1024], line[1400];
	size_t at;

	if (level > log_threshold)
		return;
	vsnprintf(text, sizeof(text), fmt, ap);
	at = (size_t)snprintf(line, sizeof(line), "%s: %s: ", log_program, level_names[level]);
	/* A node's name or path may hold escapes meant for the reader's terminal. */
	for (const char *p = text; *p && at < sizeof(line) - 6; p++) {
		unsigned char c = (unsigned char)*p;

		if (c >= 0x20 && c < 0x7f)
			line[at++] = (char)c;
		else
			at += (size_t)snprintf(line + at, sizeof(line) - at, "\\x%02x", c);
	}
	line[at++] = '\n';
	/* One write a line: lines of several processes on one terminal stay whole. */
	if (write(STDERR_FILENO, line, at) < 0)
		return;
}

#define LOG_FUNCTION(name, level)                \
	void                                     \
	name(const char *fmt, ...)               \
	{                                        \
		va_list ap;                      \
                                                 \
		va_start(ap, fmt);               \
		log_line(level, fmt, ap);        \
		va_end(ap);                      \
	}

LOG_FUNCTION(log_error, LOG_ERROR)
LOG_FUNCTION(log_warning, LOG_WARNING)
LOG_FUNCTION(log_info, LOG_INFO)
LOG_FUNCTION(log_debug, LOG_DEBUG)
