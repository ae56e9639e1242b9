/*
 * log.h - one line per event on standard error.
 *
 * error: someone must act · warning: an answer is weaker than asked ·
 * info: begin and end of things · debug: for us. Bytes that came from outside
 * are printed with everything but printable ASCII escaped.
 */
#ifndef PPD_BASE_LOG_H
#define PPD_BASE_LOG_H

enum log_level { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG };

/* `program` is borrowed for the life of the process. Default level: info. */
void log_start(const char *program, enum log_level level);

/* Level by name ("error", "warning", "info", "debug"), or -EINVAL. */
int log_level_parse(const char *name);

void log_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_warning(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
