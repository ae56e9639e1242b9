/*
 * err.h - why something failed, as a sentence for a person.
 *
 * A function that can fail returns -errno and leaves its reason in the caller's
 * struct err. Nothing is printed and nothing is allocated here; whoever is at
 * the top decides who reads the sentence.
 */
#ifndef PPD_BASE_ERR_H
#define PPD_BASE_ERR_H

/* Long enough for a path, a rule and a remedy. Longer text is cut. */
#define ERR_TEXT_MAX 512

struct err {
	int code;                /* negative errno, 0 while nothing failed */
	char text[ERR_TEXT_MAX]; /* NUL-terminated; no newline */
};

/*
 * Set the reason and return `code`, so that `return err_set(...)` reads well.
 * `why` may be NULL. `code` is a negative errno.
 */
int err_set(struct err *why, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* As err_set, and ": strerror(-code)" is put behind the text. */
int err_sys(struct err *why, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Put "prefix: " in front of the reason that is already there; returns why->code. */
int err_in(struct err *why, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#endif
