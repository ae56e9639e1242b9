/*
 * fake_script.h - the script of fake_collector: lines of fields.
 */
#ifndef PPD_TESTS_TARGETS_FAKE_SCRIPT_H
#define PPD_TESTS_TARGETS_FAKE_SCRIPT_H

#include <stdbool.h>
#include <stdint.h>

#define LINES_MAX  200000
#define FIELDS_MAX 12

struct line {
	char *field[FIELDS_MAX]; /* never NULL */
	int n;
};

extern struct line lines[LINES_MAX];
extern int n_lines;

/* Exits where there is no such file. */
void script_read(const char *path);

/* A field as a number, in any base. */
uint64_t num(const struct line *l, int field);
bool is(const struct line *l, const char *what);

#endif
